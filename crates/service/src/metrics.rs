//! What is measured, under which names. Everything that counts or times anything calls these functions, so that the
//! names, labels and descriptions are all in this file.
//!
//! Counters say what this process did since it started; how things stand (tasks by state, provers, the circuit) is asked
//! of the store when `/metrics` is read.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{sync::OnceLock, time::Duration};
use zkpool_protocol::{Address, ErrorCode, Job, JobState, ProofKind, TaskState};

/// Upper bounds of the histograms' buckets, in seconds: from an HTTP answer to a large proof.
const BUCKETS: &[f64] =
    &[0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0];

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Sets the process's recorder up, once, and returns its reader.
pub fn install() -> PrometheusHandle {
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new();
            let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".into()), BUCKETS);
            let recorder = builder.unwrap_or_default().build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another metrics recorder is installed: /metrics stays empty");
            }
            describe();
            handle
        })
        .clone()
}

fn describe() {
    describe_counter!("zkpool_http_requests_total", "HTTP requests answered");
    describe_histogram!("zkpool_http_request_seconds", Unit::Seconds, "Time from a request's head to its answer");
    describe_counter!("zkpool_quotes_total", "Requests for quotes by what became of them");
    describe_histogram!("zkpool_preflight_seconds", Unit::Seconds, "Time that preflights took");
    describe_gauge!("zkpool_tasks", "Tasks in each state");
    describe_gauge!("zkpool_jobs", "Jobs in each state");
    describe_gauge!("zkpool_provers", "Provers that are present");
    describe_gauge!("zkpool_provers_out", "Addresses that are out after misses in a row");
    describe_gauge!("zkpool_pay_vouched", "Vouched for in open tranches, by token, in its smallest unit");
    describe_gauge!("zkpool_pay_left", "Set apart in open tranches and not earned yet, by token, in its smallest unit");
    describe_gauge!("zkpool_pay_provers", "Provers for whom something is set apart in open tranches, by token");
    describe_gauge!("zkpool_pay_earners", "Those of them that have earned something there, by token");
    describe_counter!("zkpool_pay_receipts_total", "Results that were vouched for, by token");
    describe_gauge!(
        "zkpool_pay_last_voucher_timestamp_seconds",
        Unit::Seconds,
        "When the last voucher was given, by token, in seconds since 1970"
    );
    describe_gauge!("zkpool_claims_waiting", "Claims of provers that wait for a job");
    describe_counter!("zkpool_results_total", "Results that provers returned, by what became of them");
    describe_counter!("zkpool_misses_total", "Leases that ended against their prover, by reason");
    describe_histogram!(
        "zkpool_proving_seconds",
        Unit::Seconds,
        "Time that accepted proofs took, as measured by provers"
    );
    describe_counter!("zkpool_work_units_total", "Work units of accepted results, by operation");
    describe_counter!(
        "zkpool_attestations_total",
        "Signatures that members of committees sent, by what became of them"
    );
    describe_counter!(
        "zkpool_leg_disagreements_total",
        "Legs of bundles whose proof shows another output than the bundle's, by kind: each is an alarm"
    );
    describe_histogram!("zkpool_delivery_seconds", Unit::Seconds, "Time from a task's publication to its delivery");
    describe_counter!("zkpool_tasks_ended_total", "Tasks that came to an end, by the state that this was");
    describe_gauge!("zkpool_circuit_open", "1 while quoting is stopped after misses");
    describe_counter!("zkpool_transactions_total", "Transactions by purpose and what became of them");
    describe_counter!("zkpool_transaction_gas_total", "Gas used by mined transactions, by purpose");
    describe_gauge!("zkpool_head_block", "Newest block that the service has followed");
    describe_gauge!("zkpool_head_lag_seconds", Unit::Seconds, "Age of the newest block that the service has followed");
}

/// An HTTP request was answered.
pub fn http_request(method: &'static str, route: &str, status: u16, elapsed: Duration) {
    let (route, status) = (route.to_owned(), status.to_string());
    counter!("zkpool_http_requests_total", "method" => method, "route" => route.clone(), "status" => status)
        .increment(1);
    histogram!("zkpool_http_request_seconds", "method" => method, "route" => route).record(elapsed);
}

/// A request for a quote came to an end: `quoted`, `indicative`, or a refusal's code.
pub fn quote(outcome: &'static str) {
    counter!("zkpool_quotes_total", "outcome" => outcome).increment(1);
}

/// A preflight is over.
pub fn preflight(elapsed: Duration) {
    histogram!("zkpool_preflight_seconds").record(elapsed);
}

/// A prover returned a result.
pub fn result(outcome: Result<(), ErrorCode>) {
    let outcome = outcome.map_or_else(ErrorCode::as_str, |()| "accepted");
    counter!("zkpool_results_total", "outcome" => outcome).increment(1);
}

/// A lease ended against its prover.
pub fn miss(reason: &'static str) {
    counter!("zkpool_misses_total", "reason" => reason).increment(1);
}

/// A job's accepted result took so long.
pub fn proving(job: &Job, elapsed: Duration) {
    let (kind, operation) = (job.kind.as_str(), job.operation.as_str());
    histogram!("zkpool_proving_seconds", "kind" => kind, "operation" => operation).record(elapsed);
    counter!("zkpool_work_units_total", "operation" => operation).increment(job.units.0);
}

/// A member of a committee has sent a signature.
pub fn attestation(outcome: Result<(), ErrorCode>) {
    let outcome = outcome.map_or_else(ErrorCode::as_str, |()| "accepted");
    counter!("zkpool_attestations_total", "outcome" => outcome).increment(1);
}

/// A leg's proof is sound and shows another output than its bundle's.
pub fn disagreement(kind: ProofKind) {
    counter!("zkpool_leg_disagreements_total", "kind" => kind.as_str()).increment(1);
}

/// A task is over; `elapsed` from its publication, if it was delivered.
pub fn task_ended(state: TaskState, elapsed: Option<Duration>) {
    counter!("zkpool_tasks_ended_total", "state" => state.as_str()).increment(1);
    if let Some(elapsed) = elapsed {
        histogram!("zkpool_delivery_seconds").record(elapsed);
    }
}

/// A transaction was sent, replaced, mined or reverted.
pub fn transaction(purpose: &'static str, outcome: &'static str) {
    counter!("zkpool_transactions_total", "purpose" => purpose, "outcome" => outcome).increment(1);
}

/// A mined transaction used so much gas.
pub fn gas(purpose: &'static str, used: u64) {
    counter!("zkpool_transaction_gas_total", "purpose" => purpose).increment(used);
}

/// So many tasks are in this state.
pub fn tasks(state: TaskState, count: u64) {
    gauge!("zkpool_tasks", "state" => state.as_str()).set(count as f64);
}

/// So many jobs are in this state.
pub fn jobs(state: JobState, count: u64) {
    gauge!("zkpool_jobs", "state" => state.as_str()).set(count as f64);
}

/// So many provers are present.
pub fn provers(count: u64) {
    gauge!("zkpool_provers").set(count as f64);
}

/// So many addresses are out.
pub fn provers_out(count: u64) {
    gauge!("zkpool_provers_out").set(count as f64);
}

/// How the pay of all provers stands in a token. Not by prover: of those there is no end.
pub fn pay(token: Address, pay: Pay) {
    let label = [("token", token.to_string())];
    gauge!("zkpool_pay_vouched", &label).set(pay.vouched as f64);
    gauge!("zkpool_pay_left", &label).set(pay.left as f64);
    gauge!("zkpool_pay_provers", &label).set(pay.provers as f64);
    gauge!("zkpool_pay_earners", &label).set(pay.earners as f64);
}

/// What is in open tranches of a token.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pay {
    /// Vouched for.
    pub vouched: u128,
    /// Not earned yet.
    pub left: u128,
    /// For how many something is set apart.
    pub provers: u64,
    /// How many have earned some of it.
    pub earners: u64,
}

/// A result was vouched for, at this second.
pub fn vouched(token: Address, at: u64) {
    let label = [("token", token.to_string())];
    counter!("zkpool_pay_receipts_total", &label).increment(1);
    gauge!("zkpool_pay_last_voucher_timestamp_seconds", &label).set(at as f64);
}

/// How many claims wait for a job.
pub fn claims_waiting(count: u64) {
    gauge!("zkpool_claims_waiting").set(count as f64);
}

/// Whether quoting is stopped after misses.
pub fn circuit(open: bool) {
    gauge!("zkpool_circuit_open").set(if open { 1.0 } else { 0.0 });
}

/// The newest block that was followed, and how old it is.
pub fn head(number: u64, age: Duration) {
    gauge!("zkpool_head_block").set(number as f64);
    gauge!("zkpool_head_lag_seconds").set(age.as_secs_f64());
}
