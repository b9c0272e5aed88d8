//! Every process of the pool is killed in the middle of a task, as a power cut would, and started again.

use crate::stage::{OWNER, PATIENCE, Process, REQUESTER, SIGNER, SLOTS, Stage, wait_for};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
};
use tokio::runtime::Runtime;
use zkpool_api::{Client, ClientOptions, TaskView};
use zkpool_chain::{
    Cursor, Follower, PoolEvent, PoolView, Step,
    alloy::{primitives::Address, providers::Provider},
};
use zkpool_protocol::{Domain, JobState, TaskId, TaskState};

/// The chain, held or let go, and what is on it.
struct Ground<'a> {
    stage: &'a Stage,
    runtime: Runtime,
}

impl Ground<'_> {
    fn ask(&self, method: &str, params: Value) -> Value {
        self.runtime.block_on(self.stage.anvil.request(method, params)).unwrap()
    }

    /// No block is mined until [`Ground::release`]: what is sent stays in the mempool.
    fn hold(&self) {
        self.ask("evm_setAutomine", json!([false]));
        self.ask("evm_setIntervalMining", json!([0]));
    }

    /// A block a second again.
    fn release(&self) {
        self.ask("evm_setIntervalMining", json!([1]));
    }

    /// How many transactions wait.
    fn waiting(&self) -> usize {
        let status = self.ask("txpool_status", json!([]));
        usize::from_str_radix(status["pending"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    /// How many transactions an account has paid for.
    fn sent_by(&self, key: &str) -> u64 {
        let account: Address = self.stage.address(key).parse().unwrap();
        let rpc = self.stage.anvil.rpc();
        self.runtime.block_on(rpc.provider().get_transaction_count(account).into_future()).unwrap()
    }

    /// All that the pool said of tasks.
    fn events(&self) -> Vec<PoolEvent> {
        self.runtime.block_on(async {
            let mut follower = Follower::new(self.stage.anvil.rpc(), self.stage.pool.parse().unwrap());
            let (mut cursor, mut events) = (Cursor::starting_at(0), Vec::new());
            loop {
                let polled = follower.poll(&cursor).await.unwrap();
                let caught_up = polled.caught_up();
                for step in polled.steps {
                    if let Step::Block(block) = step {
                        events.extend(block.events.into_iter().map(|event| event.event));
                    }
                }
                cursor = polled.cursor;
                if caught_up {
                    events.retain(|event| event.task().is_some());
                    return events;
                }
            }
        })
    }

    /// The task as the service sees it, once it answers.
    fn task(&self, id: TaskId) -> Option<TaskView> {
        let client = Client::anonymous(&self.stage.url(), ClientOptions::default()).unwrap();
        self.runtime.block_on(client.task(id)).ok()
    }

    /// What the service measures, once it answers.
    fn metric(&self, name: &str) -> Option<f64> {
        let mut stream = TcpStream::connect(self.stage.url().trim_start_matches("http://")).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// What the operator has in its slots.
    fn collateral(&self) -> Vec<u128> {
        let domain = Domain { chain_id: self.stage.anvil.chain_id(), pool: self.stage.pool.parse().unwrap() };
        let view = PoolView::new(self.stage.anvil.rpc(), domain);
        let (operator, token) = (self.stage.address(OWNER).parse().unwrap(), self.stage.token.parse().unwrap());
        let slot = |index| self.runtime.block_on(view.slot(operator, token, index)).unwrap().collateral;
        (0..u32::try_from(SLOTS).unwrap()).map(slot).collect()
    }
}

#[test]
fn whoever_is_killed_in_the_middle_of_a_task_goes_on_with_it_and_nothing_is_paid_twice() {
    let stage = Stage::set();
    stage.configure();
    stage.run(&["operator", "set-signer", &stage.address(SIGNER)]).succeeds();
    stage.run(&["operator", "deposit", "9ether"]).succeeds();
    stage.run(&["request", "deposit", "1ether"]).succeeds();
    let start_service = || {
        let service = Process::start(&stage, &["service", "run"]);
        service.says("the service runs");
        service
    };
    let service = start_service();
    let prover = Process::start(&stage, &["prover", "run"]);
    prover.says("joined");
    stage.wait_for_slots();
    let ground = Ground { stage: &stage, runtime: Runtime::new().unwrap() };
    let money = || [REQUESTER, OWNER].map(|key| stage.pool_balance(key));
    let (before, collateral) = (money(), ground.collateral());
    let paid = [REQUESTER, SIGNER].map(|key| ground.sent_by(key));

    // The requester dies while its payment waits to be mined, and the service before it hears of it.
    ground.hold();
    let windows = ["--proof-window", "10m", "--liability-window", "20m"];
    let requester = Process::start(&stage, &[&["request", "run", "--inputs", &stage.input(1)], &windows[..]].concat());
    wait_for("the publication to be sent", || ground.waiting() == 1);
    requester.kill();
    service.kill();
    let service = start_service();

    // The requester goes on where it was. Service and prover die with the job in the prover's hands: it is given out
    // while the prover's clock stands.
    let requester = Process::start(&stage, &["request", "resume"]);
    wait_for("the prover to ask for a job", || ground.metric("zkpool_claims_waiting") == Some(1.0));
    prover.pause();
    ground.release();
    wait_for("the publication to be mined", || !ground.events().is_empty());
    let PoolEvent::Published { task, .. } = ground.events()[0] else { panic!("{:?}", ground.events()) };
    let leased = |view: TaskView| view.jobs.iter().any(|job| job.state == JobState::Leased);
    wait_for("the job to be given out", || ground.task(task).is_some_and(leased));
    service.kill();
    prover.kill();

    // The service dies when the proof is on its way to the contract, and the requester while it watches.
    ground.hold();
    let service = start_service();
    let prover = Process::start(&stage, &["prover", "run"]);
    prover.says("job taken");
    prover.says("proof accepted");
    wait_for("the proof to be sent", || ground.waiting() == 1);
    requester.says("published");
    service.kill();
    requester.kill();

    let service = start_service();
    ground.release();
    let ended = stage.json(&["request", "resume"]);
    assert_eq!((&ended[0]["task"], &ended[0]["outcome"]), (&json!(task), &json!("delivered")), "{ended}");
    assert_eq!((&ended[0]["stage"]["on_time"], ended.as_array().unwrap().len()), (&json!(true), 1), "{ended}");
    // Nothing is left to be done, and a second look says so.
    assert_eq!(stage.json(&["request", "resume"]), json!([]));

    // Once published, once delivered, once paid; each transaction was paid for once; one lease was enough.
    let events = ground.events();
    assert!(matches!(events[..], [PoolEvent::Published { .. }, PoolEvent::Delivered { .. }]), "{events:?}");
    let view = || ground.task(task).unwrap();
    wait_for("the service to hear of it", || view().state == TaskState::Delivered);
    let (view, after) = (view(), money());
    let reward = view.terms.as_ref().unwrap().reward;
    assert_eq!(after, [before[0] - reward, before[1] + reward]);
    assert_eq!(ground.collateral(), collateral);
    assert_eq!([REQUESTER, SIGNER].map(|key| ground.sent_by(key)), paid.map(|count| count + 1));
    assert_eq!(view.jobs[0].attempts, 1, "{view:?}");
    assert!(prover.stop().success() && service.stop().success());
}
