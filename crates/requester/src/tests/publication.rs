//! Publishing: paid once, out of the right purse, or not at all.

use super::world::{ADVANCE, FUNDS, HONOUR, REWARD, STRANGER, World, depositCall, mintCall};
use crate::{Payment, Publication, Requester, RequesterError, Stage};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use zkpool_chain::{ChainError, Rpc, RpcOptions, testing::Deployer};
use zkpool_protocol::{B256, Domain, ErrorCode};

async fn record(sdk: &Requester, world: &World, n: u8, slot: u32) -> B256 {
    let request = world.request(n);
    let offer = world.offer(&request, slot).await;
    sdk.check(&request, &offer).await.unwrap();
    sdk.record(&request, &offer).await.unwrap()
}

#[tokio::test]
async fn a_task_is_paid_out_of_the_pool_balance_once() {
    let world = World::new().await;
    world.deposit_for_requester(2 * REWARD).await;
    let sdk = world.open().await;
    let task = record(&sdk, &world, 1, 0).await;
    assert_eq!(sdk.task(task).unwrap().stage, Stage::Recorded);
    let Publication::Accepted { transaction } = sdk.publish(task).await.unwrap() else { panic!("dishonoured") };
    assert_eq!(world.wealth().await, FUNDS + REWARD);
    // The advance is the operator's, everything else waits.
    let operator = world.view().balance(world.token, world.operator()).await.unwrap();
    assert_eq!(operator, U256::from(ADVANCE));
    assert!(matches!(sdk.task(task).unwrap().stage, Stage::Published { transaction: t, .. } if t == transaction));
    for _ in 0..2 {
        assert_eq!(sdk.publish(task).await.unwrap(), Publication::Accepted { transaction });
    }
    assert_eq!((world.wealth().await, world.sent().await), (FUNDS + REWARD, 1));
}

#[tokio::test]
async fn what_the_balance_lacks_comes_out_of_the_wallet_and_no_approval_is_left() {
    let world = World::new().await;
    world.deposit_for_requester(400).await;
    let sdk = world.open().await;
    let task = record(&sdk, &world, 1, 0).await;
    sdk.publish(task).await.unwrap();
    assert_eq!(sdk.balance(world.token).await.unwrap(), U256::ZERO);
    assert_eq!(sdk.wallet(world.token).await.unwrap(), U256::from(FUNDS + 400 - REWARD));
    let left = world.view().allowance(world.token, world.requester(), world.domain.pool).await.unwrap();
    assert_eq!(left, U256::ZERO);
    // A second one: the first approval is used up.
    let task = record(&sdk, &world, 2, 1).await;
    sdk.publish(task).await.unwrap();
    assert_eq!(world.wealth().await, FUNDS + 400 - 2 * REWARD);
}

#[tokio::test]
async fn many_at_once_do_not_count_on_the_same_money() {
    let world = World::new().await;
    // Enough for two and a half.
    world.deposit_for_requester(2 * REWARD + 500).await;
    let sdk = world.open().await;
    let mut tasks = Vec::new();
    for slot in 0..4 {
        tasks.push(record(&sdk, &world, slot as u8, slot).await);
    }
    let results = futures::future::join_all(tasks.iter().map(|task| sdk.publish(*task))).await;
    for result in results {
        assert!(matches!(result.unwrap(), Publication::Accepted { .. }));
    }
    assert_eq!(world.wealth().await, FUNDS + 500 - 2 * REWARD);
}

#[tokio::test]
async fn ether_and_permits_go_through_the_router() {
    let world = World::new().await;
    let sdk = world.open().await;
    let mut request = world.request(1);
    request.quote.reward_token = world.weth;
    let offer = world.offer(&request, 0).await;
    sdk.check(&request, &offer).await.unwrap();
    let ether = Payment::Ether { router: world.router };
    let task = sdk.record_paid_by(&request, &offer, ether).await.unwrap();
    assert!(matches!(sdk.publish(task).await.unwrap(), Publication::Accepted { .. }));
    assert_eq!(sdk.balance(world.weth).await.unwrap(), U256::ZERO);

    let request = world.request(2);
    let offer = world.offer(&request, 1).await;
    let permit = Payment::Permit { router: world.router };
    let task = sdk.record_paid_by(&request, &offer, permit).await.unwrap();
    assert!(matches!(sdk.publish(task).await.unwrap(), Publication::Accepted { .. }));
    assert_eq!(world.wealth().await, FUNDS - REWARD);
    assert_eq!(world.sent().await, 2, "no approvals");

    // A token without permits: said before anything is sent.
    let plain = Deployer::new(&world.chain, world.chain.account(0)).deploy("Tokens.sol:PlainToken").await.unwrap();
    world.call(0, plain, mintCall { to: world.requester(), amount: U256::from(REWARD) }).await;
    let mut request = world.request(3);
    request.quote.reward_token = plain;
    let offer = world.offer(&request, 2).await;
    let task = sdk.record_paid_by(&request, &offer, permit).await.unwrap();
    let error = sdk.publish(task).await.unwrap_err();
    assert!(error.to_string().contains("no ERC-2612 permits"), "{error}");
    assert_eq!(world.sent().await, 2);
}

#[tokio::test]
async fn an_operator_that_signed_a_slot_twice_pays_in_the_same_transaction() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = record(&sdk, &world, 1, 0).await;
    let other = world.offer(&world.request(2), 0).await;
    world.publish_as(STRANGER, &other.quote).await;
    // A careful requester stops here, and has spent nothing.
    let error = sdk.publish(task).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotBacked);
    assert_eq!(world.wealth().await, FUNDS);
    // One that insists is compensated.
    let found = sdk.publish_unbacked(task).await.unwrap();
    let Publication::Dishonoured { paid, burned, .. } = found.clone() else { panic!("{found:?}") };
    assert_eq!((paid, burned), (U256::from(HONOUR - HONOUR / 2), U256::from(HONOUR / 2)));
    assert_eq!(world.wealth().await, FUNDS + HONOUR - HONOUR / 2);
    assert!(sdk.task(task).unwrap().stage.is_final());
    assert_eq!(sdk.publish(task).await.unwrap(), found, "known for good");
}

#[tokio::test]
async fn what_somebody_else_has_published_is_not_paid_again() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = record(&sdk, &world, 1, 0).await;
    world.publish_as(STRANGER, &sdk.task(task).unwrap().quote).await;
    assert!(matches!(sdk.publish(task).await.unwrap(), Publication::Accepted { .. }));
    assert_eq!((world.wealth().await, world.sent().await), (FUNDS, 0));
}

#[tokio::test]
async fn an_expired_quote_costs_nothing() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = record(&sdk, &world, 1, 0).await;
    world.chain.pass(201).await.unwrap();
    for _ in 0..2 {
        assert_eq!(sdk.publish(task).await.unwrap_err().code(), ErrorCode::QuoteExpired);
        assert!(matches!(sdk.task(task).unwrap().stage, Stage::Abandoned { .. }));
    }
    assert_eq!((world.wealth().await, world.sent().await), (FUNDS, 0));
}

#[tokio::test]
async fn an_unfunded_requester_is_told_what_is_missing() {
    let world = World::new().await;
    let sdk = world.open().await;
    let mut request = world.request(1);
    request.quote.reward_token = world.weth;
    let offer = world.offer(&request, 0).await;
    let task = sdk.record(&request, &offer).await.unwrap();
    let error = sdk.publish(task).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unfunded);
    assert!(error.to_string().contains(&REWARD.to_string()), "{error}");
    // It can go on once the money is there.
    let to = world.requester();
    world.chain.send(to, Some(world.weth), depositCall {}.abi_encode().into(), U256::from(REWARD)).await.unwrap();
    assert!(matches!(sdk.publish(task).await.unwrap(), Publication::Accepted { .. }));
}

#[tokio::test]
async fn without_ether_for_gas_nothing_is_signed() {
    let world = World::new().await;
    let sdk = world.open().await;
    world.deposit_for_requester(REWARD).await;
    let task = record(&sdk, &world, 1, 0).await;
    world.chain.set_ether(world.requester(), U256::from(5)).await.unwrap();
    assert_eq!(sdk.publish(task).await.unwrap_err().code(), ErrorCode::Unfunded);
    assert_eq!(world.wealth().await, FUNDS + REWARD);
    world.chain.set_ether(world.requester(), U256::from(10u128.pow(18))).await.unwrap();
    assert!(matches!(sdk.publish(task).await.unwrap(), Publication::Accepted { .. }));
}

#[tokio::test]
async fn a_wrong_chain_and_a_wrong_contract_are_found_at_once() {
    let world = World::new().await;
    let open = |domain: Domain| {
        let config = crate::Config { domain, ..world.config(world.chain.rpc(), world.dir.path(), Vec::new()) };
        Requester::open(config)
    };
    let error = open(Domain { chain_id: 1, ..world.domain }).await.unwrap_err();
    assert!(matches!(error, RequesterError::Chain(ChainError::WrongChain { expected: 1, actual: 31_337 })), "{error}");
    assert_eq!(error.code(), ErrorCode::WrongChain);
    let error = open(Domain { pool: Address::repeat_byte(1), ..world.domain }).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::WrongChain);
    let options = RpcOptions { attempts: 1, ..RpcOptions::default() };
    let nobody = Rpc::with_options("http://127.0.0.1:1", options).unwrap();
    let error = Requester::open(world.config(nobody, world.dir.path(), Vec::new())).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RpcUnreachable);
}

#[tokio::test]
async fn two_processes_do_not_work_on_one_directory() {
    let world = World::new().await;
    let sdk = world.open().await;
    let config = world.config(world.chain.rpc(), world.dir.path(), Vec::new());
    let error = Requester::open(config.clone()).await.unwrap_err();
    assert!(matches!(error, RequesterError::InUse(_)), "{error}");
    drop(sdk);
    Requester::open(config).await.unwrap();
}

#[tokio::test]
async fn money_goes_in_and_out() {
    let world = World::new().await;
    let sdk = world.open().await;
    sdk.deposit(world.token, 700).await.unwrap();
    sdk.deposit(world.token, 700).await.unwrap();
    assert_eq!(sdk.balance(world.token).await.unwrap(), U256::from(1_400));
    let stranger = Address::repeat_byte(0x42);
    sdk.withdraw(world.token, stranger, U256::from(500)).await.unwrap();
    sdk.withdraw(world.token, stranger, U256::from(500)).await.unwrap();
    assert_eq!(world.view().token_balance(world.token, stranger).await.unwrap(), U256::from(1_000));
    let error = sdk.withdraw(world.token, stranger, U256::from(500)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unfunded);
    let error = sdk.deposit(world.token, FUNDS).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unfunded);
}
