//! The pool: a world, an operator's service, provers, and a requester.

use crate::{
    groth16::proven,
    ledger::Ledger,
    operator::{DOMAIN, Died, Operator, TARGET, TOKEN, VERIFIER},
    prover::{Habit, Prover},
    world::World,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::time::Duration;
use zkpool_api::{QuoteReply, QuoteRequest, QuoteStatus};
use zkpool_bindings::IZKPool;
use zkpool_chain::alloy::sol_types::SolCall;
use zkpool_protocol::{
    Address, BlobId, Call, ProgramManifest, ProofKind, SignedQuote, TaskId, TaskInput, TaskState, WitnessSource,
};
use zkpool_service::{OpResult, ops};
use zkpool_store::TaskRecord;

/// Who asks, pays and receives.
pub(crate) const PAYER: Address = Address::repeat_byte(0xaa);
/// Block time at which a world begins.
pub(crate) const DAWN: u64 = 1_800_000_000;
/// What the payer has.
pub(crate) const FUNDS: u128 = 10_000_000;

pub(crate) struct Pool {
    pub(crate) world: World,
    pub(crate) operator: Operator,
    pub(crate) provers: Vec<Prover>,
    total: u128,
}

impl Pool {
    /// A pool whose operator runs with four open slots, without provers.
    pub(crate) async fn start() -> Self {
        Self::with(json!({})).await
    }

    pub(crate) async fn with(wishes: Value) -> Self {
        let world = World::new(DOMAIN, DAWN, Ledger::default());
        let mut operator = Operator::new(world.clone(), 0x21, wishes);
        let address = operator.address();
        world.force(move |ledger, _| {
            ledger.mint(PAYER, FUNDS);
            ledger.mint(address, 100_000_000);
            vec![]
        });
        world.mine(1);
        operator.start().await;
        let mut pool = Self { total: world.ledger().total(), world, operator, provers: vec![] };
        // The operator opens its slots and names its signer.
        for _ in 0..4 {
            pool.round().await.unwrap();
        }
        assert_eq!(pool.world.ledger().slot(address, 3).collateral, 1_000_000);
        pool
    }

    /// With a prover that has joined.
    pub(crate) async fn and_prover(mut self, habit: Habit) -> Self {
        self.join(habit).await;
        self
    }

    pub(crate) async fn join(&mut self, habit: Habit) {
        let prover = Prover::new(0xc0 + u8::try_from(self.provers.len()).unwrap(), habit);
        prover.join(&self.operator).await.unwrap();
        self.provers.push(prover);
    }

    /// A block, a run of the service, and a bit of work by everybody.
    pub(crate) async fn round(&mut self) -> Result<(), Died> {
        self.round_of(1).await
    }

    pub(crate) async fn round_of(&mut self, seconds: u64) -> Result<(), Died> {
        self.world.mine(seconds);
        assert_eq!(self.world.ledger().total(), self.total.max(self.world.ledger().total()), "money was lost");
        if self.provers.is_empty() {
            return self.operator.reconcile().await;
        }
        for prover in &mut self.provers {
            prover.claim_and(&self.operator).await?;
            prover.work(&self.operator).await?;
        }
        Ok(())
    }

    pub(crate) async fn rounds(&mut self, count: u32) {
        for _ in 0..count {
            self.round().await.unwrap();
        }
    }

    // ---- the requester ----

    pub(crate) fn program() -> ProgramManifest {
        ProgramManifest::Groth16Bn254 { zkey: BlobId::of(b"zkey"), witness_generator: Some(BlobId::of(b"wasm")) }
    }

    fn envelope() -> Vec<u8> {
        let inputs = [("a".to_owned(), json!("42"))].into_iter().collect();
        TaskInput { program: Self::program().id(), source: WitnessSource::Inputs(inputs) }.to_bytes()
    }

    pub(crate) fn wish(reference: &str) -> QuoteRequest {
        QuoteRequest {
            kind: ProofKind::Groth16Bn254,
            program: Self::program().id(),
            input: BlobId::of(&Self::envelope()),
            payer: PAYER,
            requester: None,
            target: TARGET,
            encoder: None,
            verifier: Some(VERIFIER),
            call: Call { prefix: vec![1, 2, 3, 4].into(), suffix: vec![].into(), done_check: vec![].into() },
            call_gas: 100_000,
            reward_token: TOKEN,
            liability_token: TOKEN,
            proof_window: 60,
            liability_window: 120,
            liability: 10_000,
            bond: 1_001,
            burn: 7,
            max_reward: None,
            statement: None,
            strategy: None,
            reference: reference.into(),
        }
    }

    async fn put(operator: &Operator, bytes: &[u8]) -> OpResult<()> {
        let id = BlobId::of(bytes);
        let stream = stream::iter([Ok(Bytes::copy_from_slice(bytes))]).boxed();
        ops::blobs::put_blob(operator.ctx(), PAYER, id, Some(bytes.len() as u64), stream).await.map(drop)
    }

    /// Uploads and registers everything that a request names. Again is no change.
    pub(crate) async fn prepare(operator: &Operator) -> Result<(), Died> {
        for bytes in [b"zkey".as_slice(), b"wasm", &Self::envelope()] {
            operator.judge(Self::put(operator, bytes).await)?;
        }
        let registered = ops::programs::register_program(operator.ctx(), PAYER, Self::program()).await;
        operator.judge(registered.map(drop))
    }

    /// Asks, and has the request decided.
    pub(crate) async fn ask(&self, wish: QuoteRequest) -> Result<QuoteReply, Died> {
        let operator = &self.operator;
        Self::prepare(operator).await?;
        let request = wish.id();
        let asked = ops::quotes::request_quote(operator.ctx(), PAYER, wish, Duration::ZERO).await;
        if operator.judge(asked)?.status == QuoteStatus::Preflight {
            operator.only(&["preflight"]).await?;
        }
        operator.judge(ops::quotes::quote(operator.ctx(), PAYER, request).await)
    }

    /// A firm quote.
    pub(crate) async fn quote(&self, reference: &str) -> SignedQuote {
        let reply = self.ask(Self::wish(reference)).await.unwrap();
        reply.quote.unwrap_or_else(|| panic!("no firm quote: {:?}", reply.error))
    }

    /// Sends a publication.
    pub(crate) fn publish(&self, quote: &SignedQuote) -> TaskId {
        let id = quote.quote.id(&DOMAIN);
        let call = IZKPool::publishCall { quote: (&quote.quote).into(), signature: quote.signature.clone() };
        self.world.send(&format!("publish-{id}"), PAYER, call.abi_encode());
        id
    }

    /// Collects what a late operator owes.
    pub(crate) fn collect(&self, quote: &SignedQuote) {
        let call = IZKPool::collectCall { quote: (&quote.quote).into() };
        self.world.send(&format!("collect-{}", quote.quote.id(&DOMAIN)), PAYER, call.abi_encode());
    }

    // ---- what there is to see ----

    pub(crate) async fn task(&self, id: TaskId) -> TaskRecord {
        self.operator.ctx().store.task(id).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, id: TaskId) -> TaskState {
        self.task(id).await.state
    }

    pub(crate) fn balance(&self, account: Address) -> u128 {
        self.world.ledger().balances.get(&account).copied().unwrap_or_default()
    }

    /// Rounds until the task is in this state.
    pub(crate) async fn until(&mut self, id: TaskId, state: TaskState) {
        for _ in 0..400 {
            if self.state(id).await == state {
                return;
            }
            self.round().await.unwrap();
        }
        panic!("{id} is {} and does not become {state}", self.state(id).await);
    }
}

/// The statement that every task here is about.
pub(crate) fn statement() -> zkpool_protocol::B256 {
    proven().statement
}
