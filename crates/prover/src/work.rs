//! One job, from the claim to the answer: fetch, prove, keep, return.

use crate::{
    cache::Pinned,
    disk,
    engine::EngineError,
    journal::{Finished, Record},
    lease::{Holder, Progress, printable},
    operator::Operator,
    pay::{DeskError, Expected, Withheld},
    report::Event,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{fs::File, sync::OwnedSemaphorePermit};
use zkpool_api::{AttestTerms, ClaimedJob, ClientError, FailRequest, MAX_FAIL_MESSAGE, Paid, ResultRequest};
use zkpool_backends::{Control, Input, ProgramFiles, Step, Work};
use zkpool_protocol::{BlobId, Bytes, ErrorCode, JobId, Operation, TaskInput, pay::LeasedJob};

/// How often bytes that do not have their hash are asked for again.
const WRONG_BLOB_TRIES: u32 = 3;
/// The largest envelope, which is read into memory.
const MAX_ENVELOPE: u64 = 256 << 20;
/// An answer that was not delivered for so long is of no use to anybody.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Why a job is given up.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ErrorCode,
    message: String,
}

impl Failure {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// A file that is removed when it is not needed any more: an input.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = disk::remove(&self.0);
    }
}

/// How a job came to its end, as far as this machine is concerned.
enum End {
    Returned,
    Lost(String),
    Failed(Failure),
    /// Accepted and not vouched for as it should be, or not sent as it would not be.
    Withheld(String),
}

/// Works on a job until it is returned, lost or given up. `permit`: the share of the machine, if it is already held.
pub(crate) async fn carry_out(
    operator: Arc<Operator>,
    mut record: Record,
    resumed: bool,
    permit: Option<OwnedSemaphorePermit>,
) {
    let job = record.job.id;
    let progress = Progress::new(job, Arc::clone(&operator.shared.observer));
    let holder = Holder::start(
        operator.client.clone(),
        job,
        record.job.lease,
        Arc::clone(&progress),
        operator.shared.config.backoff,
        resumed,
    );
    let end = match see_through(&operator, &mut record, &holder, &progress, permit).await {
        End::Failed(failure) => {
            give_up(&operator, &record, &holder, &failure).await;
            End::Failed(failure)
        }
        end => end,
    };
    if let Some(till) = operator.till() {
        till.settle(job);
    }
    // Of one that was withheld the record stays: on the next start the voucher is asked for again.
    if !matches!(end, End::Withheld(_)) {
        operator.forget(&record).await;
    }
    let observer = &operator.shared.observer;
    match end {
        End::Returned => observer.on(&Event::Returned { job }),
        End::Lost(reason) => observer.on(&Event::Lost { job, reason }),
        End::Withheld(reason) => {
            let url = operator.url.clone();
            observer.on(&Event::Withheld { job, operator: url, reason: reason.clone() });
            operator.halt(reason);
        }
        End::Failed(Failure { code, message }) => observer.on(&Event::Failed { job, code, message }),
    }
}

async fn see_through(
    operator: &Arc<Operator>,
    record: &mut Record,
    holder: &Holder,
    progress: &Arc<Progress>,
    permit: Option<OwnedSemaphorePermit>,
) -> End {
    // A job of an earlier run: how its operator pays is not known before it has answered.
    tokio::select! {
        () = operator.agreed() => {}
        reason = holder.lost(), if record.finished.is_none() => return End::Lost(reason),
    }
    let till = operator.till();
    if till.is_none() && operator.owes(record) {
        return End::Withheld(
            "the job was given out for pay, and the operator does not say any more how it pays".into(),
        );
    }
    if record.finished.is_none() {
        // What is not set apart, or is less than is asked, is not worked for.
        let ask = operator.shared.config.asks.get(&record.job.kind).copied();
        if let Some(Err(why)) = till.as_ref().map(|till| till.promise(&record.job, ask)) {
            return End::Failed(Failure::new(why.code(), why.to_string()));
        }
        let proven = tokio::select! {
            proven = prove(operator, &record.job, progress, permit) => proven,
            reason = holder.lost() => return End::Lost(reason),
        };
        let finished = match proven {
            Ok(finished) => finished,
            Err(failure) => return End::Failed(failure),
        };
        let took = Duration::from_millis(finished.proving_ms);
        record.finished = Some(finished);
        // Durable before anything else happens. A disk that refuses is no reason to throw the proof away.
        if till.is_some() {
            keep_surely(operator, record).await;
        } else if let Err(error) = operator.save(record).await {
            tracing::error!(job.id = %record.job.id, %error, "cannot keep the proof on disk; returning it from memory");
        }
        operator.shared.observer.on(&Event::Proven { job: record.job.id, took });
    }
    operator.returning(record.job.id);
    progress.set("returning", 1.0);
    let Some(finished) = &record.finished else { return End::Lost("no proof".into()) };
    deliver(operator, record, finished).await
}

/// The signature of a result, for the lease under which it was made; `None` for an operator that pays outside.
fn sign(operator: &Operator, record: &Record, finished: &Finished) -> Result<Option<Bytes>, DeskError> {
    let Some(till) = operator.till() else { return Ok(None) };
    let JobId { task, index } = record.job.id;
    let leased = LeasedJob { task, index, fence: record.job.lease.fence };
    till.sign(leased, BlobId::of(&finished.proof).into()).map(Some)
}

/// A result that is to be signed must be on disk before: made again after a crash, it would be another one, and could not be
/// signed. A disk that refuses is waited for.
async fn keep_surely(operator: &Operator, record: &Record) {
    let mut attempts = operator.shared.config.backoff.start();
    while let Err(error) = operator.save(record).await {
        let wait = attempts.failed();
        tracing::error!(job.id = %record.job.id, %error, "cannot keep the proof on disk: it is not signed and returned before");
        tokio::time::sleep(wait).await;
    }
}

/// Makes the proof. Holds its share of the machine until the computation has ended.
async fn prove(
    operator: &Arc<Operator>,
    job: &ClaimedJob,
    progress: &Arc<Progress>,
    permit: Option<OwnedSemaphorePermit>,
) -> Result<Finished, Failure> {
    let shared = &operator.shared;
    let permit = match permit {
        Some(permit) => permit,
        None => {
            progress.set("waiting", 0.0);
            let permit = Arc::clone(&shared.slots).acquire_owned().await;
            permit.map_err(|_| Failure::new(ErrorCode::Internal, "the agent is stopping"))?
        }
    };
    let share = shared.config.memory_per_job();
    if job.memory > share {
        return Err(too_much_memory(job.memory, share));
    }
    let Some(backend) = shared.engine.backend(job.kind) else {
        return Err(Failure::new(ErrorCode::BadRequest, format!("this prover does not make {} proofs", job.kind)));
    };
    progress.set("fetching", 0.0);
    let (work, held) = fetch(operator, job).await?;

    let shown = Arc::clone(progress);
    let report = move |p: zkpool_backends::Progress| shown.set(p.stage.as_str(), p.fraction as f32);
    let control = Control::with(None, Some(Box::new(report)));
    let started = Instant::now();
    let outcome = shared
        .engine
        .run(control, (permit, held), move |control| {
            let needed = backend.memory(&work, control)?;
            if needed > share {
                return Ok(Err(too_much_memory(needed, share)));
            }
            backend.prove(&work, control).map(Ok)
        })
        .await??;
    if let (Some(found), Some(statement)) = (outcome.statement, job.statement)
        && found != statement
    {
        return Err(Failure::new(
            ErrorCode::WrongPublicInputs,
            format!("the input proves statement {found}, not {statement}"),
        ));
    }
    let proving_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if !job.operation.is_whole() {
        operator.keep(&outcome.result).await;
    }
    Ok(Finished { proof: Bytes::from(outcome.result), proving_ms })
}

fn too_much_memory(needed: u64, share: u64) -> Failure {
    let message =
        format!("the job needs {} MiB of memory, this prover gives each job {} MiB", needed >> 20, share >> 20);
    Failure::new(ErrorCode::TooLarge, message)
}

/// What stays where it is for as long as a job is worked on.
type Held = (Vec<Pinned>, Option<Temporary>);

/// What the job is done on. Only a whole proof needs the program: the steps of a zkVM task carry what they need.
async fn fetch(operator: &Operator, job: &ClaimedJob) -> Result<(Work, Held), Failure> {
    let (ids, missing) = match job.operation {
        Operation::Single | Operation::Attest => (job.program.blobs(), ErrorCode::UnknownProgram),
        _ => (job.inputs.clone(), ErrorCode::UnknownInput),
    };
    let mut parts = Vec::new();
    for id in ids {
        parts.push(operator.blob(id, missing).await?);
    }
    let mut program = ProgramFiles { manifest: job.program.clone(), files: BTreeMap::new() };
    if job.operation == Operation::Single {
        program.files = parts.iter().map(|part| (part.id(), part.path())).collect();
        let (input, temporary) = fetch_input(operator, job).await?;
        return Ok((Work { program, step: Step::Single(input) }, (parts, temporary)));
    }
    if job.operation == Operation::Attest {
        let incomplete = || Failure::new(ErrorCode::BadRequest, "an `attest` job comes with its input and its terms");
        let (Some(input), Some(terms)) = (job.witness, job.attest) else { return Err(incomplete()) };
        let AttestTerms { chain_id, verifier, payee } = terms;
        let temporary = fetch_secret(operator, input).await?;
        let terms = zkpool_backends::Attest { chain_id, verifier, payee };
        let step = Step::Attest { input: temporary.0.clone(), terms };
        return Ok((Work { program, step }, (parts, Some(temporary))));
    }
    let files: Vec<_> = parts.iter().map(Pinned::path).collect();
    let misfit = || {
        let message = format!("a `{}` job does not come with {} inputs", job.operation.as_str(), files.len());
        Failure::new(ErrorCode::BadRequest, message)
    };
    let step = Step::of_files(job.operation, job.statement, &files).ok_or_else(misfit)?;
    Ok((Work { program, step }, (parts, None)))
}

/// The input. Signals stay in memory; a ready witness, which can be as large as the memory, goes to a file that only this
/// process knows, and that is gone when the job is.
async fn fetch_input(operator: &Operator, job: &ClaimedJob) -> Result<(Input, Option<Temporary>), Failure> {
    if let Some(witness) = job.witness {
        let temporary = fetch_secret(operator, witness).await?;
        return Ok((Input::Witness(temporary.0.clone()), Some(temporary)));
    }
    let [envelope] = job.inputs[..] else {
        return Err(Failure::new(ErrorCode::BadRequest, "a `single` job comes with its envelope and nothing else"));
    };
    let bytes = operator.envelope(envelope).await?;
    let envelope =
        TaskInput::from_bytes(&bytes).map_err(|error| Failure::new(ErrorCode::BadInput, error.to_string()))?;
    if envelope.program != job.program.id() {
        return Err(Failure::new(ErrorCode::BadInput, "the input is for another program than the job"));
    }
    Input::from_envelope(envelope, &BTreeMap::new())
        .map(|input| (input, None))
        .map_err(|_| Failure::new(ErrorCode::UnknownInput, "the input names a witness that the job does not come with"))
}

/// A part of an input, in a file that only this process knows.
async fn fetch_secret(operator: &Operator, id: BlobId) -> Result<Temporary, Failure> {
    let temporary = Temporary(operator.shared.input_path());
    let cap = operator.shared.config.max_blob_bytes;
    operator.fetch(id, cap, &temporary.0, ErrorCode::UnknownInput).await?;
    Ok(temporary)
}

impl Operator {
    /// A blob: from the cache, or fetched into it. Two jobs that need the same one fetch it once.
    async fn blob(&self, id: BlobId, missing: ErrorCode) -> Result<Pinned, Failure> {
        let fetching = self.shared.fetching(id);
        let _alone = fetching.lock().await;
        let cache = Arc::clone(&self.shared.cache);
        let cached = tokio::task::spawn_blocking(move || cache.get(id)).await;
        if let Ok(Some(part)) = cached {
            return Ok(part);
        }
        let temporary = Temporary(self.shared.cache.incoming(id));
        self.fetch(id, self.shared.config.max_blob_bytes, &temporary.0, missing).await?;
        let (cache, path) = (Arc::clone(&self.shared.cache), temporary.0.clone());
        let committed = tokio::task::spawn_blocking(move || cache.commit(id, &path)).await;
        match committed {
            Ok(Ok(part)) => Ok(part),
            Ok(Err(error)) => Err(storage(&error)),
            Err(error) => Err(Failure::new(ErrorCode::Internal, error.to_string())),
        }
    }

    /// Keeps a result for a later step that needs it, which is then not fetched. Not being able to costs only that.
    async fn keep(&self, result: &[u8]) {
        let id = BlobId::of(result);
        let (cache, path, bytes) = (Arc::clone(&self.shared.cache), self.shared.cache.incoming(id), result.to_vec());
        let kept = tokio::task::spawn_blocking(move || {
            let temporary = Temporary(path);
            disk::private_file(&temporary.0).and_then(|mut file| std::io::Write::write_all(&mut file, &bytes))?;
            cache.commit(id, &temporary.0).map(drop)
        });
        if let Ok(Err(error)) = kept.await {
            tracing::debug!(blob = %id, %error, "cannot keep a result for later steps");
        }
    }

    /// Writes a blob to a private file, trying again for as long as the job is held.
    async fn fetch(&self, id: BlobId, cap: u64, path: &Path, missing: ErrorCode) -> Result<(), Failure> {
        self.persist(id, missing, || async {
            let file =
                disk::private_file(path).map_err(|source| ClientError::Io { what: "writing a blob".into(), source })?;
            self.client.download_to(id, cap, &mut File::from_std(file)).await.map(drop)
        })
        .await
    }

    /// Reads an envelope, trying again for as long as the job is held.
    async fn envelope(&self, id: BlobId) -> Result<Vec<u8>, Failure> {
        let cap = MAX_ENVELOPE.min(self.shared.config.max_blob_bytes);
        self.persist(id, ErrorCode::UnknownInput, || self.client.download(id, cap)).await
    }

    async fn persist<T, F, Fut>(&self, id: BlobId, missing: ErrorCode, attempt: F) -> Result<T, Failure>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let mut attempts = self.shared.config.backoff.start();
        let mut wrong = 0;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match &error {
                ClientError::Io { source, .. } => return Err(storage(source)),
                ClientError::BlobTooLarge { .. } => return Err(Failure::new(ErrorCode::TooLarge, error.to_string())),
                ClientError::WrongBlob { .. } => {
                    wrong += 1;
                    if wrong == WRONG_BLOB_TRIES {
                        let message = format!("blob {id} came with another hash {wrong} times");
                        return Err(Failure::new(ErrorCode::HashMismatch, message));
                    }
                }
                ClientError::Api { error: api, .. } if !api.is_transient() => {
                    let code = if api.code == ErrorCode::NotFound { missing } else { api.code };
                    return Err(Failure::new(code, printable(&error.to_string())));
                }
                // The network, or something in between that does not speak the API: it passes, or the lease ends.
                _ => {}
            }
            let wait = attempts.failed().max(error.retry_after().unwrap_or_default());
            tracing::debug!(blob = %id, %error, "cannot fetch a blob; trying again");
            tokio::time::sleep(wait).await;
        }
    }
}

fn storage(error: &std::io::Error) -> Failure {
    Failure::new(ErrorCode::Storage, format!("the prover cannot write to its disk: {error}"))
}

/// Returns the proof until the operator has given an answer that is final. Only the operator knows whether a lease that
/// has run out matters, so it is asked.
async fn deliver(operator: &Operator, record: &Record, finished: &Finished) -> End {
    let mut attempts = operator.shared.config.backoff.start();
    let signature = loop {
        match sign(operator, record, finished) {
            Ok(signature) => break signature,
            Err(error) if error.code == ErrorCode::Storage => {
                tracing::error!(job.id = %record.job.id, %error, "not signed yet");
                tokio::time::sleep(attempts.failed()).await;
            }
            Err(error) => return End::Failed(Failure::new(error.code, error.message)),
        }
    };
    let request = ResultRequest {
        fence: record.job.lease.fence,
        proof: finished.proof.clone(),
        proving_ms: Some(finished.proving_ms),
        signature,
    };
    loop {
        let error = match operator.client.result(record.job.id, &request).await {
            Ok(reply) => match take(operator, record, finished, reply.paid).await {
                Ok(()) => return End::Returned,
                Err(why) if why.is_the_operators() => return End::Withheld(printable(&why.to_string())),
                Err(why) => {
                    let wait = attempts.failed();
                    operator.tell_trouble(&why, wait);
                    tokio::time::sleep(wait).await;
                    continue;
                }
            },
            Err(error) => error,
        };
        if is_final(&error) {
            return match error.code() {
                ErrorCode::LeaseLost | ErrorCode::NotFound => End::Lost(error.to_string()),
                code => End::Failed(Failure::new(code, error.to_string())),
            };
        }
        if crate::unix_now().saturating_sub(record.claimed_at) > GIVE_UP_AFTER.as_secs() {
            return End::Lost(format!("the proof could not be returned within a day: {error}"));
        }
        let wait = attempts.failed().max(error.retry_after().unwrap_or_default());
        operator.trouble(&error, wait);
        tokio::time::sleep(wait).await;
    }
}

/// Looks at what the result has earned, and keeps it.
async fn take(operator: &Operator, record: &Record, finished: &Finished, paid: Option<Paid>) -> Result<(), Withheld> {
    let Some(till) = operator.till() else { return Ok(()) };
    let expected = Expected {
        job: record.job.id,
        fence: record.job.lease.fence,
        output: BlobId::of(&finished.proof).into(),
        units: record.job.units,
        promised: record.job.pay.map(|pay| (pay.token, pay.amount)),
    };
    if let Some(event) = till.take(expected, paid).await? {
        operator.shared.observer.on(&event);
        operator.shared.earned.notify_one();
    }
    Ok(())
}

/// Tells the operator that the job is given up; it goes to somebody else.
async fn give_up(operator: &Operator, record: &Record, holder: &Holder, failure: &Failure) {
    if record.finished.is_some() {
        // The operator has refused the proof: it knows.
        return;
    }
    let mut message = printable(&failure.message);
    let mut end = message.len().min(MAX_FAIL_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    let request = FailRequest { fence: record.job.lease.fence, code: failure.code, message };
    let mut attempts = operator.shared.config.backoff.start();
    loop {
        let answer = tokio::select! {
            answer = operator.client.fail(record.job.id, &request) => answer,
            _ = holder.lost() => return,
        };
        match answer {
            Ok(_) => return,
            Err(error) if is_final(&error) => return,
            Err(error) => {
                if crate::unix_now().saturating_sub(record.claimed_at) > GIVE_UP_AFTER.as_secs() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(attempts.failed().max(error.retry_after().unwrap_or_default())) => {}
                    _ = holder.lost() => return,
                }
            }
        }
    }
}

/// Whether the operator itself has said no, for good.
fn is_final(error: &ClientError) -> bool {
    matches!(error, ClientError::Api { error, .. } if !error.is_transient() && error.code != ErrorCode::Unauthorized)
}
