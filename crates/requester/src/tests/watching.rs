//! Following a task: the chain's news in order, a sign of life in between, and an end.

use super::{
    operator::{Manner, Operator},
    world::{LIABILITY_WINDOW, PROOF_WINDOW, World},
};
use crate::{Ended, Publication, Requester, Stage, Update, Watch};
use std::time::Duration;
use zkpool_protocol::{B256, ErrorCode, TaskState};

async fn live(sdk: &Requester, world: &World) -> B256 {
    let request = world.request(1);
    let offer = world.offer(&request, 0).await;
    let task = sdk.record(&request, &offer).await.unwrap();
    let Publication::Accepted { .. } = sdk.publish(task).await.unwrap() else { panic!("dishonoured") };
    task
}

/// The next piece of news that is not a sign of life.
async fn news(watch: &mut Watch) -> Update {
    for _ in 0..50 {
        match watch.next().await.expect("it goes on").unwrap() {
            Update::Waiting { .. } => {}
            update => return update,
        }
    }
    panic!("no news")
}

#[tokio::test]
async fn a_delivery_on_time_is_told_and_is_the_end() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = live(&sdk, &world).await;
    let mut watch = sdk.watch(task).unwrap();
    let Update::Published { proof_deadline, liability_deadline } = news(&mut watch).await else { panic!() };
    assert_eq!(liability_deadline - proof_deadline, u64::from(LIABILITY_WINDOW - PROOF_WINDOW));
    // A sign of life that says what is waited for.
    let Update::Waiting { what, until } = watch.next().await.unwrap().unwrap() else { panic!() };
    assert_eq!((what, until), ("the delivery on time", proof_deadline));
    world.prove(&sdk.task(task).unwrap()).await;
    let end = news(&mut watch).await;
    assert!(matches!(end, Update::Ended(Stage::Delivered { on_time: true, target_ok: true, .. })), "{end:?}");
    assert!(watch.next().await.is_none());
    let again = sdk.wait(task, Duration::from_secs(5)).await.unwrap();
    assert!(matches!(again, Ended::Stage(Stage::Delivered { .. })));
}

#[tokio::test]
async fn what_the_operator_says_is_progress_and_no_outcome() {
    let world = World::new().await;
    let operator = Operator::start(&world, Manner::Honest { reward: 1_000, slot: 0 }).await;
    let sdk = world.open_with(vec![operator.url.clone()]).await;
    let request = world.request(1);
    let offer = sdk.choose(&request, &sdk.ask(&request).await.unwrap()).await.unwrap();
    let task = sdk.record(&request, &offer).await.unwrap();
    sdk.publish(task).await.unwrap();
    let mut watch = sdk.watch(task).unwrap();
    assert!(matches!(news(&mut watch).await, Update::Published { .. }));
    let Update::Progress(view) = news(&mut watch).await else { panic!("no progress") };
    assert_eq!((view.id, view.state), (task, TaskState::Proving));
    // The operator is gone; the chain goes on.
    drop(operator);
    world.prove(&sdk.task(task).unwrap()).await;
    let end = news(&mut watch).await;
    assert!(matches!(end, Update::Ended(Stage::Delivered { .. })), "{end:?}");
}

#[tokio::test]
async fn lateness_rescue_and_the_rescuers_delivery_are_told_in_order() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = live(&sdk, &world).await;
    let record = sdk.task(task).unwrap();
    let mut watch = sdk.watch(task).unwrap();
    assert!(matches!(news(&mut watch).await, Update::Published { .. }));
    world.chain.pass(u64::from(PROOF_WINDOW) + 1).await.unwrap();
    assert_eq!(news(&mut watch).await, Update::Late);
    world.announce_rescue(&record).await;
    assert!(matches!(news(&mut watch).await, Update::RescueAnnounced { rescuer, .. } if rescuer == world.rescuer()));
    world.chain.pass(u64::from((LIABILITY_WINDOW - PROOF_WINDOW) / 4) + 1).await.unwrap();
    assert_eq!(news(&mut watch).await, Update::NovationDue);
    world.prove_rescued(&record).await;
    assert_eq!(news(&mut watch).await, Update::Novated { rescuer: world.rescuer() });
    let end = news(&mut watch).await;
    assert!(matches!(end, Update::Ended(Stage::Delivered { on_time: false, .. })), "{end:?}");
}

#[tokio::test]
async fn what_is_never_delivered_becomes_collectable() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = live(&sdk, &world).await;
    world.chain.pass(u64::from(LIABILITY_WINDOW) + 1).await.unwrap();
    assert_eq!(sdk.wait(task, Duration::from_secs(10)).await.unwrap(), Ended::Collectable);
    sdk.collect(task).await.unwrap();
    let ended = sdk.wait(task, Duration::from_secs(10)).await.unwrap();
    assert!(matches!(ended, Ended::Stage(Stage::Defaulted { .. })));
}

#[tokio::test]
async fn a_publication_that_is_reorganised_out_is_sent_again() {
    let world = World::new().await;
    // From the balance, so that the publication is the only block that goes.
    world.deposit_for_requester(5_000).await;
    let sdk = world.open().await;
    let task = live(&sdk, &world).await;
    let mut watch = sdk.watch(task).unwrap();
    assert!(matches!(news(&mut watch).await, Update::Published { .. }));
    world.chain.set_automine(false).await.unwrap();
    world.chain.reorganise(1).await.unwrap();
    world.chain.drop_all_transactions().await.unwrap();
    assert_eq!(news(&mut watch).await, Update::Unpublished);
    assert_eq!(sdk.task(task).unwrap().stage, Stage::Recorded);
    world.chain.mine(1).await.unwrap();
    assert!(matches!(news(&mut watch).await, Update::Published { .. }));
    assert!(world.view().live_task(&sdk.task(task).unwrap().quote.quote).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_never_published_ends_with_its_validity() {
    let world = World::new().await;
    let sdk = world.open().await;
    let request = world.request(1);
    let offer = world.offer(&request, 0).await;
    let task = sdk.record(&request, &offer).await.unwrap();
    let mut watch = sdk.watch(task).unwrap();
    let first = watch.next().await.unwrap().unwrap();
    assert!(matches!(first, Update::Waiting { what: "the publication", .. }), "{first:?}");
    world.chain.pass(201).await.unwrap();
    assert!(matches!(news(&mut watch).await, Update::Ended(Stage::Abandoned { .. })));
}

#[tokio::test]
async fn a_wait_is_bounded_and_says_what_for() {
    let world = World::new().await;
    let sdk = world.open().await;
    let task = live(&sdk, &world).await;
    let error = sdk.wait(task, Duration::from_millis(500)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TimedOut);
    assert!(error.to_string().contains("the delivery on time"), "{error}");
}
