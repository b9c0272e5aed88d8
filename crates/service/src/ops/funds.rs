//! What provers can still be promised: what is set apart for them, less what they hold already. By this the dispatcher gives
//! jobs out, and the `pay` reconciler sets apart what is missing.

use super::bonds;
use crate::{Context, OpResult, capacity::presence};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};
use zkpool_protocol::{Address, B256, JobId, Operation, ProgramId, TaskId, pay::TaskPay};
use zkpool_store::{Millis, ProverId, ProverRecord, WorkItem, Workload};

/// Amounts by prover and token.
type Amounts = BTreeMap<(Address, Address), u128>;

/// What a workload's jobs earn, and who could be paid for them.
pub(crate) struct Funds<'a> {
    workload: &'a Workload,
    /// From what tasks are paid; of those that are missing it cannot be told yet.
    pays: &'a HashMap<TaskId, TaskPay>,
    /// In the open tranche of the service's key that has most. One receipt is in one tranche.
    left: Amounts,
    /// What the leases that have not ended will earn.
    held: Amounts,
    /// How many jobs each device has in hand.
    busy: BTreeMap<&'a ProverId, usize>,
    /// Who is at work on each job.
    holders: BTreeMap<JobId, Vec<Address>>,
    enclaves: &'a BTreeMap<ProgramId, B256>,
    /// Devices that were heard of, and may be given jobs.
    able: Vec<&'a ProverRecord>,
}

impl<'a> Funds<'a> {
    /// As they are now. `pays` says what tasks pay; whom a job pays too little is excluded from it already.
    pub(crate) async fn of(
        ctx: &Context,
        workload: &'a Workload,
        pays: &'a HashMap<TaskId, TaskPay>,
        enclaves: &'a BTreeMap<ProgramId, B256>,
    ) -> OpResult<Self> {
        let now = ctx.clock.now();
        let signer = ctx.voucher_signer()?;
        let mut left = Amounts::new();
        for mark in ctx.store.open_earmarks().await?.iter().filter(|mark| mark.tranche.signer == signer) {
            let best = left.entry((mark.cap.prover, mark.tranche.token)).or_default();
            *best = mark.left().max(*best);
        }
        let mut funds = Self {
            workload,
            pays,
            left,
            held: Amounts::new(),
            busy: BTreeMap::new(),
            holders: BTreeMap::new(),
            enclaves,
            able: workload.provers.iter().filter(|prover| may_work(ctx, prover, now)).collect(),
        };
        let jobs: BTreeMap<JobId, &WorkItem> = workload.jobs.iter().map(|item| (item.job.id, item)).collect();
        for lease in &workload.leases {
            *funds.busy.entry(&lease.prover).or_default() += 1;
            funds.holders.entry(lease.job).or_default().push(lease.prover.address);
            if let Some((token, amount)) = jobs.get(&lease.job).and_then(|item| funds.earns(item)) {
                let held = funds.held.entry((lease.prover.address, token)).or_default();
                *held = held.saturating_add(lease.pay.unwrap_or(amount));
            }
        }
        Ok(funds)
    }

    /// What a job earns: in which token, how much.
    fn earns(&self, item: &WorkItem) -> Option<(Address, u128)> {
        let pay = self.pays.get(&item.job.id.task)?;
        Some((pay.token, pay.amount(item.job.job.units)))
    }

    fn held(&self, prover: Address, token: Address) -> u128 {
        self.held.get(&(prover, token)).copied().unwrap_or_default()
    }

    /// What a prover can still be promised.
    fn free(&self, prover: Address, token: Address) -> u128 {
        let left = self.left.get(&(prover, token)).copied().unwrap_or_default();
        left.saturating_sub(self.held(prover, token))
    }

    /// Places for further jobs.
    fn places(&self, prover: &ProverRecord) -> usize {
        let all = usize::try_from(prover.description.concurrency).unwrap_or(usize::MAX);
        all.saturating_sub(self.busy.get(&prover.id).copied().unwrap_or_default())
    }

    /// Whether a device can do a job.
    fn can(&self, prover: &ProverRecord, item: &WorkItem) -> bool {
        let (known, job) = (&prover.description, &item.job.job);
        let enclave = self.enclaves.get(&job.program).filter(|_| job.operation == Operation::Attest);
        known.speeds.contains_key(&job.kind)
            && known.memory >= job.memory
            && enclave.is_none_or(|enclave| known.enclaves.contains(enclave))
            && !item.excluded.contains(&prover.id.address)
    }

    /// For each job those who must not be given it: not enough is set apart for them.
    pub(crate) fn barred(&self) -> Vec<Vec<Address>> {
        let all = &self.workload.provers;
        let paid = self.paid();
        let mut devices: BTreeMap<Address, Vec<&ProverRecord>> = BTreeMap::new();
        for device in &self.able {
            devices.entry(device.id.address).or_default().push(device);
        }
        let mut too_many: BTreeMap<JobId, Vec<Address>> = BTreeMap::new();
        for (who, devices) in devices.iter().filter(|(who, _)| paid.contains(*who)) {
            for job in self.too_many(*who, devices) {
                too_many.entry(job).or_default().push(*who);
            }
        }
        // In order of what can be promised, so that a job looks at those alone who are short of it.
        let in_order = |token| {
            let mut free: Vec<_> = paid.iter().map(|who| (self.free(*who, token), *who)).collect();
            free.sort_unstable();
            (token, free)
        };
        let free: BTreeMap<Address, Vec<(u128, Address)>> = self.tokens().into_iter().map(in_order).collect();
        let barred = |item: &WorkItem| match self.earns(item) {
            // What cannot be told yet is given to nobody.
            None => all.iter().map(|prover| prover.id.address).collect::<BTreeSet<_>>().into_iter().collect(),
            Some((_, 0)) => Vec::new(),
            Some((token, amount)) => {
                let short = free.get(&token).into_iter().flatten().take_while(|(free, _)| *free < amount);
                let others = too_many.get(&item.job.id).into_iter().flatten();
                short.map(|(_, who)| *who).chain(others.copied()).collect()
            }
        };
        self.workload.jobs.iter().map(barred).collect()
    }

    /// In which jobs are paid.
    fn tokens(&self) -> BTreeSet<Address> {
        self.pays.values().map(|pay| pay.token).collect()
    }

    /// Who is paid for what it does. Whether it is, an address says for all of its devices.
    fn paid(&self) -> BTreeSet<Address> {
        let paid = self.workload.provers.iter().filter(|prover| !prover.description.unpaid);
        paid.map(|prover| prover.id.address).collect()
    }

    /// How many more could be at work on a job.
    fn lacking(&self, item: &WorkItem) -> usize {
        let wanted = usize::try_from(item.strategy.holders()).unwrap_or(usize::MAX);
        wanted.saturating_sub(self.holders.get(&item.job.id).map_or(0, Vec::len))
    }

    fn is_held_by(&self, item: &WorkItem, who: Address) -> bool {
        self.holders.get(&item.job.id).is_some_and(|holders| holders.contains(&who))
    }

    /// The jobs that a prover with several places is not given for now: one decision must not promise its devices more than
    /// is there for them together.
    fn too_many(&self, who: Address, devices: &[&ProverRecord]) -> BTreeSet<JobId> {
        let mut refused = BTreeSet::new();
        let places: usize = devices.iter().map(|device| self.places(device)).sum();
        if places < 2 {
            return refused;
        }
        let can = |item: &&WorkItem| {
            let fits = |device: &&&ProverRecord| self.places(device) > 0 && self.can(device, item);
            item.is_open() && self.lacking(item) > 0 && !self.is_held_by(item, who) && devices.iter().any(|d| fits(&d))
        };
        let mut of_tokens: BTreeMap<Address, Vec<(JobId, u128)>> = BTreeMap::new();
        for item in self.workload.jobs.iter().filter(can) {
            if let Some((token, amount)) = self.earns(item).filter(|(token, amount)| *amount <= self.free(who, *token))
            {
                of_tokens.entry(token).or_default().push((item.job.id, amount));
            }
        }
        for (token, jobs) in of_tokens {
            let mut free = self.free(who, token);
            let mut amounts: Vec<u128> = jobs.iter().map(|(_, amount)| *amount).collect();
            amounts.sort_unstable_by_key(|amount| Reverse(*amount));
            if amounts.iter().take(places).fold(0, |sum: u128, amount| sum.saturating_add(*amount)) <= free {
                continue;
            }
            for (job, amount) in jobs {
                match free.checked_sub(amount) {
                    Some(rest) => free = rest,
                    None => {
                        refused.insert(job);
                    }
                }
            }
        }
        refused
    }

    /// What each prover would have to have in one tranche of a token to be given a job that waits, or that too few race for, and
    /// for which too few of those who could take it now have enough.
    pub(crate) fn missing(&self, token: Address) -> BTreeMap<Address, u128> {
        // Jobs that the same provers can do are one question: about the one that earns most.
        let mut rows: BTreeMap<_, (u128, &WorkItem)> = BTreeMap::new();
        for item in self.workload.jobs.iter().filter(|item| item.is_open() && self.lacking(item) > 0) {
            let Some((_, amount)) = self.earns(item).filter(|(of, amount)| *of == token && *amount > 0) else {
                continue;
            };
            let job = &item.job.job;
            let enclave = self.enclaves.get(&job.program).filter(|_| job.operation == Operation::Attest);
            let at_work = (self.lacking(item), self.holders.get(&item.job.id));
            let row = rows.entry((job.kind, job.memory, enclave, &item.excluded, at_work)).or_insert((amount, item));
            if amount > row.0 {
                *row = (amount, item);
            }
        }
        let (mut missing, paid) = (BTreeMap::new(), self.paid());
        for (amount, item) in rows.into_values() {
            let is_free = |prover: &&&ProverRecord| {
                self.places(prover) > 0 && self.can(prover, item) && !self.is_held_by(item, prover.id.address)
            };
            let free: BTreeSet<Address> = self.able.iter().filter(is_free).map(|prover| prover.id.address).collect();
            let takes = |who: &&Address| !paid.contains(*who) || self.free(**who, token) >= amount;
            if free.iter().filter(takes).count() >= self.lacking(item) {
                continue;
            }
            for who in free.into_iter().filter(|who| paid.contains(who)) {
                let needs = missing.entry(who).or_default();
                *needs = amount.saturating_add(self.held(who, token)).max(*needs);
            }
        }
        missing
    }

    /// What each prover would have to have in one tranche of a token to be paid for what it has in hand, if it could not be
    /// paid out of what it has: its tranche was closed, or the service has another key.
    pub(crate) async fn owed(&self, ctx: &Context, token: Address) -> OpResult<BTreeMap<Address, u128>> {
        let (signer, now, paid) = (ctx.voucher_signer()?, ctx.clock.now(), self.paid());
        let mut owed = BTreeMap::new();
        for ((who, of), held) in &self.held {
            if *of != token || !paid.contains(who) || self.left.get(&(*who, token)).is_some_and(|left| left >= held) {
                continue;
            }
            let marks = ctx.store.earmarks_of(*who).await?;
            let counts = |tranche: &zkpool_store::TrancheRecord| {
                tranche.token == token && tranche.signer == signer && tranche.pays(now)
            };
            if !marks.iter().any(|mark| counts(&mark.tranche) && mark.left() >= *held) {
                owed.insert(*who, *held);
            }
        }
        Ok(owed)
    }

    /// Whether a job waits for money.
    pub(crate) fn is_missing(&self) -> bool {
        self.tokens().into_iter().any(|token| !self.missing(token).is_empty())
    }
}

fn may_work(ctx: &Context, prover: &ProverRecord, now: Millis) -> bool {
    let standing = &prover.standing;
    ctx.status.is_present(&prover.id, presence(ctx, now)) && !bonds::bars(ctx, prover) && standing.excluded_until <= now
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkpool_protocol::{BlobId, Job, JobState, ProofKind, Strategy, WorkUnits};
    use zkpool_store::{JobRecord, ProverDescription, Standing};

    const TOKEN: Address = Address::repeat_byte(0x70);

    fn who(byte: u8) -> Address {
        Address::repeat_byte(byte)
    }

    fn device(byte: u8, device: &str) -> ProverRecord {
        let speeds = BTreeMap::from([(ProofKind::Groth16Bn254, 1.0)]);
        ProverRecord {
            id: ProverId { address: who(byte), device: device.into() },
            description: ProverDescription {
                cpus: 1,
                memory: 10,
                concurrency: 1,
                speeds,
                enclaves: vec![],
                unpaid: false,
                asks: BTreeMap::new(),
            },
            joined: true,
            joined_at: 0,
            seen_at: 0,
            standing: Standing::default(),
            out: false,
        }
    }

    /// A job that earns as much as it has units.
    fn job(index: u32, units: u64) -> WorkItem {
        let id = JobId { task: TaskId::repeat_byte(1), index };
        let job = Job {
            operation: Operation::Single,
            kind: ProofKind::Groth16Bn254,
            program: BlobId::of(b""),
            input: None,
            statement: None,
            units: WorkUnits(units),
            memory: 10,
            needs: vec![],
        };
        let job = JobRecord {
            id,
            state: JobState::Ready,
            job,
            last_token: 0,
            ready_at: None,
            result: None,
            done_by: None,
            proving_ms: None,
        };
        WorkItem {
            job,
            proof_deadline: 0,
            liability_deadline: 0,
            excluded: vec![],
            leg: None,
            suppliers: vec![],
            reward_token: TOKEN,
            strategy: Strategy::Assign,
        }
    }

    fn workload(jobs: &[u64], provers: Vec<ProverRecord>) -> Workload {
        let jobs = (0..).zip(jobs).map(|(index, units)| job(index, *units)).collect();
        Workload { jobs, provers, leases: vec![] }
    }

    fn pays() -> HashMap<TaskId, TaskPay> {
        let pay = TaskPay { token: TOKEN, reward: 1_000, share: 10_000, units: WorkUnits(1_000) };
        [(TaskId::repeat_byte(1), pay)].into()
    }

    fn funds<'a>(workload: &'a Workload, left: &[(u8, u128)]) -> Funds<'a> {
        static PAYS: std::sync::LazyLock<HashMap<TaskId, TaskPay>> = std::sync::LazyLock::new(pays);
        static NO_ENCLAVES: BTreeMap<ProgramId, B256> = BTreeMap::new();
        Funds {
            workload,
            pays: &PAYS,
            left: left.iter().map(|(prover, left)| ((who(*prover), TOKEN), *left)).collect(),
            held: Amounts::new(),
            busy: BTreeMap::new(),
            holders: BTreeMap::new(),
            enclaves: &NO_ENCLAVES,
            able: workload.provers.iter().collect(),
        }
    }

    /// The jobs that a prover may be given.
    fn open_to(funds: &Funds, prover: u8) -> Vec<usize> {
        let barred = funds.barred();
        (0..barred.len()).filter(|place| !barred[*place].contains(&who(prover))).collect()
    }

    #[test]
    fn two_devices_of_one_prover_are_not_promised_more_than_is_there_for_both() {
        let workload = workload(&[60, 60, 30, 200], vec![device(1, "a"), device(1, "b"), device(2, "c")]);
        let funds = funds(&workload, &[(1, 100), (2, 100)]);
        assert_eq!(open_to(&funds, 1), [0, 2], "60 and 30, but not twice 60");
        assert_eq!(open_to(&funds, 2), [0, 1, 2], "it has one place");
        let funds = Funds { left: [((who(1), TOKEN), 120)].into(), ..funds };
        assert_eq!(open_to(&funds, 1), [0, 1, 2], "any two");
    }

    #[test]
    fn money_is_missing_as_long_as_nobody_who_could_take_the_job_now_has_enough() {
        let needs = |funds: &Funds| funds.missing(TOKEN).into_iter().collect::<Vec<_>>();
        let workload = workload(&[50], vec![device(1, "a"), device(2, "b")]);
        assert!(needs(&funds(&workload, &[(2, 50)])).is_empty());
        assert_eq!(needs(&funds(&workload, &[(9, 99)])), [(who(1), 50), (who(2), 50)], "one that has left");
        // One that was not heard of.
        let absent = Funds { able: vec![&workload.provers[0]], ..funds(&workload, &[(2, 50)]) };
        assert_eq!(needs(&absent), [(who(1), 50)]);
        // One whose cap is used up by what it holds, or that has no place.
        let held = [((who(2), TOKEN), 20)].into();
        assert_eq!(needs(&Funds { held, ..funds(&workload, &[(2, 69)]) }), [(who(1), 50), (who(2), 70)]);
        let busy = [(&workload.provers[1].id, 1)].into();
        assert_eq!(needs(&Funds { busy, ..funds(&workload, &[(2, 50)]) }), [(who(1), 50)]);
        // One that does not get this job.
        let mut barred = workload.clone();
        barred.jobs[0].excluded.push(who(2));
        assert_eq!(needs(&funds(&barred, &[(2, 50)])), [(who(1), 50)]);
        let mut small = workload.clone();
        small.provers[1].description.memory = 9;
        assert_eq!(needs(&funds(&small, &[(2, 50)])), [(who(1), 50)]);
        // One that works for nothing takes it.
        let mut unpaid = workload.clone();
        unpaid.provers[1].description.unpaid = true;
        assert!(needs(&funds(&unpaid, &[])).is_empty());
    }

    /// What others hold, and what one holds oneself, takes nothing of what further jobs may cost.
    #[test]
    fn jobs_in_hand_do_not_bar_those_that_wait() {
        let workload = workload(&[40, 40, 40, 40], vec![device(1, "a"), device(1, "b"), device(2, "c")]);
        let holders = BTreeMap::from([0, 1].map(|index| (workload.jobs[index].job.id, vec![who(2)])));
        let funds = Funds { holders, ..funds(&workload, &[(1, 60)]) };
        let open = open_to(&funds, 1);
        assert!(open.contains(&2) && !open.contains(&3), "one of the two: {open:?}");
    }

    #[test]
    fn a_race_is_paid_for_as_many_as_it_takes() {
        let mut workload = workload(&[50], vec![device(1, "a"), device(2, "b"), device(3, "c")]);
        workload.jobs[0].strategy = Strategy::Race { provers: 2 };
        let needs = |funds: &Funds| funds.missing(TOKEN).into_keys().collect::<Vec<_>>();
        assert_eq!(needs(&funds(&workload, &[(1, 50)])), [who(1), who(2), who(3)], "one is not enough");
        assert!(needs(&funds(&workload, &[(1, 50), (2, 50)])).is_empty());
        let held = || BTreeMap::from([(workload.jobs[0].job.id, vec![who(1)])]);
        assert_eq!(needs(&Funds { holders: held(), ..funds(&workload, &[(1, 50)]) }), [who(2), who(3)]);
        assert!(needs(&Funds { holders: held(), ..funds(&workload, &[(1, 50), (3, 50)]) }).is_empty());
    }

    #[test]
    fn a_device_that_says_unpaid_beside_one_that_is_paid_holds_up_nobody() {
        let mut workload = workload(&[50], vec![device(1, "a"), device(1, "b"), device(2, "c")]);
        workload.provers[1].description.unpaid = true;
        let funds = funds(&workload, &[]);
        assert_eq!(funds.missing(TOKEN).into_keys().collect::<Vec<_>>(), [who(1), who(2)]);
    }

    #[test]
    fn what_cannot_be_told_is_given_to_nobody() {
        let workload = workload(&[50], vec![device(1, "a")]);
        let nothing = HashMap::new();
        let funds = Funds { pays: &nothing, ..funds(&workload, &[(1, 1_000)]) };
        assert!(open_to(&funds, 1).is_empty() && !funds.is_missing());
    }
}
