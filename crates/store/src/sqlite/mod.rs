//! SQLite: one file, one writer, as many readers as need be.
//!
//! All writes go through one connection, so "database is locked" cannot happen; readers see the last commit (WAL). Every
//! commit reaches the disk before it returns (`synchronous=FULL`).
//!
//! `database` is the file and how it is written to; each subject's queries have a module of their own.

mod catalogue;
mod census;
mod chain;
mod database;
mod graph;
mod journal;
mod leases;
mod meta;
mod outings;
mod pay;
mod provers;
mod receipts;
mod row;
mod tasks;
mod work;

use crate::{
    Advance, Advanced, AttestationRecord, Completion, Earmark, Earning, Grant, InputRecord, JobCensus, JobRecord,
    LeaseOutcome, LeaseRecord, LogEntry, Meta, Millis, NewLeg, NewResult, NewTask, NewTranche, NewWatch, Outing, Plan,
    Price, ProgramRecord, ProverDescription, ProverId, ProverRecord, Refusal, Renewal, RequestId, Store, StoreResult,
    TaskKey, TaskRecord, TrancheRecord, TrancheStatus, Workload,
};
use async_trait::async_trait;
use database::Write;
use std::ops::Range;
use zkpool_chain::TxRecord;
use zkpool_protocol::{
    Address, BlobId, Job, JobId, ProgramId, Quote, TaskId, TaskState, WorkUnits,
    pay::{Cap, TaskPay},
};

pub use database::{Owner, SqliteStore};

#[async_trait]
impl Store for SqliteStore {
    async fn meta(&self) -> StoreResult<Meta> {
        meta::read(self).await
    }

    async fn reset_breaker(&self, now: Millis) -> StoreResult<()> {
        meta::reset_breaker(self, now).await
    }

    async fn note_upload(&self, who: Address, blob: BlobId, size: u64, limit: u64, now: Millis) -> StoreResult<()> {
        catalogue::note_upload(self, who, blob, size, limit, now).await
    }

    async fn uploaded_bytes(&self, who: Address) -> StoreResult<u64> {
        catalogue::uploaded_bytes(self, who).await
    }

    async fn has_uploaded(&self, who: Address, blob: BlobId) -> StoreResult<bool> {
        catalogue::has_uploaded(self, who, blob).await
    }

    async fn put_program(&self, program: &ProgramRecord, now: Millis) -> StoreResult<()> {
        catalogue::put_program(self, program, now).await
    }

    async fn program(&self, id: ProgramId) -> StoreResult<Option<ProgramRecord>> {
        catalogue::program(self, id).await
    }

    async fn is_program_part(&self, blob: BlobId) -> StoreResult<bool> {
        catalogue::is_program_part(self, blob).await
    }

    async fn note_verified_program(&self, verifier: Address, program: ProgramId, now: Millis) -> StoreResult<()> {
        catalogue::note_verified_program(self, verifier, program, now).await
    }

    async fn is_verified_program(&self, verifier: Address, program: ProgramId) -> StoreResult<bool> {
        catalogue::is_verified_program(self, verifier, program).await
    }

    async fn put_input(&self, input: &InputRecord, now: Millis) -> StoreResult<()> {
        catalogue::put_input(self, input, now).await
    }

    async fn input(&self, blob: BlobId) -> StoreResult<Option<InputRecord>> {
        catalogue::input(self, blob).await
    }

    async fn create_task(&self, task: &NewTask, pending: u32, now: Millis) -> StoreResult<TaskRecord> {
        tasks::create(self, task, pending, now).await
    }

    async fn latest_task(&self, request: RequestId) -> StoreResult<Option<TaskRecord>> {
        tasks::latest(self, request).await
    }

    async fn task(&self, id: TaskId) -> StoreResult<Option<TaskRecord>> {
        tasks::by_id(self, id).await
    }

    async fn task_by_key(&self, key: TaskKey) -> StoreResult<Option<TaskRecord>> {
        tasks::by_key(self, key).await
    }

    async fn tasks_in(&self, states: &[TaskState]) -> StoreResult<Vec<TaskRecord>> {
        tasks::in_states(self, states, false).await
    }

    async fn work_in(&self, states: &[TaskState]) -> StoreResult<Vec<TaskRecord>> {
        tasks::in_states(self, states, true).await
    }

    async fn asked_on(&self, input: BlobId) -> StoreResult<Vec<TaskRecord>> {
        tasks::asked_on(self, input).await
    }

    async fn live_quotes_of(&self, payer: Address) -> StoreResult<Vec<TaskRecord>> {
        tasks::live_quotes_of(self, payer).await
    }

    async fn task_log(&self, key: TaskKey) -> StoreResult<Vec<LogEntry>> {
        tasks::log(self, key).await
    }

    async fn refuse_task(&self, key: TaskKey, refusal: &Refusal, price: Option<Price>, now: Millis) -> StoreResult<()> {
        tasks::refuse(self, key, refusal, price, now).await
    }

    async fn quote_task(
        &self,
        key: TaskKey,
        id: TaskId,
        quote: &Quote,
        price: Price,
        live_limit: u32,
        now: Millis,
    ) -> StoreResult<()> {
        tasks::quote(self, key, id, quote, price, live_limit, now).await
    }

    async fn sign_task(&self, key: TaskKey, signature: &[u8]) -> StoreResult<()> {
        tasks::sign(self, key, signature).await
    }

    async fn slots_taken(&self, token: Address, settled: u64) -> StoreResult<Vec<u32>> {
        tasks::slots_taken(self, token, settled).await
    }

    async fn slot_opened_in(&self, token: Address, slot: u32) -> StoreResult<Option<u64>> {
        chain::slot_opened_in(self, token, slot).await
    }

    async fn misses_since(&self, since: Millis) -> StoreResult<u32> {
        tasks::misses_since(self, since).await
    }

    async fn advance(&self, step: &Advance, now: Millis) -> StoreResult<Advanced> {
        chain::advance(self, step, now).await
    }

    async fn watch_task(
        &self,
        watch: &NewWatch,
        published: (u64, u64),
        deadlines: (u64, u64),
        now: Millis,
    ) -> StoreResult<TaskRecord> {
        tasks::watch(self, watch, published, deadlines, now).await
    }

    async fn announce_task(&self, key: TaskKey, slot: u32, price: &Price, now: Millis) -> StoreResult<()> {
        tasks::announce(self, key, slot, price, now).await
    }

    async fn move_task(
        &self,
        key: TaskKey,
        from: TaskState,
        to: TaskState,
        note: Option<&str>,
        now: Millis,
    ) -> StoreResult<()> {
        tasks::move_on(self, key, from, to, note, now).await
    }

    async fn fail_submission(
        &self,
        key: TaskKey,
        from: TaskState,
        to: TaskState,
        note: &str,
        retry_at: Millis,
        now: Millis,
    ) -> StoreResult<()> {
        tasks::fail_submission(self, key, from, to, note, retry_at, now).await
    }

    async fn transactions_of(&self, task: TaskId) -> StoreResult<Vec<TxRecord>> {
        journal::of_task(self, task).await
    }

    async fn plan_task(&self, key: TaskKey, plan: &Plan, now: Millis) -> StoreResult<()> {
        graph::plan(self, key, plan, now).await
    }

    async fn legs_of(&self, key: TaskKey) -> StoreResult<Vec<TaskRecord>> {
        tasks::legs_of(self, key).await
    }

    async fn repeat_legs(&self, key: TaskKey, legs: &[(NewLeg, &str)], now: Millis) -> StoreResult<()> {
        tasks::repeat_legs(self, key, legs, now).await
    }

    async fn prove_bundle(&self, key: TaskKey, proof: BlobId, now: Millis) -> StoreResult<TaskState> {
        tasks::prove_bundle(self, key, proof, now).await
    }

    async fn abandon_graph(&self, key: TaskKey, now: Millis) -> StoreResult<u32> {
        graph::abandon(self, key, now).await
    }

    async fn extend_task(
        &self,
        key: TaskKey,
        first: u32,
        jobs: &[Job],
        complete: bool,
        now: Millis,
    ) -> StoreResult<TaskState> {
        graph::extend(self, key, first, jobs, complete, now).await
    }

    async fn units_of(&self, key: TaskKey) -> StoreResult<WorkUnits> {
        census::units(self, key).await
    }

    async fn stray_segments(&self, key: TaskKey, from: u32) -> StoreResult<Vec<BlobId>> {
        census::stray_segments(self, key, from).await
    }

    async fn put_receipt(&self, key: TaskKey, receipt: BlobId) -> StoreResult<()> {
        receipts::put(self, key, receipt).await
    }

    async fn replace_proof(&self, key: TaskKey, proof: BlobId) -> StoreResult<()> {
        receipts::replace_proof(self, key, proof).await
    }

    async fn tasks_of_receipt(&self, receipt: BlobId) -> StoreResult<Vec<TaskRecord>> {
        receipts::tasks_of(self, receipt).await
    }

    async fn put_attestation(&self, key: TaskKey, attestation: &AttestationRecord) -> StoreResult<bool> {
        receipts::attest(self, key, attestation).await
    }

    async fn attestations_of(&self, key: TaskKey) -> StoreResult<Vec<AttestationRecord>> {
        receipts::attestations_of(self, key).await
    }

    async fn jobs_of(&self, key: TaskKey) -> StoreResult<Vec<JobRecord>> {
        work::jobs_in(self, key, 0..u32::MAX).await
    }

    async fn jobs_in(&self, key: TaskKey, indices: Range<u32>) -> StoreResult<Vec<JobRecord>> {
        work::jobs_in(self, key, indices).await
    }

    async fn last_job(&self, key: TaskKey) -> StoreResult<Option<JobRecord>> {
        work::last_job(self, key).await
    }

    async fn job_census(&self, key: TaskKey) -> StoreResult<JobCensus> {
        census::take(self, key).await
    }

    async fn segments_before(&self, key: TaskKey, index: u32) -> StoreResult<u32> {
        census::segments_before(self, key, index).await
    }

    async fn job(&self, id: JobId) -> StoreResult<Option<JobRecord>> {
        work::job(self, id).await
    }

    async fn workload(&self) -> StoreResult<Workload> {
        work::workload(self).await
    }

    async fn grant_lease(&self, job: JobId, prover: &ProverId, grant: Grant, now: Millis) -> StoreResult<LeaseRecord> {
        leases::grant(self, job, prover, grant, now).await
    }

    async fn lease(&self, job: JobId, token: u64) -> StoreResult<Option<LeaseRecord>> {
        leases::one(self, job, token).await
    }

    async fn leases_of(&self, job: JobId) -> StoreResult<Vec<LeaseRecord>> {
        leases::of_job(self, job).await
    }

    async fn leases_of_task(&self, key: TaskKey, indices: Range<u32>) -> StoreResult<Vec<LeaseRecord>> {
        leases::of_task(self, key, indices).await
    }

    async fn held_by(&self, prover: &ProverId) -> StoreResult<Vec<LeaseRecord>> {
        leases::held_by(self, prover).await
    }

    async fn holds_input(&self, who: Address, blob: BlobId) -> StoreResult<bool> {
        leases::holds_input(self, who, blob).await
    }

    async fn renew_lease(
        &self,
        job: JobId,
        token: u64,
        expires_at: Millis,
        progress: f64,
        stage: &str,
        now: Millis,
    ) -> StoreResult<Renewal> {
        leases::renew(self, job, token, expires_at, progress, stage, now).await
    }

    async fn end_lease(&self, job: JobId, token: u64, outcome: &LeaseOutcome, now: Millis) -> StoreResult<()> {
        leases::end(self, job, token, outcome, now).await
    }

    async fn complete_job(&self, result: &NewResult, now: Millis) -> StoreResult<Completion> {
        leases::complete(self, result, now).await
    }

    async fn complete_own_job(&self, job: JobId, result: BlobId, now: Millis) -> StoreResult<Completion> {
        leases::complete_own(self, job, result, now).await
    }

    async fn fix_pay(&self, key: TaskKey, pay: &TaskPay) -> StoreResult<TaskPay> {
        pay::fix(self, key, pay).await
    }

    async fn pay_of(&self, key: TaskKey) -> StoreResult<Option<TaskPay>> {
        pay::of_task(self, key).await
    }

    async fn plan_tranche(&self, tranche: &NewTranche, now: Millis) -> StoreResult<()> {
        pay::plan(self, tranche, now).await
    }

    async fn forget_tranche(&self, index: u64) -> StoreResult<()> {
        pay::forget(self, index).await
    }

    async fn note_tranche(&self, index: u64, status: TrancheStatus, closes_at: Option<u64>) -> StoreResult<()> {
        pay::note(self, index, status, closes_at).await
    }

    async fn tranches(&self) -> StoreResult<Vec<TrancheRecord>> {
        pay::tranches(self).await
    }

    async fn caps_of(&self, tranche: u64) -> StoreResult<Vec<Cap>> {
        pay::caps(self, tranche).await
    }

    async fn earmarks_of(&self, prover: Address) -> StoreResult<Vec<Earmark>> {
        pay::earmarks(self, Some(prover)).await
    }

    async fn unearned(&self, token: Address) -> StoreResult<u128> {
        pay::unearned(self, token).await
    }
    async fn open_earmarks(&self) -> StoreResult<Vec<Earmark>> {
        pay::earmarks(self, None).await
    }

    async fn earning(&self, job: JobId, fence: u64) -> StoreResult<Option<Earning>> {
        pay::earning(self, job, fence).await
    }

    async fn earnings_of(&self, tranche: u64, prover: Address, after: u64, limit: u32) -> StoreResult<Vec<Earning>> {
        pay::of_prover(self, tranche, prover, after, limit).await
    }

    async fn earnings_of_task(&self, key: TaskKey) -> StoreResult<Vec<Earning>> {
        pay::earnings_of_task(self, key).await
    }

    async fn join_prover(
        &self,
        id: &ProverId,
        description: &ProverDescription,
        now: Millis,
    ) -> StoreResult<ProverRecord> {
        provers::join(self, id, description, now).await
    }

    async fn leave_prover(&self, id: &ProverId, now: Millis) -> StoreResult<()> {
        provers::leave(self, id, now).await
    }

    async fn outings(&self) -> StoreResult<Vec<Outing>> {
        outings::read(self, None).await
    }

    async fn outing(&self, prover: Address) -> StoreResult<Outing> {
        outings::one(self, prover).await
    }

    async fn ask_bond(&self, prover: Address, to_return: u128) -> StoreResult<()> {
        outings::ask(self, prover, to_return).await
    }

    async fn let_in(&self, prover: Address, forget: bool) -> StoreResult<bool> {
        outings::let_in(self, prover, forget).await
    }

    async fn prover(&self, id: &ProverId) -> StoreResult<Option<ProverRecord>> {
        provers::one(self, id).await
    }

    async fn provers(&self) -> StoreResult<Vec<ProverRecord>> {
        provers::joined(self).await
    }
}
