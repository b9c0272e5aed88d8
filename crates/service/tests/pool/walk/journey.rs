//! One task, from the wish to the money, with at most one death on the way.

use crate::{
    operator::{Died, Operator, TARGET},
    pool::{PAYER, Pool},
    prover::{Habit, Prover},
    stage::{Stage, WEALTH},
};
use serde_json::json;
use std::time::Duration;
use zkpool_api::{PublishedRequest, QuoteRequest};
use zkpool_bindings::IZKPool;
use zkpool_chain::PoolEvent;
use zkpool_protocol::{Address, BlobId, MAX_VALIDITY, Quote, SignedQuote, Task, TaskId, TaskState, Terms};
use zkpool_service::ops;
use zkpool_store::faults::{Death, Move, Side};

/// Slots that the operator keeps.
const SLOTS: u32 = 2;
/// The slot of the operator that stalls.
const THEIR_SLOT: u32 = 7;
/// Collateral of a slot, and what a task puts at stake.
const COLLATERAL: u128 = 1_000_000_000_000_000_000;
const LIABILITY: u128 = 10_000;
const BOND: u128 = 1_001;
const BURN: u128 = 7;
/// Rounds in which a task must have come to its end.
const PATIENCE: u32 = 150;

/// How a task goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// Published, proven in time.
    Delivered,
    /// Proven between its two deadlines.
    Late,
    /// Never proven; the requester collects.
    Defaulted,
    /// Quoted and never published.
    Lapsed,
    /// Somebody else's, who stalls: taken over and proven.
    Rescued,
}

impl Way {
    pub(super) const ALL: [Self; 5] = [Self::Delivered, Self::Late, Self::Defaulted, Self::Lapsed, Self::Rescued];

    const fn end(self) -> TaskState {
        match self {
            Self::Delivered | Self::Late | Self::Rescued => TaskState::Delivered,
            Self::Defaulted => TaskState::Defaulted,
            Self::Lapsed => TaskState::Lapsed,
        }
    }

    /// What the requester, this operator and the other one have more in the end, by the table in ARCHITECTURE.md.
    fn gains(self, terms: &Terms) -> [i128; 3] {
        let int = |amount: u128| i128::try_from(amount).unwrap();
        let (reward, liability, bond, burn) =
            (int(terms.reward), int(terms.liability), int(terms.bond), int(terms.burn));
        let half = bond / 2;
        match self {
            Self::Delivered => [-reward, reward, 0],
            Self::Late => [bond - half - reward, reward - (bond - half), 0],
            Self::Defaulted => [liability + bond, -(liability + bond + burn), 0],
            Self::Lapsed => [0, 0, 0],
            Self::Rescued => [bond - half - reward, reward + half, -bond],
        }
    }

    /// Transactions that the operator's signer pays for.
    const fn transactions(self) -> u64 {
        match self {
            Self::Delivered | Self::Late => 1,
            Self::Defaulted | Self::Lapsed => 0,
            // The announcement and the proof.
            Self::Rescued => 2,
        }
    }
}

pub(super) struct Journey {
    name: String,
    way: Way,
    stage: Stage,
    operator: Operator,
    prover: Prover,
    quote: Option<SignedQuote>,
    /// Height at which it began.
    start: u64,
    /// Height at which the requester last sent something.
    sent: u64,
    rounds: u32,
}

impl Journey {
    /// An operator with open slots and an empty database, and a prover.
    pub(super) async fn begin(stage: &Stage, way: Way, name: &str) -> Self {
        let start = stage.height().await;
        let operator = operator(stage, start);
        if stage.count(operator.address()).await == 0 {
            stage.enrich(operator.address()).await;
            stage.enrich(operator.signer.address()).await;
        }
        let prover = Prover::new(0xc0, Habit::Works(0));
        let mut journey = Self {
            name: format!("{way:?}, {name}"),
            way,
            stage: stage.clone(),
            operator,
            prover,
            quote: None,
            start,
            sent: 0,
            rounds: 0,
        };
        journey.open_slots().await;
        if way == Way::Rescued {
            journey.quote = Some(journey.theirs().await);
        }
        journey
    }

    /// To the end. Returns the steps that were stored, each once, in order.
    pub(super) async fn travel(mut self, death: Option<(Move, Side)>) -> Vec<Move> {
        let (before, paid) = (self.wealth().await, self.stage.count(self.operator.signer.address()).await);
        let prepared = self.operator.faults.seen().len();
        if let Some((step, side)) = death {
            self.operator.faults.arm(step, side, Death::Fail);
        }
        let (mut deaths, mut steps, mut quiet) = (0, Vec::new(), 0);
        while quiet < 3 {
            self.rounds += 1;
            assert!(self.rounds < PATIENCE, "{}: no end in sight: {:?}", self.name, self.state().await);
            if self.round().await.is_err() {
                deaths += 1;
                self.operator.restart().await;
                self.prover.join(&self.operator).await.unwrap();
            }
            quiet = if self.is_over().await { quiet + 1 } else { 0 };
        }
        assert_eq!(deaths, u32::from(death.is_some()), "{}: it was to die once", self.name);
        self.check(before, paid).await;
        for step in self.operator.faults.seen().drain(..).skip(prepared) {
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        steps
    }

    // ---- what everybody does ----

    /// The requester does what it would, a block is mined, the service runs, the prover works.
    async fn round(&mut self) -> Result<(), Died> {
        self.requester().await?;
        self.stage.mine(self.pace().await).await;
        if self.is_proven_now().await {
            self.prover.claim_and(&self.operator).await?;
            return self.prover.work(&self.operator).await;
        }
        self.operator.reconcile().await
    }

    /// Seconds to the next block.
    async fn pace(&self) -> u64 {
        let published = self.events().await.iter().any(|event| matches!(event, PoolEvent::Published { .. }));
        match self.way {
            // After a restart nothing is promised for a while.
            _ if self.quote.is_none() => 1 + 30 * u64::from(self.rounds > 5),
            Way::Late if published && !self.is_late(false).await => 61,
            Way::Defaulted if published => 120,
            Way::Lapsed => 30,
            Way::Rescued => 100,
            _ => 1,
        }
    }

    /// Whether the prover does its work.
    async fn is_proven_now(&self) -> bool {
        match self.way {
            Way::Delivered | Way::Rescued => true,
            Way::Late => self.is_late(false).await,
            Way::Defaulted | Way::Lapsed => false,
        }
    }

    /// Asks, publishes, tells, collects: again and again until it has what it wants.
    async fn requester(&mut self) -> Result<(), Died> {
        let Some(quote) = self.quote.clone() else {
            self.prover.join(&self.operator).await?;
            return self.ask().await;
        };
        let id = quote.quote.id(&self.stage.domain());
        if self.way == Way::Rescued && self.operator.judge(self.known(id).await)?.is_none() {
            let told = PublishedRequest { quote: quote.clone(), call: Pool::wish("").call };
            let told = ops::published::announce_published(self.operator.ctx(), PAYER, told).await;
            return self.operator.judge(told.map(drop));
        }
        if self.stage.height().await < self.sent + 2 {
            return Ok(());
        }
        let pool = self.stage.domain().pool;
        if self.is_late(true).await {
            self.sent = self.stage.height().await;
            self.stage.send(PAYER, pool, &IZKPool::collectCall { quote: (&quote.quote).into() }).await;
        } else if self.way != Way::Lapsed && self.events().await.is_empty() {
            self.sent = self.stage.height().await;
            let call = IZKPool::publishCall { quote: (&quote.quote).into(), signature: quote.signature };
            self.stage.send(PAYER, pool, &call).await;
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<(), Died> {
        let operator = &self.operator;
        Pool::prepare(operator).await?;
        let wish = self.wish();
        let request = wish.id();
        operator.judge(ops::quotes::request_quote(operator.ctx(), PAYER, wish, Duration::ZERO).await)?;
        operator.only(&["preflight"]).await?;
        self.quote = operator.judge(ops::quotes::quote(operator.ctx(), PAYER, request).await)?.quote;
        Ok(())
    }

    fn wish(&self) -> QuoteRequest {
        let token = self.stage.token();
        QuoteRequest {
            verifier: Some(self.stage.verifier()),
            reward_token: token,
            liability_token: token,
            proof_window: 60,
            liability_window: 600,
            liability: LIABILITY,
            bond: BOND,
            burn: BURN,
            reference: BlobId::of(self.name.as_bytes()).to_string(),
            ..Pool::wish("")
        }
    }

    // ---- how it stands ----

    async fn known(&self, id: TaskId) -> zkpool_service::OpResult<Option<TaskState>> {
        Ok(self.operator.ctx().store.task(id).await?.map(|task| task.state))
    }

    async fn state(&self) -> Option<TaskState> {
        let quote = self.quote.as_ref()?;
        self.known(quote.quote.id(&self.stage.domain())).await.unwrap()
    }

    async fn is_over(&self) -> bool {
        self.state().await.is_some_and(TaskState::is_final) && self.stage.waiting().await == 0
    }

    /// Whether it is live past its proof deadline, or (`over`) past all.
    async fn is_late(&self, over: bool) -> bool {
        let Some(quote) = &self.quote else { return false };
        let live = self.stage.view().live_task(&quote.quote).await.unwrap();
        let now = crate::operator::Ground::time(&self.stage);
        live.is_some_and(|live| now > if over { live.liability_deadline } else { live.proof_deadline })
    }

    async fn events(&self) -> Vec<PoolEvent> {
        let Some(quote) = &self.quote else { return vec![] };
        self.stage.events_of(quote.quote.id(&self.stage.domain()), self.start).await
    }

    /// Of the requester, this operator and the other one.
    async fn wealth(&self) -> [i128; 3] {
        [
            self.stage.wealth(PAYER, 0..0).await,
            self.stage.wealth(self.operator.address(), 0..SLOTS).await,
            self.stage.wealth(other(&self.stage), THEIR_SLOT..THEIR_SLOT + 1).await,
        ]
    }

    async fn check(&self, before: [i128; 3], paid: u64) {
        let (name, events) = (&self.name, self.events().await);
        let quote = &self.quote.as_ref().unwrap().quote;
        assert_eq!(self.state().await, Some(self.way.end()), "{name}: {events:?}");
        let count = |what: fn(&PoolEvent) -> bool| events.iter().filter(|event| what(event)).count();
        let once = usize::from(self.way != Way::Lapsed);
        assert_eq!(count(|event| matches!(event, PoolEvent::Published { .. })), once, "{name}: {events:?}");
        assert_eq!(count(PoolEvent::is_end), once, "{name}: {events:?}");
        let after = self.wealth().await;
        let gained = [0, 1, 2].map(|party: usize| after[party] - before[party] + self.paid_before(party, quote));
        assert_eq!(gained, self.way.gains(&quote.terms), "{name}: {events:?}");
        let sent = self.stage.count(self.operator.signer.address()).await - paid;
        assert_eq!(sent, self.way.transactions(), "{name}: gas was paid for more than the task needs");
        let open = self.operator.ctx().store.open(self.operator.signer.address()).await.unwrap();
        assert!(open.is_empty(), "{name}: {open:?}");
    }

    /// What had been paid when the journey began: somebody else's task was published before.
    fn paid_before(&self, party: usize, quote: &Quote) -> i128 {
        let (reward, advance) = (quote.terms.reward, quote.terms.advance);
        match (self.way, party) {
            (Way::Rescued, 0) => -i128::try_from(reward).unwrap(),
            (Way::Rescued, 2) => i128::try_from(advance).unwrap(),
            _ => 0,
        }
    }

    // ---- before it begins ----

    /// The operator starts, opens its slots or finds them open, and waits until it may promise something.
    async fn open_slots(&mut self) {
        self.stage.mine(1).await;
        self.operator.start().await;
        let address = self.operator.address();
        let full = async || {
            let slot = self.stage.view().slot(address, self.stage.token(), SLOTS - 1).await.unwrap();
            slot.collateral == COLLATERAL
        };
        for round in 0.. {
            assert!(round < PATIENCE, "the slots are not opened");
            self.operator.reconcile().await.unwrap();
            self.stage.mine(1).await;
            if full().await {
                break;
            }
        }
        self.stage.mine(MAX_VALIDITY + 1).await;
        self.operator.reconcile().await.unwrap();
        self.prover.join(&self.operator).await.unwrap();
        Pool::prepare(&self.operator).await.unwrap();
    }

    /// A quote of another operator, published and stalled.
    async fn theirs(&self) -> SignedQuote {
        let (stage, wish) = (&self.stage, self.wish());
        let key = stage.anvil().key(1);
        let operator = key.address();
        let (pool, token) = (stage.domain().pool, stage.token());
        if stage.view().signer_of(operator).await.unwrap().signer.is_none() {
            stage.enrich(operator).await;
            stage.deposit(operator, WEALTH).await;
            stage.send(operator, pool, &IZKPool::setSignerCall { signer: operator }).await;
            let open = IZKPool::openSlotCall {
                token,
                index: THEIR_SLOT,
                // For as many tasks as there are steps.
                collateral: WEALTH / 2,
                honour: 0,
                dedicatedTo: Address::ZERO,
            };
            stage.send(operator, pool, &open).await;
            stage.mine(1).await;
        }
        let terms = Terms {
            requester: PAYER,
            operator,
            target: TARGET,
            encoder: Address::ZERO,
            verifier: stage.verifier(),
            call_gas: wish.call_gas,
            proof_window: 60,
            // The grace period is a quarter of what lies between; a restart costs the time in which nothing is promised.
            liability_window: 4_000,
            valid_until: crate::operator::Ground::time(stage) + 60,
            reward_token: token,
            // So much that somebody else takes it over gladly.
            reward: WEALTH / 1_000,
            advance: 5_000,
            liability_token: token,
            liability: LIABILITY,
            bond: BOND,
            burn: BURN,
            honour: 0,
        };
        let task = Task {
            slot: THEIR_SLOT,
            statement: crate::pool::statement(),
            call_hash: wish.call.hash(),
            input_hash: wish.input.into(),
            salt: BlobId::of(self.name.as_bytes()).into(),
        };
        let quote = Quote { terms, task };
        let signature = key.sign_digest(&quote.id(&stage.domain())).unwrap();
        let signed = SignedQuote { quote, signature };
        let call = IZKPool::publishCall { quote: (&signed.quote).into(), signature: signed.signature.clone() };
        stage.send(PAYER, pool, &call).await;
        stage.mine(1).await;
        assert!(stage.view().live_task(&signed.quote).await.unwrap().is_some());
        self.operator.only(&["follow"]).await.unwrap();
        signed
    }
}

/// Who stalls.
fn other(stage: &Stage) -> Address {
    stage.anvil().account(1)
}

/// This operator, with keys that are the same on every journey.
fn operator(stage: &Stage, start: u64) -> Operator {
    let token = stage.token();
    let wishes = json!({
        "pool": stage.domain().pool,
        "tokens": [{ "address": token, "per_ether": "1000000000000000000" }],
        "slots": [{ "token": token, "count": SLOTS, "collateral": COLLATERAL.to_string(), "honour": "1000" }],
        "verifiers": [{ "address": stage.verifier(), "kind": "groth16-bn254" }],
        "chain": { "confirmations": 2, "start_block": start },
    });
    Operator::new(stage.clone(), 0x21, wishes)
}
