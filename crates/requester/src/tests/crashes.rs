//! Killed at every recorded step and started again: nothing is lost, nothing is paid twice.

use super::world::{BOND, FUNDS, LIABILITY, LIABILITY_WINDOW, REWARD, World};
use crate::{FirmOffer, Point, ProofRequest, Publication, Requester, RequesterError, Stage};
use zkpool_chain::PoolEvent;

/// The whole way of a task that is never delivered.
async fn whole_way(
    sdk: &Requester,
    world: &World,
    request: &ProofRequest,
    offer: &FirmOffer,
) -> Result<(), RequesterError> {
    let task = sdk.record(request, offer).await?;
    let Publication::Accepted { .. } = sdk.publish(task).await? else { panic!("dishonoured") };
    let live = world.view().live_task(&offer.quote.quote).await.unwrap();
    if let Some(live) = live
        && world.now().await <= live.liability_deadline
    {
        world.chain.pass(u64::from(LIABILITY_WINDOW) + 1).await.unwrap();
    }
    sdk.collect(task).await?;
    Ok(())
}

async fn survives(point: Point, deposited: u128) {
    let world = World::new().await;
    world.deposit_for_requester(deposited).await;
    let request = world.request(1);
    let offer = world.offer(&request, 0).await;
    let (doomed, died) = world.open_doomed(point).await;
    whole_way(&doomed, &world, &request, &offer).await.unwrap_err();
    assert!(*died.lock().unwrap(), "{point:?} was reached");
    drop(doomed);
    let sdk = world.open().await;
    whole_way(&sdk, &world, &request, &offer).await.unwrap();
    let task = offer.quote.quote.id(&world.domain);
    assert!(matches!(sdk.task(task).unwrap().stage, Stage::Defaulted { .. }), "{point:?}");
    let events = world.events(task).await;
    let count = |wanted: fn(&PoolEvent) -> bool| events.iter().filter(|found| wanted(&found.event)).count();
    assert_eq!(count(|event| matches!(event, PoolEvent::Published { .. })), 1, "{point:?}");
    assert_eq!(count(|event| matches!(event, PoolEvent::Defaulted { .. })), 1, "{point:?}");
    assert_eq!(world.wealth().await, FUNDS + deposited + LIABILITY + BOND, "{point:?}");
    // Publication and collection, and the approval if the wallet paid.
    assert_eq!(world.sent().await, if deposited >= REWARD { 2 } else { 3 }, "{point:?}");
}

#[tokio::test]
async fn with_money_in_the_wallet() {
    for point in Point::ALL {
        survives(*point, 100).await;
    }
}

#[tokio::test]
async fn with_money_in_the_pool() {
    for point in Point::ALL {
        // Nothing is approved there.
        if !matches!(point, Point::ApprovalQueued | Point::Approved) {
            survives(*point, REWARD).await;
        }
    }
}

#[tokio::test]
async fn killed_until_the_quote_has_expired_nothing_was_paid() {
    let world = World::new().await;
    world.deposit_for_requester(REWARD).await;
    let request = world.request(1);
    let offer = world.offer(&request, 0).await;
    let (doomed, _) = world.open_doomed(Point::PublicationQueued).await;
    whole_way(&doomed, &world, &request, &offer).await.unwrap_err();
    drop(doomed);
    world.chain.pass(300).await.unwrap();
    let sdk = world.open().await;
    let task = offer.quote.quote.id(&world.domain);
    assert!(sdk.publish(task).await.unwrap_err().to_string().contains("valid until"));
    assert_eq!((world.wealth().await, world.sent().await), (FUNDS + REWARD, 0));
    assert_eq!(sdk.tasks().unwrap().len(), 1);
}
