//! The work through the pool: an operator's service, provers, a committee, as processes.

use serde::Serialize;
use serde_json::Value;
use std::time::{Duration, Instant};
use zkpool_demo::{
    actors::{Actor, Scenery, start_prover},
    error::{Attempt, DemoError, Result},
    process::Process,
};
use zkpool_demo_zkml::{cast::Cast, customer::Drawn, parties::Application, summary::text};
use zkpool_protocol::ProofKind;

const BOUND: Duration = Duration::from_secs(3_600);
/// Memory of a prover: enough for segments of [`LIMIT`].
const MEMORY: &str = "1GiB";
/// The largest segments, as a power of two of cycles.
pub(crate) const LIMIT: u32 = 16;

/// One job through the pool.
#[derive(Debug, Serialize)]
pub(crate) struct Pooled {
    pub(crate) segments: usize,
    /// CPU time of the provers, from before the question to its end.
    pub(crate) provers_cpu: f64,
    /// Of the operator's service: preflight, execution, verification included.
    pub(crate) service_cpu: f64,
    /// Of the committee's three members, each of whom verifies the receipt.
    pub(crate) committee_cpu: f64,
    /// From the first segment taken to the receipt, with the committee's signatures.
    pub(crate) receipt_seconds: f64,
    /// From the last segment proven to the receipt.
    pub(crate) last_to_receipt_seconds: f64,
    /// From *prove* to the answer in the contract.
    pub(crate) answer_seconds: f64,
}

impl Pooled {
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.provers_cpu + self.service_cpu + self.committee_cpu
    }
}

/// Everybody but the provers.
pub(crate) struct Pool {
    cast: Cast,
    members: Vec<Process>,
    application: Application,
}

impl Pool {
    pub(crate) async fn open(scenery: &Scenery) -> Result<Self> {
        let kind = ProofKind::Risc0Composite;
        let mut cast = Cast::gather(scenery, kind).await?;
        let members = cast.attest(scenery, &cast.members)?;
        cast.operator.ready(scenery, &mut cast.service, 0).await?;
        let owner = Actor::new("application");
        let application = Application::start(scenery, &cast.ground, &owner, &cast.operator, kind).await?;
        Ok(Self { cast, members, application })
    }

    /// Fresh provers, ready; with more than one, each on a core of its own.
    async fn provers(&mut self, scenery: &Scenery, count: usize) -> Result<Vec<Process>> {
        let mut provers = Vec::new();
        for core in 0..count {
            let threads = if count > 1 { &["--memory", MEMORY, "--threads", "1"][..] } else { &["--memory", MEMORY] };
            let prover = start_prover(scenery, &Actor::new(&format!("prover {core}")), &self.cast.operator, threads)?;
            if count > 1 {
                prover.pin(core).attempt("pinning a prover")?;
            }
            provers.push(prover);
        }
        let present = u32::try_from(count).unwrap_or(u32::MAX);
        self.cast.operator.ready(scenery, &mut self.cast.service, present).await?;
        Ok(provers)
    }

    fn cpu(processes: &[Process]) -> Result<f64> {
        let times: std::io::Result<Vec<f64>> = processes.iter().map(Process::cpu_seconds).collect();
        Ok(times.attempt("reading CPU times")?.iter().sum())
    }

    pub(crate) async fn prove(&mut self, scenery: &Scenery, drawn: &Drawn, count: usize) -> Result<Pooled> {
        let provers = self.provers(scenery, count).await?;
        let service = std::slice::from_ref(&self.cast.service);
        let before = [Self::cpu(&provers)?, Self::cpu(service)?, Self::cpu(&self.members)?];
        let (mut taken, mut proven, mut receipt) = (None, None, None);
        let mut watch = |view: &Value| {
            let segments: Vec<_> = segments(view).collect();
            if segments.iter().any(|job| job["state"] == "leased") {
                taken.get_or_insert_with(Instant::now);
            }
            if !segments.is_empty() && segments.iter().all(|job| job["state"] == "done") {
                proven.get_or_insert_with(Instant::now);
            }
            if matches!(view["stage"].as_str(), Some("submitting" | "delivered")) {
                receipt.get_or_insert_with(Instant::now);
            }
        };
        let asked = self.application.ask(scenery, drawn, BOUND, &mut [], &mut watch).await?;
        let after = [Self::cpu(&provers)?, Self::cpu(service)?, Self::cpu(&self.members)?];
        for prover in provers {
            prover.stop(Duration::from_secs(60)).attempt("stopping a prover")?;
        }
        let (Some(taken), Some(proven), Some(receipt)) = (taken, proven, receipt) else {
            return Err(DemoError::new("having digits proven", text(&asked.view["error"])));
        };
        let [provers_cpu, service_cpu, committee_cpu] = [0, 1, 2].map(|at| after[at] - before[at]);
        Ok(Pooled {
            segments: segments(&asked.view).count(),
            provers_cpu,
            service_cpu,
            committee_cpu,
            receipt_seconds: (receipt - taken).as_secs_f64(),
            last_to_receipt_seconds: (receipt - proven).as_secs_f64(),
            answer_seconds: asked.seconds,
        })
    }

    /// Kills one of two provers while both work; milliseconds until its segment is with the other one.
    pub(crate) async fn recover(&mut self, scenery: &Scenery, drawn: &Drawn) -> Result<u64> {
        let mut provers = self.provers(scenery, 2).await?;
        let (victim, mut killed, mut recovered) = (provers.remove(0), None, None);
        let mut victim = Some(victim);
        let mut watch = |view: &Value| {
            let held: Vec<_> = segments(view).filter(|job| job["state"] == "leased").cloned().collect();
            match &killed {
                None if held.len() == 2 => {
                    // Whose it was is told by what the other one holds in its place later.
                    let _ = victim.take().map(Process::kill);
                    killed = Some((Instant::now(), held));
                }
                Some((when, before)) if recovered.is_none() => {
                    let is_other = |now: &Value| {
                        before.iter().any(|then| then["index"] == now["index"] && then["prover"] != now["prover"])
                    };
                    if held.iter().any(is_other) {
                        recovered = Some(when.elapsed());
                    }
                }
                _ => {}
            }
        };
        self.application.ask(scenery, drawn, BOUND, &mut [], &mut watch).await?;
        let recovered = recovered.attempt("waiting for a dead prover's segment to be taken over")?;
        Ok(u64::try_from(recovered.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn close(self) -> Result<()> {
        for process in self.members.into_iter().chain([self.application.process, self.cast.service]) {
            process.stop(Duration::from_secs(60)).attempt("stopping a process")?;
        }
        Ok(())
    }
}

fn segments(view: &Value) -> impl Iterator<Item = &Value> {
    view["jobs"].as_array().into_iter().flatten().filter(|job| job["operation"] == "prove")
}
