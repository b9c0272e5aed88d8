//! Many operators, found in the registry, some of them no good: every paid task is delivered, or its requester is
//! compensated.

use super::{
    operator::{Manner, Operator},
    world::{BOND, FUNDS, HONOUR, LIABILITY, LIABILITY_WINDOW, PROOF_WINDOW, STRANGER, World},
};
use crate::{
    Answer, Config, Discovery, Ended, Offer, Options, Payment, Point, ProofRequest, Requester, RequesterError, Stage,
    Taken, point::Probe,
};
use alloy::primitives::{Address, U256};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use zkpool_api::Reach;
use zkpool_chain::{Past, PoolEvent, testing::Deployer};
use zkpool_protocol::{ErrorCode, TaskId};

/// A world with a registry, and operators in it.
pub(super) struct Market {
    pub(super) world: World,
    registry: Address,
    pub(super) operators: Vec<Operator>,
}

impl Market {
    pub(super) async fn new(manners: &[Manner]) -> Self {
        let world = World::new().await;
        let registry = Deployer::new(&world.chain, world.chain.account(0)).deploy("OperatorRegistry").await.unwrap();
        let mut market = Self { world, registry, operators: Vec::new() };
        for (n, manner) in manners.iter().enumerate() {
            let operator = Operator::start_as(market.world.one_more(n as u32).await, *manner).await;
            market.world.list(registry, n as u32, &operator.url).await;
            market.operators.push(operator);
        }
        market
    }

    fn options(&self) -> Options {
        let discovery = Discovery { reach: Reach::Anywhere, ..Discovery::of(self.registry) };
        Options { discovery: Some(discovery), records_from: Some(0), ..World::options() }
    }

    pub(super) fn config(&self) -> Config {
        Config { options: self.options(), ..self.world.config(self.world.chain.rpc(), self.world.dir.path(), vec![]) }
    }

    pub(super) async fn open(&self) -> Requester {
        Requester::open(self.config()).await.unwrap()
    }

    fn address(&self, n: usize) -> Address {
        self.world.chain.account(8 + 2 * n as u32)
    }

    pub(super) fn position(&self, operator: Address) -> usize {
        (0..).find(|n| self.address(*n) == operator).unwrap()
    }

    /// Asks as the registry has it, whatever the order.
    fn answer<'a>(&self, offers: &'a [Offer], n: usize) -> &'a Answer {
        &offers.iter().find(|offer| offer.url == self.operators[n].url).unwrap().answer
    }

    /// Buys a proof; the task and whose it is.
    async fn buy(&self, sdk: &Requester, request: &ProofRequest) -> (TaskId, usize) {
        let bought = sdk.buy(request, Payment::Pool).await.unwrap();
        sdk.tell(bought.task).await.unwrap();
        (bought.task, self.position(sdk.task(bought.task).unwrap().quote.quote.terms.operator))
    }

    fn knows(&self, n: usize, task: TaskId) -> bool {
        let told = self.operators[n].desk.published.lock().unwrap();
        told.iter().any(|told| told.quote.quote.id(&self.world.domain) == task)
    }
}

pub(super) fn honest(reward: u128) -> Manner {
    Manner::Honest { reward, slot: 0 }
}

const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn of_two_operators_one_stalls_and_the_requester_is_compensated_and_remembers() {
    let market = Market::new(&[honest(900), honest(950)]).await;
    let (world, sdk) = (&market.world, market.open().await);
    let (task, whose) = market.buy(&sdk, &world.request(1)).await;
    assert_eq!(whose, 0, "the cheaper one: nobody has a record");
    assert!(market.knows(1, task) && !market.knows(0, task));
    world.chain.pass(u64::from(LIABILITY_WINDOW) + 2).await.unwrap();
    assert_eq!(sdk.wait(task, BOUND).await.unwrap(), Ended::Collectable);
    sdk.collect(task).await.unwrap();
    assert_eq!(world.wealth().await, FUNDS + LIABILITY + BOND);

    // A price five per cent lower does not make up for that.
    let (task, whose) = market.buy(&sdk, &world.request(2)).await;
    assert_eq!(whose, 1);
    world.prove_as(1, &sdk.task(task).unwrap()).await;
    assert!(matches!(sdk.wait(task, BOUND).await.unwrap(), Ended::Stage(Stage::Delivered { on_time: true, .. })));
    assert_eq!(world.wealth().await, FUNDS + LIABILITY + BOND - 950);
    let records = sdk.records(&[market.address(0), market.address(1)]).await.unwrap();
    assert_eq!(records[&market.address(0)].past(), Past { defaulted: 1, ..Past::default() });
    assert_eq!(records[&market.address(1)].past(), Past { on_time: 1, ..Past::default() });
}

/// The cheapest is offline, the next lies about its price, the next about its capacity, the next stalls; the dearest one
/// is honest, and takes over what was stalled.
#[tokio::test]
async fn of_five_operators_one_is_honest_and_every_task_is_delivered() {
    let manners =
        [honest(100), Manner::Overcharges, Manner::SellsOver { reward: 800, slot: 0 }, honest(900), honest(999)];
    let market = Market::new(&manners).await;
    market.world.list(market.registry, 0, "http://127.0.0.1:1").await;
    let (world, sdk) = (&market.world, market.open().await);
    // The slot that the third one sells is somebody else's by now.
    let other = world.request(99);
    let seller = world.pen_of(2);
    world.publish_as(STRANGER, &seller.sign(seller.quote(&other.quote, 0).await)).await;

    let request = world.request(1);
    let bought = sdk.buy(&request, Payment::Pool).await.unwrap();
    let codes: Vec<_> = bought.passed.iter().map(|over| (market.position(over.operator), over.code)).collect();
    assert_eq!(codes, [(2, ErrorCode::NotBacked)], "what costs more than the most comes after the honest ones");
    let record = sdk.task(bought.task).unwrap();
    assert_eq!(market.position(record.quote.quote.terms.operator), 3);
    assert!(sdk.tell(bought.task).await.unwrap().is_empty());
    assert!(market.knows(4, bought.task), "it was asked, and holds the input");

    // It stalls. The honest one takes over, and the requester has half of the bond on top.
    world.chain.pass(u64::from(PROOF_WINDOW) + 1).await.unwrap();
    world.rescue_as(4, &record, 3).await;
    let ended = sdk.wait(bought.task, BOUND).await.unwrap();
    assert!(matches!(ended, Ended::Stage(Stage::Delivered { .. })), "{ended:?}");
    assert_eq!(world.wealth().await, FUNDS - 900 + BOND - BOND / 2);

    // The chain remembers who did what: the dearer one is the better offer now.
    let (task, whose) = market.buy(&sdk, &world.request(2)).await;
    assert_eq!(whose, 4);
    world.prove_as(4, &sdk.task(task).unwrap()).await;
    sdk.wait(task, BOUND).await.unwrap();
    assert_eq!(world.wealth().await, FUNDS - 900 + BOND - BOND / 2 - 999);
    assert!(sdk.tasks().unwrap().iter().all(|record| record.stage.is_final()), "nothing is left that could be paid");
}

/// Between the check and the block somebody else is served from the slot: the word is broken, and paid for.
#[tokio::test]
async fn a_broken_word_is_compensated_and_the_next_offer_is_taken() {
    let market = Market::new(&[Manner::SellsOver { reward: 800, slot: 0 }, honest(900)]).await;
    let world = &market.world;
    let seller = world.pen_of(0);
    let rival = seller.sign(seller.quote(&world.request(99).quote, 0).await);
    let call = zkpool_bindings::IZKPool::publishCall { quote: (&rival.quote).into(), signature: rival.signature };
    let chain = (world.chain.url().to_owned(), world.domain.pool, world.chain.account(STRANGER));
    let once = Arc::new(Mutex::new(Some((chain, call))));
    let probe = Probe::new(move |at| {
        if at == Point::PublicationQueued
            && let Some(((url, pool, from), call)) = once.lock().unwrap().take()
        {
            std::thread::spawn(move || send_unlocked(&url, from, pool, call)).join().unwrap();
        }
        Ok(())
    });
    let sdk = Requester::open_with(market.config(), probe).await.unwrap();
    let bought = sdk.buy(&world.request(1), Payment::Pool).await.unwrap();
    assert_eq!(bought.passed.len(), 1);
    let over = &bought.passed[0];
    assert_eq!((over.operator, over.paid), (market.address(0), U256::from(HONOUR - HONOUR / 2)), "{over:?}");
    assert_eq!(market.position(sdk.task(bought.task).unwrap().quote.quote.terms.operator), 1);
    assert_eq!(world.wealth().await, FUNDS - 900 + HONOUR - HONOUR / 2, "one proof is paid for");
    let records = sdk.records(&[market.address(0)]).await.unwrap();
    assert_eq!(records[&market.address(0)].past(), Past { dishonoured: 1, ..Past::default() });
}

/// Sends from one of anvil's own accounts, from a thread of its own.
fn send_unlocked(url: &str, from: Address, to: Address, call: impl alloy::sol_types::SolCall) {
    let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [{
        "from": from, "to": to, "data": format!("0x{}", hex::encode(call.abi_encode())), "gas": "0x100000",
    }] });
    use std::io::{Read, Write};
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let body = body.to_string();
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"result\""), "{answer}");
}

#[tokio::test]
async fn when_nobody_can_be_had_nothing_is_paid_and_every_reason_is_named() {
    let market = Market::new(&[Manner::Overcharges, Manner::Altering, Manner::Refusing(ErrorCode::NoCapacity)]).await;
    let sdk = market.open().await;
    let error = sdk.buy(&market.world.request(1), Payment::Pool).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the reward is") && text.contains("the liability is") && text.contains("no_capacity"),
        "{text}"
    );
    assert_eq!((market.world.wealth().await, market.world.sent().await), (FUNDS, 0));
}

/// What only waits for the requester's own money is not passed over: it could still be published.
#[tokio::test]
async fn an_empty_purse_is_no_reason_to_take_another_offer() {
    let market = Market::new(&[honest(900), honest(950)]).await;
    let (world, sdk) = (&market.world, market.open().await);
    let mut request = world.request(1);
    request.quote.reward_token = world.weth;
    let error = sdk.buy(&request, Payment::Pool).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unfunded);
    let tasks = sdk.tasks().unwrap();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].stage, Stage::Recorded);
}

#[tokio::test]
async fn an_offer_that_expired_meanwhile_is_passed_over() {
    let market = Market::new(&[honest(900), honest(950)]).await;
    let (world, sdk) = (&market.world, market.open().await);
    let request = world.request(1);
    let offers = sdk.ask(&request).await.unwrap();
    let first = sdk.ranked(&offers).await.unwrap().remove(0).offer;
    let task = sdk.record(&request, &first).await.unwrap();
    world.chain.pass(201).await.unwrap();
    let Taken::Passed(over) = sdk.take(&request, &first, Payment::Pool).await.unwrap() else {
        panic!("it is too late")
    };
    assert_eq!(over.code, ErrorCode::QuoteExpired);
    assert_eq!(sdk.publish(task).await.unwrap_err().code(), ErrorCode::QuoteExpired);
    let error = sdk.buy_from(&request, &offers, Payment::Pool).await.unwrap_err();
    assert!(matches!(error, RequesterError::NoOffer { .. }), "{error}");
    assert_eq!(world.wealth().await, FUNDS);
}

#[tokio::test]
async fn entries_of_strangers_get_neither_the_input_nor_a_call_into_this_network() {
    let market = Market::new(&[honest(900)]).await;
    let (world, url) = (&market.world, market.operators[0].url.clone());
    // An impostor that names the same service, one without slots, and one for another kind of proof.
    world.one_more(1).await;
    world.list(market.registry, 1, &format!("{}/?1", url.replace("http", "HTTP"))).await;
    let idle = Operator::start(world, honest(1)).await;
    let call = zkpool_chain::registration(&idle.url, &["groth16-bn254".into()]).unwrap();
    world.call(STRANGER, market.registry, call).await;
    world.one_more(2).await;
    let call = zkpool_chain::registration(&idle.url, &["sgx".into()]).unwrap();
    world.call(12, market.registry, call).await;
    // One that names somebody else's service.
    world.one_more(3).await;
    let another = Operator::start(world, honest(1)).await;
    world.list(market.registry, 3, &another.url).await;

    let sdk = market.open().await;
    assert_eq!(sdk.listed().await.unwrap().entries.len(), 5);
    let offers = sdk.ask(&world.request(1)).await.unwrap();
    assert_eq!(offers.len(), 2, "each service once, and only with a slot and for this kind: {offers:?}");
    assert!(matches!(market.answer(&offers, 0), Answer::Firm(_)));
    let stranger = offers.iter().find(|offer| offer.url == another.url).unwrap();
    assert!(matches!(stranger.answer, Answer::Refused { code: ErrorCode::Forbidden, .. }), "{stranger:?}");
    for stranger in [&idle, &another] {
        assert!(stranger.desk.blobs.lock().unwrap().is_empty(), "it has not got the input");
    }

    // However many claim a service, it takes one place.
    let request = world.request(1);
    let wire = request.wire(sdk.address()).unwrap();
    drop(sdk);
    for _ in 0..10 {
        let discovery = Discovery { most_asked: 2, newcomers: 2, ..market.options().discovery.unwrap() };
        let options = Options { discovery: Some(discovery), ..market.options() };
        let sdk = Requester::open(Config { options, ..market.config() }).await.unwrap();
        let found = sdk.discover(&wire).await.unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found.iter().find(|found| found.url == url).unwrap().claimed_by.len(), 2, "{found:?}");
    }

    // As it is unless told otherwise: nothing in this machine's network is called.
    let discovery = Discovery::of(market.registry);
    let options = Options { discovery: Some(discovery), ..market.options() };
    let sdk = Requester::open(Config { options, ..market.config() }).await.unwrap();
    let error = sdk.ask(&world.request(2)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadRequest, "{error}");
    // Whoever is named is asked all the same.
    drop(sdk);
    let options = Options { discovery: Some(Discovery::of(market.registry)), ..market.options() };
    let config = Config { options, operators: vec![url], ..market.config() };
    let sdk = Requester::open(config).await.unwrap();
    assert_eq!(sdk.ask(&world.request(2)).await.unwrap().len(), 1);
}

/// The records of a pool with more blocks than can still be reorganised, read in pieces and kept.
#[tokio::test]
async fn records_are_kept_and_read_on() {
    let market = Market::new(&[honest(900)]).await;
    let (world, sdk) = (&market.world, market.open().await);
    let (task, _) = market.buy(&sdk, &world.request(1)).await;
    world.prove_as(0, &sdk.task(task).unwrap()).await;
    world.chain.mine(80).await.unwrap();
    let whose = market.address(0);
    assert_eq!(sdk.records(&[whose]).await.unwrap()[&whose].past().on_time, 1);
    drop(sdk);
    // It is written only if there is something new that can no longer change.
    let stored = world.dir.path().join("records.json");
    let before = std::fs::metadata(&stored).unwrap().modified().unwrap();
    let sdk = market.open().await;
    let read = sdk.records(&[whose]).await.unwrap().remove(&whose).unwrap();
    assert_eq!(read.reliability(), 7_500, "one's own, and none of a stranger's");
    assert_eq!(std::fs::metadata(&stored).unwrap().modified().unwrap(), before);
    drop(sdk);
    let sdk = market.open().await;
    world.chain.pass(300).await.unwrap();
    let (task, _) = market.buy(&sdk, &world.request(2)).await;
    world.prove_as(0, &sdk.task(task).unwrap()).await;
    assert_eq!(sdk.records(&[whose]).await.unwrap()[&whose].past().on_time, 2);
    // What a reorganisation takes back was never there.
    world.chain.roll_back(1).await.unwrap();
    world.chain.mine(2).await.unwrap();
    assert_eq!(sdk.records(&[whose]).await.unwrap()[&whose].past().on_time, 1);
    assert!(!world.events(task).await.iter().any(|found| matches!(found.event, PoolEvent::Delivered { .. })));
}
