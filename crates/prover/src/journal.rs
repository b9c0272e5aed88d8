//! Which jobs this machine holds, and the proofs that it has made but not yet returned: on disk, so that neither a
//! crash nor a power cut loses work that is paid for.
//!
//! A record holds ids and, once it is made, the proof; never an input or a witness.

use crate::disk;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use zkpool_api::ClaimedJob;
use zkpool_protocol::{BlobId, Bytes, JobId};

/// A job that this machine took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Whose job it is: the operator's URL.
    pub(crate) operator: String,
    /// What was claimed.
    pub(crate) job: ClaimedJob,
    /// When, by this machine's clock, unix seconds.
    pub(crate) claimed_at: u64,
    /// The proof, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) finished: Option<Finished>,
}

/// A proof that is to be returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finished {
    /// Its bytes.
    pub(crate) proof: Bytes,
    /// How long it took.
    pub(crate) proving_ms: u64,
}

/// The records, one file each.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
}

impl Journal {
    /// Opens the journal; returns what an earlier run left.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Vec<Record>)> {
        disk::private_dir(dir)?;
        disk::sweep(dir)?;
        let mut records = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match serde_json::from_slice(&fs::read(&path)?) {
                Ok(record) => records.push(record),
                // Written by another version, or damaged: its lease runs out by itself. Kept aside for the owner.
                Err(error) => {
                    tracing::warn!(file = %path.display(), %error, "cannot read a job's record: set aside");
                    fs::rename(&path, path.with_extension("unreadable"))?;
                }
            }
        }
        Ok((Self { dir: dir.to_owned() }, records))
    }

    /// Writes a record, durably.
    pub(crate) fn save(&self, record: &Record) -> io::Result<()> {
        let bytes = serde_json::to_vec(record).map_err(io::Error::other)?;
        disk::write_atomically(&self.path(&record.operator, record.job.id), &bytes)
    }

    /// Forgets a job that has come to its end.
    pub(crate) fn remove(&self, operator: &str, job: JobId) -> io::Result<()> {
        disk::remove(&self.path(operator, job))
    }

    /// Two operators may have jobs of the same task (a rescue), so a record's name covers both.
    fn path(&self, operator: &str, job: JobId) -> PathBuf {
        self.dir.join(format!("{}.json", BlobId::of(format!("{operator}\n{job}").as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkpool_api::Lease;
    use zkpool_protocol::{B256, Operation, ProgramManifest, ProofKind, TaskId, WorkUnits};

    fn record(operator: &str, index: u32) -> Record {
        let job = ClaimedJob {
            id: JobId { task: TaskId::repeat_byte(1), index },
            lease: Lease { fence: 3, until_ms: 0, valid_for_ms: 1000, renew_every_ms: 100 },
            operation: Operation::Single,
            kind: ProofKind::Groth16Bn254,
            program: ProgramManifest::Groth16Bn254 { zkey: BlobId::of(b"z"), witness_generator: None },
            inputs: vec![BlobId::of(b"i")],
            attest: None,
            witness: None,
            statement: Some(B256::ZERO),
            deadline: 5,
            units: WorkUnits(1),
            memory: 1,
            pay: None,
        };
        Record { operator: operator.into(), job, claimed_at: 7, finished: None }
    }

    #[test]
    fn records_survive_a_restart_and_are_told_apart_by_operator_and_job() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, found) = Journal::open(dir.path()).unwrap();
        assert!(found.is_empty());
        let mut first = record("http://a", 0);
        let others = [record("http://b", 0), record("http://a", 1)];
        journal.save(&first).unwrap();
        others.iter().for_each(|other| journal.save(other).unwrap());
        first.finished = Some(Finished { proof: Bytes::from_static(b"proof"), proving_ms: 9 });
        journal.save(&first).unwrap();
        journal.remove("http://b", first.job.id).unwrap();

        let (_, mut found) = Journal::open(dir.path()).unwrap();
        found.sort_by_key(|record| record.job.id);
        assert_eq!(found, [first, others[1].clone()]);
    }

    #[test]
    fn a_damaged_record_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(dir.path()).unwrap();
        journal.save(&record("http://a", 0)).unwrap();
        fs::write(dir.path().join("half.json"), b"{\"operator\":").unwrap();
        fs::write(dir.path().join("unfinished.json.tmp"), b"{").unwrap();
        let (_, found) = Journal::open(dir.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert!(dir.path().join("half.unreadable").exists() && !dir.path().join("unfinished.json.tmp").exists());
    }
}
