//! Where it is decided about one receipt: fetched, checked, pledged, signed.

use crate::{
    AttesterError, Check, Config, Pledge, PledgeError, Pledges, Refusal, memory, pledges::digest, shelf::Shelf,
};
use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use zkpool_api::{AttestationReply, AttestationRequest, Client, ClientError, OpenAttestation};
use zkpool_bindings::CommitteeVerifier::Attestation;
use zkpool_chain::{ChainError, CommitteeView, Key, MemberState};
use zkpool_protocol::{B256, Bytes, ErrorCode};

/// Why nothing was signed this time.
#[derive(Debug)]
pub(crate) enum Fault {
    /// And will not be.
    Refused(Refusal),
    /// The member does not count at present.
    NotLive,
    /// The member will never count again.
    Slashed,
    /// The chain cannot be asked.
    Chain(ChainError),
    /// This operator has had as many new claims signed as it may; again after this time.
    TooMany(Duration),
    /// This operator, about this receipt.
    Operator(ClientError),
    /// This machine: its disk, or the key.
    Local(String),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ChainError> for Fault {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

/// What all operators' requests share.
pub(crate) struct Desk {
    pub(crate) view: CommitteeView,
    pub(crate) key: Key,
    dir: PathBuf,
    check: Arc<dyn Check>,
    checking: Semaphore,
    max_receipt: u64,
    per_hour: usize,
    pledges: Arc<Mutex<Pledges>>,
    shelf: Arc<Mutex<Shelf>>,
    /// How long the questions of programs are; this never changes.
    questions: Mutex<HashMap<B256, u32>>,
    /// Held until the node is gone.
    _held: File,
}

impl Desk {
    /// Opens the directory of this key's signatures for this committee.
    pub(crate) fn open(
        config: &Config,
        view: CommitteeView,
        key: Key,
        check: Arc<dyn Check>,
    ) -> Result<Self, AttesterError> {
        let dir = memory::dir_of(&config.state_dir, config.chain_id, config.committee, key.address());
        let (held, pledges) = memory::open(&dir)?;
        let state = |source| AttesterError::State { path: dir.clone(), source };
        let shelf = Shelf::open(&dir.join("receipts"), config.keep.max(config.max_receipt)).map_err(state)?;
        Ok(Self {
            view,
            key,
            check,
            checking: Semaphore::new(config.checks.max(1)),
            max_receipt: config.max_receipt,
            per_hour: config.per_hour,
            pledges: Arc::new(Mutex::new(pledges)),
            shelf: Arc::new(Mutex::new(shelf)),
            questions: Mutex::default(),
            _held: held,
            dir,
        })
    }

    /// Whether there is anything that says what was signed, be it nothing.
    pub(crate) fn is_begun(&self) -> bool {
        lock_of(&self.pledges).is_begun()
    }

    /// From here on it is remembered.
    pub(crate) fn begin(&self) -> Result<(), AttesterError> {
        Ok(lock_of(&self.pledges).begin()?)
    }

    /// How many claims were signed.
    pub(crate) fn pledges(&self) -> usize {
        lock_of(&self.pledges).len()
    }

    /// Where they are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Signs for a receipt, if it may and the receipt holds. Done again, it signs the same again.
    pub(crate) async fn attest(&self, client: &Client, open: &OpenAttestation) -> Result<AttestationReply, Fault> {
        self.live().await?;
        let pledge = self.pledge(client, open).await?;
        let known = lock_of(&self.pledges).find(&pledge).map_err(Refusal::from)?;
        if !known {
            if let Some(wait) = lock_of(&self.pledges).wait(&pledge.operator, self.per_hour) {
                return Err(Fault::TooMany(wait));
            }
            // Only what was checked is ever pledged.
            let receipt = self.fetch(client, open).await?;
            let receipt = self.checked(receipt, open).await?;
            self.commit(receipt, open.deadline, pledge.clone()).await?;
        }
        let attestation = Attestation {
            imageId: pledge.image_id,
            journalDigest: pledge.journal_digest,
            receiptHash: open.receipt.into(),
        };
        let signature = self
            .key
            .sign_digest(&attestation.digest(&self.view.domain()))
            .map_err(|error| Fault::Local(error.to_string()))?;
        let request = AttestationRequest { task: open.task, receipt: open.receipt, signature };
        client.attest(&request).await.map_err(Fault::Operator)
    }

    /// Whether the member counts, as the chain stands.
    async fn live(&self) -> Result<(), Fault> {
        let member = self.view.member(self.key.address()).await?;
        match member.state {
            _ if member.live => Ok(()),
            MemberState::Slashed => Err(Fault::Slashed),
            _ => Err(Fault::NotLive),
        }
    }

    /// What is asked for, as it would be pledged.
    async fn pledge(&self, client: &Client, open: &OpenAttestation) -> Result<Pledge, Fault> {
        let known = lock_of(&self.questions).get(&open.image_id).copied();
        let bytes = match known {
            Some(bytes) => bytes,
            None => {
                let bytes = self.view.question_bytes(open.image_id).await?;
                let bytes = bytes.ok_or(Refusal::UnknownProgram(open.image_id))?;
                // As many as the committee has programs: no operator can make it grow.
                lock_of(&self.questions).insert(open.image_id, bytes);
                bytes
            }
        };
        let short = Refusal::ShortJournal { found: open.journal.len(), question: bytes };
        let question = usize::try_from(bytes).ok().and_then(|bytes| open.journal.get(..bytes)).ok_or(short)?;
        Ok(Pledge {
            receipt: open.receipt,
            image_id: open.image_id,
            journal_digest: digest(&open.journal),
            question: digest(question),
            task: open.task,
            operator: client.url().to_owned(),
            at: crate::unix_now(),
        })
    }

    async fn fetch(&self, client: &Client, open: &OpenAttestation) -> Result<Vec<u8>, Fault> {
        let too_large = |size| Refusal::TooLarge { size, cap: self.max_receipt };
        if open.size > self.max_receipt {
            return Err(too_large(open.size).into());
        }
        client.receipt(open.receipt, open.size).await.map_err(|error| match error {
            ClientError::WrongBlob { .. } | ClientError::BlobTooLarge { .. } => {
                Refusal::OtherBytes(open.receipt).into()
            }
            other => Fault::Operator(other),
        })
    }

    /// Gives the receipt back if it holds.
    async fn checked(&self, receipt: Vec<u8>, open: &OpenAttestation) -> Result<Vec<u8>, Fault> {
        let _turn = self.checking.acquire().await;
        let check = Arc::clone(&self.check);
        let (kind, image_id, journal): (_, _, Bytes) = (open.kind, open.image_id, open.journal.clone());
        let checked =
            tokio::task::spawn_blocking(move || check.check(kind, &receipt, image_id, &journal).map(|()| receipt));
        match checked.await {
            Ok(Ok(receipt)) => Ok(receipt),
            Ok(Err(wrong)) => Err(Refusal::Wrong(wrong).into()),
            // It panicked, or the process ends: not checked, not signed.
            Err(error) => Err(Refusal::Wrong(crate::Wrong {
                code: ErrorCode::Internal,
                reason: format!("the check failed: {error}"),
            })
            .into()),
        }
    }

    /// Keeps the receipt and gives the word, both durably. Under one lock with [`Pledges::find`]: of two contradicting
    /// requests at the same time, one is refused.
    async fn commit(&self, receipt: Vec<u8>, deadline: u64, pledge: Pledge) -> Result<(), Fault> {
        let (pledges, shelf) = (Arc::clone(&self.pledges), Arc::clone(&self.shelf));
        let committed = tokio::task::spawn_blocking(move || {
            lock_of(&shelf)
                .keep(deadline, &pledge.operator, pledge.receipt, &receipt)
                .map_err(|error| error.to_string())?;
            lock_of(&pledges).commit(&pledge).map_err(|error: PledgeError| error.to_string())
        });
        match committed.await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(conflict))) => Err(Refusal::from(conflict).into()),
            Ok(Err(error)) => Err(Fault::Local(error)),
            Err(error) => Err(Fault::Local(error.to_string())),
        }
    }
}

fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
