//! From a chosen offer to a live task, once, whatever happens in between.

use crate::{
    FirmOffer, Payment, Point, ProofRequest, Requester, RequesterError, Stage, TaskRecord,
    ask::{bring_program, id_of},
    check::check_time,
    collect::EVENT_BOUND,
    payment,
};
use alloy::primitives::U256;
use tokio::time::Instant;
use zkpool_api::PublishedRequest;
use zkpool_chain::{ChainError, FailureKind, PoolEvent, TxState};
use zkpool_protocol::{B256, BlobId, Bytes, Call, ErrorCode, SignedQuote, TaskId, TaskInput};

/// Blocks before the recording in which somebody else may have published the quote already: its whole validity, on
/// chains with several blocks a second.
const LOOK_BACK: u64 = 2_000;

/// What came of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// The task is live, or was.
    Accepted {
        /// Transaction.
        transaction: B256,
    },
    /// The operator could not back its word: the reward came back, and `paid` with it.
    Dishonoured {
        /// To the requester's balance, in the liability token's smallest unit.
        paid: U256,
        /// Burned.
        burned: U256,
        /// Transaction.
        transaction: B256,
    },
}

impl Requester {
    /// Puts an offer on record, with the input, before anything is sent for it. Recording it again changes nothing.
    /// Check it first ([`Requester::check`]).
    ///
    /// # Errors
    /// [`RequesterError::State`], [`RequesterError::Chain`].
    pub async fn record(&self, request: &ProofRequest, offer: &FirmOffer) -> Result<TaskId, RequesterError> {
        self.record_paid_by(request, offer, Payment::Pool).await
    }

    /// [`Requester::record`] with another way to pay.
    ///
    /// # Errors
    /// As [`Requester::record`].
    pub async fn record_paid_by(
        &self,
        request: &ProofRequest,
        offer: &FirmOffer,
        payment: Payment,
    ) -> Result<TaskId, RequesterError> {
        let (quote, call, url) = (offer.quote.clone(), offer.call.clone(), offer.url.clone());
        self.keep(request)?;
        self.record_as(&request.quote.reference, quote, call, Some(&request.input), payment, url).await
    }

    /// Keeps what the proof is made from, without a record: for a quote that is put on record later, by another process on
    /// the same directory ([`Requester::record_quote`]). Other operators need it to take the task over.
    ///
    /// # Errors
    /// [`RequesterError::State`].
    pub fn keep(&self, request: &ProofRequest) -> Result<(), RequesterError> {
        for blob in request.blobs.iter().chain([&request.input]) {
            self.inner.state.put_input(blob)?;
        }
        Ok(())
    }

    /// What an input names and is not kept here: operators that are told of its task will lack it.
    ///
    /// # Errors
    /// [`RequesterError::State`].
    pub fn missing(&self, input: &Bytes) -> Result<Vec<BlobId>, RequesterError> {
        let mut missing = Vec::new();
        for blob in TaskInput::from_bytes(input).map(|envelope| envelope.blobs()).unwrap_or_default() {
            if self.inner.state.input(blob.into())?.is_none() {
                missing.push(blob);
            }
        }
        Ok(missing)
    }

    /// Puts a quote on record that was received in some other way.
    ///
    /// # Errors
    /// As [`Requester::record`]; [`RequesterError::BadRequest`] if call or input are not those of the quote.
    pub async fn record_quote(
        &self,
        quote: SignedQuote,
        call: Call,
        input: Option<&Bytes>,
        payment: Payment,
        operator: Option<String>,
    ) -> Result<TaskId, RequesterError> {
        self.record_as("", quote, call, input, payment, operator).await
    }

    async fn record_as(
        &self,
        reference: &str,
        quote: SignedQuote,
        call: Call,
        input: Option<&Bytes>,
        payment: Payment,
        operator: Option<String>,
    ) -> Result<TaskId, RequesterError> {
        self.inner.probe.at(Point::Chosen)?;
        if call.hash() != quote.quote.task.call_hash {
            return Err(RequesterError::BadRequest("the call is not the one that the quote commits to".into()));
        }
        if let Some(input) = input {
            let id = self.inner.state.put_input(input)?;
            if B256::from(id) != quote.quote.task.input_hash {
                return Err(RequesterError::BadRequest("the input is not the one that the quote commits to".into()));
            }
        }
        self.inner.probe.at(Point::InputStored)?;
        let head = self.inner.view.rpc().head().await?;
        let task = id_of(self, &quote);
        let from_block = head.number.saturating_sub(LOOK_BACK);
        let mut record = TaskRecord::new(task, quote, call, payment, from_block);
        (record.operator, record.reference) = (operator, reference.to_owned());
        self.inner.state.insert(record)?;
        self.inner.probe.at(Point::Recorded)?;
        Ok(task)
    }

    /// Publishes a recorded quote and pays for it, or goes on where an earlier attempt was interrupted: looks at the chain
    /// and at the journal first, and pays once. Returns when the publication is in a block.
    ///
    /// # Errors
    /// [`RequesterError::Expired`] (nothing was paid), [`RequesterError::NotBacked`], [`RequesterError::Unfunded`],
    /// [`RequesterError::Chain`] with a decoded revert. Whatever may pass can be tried again with the same task.
    pub async fn publish(&self, task: TaskId) -> Result<Publication, RequesterError> {
        self.publish_if(task, true).await
    }

    /// [`Requester::publish`], even if the contract says that the quote is not backed: the operator then pays its honour
    /// for having signed it, and the reward comes back in the same transaction.
    ///
    /// # Errors
    /// As [`Requester::publish`], but for [`RequesterError::NotBacked`].
    pub async fn publish_unbacked(&self, task: TaskId) -> Result<Publication, RequesterError> {
        self.publish_if(task, false).await
    }

    async fn publish_if(&self, task: TaskId, backed: bool) -> Result<Publication, RequesterError> {
        let mut record = self.task(task)?;
        if let Some(found) = self.publication_of(&mut record).await? {
            return Ok(found);
        }
        let purpose = format!("publish:{task}");
        let funds = match self.inner.sender.get(&purpose).await? {
            // On its way, or in a block: only to be waited for.
            Some(sent) if sent.state != TxState::Failed => None,
            failed => {
                if let Some(failure) = failed.and_then(|failed| failed.failure)
                    && failure.kind == FailureKind::Expired
                {
                    return self.abandon(&mut record, failure.reason).await;
                }
                let head = self.inner.view.rpc().head().await?;
                if let Err(error) = check_time(&record.quote, head.timestamp, 0) {
                    self.abandon(&mut record, error.to_string()).await?;
                    return Err(error);
                }
                if backed {
                    self.check_backed(&record.quote).await?;
                }
                let funds = self.fund(&record).await?;
                let view = &self.inner.view;
                let request =
                    payment::publication(view, &self.inner.key, &record.quote, record.payment, purpose.clone()).await?;
                self.inner.sender.retry(request).await?;
                self.inner.probe.at(Point::PublicationQueued)?;
                Some(funds)
            }
        };
        let mined = self.inner.sender.wait_mined(&purpose, self.inner.options.transaction_bound).await;
        self.inner.probe.at(Point::PublicationMined)?;
        let published = match mined {
            Ok(_) => self.await_publication(&mut record).await,
            Err(error) => match self.publication_of(&mut record).await? {
                // Somebody else published it, or the endpoint has only now told.
                Some(found) => Ok(found),
                None => self.failed(&mut record, error).await,
            },
        };
        drop(funds);
        published
    }

    /// Tells the other operators of a published task, so that one of them can take it over if it is late: uploads the
    /// input where it lacks, and names the quote. Of operators that were only found, those that hold the input already. Operators that cannot be reached are returned with the reason.
    ///
    /// # Errors
    /// [`RequesterError::UnknownTask`], [`RequesterError::State`].
    pub async fn tell(&self, task: TaskId) -> Result<Vec<(String, RequesterError)>, RequesterError> {
        self.tell_with(task, None).await
    }

    /// [`Requester::tell`], bringing the program to operators that lack it.
    ///
    /// # Errors
    /// As [`Requester::tell`].
    pub async fn tell_with(
        &self,
        task: TaskId,
        program: Option<&crate::ProgramFiles>,
    ) -> Result<Vec<(String, RequesterError)>, RequesterError> {
        let mut record = self.task(task)?;
        let input = self.inner.state.input(record.quote.quote.task.input_hash)?;
        let asked = self.inner.state.holders(record.quote.quote.task.input_hash)?;
        let asked = asked.iter().filter(|url| !self.inner.operators.contains(url));
        let others = self.inner.operators.iter().chain(asked);
        let others: Vec<&String> =
            others.filter(|url| record.operator.as_ref() != Some(*url) && !record.told.contains(*url)).collect();
        let told = futures::future::join_all(others.iter().map(|url| {
            let (record, input) = (&record, input.clone());
            async move {
                let bound = self.inner.options.ask_bound;
                match tokio::time::timeout(bound, self.tell_one(url, record, input, program)).await {
                    Ok(result) => result,
                    Err(_) => {
                        Err(RequesterError::TimedOut { what: format!("operator {url}"), seconds: bound.as_secs() })
                    }
                }
            }
        }))
        .await;
        let mut failures = Vec::new();
        let mut done = Vec::new();
        for (url, result) in others.into_iter().zip(told) {
            match result {
                Ok(()) => done.push(url.clone()),
                Err(error) => failures.push((url.clone(), error)),
            }
        }
        if !done.is_empty() {
            // Read again: the task may have gone on meanwhile.
            record = self.task(task)?;
            record.told.extend(done);
            self.inner.state.put(&record)?;
        }
        Ok(failures)
    }

    async fn tell_one(
        &self,
        url: &str,
        record: &TaskRecord,
        input: Option<Bytes>,
        program: Option<&crate::ProgramFiles>,
    ) -> Result<(), RequesterError> {
        let client = self.client_of(record, url)?;
        let fault = |source| RequesterError::Operator { url: url.to_owned(), source };
        if let Some(program) = program {
            bring_program(&client, program).await.map_err(fault)?;
        }
        if let Some(input) = input {
            // What the envelope names and this requester keeps; a witness file is not among it.
            for blob in TaskInput::from_bytes(&input).map(|envelope| envelope.blobs()).unwrap_or_default() {
                if let Some(bytes) = self.inner.state.input(blob.into())? {
                    client.upload(bytes).await.map_err(fault)?;
                }
            }
            client.upload(input).await.map_err(fault)?;
        }
        let request = PublishedRequest { quote: record.quote.clone(), call: record.call.clone() };
        client.published(&request).await.map(drop).map_err(fault)
    }

    /// What the chain says about the publication, noted in the record.
    async fn publication_of(&self, record: &mut TaskRecord) -> Result<Option<Publication>, RequesterError> {
        let (_, events) = self.history(record).read().await?;
        for found in events {
            let (publication, stage) = match found.event {
                PoolEvent::Published { .. } => (
                    Publication::Accepted { transaction: found.transaction },
                    Stage::Published { block: found.block, transaction: found.transaction },
                ),
                PoolEvent::Dishonoured { paid, burned, .. } => (
                    Publication::Dishonoured { paid, burned, transaction: found.transaction },
                    Stage::Dishonoured { paid, burned, transaction: found.transaction },
                ),
                _ => continue,
            };
            if matches!(record.stage, Stage::Recorded | Stage::Abandoned { .. }) {
                self.note(record, stage).await?;
            }
            self.inner.probe.at(Point::PublicationNoted)?;
            return Ok(Some(publication));
        }
        Ok(None)
    }

    /// The transaction is in a block: its event must be there, as soon as the endpoint has caught up with itself.
    async fn await_publication(&self, record: &mut TaskRecord) -> Result<Publication, RequesterError> {
        let end = Instant::now() + EVENT_BOUND;
        loop {
            if let Some(found) = self.publication_of(record).await? {
                return Ok(found);
            }
            if Instant::now() > end {
                let what = format!("the event of the publication of {}", record.task);
                return Err(RequesterError::TimedOut { what, seconds: EVENT_BOUND.as_secs() });
            }
            tokio::time::sleep(self.inner.options.poll).await;
        }
    }

    async fn failed(&self, record: &mut TaskRecord, error: ChainError) -> Result<Publication, RequesterError> {
        let sent = self.inner.sender.get(&format!("publish:{}", record.task)).await?;
        match sent.and_then(|sent| sent.failure) {
            Some(failure) if failure.kind == FailureKind::Expired => self.abandon(record, failure.reason).await,
            Some(failure) if failure.error.as_deref() == Some("QuoteExpired") => {
                self.abandon(record, failure.reason).await
            }
            Some(failure) if failure.kind == FailureKind::Unfunded => Err(ChainError::Transaction {
                purpose: format!("publish:{}", record.task),
                reason: failure.reason,
                code: ErrorCode::Unfunded,
            }
            .into()),
            _ => Err(error.into()),
        }
    }

    /// It was not published in time and cannot be any more.
    async fn abandon(&self, record: &mut TaskRecord, reason: String) -> Result<Publication, RequesterError> {
        let now = self.inner.view.rpc().head().await?.timestamp;
        self.note(record, Stage::Abandoned { reason }).await?;
        Err(RequesterError::Expired { valid_until: record.quote.quote.terms.valid_until, now })
    }

    /// Notes where a task stands. The rest of the record stays as it is on disk.
    pub(crate) async fn note(&self, record: &mut TaskRecord, stage: Stage) -> Result<(), RequesterError> {
        if record.stage != stage {
            *record = self.inner.state.get(record.task)?;
            record.stage = stage;
            self.inner.state.put(record)?;
        }
        Ok(())
    }
}
