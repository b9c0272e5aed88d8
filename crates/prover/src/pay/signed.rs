//! Which result was signed for which lease, for ever: two for one lease would cost the bond, whoever asks for the second.
//!
//! An operator can give out one lease twice, and proofs come out differently each time. So what was signed is never
//! forgotten, though the job is.

use super::locked;
use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::Mutex,
};
use zkpool_protocol::{
    Address, B256, BlobId,
    pay::{LeasedJob, Ledger},
};

/// A lease's name and the output that was signed for it.
const LINE: usize = 64;

/// Lines of [`LINE`] bytes in one file, which only grows.
#[derive(Debug)]
pub(crate) struct Signed(Mutex<(File, HashMap<B256, B256>)>);

impl Signed {
    /// Opens the file; a line that a crash left unfinished is dropped: nothing was signed for it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.len() / LINE * LINE;
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        let lines = bytes[..whole].chunks_exact(LINE);
        let known = lines.map(|line| (B256::from_slice(&line[..32]), B256::from_slice(&line[32..]))).collect();
        Ok(Self(Mutex::new((file, known))))
    }

    /// Notes, durably, that `output` is what is signed for a lease. False if it was another one before.
    pub(crate) fn note(&self, ledger: &Ledger, operator: Address, job: LeasedJob, output: B256) -> io::Result<bool> {
        let Ledger { chain_id, address } = ledger;
        let name: B256 = BlobId::of(format!("{chain_id}\n{address}\n{operator}\n{}", job.id()).as_bytes()).into();
        let mut inner = locked(&self.0);
        let (file, known) = &mut *inner;
        if let Some(before) = known.get(&name) {
            return Ok(*before == output);
        }
        // A line that failed half-way must not stand before the next.
        let end = known.len() as u64 * LINE as u64;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        file.write_all(&[name.as_slice(), output.as_slice()].concat())?;
        file.sync_data()?;
        known.insert(name, output);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_output_for_each_lease_is_remembered() {
        let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger { chain_id: 1, address: Address::ZERO });
        let path = dir.path().join("signed");
        let job = |fence| LeasedJob { task: B256::repeat_byte(1), index: 0, fence };
        let (one, other) = (B256::repeat_byte(2), B256::repeat_byte(3));
        let signed = Signed::open(&path).unwrap();
        assert!(signed.note(&ledger, Address::ZERO, job(1), one).unwrap());
        assert!(signed.note(&ledger, Address::ZERO, job(1), one).unwrap());
        assert!(!signed.note(&ledger, Address::ZERO, job(1), other).unwrap());
        assert!(signed.note(&ledger, Address::ZERO, job(2), other).unwrap());
        assert!(signed.note(&ledger, Address::repeat_byte(1), job(1), other).unwrap(), "another operator's");
        drop(signed);
        // A crash in the middle of a line.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&[9; 40]).unwrap();
        let signed = Signed::open(&path).unwrap();
        assert!(!signed.note(&ledger, Address::ZERO, job(1), other).unwrap());
        assert!(signed.note(&ledger, Address::ZERO, job(3), one).unwrap());
        drop(signed);
        let signed = Signed::open(&path).unwrap();
        assert!(!signed.note(&ledger, Address::ZERO, job(3), other).unwrap());
    }
}
