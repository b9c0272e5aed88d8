//! What the owner can graph, in the format of Prometheus: what came of jobs, and what was earned with whom.
//!
//! Money is read from the book and from what the chain last said when the metrics are asked for; what came of jobs is
//! counted since the agent started. Each agent has a recorder of its own: several can run in one process.

use crate::{
    ProverError,
    agent::Shared,
    pay::{Holding, Till},
    report::{Event, Observer},
};
use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use zkpool_protocol::Address;

/// Hears every event before the owner does.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    owner: Arc<dyn Observer>,
    /// How often each operator has withheld a voucher, by URL.
    withheld: Mutex<BTreeMap<String, u64>>,
}

/// What there is of one token with one operator.
#[derive(Default)]
struct Sum {
    earned: u128,
    receipts: u64,
    left: u128,
    lost: u128,
    /// Unknown while the chain was not asked.
    claimed: Option<u128>,
    last: u64,
}

impl Metrics {
    pub(crate) fn new(owner: Arc<dyn Observer>) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, describe);
        Self { recorder, owner, withheld: Mutex::default() }
    }

    /// As Prometheus reads it.
    fn render(&self, shared: &Shared) -> String {
        with_local_recorder(&self.recorder, || {
            let tills = shared.tills();
            for ((operator, token), sum) in sums(shared.book.all(), &tills) {
                let labels = [("operator", operator.to_string()), ("token", token.to_string())];
                gauge!("zkpool_prover_earned", &labels).set(sum.earned as f64);
                gauge!("zkpool_prover_receipts", &labels).set(sum.receipts as f64);
                gauge!("zkpool_prover_left", &labels).set(sum.left as f64);
                gauge!("zkpool_prover_last_voucher_timestamp_seconds", &labels).set(sum.last as f64);
                if let Some(claimed) = sum.claimed {
                    gauge!("zkpool_prover_claimed", &labels).set(claimed as f64);
                    gauge!("zkpool_prover_lost", &labels).set(sum.lost as f64);
                }
            }
            let withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
            for till in tills {
                let count = withheld.get(till.url()).copied().unwrap_or_default();
                gauge!("zkpool_prover_withheld", "operator" => till.operator.to_string()).set(count as f64);
            }
        });
        self.recorder.handle().render()
    }
}

fn describe() {
    describe_gauge!("zkpool_prover_earned", "Vouched for in all, in the token's smallest unit");
    describe_gauge!("zkpool_prover_claimed", "Of that, paid by the ledger, as the chain last said");
    describe_gauge!("zkpool_prover_left", "Set apart in open tranches and not earned yet");
    describe_gauge!("zkpool_prover_lost", "Vouched for in tranches that were taken back before it was claimed");
    describe_gauge!("zkpool_prover_receipts", "Results that were vouched for");
    describe_gauge!(
        "zkpool_prover_last_voucher_timestamp_seconds",
        Unit::Seconds,
        "When the last voucher came, in seconds since 1970"
    );
    describe_gauge!("zkpool_prover_withheld", "Vouchers that were withheld or wrong since the agent started");
    describe_counter!("zkpool_prover_jobs_total", "Jobs since the agent started, by what became of them");
}

fn sums(holdings: Vec<Holding>, tills: &[Arc<Till>]) -> BTreeMap<(Address, Address), Sum> {
    let mut sums: BTreeMap<(Address, Address), Sum> = BTreeMap::new();
    for holding in holdings {
        let sum = sums.entry((holding.operator, holding.token)).or_default();
        let (voucher, till) = (holding.vouched(), tills.iter().find(|till| till.has(&holding)));
        let paid = till.and_then(|till| till.paid_of(holding.tranche));
        sum.earned += holding.earned();
        sum.receipts += voucher.count;
        sum.last = sum.last.max(holding.vouched_at.unwrap_or_default());
        if holding.open {
            sum.left += holding.left();
        }
        if let Some(paid) = paid {
            if holding.reclaimed {
                sum.lost += holding.earned().saturating_sub(paid);
            }
            *sum.claimed.get_or_insert_default() += paid;
        }
    }
    sums
}

impl Observer for Metrics {
    fn on(&self, event: &Event) {
        let became = match event {
            Event::Claimed { .. } => Some("taken"),
            Event::Returned { .. } => Some("returned"),
            Event::Lost { .. } => Some("lost"),
            Event::Failed { .. } => Some("failed"),
            Event::Withheld { operator, .. } => {
                let mut withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
                *withheld.entry(operator.clone()).or_default() += 1;
                None
            }
            _ => None,
        };
        if let Some(became) = became {
            with_local_recorder(&self.recorder, || {
                counter!("zkpool_prover_jobs_total", "outcome" => became).increment(1);
            });
        }
        self.owner.on(event);
    }
}

/// Serves `/metrics` until the handle is dropped.
pub(crate) async fn serve(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    shared: Arc<Shared>,
) -> Result<AbortOnDropHandle<()>, ProverError> {
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|source| ProverError::Metrics { address, source })?;
    let app = Router::new().route("/metrics", get(page)).with_state((metrics, shared));
    tracing::info!(%address, "metrics are served");
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::warn!(%error, "metrics are not served any more");
        }
    })))
}

async fn page(State((metrics, shared)): State<(Arc<Metrics>, Arc<Shared>)>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render(&shared))
}
