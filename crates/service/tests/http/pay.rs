//! What provers are paid: set apart, promised, vouched for, published.

use crate::{
    support::{Answer, CHAIN, OPERATOR, Service, TOKEN, key},
    work::Work,
};
use alloy::signers::{SignerSync, local::PrivateKeySigner};
use serde_json::{Value, json};
use zkpool_api::{EarmarksReply, Paid, ReceiptsReply, TaskPayReply, TrancheReply};
use zkpool_protocol::{
    Address, BlobId, Bytes, Strategy, WorkUnits,
    pay::{Cap, CapTree, LeasedJob, Ledger, SignedResult, Voucher},
};
use zkpool_store::{LeaseEnd, LeaseRecord, ProverId, TrancheStatus};

const LEDGER: Address = Address::repeat_byte(0x1e);

fn ledger() -> Ledger {
    Ledger { chain_id: CHAIN, address: LEDGER }
}

fn wishes(deposit: bool) -> Value {
    json!({
        "pay": {
            "ledger": LEDGER, "share_bps": 5_000, "every": 0, "close_after": 1_000,
            "tranches": [{
                "token": TOKEN, "cap": "100", "first_cap": "10", "low": "2", "sweep_above": "5", "deposit": deposit,
            }],
        },
    })
}

impl Service {
    async fn paying(deposit: bool) -> Self {
        Self::paying_as(wishes(deposit)).await
    }

    async fn paying_as(wishes: Value) -> Self {
        let service = Self::with(wishes, Default::default()).await;
        service.see_chain(10);
        service
    }

    /// That has announced its share, and has money for its provers, newcomers among them.
    async fn rich() -> Self {
        let mut wishes = wishes(false);
        wishes["pay"]["tranches"][0]["newcomers"] = 1_000.into();
        let service = Self::paying_as(wishes).await;
        {
            let mut books = service.ledger.books();
            (books.share, books.fund) = (5_000, 10_000);
        }
        service
    }

    /// With a job in a prover's hands, and money set apart for it.
    async fn at_work() -> (Self, Work, PrivateKeySigner, LeaseRecord) {
        let service = Self::paying(false).await;
        {
            let mut books = service.ledger.books();
            (books.share, books.fund) = (5_000, 100);
        }
        let work = service.work().await;
        let prover = key(1);
        let lease = service.lease(&work, prover.address()).await;
        service.settle_pay().await;
        (service, work, prover, lease)
    }

    async fn join(&self, prover: &PrivateKeySigner, unpaid: bool) {
        let token = self.token(prover).await;
        let kinds = json!([{ "kind": "groth16-bn254", "units_per_second": 100.0 }]);
        let mut body = json!({ "device": "rig", "cpus": 1, "memory": 1 << 30, "kinds": kinds, "concurrency": 1 });
        if unpaid {
            body["unpaid"] = true.into();
        }
        assert_eq!(self.call("POST /v1/provers/join", Some(&token), &body).await.status, 200);
    }

    /// Joins, and asks for so many wei for a million units of work.
    async fn join_asking(&self, prover: &PrivateKeySigner, ask: u128) {
        let token = self.token(prover).await;
        let kind = "groth16-bn254";
        let body = json!({
            "device": "rig", "cpus": 1, "memory": 1 << 30, "concurrency": 1,
            "kinds": [{ "kind": kind, "units_per_second": 100.0 }],
            "asks": [{ "kind": kind, "wei_per_million_units": ask.to_string() }],
        });
        assert_eq!(self.call("POST /v1/provers/join", Some(&token), &body).await.status, 200);
    }

    /// Hands jobs out while all of these wait for one.
    async fn dispatch(&self, waiting: &[&PrivateKeySigner]) {
        let id = |prover: &&PrivateKeySigner| ProverId { address: prover.address(), device: "rig".into() };
        let ids: Vec<ProverId> = waiting.iter().map(id).collect();
        let _waiting: Vec<_> = ids.iter().map(|id| self.ctx.status.wait(id, self.ctx.clock.now())).collect();
        self.reconcile(&["dispatch"]).await;
    }

    async fn return_result(&self, work: &Work, lease: &LeaseRecord, by: &PrivateKeySigner, output: &[u8]) -> Answer {
        let leased = LeasedJob { task: work.id, index: 0, fence: lease.token };
        let said = SignedResult { operator: OPERATOR, job: leased.id(), output: BlobId::of(output).into() };
        let signature = by.sign_hash_sync(&said.digest(&ledger())).unwrap();
        let signature = Bytes::from(signature.as_bytes().to_vec());
        let body = json!({ "fence": lease.token, "proof": work.proof, "signature": signature });
        // Whoever holds the lease sends it, whoever has signed.
        let holder = [key(1), key(2)].into_iter().find(|key| key.address() == lease.prover.address).unwrap();
        let token = self.token(&holder).await;
        self.call(&format!("POST /v1/jobs/{}/result", work.job), Some(&token), &body).await
    }
}

fn paid(answer: &Answer) -> Paid {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_value(answer.json()["paid"].clone()).unwrap()
}

#[tokio::test]
async fn money_is_set_apart_for_whoever_joins() {
    let service = Service::paying(false).await;
    assert_eq!(service.get("/v1/info", None).await.json()["pay"]["share"], 5_000);
    service.join(&key(1), false).await;
    service.join(&key(2), true).await;
    // The share is announced; without money nothing can be set apart.
    assert_eq!(service.settle_pay().await, ["share"]);
    assert_eq!(service.ledger.books().share, 5_000);
    service.ledger.books().kept = 12;
    assert_eq!(service.settle_pay().await, ["sweep", "tranche"]);
    assert_eq!(service.ledger.books().fund, 2);
    assert_eq!(service.ledger.books().tranches.len(), 1);

    // Whoever joins later is in the next one, as far as the money goes.
    service.join(&key(3), false).await;
    assert_eq!(service.settle_pay().await, [""; 0]);
    service.ledger.books().kept = 8;
    assert_eq!(service.settle_pay().await, ["sweep", "tranche"]);

    let (mine, on_chain) = (key(1).address(), service.ledger.books().tranches[0]);
    let reply: EarmarksReply =
        serde_json::from_slice(&service.get(&format!("/v1/pay/provers/{mine}"), None).await.body).unwrap();
    let [earmark] = &reply.earmarks[..] else { panic!("one: {reply:?}") };
    let cap = Cap { prover: mine, amount: earmark.cap };
    assert_eq!((earmark.cap, earmark.proof().verify(&cap, on_chain.root, on_chain.total)), (10, Some(0)));
    let reply: TrancheReply = serde_json::from_slice(&service.get("/v1/pay/tranches/1", None).await.body).unwrap();
    assert_eq!(CapTree::new(&reply.caps).unwrap().root().0, service.ledger.books().tranches[1].root);
    assert_eq!(reply.caps[0].prover, key(3).address());
    service.get("/v1/pay/tranches/2", None).await.refused(404, "not_found");

    // Old ones are closed, and what is left of them is taken back: nobody who is there works out of them.
    service.clock.advance(1_001);
    let done = service.settle_pay().await;
    assert!(done.starts_with(&["close-tranche".into(), "close-tranche".into()]), "{done:?}");
    let status = |index: u64| {
        let store = service.ctx.store.clone();
        async move { store.tranches().await.unwrap()[usize::try_from(index).unwrap()].status }
    };
    assert_eq!((status(0).await, status(1).await), (TrancheStatus::Reclaimed, TrancheStatus::Reclaimed));
}

#[tokio::test]
async fn what_the_fund_is_short_of_is_deposited() {
    let service = Service::paying(true).await;
    service.ledger.books().wallet = 1_000;
    service.join(&key(1), false).await;
    assert_eq!(service.settle_pay().await, ["approve-ledger", "share", "fund", "tranche"]);
    assert_eq!(service.ledger.books().wallet, 990);
    assert_eq!(service.ledger.books().fund, 0);
}

#[tokio::test]
async fn a_plan_that_died_half_way_is_made_anew() {
    let service = Service::paying(false).await;
    service.join(&key(1), false).await;
    service.settle_pay().await;
    service.ledger.books().fund = 100;
    // The tranche is planned and recorded, and then its money is gone.
    zkpool_service::reconcile_once(&service.ctx, &["pay"]).await.unwrap();
    service.ledger.books().fund = 0;
    assert_eq!(service.ledger.mine(&service.chain), ["tranche failed"]);
    assert_eq!(service.ctx.store.tranches().await.unwrap()[0].status, TrancheStatus::Planned);
    service.ledger.books().fund = 100;
    assert_eq!(service.settle_pay().await, ["tranche"]);
    assert_eq!(service.ctx.store.tranches().await.unwrap()[0].status, TrancheStatus::Open);
    // Planned by a run that died before it recorded anything.
    service.join(&key(2), false).await;
    zkpool_service::reconcile_once(&service.ctx, &["pay"]).await.unwrap();
    service.chain.records.lock().unwrap().retain(|purpose, _| !purpose.starts_with("tranche:1:"));
    assert_eq!(service.settle_pay().await, ["tranche"]);
    assert_eq!(service.ledger.books().tranches.len(), 2);
}

#[tokio::test]
async fn an_accepted_result_is_vouched_for_and_a_retry_gets_the_same_voucher() {
    let (service, work, prover, lease) = Service::at_work().await;
    let token = service.token(&prover).await;
    let claim = json!({ "device": "rig", "wait": 0 });
    let job = service.call("POST /v1/jobs/claim", Some(&token), &claim).await.json();
    // Half of a reward of 3, for all of its units, rounded down.
    assert_eq!(job["job"]["pay"], json!({ "token": TOKEN, "amount": "1" }), "{job}");

    let unsigned = json!({ "fence": lease.token, "proof": work.proof });
    let route = format!("POST /v1/jobs/{}/result", work.job);
    service.call(&route, Some(&token), &unsigned).await.refused(400, "bad_request");
    service.return_result(&work, &lease, &key(9), &work.proof).await.refused(400, "bad_request");
    service.return_result(&work, &lease, &prover, b"something else").await.refused(400, "bad_request");

    let first = service.return_result(&work, &lease, &prover, &work.proof).await;
    let earned = paid(&first);
    let again = service.return_result(&work, &lease, &prover, &work.proof).await;
    assert_eq!(paid(&again), earned, "the same voucher with the same signature");
    assert_eq!((earned.receipt.amount, earned.receipt.output), (1, BlobId::of(&work.proof).into()));
    let none = Voucher::none(OPERATOR, 0, prover.address());
    assert_eq!(none.after(&earned.receipt), Some(earned.voucher.voucher));
    let signer = service.ledger.books().tranches[0].signer;
    assert_eq!(earned.voucher.signer(&ledger()).unwrap(), signer);

    let page = String::from_utf8(service.get("/metrics", None).await.body.to_vec()).unwrap();
    // What others in this process do to the same names is theirs; nobody else here has this token.
    let value = |name: &str| {
        let line = format!("zkpool_pay_{name}{{token=\"{TOKEN}\"}} ");
        page.lines().find_map(|known| known.strip_prefix(&line)).map(|value| value.parse::<f64>().unwrap())
    };
    let gauges = ["vouched", "left", "provers", "earners"].map(value);
    assert_eq!(gauges, [Some(1.0), Some(9.0), Some(1.0), Some(1.0)], "{page}");
    assert!(value("receipts_total").unwrap() >= 1.0 && value("last_voucher_timestamp_seconds").unwrap() >= 1.8e9);
    assert!(page.contains("zkpool_provers_out 0"), "{page}");

    // The prover sees its receipts at once, everybody else when the task has ended.
    let path = format!("/v1/pay/provers/{}/receipts?tranche=0", prover.address());
    let read = |answer: Answer| serde_json::from_slice::<ReceiptsReply>(&answer.body).unwrap();
    let mine = read(service.get(&path, Some(&token)).await);
    assert_eq!((mine.receipts[0].receipt, mine.count), (earned.receipt, 1));
    let theirs = read(service.get(&path, None).await);
    assert_eq!((theirs.receipts.len(), theirs.count), (0, 1));
    let of_task = format!("/v1/pay/tasks/{}", work.id);
    service.get(&of_task, None).await.refused(404, "not_found");
    service.deliver(&work).await;
    assert_eq!(read(service.get(&path, None).await), mine);
    let reply: TaskPayReply = serde_json::from_slice(&service.get(&of_task, None).await.body).unwrap();
    let pay = reply.pay.unwrap();
    assert_eq!((pay.reward, pay.share, pay.token), (3, 5_000, TOKEN));
    assert_eq!(reply.parts[0].receipts, mine.receipts);
    let earmarks = service.get(&format!("/v1/pay/provers/{}", prover.address()), None).await;
    let earmarks: EarmarksReply = serde_json::from_slice(&earmarks.body).unwrap();
    assert_eq!(earmarks.earmarks[0].voucher, Some(earned.voucher));
}

#[tokio::test]
async fn the_best_bid_has_the_job_and_is_paid_what_the_next_would_have_cost() {
    let service = Service::rich().await;
    let (dear, cheap, dearest) = (key(1), key(2), key(3));
    service.join_asking(&dear, 700_000).await;
    service.join_asking(&cheap, 400_000).await;
    service.join_asking(&dearest, 1_000_001).await;
    let work = service.work_by(Strategy::Compete, 2_000).await;
    service.dispatch(&[]).await;
    assert_eq!(service.settle_pay().await, ["tranche"]);
    let all = [&dear, &cheap, &dearest];
    service.dispatch(&all).await;
    assert!(service.ctx.store.leases_of(work.job).await.unwrap().is_empty(), "it is open for bids");
    service.clock.advance(2);
    service.dispatch(&all).await;
    let [lease] = &service.ctx.store.leases_of(work.job).await.unwrap()[..] else { panic!("one") };
    // A thousand is what the job pays at most.
    assert_eq!((lease.prover.address, lease.pay), (cheap.address(), Some(700)));

    let token = service.token(&cheap).await;
    let job = service.call("POST /v1/jobs/claim", Some(&token), &json!({ "device": "rig", "wait": 0 })).await.json();
    assert_eq!(job["job"]["pay"], json!({ "token": TOKEN, "amount": "700" }), "{job}");
    let earned = paid(&service.return_result(&work, lease, &cheap, &work.proof).await);
    assert_eq!((earned.receipt.amount, earned.voucher.voucher.amount), (700, 700));
    service.deliver(&work).await;
    let of_task = service.get(&format!("/v1/pay/tasks/{}", work.id), None).await;
    let reply: TaskPayReply = serde_json::from_slice(&of_task.body).unwrap();
    assert_eq!(reply.strategy, Strategy::Compete);
    assert_eq!(reply.pay.unwrap().amount(WorkUnits(1_000)), 1_000);
    assert_eq!(reply.parts[0].receipts[0].receipt, earned.receipt);
}

#[tokio::test]
async fn whoever_asks_for_more_than_a_job_pays_does_not_get_it() {
    let service = Service::rich().await;
    let (dear, cheap) = (key(1), key(2));
    service.join_asking(&dear, 1_000_001).await;
    let work = service.work_by(Strategy::Assign, 2_000).await;
    service.dispatch(&[]).await;
    service.settle_pay().await;
    service.dispatch(&[&dear]).await;
    assert!(service.ctx.store.leases_of(work.job).await.unwrap().is_empty());
    service.join_asking(&cheap, 1_000_000).await;
    // Who has enough does not want it: enough is set apart for somebody else.
    assert_eq!(service.settle_pay().await, ["tranche"]);
    service.dispatch(&[&dear, &cheap]).await;
    let [lease] = &service.ctx.store.leases_of(work.job).await.unwrap()[..] else { panic!("one") };
    assert_eq!((lease.prover.address, lease.pay), (cheap.address(), Some(1_000)), "assigned: not what it asks");
    let token = service.token(&cheap).await;
    for ask in ["0", "-1", "x"] {
        let asks = json!([{ "kind": "groth16-bn254", "wei_per_million_units": ask }]);
        let kinds = json!([{ "kind": "groth16-bn254", "units_per_second": 1.0 }]);
        let body = json!({ "device": "rig", "cpus": 1, "memory": 1, "concurrency": 1, "kinds": kinds, "asks": asks });
        service.call("POST /v1/provers/join", Some(&token), &body).await.refused(400, "bad_request");
    }
}

#[tokio::test]
async fn of_a_race_the_first_is_paid_for_all_and_nothing_counts_against_the_others() {
    let service = Service::rich().await;
    let (slow, quick, third) = (key(1), key(2), key(3));
    for prover in [&slow, &quick, &third] {
        service.join(prover, false).await;
    }
    let work = service.work_by(Strategy::Race { provers: 2 }, 2_000).await;
    service.dispatch(&[]).await;
    service.settle_pay().await;
    service.dispatch(&[&slow]).await;
    service.dispatch(&[&quick]).await;
    // As many as are wanted, and no more.
    service.dispatch(&[&third]).await;
    let leases = service.ctx.store.leases_of(work.job).await.unwrap();
    let [first, second] = &leases[..] else { panic!("two: {leases:?}") };
    assert_eq!((first.pay, second.pay), (Some(1_000), Some(1_000)));
    let earned = paid(&service.return_result(&work, second, &quick, &work.proof).await);
    assert_eq!(earned.receipt.amount, 1_000);

    let token = service.token(&slow).await;
    let beat = json!({ "fence": first.token, "stage": "proving", "progress": 0.9 });
    let told = service.call(&format!("POST /v1/jobs/{}/heartbeat", work.job), Some(&token), &beat).await.json();
    assert!(told["cancelled"].as_str().is_some_and(|why| why.contains("there already")), "{told}");
    service.return_result(&work, first, &slow, &work.proof).await.refused(409, "lease_lost");
    let prover = service.ctx.store.prover(&first.prover).await.unwrap().unwrap();
    assert_eq!(prover.standing, zkpool_store::Standing::default());
    let ended = service.ctx.store.lease(work.job, first.token).await.unwrap().unwrap().ended;
    assert_eq!(ended, Some(LeaseEnd::Cancelled));
    assert_eq!(service.ctx.store.earnings_of_task(work.key).await.unwrap().len(), 1);
    let view = service.get(&format!("/v1/tasks/{}", work.id), None).await.json();
    assert_eq!((view["strategy"].as_str(), view["jobs"][0]["failures"].as_array()), (Some("race:2"), None));
}

#[tokio::test]
async fn nobody_is_given_a_job_for_which_nothing_is_set_apart() {
    let service = Service::paying(false).await;
    service.ledger.books().share = 5_000;
    let work = service.work().await;
    let (poor, other) = (key(1), key(2));
    service.join(&poor, false).await;
    let claim = async |prover: &PrivateKeySigner| {
        let token = service.token(prover).await;
        let body = json!({ "device": "rig", "wait": 1 });
        let (answer, ()) = tokio::join!(service.call("POST /v1/jobs/claim", Some(&token), &body), async {
            for _ in 0..20 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                zkpool_service::reconcile_once(&service.ctx, &["dispatch"]).await.unwrap();
            }
        });
        answer.json()["job"]["id"].clone()
    };
    assert_eq!(claim(&poor).await, Value::Null);
    // One that works for nothing gets it.
    service.join(&other, true).await;
    assert_eq!(claim(&other).await, json!(work.job.to_string()));
}

#[tokio::test]
async fn without_a_ledger_everything_is_paid_outside() {
    let service = Service::start().await;
    let info = service.get("/v1/info", None).await.json();
    assert!(info.get("pay").is_none(), "{info}");
    let work = service.work().await;
    let prover = key(1);
    let lease = service.lease(&work, prover.address()).await;
    let token = service.token(&prover).await;
    let body = json!({ "fence": lease.token, "proof": work.proof });
    let answer = service.call(&format!("POST /v1/jobs/{}/result", work.job), Some(&token), &body).await.json();
    assert!(answer["job"] == "done" && answer.get("paid").is_none(), "{answer}");
    assert_eq!(service.get("/v1/pay/tranches", None).await.json(), json!({ "tranches": [] }));
}

/// Where the tranches stand.
async fn tranches(service: &Service) -> Vec<TrancheStatus> {
    service.ctx.store.tranches().await.unwrap().iter().map(|tranche| tranche.status).collect()
}

#[tokio::test]
async fn a_tranche_is_closed_when_the_next_one_is_open_or_does_not_come() {
    let service = Service::paying(false).await;
    let prover = key(1);
    service.join(&prover, false).await;
    service.ledger.books().fund = 10;
    service.settle_pay().await;
    service.clock.advance(1_001);
    service.join(&prover, false).await;
    assert_eq!(service.settle_pay().await, [""; 0], "there is no money for another");
    service.ledger.books().fund = 10;
    let done = service.settle_pay().await;
    assert_eq!(done[..2], ["tranche", "close-tranche"]);
    assert_eq!(tranches(&service).await[1], TrancheStatus::Open);
    // Nobody waits for ever.
    service.ledger.books().fund = 0;
    service.clock.advance(24 * 3_600 + 1_001);
    service.join(&prover, false).await;
    assert_eq!(service.settle_pay().await[0], "close-tranche");
}

#[tokio::test]
async fn a_job_in_hand_is_paid_whatever_becomes_of_tranche_and_key() {
    let (service, work, prover, lease) = Service::at_work().await;
    // Its tranche can be claimed from for too short a time, and the key is another one.
    let soon = service.ctx.clock.now() / 1_000 + 3_600;
    service.ctx.store.note_tranche(0, TrancheStatus::Closing, Some(soon)).await.unwrap();
    let old = service.chain.key.lock().unwrap().replace(zkpool_chain::Key::random());
    let refused = service.return_result(&work, &lease, &prover, &work.proof).await;
    refused.refused(503, "not_set_apart");
    assert!(service.ctx.store.earning(work.job, lease.token).await.unwrap().is_none());
    // The next one is opened at once, and the same result is taken.
    assert_eq!(service.settle_pay().await, ["tranche"]);
    let earned = paid(&service.return_result(&work, &lease, &prover, &work.proof).await);
    assert_eq!((earned.voucher.voucher.tranche, earned.receipt.amount), (1, 1));
    let signer = service.ledger.books().tranches[1].signer;
    assert_eq!(earned.voucher.signer(&ledger()).unwrap(), signer);
    // Nothing is signed by a key that is not the tranche's.
    *service.chain.key.lock().unwrap() = old;
    service.return_result(&work, &lease, &prover, &work.proof).await.refused(500, "internal");
}

#[tokio::test]
async fn a_share_is_read_from_the_tasks_own_slot_or_not_at_all() {
    let service = Service::paying(false).await;
    service.ledger.books().share = 5_000;
    service.ledger.books().behind = true;
    let work = service.work().await;
    let prover = key(1);
    service.lease(&work, prover.address()).await;
    zkpool_service::reconcile_once(&service.ctx, &["dispatch", "pay"]).await.unwrap();
    let token = service.token(&prover).await;
    let claim = json!({ "device": "rig", "wait": 0 });
    service.call("POST /v1/jobs/claim", Some(&token), &claim).await.refused(503, "not_set_apart");
    assert_eq!(service.ctx.store.pay_of(work.key).await.unwrap(), None);
    service.ledger.books().behind = false;
    zkpool_service::reconcile_once(&service.ctx, &["dispatch"]).await.unwrap();
    assert_eq!(service.ctx.store.pay_of(work.key).await.unwrap().unwrap().share, 5_000);
}

#[tokio::test]
async fn newcomers_lock_up_no_more_than_a_bound_and_come_in_the_order_of_joining() {
    let mut wishes = wishes(true);
    wishes["pay"]["tranches"][0]["newcomers"] = 3.into();
    let service = Service::with(wishes, Default::default()).await;
    service.see_chain(10);
    // The wallet has less than is wanted: it is taken as far as it goes.
    service.ledger.books().wallet = 25;
    let mut names: Vec<_> = (1..=5).map(key).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.address()));
    for name in &names {
        service.join(name, false).await;
        service.clock.advance(1);
    }
    assert_eq!(service.settle_pay().await, ["approve-ledger", "share", "fund", "tranche"]);
    let caps = async |index| {
        let caps = service.ctx.store.caps_of(index).await.unwrap();
        caps.iter().map(|cap| cap.prover).collect::<Vec<_>>()
    };
    let first: Vec<_> = names.iter().map(|name| name.address()).collect();
    assert_eq!(caps(0).await, first[..2]);
    // There is room for one more, whatever money there is.
    service.ledger.books().wallet = 1_000;
    service.settle_pay().await;
    assert_eq!(caps(1).await, first[2..3]);
    assert_eq!(service.settle_pay().await, [""; 0]);
    assert_eq!(service.ledger.books().tranches.len(), 2);
}

#[tokio::test]
async fn nothing_is_set_apart_for_who_is_away() {
    let service = Service::paying(false).await;
    service.ledger.books().fund = 100;
    service.join(&key(1), false).await;
    service.clock.advance(100_000);
    service.join(&key(2), false).await;
    service.settle_pay().await;
    let caps = service.ctx.store.caps_of(0).await.unwrap();
    assert_eq!(caps, [Cap { prover: key(2).address(), amount: 10 }]);
}
