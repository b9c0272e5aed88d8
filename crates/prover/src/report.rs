//! What the agent tells its owner.

use std::time::Duration;
use zkpool_protocol::{Address, ErrorCode, JobId, ProofKind, WorkUnits};

/// Something happened. Never holds an input, a proof or a key.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The machine's speed is known.
    Benchmarked {
        /// For this kind of proof.
        kind: ProofKind,
        /// Work units per second.
        units_per_second: f64,
        /// Measured now, or by an earlier run on the same machine.
        measured_now: bool,
    },
    /// An operator knows the device and may give it jobs.
    Joined {
        /// Its URL.
        operator: String,
        /// The address under which this machine earns.
        prover: Address,
        /// Seconds for which it gets no jobs after misses.
        excluded_for: Option<Duration>,
    },
    /// An operator cannot be worked for at the moment.
    OperatorTrouble {
        /// Its URL.
        operator: String,
        /// What is wrong and what to do.
        error: String,
        /// Stable name.
        code: ErrorCode,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// A job was taken.
    Claimed {
        /// Which.
        job: JobId,
        /// From whom.
        operator: String,
        /// How large.
        units: WorkUnits,
    },
    /// A job of an earlier run goes on.
    Resumed {
        /// Which.
        job: JobId,
        /// From whom.
        operator: String,
        /// Whether only the finished proof is to be returned.
        finished: bool,
    },
    /// A job moves.
    Progress {
        /// Which.
        job: JobId,
        /// What it is at.
        stage: String,
        /// How far, 0 to 1.
        fraction: f32,
    },
    /// The proof is made, checked and on disk.
    Proven {
        /// Of which job.
        job: JobId,
        /// How long it took.
        took: Duration,
    },
    /// The operator has accepted the proof.
    Returned {
        /// Of which job.
        job: JobId,
    },
    /// The operator has vouched for a result, and the voucher is on disk.
    Earned {
        /// For which job.
        job: JobId,
        /// In which token.
        token: Address,
        /// How much, in the token's smallest unit.
        amount: u128,
        /// What is vouched for in this tranche in all.
        total: u128,
    },
    /// The operator has taken a result and not vouched for it as it should: nothing more is done for it.
    Withheld {
        /// Which.
        job: JobId,
        /// Its URL.
        operator: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// An operator has taken a tranche back before all of it was claimed: that cannot be had any more.
    Forfeited {
        /// The operator.
        operator: Address,
        /// Its tranche.
        tranche: u64,
        /// In which token.
        token: Address,
        /// What was vouched for and not claimed, in the token's smallest unit.
        amount: u128,
    },
    /// The job is not this machine's any more.
    Lost {
        /// Which.
        job: JobId,
        /// Why.
        reason: String,
    },
    /// The job was given up.
    Failed {
        /// Which.
        job: JobId,
        /// Stable name.
        code: ErrorCode,
        /// Why.
        message: String,
    },
    /// No more jobs are taken.
    Stopping {
        /// How many are being worked on or returned.
        jobs: usize,
        /// For how long they are waited for.
        grace: Duration,
    },
}

/// Hears of events. Called from within the agent: must not block.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn on(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn on(&self, event: &Event) {
        self(event);
    }
}

/// Writes events as log lines.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogObserver;

impl Observer for LogObserver {
    fn on(&self, event: &Event) {
        match event {
            Event::Benchmarked { kind, units_per_second, measured_now } => {
                tracing::info!(%kind, units_per_second, measured_now, "speed of this machine");
            }
            Event::Joined { operator, prover, excluded_for: None } => {
                tracing::info!(operator, %prover, "joined; waiting for jobs");
            }
            Event::Joined { operator, prover, excluded_for: Some(time) } => {
                tracing::warn!(operator, %prover, seconds = time.as_secs(), "joined, but excluded for a while after misses");
            }
            Event::OperatorTrouble { operator, error, code, retry_in } => {
                tracing::warn!(operator, %code, retry_in_ms = millis(*retry_in), "{error}");
            }
            Event::Claimed { job, operator, units } => tracing::info!(job.id = %job, operator, %units, "job taken"),
            Event::Resumed { job, operator, finished } => {
                tracing::info!(job.id = %job, operator, finished, "job of an earlier run goes on");
            }
            Event::Progress { job, stage, fraction } => {
                tracing::debug!(job.id = %job, stage, percent = (fraction * 100.0).round(), "progress");
            }
            Event::Proven { job, took } => tracing::info!(job.id = %job, duration_ms = millis(*took), "proof made"),
            Event::Returned { job } => tracing::info!(job.id = %job, "proof accepted"),
            Event::Earned { job, token, amount, total } => {
                tracing::info!(job.id = %job, amount, %token, total, "earned");
            }
            Event::Withheld { job, operator, reason } => {
                tracing::error!(job.id = %job, operator, "not paid: {reason}");
            }
            Event::Forfeited { operator, tranche, token, amount } => {
                tracing::error!(
                    %operator, tranche, amount, %token,
                    "the operator has taken the tranche back: what was not claimed of it is lost"
                );
            }
            Event::Lost { job, reason } => tracing::warn!(job.id = %job, reason, "job lost"),
            Event::Failed { job, code, message } => tracing::warn!(job.id = %job, %code, "job given up: {message}"),
            Event::Stopping { jobs, grace } => {
                tracing::info!(jobs, grace_ms = millis(*grace), "stopping: no more jobs are taken");
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
