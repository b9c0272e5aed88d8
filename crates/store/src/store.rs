//! The store: what the service must not forget, as typed operations.
//!
//! Every operation is one transaction: when it returns, its effect is durable; when it fails, nothing has changed. A
//! task or a job only ever moves along [`TaskState`] and `JobState`, and only from the state that the caller saw.

use crate::{
    Advance, Advanced, AttestationRecord, Completion, Earmark, Earning, Grant, InputRecord, JobCensus, JobRecord,
    LeaseOutcome, LeaseRecord, LogEntry, Meta, Millis, NewLeg, NewResult, NewTask, NewTranche, NewWatch, Outing, Plan,
    Price, ProgramRecord, ProverDescription, ProverId, ProverRecord, Refusal, Renewal, RequestId, StoreResult, TaskKey,
    TaskRecord, TrancheRecord, TrancheStatus, Workload,
};
use async_trait::async_trait;
use std::{fmt::Debug, ops::Range};
use zkpool_chain::{TxJournal, TxRecord};
use zkpool_protocol::{
    Address, BlobId, Job, JobId, ProgramId, Quote, TaskId, TaskState, WorkUnits,
    pay::{Cap, TaskPay},
};

/// One service's memory.
#[async_trait]
pub trait Store: TxJournal + Debug {
    /// Whose database this is, and where it stands.
    async fn meta(&self) -> StoreResult<Meta>;
    /// Lets the circuit breaker forget the misses before now.
    async fn reset_breaker(&self, now: Millis) -> StoreResult<()>;

    // ---- uploads, programs, inputs ----

    /// Notes that `who` uploaded a blob, unless that makes it more than `limit` bytes in all (`TooLarge`).
    async fn note_upload(&self, who: Address, blob: BlobId, size: u64, limit: u64, now: Millis) -> StoreResult<()>;
    /// Bytes that `who` has uploaded.
    async fn uploaded_bytes(&self, who: Address) -> StoreResult<u64>;
    /// Whether `who` has uploaded this blob.
    async fn has_uploaded(&self, who: Address, blob: BlobId) -> StoreResult<bool>;
    /// Registers a program; again is no change.
    async fn put_program(&self, program: &ProgramRecord, now: Millis) -> StoreResult<()>;
    /// A registered program.
    async fn program(&self, id: ProgramId) -> StoreResult<Option<ProgramRecord>>;
    /// Whether the blob is a part of a registered program.
    async fn is_program_part(&self, blob: BlobId) -> StoreResult<bool>;
    /// Notes that the verifier has accepted a proof of the program.
    async fn note_verified_program(&self, verifier: Address, program: ProgramId, now: Millis) -> StoreResult<()>;
    /// Whether the verifier has accepted a proof of the program.
    async fn is_verified_program(&self, verifier: Address, program: ProgramId) -> StoreResult<bool>;
    /// Notes an input that passed the preflight; `tried` is never taken back, and sizes that were tried are added.
    async fn put_input(&self, input: &InputRecord, now: Millis) -> StoreResult<()>;
    /// An input that passed the preflight.
    async fn input(&self, blob: BlobId) -> StoreResult<Option<InputRecord>>;

    // ---- tasks: asked for, quoted ----

    /// Stores a request as `preflight`, or returns what is stored under its request and attempt.
    /// `TooManyQuotes` if `pending` requests wait for their preflight already.
    async fn create_task(&self, task: &NewTask, pending: u32, now: Millis) -> StoreResult<TaskRecord>;
    /// The newest attempt of a request.
    async fn latest_task(&self, request: RequestId) -> StoreResult<Option<TaskRecord>>;
    /// A task by its id on chain.
    async fn task(&self, id: TaskId) -> StoreResult<Option<TaskRecord>>;
    /// A task by its key.
    async fn task_by_key(&self, key: TaskKey) -> StoreResult<Option<TaskRecord>>;
    /// All tasks in these states that the chain knows, or may come to know; oldest first. Legs are none of them.
    async fn tasks_in(&self, states: &[TaskState]) -> StoreResult<Vec<TaskRecord>>;
    /// All in these states that there is work on: tasks and legs, oldest first.
    async fn work_in(&self, states: &[TaskState]) -> StoreResult<Vec<TaskRecord>>;
    /// What this operator was asked for on an input, by whomever and whatever came of it: the newest first, some at most.
    async fn asked_on(&self, input: BlobId) -> StoreResult<Vec<TaskRecord>>;
    /// Quotes of a payer that can still be published.
    async fn live_quotes_of(&self, payer: Address) -> StoreResult<Vec<TaskRecord>>;
    /// A task's life so far.
    async fn task_log(&self, key: TaskKey) -> StoreResult<Vec<LogEntry>>;
    /// `preflight` → `refused`.
    async fn refuse_task(&self, key: TaskKey, refusal: &Refusal, price: Option<Price>, now: Millis) -> StoreResult<()>;
    /// `preflight` → `quoted`, before anything is signed. `SlotTaken` if another live quote or task of this operator
    /// takes up the slot; `TooManyQuotes` if the payer has `live_limit` of them.
    async fn quote_task(
        &self,
        key: TaskKey,
        id: TaskId,
        quote: &Quote,
        price: Price,
        live_limit: u32,
        now: Millis,
    ) -> StoreResult<()>;
    /// Keeps the signature of a quoted task; the first one stays.
    async fn sign_task(&self, key: TaskKey, signature: &[u8]) -> StoreResult<()>;
    /// Slots of this operator in `token` that must not be quoted: taken up by a live quote or task, or by one whose end
    /// lies above height `settled` and could be taken back.
    async fn slots_taken(&self, token: Address, settled: u64) -> StoreResult<Vec<u32>>;
    /// Height of the block in which a slot of this operator was last opened.
    async fn slot_opened_in(&self, token: Address, slot: u32) -> StoreResult<Option<u64>>;
    /// Own tasks that since then were not delivered on time, and were not forgotten by the breaker.
    async fn misses_since(&self, since: Millis) -> StoreResult<u32>;

    // ---- tasks: on chain ----

    /// Takes in what the chain says, with the follower's cursor.
    async fn advance(&self, step: &Advance, now: Millis) -> StoreResult<Advanced>;
    /// Stores a task of another operator as `watched`, published at height and time `published`, or returns what is
    /// stored under its id.
    async fn watch_task(
        &self,
        watch: &NewWatch,
        published: (u64, u64),
        deadlines: (u64, u64),
        now: Millis,
    ) -> StoreResult<TaskRecord>;
    /// `watched` → `announcing`, with a slot of this operator, and what delivering it should cost. `SlotTaken` as for a
    /// quote.
    async fn announce_task(&self, key: TaskKey, slot: u32, price: &Price, now: Millis) -> StoreResult<()>;
    /// Moves a task on.
    async fn move_task(
        &self,
        key: TaskKey,
        from: TaskState,
        to: TaskState,
        note: Option<&str>,
        now: Millis,
    ) -> StoreResult<()>;
    /// Moves a task back after a transaction of it has failed: counts it, and sets when to try again.
    async fn fail_submission(
        &self,
        key: TaskKey,
        from: TaskState,
        to: TaskState,
        note: &str,
        retry_at: Millis,
        now: Millis,
    ) -> StoreResult<()>;
    /// The transactions whose purpose names the task, oldest first.
    async fn transactions_of(&self, task: TaskId) -> StoreResult<Vec<TxRecord>>;

    // ---- work ----

    /// `published` → `proving`: with its jobs, with a graph that is empty and grows, or with its legs, which are `published`
    /// from then on and share its deadlines.
    async fn plan_task(&self, key: TaskKey, plan: &Plan, now: Millis) -> StoreResult<()>;
    /// A bundle's legs, every try of each, by leg and round.
    async fn legs_of(&self, key: TaskKey) -> StoreResult<Vec<TaskRecord>>;
    /// Adds a further try of each of these legs, and leaves the one before it: `released`, with what it came to, and why.
    /// All or none; `Moved` unless the bundle is being proven or proven and each is the round that comes next.
    async fn repeat_legs(&self, key: TaskKey, legs: &[(NewLeg, &str)], now: Millis) -> StoreResult<()>;
    /// A bundle's proof, put together of its legs': `proving` → `proven`. `Moved` in any other state.
    async fn prove_bundle(&self, key: TaskKey, proof: BlobId, now: Millis) -> StoreResult<TaskState>;
    /// Leaves what there is of a graph that grows and is not complete: its jobs are cancelled, and never come back. Returns
    /// the index at which a new one begins. `Moved` unless the task is being proven.
    async fn abandon_graph(&self, key: TaskKey, now: Millis) -> StoreResult<u32>;
    /// Appends jobs to a graph that grows, the first of them at `first`; with `complete` no more will come, and if the
    /// last job is done the task is proven. What is there already at its place must be the same, and no place may be left
    /// out (`OtherJob`). `Moved` unless the task is being proven.
    async fn extend_task(
        &self,
        key: TaskKey,
        first: u32,
        jobs: &[Job],
        complete: bool,
        now: Millis,
    ) -> StoreResult<TaskState>;
    /// How much work the jobs are that a task's graph has so far, whether done or not. What was abandoned is not counted.
    async fn units_of(&self, key: TaskKey) -> StoreResult<WorkUnits>;
    /// The segments of jobs that were abandoned, from index `from` on, that nobody has uploaded and no job takes that is
    /// done or could be.
    async fn stray_segments(&self, key: TaskKey, from: u32) -> StoreResult<Vec<BlobId>>;
    /// Keeps the verified receipt of a task that is being proven (`Moved` otherwise).
    async fn put_receipt(&self, key: TaskKey, receipt: BlobId) -> StoreResult<()>;
    /// Another proof of the same for a task that is proven (`Moved` otherwise): the old one is not accepted any more.
    async fn replace_proof(&self, key: TaskKey, proof: BlobId) -> StoreResult<()>;
    /// The tasks that came to this receipt.
    async fn tasks_of_receipt(&self, receipt: BlobId) -> StoreResult<Vec<TaskRecord>>;
    /// Keeps what a member has signed for a task: the first honest word of each, and the first that is not. Whether it
    /// is new.
    async fn put_attestation(&self, key: TaskKey, attestation: &AttestationRecord) -> StoreResult<bool>;
    /// What members have signed for a task, by signer.
    async fn attestations_of(&self, key: TaskKey) -> StoreResult<Vec<AttestationRecord>>;
    /// A task's jobs, by index.
    async fn jobs_of(&self, key: TaskKey) -> StoreResult<Vec<JobRecord>>;
    /// A task's jobs of these indices.
    async fn jobs_in(&self, key: TaskKey, indices: Range<u32>) -> StoreResult<Vec<JobRecord>>;
    /// The job with the highest index.
    async fn last_job(&self, key: TaskKey) -> StoreResult<Option<JobRecord>>;
    /// How a task's jobs stand, without the jobs.
    async fn job_census(&self, key: TaskKey) -> StoreResult<JobCensus>;
    /// How many segments the graph has before this index, without what was abandoned.
    async fn segments_before(&self, key: TaskKey, index: u32) -> StoreResult<u32>;
    /// A job.
    async fn job(&self, id: JobId) -> StoreResult<Option<JobRecord>>;
    /// What the dispatcher decides over.
    async fn workload(&self) -> StoreResult<Workload>;
    /// Gives a job to a prover: `ready` → `leased`, or one more lease on a leased one. `Moved` if it has as many holders as
    /// it may, or one of the same owner.
    async fn grant_lease(&self, job: JobId, prover: &ProverId, grant: Grant, now: Millis) -> StoreResult<LeaseRecord>;
    /// A lease.
    async fn lease(&self, job: JobId, token: u64) -> StoreResult<Option<LeaseRecord>>;
    /// Every lease that a job ever had, by token.
    async fn leases_of(&self, job: JobId) -> StoreResult<Vec<LeaseRecord>>;
    /// Every lease that a task's jobs of these indices ever had, by job and token.
    async fn leases_of_task(&self, key: TaskKey, indices: Range<u32>) -> StoreResult<Vec<LeaseRecord>>;
    /// A prover's leases that have not ended.
    async fn held_by(&self, prover: &ProverId) -> StoreResult<Vec<LeaseRecord>>;
    /// Whether `who` holds a lease on a job that takes this blob: its input or what that names, or the result of a job
    /// that it needs.
    async fn holds_input(&self, who: Address, blob: BlobId) -> StoreResult<bool>;
    /// A heartbeat. `LeaseLost` if the lease has ended otherwise than by the job's end.
    async fn renew_lease(
        &self,
        job: JobId,
        token: u64,
        expires_at: Millis,
        progress: f64,
        stage: &str,
        now: Millis,
    ) -> StoreResult<Renewal>;
    /// Ends a lease without a result: the job is `ready` again unless somebody else holds it too.
    async fn end_lease(&self, job: JobId, token: u64, outcome: &LeaseOutcome, now: Millis) -> StoreResult<()>;
    /// Stores a verified result: the job is `done`, its other leases are cancelled, jobs that waited for it may become
    /// `ready`; with the last job of a complete graph the task is `proven`. A lease that has expired will do while none was given since.
    /// The same result again changes nothing, and is told what it has earned. `LeaseLost` otherwise.
    ///
    /// With [`NewResult::pay`] its receipt is stored with it, at the end of its prover's chain in a tranche: the oldest open
    /// one in which enough is left of its cap, or else as much as is left in the one with most. None for a prover that is
    /// in no tranche of this token. It earns what its lease says.
    async fn complete_job(&self, result: &NewResult, now: Millis) -> StoreResult<Completion>;
    /// Stores what the service itself has made of a job that is not for provers: as [`Store::complete_job`], without a
    /// lease. `Moved` unless the job is ready, or done already with this result.
    async fn complete_own_job(&self, job: JobId, result: BlobId, now: Millis) -> StoreResult<Completion>;

    // ---- what provers earn ----

    /// Fixes from what a task's jobs are paid. What was fixed first stays, and is returned.
    async fn fix_pay(&self, key: TaskKey, pay: &TaskPay) -> StoreResult<TaskPay>;
    /// From what a task's jobs are paid, once it is fixed.
    async fn pay_of(&self, key: TaskKey) -> StoreResult<Option<TaskPay>>;
    /// Notes a tranche that is to be opened, in place of another plan for the same index. `Moved` if there is more than a
    /// plan.
    async fn plan_tranche(&self, tranche: &NewTranche, now: Millis) -> StoreResult<()>;
    /// Forgets a plan; what is more than a plan stays.
    async fn forget_tranche(&self, index: u64) -> StoreResult<()>;
    /// Notes where a tranche stands on chain.
    async fn note_tranche(&self, index: u64, status: TrancheStatus, closes_at: Option<u64>) -> StoreResult<()>;
    /// Every tranche, by index.
    async fn tranches(&self) -> StoreResult<Vec<TrancheRecord>>;
    /// A tranche's caps, in the order of its tree.
    async fn caps_of(&self, tranche: u64) -> StoreResult<Vec<Cap>>;
    /// What a prover may earn and has earned, in every tranche that it is in; by index.
    async fn earmarks_of(&self, prover: Address) -> StoreResult<Vec<Earmark>>;
    /// The same of everybody, in open tranches alone; by index and place.
    async fn open_earmarks(&self) -> StoreResult<Vec<Earmark>>;
    /// The sum of what is set apart in a token, and not taken back, for provers that have never earned anything.
    async fn unearned(&self, token: Address) -> StoreResult<u128>;
    /// What the result under this lease of a job has earned.
    async fn earning(&self, job: JobId, fence: u64) -> StoreResult<Option<Earning>>;
    /// A prover's receipts in a tranche behind the first `after`, in order; at most `limit`.
    async fn earnings_of(&self, tranche: u64, prover: Address, after: u64, limit: u32) -> StoreResult<Vec<Earning>>;
    /// The receipts of a task's jobs, by index and fence.
    async fn earnings_of_task(&self, key: TaskKey) -> StoreResult<Vec<Earning>>;

    // ---- provers ----

    /// A prover joins or describes itself anew. How it stands does not change by that.
    async fn join_prover(
        &self,
        id: &ProverId,
        description: &ProverDescription,
        now: Millis,
    ) -> StoreResult<ProverRecord>;
    /// A prover leaves; its leases end as released.
    async fn leave_prover(&self, id: &ProverId, now: Millis) -> StoreResult<()>;
    /// Every address that is out, or was.
    async fn outings(&self) -> StoreResult<Vec<Outing>>;
    /// The same of one address; one that never was out is in.
    async fn outing(&self, prover: Address) -> StoreResult<Outing>;
    /// Notes the bond that lets an address in again that is out. What was noted first for this time stays.
    async fn ask_bond(&self, prover: Address, to_return: u128) -> StoreResult<()>;
    /// Lets an address in again, all of its devices; what they have to sit out stays. What let it in it must have from then
    /// on, unless that is to be forgotten. Whether it was out.
    async fn let_in(&self, prover: Address, forget: bool) -> StoreResult<bool>;
    /// A prover, joined or not.
    async fn prover(&self, id: &ProverId) -> StoreResult<Option<ProverRecord>>;
    /// The provers that have joined.
    async fn provers(&self) -> StoreResult<Vec<ProverRecord>>;
}
