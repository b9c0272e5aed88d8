//! Who could prove something, and how soon: what a promise of time rests on.

use crate::{Context, OpResult, ops::bonds, parts, reconcile::segments};
use std::collections::{BTreeMap, BTreeSet};
use zkpool_protocol::{Address, B256, ProofKind, Strategy, TaskState, WorkUnits};
use zkpool_scheduler::{Machine, Rules};
use zkpool_store::{Measured, Millis, ProverRecord};

/// The provers that are present and may be given jobs, and what they have before them.
#[derive(Debug)]
pub(crate) struct Capacity {
    provers: Vec<ProverRecord>,
    /// Leases that have not ended.
    leases: usize,
    /// Work that is promised or under way, for each kind.
    backlog: Vec<(ProofKind, WorkUnits)>,
}

impl Capacity {
    /// As it is now. Quotes that can still be published count as work: their publication cannot be refused.
    pub(crate) async fn now(ctx: &Context) -> OpResult<Self> {
        // Before the jobs: what becomes a job in between is counted twice rather than not at all.
        let mut backlog = promised(ctx).await?;
        let workload = ctx.store.workload().await?;
        let now = ctx.clock.now();
        let since = presence(ctx, now);
        let provers = workload.provers.into_iter().filter(|prover| {
            let standing = &prover.standing;
            ctx.status.is_present(&prover.id, since) && !bonds::bars(ctx, prover) && standing.excluded_until <= now
        });
        let jobs = workload.jobs.iter().map(|item| (item.job.job.kind, times(item.job.job.units, item.strategy)));
        backlog.extend(jobs);
        Ok(Self { provers: provers.collect(), leases: workload.leases.len(), backlog })
    }

    /// Without those who ask for more than so many wei for a million units: a job that pays less is kept from all machines of
    /// an owner one of which asks for more.
    pub(crate) fn affordable(mut self, wei_per_million_units: u128) -> Self {
        let dear = |prover: &ProverRecord| {
            let asks = prover.description.asks.clone().into_iter();
            let (who, dear) = (prover.id.address, asks.filter(move |(_, ask)| *ask > wei_per_million_units));
            dear.map(move |(kind, _)| (who, kind))
        };
        let dear: BTreeSet<(Address, ProofKind)> = self.provers.iter().flat_map(dear).collect();
        for prover in &mut self.provers {
            let who = prover.id.address;
            prover.description.speeds.retain(|kind, _| !dear.contains(&(who, *kind)));
        }
        self
    }

    /// How many provers there are.
    pub(crate) fn provers(&self) -> usize {
        self.provers.len()
    }

    /// How busy they are, 0 to 10,000.
    pub(crate) fn load(&self) -> u32 {
        let places: u64 = self.provers.iter().map(|prover| u64::from(prover.description.concurrency)).sum();
        let busy = (self.leases as u64).saturating_mul(10_000).checked_div(places).unwrap_or_default();
        u32::try_from(busy.min(10_000)).unwrap_or(10_000)
    }

    /// Memory for one job of those that do this kind of work, in bytes.
    pub(crate) fn memories(&self, kind: ProofKind) -> impl Iterator<Item = u64> {
        let able = move |prover: &&ProverRecord| prover.description.speeds.contains_key(&kind);
        self.provers.iter().filter(able).map(|prover| prover.description.memory)
    }

    /// The provers as the planner sees them. What is before them is shared by all that do such work.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        let busy = |speeds: &BTreeMap<ProofKind, f64>| speeds.keys().map(|kind| self.before(*kind)).max();
        let machine = |prover: &ProverRecord| Machine {
            memory: prover.description.memory,
            places: prover.description.concurrency,
            busy: busy(&prover.description.speeds).unwrap_or_default(),
            speeds: prover.description.speeds.clone(),
        };
        self.provers.iter().map(machine).collect()
    }

    /// How long the provers that do this kind of work have to do, together.
    fn before(&self, kind: ProofKind) -> Millis {
        let places = |prover: &ProverRecord| f64::from(prover.description.concurrency);
        let speed = |prover: &ProverRecord| prover.description.speeds.get(&kind).map(|speed| speed * places(prover));
        let speed: f64 = self.provers.iter().filter_map(speed).sum();
        let units: u64 = self.backlog.iter().filter(|(of, _)| *of == kind).map(|(_, units)| units.0).sum();
        if units == 0 { 0 } else { (units as f64 * 1_000.0 / speed).ceil() as Millis }
    }

    /// How long until a proof of this size would be there, after all that is promised already; `None` if nobody could
    /// make it.
    ///
    /// What is before it is shared by all; the proof itself is made by the fastest that has the memory.
    pub(crate) fn estimate(&self, kind: ProofKind, size: Measured, enclave: Option<B256>) -> Option<Millis> {
        let alone = self.fastest(kind, size, enclave)?;
        let speeds: f64 = self.able(kind, size.memory, enclave).map(|(_, speed)| speed).sum();
        let before: u64 = self.backlog.iter().filter(|(of, _)| *of == kind).map(|(_, units)| units.0).sum();
        // Saturates: what takes for ever is too long for any deadline.
        Some(((before as f64 * 1_000.0 / speeds).ceil() as Millis).saturating_add(alone))
    }

    /// How long the fastest prover would take for it, with nothing before it; `None` if nobody could make it.
    pub(crate) fn fastest(&self, kind: ProofKind, size: Measured, enclave: Option<B256>) -> Option<Millis> {
        let fastest = self.able(kind, size.memory, enclave).map(|(_, speed)| speed).fold(0.0, f64::max);
        (fastest > 0.0).then(|| (size.units.0 as f64 * 1_000.0 / fastest).ceil() as Millis)
    }

    /// Whose provers could make it.
    pub(crate) fn owners(&self, kind: ProofKind, memory: u64, enclave: Option<B256>) -> Vec<Address> {
        let owners: BTreeSet<Address> = self.able(kind, memory, enclave).map(|(owner, _)| owner).collect();
        owners.into_iter().collect()
    }

    /// Those that could make it, with their speeds.
    fn able(&self, kind: ProofKind, memory: u64, enclave: Option<B256>) -> impl Iterator<Item = (Address, f64)> {
        self.provers.iter().filter_map(move |prover| {
            let known = &prover.description;
            let fits = known.memory >= memory && enclave.is_none_or(|enclave| known.enclaves.contains(&enclave));
            Some((prover.id.address, known.speeds.get(&kind).copied().filter(|_| fits)?))
        })
    }
}

/// Work that will come and is no job yet: of quotes that can still be published, of tasks that are not planned, and of
/// programs that have not run to their end.
async fn promised(ctx: &Context) -> OpResult<Vec<(ProofKind, WorkUnits)>> {
    let mut all = Vec::new();
    let states = [TaskState::Quoted, TaskState::Announcing, TaskState::Published, TaskState::Proving];
    for task in ctx.store.work_in(&states).await? {
        let priced = task.price.map(|price| price.units).filter(|units| units.0 > 0);
        let units = match task.state {
            TaskState::Proving if task.planned => continue,
            // It may have been cut otherwise than it was priced.
            TaskState::Proving => {
                let input = ctx.store.input(task.ask.input).await?;
                let cut = input.zip(task.segment_limit);
                let cut = cut.and_then(|(input, limit)| segments::units(task.ask.kind, &input, limit));
                let known = ctx.store.units_of(task.key).await?;
                cut.or(priced).map(|units| WorkUnits(units.0.saturating_sub(known.0)))
            }
            // Its legs are not there yet.
            _ if task.ask.kind == ProofKind::Bundle => {
                for part in parts::stored(ctx, &task.ask).await?.all {
                    all.push((main_work(part.ask.kind), times(part.input.measured.units, task.strategy())));
                }
                continue;
            }
            _ => priced,
        };
        all.extend(units.map(|units| (main_work(task.ask.kind), times(units, task.strategy()))));
    }
    Ok(all)
}

/// Work that is done as often as provers race for it.
fn times(units: WorkUnits, strategy: Strategy) -> WorkUnits {
    WorkUnits(units.0.saturating_mul(strategy.holders().into()))
}

/// The kind of work that most of a task consists of.
const fn main_work(kind: ProofKind) -> ProofKind {
    if kind.is_risc0() { ProofKind::Risc0Composite } else { kind }
}

/// A prover that was not heard of since then is gone.
pub(crate) fn presence(ctx: &Context, now: Millis) -> Millis {
    now.saturating_sub(ctx.config.dispatch.presence * 1_000)
}

/// Seconds between a proof and its being in a block, the wait for the publication's confirmations included.
pub(crate) fn delivery_seconds(ctx: &Context) -> u64 {
    (ctx.config.chain.confirmations + 1) * ctx.status.block_seconds() + 1
}

/// How jobs are handed out.
pub(crate) fn rules(ctx: &Context) -> Rules {
    let dispatch = &ctx.config.dispatch;
    Rules {
        min_lease: dispatch.min_lease * 1_000,
        max_lease: dispatch.max_lease * 1_000,
        exclusion: dispatch.exclusion * 1_000,
        strikes: dispatch.strikes,
        delivery: delivery_seconds(ctx) * 1_000,
        ..Rules::default()
    }
}
