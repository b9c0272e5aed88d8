//! What comes of the work, with an operator that pays out of the revenue ledger.

use super::{
    backend::{Conductor, Ending},
    cashier::{Cashier, FakeDesk, Manner, TOKEN},
    kit::{Running, config, records},
    operator::{FakeOperator, Heard, Say},
};
use std::{path::Path, sync::Arc};
use zkpool_protocol::{BlobId, ErrorCode, ProofKind, pay::LeasedJob};
use zkpool_prover::{Book, Event, Holding, PayConfig, ProverConfig, ProverError};

fn paid_config(operator: &FakeOperator, state: &Path, desk: &FakeDesk) -> ProverConfig {
    let pay = PayConfig { desk: Arc::new(desk.clone()), unpaid: false, min_left: 0, claim_above: None };
    ProverConfig { pay: Some(pay), ..config(&[operator], state) }
}

/// An operator that pays `amount` for each job out of a cap, which the chain bears out.
fn paying(amount: u128, cap: u128) -> (FakeOperator, FakeDesk) {
    let (operator, desk) = (FakeOperator::start(), FakeDesk::new());
    let cashier = Cashier::new(amount, cap);
    desk.chain().tranche = Some(cashier.tranche());
    operator.script().cashier = Some(cashier);
    (operator, desk)
}

fn vouchers(state: &Path) -> Vec<Holding> {
    Book::open(&state.join("vouchers")).unwrap().all()
}

/// Until something is so.
async fn until(is_so: impl Fn() -> bool) {
    super::kit::within(async {
        while !is_so() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// One job is given and proven; what it has earned, and all that was earned.
async fn works(operator: &FakeOperator, conductor: &mut Conductor, agent: &mut Running) -> (u128, u128) {
    operator.give(operator.new_job());
    conductor.began().await;
    conductor.end(Ending::Proof(b"p"));
    earned(agent).await
}

async fn earned(agent: &mut Running) -> (u128, u128) {
    agent
        .tells(|event| match event {
            Event::Earned { token, amount, total, .. } if *token == TOKEN => Some((*amount, *total)),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_result_is_signed_and_its_voucher_is_on_disk() {
    let ((mut operator, desk), mut conductor) = (paying(10, 25), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    for (proof, expected) in [(b"first".as_slice(), (10, 10)), (b"second", (10, 20))] {
        let job = operator.give(operator.new_job());
        conductor.began().await;
        conductor.end(Ending::Proof(proof));
        let (_, request) = operator.hears_result().await;
        let leased = LeasedJob { task: job.task, index: job.index, fence: request.fence };
        let said = zkpool_protocol::pay::SignedResult {
            operator: zkpool_protocol::Address::repeat_byte(2),
            job: leased.id(),
            output: BlobId::of(proof).into(),
        };
        let ledger = vouchers(dir.path())[0].ledger;
        assert_eq!(said.signer(&ledger, &request.signature.unwrap()).unwrap(), desk.key.address());
        assert_eq!(earned(&mut agent).await, expected);
    }
    let kept = vouchers(dir.path());
    assert_eq!((kept.len(), kept[0].vouched().amount, kept[0].vouched().count, kept[0].left()), (1, 20, 2, 5));
    // Less is left than a job earns.
    operator.give(operator.new_job());
    let (_, refused) = operator.hears_fail().await;
    assert_eq!(refused.code, ErrorCode::Unpaid);
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_job_that_pays_less_than_is_asked_is_not_done() {
    let ((mut operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    // A job has one unit. Ten of a token at three thousand million for an ether are 3,333,333,333 wei and a third.
    let rate = Some(3_000_000_000);
    for (ask, rate, refused) in [
        (3_333_333_333_000_000, rate, None),
        (3_333_333_333_000_001, rate, Some("11 is asked")),
        (1, None, Some("does not say what one ether is worth")),
    ] {
        operator.script().rate = rate;
        let asks = [(ProofKind::Groth16Bn254, ask)].into();
        let config = ProverConfig { asks, ..paid_config(&operator, dir.path(), &desk) };
        let mut agent = Running::start(config, &conductor);
        let said = operator.hears_join().await.asks;
        assert_eq!((said[0].kind, said[0].wei_per_million_units), (ProofKind::Groth16Bn254, ask));
        operator.give(operator.new_job());
        if let Some(why) = refused {
            let (_, refused) = operator.hears_fail().await;
            assert_eq!(refused.code, ErrorCode::Unpaid);
            assert!(refused.message.contains(why), "{}", refused.message);
        } else {
            conductor.began().await;
            conductor.end(Ending::Proof(b"p"));
            assert_eq!(earned(&mut agent).await, (10, 10));
        }
        agent.stop_in_order().await;
    }
}

#[tokio::test]
async fn the_first_voucher_that_is_withheld_or_wrong_is_the_last() {
    use Manner::*;
    for manner in [Withholds, Short, OtherSum, OtherOutput, Forgets, OtherKey] {
        let ((operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
        let dir = tempfile::tempdir().unwrap();
        let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
        works(&operator, &mut conductor, &mut agent).await;

        operator.script().cashier.as_mut().unwrap().manner = manner;
        operator.give(operator.new_job());
        conductor.began().await;
        conductor.end(Ending::Proof(b"second"));
        let reason = agent
            .tells(|event| match event {
                Event::Withheld { reason, .. } => Some(reason.clone()),
                _ => None,
            })
            .await;
        let ended = agent.ended().await;
        assert!(matches!(ended, Err(ProverError::Withheld { .. })), "{manner:?}: {ended:?}");
        let kept = vouchers(dir.path()).remove(0);
        assert_eq!(kept.vouched().amount, 10, "{manner:?}: {reason}");
        // A wrong one that the ledger would pay more on is kept as well.
        let most = match manner {
            Short => 19,
            OtherSum => 21,
            OtherOutput => 20,
            _ => 10,
        };
        assert_eq!(kept.best().unwrap().voucher.amount, most, "{manner:?}");
        assert_eq!(records(dir.path()), 1, "the result is kept");

        // It is asked about again, and the work goes on if the voucher is there.
        operator.script().cashier.as_mut().unwrap().manner = Honest;
        let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
        assert_eq!(earned(&mut agent).await, (10, 20));
        agent.stop_in_order().await;
        assert_eq!(records(dir.path()), 0);
    }
}

#[tokio::test]
async fn nothing_is_done_before_the_chain_bears_it_out() {
    let ((mut operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let on_chain = desk.chain().tranche.unwrap();
    desk.chain().tranche = Some(zkpool_prover::TrancheOnChain { total: on_chain.total + 1, ..on_chain });
    let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    told_unpaid(&mut agent).await;
    desk.chain().tranche = None;
    told_unpaid(&mut agent).await;
    told_unpaid(&mut agent).await;
    assert!(!operator.heard_so_far().iter().any(|heard| matches!(heard, Heard::Claim(_))));
    desk.chain().tranche = Some(on_chain);
    assert_eq!(works(&operator, &mut conductor, &mut agent).await, (10, 10));

    agent.stop_in_order().await;

    // Later it is not there for a while: a reorganisation, or an endpoint that is behind.
    desk.chain().tranche = None;
    let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    told_unpaid(&mut agent).await;
    desk.chain().tranche = Some(on_chain);
    assert_eq!(works(&operator, &mut conductor, &mut agent).await, (10, 20));
    agent.stop_in_order().await;

    // With another in its place, in which the prover has more, that one counts.
    assert_eq!(vouchers(dir.path())[0].cap, 100);
    operator.script().cashier.as_mut().unwrap().cap = 200;
    let other = operator.script().cashier.as_ref().unwrap().tranche();
    desk.chain().tranche = Some(other);
    let agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    until(|| vouchers(dir.path())[0].cap == 200).await;
    agent.stop_in_order().await;

    // To somebody who hears of it only now, one that closes is nothing.
    let dir = tempfile::tempdir().unwrap();
    closing(&desk, 14 * 24 * 3_600);
    operator.heard_so_far();
    let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    told_unpaid(&mut agent).await;
    told_unpaid(&mut agent).await;
    assert!(!operator.heard_so_far().iter().any(|heard| matches!(heard, Heard::Claim(_))));
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_result_is_signed_once_whatever_happens() {
    let ((mut operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    operator.script().every_result = Some(Say::Error(ErrorCode::Storage));
    operator.give(operator.new_job());
    conductor.began().await;
    conductor.end(Ending::Proof(b"one and only"));
    let first = operator.hears_result().await;
    let again = operator.hears_result().await;
    assert_eq!(first, again);
    agent.crash().await;
    operator.script().every_result = None;
    operator.heard_so_far();
    let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    assert_eq!(operator.hears_result().await, first);
    assert_eq!(earned(&mut agent).await, (10, 10));
    agent.stop_in_order().await;
}

#[tokio::test]
async fn receipts_of_another_device_are_walked_through() {
    let ((operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    for total in [30, 60] {
        operator.script().cashier.as_mut().unwrap().pay_another_device(total);
        operator.script().cashier.as_mut().unwrap().pay_another_device(total + 1);
        assert_eq!(works(&operator, &mut conductor, &mut agent).await, (10, total.into()));
    }
    agent.stop_in_order().await;
}

#[tokio::test]
async fn pay_that_cannot_be_checked_is_not_worked_for_unless_the_owner_wants_it() {
    let ((mut operator, mut desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let ended = Running::start(config(&[&operator], dir.path()), &conductor).ended().await;
    assert!(matches!(ended, Err(ProverError::CannotCheckPay { .. })), "{ended:?}");
    desk.sees = false;
    let ended = Running::start(paid_config(&operator, dir.path(), &desk), &conductor).ended().await;
    assert!(matches!(ended, Err(ProverError::CannotCheckPay { .. })), "{ended:?}");

    let mut config = paid_config(&operator, dir.path(), &desk);
    config.pay.as_mut().unwrap().unpaid = true;
    operator.script().cashier.as_mut().unwrap().manner = Manner::Withholds;
    let mut agent = Running::start(config, &conductor);
    assert!(operator.hears_join().await.unpaid);
    operator.give(operator.new_job());
    conductor.began().await;
    conductor.end(Ending::Proof(b"p"));
    assert!(operator.hears_result().await.1.signature.is_some());
    agent.tells(|event| matches!(event, Event::Returned { .. }).then_some(())).await;
    agent.stop_in_order().await;
}

#[tokio::test]
async fn what_is_due_is_claimed_by_itself() {
    let ((operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut config = paid_config(&operator, dir.path(), &desk);
    config.pay.as_mut().unwrap().claim_above = Some(20);
    let mut agent = Running::start(config, &conductor);
    for _ in 0..2 {
        assert!(desk.chain().claimed.is_empty());
        works(&operator, &mut conductor, &mut agent).await;
    }
    until(|| !desk.chain().claimed.is_empty()).await;
    let claimed = desk.chain().claimed.clone();
    assert_eq!((claimed.len(), claimed[0].vouched().amount), (1, 20));
    let cap = zkpool_protocol::pay::Cap { prover: claimed[0].prover, amount: claimed[0].cap };
    let on_chain = desk.chain().tranche.unwrap();
    assert!(
        claimed[0].proof.verify(&cap, on_chain.root, on_chain.total).is_some(),
        "it can be claimed without anybody"
    );
    agent.stop_in_order().await;
}

/// Nor does it ask for jobs, so that nothing else looks at the tranche.
#[tokio::test]
async fn what_closes_is_claimed_though_little_is_due_and_nobody_asks_for_work() {
    let ((operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut config = paid_config(&operator, dir.path(), &desk);
    config.pay.as_mut().unwrap().claim_above = Some(1_000);
    let mut agent = Running::start(config.clone(), &conductor);
    works(&operator, &mut conductor, &mut agent).await;
    agent.stop_in_order().await;
    assert!(desk.chain().claimed.is_empty());
    closing(&desk, 6 * 24 * 3_600);
    config.pay.as_mut().unwrap().unpaid = true;
    let agent = Running::start(config, &conductor);
    until(|| !desk.chain().claimed.is_empty()).await;
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_tranche_that_was_taken_back_is_spoken_of_once() {
    let ((operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut config = paid_config(&operator, dir.path(), &desk);
    config.pay.as_mut().unwrap().claim_above = Some(20);
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    config.metrics = Some(address);
    let mut agent = Running::start(config.clone(), &conductor);
    works(&operator, &mut conductor, &mut agent).await;
    until(|| desk.chain().tranche_looks >= 2).await;
    // While the chain already says so, the agent's last look at it was before.
    let found = desk.chain().tranche.unwrap();
    desk.chain().tranche = Some(zkpool_prover::TrancheOnChain { open: false, reclaimed: true, ..found });
    works(&operator, &mut conductor, &mut agent).await;
    let forfeited = |event: &Event| match event {
        Event::Forfeited { tranche, token, amount, .. } => Some((*tranche, *token, *amount)),
        _ => None,
    };
    assert_eq!(agent.tells(forfeited).await, (0, TOKEN, 20));
    let page = scraped(address).await;
    assert!(page.lines().any(|line| line.starts_with("zkpool_prover_lost{") && line.ends_with(" 20")), "{page}");
    assert!(desk.chain().claimed.is_empty(), "nothing is sent that can only fail");
    let kept = vouchers(dir.path());
    assert!(kept[0].reclaimed && kept[0].vouched().amount == 20 && kept[0].vouched_at.is_some());
    agent.stop_in_order().await;

    // Nor after a restart: what was lost is looked up once, and left alone.
    desk.chain().looks = 0;
    let mut agent = Running::start(config, &conductor);
    until(|| desk.chain().looks > 0).await;
    agent.stop.wind_down();
    while let Some(event) = agent.events.recv().await {
        assert_eq!(forfeited(&event), None);
    }
    assert!(desk.chain().claimed.is_empty());
}

/// The page, as Prometheus asks for it.
async fn scraped(address: std::net::SocketAddr) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    super::kit::within(async {
        let mut stream = loop {
            match tokio::net::TcpStream::connect(address).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        };
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        page
    })
    .await
}

#[tokio::test]
async fn what_is_earned_can_be_graphed() {
    let ((operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut config = paid_config(&operator, dir.path(), &desk);
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    config.metrics = Some(address);
    config.pay.as_mut().unwrap().claim_above = Some(20);
    let mut agent = Running::start(config.clone(), &conductor);
    let labels = format!("{{operator=\"{}\",token=\"{TOKEN}\"}}", zkpool_protocol::Address::repeat_byte(2));
    let value = |page: &str, name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("zkpool_prover_{name}")));
        line.and_then(|line| line.rsplit_once(' ')).map(|(_, value)| value.parse::<f64>().unwrap())
    };
    for _ in 0..2 {
        works(&operator, &mut conductor, &mut agent).await;
    }
    let mut page = scraped(address).await;
    super::kit::within(async {
        while value(&page, &format!("claimed{labels}")) != Some(20.0) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            page = scraped(address).await;
        }
    })
    .await;
    let known = ["earned", "receipts", "left"].map(|name| value(&page, &format!("{name}{labels}")));
    assert_eq!(known, [Some(20.0), Some(2.0), Some(80.0)], "{page}");
    assert!(value(&page, "last_voucher_timestamp_seconds").unwrap() > 1.7e9, "{page}");
    assert_eq!((value(&page, "withheld"), value(&page, "lost")), (Some(0.0), Some(0.0)), "{page}");
    assert_eq!(value(&page, "jobs_total{outcome=\"taken\"}"), Some(2.0), "{page}");
    assert!(page.contains("# HELP zkpool_prover_earned"), "{page}");

    // Another one cannot have the place.
    let (other, place) = (tempfile::tempdir().unwrap(), Conductor::new());
    let ended = Running::start(ProverConfig { state_dir: other.path().into(), ..config }, &place).ended().await;
    assert!(matches!(ended, Err(ProverError::Metrics { .. })), "{ended:?}");
    agent.stop_in_order().await;
}

/// Says that a tranche is to be closed, and when it can be reclaimed.
fn closing(desk: &FakeDesk, seconds: u64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let on_chain = desk.chain().tranche.unwrap();
    let closes_at = Some(now + seconds);
    desk.chain().tranche = Some(zkpool_prover::TrancheOnChain { open: false, closes_at, ..on_chain });
}

/// Until the owner is told that the operator is not worked for, as it does not pay.
async fn told_unpaid(agent: &mut Running) {
    agent.tells(|event| matches!(event, Event::OperatorTrouble { code: ErrorCode::Unpaid, .. }).then_some(())).await;
}

/// A result is sent, and the agent dies before there is an answer.
async fn sent_without_an_answer(
    operator: &mut FakeOperator,
    desk: &FakeDesk,
    conductor: &mut Conductor,
    dir: &std::path::Path,
) {
    let agent = Running::start(paid_config(operator, dir, desk), conductor);
    operator.script().every_result = Some(Say::Error(ErrorCode::Storage));
    operator.give(operator.new_job());
    conductor.began().await;
    conductor.end(Ending::Proof(b"p"));
    operator.hears_result().await;
    agent.crash().await;
}

#[tokio::test]
async fn a_tranche_that_the_operator_does_not_name_any_more_is_looked_at_all_the_same() {
    for reclaimed in [false, true] {
        let ((mut operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
        let dir = tempfile::tempdir().unwrap();
        let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
        works(&operator, &mut conductor, &mut agent).await;
        agent.stop_in_order().await;
        assert!(vouchers(dir.path())[0].open);
        // It is closed, or even taken back, and left out of what is named.
        closing(&desk, 14 * 24 * 3_600);
        if reclaimed {
            let found = desk.chain().tranche.unwrap();
            desk.chain().tranche = Some(zkpool_prover::TrancheOnChain { reclaimed, closes_at: None, ..found });
        }
        operator.script().cashier.as_mut().unwrap().silent = true;
        operator.heard_so_far();
        let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
        told_unpaid(&mut agent).await;
        assert!(!vouchers(dir.path())[0].open);
        agent.stop_in_order().await;
        assert!(!operator.heard_so_far().iter().any(|heard| matches!(heard, Heard::Claim(_))), "no work is asked for");
    }
}

/// Neither does one tranche that is gone keep the agent from another, nor is it counted on.
#[tokio::test]
async fn of_two_tranches_the_one_that_is_on_chain_is_worked_for() {
    let ((operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    works(&operator, &mut conductor, &mut agent).await;
    agent.stop_in_order().await;
    // Another of which the book says that more is left.
    let other = Holding { tranche: 7, cap: 1_000, voucher: None, ..vouchers(dir.path()).remove(0) };
    std::fs::write(dir.path().join("vouchers/other.json"), serde_json::to_vec(&other).unwrap()).unwrap();
    desk.chain().gone = Some(7);
    let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    assert_eq!(works(&operator, &mut conductor, &mut agent).await, (10, 20));
    agent.stop_in_order().await;
    // With too little in the one that is there, the other is no help, and it is named.
    let mut config = paid_config(&operator, dir.path(), &desk);
    config.pay.as_mut().unwrap().min_left = 500;
    let mut agent = Running::start(config, &conductor);
    let named = |event: &Event| match event {
        Event::OperatorTrouble { error, .. } => Some(error.clone()),
        _ => None,
    };
    assert!(agent.tells(named).await.contains("tranche 7"));
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_voucher_of_a_tranche_that_closes_meanwhile_is_taken_while_it_can_be_claimed() {
    for (left, taken) in [(14 * 24 * 3_600, true), (3_600, false)] {
        let ((mut operator, desk), mut conductor) = (paying(10, 100), Conductor::new());
        let dir = tempfile::tempdir().unwrap();
        sent_without_an_answer(&mut operator, &desk, &mut conductor, dir.path()).await;
        // The answer comes after a restart that has found it closing.
        closing(&desk, left);
        let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
        told_unpaid(&mut agent).await;
        operator.script().every_result = None;
        match taken {
            true => {
                assert_eq!(earned(&mut agent).await, (10, 10));
                agent.stop_in_order().await;
            }
            false => {
                let ended = agent.ended().await;
                assert!(matches!(ended, Err(ProverError::Withheld { .. })), "{ended:?}");
                assert_eq!(vouchers(dir.path())[0].best().unwrap().voucher.amount, 10, "it is kept");
            }
        }
    }
}

#[tokio::test]
async fn an_operator_that_does_not_speak_of_pay_any_more_is_not_worked_for() {
    let ((mut operator, mut desk), mut conductor) = (paying(10, 100), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    sent_without_an_answer(&mut operator, &desk, &mut conductor, dir.path()).await;
    operator.script().every_result = None;
    operator.script().cashier.as_mut().unwrap().denies = true;
    operator.heard_so_far();
    let ended = Running::start(paid_config(&operator, dir.path(), &desk), &conductor).ended().await;
    assert!(matches!(ended, Err(ProverError::PaidOutside { .. })), "{ended:?}");
    // Without an endpoint: it has paid before.
    desk.sees = false;
    let ended = Running::start(paid_config(&operator, dir.path(), &desk), &conductor).ended().await;
    assert!(matches!(ended, Err(ProverError::PaidOutside { .. })), "{ended:?}");
    // Without any settings: what was promised with the job is demanded.
    let ended = Running::start(config(&[&operator], dir.path()), &conductor).ended().await;
    assert!(matches!(ended, Err(ProverError::Withheld { .. })), "{ended:?}");
    assert!(!operator.heard_so_far().iter().any(|heard| matches!(heard, Heard::Result(..))), "nothing is given away");
    assert_eq!(records(dir.path()), 1);

    operator.script().cashier.as_mut().unwrap().denies = false;
    desk.sees = true;
    let mut agent = Running::start(paid_config(&operator, dir.path(), &desk), &conductor);
    assert_eq!(earned(&mut agent).await, (10, 10));
    // In the middle: it is not worked for, and told of until it says again how it pays.
    operator.hears_claim().await;
    operator.script().cashier.as_mut().unwrap().denies = true;
    operator.script().claim.push_back(Say::Error(ErrorCode::Storage));
    assert_eq!(works(&operator, &mut conductor, &mut agent).await, (10, 20));
    told_unpaid(&mut agent).await;
    agent.stop_in_order().await;
}
