//! Program parts on disk, under their hash: fetched once, checked when they are first used, the least recently used go
//! first.

use crate::disk;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};
use zkpool_protocol::BlobId;

/// A bounded directory of blobs.
///
/// What is handed out has the hash under which it was asked for: an entry that has changed on disk is dropped, and the
/// caller fetches it again. What is in use is never evicted, even if the directory is larger than its bound meanwhile.
#[derive(Debug)]
pub(crate) struct BlobCache {
    dir: PathBuf,
    max_bytes: u64,
    entries: Mutex<HashMap<BlobId, Entry>>,
    fetches: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    bytes: u64,
    used: SystemTime,
    /// The file's time when its hash was checked by this process.
    checked: Option<SystemTime>,
    pins: usize,
}

/// A blob that stays where it is until this is dropped.
#[derive(Debug)]
pub(crate) struct Pinned {
    cache: Arc<BlobCache>,
    id: BlobId,
}

impl Pinned {
    /// Which blob.
    pub(crate) const fn id(&self) -> BlobId {
        self.id
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.cache.path(self.id)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut entries = self.cache.lock();
        if let Some(entry) = entries.get_mut(&self.id) {
            entry.pins = entry.pins.saturating_sub(1);
        }
        self.cache.make_room(&mut entries, 0);
    }
}

impl BlobCache {
    /// Opens the cache at `dir`, removes what a crash left unfinished, and evicts down to `max_bytes`.
    pub(crate) fn open(dir: &Path, max_bytes: u64) -> io::Result<Arc<Self>> {
        disk::private_dir(dir)?;
        disk::sweep(dir)?;
        let mut entries = HashMap::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<BlobId>().ok()) else { continue };
            let metadata = entry.metadata()?;
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            entries.insert(id, Entry { bytes: metadata.len(), used, checked: None, pins: 0 });
        }
        let cache = Self { dir: dir.to_owned(), max_bytes, entries: Mutex::new(entries), fetches: AtomicU64::new(0) };
        cache.make_room(&mut cache.lock(), 0);
        Ok(Arc::new(cache))
    }

    /// The blob, if it is here and still what it should be. Reads the whole file when it is first used: not for async
    /// code.
    pub(crate) fn get(self: &Arc<Self>, id: BlobId) -> Option<Pinned> {
        let (pinned, checked) = {
            let mut entries = self.lock();
            let entry = entries.get_mut(&id)?;
            entry.pins += 1;
            (Pinned { cache: Arc::clone(self), id }, entry.checked)
        };
        match self.check(id, checked) {
            Ok(true) => Some(pinned),
            Ok(false) => {
                tracing::warn!(blob = %id, "a cached blob no longer has its hash: fetching it again");
                self.forget(pinned);
                None
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(blob = %id, %error, "cannot read a cached blob: fetching it again");
                }
                self.forget(pinned);
                None
            }
        }
    }

    /// Whether the file has its hash. One that was checked and has not been written since is taken to have it.
    fn check(&self, id: BlobId, checked: Option<SystemTime>) -> io::Result<bool> {
        let path = self.path(id);
        let mut file = File::options().read(true).write(true).open(&path)?;
        if checked.is_none() || file.metadata()?.modified().ok() != checked {
            let mut hash = Sha256::new();
            io::copy(&mut file, &mut hash)?;
            if BlobId::from_digest(hash.finalize().into()) != id {
                return Ok(false);
            }
        }
        let now = SystemTime::now();
        // The order of use survives a restart as the file's time.
        file.set_modified(now)?;
        let modified = file.metadata()?.modified().ok();
        if let Some(entry) = self.lock().get_mut(&id) {
            (entry.used, entry.checked) = (now, modified);
        }
        Ok(true)
    }

    /// Where to write a blob that is being fetched. Nobody else has this path; after a crash it is removed.
    pub(crate) fn incoming(&self, id: BlobId) -> PathBuf {
        disk::unfinished_path(&self.dir.join(format!("{id}.{}", self.fetches.fetch_add(1, Ordering::Relaxed))))
    }

    /// Takes in a file that was written to [`Self::incoming`] and whose hash the caller has checked.
    pub(crate) fn commit(self: &Arc<Self>, id: BlobId, incoming: &Path) -> io::Result<Pinned> {
        let file = File::open(incoming)?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        let mut entries = self.lock();
        self.make_room(&mut entries, bytes);
        fs::rename(incoming, self.path(id))?;
        let checked = fs::metadata(self.path(id))?.modified().ok();
        let pins = entries.get(&id).map_or(0, |entry| entry.pins) + 1;
        entries.insert(id, Entry { bytes, used: SystemTime::now(), checked, pins });
        Ok(Pinned { cache: Arc::clone(self), id })
    }

    /// Drops the least recently used entries that nobody uses until `incoming` more bytes fit.
    fn make_room(&self, entries: &mut HashMap<BlobId, Entry>, incoming: u64) {
        let mut used: u64 = entries.values().map(|entry| entry.bytes).sum();
        let mut idle: Vec<_> =
            entries.iter().filter(|(_, entry)| entry.pins == 0).map(|(id, e)| (e.used, *id)).collect();
        idle.sort_by_key(|(used, _)| *used);
        for (_, id) in idle {
            if used.saturating_add(incoming) <= self.max_bytes {
                break;
            }
            if let Err(error) = disk::remove(&self.path(id)) {
                tracing::warn!(blob = %id, %error, "cannot remove a cached blob");
            }
            used -= entries.remove(&id).map_or(0, |entry| entry.bytes);
        }
    }

    /// Removes an entry that is not what it should be; others that use it have read it before it changed.
    fn forget(&self, pinned: Pinned) {
        let id = pinned.id;
        drop(pinned);
        self.lock().remove(&id);
        let _ = disk::remove(&self.path(id));
    }

    fn path(&self, id: BlobId) -> PathBuf {
        self.dir.join(id.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn put(cache: &Arc<BlobCache>, bytes: &[u8]) -> Pinned {
        let id = BlobId::of(bytes);
        let incoming = cache.incoming(id);
        fs::write(&incoming, bytes).unwrap();
        cache.commit(id, &incoming).unwrap()
    }

    fn used(cache: &BlobCache) -> u64 {
        cache.lock().values().map(|entry| entry.bytes).sum()
    }

    #[test]
    fn blobs_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let id = put(&BlobCache::open(dir.path(), 100).unwrap(), b"zkey").id();
        let cache = BlobCache::open(dir.path(), 100).unwrap();
        assert_eq!(fs::read(cache.get(id).unwrap().path()).unwrap(), b"zkey");
        assert!(cache.get(BlobId::of(b"other")).is_none());
        assert_eq!(used(&cache), 4);
    }

    #[test]
    fn a_changed_entry_is_dropped_and_can_be_fetched_again() {
        let dir = tempfile::tempdir().unwrap();
        for reopened in [false, true] {
            let mut cache = BlobCache::open(dir.path(), 100).unwrap();
            let id = put(&cache, b"zkey").id();
            let path = dir.path().join(id.to_string());
            fs::write(&path, b"zkex").unwrap();
            // A file system's clock can be coarse.
            File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            if reopened {
                cache = BlobCache::open(dir.path(), 100).unwrap();
            }
            assert!(cache.get(id).is_none());
            assert!(!path.exists());
            drop(put(&cache, b"zkey"));
            assert!(cache.get(id).is_some() && cache.get(id).is_some());
        }
    }

    #[test]
    fn an_entry_removed_behind_its_back_is_a_miss() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BlobCache::open(dir.path(), 100).unwrap();
        let id = put(&cache, b"zkey").id();
        fs::remove_file(dir.path().join(id.to_string())).unwrap();
        assert!(cache.get(id).is_none());
        assert_eq!(used(&cache), 0);
    }

    #[test]
    fn the_least_recently_used_go_first_and_the_bound_holds() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BlobCache::open(dir.path(), 10).unwrap();
        let (a, b) = (put(&cache, b"aaaa").id(), put(&cache, b"bbbb").id());
        // Distinct times without waiting for the clock.
        cache.lock().get_mut(&a).unwrap().used = SystemTime::UNIX_EPOCH;
        cache.lock().get_mut(&b).unwrap().used = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        assert!(cache.get(a).is_some(), "now the most recent");
        let c = put(&cache, b"cccc").id();
        assert!(cache.get(b).is_none());
        assert!(cache.get(a).is_some() && cache.get(c).is_some());
        assert!(used(&cache) <= 10);
    }

    #[test]
    fn what_is_in_use_stays_and_the_bound_holds_again_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BlobCache::open(dir.path(), 10).unwrap();
        let a = put(&cache, b"aaaaaa");
        let huge = put(&cache, &[0; 20]);
        assert!(a.path().exists() && huge.path().exists(), "both are being read");
        drop((a, huge));
        assert!(used(&cache) <= 10);
    }

    #[test]
    fn a_smaller_bound_evicts_on_opening_and_leaves_foreign_files() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BlobCache::open(dir.path(), 100).unwrap();
        for text in ["one", "two", "three"] {
            put(&cache, text.as_bytes());
        }
        fs::write(dir.path().join("foreign"), b"not a blob").unwrap();
        fs::write(cache.incoming(BlobId::of(b"x")), b"half").unwrap();
        let cache = BlobCache::open(dir.path(), 5).unwrap();
        assert!(used(&cache) <= 5);
        assert!(dir.path().join("foreign").exists(), "only its own files are touched");
        assert!(!fs::read_dir(dir.path()).unwrap().any(|e| e.unwrap().path().to_string_lossy().ends_with(".tmp")));
    }
}
