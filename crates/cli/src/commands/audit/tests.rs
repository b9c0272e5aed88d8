//! One honest operator, and every way in which it could lie.

use super::recompute::*;
use zkpool_api::{PartPay, ReceiptView, TaskPayReply};
use zkpool_chain::Key;
use zkpool_protocol::{
    Address, B256, Bytes, Strategy, U256, WorkUnits,
    pay::{Cap, CapTree, LeasedJob, Ledger, Receipt, SignedResult, TaskPay, Voucher},
};

const OPERATOR: Address = Address::repeat_byte(0x0e);
const TOKEN: Address = Address::repeat_byte(0x70);

fn ledger() -> Ledger {
    Ledger { chain_id: 1, address: Address::repeat_byte(9) }
}

fn prover() -> Key {
    Key::from_hex(&"11".repeat(32)).unwrap()
}

fn signed(receipt: Receipt) -> ReceiptView {
    let said = SignedResult { operator: OPERATOR, job: receipt.job().id(), output: receipt.output };
    let signature = prover().sign_digest(&said.digest(&ledger())).unwrap();
    ReceiptView { receipt, signature, tranche: 0 }
}

fn task(n: u8) -> B256 {
    B256::repeat_byte(n)
}

fn chain_of(jobs: &[(u8, u32)]) -> Vec<ReceiptView> {
    let mut previous = B256::ZERO;
    let mut chain = Vec::new();
    for (of, index) in jobs {
        let receipt = Receipt {
            task: task(*of),
            index: *index,
            fence: 1,
            prover: prover().address(),
            output: B256::repeat_byte(7),
            units: 50,
            amount: 250,
            previous,
        };
        previous = receipt.hash();
        chain.push(signed(receipt));
    }
    chain
}

/// Two tasks of two jobs each, delivered, swept, one voucher claimed.
fn honest() -> Evidence {
    let chain = chain_of(&[(1, 0), (2, 0), (1, 1), (2, 1)]);
    let pay = TaskPay { token: TOKEN, reward: 1_000, share: 5_000, units: WorkUnits(100) };
    let published = |n: u8| {
        let receipts = chain.iter().filter(|view| view.receipt.task == task(n)).cloned().collect();
        let parts = vec![PartPay { task: task(n), leg: None, round: 0, receipts }];
        TaskPayReply { pay: Some(pay), strategy: Strategy::Assign, parts }
    };
    let known = |n: u8| Task {
        id: task(n),
        share: 5_000,
        terms: Some((TOKEN, 1_000, 100)),
        kept_apart: Some(U256::from(500)),
        block: 10 * u64::from(n),
        over: true,
        published: Some(published(n)),
    };
    let caps =
        vec![Cap { prover: Address::repeat_byte(1), amount: 10 }, Cap { prover: prover().address(), amount: 5_000 }];
    let (root, total) = CapTree::new(&caps).unwrap().root();
    let mut voucher = Voucher::none(OPERATOR, 0, prover().address());
    for view in &chain[..3] {
        voucher = voucher.after(&view.receipt).unwrap();
    }
    let claim = Claim {
        tranche: 0,
        prover: prover().address(),
        block: 30,
        paid: U256::from(voucher.amount),
        voucher: (U256::from(voucher.amount), voucher.count, voucher.head),
    };
    let kept = Kept { swept: U256::from(900), left: U256::from(100) };
    Evidence {
        tasks: vec![known(1), known(2)],
        tranches: vec![Tranche { index: 0, token: TOKEN, root, total: U256::from(total), caps: Some(caps) }],
        chains: [((0, prover().address()), Chain { count: 4, receipts: chain })].into(),
        claims: vec![claim],
        kept: [(TOKEN, kept)].into(),
        later: [].into(),
    }
}

fn first(evidence: &Evidence) -> &'static str {
    audit(ledger(), OPERATOR, evidence).first.map_or("none", |found| found.code)
}

fn chain(evidence: &mut Evidence) -> &mut Chain {
    evidence.chains.values_mut().next().unwrap()
}

#[test]
fn an_honest_operator_passes() {
    let verdict = audit(ledger(), OPERATOR, &honest());
    assert_eq!(verdict.first, None);
    let figures = verdict.figures;
    assert_eq!((figures.tasks, figures.receipts, figures.receipts_to_come, figures.rewards_unread), (2, 4, 0, 0));
    assert_eq!((figures.vouched[&TOKEN].as_str(), figures.claimed[&TOKEN].as_str()), ("1000", "750"));
    assert_eq!(figures.kept_apart[&TOKEN], "1000");
    assert!(figures.partly_paid.is_empty());
}

#[test]
fn a_tampered_receipt_is_found() {
    // In both places, so that they agree: the receipts behind it hold its hash.
    for field in 0..3 {
        let mut evidence = honest();
        let tamper = |receipt: &mut Receipt| match field {
            0 => receipt.amount -= 1,
            1 => receipt.units += 1,
            _ => receipt.output = B256::ZERO,
        };
        tamper(&mut chain(&mut evidence).receipts[1].receipt);
        tamper(&mut evidence.tasks[1].published.as_mut().unwrap().parts[0].receipts[0].receipt);
        assert!(["amount_differs", "not_signed"].contains(&first(&evidence)), "{field}: {}", first(&evidence));
        assert!(audit(ledger(), OPERATOR, &evidence).discrepancies > 1, "the chain is broken behind it");
    }
}

#[test]
fn a_chain_that_was_rewritten_as_a_whole_is_found_by_what_was_claimed() {
    let mut evidence = honest();
    let mut pay = evidence.tasks[0].published.clone().unwrap().pay.unwrap();
    // It says that the work was larger, so that each receipt earns less; all hashes are made anew.
    pay.units = WorkUnits(125);
    let mut previous = B256::ZERO;
    let mut made = Vec::new();
    for view in &chain(&mut evidence).receipts {
        let receipt = Receipt { amount: 200, previous, ..view.receipt };
        previous = receipt.hash();
        made.push(signed(receipt));
    }
    for (task, n) in evidence.tasks.iter_mut().zip(1..) {
        let published = task.published.as_mut().unwrap();
        published.pay = Some(pay);
        published.parts[0].receipts = made.iter().filter(|view| view.receipt.task == self::task(n)).cloned().collect();
    }
    chain(&mut evidence).receipts = made;
    assert_eq!(first(&evidence), "claim_differs");
}

/// The chain's receipts earn this, one after the other, each signed anew; nothing was claimed.
fn earning(evidence: &mut Evidence, amounts: [u128; 4]) {
    let mut previous = B256::ZERO;
    for (view, amount) in chain(evidence).receipts.iter_mut().zip(amounts) {
        *view = signed(Receipt { amount, previous, ..view.receipt });
        previous = view.receipt.hash();
    }
    let made = chain(evidence).receipts.clone();
    for (task, n) in evidence.tasks.iter_mut().zip(1..) {
        let receipts = made.iter().filter(|view| view.receipt.task == self::task(n)).cloned().collect();
        task.published.as_mut().unwrap().parts[0].receipts = receipts;
    }
    evidence.claims.clear();
}

#[test]
fn what_was_competed_for_may_earn_less_but_not_nothing_and_never_more() {
    let compete = |amounts| {
        let mut evidence = honest();
        evidence.tasks[0].published.as_mut().unwrap().strategy = Strategy::Compete;
        earning(&mut evidence, amounts);
        evidence
    };
    let fine = compete([1, 250, 250, 250]);
    let verdict = audit(ledger(), OPERATOR, &fine);
    assert_eq!((verdict.first, verdict.figures.bid_below[&TOKEN].as_str()), (None, "249"));
    assert_eq!(first(&compete([0, 250, 250, 250])), "amount_differs", "nobody bids nothing");
    assert_eq!(first(&compete([251, 250, 250, 250])), "amount_differs", "more than there is");
    assert_eq!(first(&compete([250, 249, 250, 250])), "amount_differs", "the other task was not competed for");
}

#[test]
fn a_changed_share_or_reward_is_found() {
    let mut evidence = honest();
    evidence.tasks[0].share = 6_000;
    assert_eq!(first(&evidence), "share_changed");
    let mut evidence = honest();
    evidence.tasks[0].terms = Some((TOKEN, 2_000, 100));
    assert_eq!(first(&evidence), "reward_changed");
    let mut evidence = honest();
    evidence.tasks[0].kept_apart = Some(U256::from(499));
    assert_eq!(first(&evidence), "kept_apart_differs");
    let mut evidence = honest();
    evidence.kept.get_mut(&TOKEN).unwrap().swept -= U256::from(1);
    assert_eq!(first(&evidence), "money_differs");
}

#[test]
fn a_missing_job_is_found() {
    let mut evidence = honest();
    evidence.tasks[0].published.as_mut().unwrap().parts[0].receipts.pop();
    assert_eq!(first(&evidence), "missing_job");
    // Out of the chain, too: what follows does not follow any more.
    let mut evidence = honest();
    chain(&mut evidence).receipts.remove(1);
    chain(&mut evidence).count -= 1;
    evidence.tasks[1].published.as_mut().unwrap().parts[0].receipts.remove(0);
    assert_eq!(first(&evidence), "chain_broken");
    // The last ones of a chain, which were claimed.
    let mut evidence = honest();
    let chain = chain(&mut evidence);
    chain.receipts.truncate(2);
    chain.count = 2;
    for task in &mut evidence.tasks {
        task.published.as_mut().unwrap().parts[0].receipts.truncate(1);
    }
    let verdict = audit(ledger(), OPERATOR, &evidence);
    assert_eq!(verdict.first.unwrap().code, "receipts_hidden");
    // Not claimed, nobody but its prover can tell; what is left is a task that was not paid as it was quoted.
    evidence.claims.clear();
    let verdict = audit(ledger(), OPERATOR, &evidence);
    assert_eq!((verdict.first, verdict.figures.partly_paid.len()), (None, 2));
    // Nothing at all.
    let mut evidence = honest();
    evidence.tasks[0].published = None;
    assert_eq!(first(&evidence), "task_unpublished");
}

#[test]
fn an_invented_job_is_found() {
    // For a prover that did not do it.
    let mut evidence = honest();
    let last = chain(&mut evidence).receipts[3].receipt;
    let invented = Receipt { index: 9, previous: last.hash(), ..last };
    let unsigned = ReceiptView { receipt: invented, signature: Bytes::from(vec![1; 65]), tranche: 0 };
    chain(&mut evidence).receipts.push(unsigned.clone());
    chain(&mut evidence).count += 1;
    evidence.tasks[1].published.as_mut().unwrap().parts[0].receipts.push(unsigned);
    assert_eq!(first(&evidence), "not_signed");
    // Of a task that there is not.
    let mut evidence = honest();
    let stray = signed(Receipt { task: task(9), previous: last.hash(), ..last });
    chain(&mut evidence).receipts.push(stray);
    chain(&mut evidence).count += 1;
    assert_eq!(first(&evidence), "unknown_task");
    // The same twice.
    let mut evidence = honest();
    let twice = signed(Receipt { previous: last.hash(), ..last });
    chain(&mut evidence).receipts.push(twice.clone());
    chain(&mut evidence).count += 1;
    evidence.tasks[1].published.as_mut().unwrap().parts[0].receipts.push(twice);
    assert_eq!(first(&evidence), "job_twice");
    // In no chain.
    let mut evidence = honest();
    let nowhere = signed(Receipt { index: 8, ..last });
    evidence.tasks[1].published.as_mut().unwrap().parts[0].receipts.push(nowhere);
    assert_eq!(first(&evidence), "invented_job");
    let job = LeasedJob { task: task(1), index: 0, fence: 1 };
    assert_eq!(job, chain(&mut honest()).receipts[0].receipt.job());
}

#[test]
fn caps_are_the_ones_on_chain() {
    let mut evidence = honest();
    evidence.tranches[0].caps.as_mut().unwrap()[0].amount += 1;
    assert_eq!(first(&evidence), "caps_differ");
    evidence.tranches[0].caps = None;
    assert_eq!(first(&evidence), "caps_unpublished");
}

#[test]
fn what_has_not_ended_is_not_missed() {
    let mut evidence = honest();
    // The second task still runs: strangers see one receipt, the claim is of three.
    let published = evidence.tasks[1].published.take();
    assert!(published.is_some());
    (evidence.tasks[1].over, evidence.tasks[1].kept_apart) = (false, None);
    evidence.kept.get_mut(&TOKEN).unwrap().swept -= U256::from(500);
    chain(&mut evidence).receipts.truncate(1);
    let verdict = audit(ledger(), OPERATOR, &evidence);
    assert_eq!((verdict.first, verdict.figures.receipts_to_come), (None, 3));
}

#[test]
fn receipts_are_held_back_for_tasks_that_are_under_way_and_for_nothing_else() {
    // All of it, with the right count: nothing is under way.
    for shown in [0, 1, 3] {
        let mut evidence = honest();
        chain(&mut evidence).receipts.truncate(shown);
        let kept: Vec<_> = chain(&mut evidence).receipts.iter().map(|view| view.receipt.hash()).collect();
        for task in &mut evidence.tasks {
            let part = &mut task.published.as_mut().unwrap().parts[0];
            part.receipts.retain(|view| kept.contains(&view.receipt.hash()));
        }
        assert_eq!(first(&evidence), "receipts_withheld", "{shown}");
    }
    let live = || {
        let mut evidence = honest();
        (evidence.tasks[1].over, evidence.tasks[1].kept_apart, evidence.tasks[1].published) = (false, None, None);
        evidence.kept.get_mut(&TOKEN).unwrap().swept -= U256::from(500);
        chain(&mut evidence).receipts.truncate(1);
        evidence
    };
    assert_eq!(first(&live()), "none");
    // The next one is of a task that has ended.
    let mut evidence = live();
    chain(&mut evidence).receipts.clear();
    assert_eq!(first(&evidence), "receipts_withheld");
    // It was claimed before anything that is under way was published.
    let mut evidence = live();
    evidence.claims[0].block = 19;
    evidence.tasks[0].published.as_mut().unwrap().parts[0].receipts.truncate(1);
    assert_eq!(first(&evidence), "receipts_withheld");
    // Those that are named elsewhere are all that is left.
    let mut evidence = live();
    chain(&mut evidence).count = 2;
    evidence.claims.clear();
    assert_eq!(first(&evidence), "receipts_withheld");
}

#[test]
fn what_came_while_the_operator_was_asked_is_passed_over() {
    let mut evidence = honest();
    let last = chain(&mut evidence).receipts[3].receipt;
    let came = signed(Receipt { task: task(9), previous: last.hash(), ..last });
    chain(&mut evidence).receipts.push(came);
    // Another one is still under way.
    chain(&mut evidence).count += 2;
    evidence.later.insert(task(9));
    assert_eq!(first(&evidence), "none");
    evidence.later.clear();
    assert_eq!(first(&evidence), "unknown_task");
    // A task that ended while it was asked: on chain it was under way, and all of it is published.
    let mut evidence = honest();
    (evidence.tasks[1].over, evidence.tasks[1].kept_apart) = (false, None);
    evidence.kept.get_mut(&TOKEN).unwrap().swept -= U256::from(500);
    assert_eq!(first(&evidence), "none");
}
