//! The receipts that the member has signed for, so that anybody can check later what it signed.
//!
//! One file each, named by its task's deadline, who asked for it and its hash. When there is no room, the operator whose
//! receipts take the most gives way, those with the earliest deadline first: no operator can push out what others had
//! signed.

use crate::memory::make_private;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
};
use zkpool_protocol::BlobId;

/// What a file's name ends in before it is complete.
const UNFINISHED: &str = ".tmp";
/// Deadlines are an operator's word: none keeps a receipt longer than one so far ahead, in seconds.
const HORIZON: u64 = 30 * 24 * 3600;

/// A receipt that is kept: its file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slip {
    /// Unix seconds.
    deadline: u64,
    /// The first bytes of the hash of the operator's URL; zero if that is not known.
    operator: u64,
    receipt: BlobId,
}

/// A bounded directory of receipts.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
    /// Bytes.
    room: u64,
    /// Bytes, by operator.
    taken: HashMap<u64, u64>,
    /// Sizes in bytes.
    kept: BTreeMap<Slip, u64>,
}

impl Shelf {
    /// Opens the directory, which nobody else writes to.
    pub(crate) fn open(dir: &Path, room: u64) -> io::Result<Self> {
        make_private(dir)?;
        let mut shelf = Self { dir: dir.to_owned(), room, taken: HashMap::new(), kept: BTreeMap::new() };
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            } else if let Some(slip) = Slip::of(&name) {
                let size = entry.metadata()?.len();
                if name != slip.name() {
                    fs::rename(entry.path(), dir.join(slip.name()))?;
                }
                *shelf.taken.entry(slip.operator).or_default() += size;
                shelf.kept.insert(slip, size);
            }
        }
        shelf.make_room(0, 0);
        Ok(shelf)
    }

    /// Keeps a receipt, durably. Blocks on the disk.
    pub(crate) fn keep(&mut self, deadline: u64, operator: &str, receipt: BlobId, bytes: &[u8]) -> io::Result<()> {
        if self.kept.keys().any(|slip| slip.receipt == receipt) {
            return Ok(());
        }
        let deadline = deadline.min(crate::unix_now() + HORIZON);
        let slip = Slip { deadline, operator: short(operator), receipt };
        let size = bytes.len() as u64;
        self.make_room(slip.operator, size);
        let path = self.dir.join(slip.name());
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        let written = (|| {
            fs::write(&unfinished, bytes)?;
            fs::File::open(&unfinished)?.sync_all()?;
            fs::rename(&unfinished, &path)?;
            if cfg!(unix) { fs::File::open(&self.dir)?.sync_all() } else { Ok(()) }
        })();
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        *self.taken.entry(slip.operator).or_default() += size;
        self.kept.insert(slip, size);
        Ok(())
    }

    /// For `size` bytes more of this operator's.
    fn make_room(&mut self, operator: u64, size: u64) {
        while self.taken.values().sum::<u64>() + size > self.room
            && let Some(slip) = self.next_to_go(operator, size)
        {
            let freed = self.kept.remove(&slip).unwrap_or_default();
            if let Some(taken) = self.taken.get_mut(&slip.operator) {
                *taken = taken.saturating_sub(freed);
            }
            let path = self.dir.join(slip.name());
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(file = %path.display(), %error, "cannot remove an old receipt");
            }
        }
    }

    /// Of the operator that takes the most, what comes included, the earliest deadline.
    fn next_to_go(&self, operator: u64, size: u64) -> Option<Slip> {
        let share = |of: u64| self.taken.get(&of).copied().unwrap_or_default() + if of == operator { size } else { 0 };
        // The first of equals is the last that is found in this order.
        self.kept.keys().rev().max_by_key(|slip| share(slip.operator)).copied()
    }
}

impl Slip {
    fn name(&self) -> String {
        format!("{}-{:016x}-{}", self.deadline, self.operator, self.receipt)
    }

    fn of(name: &str) -> Option<Self> {
        let (rest, receipt) = name.rsplit_once('-')?;
        // Names of earlier versions do not say who asked.
        let (deadline, operator) = rest.split_once('-').unwrap_or((rest, ""));
        let slip = Self {
            deadline: deadline.parse().ok()?,
            operator: if operator.is_empty() { 0 } else { u64::from_str_radix(operator, 16).ok()? },
            receipt: receipt.parse().ok()?,
        };
        Some(slip)
    }
}

/// Names an operator in a file's name.
fn short(operator: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(operator).into();
    hash[..8].iter().fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deadline and receipt of each file, in order.
    fn kept(dir: &Path) -> Vec<(u64, BlobId)> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut slips: Vec<_> = names.map(|name| Slip::of(&name).unwrap()).collect();
        slips.sort();
        slips.iter().map(|slip| (slip.deadline, slip.receipt)).collect()
    }

    #[test]
    fn the_oldest_deadlines_make_room_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(dir.path(), 10).unwrap();
        let [a, b, c] = [b"aaaa", b"bbbb", b"cccc"].map(|bytes| (BlobId::of(bytes), bytes));
        shelf.keep(20, "x", a.0, a.1).unwrap();
        shelf.keep(10, "x", b.0, b.1).unwrap();
        shelf.keep(30, "x", a.0, a.1).unwrap();
        assert_eq!(kept(dir.path()), [(10, b.0), (20, a.0)]);
        fs::write(dir.path().join(format!("5-{}.tmp", c.0)), b"cc").unwrap();
        let mut shelf = Shelf::open(dir.path(), 10).unwrap();
        shelf.keep(15, "x", c.0, c.1).unwrap();
        assert_eq!(kept(dir.path()), [(15, c.0), (20, a.0)]);
        let slip = Slip { deadline: 15, operator: short("x"), receipt: c.0 };
        assert_eq!(fs::read(dir.path().join(slip.name())).unwrap(), c.1);
        Shelf::open(dir.path(), 5).unwrap();
        assert_eq!(kept(dir.path()), [(20, a.0)]);
    }

    #[test]
    fn no_operator_pushes_out_what_others_had_signed() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(dir.path(), 10).unwrap();
        let [a, b, c, d] = [b"aaa", b"bbb", b"ccc", b"ddd"].map(|bytes| (BlobId::of(bytes), bytes));
        shelf.keep(10, "honest", a.0, a.1).unwrap();
        for (deadline, more) in [(30, b), (20, c), (40, d)] {
            shelf.keep(deadline, "greedy", more.0, more.1).unwrap();
        }
        // The greedy one's own earliest went, though the other's deadline is earlier.
        assert_eq!(kept(dir.path()), [(10, a.0), (30, b.0), (40, d.0)]);
        // And it makes room for others.
        let more = BlobId::of(b"eee");
        Shelf::open(dir.path(), 10).unwrap().keep(50, "third", more, b"eee").unwrap();
        assert_eq!(kept(dir.path()), [(10, a.0), (40, d.0), (50, more)]);
    }

    #[test]
    fn files_of_earlier_versions_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let old = BlobId::of(b"old");
        fs::write(dir.path().join(format!("10-{old}")), b"old").unwrap();
        let mut shelf = Shelf::open(dir.path(), 3).unwrap();
        shelf.keep(20, "x", BlobId::of(b"new"), b"new").unwrap();
        assert_eq!(kept(dir.path()), [(20, BlobId::of(b"new"))]);
    }

    #[test]
    fn no_deadline_keeps_a_receipt_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(dir.path(), 10).unwrap();
        shelf.keep(u64::MAX, "x", BlobId::of(b"a"), b"a").unwrap();
        assert!(kept(dir.path())[0].0 <= crate::unix_now() + HORIZON);
    }
}
