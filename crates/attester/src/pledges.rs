//! What the member has given its word for: on disk before it is signed, and never contradicted.
//!
//! The committee's contract takes a member's stake for two claims about one receipt, and for two journals of one program
//! that begin with the same question. So a claim is looked up by its receipt and by its question, and written to the end
//! of a log, before anything is signed; the log is read whole on every start.
//!
//! Writing is all or nothing. A line that a crash left unfinished was never signed, and is cut off. Anything else that
//! cannot be read means that the disk has lost what was signed, and the node does not start: signing without it could
//! cost the stake.

use crate::quota::Quota;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};
use zkpool_protocol::{B256, BlobId, TaskId};

/// A claim that the member signs, and what it was asked for. Grows by a few hundred bytes on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pledge {
    /// The receipt.
    pub receipt: BlobId,
    /// The program.
    pub image_id: B256,
    /// SHA-256 of the journal.
    pub journal_digest: B256,
    /// SHA-256 of the question: the first bytes of the journal.
    pub question: B256,
    /// For which task it was asked first.
    pub task: TaskId,
    /// By which operator.
    pub operator: String,
    /// When, unix seconds.
    pub at: u64,
}

/// The claim contradicts what was signed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another claim was signed for the receipt.
    #[error(
        "it was signed for before, for image {image_id} and journal digest {journal_digest}: no receipt proves two claims"
    )]
    Receipt {
        /// Of which program.
        image_id: B256,
        /// SHA-256 of the journal that was signed.
        journal_digest: B256,
    },
    /// Another answer was signed for the question.
    #[error(
        "another answer to its question was signed before: journal digest {journal_digest}, by receipt {receipt}; two \
         answers to one question would cost the stake"
    )]
    Question {
        /// SHA-256 of the journal that was signed.
        journal_digest: B256,
        /// The receipt that was signed.
        receipt: BlobId,
    },
}

/// The log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PledgeError {
    /// It cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The log.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not say any more what was signed.
    #[error(
        "{} is damaged at line {line} ({reason}): what was signed is not known any more, and to sign without it could cost \
         the stake. Restore the file, or withdraw the stake and take part with another key",
        path.display()
    )]
    Damaged {
        /// The log.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no log, and nobody has said that there never was.
    #[error("{} is not there: nothing is signed without it", .0.display())]
    NotBegun(PathBuf),
    /// A write has failed half-way and could not be undone.
    #[error("a write to {} has failed before: nothing is signed until the node is started again", .0.display())]
    Broken(PathBuf),
}

/// What was signed.
#[derive(Debug)]
pub struct Pledges {
    path: PathBuf,
    /// `None` until there is a log.
    file: Option<File>,
    /// Bytes that are durable.
    length: u64,
    broken: bool,
    receipts: HashMap<BlobId, Claim>,
    questions: HashMap<(B256, B256), (B256, BlobId)>,
    quota: Quota,
}

type Claim = (B256, B256);

impl Pledges {
    /// Reads the log. Where there is none, [`Pledges::begin`] starts it. The caller sees to it that only one process uses
    /// it.
    ///
    /// # Errors
    ///
    /// [`PledgeError::Io`], [`PledgeError::Damaged`].
    pub fn open(path: &Path) -> Result<Self, PledgeError> {
        let failed = |source| PledgeError::Io { path: path.to_owned(), source };
        let mut pledges = Self {
            path: path.to_owned(),
            file: None,
            length: 0,
            broken: false,
            receipts: HashMap::new(),
            questions: HashMap::new(),
            quota: Quota::default(),
        };
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(pledges),
            Err(error) => return Err(failed(error)),
        };
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let length = whole as u64;
        if whole < text.len() {
            tracing::warn!(file = %path.display(), bytes = text.len() - whole, "cut off what a crash left unfinished");
            file.set_len(length).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        if let Some(dir) = path.parent().filter(|_| cfg!(unix)) {
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        }
        (pledges.file, pledges.length) = (Some(file), length);
        for (at, line) in text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let damaged = |reason: String| PledgeError::Damaged { path: path.to_owned(), line: at + 1, reason };
            let pledge: Pledge = serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))?;
            pledges.find(&pledge).map_err(|conflict| damaged(conflict.to_string()))?;
            pledges.remember(&pledge);
        }
        Ok(pledges)
    }

    /// Starts the log, durably, if there is none.
    ///
    /// # Errors
    ///
    /// As [`Pledges::open`].
    pub fn begin(&mut self) -> Result<(), PledgeError> {
        if self.is_begun() {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.path).map_err(|source| PledgeError::Io { path: self.path.clone(), source })?;
        *self = Self::open(&self.path)?;
        Ok(())
    }

    /// Whether there is a log. Without one nothing is known of what was signed, which is not to say that nothing was.
    pub const fn is_begun(&self) -> bool {
        self.file.is_some()
    }

    /// How long an operator must wait for its next new claim, if it has had `most` within the last hour.
    pub(crate) fn wait(&self, operator: &str, most: usize) -> Option<Duration> {
        self.quota.wait(operator, crate::unix_now(), most)
    }

    /// How many claims were signed.
    pub fn len(&self) -> usize {
        self.receipts.len()
    }

    /// Whether nothing was signed.
    pub fn is_empty(&self) -> bool {
        self.receipts.is_empty()
    }

    /// Whether exactly this claim was pledged for the receipt before.
    ///
    /// # Errors
    ///
    /// [`Conflict`], if it contradicts what was.
    pub fn find(&self, pledge: &Pledge) -> Result<bool, Conflict> {
        let known = match self.receipts.get(&pledge.receipt) {
            Some(claim) if *claim == (pledge.image_id, pledge.journal_digest) => true,
            Some((image_id, journal_digest)) => {
                return Err(Conflict::Receipt { image_id: *image_id, journal_digest: *journal_digest });
            }
            None => false,
        };
        match self.questions.get(&(pledge.image_id, pledge.question)) {
            Some((journal_digest, receipt)) if *journal_digest != pledge.journal_digest => {
                Err(Conflict::Question { journal_digest: *journal_digest, receipt: *receipt })
            }
            _ => Ok(known),
        }
    }

    /// Gives the word, durably: when this returns, neither a crash nor a power cut undoes it. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// The inner one is the [`Conflict`]; the outer one says that nothing may be signed now.
    pub fn commit(&mut self, pledge: &Pledge) -> Result<Result<(), Conflict>, PledgeError> {
        if self.broken {
            return Err(PledgeError::Broken(self.path.clone()));
        }
        if !self.is_begun() {
            return Err(PledgeError::NotBegun(self.path.clone()));
        }
        match self.find(pledge) {
            Err(conflict) => return Ok(Err(conflict)),
            Ok(true) => return Ok(Ok(())),
            Ok(false) => {}
        }
        self.append(pledge).map_err(|source| PledgeError::Io { path: self.path.clone(), source })?;
        self.remember(pledge);
        Ok(Ok(()))
    }

    fn append(&mut self, pledge: &Pledge) -> io::Result<()> {
        let mut line = serde_json::to_vec(pledge).map_err(io::Error::other)?;
        line.push(b'\n');
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        // Until it is known how this ends, nothing else may be written behind it.
        self.broken = true;
        file.seek(SeekFrom::Start(self.length))?;
        if let Err(error) = file.write_all(&line) {
            // A full disk, most likely: half a line must not stay.
            file.set_len(self.length)?;
            self.broken = false;
            return Err(error);
        }
        // After a failed sync nobody knows what is on the disk: it stays broken.
        file.sync_all()?;
        self.length += line.len() as u64;
        self.broken = false;
        Ok(())
    }

    fn remember(&mut self, pledge: &Pledge) {
        if self.receipts.insert(pledge.receipt, (pledge.image_id, pledge.journal_digest)).is_none() {
            self.quota.note(&pledge.operator, pledge.at);
        }
        let question = (pledge.image_id, pledge.question);
        self.questions.entry(question).or_insert((pledge.journal_digest, pledge.receipt));
    }
}

/// SHA-256, as contracts and the log name journals and questions.
pub(crate) fn digest(bytes: &[u8]) -> B256 {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    digest.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Of program `image`: question `question`, answer `answer`, by receipt `receipt`.
    fn pledge(image: u8, question: u8, answer: u8, receipt: u8) -> Pledge {
        Pledge {
            receipt: BlobId::of(&[receipt]),
            image_id: B256::repeat_byte(image),
            journal_digest: digest(&[question, answer]),
            question: digest(&[question]),
            task: TaskId::repeat_byte(9),
            operator: "http://operator".into(),
            at: 1,
        }
    }

    fn log() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signed.log");
        (dir, path)
    }

    fn begun(path: &Path) -> Pledges {
        let mut pledges = Pledges::open(path).unwrap();
        pledges.begin().unwrap();
        pledges
    }

    #[test]
    fn without_a_log_nothing_is_signed() {
        let (_dir, path) = log();
        let mut pledges = Pledges::open(&path).unwrap();
        assert!(matches!(pledges.commit(&pledge(1, 2, 3, 4)), Err(PledgeError::NotBegun(_))));
        assert!(!path.exists() && !pledges.is_begun());
        begun(&path).commit(&pledge(1, 2, 3, 4)).unwrap().unwrap();
        let mut pledges = begun(&path);
        assert_eq!(pledges.len(), 1, "to begin again forgets nothing");
        pledges.commit(&pledge(1, 2, 3, 5)).unwrap().unwrap();
    }

    #[test]
    fn what_an_operator_has_had_is_known_after_a_restart() {
        let (_dir, path) = log();
        let now = crate::unix_now();
        let mut pledges = begun(&path);
        for n in 0..2 {
            pledges.commit(&Pledge { at: now, ..pledge(1, n, n, n) }).unwrap().unwrap();
        }
        pledges.commit(&Pledge { at: now - 7200, ..pledge(1, 3, 3, 3) }).unwrap().unwrap();
        for _ in 0..2 {
            assert_eq!(pledges.wait("http://operator", 3), None);
            assert!(pledges.wait("http://operator", 2).is_some_and(|wait| wait <= Duration::from_secs(3600)));
            pledges = Pledges::open(&path).unwrap();
        }
    }

    #[test]
    fn one_claim_a_receipt_and_one_journal_a_question_also_after_a_restart() {
        let (_dir, path) = log();
        let mut pledges = begun(&path);
        assert!(pledges.is_empty());
        let first = pledge(1, 2, 3, 4);
        assert_eq!(pledges.find(&first), Ok(false));
        pledges.commit(&first).unwrap().unwrap();
        for _ in 0..2 {
            let other_answer = pledge(1, 2, 30, 40);
            let conflict = Conflict::Question { journal_digest: first.journal_digest, receipt: first.receipt };
            assert_eq!(pledges.find(&other_answer), Err(conflict));
            assert_eq!(pledges.commit(&other_answer).unwrap(), Err(conflict));
            for other_claim in [pledge(1, 20, 3, 4), pledge(10, 2, 3, 4)] {
                let conflict = Conflict::Receipt { image_id: first.image_id, journal_digest: first.journal_digest };
                assert_eq!(pledges.commit(&other_claim).unwrap(), Err(conflict));
            }
            assert_eq!(pledges.find(&first), Ok(true));
            pledges = Pledges::open(&path).unwrap();
        }
        // The same again, the same answer by another receipt, the same question to another program.
        let size = fs::metadata(&path).unwrap().len();
        pledges.commit(&Pledge { task: TaskId::ZERO, ..first.clone() }).unwrap().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), size);
        pledges.commit(&pledge(1, 2, 3, 5)).unwrap().unwrap();
        pledges.commit(&pledge(2, 2, 30, 6)).unwrap().unwrap();
        assert_eq!(Pledges::open(&path).unwrap().len(), 3);
    }

    #[test]
    fn a_crash_in_the_middle_of_a_write_loses_only_what_was_not_signed() {
        let (_dir, path) = log();
        let mut pledges = begun(&path);
        pledges.commit(&pledge(1, 1, 1, 1)).unwrap().unwrap();
        let one = fs::read(&path).unwrap();
        pledges.commit(&pledge(1, 2, 2, 2)).unwrap().unwrap();
        let two = fs::read(&path).unwrap();
        for cut in one.len()..two.len() {
            fs::write(&path, &two[..cut]).unwrap();
            let mut pledges = begun(&path);
            assert_eq!((pledges.len(), fs::read(&path).unwrap()), (1, one.clone()));
            pledges.commit(&pledge(1, 2, 20, 3)).unwrap().unwrap();
            assert_eq!(Pledges::open(&path).unwrap().len(), 2);
        }
    }

    #[test]
    fn nothing_is_signed_on_a_log_that_has_lost_its_memory() {
        let (_dir, path) = log();
        let mut pledges = begun(&path);
        for n in 0..3 {
            pledges.commit(&pledge(1, n, n, n)).unwrap().unwrap();
        }
        let whole = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = whole.lines().collect();
        let contradiction = serde_json::to_string(&pledge(1, 0, 7, 7)).unwrap();
        for second in ["", "{}", &lines[1][1..], &contradiction] {
            fs::write(&path, format!("{}\n{second}\n{}\n", lines[0], lines[2])).unwrap();
            let error = Pledges::open(&path).unwrap_err();
            assert!(matches!(error, PledgeError::Damaged { line: 2, .. }), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_no_pledge() {
        let full = Path::new("/dev/full");
        let (_dir, path) = log();
        let mut pledges = begun(&path);
        let file = OpenOptions::new().write(true).open(full).unwrap();
        let good = pledges.file.replace(file);
        let first = pledge(1, 1, 1, 1);
        assert!(matches!(pledges.commit(&first), Err(PledgeError::Io { .. })));
        assert_eq!(pledges.find(&first), Ok(false));
        // What it was left in is not known: nothing is signed any more, until it is opened again.
        pledges.file = good;
        assert!(matches!(pledges.commit(&first), Err(PledgeError::Broken(_))));
        Pledges::open(&path).unwrap().commit(&first).unwrap().unwrap();
    }
}
