//! The receipts that the member has signed for, so that anybody can check later what it signed.
//!
//! One file each, named by its task's deadline and its hash. When there is no room, those whose deadline is longest past
//! go first.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use zkpool_protocol::BlobId;

/// What a file's name ends in before it is complete.
const UNFINISHED: &str = ".tmp";
/// Deadlines are an operator's word: none keeps a receipt longer than one so far ahead, in seconds.
const HORIZON: u64 = 30 * 24 * 3600;

/// A bounded directory of receipts.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
    /// Bytes.
    room: u64,
    taken: u64,
    /// Sizes in bytes, by deadline (unix seconds) and hash.
    kept: BTreeMap<(u64, BlobId), u64>,
}

impl Shelf {
    /// Opens the directory, which nobody else writes to.
    pub(crate) fn open(dir: &Path, room: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut shelf = Self { dir: dir.to_owned(), room, taken: 0, kept: BTreeMap::new() };
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            } else if let Some(key) = key_of(&name) {
                let size = entry.metadata()?.len();
                shelf.taken += size;
                shelf.kept.insert(key, size);
            }
        }
        shelf.make_room(0);
        Ok(shelf)
    }

    /// Keeps a receipt, durably. Blocks on the disk.
    pub(crate) fn keep(&mut self, deadline: u64, id: BlobId, receipt: &[u8]) -> io::Result<()> {
        if self.kept.keys().any(|(_, kept)| *kept == id) {
            return Ok(());
        }
        let key = (deadline.min(crate::unix_now() + HORIZON), id);
        let size = receipt.len() as u64;
        self.make_room(size);
        let path = self.path(key);
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        let written = (|| {
            fs::write(&unfinished, receipt)?;
            fs::File::open(&unfinished)?.sync_all()?;
            fs::rename(&unfinished, &path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        self.taken += size;
        self.kept.insert(key, size);
        Ok(())
    }

    fn make_room(&mut self, size: u64) {
        while self.taken + size > self.room
            && let Some((key, size)) = self.kept.pop_first()
        {
            self.taken -= size;
            let path = self.path(key);
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(file = %path.display(), %error, "cannot remove an old receipt");
            }
        }
    }

    fn path(&self, (deadline, id): (u64, BlobId)) -> PathBuf {
        self.dir.join(format!("{deadline}-{id}"))
    }
}

fn key_of(name: &str) -> Option<(u64, BlobId)> {
    let (deadline, id) = name.split_once('-')?;
    Some((deadline.parse().ok()?, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_deadlines_make_room_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(dir.path(), 10).unwrap();
        let [a, b, c] = [b"aaaa", b"bbbb", b"cccc"].map(|bytes| (BlobId::of(bytes), bytes));
        shelf.keep(20, a.0, a.1).unwrap();
        shelf.keep(10, b.0, b.1).unwrap();
        shelf.keep(30, a.0, a.1).unwrap();
        assert_eq!(names(dir.path()), [format!("10-{}", b.0), format!("20-{}", a.0)]);
        fs::write(dir.path().join(format!("5-{}.tmp", c.0)), b"cc").unwrap();
        let mut shelf = Shelf::open(dir.path(), 10).unwrap();
        shelf.keep(15, c.0, c.1).unwrap();
        assert_eq!(names(dir.path()), [format!("15-{}", c.0), format!("20-{}", a.0)]);
        assert_eq!(fs::read(dir.path().join(format!("15-{}", c.0))).unwrap(), c.1);
        Shelf::open(dir.path(), 5).unwrap();
        assert_eq!(names(dir.path()), [format!("20-{}", a.0)]);
    }

    #[test]
    fn no_deadline_keeps_a_receipt_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(dir.path(), 10).unwrap();
        shelf.keep(u64::MAX, BlobId::of(b"a"), b"a").unwrap();
        let (deadline, _) = key_of(&names(dir.path())[0]).unwrap();
        assert!(deadline <= crate::unix_now() + HORIZON);
    }
}
