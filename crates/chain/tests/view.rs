//! Reads of the real contract.

#![allow(clippy::unwrap_used)]

mod support;

use alloy::{
    primitives::{Address, B256, U256},
    sol,
    sol_types::SolCall,
};
use std::time::Duration;
use support::nothing;
use zkpool_bindings::{IERC20, IZKPool};
use zkpool_chain::{
    ChainError, Key, PoolView, Simulated, SlotState, TaskHistory,
    testing::{Anvil, Deployer},
};
use zkpool_protocol::{Bytes, Call, Domain, ErrorCode, Quote, SignedQuote, Task, Terms};

sol! {
    function mint(address to, uint256 amount);
    function setReverting(bool reverting);
    function setHalt(uint8 mode);
}

struct World {
    chain: Anvil,
    view: PoolView,
    token: Address,
    verifier: Address,
    target: Address,
    signer: Key,
}

impl World {
    async fn new() -> Self {
        let chain = Anvil::start().unwrap();
        let mut deployer = Deployer::new(&chain, chain.account(0));
        let pool = deployer.deploy_pool().await.unwrap();
        let token = deployer.deploy("TestToken").await.unwrap();
        let verifier = deployer.deploy("Verifiers.sol:TestVerifier").await.unwrap();
        let target = deployer.deploy("Targets.sol:FlippingTarget").await.unwrap();
        let view = PoolView::new(chain.rpc(), Domain { chain_id: chain.chain_id(), pool });
        let world = Self { chain, view, token, verifier, target, signer: Key::random() };
        world.call(token, mintCall { to: world.chain.account(0), amount: U256::from(1_000_000) }).await;
        world.call(token, IERC20::approveCall { spender: pool, value: U256::from(500_000) }).await;
        world
    }

    async fn call(&self, to: Address, call: impl SolCall) {
        self.chain.send(self.chain.account(0), Some(to), call.abi_encode().into(), U256::ZERO).await.unwrap();
    }

    async fn quote(&self, slot: u32) -> SignedQuote {
        let me = self.chain.account(0);
        let quote = Quote {
            terms: Terms {
                requester: Address::repeat_byte(7),
                operator: me,
                target: self.target,
                encoder: Address::ZERO,
                verifier: self.verifier,
                call_gas: 100_000,
                proof_window: 100,
                liability_window: 300,
                valid_until: self.chain.rpc().head().await.unwrap().timestamp + 200,
                reward_token: self.token,
                reward: 10,
                advance: 1,
                liability_token: self.token,
                liability: 100,
                bond: 10,
                burn: 5,
                honour: 3,
            },
            task: Task {
                slot,
                statement: B256::repeat_byte(1),
                call_hash: Call::default().hash(),
                input_hash: B256::repeat_byte(2),
                salt: B256::repeat_byte(3),
            },
        };
        let signature = self.signer.sign_digest(&quote.id(self.view.domain())).unwrap();
        SignedQuote { quote, signature }
    }
}

#[tokio::test]
async fn slots_signers_and_tasks_are_read_as_they_are() {
    let world = World::new().await;
    let (view, me, pool) = (&world.view, world.chain.account(0), world.view.domain().pool);
    let slot = view.slot(me, world.token, 0).await.unwrap();
    assert_eq!((slot.state, slot.closes_at, slot.collateral), (SlotState::Idle, Some(0), 0));
    assert_eq!(view.signer_of(me).await.unwrap().signer, None);
    let quote = world.quote(0).await;
    assert!(!view.is_backed(&quote).await.unwrap());

    world.call(pool, IZKPool::setSignerCall { signer: world.signer.address() }).await;
    let open = IZKPool::openSlotCall {
        token: world.token,
        index: 0,
        collateral: 1_000,
        honour: 30,
        dedicatedTo: Address::ZERO,
    };
    world.call(pool, open).await;
    let slot = view.slot(me, world.token, 0).await.unwrap();
    assert_eq!((slot.closes_at, slot.collateral, slot.honour_reserve), (None, 1_000, 30));
    assert_eq!((slot.dedicated_to, slot.next_dedication), (None, None));
    assert!(view.is_backed(&quote).await.unwrap());
    assert!(!view.is_backed(&SignedQuote { signature: Bytes::new(), ..quote.clone() }).await.unwrap());
    assert_eq!(view.live_task(&quote.quote).await.unwrap(), None);

    let publish = IZKPool::publishCall { quote: (&quote.quote).into(), signature: quote.signature.clone() };
    world.call(pool, publish).await;
    let published = world.chain.rpc().head().await.unwrap();
    let live = view.live_task(&quote.quote).await.unwrap().unwrap();
    assert_eq!(live.proof_deadline, published.timestamp + 100);
    assert_eq!((live.liability_deadline, live.rescue), (published.timestamp + 300, None));
    let slot = view.slot(me, world.token, 0).await.unwrap();
    let id = quote.quote.id(view.domain());
    assert_eq!((slot.state, slot.published_at), (SlotState::Active, published.timestamp));
    assert!(slot.is_of(id) && !slot.is_of(B256::ZERO));
    assert_eq!(view.balance(world.token, me).await.unwrap(), U256::from(1), "the advance");
    assert!(!view.is_backed(&quote).await.unwrap(), "not twice");

    let (_, events) = TaskHistory::new(world.chain.rpc(), pool, id, 0).read().await.unwrap();
    assert_eq!((events.len(), events[0].block, events[0].block_hash), (1, published.number, published.hash));
    let (_, none) = TaskHistory::new(world.chain.rpc(), pool, B256::ZERO, 0).read().await.unwrap();
    assert!(none.is_empty());

    world.call(pool, IZKPool::setSignerCall { signer: Address::repeat_byte(8) }).await;
    let signer = view.signer_of(me).await.unwrap();
    assert_eq!(signer.signer, Some(world.signer.address()));
    assert!(matches!(signer.next, Some((next, at)) if next == Address::repeat_byte(8) && at > published.timestamp));
    world.call(pool, IZKPool::freezeCall { operator: me }).await;
    assert!(view.signer_of(me).await.unwrap().frozen);
}

#[tokio::test]
async fn a_settled_history_is_not_read_twice_and_says_the_same() {
    let world = World::new().await;
    let (me, pool) = (world.chain.account(0), world.view.domain().pool);
    world.call(pool, IZKPool::setSignerCall { signer: world.signer.address() }).await;
    let open = IZKPool::openSlotCall {
        token: world.token,
        index: 0,
        collateral: 1_000,
        honour: 30,
        dedicatedTo: Address::ZERO,
    };
    world.call(pool, open).await;
    let quote = world.quote(0).await;
    let publish = IZKPool::publishCall { quote: (&quote.quote).into(), signature: quote.signature.clone() };
    world.call(pool, publish).await;
    let mut history = TaskHistory::new(world.chain.rpc(), pool, quote.quote.id(world.view.domain()), 0);
    let (_, first) = history.read().await.unwrap();
    world.chain.mine(200).await.unwrap();
    let (_, second) = history.read().await.unwrap();
    let (_, third) = history.read().await.unwrap();
    assert_eq!((first.len(), &first, &second), (1, &second, &third));
    let _ = me;
}

#[tokio::test]
async fn tokens_verifiers_and_targets_answer_or_are_taken_for_silent() {
    let world = World::new().await;
    let view = &world.view;
    let token = view.token(world.token).await.unwrap();
    assert_eq!((token.symbol.as_str(), token.decimals), ("TEST", 18));
    // A contract that tells nothing about itself.
    let silent = view.token(world.target).await.unwrap();
    assert_eq!((silent.symbol.as_str(), silent.decimals), (&world.target.to_string()[..8], 0));
    let me = world.chain.account(0);
    assert_eq!(view.token_balance(world.token, me).await.unwrap(), U256::from(1_000_000));
    assert_eq!(view.allowance(world.token, me, view.domain().pool).await.unwrap(), U256::from(500_000));

    assert!(!view.verifies(world.verifier, B256::ZERO, &nothing()).await.unwrap());
    assert!(!view.is_halted(world.verifier).await.unwrap());
    world.call(world.verifier, setHaltCall { mode: 1 }).await;
    assert!(view.is_halted(world.verifier).await.unwrap());
    world.call(world.verifier, setHaltCall { mode: 2 }).await;
    assert!(!view.is_halted(world.verifier).await.unwrap(), "a verifier that reverts is not halted");

    let data = Bytes::from(vec![1, 2, 3, 4]);
    let simulated = view.simulate_target(world.target, data.clone(), 100_000).await.unwrap();
    assert!(matches!(simulated, Simulated::Ok(_)), "{simulated:?}");
    world.call(world.target, setRevertingCall { reverting: true }).await;
    let simulated = view.simulate_target(world.target, data, 100_000).await.unwrap();
    assert!(matches!(simulated, Simulated::Reverted(_)), "{simulated:?}");
}

#[tokio::test]
async fn a_wait_ends_with_what_it_waited_for_or_says_what_that_was() {
    let second = Duration::from_secs(1);
    let mut left = 3;
    let found = PoolView::wait_for("the third look", second, Duration::from_millis(1), async || {
        left -= 1;
        match left {
            2 => Err(ChainError::BadAnswer { what: "look".into(), reason: "passing".into() }),
            1 => Ok(None),
            _ => Ok(Some(42)),
        }
    });
    assert_eq!(found.await.unwrap(), 42);
    let never = PoolView::wait_for("godot", Duration::from_millis(30), Duration::from_millis(10), async || {
        Ok::<Option<()>, _>(None)
    });
    let error = never.await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TimedOut);
    assert!(error.to_string().contains("godot"), "{error}");
}
