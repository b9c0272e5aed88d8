//! Where a member's memory is: a directory of its own for each committee and key, held by one node at a time.
//!
//! A key that signs without its memory can contradict itself, which costs its stake. So it matters whether a log is
//! there: it is started durably, and only where a first run is meant.

use crate::{AttesterError, Pledges};
use std::{
    fs::{self, DirBuilder, File},
    io,
    path::{Path, PathBuf},
};
use zkpool_protocol::Address;

/// What was signed, as lines.
const LOG: &str = "signed.log";

/// Starts a member's memory where there is none. Says where it is, and whether it is new.
///
/// # Errors
///
/// [`AttesterError::State`], [`AttesterError::StateInUse`], [`AttesterError::Pledges`].
pub fn begin(
    state_dir: &Path,
    chain_id: u64,
    committee: Address,
    member: Address,
) -> Result<(PathBuf, bool), AttesterError> {
    let dir = dir_of(state_dir, chain_id, committee, member);
    if dir.join(LOG).exists() {
        return Ok((dir, false));
    }
    let (_held, mut pledges) = open(&dir)?;
    let new = !pledges.is_begun();
    pledges.begin()?;
    Ok((dir, new))
}

/// Signatures of another committee or member contradict nothing here: each has a directory of its own.
pub(crate) fn dir_of(state_dir: &Path, chain_id: u64, committee: Address, member: Address) -> PathBuf {
    state_dir.join(format!("{chain_id}-{committee}-{member}").to_lowercase())
}

/// Opens the memory in this directory, begun or not. Nobody else can while the file is held.
pub(crate) fn open(dir: &Path) -> Result<(File, Pledges), AttesterError> {
    make_private(dir).map_err(|source| AttesterError::State { path: dir.to_owned(), source })?;
    let held = lock(dir)?;
    Ok((held, Pledges::open(&dir.join(LOG))?))
}

/// Makes a directory that only its owner may enter, and those above it that are missing. They are there after a power cut,
/// too: with a directory that is lost, what is in it is lost.
pub(crate) fn make_private(dir: &Path) -> io::Result<()> {
    make_durably(dir)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn make_durably(dir: &Path) -> io::Result<()> {
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !dir.is_dir() {
        if !above.is_dir() {
            make_durably(above)?;
        }
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ if cfg!(unix) => File::open(above)?.sync_all()?,
            _ => {}
        }
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, AttesterError> {
    let open = || File::options().create(true).truncate(false).write(true).open(dir.join("lock"));
    let state = |source| AttesterError::State { path: dir.to_owned(), source };
    let file = open().map_err(state)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(AttesterError::StateInUse(dir.to_owned())),
        // Two nodes with one key could contradict each other: without a lock there is no node.
        Err(fs::TryLockError::Error(source)) => Err(state(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_is_begun_once_and_its_owners_alone() {
        let above = tempfile::tempdir().unwrap();
        let state = above.path().join("a").join("b");
        let begin = || begin(&state, 1, Address::repeat_byte(0xaa), Address::repeat_byte(0xbb));
        let (dir, new) = begin().unwrap();
        assert!(new && dir.starts_with(&state));
        assert_eq!(begin().unwrap(), (dir.clone(), false));
        let (_held, pledges) = open(&dir).unwrap();
        assert!(pledges.is_begun() && pledges.is_empty());
        #[cfg(unix)]
        for dir in [&dir, &state] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700, "{}", dir.display());
        }
    }

    #[test]
    fn a_memory_that_is_only_looked_at_is_not_begun() {
        let above = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let (_held, pledges) = open(above.path()).unwrap();
            assert!(!pledges.is_begun());
        }
    }
}
