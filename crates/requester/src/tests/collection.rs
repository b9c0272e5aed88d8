//! What the contract owes, and when.

use super::world::{BOND, FUNDS, LIABILITY, LIABILITY_WINDOW, PROOF_WINDOW, REWARD, STRANGER, World, setHaltCall};
use crate::{Publication, Requester, RequesterError, Stage};
use alloy::primitives::U256;
use std::time::Duration;
use zkpool_bindings::IZKPool;
use zkpool_chain::PoolEvent;
use zkpool_protocol::{B256, ErrorCode};

async fn live(sdk: &Requester, world: &World) -> B256 {
    let request = world.request(1);
    let offer = world.offer(&request, 0).await;
    let task = sdk.record(&request, &offer).await.unwrap();
    let Publication::Accepted { .. } = sdk.publish(task).await.unwrap() else { panic!("dishonoured") };
    task
}

#[tokio::test]
async fn liability_refund_and_bond_are_collected_when_the_window_is_over_and_not_before() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = live(&sdk, &world).await;
    let error = sdk.collect(task).await.unwrap_err();
    let RequesterError::TooEarly { seconds, .. } = error else { panic!("{error}") };
    assert!(seconds > u64::from(LIABILITY_WINDOW) - 60 && seconds <= u64::from(LIABILITY_WINDOW) + 1);
    world.chain.pass(seconds - 5).await.unwrap();
    assert!(matches!(sdk.collect(task).await, Err(RequesterError::TooEarly { .. })));
    world.chain.pass(10).await.unwrap();
    assert!(matches!(sdk.collect(task).await.unwrap(), Stage::Defaulted { .. }));
    assert_eq!(world.wealth().await, FUNDS + LIABILITY + BOND);
    // Again: it is known, and nothing is sent.
    let sent = world.sent().await;
    assert!(matches!(sdk.collect(task).await.unwrap(), Stage::Defaulted { .. }));
    assert_eq!(world.sent().await, sent);
}

#[tokio::test]
async fn somebody_else_may_trigger_it() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = live(&sdk, &world).await;
    world.chain.pass(u64::from(LIABILITY_WINDOW) + 1).await.unwrap();
    let quote = sdk.task(task).unwrap().quote.quote;
    world.call(STRANGER, world.domain.pool, IZKPool::collectCall { quote: (&quote).into() }).await;
    assert!(matches!(sdk.collect(task).await.unwrap(), Stage::Defaulted { .. }));
    assert_eq!(world.wealth().await, FUNDS + LIABILITY + BOND);
}

#[tokio::test]
async fn a_delivered_task_has_nothing_to_collect() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = live(&sdk, &world).await;
    world.prove(&sdk.task(task).unwrap()).await;
    let error = sdk.collect(task).await.unwrap_err();
    assert!(error.to_string().contains("it was delivered"), "{error}");
    assert!(matches!(sdk.task(task).unwrap().stage, Stage::Delivered { on_time: true, target_ok: true, .. }));
    let error = sdk.collect(B256::ZERO).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_due_rescue_is_carried_out_for_half_of_the_bond() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = live(&sdk, &world).await;
    assert!(matches!(sdk.novate(task).await, Err(RequesterError::NotPossible { .. })));
    world.chain.pass(u64::from(PROOF_WINDOW) + 1).await.unwrap();
    world.announce_rescue(&sdk.task(task).unwrap()).await;
    assert!(matches!(sdk.novate(task).await, Err(RequesterError::TooEarly { .. })));
    world.chain.pass(u64::from((LIABILITY_WINDOW - PROOF_WINDOW) / 4) + 1).await.unwrap();
    sdk.novate(task).await.unwrap();
    assert_eq!(world.wealth().await, FUNDS - REWARD + BOND - BOND / 2);
    let error = sdk.novate(task).await.unwrap_err();
    assert!(error.to_string().contains("taken over already"), "{error}");
    // The rescuer fails, too: the rest comes at the end.
    world.chain.pass(u64::from(LIABILITY_WINDOW)).await.unwrap();
    sdk.collect(task).await.unwrap();
    assert_eq!(world.wealth().await, FUNDS + LIABILITY + (BOND - BOND / 2) + BOND / 2);
}

#[tokio::test]
async fn halts_are_observed_and_not_taken_for_the_cap() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = live(&sdk, &world).await;
    world.call(0, world.verifier, setHaltCall { mode: 1 }).await;
    sdk.observe_halt(task).await.unwrap();
    world.chain.pass(600).await.unwrap();
    sdk.observe_halt(task).await.unwrap();
    let events = world.events(task).await;
    let total = events.iter().rev().find_map(|found| match found.event {
        PoolEvent::HaltObserved { halted: true, total, .. } => Some(total),
        _ => None,
    });
    assert!(total.is_some_and(|total| (600..660).contains(&total)), "{events:?}");
    let error = sdk.unwind(task).await.unwrap_err();
    assert!(error.to_string().contains("NotHalted") || error.to_string().contains("halted"), "{error}");
    // After a week of it everything goes back.
    for _ in 0..209 {
        world.chain.pass(2_900).await.unwrap();
        let quote = sdk.task(task).unwrap().quote.quote;
        world.call(STRANGER, world.domain.pool, IZKPool::observeHaltCall { quote: (&quote).into() }).await;
    }
    let live = sdk.view().live_task(&sdk.task(task).unwrap().quote.quote).await.unwrap().unwrap();
    world.chain.mine_at(live.liability_deadline + 1).await.unwrap();
    assert!(matches!(sdk.collect(task).await.unwrap(), Stage::Unwound { .. }), "nobody's fault");
    assert_eq!(world.wealth().await, FUNDS);
    let balance = world.view().balance(world.token, world.requester()).await.unwrap();
    assert_eq!(balance, U256::from(REWARD));
    let ended = sdk.wait(task, Duration::from_secs(10)).await.unwrap();
    assert!(matches!(ended, crate::Ended::Stage(Stage::Unwound { .. })), "{ended}");
}
