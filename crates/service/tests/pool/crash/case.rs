//! One transition: how to get there, how to cause it, and what must have come of it in the end.

mod afterwards;

use crate::{
    operator::{DOMAIN, Died},
    pool::{PAYER, Pool},
    prover::{Habit, Prover},
};
use serde_json::json;
use std::time::Duration;
use zkpool_api::PublishedRequest;
use zkpool_bindings::IZKPool;
use zkpool_chain::{Key, SlotState, TxState, alloy::sol_types::SolCall};
use zkpool_protocol::{
    Address, ErrorCode, Job, JobGraph, JobState, Operation, ProofKind, Quote, SignedQuote, TaskId, TaskState, WorkUnits,
};
use zkpool_service::ops;
use zkpool_store::{
    Noted, Plan, Role,
    faults::{Move, Side},
};

/// The operator that stalls, where this one rescues.
const THEIR_SLOT: u32 = 9;
/// Seconds between the announcement of a rescue and its effect.
const GRACE: u64 = 160;
/// Who rescues from this one.
const RIVAL: Address = Address::repeat_byte(0x99);

pub(super) struct Case {
    step: Move,
    role: Role,
    pool: Pool,
    prover: Prover,
    quote: Option<SignedQuote>,
    /// Two jobs, the second of which needs the first.
    chained: bool,
    /// Blocks above it are taken back.
    fork: u64,
}

use TaskState as S;

impl Case {
    pub(super) async fn new(step: Move) -> Self {
        let role = match step {
            Move::Task(from, to) if from.is_some_and(is_rescue_only) || is_rescue_only(to) => Role::Rescue,
            _ => Role::Own,
        };
        let chained = matches!(step, Move::Job(Some(JobState::Waiting), _) | Move::Job(_, JobState::Waiting));
        let mut pool = Pool::with(json!({ "quotes": { "validity": 60, "live_per_payer": 9 } })).await;
        let prover = Prover::new(0xc0, Habit::Works(0));
        prover.join(&pool.operator).await.unwrap();
        Pool::prepare(&pool.operator).await.unwrap();
        let quote = match role {
            Role::Own => None,
            Role::Leg => unreachable!("the chain knows no legs"),
            Role::Rescue => Some(theirs(&mut pool).await),
        };
        Self { step, role, pool, prover, quote, chained, fork: 0 }
    }

    fn id(&self) -> TaskId {
        self.quote.as_ref().unwrap().quote.id(&DOMAIN)
    }

    // ---- the way there ----

    /// To where the transition begins.
    pub(super) async fn prepare(&mut self) {
        match self.step {
            Move::Task(None, _) => {}
            Move::Task(Some(from), to) => self.reach(from, to).await,
            Move::Job(None, _) | Move::Note(_) => self.reach_live(S::Published).await,
            Move::Job(Some(from), to) => self.reach_job(from, to).await,
            Move::Transaction(TxState::Failed) => {
                self.reach_live(S::Submitting).await;
                self.refuse("prove");
            }
            Move::Transaction(_) => self.reach_live(S::Proven).await,
        }
    }

    /// A state, by a way from which `to` can follow.
    async fn reach(&mut self, from: TaskState, to: TaskState) {
        if from.is_live() && from != S::Missed {
            self.reach_live(from).await;
            return;
        }
        match (from, self.role) {
            (S::Preflight, _) => self.step_to(S::Preflight).await.unwrap(),
            (S::Quoted | S::Lapsed | S::Dishonoured, _) => {
                self.step_to(S::Preflight).await.unwrap();
                self.step_to(S::Quoted).await.unwrap();
                if from != S::Quoted {
                    self.fork = self.head();
                    self.cause(S::Quoted, from).await.unwrap();
                }
            }
            (S::Watched, _) => self.step_to(S::Watched).await.unwrap(),
            (S::Announcing, _) => {
                self.step_to(S::Watched).await.unwrap();
                self.step_to(S::Announcing).await.unwrap();
            }
            (S::Released, _) if to == S::Watched => {
                self.step_to(S::Watched).await.unwrap();
                self.fork = self.head();
                self.cause(S::Watched, from).await.unwrap();
            }
            _ => {
                // An end: reached from the live state that it is to be taken back to.
                let base = if to.is_live() { to } else { S::Published };
                self.reach_live(base).await;
                if to.is_live() {
                    self.fork = self.head();
                }
                self.cause(base, from).await.unwrap();
            }
        }
        assert_eq!(self.state().await, from);
    }

    /// A live state, step by step.
    async fn reach_live(&mut self, state: TaskState) {
        let start = match self.role {
            Role::Own => [S::Preflight, S::Quoted],
            Role::Leg => unreachable!("the chain knows no legs"),
            Role::Rescue => [S::Watched, S::Announcing],
        };
        for next in start.into_iter().chain([S::Published, S::Proving, S::Proven, S::Submitting]) {
            if next == S::Published {
                self.fork = self.head();
            }
            self.step_to(next).await.unwrap();
            assert_eq!(self.state().await, next);
            if next == state {
                return;
            }
        }
    }

    async fn reach_job(&mut self, from: JobState, to: JobState) {
        self.reach_live(S::Proving).await;
        match (from, to) {
            (JobState::Leased, _) | (JobState::Waiting, JobState::Ready) => self.lease().await.unwrap(),
            (JobState::Ready, JobState::Done) => {
                self.lease().await.unwrap();
                // The lease ends; nobody else is there to take the job.
                self.pool.world.mine(20);
                self.pool.operator.only(&["dispatch"]).await.unwrap();
            }
            (JobState::Cancelled, _) => {
                self.fork = self.head();
                self.cause(S::Proving, S::Missed).await.unwrap();
            }
            _ => {}
        }
    }

    // ---- the transition ----

    /// Causes it, with a process that dies of it.
    pub(super) async fn die(&mut self, side: Side) {
        self.pool.operator.arm(self.step, side);
        let outcome = match self.step {
            Move::Task(None, to) => self.step_to(to).await,
            Move::Task(Some(from), to) => self.cause(from, to).await,
            Move::Job(None, _) | Move::Note(Noted::Planned) => self.step_to(S::Proving).await,
            Move::Note(other) => panic!("only a zkVM task comes to {other:?}"),
            Move::Job(Some(from), to) => self.cause_job(from, to).await,
            Move::Transaction(_) => self.run_on().await,
        };
        assert!(outcome.is_err() && self.pool.operator.faults.is_dead(), "{} is not reached", self.step);
    }

    /// An ordinary step forward.
    async fn step_to(&mut self, state: TaskState) -> Result<(), Died> {
        let (role, world) = (self.role, self.pool.world.clone());
        match state {
            S::Preflight => self.ask().await,
            S::Quoted => {
                self.pool.operator.only(&["preflight"]).await?;
                self.quote = self.quoted().await;
                Ok(())
            }
            S::Watched => self.tell().await,
            S::Announcing => {
                world.hold(true);
                world.mine(61);
                self.pool.operator.only(&["follow"]).await?;
                // It is still there.
                self.prover.join(&self.pool.operator).await?;
                self.pool.operator.only(&["rescue"]).await
            }
            S::Published => {
                match role {
                    Role::Leg => unreachable!("the chain knows no legs"),
                    Role::Own => drop(self.pool.publish(self.quote.as_ref().unwrap())),
                    Role::Rescue => {
                        world.hold(false);
                        self.pool.operator.only(&["submit"]).await?;
                    }
                }
                world.mine(1);
                self.pool.operator.only(&["follow"]).await
            }
            S::Proving if self.chained => self.plan_chain().await,
            S::Proving => self.pool.operator.only(&["plan"]).await,
            S::Proven => {
                self.lease().await?;
                self.prover.work(&self.pool.operator).await
            }
            S::Submitting => {
                world.hold(true);
                // Deep enough, and past the grace period of a rescue.
                world.mine(if role == Role::Rescue { GRACE } else { 1 });
                world.mine(1);
                self.pool.operator.only(&["follow", "submit"]).await
            }
            other => panic!("no ordinary step leads to {other}"),
        }
    }

    /// This transition, whatever else happens on the way.
    async fn cause(&mut self, from: TaskState, to: TaskState) -> Result<(), Died> {
        let (world, ours) = (self.pool.world.clone(), self.pool.operator.address());
        let id = self.quote.as_ref().map(|quote| quote.quote.id(&DOMAIN));
        match (from, to) {
            (S::Preflight, S::Refused) => {
                *self.pool.operator.worker.refusal.lock().unwrap() = Some(ErrorCode::BadInput);
                return self.pool.operator.only(&["preflight"]).await;
            }
            (S::Quoted, S::Lapsed) => {
                world.mine(100);
                (0..3).for_each(|_| _ = world.mine(1));
            }
            (S::Lapsed | S::Quoted, S::Dishonoured) => {
                if from == S::Lapsed {
                    world.rewind(self.fork);
                }
                self.take_slot_away();
                self.pool.publish(self.quote.as_ref().unwrap());
                world.mine(1);
            }
            (S::Lapsed, S::Published) => {
                world.rewind(self.fork);
                self.pool.publish(self.quote.as_ref().unwrap());
                world.mine(1);
            }
            // What the chain takes back.
            _ if from.undone().contains(&to) => {
                world.rewind(self.fork);
                world.mine(1);
            }
            (S::Watched, S::Published) => {
                world.mine(61);
                world.force(move |ledger, time| ledger.announce(id.unwrap(), ours, 0, time));
                world.mine(1);
            }
            (S::Announcing, S::Watched) => {
                self.refuse("rescue");
                world.mine(1);
                return self.pool.operator.only(&["submit", "rescue"]).await;
            }
            (S::Submitting, S::Proven) => {
                self.refuse("prove");
                world.hold(false);
                for _ in 0..3 {
                    self.pool.operator.only(&["submit"]).await?;
                    world.mine(1);
                }
                return self.pool.operator.only(&["submit"]).await;
            }
            (_, S::Delivered) => {
                let by = (self.role == Role::Rescue).then_some(ours);
                world.force(move |ledger, time| ledger.deliver_for(id.unwrap(), by, time));
                world.mine(1);
            }
            (_, S::Missed) => _ = world.mine(1_000),
            (S::Missed, S::Rescued) => {
                world.force(move |ledger, time| ledger.take_over(id.unwrap(), RIVAL, time));
                world.mine(1);
            }
            (_, S::Rescued) => {
                world.force(move |ledger, time| ledger.announce(id.unwrap(), RIVAL, 0, time));
                world.mine(61);
                world.mine(30);
            }
            (_, S::Defaulted) => {
                world.hold(false);
                self.pool.collect(self.quote.as_ref().unwrap());
                world.mine(if from == S::Missed { 1 } else { 1_000 });
            }
            (_, S::Unwound) => {
                let role = self.role;
                world.force(move |ledger, time| {
                    let mut events = Vec::new();
                    if role == Role::Rescue {
                        events.extend(ledger.take_over(id.unwrap(), ours, time));
                    }
                    events.extend(ledger.unwind(id.unwrap()));
                    events
                });
                world.mine(1);
            }
            (_, S::Released) => {
                world.force(move |ledger, time| ledger.deliver_for(id.unwrap(), None, time));
                world.mine(1);
            }
            _ => return self.step_to(to).await,
        }
        self.pool.operator.only(&["follow"]).await
    }

    async fn cause_job(&mut self, from: JobState, to: JobState) -> Result<(), Died> {
        match (from, to) {
            (JobState::Ready, JobState::Leased) => self.lease().await,
            (JobState::Leased, JobState::Ready) => {
                self.prover.habit = Habit::GivesUp;
                self.prover.work(&self.pool.operator).await
            }
            (_, JobState::Done) | (JobState::Waiting, JobState::Ready) => self.prover.work(&self.pool.operator).await,
            (_, JobState::Cancelled) => self.cause(S::Proving, S::Missed).await,
            (JobState::Cancelled, _) => self.cause(S::Missed, S::Proving).await,
            other => panic!("no way to cause {other:?}"),
        }
    }

    /// Runs until the process dies.
    async fn run_on(&mut self) -> Result<(), Died> {
        self.pool.world.hold(false);
        for _ in 0..12 {
            self.pool.world.mine(1);
            self.pool.operator.only(&["follow", "submit"]).await?;
        }
        Ok(())
    }

    // ---- little helpers ----

    fn head(&self) -> u64 {
        self.pool.world.head().number
    }

    async fn state(&self) -> TaskState {
        match &self.quote {
            Some(quote) => self.pool.state(quote.quote.id(&DOMAIN)).await,
            None => {
                let task = self.pool.operator.ctx().store.latest_task(Pool::wish("crash").id()).await.unwrap();
                task.map_or(S::Refused, |task| task.state)
            }
        }
    }

    async fn ask(&self) -> Result<(), Died> {
        let operator = &self.pool.operator;
        let mut wish = Pool::wish("crash");
        // What the worker refused stays refused: the next wish is another one.
        if let Some(task) = operator.ctx().store.latest_task(wish.id()).await.unwrap()
            && task.state == S::Refused
        {
            wish.reference = "crash again".into();
        }
        let asked = ops::quotes::request_quote(operator.ctx(), PAYER, wish, Duration::ZERO).await;
        operator.judge(asked.map(drop))
    }

    /// The quote that answers the wish, once it is signed.
    async fn quoted(&self) -> Option<SignedQuote> {
        for reference in ["crash", "crash again"] {
            let request = Pool::wish(reference).id();
            if let Ok(reply) = ops::quotes::quote(self.pool.operator.ctx(), PAYER, request).await
                && reply.quote.is_some()
            {
                return reply.quote;
            }
        }
        None
    }

    async fn tell(&self) -> Result<(), Died> {
        let operator = &self.pool.operator;
        let told = PublishedRequest { quote: self.quote.clone().unwrap(), call: Pool::wish("").call };
        match ops::published::announce_published(operator.ctx(), PAYER, told).await {
            Err(error) if error.code == ErrorCode::NotFound => Ok(()),
            outcome => operator.judge(outcome.map(drop)),
        }
    }

    async fn lease(&mut self) -> Result<(), Died> {
        let operator = &self.pool.operator;
        let now = zkpool_service::Clock::now(operator.clock.as_ref());
        let waiting = operator.ctx().status.wait(&self.prover.id(), now);
        operator.only(&["dispatch"]).await?;
        drop(waiting);
        self.prover.claim(operator).await
    }

    async fn plan_chain(&self) -> Result<(), Died> {
        let job = |needs: &[u32]| Job {
            operation: Operation::Single,
            kind: ProofKind::Groth16Bn254,
            program: Pool::program().id(),
            input: Some(Pool::wish("").input),
            statement: None,
            units: WorkUnits(500),
            memory: 1 << 20,
            needs: needs.to_vec(),
        };
        let graph = JobGraph::new(vec![job(&[]), job(&[0])]).unwrap();
        let ctx = self.pool.operator.ctx();
        let key = ctx.store.task(self.id()).await.unwrap().unwrap().key;
        let planned =
            ctx.store.plan_task(key, &Plan::Complete(graph), zkpool_service::Clock::now(ctx.clock.as_ref())).await;
        self.pool.operator.judge(planned.map_err(Into::into))
    }

    fn refuse(&self, call: &'static str) {
        self.pool.world.force(move |ledger, _| {
            ledger.refused = Some(call);
            vec![]
        });
        self.pool.world.mine(1);
    }

    /// The quote's slot cannot back it when it is published.
    fn take_slot_away(&self) {
        let (owner, slot) = (self.pool.operator.address(), self.quote.as_ref().unwrap().quote.task.slot);
        self.pool.world.force(move |ledger, time| {
            if let Some(slot) = ledger.slots.get_mut(&(owner, slot)) {
                slot.busy_until = time + 10;
                slot.state = SlotState::Idle;
            }
            vec![]
        });
    }
}

/// States that only somebody else's task has here.
fn is_rescue_only(state: TaskState) -> bool {
    matches!(state, S::Watched | S::Announcing | S::Released)
}

/// A quote of another operator, published and stalled.
async fn theirs(pool: &mut Pool) -> SignedQuote {
    let key = Key::from_hex(&"61".repeat(32)).unwrap();
    let operator = key.address();
    pool.world.force(move |ledger, _| {
        ledger.mint(operator, 10_000_000);
        ledger.signers.insert(operator, operator);
        vec![]
    });
    let open = IZKPool::openSlotCall {
        token: crate::operator::TOKEN,
        index: THEIR_SLOT,
        collateral: 1_000_000,
        honour: 0,
        dedicatedTo: Address::ZERO,
    };
    pool.world.send("open-theirs", operator, open.abi_encode());
    pool.world.mine(1);
    let wish = Pool::wish("theirs");
    let quote = Quote {
        terms: zkpool_protocol::Terms {
            requester: PAYER,
            operator,
            target: wish.target,
            encoder: Address::ZERO,
            verifier: wish.verifier.unwrap(),
            call_gas: wish.call_gas,
            proof_window: 60,
            liability_window: 60 + 4 * GRACE as u32,
            valid_until: pool.world.head().timestamp + 200,
            reward_token: wish.reward_token,
            reward: 50_000,
            advance: 5_000,
            liability_token: wish.liability_token,
            liability: 10_000,
            bond: 20_001,
            burn: 3,
            honour: 0,
        },
        task: zkpool_protocol::Task {
            slot: THEIR_SLOT,
            statement: crate::pool::statement(),
            call_hash: wish.call.hash(),
            input_hash: wish.input.into(),
            salt: zkpool_protocol::B256::repeat_byte(1),
        },
    };
    let signature = key.sign_digest(&quote.id(&DOMAIN)).unwrap();
    let signed = SignedQuote { quote, signature };
    pool.publish(&signed);
    pool.world.mine(1);
    pool.operator.only(&["follow"]).await.unwrap();
    assert!(pool.world.ledger().is_live(signed.quote.id(&DOMAIN)));
    signed
}
