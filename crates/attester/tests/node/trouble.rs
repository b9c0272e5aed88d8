//! Operators and endpoints that come and go.

use super::{
    kit::{Seat, claim, receipt, within},
    operator::FakeOperator,
    world::{IMAGE, World},
};
use std::time::Duration;
use zkpool_attester::Event;
use zkpool_chain::{Rpc, RpcOptions};
use zkpool_protocol::ErrorCode;

#[tokio::test]
async fn an_operator_that_goes_down_is_waited_for_and_holds_up_no_other() {
    let world = World::new().await;
    let (mut first, second) = (FakeOperator::start(&world), FakeOperator::start(&world));
    first.down();
    let seat = Seat::new(&world.members[0]);
    let mut node = seat.run(&world, &[&first, &second]);
    let url = first.url();
    node.hears(|event| match event {
        Event::OperatorTrouble { operator, code: ErrorCode::TimedOut, .. } => (operator == url).then_some(()),
        _ => None,
    })
    .await;
    let open = second.ask_honestly(1, b"ask:1");
    node.signs(&open).await;
    let open = first.ask_honestly(2, b"more:1");
    first.up();
    node.signs(&open).await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_receipt_that_does_not_come_holds_up_no_other_and_is_asked_for_again() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let seat = Seat::new(&world.members[0]);
    let mut node = seat.run(&world, &[&operator]);
    let bytes = receipt(1, IMAGE, b"ask:1");
    let missing = claim(1, IMAGE, b"ask:1", &bytes);
    operator.script().open.push(missing.clone());
    let open = operator.ask_honestly(2, b"more:1");
    node.signs(&open).await;
    node.hears(|event| matches!(event, Event::OperatorTrouble { code: ErrorCode::NotFound, .. }).then_some(())).await;
    operator.script().receipts.insert(missing.receipt, bytes);
    node.signs(&missing).await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn without_the_chain_nothing_is_signed() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let open = operator.ask_honestly(1, b"ask:1");
    let seat = Seat::new(&world.members[0]);

    // From the first: nobody listens there yet.
    let gate = Gate::new(world.chain.url());
    let options = RpcOptions { attempts: 1, timeout: Duration::from_secs(2), ..RpcOptions::default() };
    let rpc = Rpc::with_options(&gate.url, options).unwrap();
    gate.shut(true);
    let mut node = seat.open(seat.config(&world, &[&operator]), rpc).unwrap();
    node.hears(|event| matches!(event, Event::ChainTrouble { .. }).then_some(())).await;
    assert_eq!(operator.script().polls, 0);
    gate.shut(false);
    node.signs(&open).await;

    // And in the middle.
    gate.shut(true);
    let open = operator.ask_honestly(2, b"more:1");
    node.hears(|event| matches!(event, Event::ChainTrouble { .. }).then_some(())).await;
    assert_eq!(operator.script().signed.len(), 1);
    gate.shut(false);
    node.signs(&open).await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn told_to_stop_it_ends_at_once_when_it_only_waits() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let seat = Seat::new(&world.members[0]);
    let mut config = seat.config(&world, &[&operator]);
    config.wait = 30;
    let mut node = seat.open(config, world.chain.rpc()).unwrap();
    node.hears(|event| matches!(event, Event::Ready { .. }).then_some(())).await;
    within(async {
        while operator.script().polls == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    tokio::time::timeout(Duration::from_secs(5), node.stop()).await.expect("it does not wait out its poll").unwrap();
}

/// A way to the chain that can be shut.
struct Gate {
    url: String,
    shut: tokio::sync::watch::Sender<bool>,
}

impl Gate {
    fn new(target: &str) -> Self {
        let target = target.trim_start_matches("http://").to_owned();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (shut, is_shut) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut is_shut, target) = (is_shut.clone(), target.clone());
                tokio::spawn(async move {
                    if *is_shut.borrow() {
                        return;
                    }
                    let mut chain = tokio::net::TcpStream::connect(&target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut stream, &mut chain) => {}
                        _ = is_shut.wait_for(|shut| *shut) => {}
                    }
                });
            }
        });
        Self { url, shut }
    }

    fn shut(&self, shut: bool) {
        self.shut.send(shut).unwrap();
    }
}
