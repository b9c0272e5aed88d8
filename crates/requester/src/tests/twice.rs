//! One wish is bought once, whatever happens in between.

use super::{
    many::{Market, honest},
    world::{FUNDS, World},
};
use crate::{Payment, Point, Requester, RequesterError, point::Probe};
use zkpool_chain::PoolEvent;

async fn published(world: &World, sdk: &Requester) -> usize {
    let mut count = 0;
    for record in sdk.tasks().unwrap() {
        let events = world.events(record.task).await;
        count += events.iter().filter(|found| matches!(found.event, PoolEvent::Published { .. })).count();
    }
    count
}

/// Killed on the way, and started again when the operator is away and another one answers.
#[tokio::test]
async fn a_wish_is_bought_once_though_its_operator_is_away_after_the_crash() {
    for point in [Point::Recorded, Point::PublicationQueued, Point::PublicationMined, Point::PublicationNoted] {
        let mut market = Market::new(&[honest(900), honest(950)]).await;
        let request = market.world.request(1);
        let probe = Probe::new(move |at| match at == point {
            true => Err(RequesterError::BadRequest("killed".into())),
            false => Ok(()),
        });
        let doomed = Requester::open_with(market.config(), probe).await.unwrap();
        doomed.buy(&request, Payment::Pool).await.unwrap_err();
        drop((doomed, market.operators.remove(0)));

        let (world, sdk) = (&market.world, market.open().await);
        let bought = sdk.buy(&request, Payment::Pool).await.unwrap();
        let whose = |task| market.position(sdk.task(task).unwrap().quote.quote.terms.operator);
        assert_eq!(whose(bought.task), 0, "{point:?}");
        // Again, with offers in hand.
        let offers = sdk.ask(&request).await.unwrap();
        assert!(offers.iter().any(|offer| offer.firm().is_some()), "{offers:?}");
        assert_eq!(sdk.buy_from(&request, &offers, Payment::Pool).await.unwrap(), bought, "{point:?}");
        assert_eq!((published(world, &sdk).await, world.wealth().await), (1, FUNDS - 900), "{point:?}");

        // Who wants it twice says so.
        let mut another = request.clone();
        another.quote.reference = "another".into();
        let second = sdk.buy(&another, Payment::Pool).await.unwrap();
        assert_eq!((whose(second.task), world.wealth().await), (1, FUNDS - 900 - 950), "{point:?}");
        // And when it has ended, the same can be bought again.
        world.prove_as(0, &sdk.task(bought.task).unwrap()).await;
        let again = sdk.buy(&request, Payment::Pool).await.unwrap();
        assert!(![bought.task, second.task].contains(&again.task), "{point:?}");
    }
}

/// Of two that buy the same at the same time, both get the same.
#[tokio::test]
async fn a_wish_is_bought_once_by_two_at_once() {
    let market = Market::new(&[honest(900), honest(950)]).await;
    let (world, sdk, request) = (&market.world, market.open().await, market.world.request(1));
    world.deposit_for_requester(5_000).await;
    let (one, two) = tokio::join!(sdk.buy(&request, Payment::Pool), sdk.buy(&request, Payment::Pool));
    assert_eq!(one.unwrap().task, two.unwrap().task);
    assert_eq!((published(world, &sdk).await, world.wealth().await), (1, FUNDS + 5_000 - 900));
}
