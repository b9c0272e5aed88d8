//! The whole road through the binary: a chain, contracts, a service, a prover and a requester as separate processes.

use crate::kit::Place;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use zkpool_backends::testing::{Quirk, generator_wasm, product, zkey};
use zkpool_chain::{
    alloy::{
        primitives::{Address, Bytes, U256},
        sol,
        sol_types::SolCall,
    },
    testing::{Anvil, AnvilOptions, MNEMONIC, contracts_dir},
};

/// Bound on every wait here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The operator's slots: one for each task within the validity of a quote.
const SLOTS: usize = 4;
// Accounts of anvil's, by their place in the mnemonic.
const DEPLOYER: &str = "mnemonic:WORDS/0";
const OWNER: &str = "mnemonic:WORDS/1";
const REQUESTER: &str = "mnemonic:WORDS/2";
const SIGNER: &str = "mnemonic:WORDS/3";
const PROVER: &str = "mnemonic:WORDS/4";

sol! {
    function mint(address to, uint256 amount);
    function totalSupply() view returns (uint256);
}

/// A process of the pool; killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    fn start(stage: &Stage, args: &[&str]) -> Self {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("zkpool"));
        command.args(args).current_dir(stage.place.path()).envs(stage.env()).env("RUST_LOG", "info");
        Self::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (send, lines) = mpsc::channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || err.lines().map_while(Result::ok).for_each(|line| drop(send.send(line))));
        Self { child, lines }
    }

    /// Waits until it says `words`.
    pub(crate) fn says(&self, words: &str) {
        let (end, mut said) = (Instant::now() + PATIENCE, String::new());
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if line.contains(words) {
                return;
            }
            said += &(line + "\n");
        }
        panic!("it never said {words:?}, but:\n{said}");
    }

    /// How many lines of those that it has written since hold `words`.
    fn said(&self, words: &str) -> usize {
        self.lines.try_iter().filter(|line| line.contains(words)).count()
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(mut self) -> ExitStatus {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > end => panic!("it did not stop"),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A chain with the contracts, and files to work with.
pub(crate) struct Stage {
    pub(crate) place: Place,
    pub(crate) anvil: Anvil,
    pub(crate) pool: String,
    pub(crate) token: String,
    pub(crate) verifier: String,
    out: String,
}

impl Stage {
    pub(crate) fn set() -> Self {
        let anvil = Anvil::start_with(&AnvilOptions { block_time: Some(1), ..AnvilOptions::default() }).unwrap();
        let place = Place::new();
        fs::write(place.path().join("product.zkey"), zkey(product(), 7)).unwrap();
        fs::write(place.path().join("product.wasm"), generator_wasm(Quirk::None)).unwrap();
        let out = contracts_dir().join("out").to_str().unwrap().to_owned();
        let mut stage = Self { place, anvil, pool: String::new(), token: String::new(), verifier: String::new(), out };
        stage.pool = stage.deploy(&["pool"], "pool");
        stage.token = stage.deploy(&["contract", "TestToken"], "contract");
        stage.verifier = stage.deploy(&["groth16-verifier", "--zkey", "product.zkey"], "verifier");
        assert_eq!(stage.deploy(&["pool"], "pool"), stage.pool, "deploying again changes nothing");
        for account in [1, 2] {
            stage.fund(&stage.anvil.account(account).to_string(), 20);
        }
        stage
    }

    /// Gives `account` ether for gas, and so many whole tokens.
    pub(crate) fn fund(&self, account: &str, tokens: u64) {
        let to: Address = account.parse().unwrap();
        let amount = U256::from(tokens) * U256::from(1_000_000_000_000_000_000u128);
        let (from, token): (Address, Address) = (self.anvil.account(0), self.token.parse().unwrap());
        let mint = Bytes::from(mintCall { to, amount }.abi_encode());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(self.anvil.set_ether(to, U256::from(1_000_000_000_000_000_000_000u128))).unwrap();
        runtime.block_on(self.anvil.send(from, Some(token), mint, U256::ZERO)).unwrap();
    }

    fn env(&self) -> [(&str, &str); 3] {
        [("WORDS", MNEMONIC), ("ZKPOOL_RPC", self.anvil.url()), ("ZKPOOL_POOL", &self.pool)]
    }

    fn run(&self, args: &[&str]) -> crate::kit::Ended {
        let env: Vec<_> = self.env().into_iter().filter(|(_, value)| !value.is_empty()).collect();
        self.place.run_with(args, &env)
    }

    fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).json()
    }

    fn deploy(&self, what: &[&str], name: &str) -> String {
        let args = [&["deploy"], what, &["--key", DEPLOYER, "--artifacts", &self.out]].concat();
        self.json(&args)[name].as_str().unwrap().to_owned()
    }

    fn address(&self, key: &str) -> String {
        self.run(&["key", "address", "--key", key]).out.trim().to_owned()
    }

    /// Writes everybody's configuration.
    fn configure(&self) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            r#"
            rpc = "{rpc}"
            chain_id = {chain}
            pool = "{pool}"

            [service]
            operator = "{operator}"
            data = "data"
            listen = "127.0.0.1:{port}"
            keys = {{ signer = "{SIGNER}", owner = "{OWNER}" }}
            chain = {{ poll_ms = 100, confirmations = 1 }}
            [[service.tokens]]
            address = "{token}"
            per_ether = "1000000000000000000"
            [[service.slots]]
            token = "{token}"
            count = {SLOTS}
            collateral = "2000000000000000000"
            honour = "100000000000000000"
            [[service.verifiers]]
            address = "{verifier}"
            kind = "groth16-bn254"

            [operator]
            key = "{OWNER}"
            token = "{token}"

            [prover]
            key = "{PROVER}"
            operators = "http://127.0.0.1:{port}"
            state = "prover"

            [request]
            key = "{REQUESTER}"
            operators = "http://127.0.0.1:{port}"
            token = "{token}"
            target = "{token}"
            verifier = "{verifier}"
            call_prefix = "0x{selector}"
            zkey = "product.zkey"
            wasm = "product.wasm"
            liability = "1ether"
            bond = "0.1ether"
            "#,
            rpc = self.anvil.url(),
            chain = self.anvil.chain_id(),
            pool = self.pool,
            operator = self.address(OWNER),
            token = self.token,
            verifier = self.verifier,
            selector = hex::encode(totalSupplyCall::SELECTOR),
        );
        self.place.write("zkpool.toml", text);
    }

    /// A fresh input.
    fn input(&self, tag: u32) -> String {
        self.place.write(&format!("input-{tag}.json"), format!(r#"{{"tag":"{tag}","a":"3","b":["4","5"]}}"#))
    }

    fn pool_balance(&self, of: &str) -> u128 {
        let balance = self.json(&["request", "balance", "--account", &self.address(of)]);
        balance["pool"].as_str().unwrap().parse().unwrap()
    }
}

#[test]
fn from_empty_directory_to_delivered_collected_and_withdrawn() {
    let stage = Stage::set();
    stage.configure();

    // The operator.
    stage.run(&["operator", "set-signer", &stage.address(SIGNER)]).succeeds();
    stage.run(&["operator", "deposit", "9ether"]).succeeds();
    let service = Process::start(&stage, &["service", "run"]);
    service.says("the service runs");
    // A second one on the same database; and on the same port, elsewhere.
    stage.run(&["service", "run", "--listen", "127.0.0.1:0"]).fails(3, "database_in_use", &["`data`"]);
    stage.run(&["service", "run", "--data", "other"]).fails(3, "bad_request", &["cannot listen"]);

    // The prover. One that means another chain does not start.
    stage.run(&["prover", "run", "--chain-id", "1", "--state", "astray"]).fails(3, "wrong_chain", &["chain"]);
    let prover = Process::start(&stage, &["prover", "run"]);
    prover.says("joined");
    wait_for_slots(&stage);

    // Without money in the pool there is no firm quote, and nothing is taken from the wallet unasked.
    let run = |tag: u32, more: &[&str]| stage.run(&[&["request", "run", "--inputs", &stage.input(tag)], more].concat());
    run(1, &[]).fails(5, "unfunded", &[]);
    assert_eq!(stage.pool_balance(REQUESTER), 0);
    let done = run(1, &["--deposit", "--json"]).json();
    assert_eq!(
        (&done["outcome"], &done["stage"]["on_time"], &done["stage"]["target_ok"]),
        (&"delivered".into(), &true.into(), &true.into())
    );
    let task = done["task"].as_str().unwrap().to_owned();
    // The same wish again, once its task has ended, is another task.
    let again = run(1, &["--deposit", "--json"]).json();
    assert_eq!(again["outcome"], "delivered");
    assert_ne!(again["task"], done["task"]);
    stage.run(&["request", "collect", &task]).succeeds();
    stage.run(&["request", "watch", &format!("0x{}", "77".repeat(32))]).fails(5, "not_found", &["--state"]);

    // Step by step.
    stage.run(&["request", "deposit", "1ether"]).succeeds();
    stage.run(&["request", "quote", "--inputs", &stage.input(2), "--out", "quote.json"]).succeeds();
    let shown = stage.json(&["quote", "show", "quote.json"]);
    assert_eq!((&shown["authentic"], &shown["backed"]), (&true.into(), &true.into()));
    // As long as it is open, it is the same task.
    let wish = ["request", "quote", "--inputs", &stage.input(2), "--out", "again.json"];
    stage.run(&wish).succeeds();
    assert_eq!(stage.json(&["quote", "show", "again.json"])["id"], shown["id"]);
    let before = stage.pool_balance(REQUESTER);
    let reward: u128 = shown["quote"]["terms"]["reward"].as_str().unwrap().parse().unwrap();
    for _ in 0..2 {
        // Publishing again pays nothing again.
        stage.run(&["request", "publish", "quote.json"]).succeeds();
        assert_eq!(stage.pool_balance(REQUESTER), before - reward);
    }
    let watched = stage.json(&["request", "watch", shown["id"].as_str().unwrap()]);
    assert_eq!(watched["outcome"], "delivered");

    // Nobody proves: what is owed is collected.
    let windows = ["--proof-window", "6s", "--liability-window", "10s"];
    let wish = ["request", "quote", "--inputs", &stage.input(3), "--out", "late.json"];
    stage.run(&[&wish[..], &windows].concat()).succeeds();
    assert!(prover.stop().success());
    stage.run(&["request", "publish", "late.json"]).succeeds();
    let late = stage.json(&["quote", "show", "late.json"])["id"].as_str().unwrap().to_owned();
    // The same wish is gone on with, not paid for again.
    let paid = stage.pool_balance(REQUESTER);
    let same = run(3, &[&windows[..], &["--no-watch", "--json"]].concat()).json();
    assert_eq!((&same["task"], stage.pool_balance(REQUESTER)), (&late.as_str().into(), paid));
    stage.run(&["request", "collect", &late]).fails(5, "bad_request", &["--wait"]);
    let ended = stage.json(&["request", "resume", "--collect"]);
    assert_eq!((&ended[0]["task"], &ended[0]["outcome"]), (&late.into(), &"defaulted".into()));
    assert!(stage.pool_balance(REQUESTER) > paid + 1_000_000_000_000_000_000, "liability and refund");
    assert_eq!(stage.json(&["request", "resume"]), Value::Array(vec![]));

    // The end.
    assert!(service.stop().success());
    let status = stage.json(&["operator", "status"]);
    assert_eq!(status["slots"].as_array().unwrap().len(), SLOTS);
    for (role, of) in [("request", REQUESTER), ("operator", OWNER)] {
        let balance = stage.pool_balance(of).to_string();
        stage.run(&[role, "withdraw", &balance]).succeeds();
        assert_eq!(stage.pool_balance(of), 0);
    }
    stage.run(&["operator", "close-slot", "0"]).succeeds();
    stage.run(&["operator", "empty-slot", "0"]).fails(5, "transaction_failed", &["empty slot 0"]);
}

#[test]
fn a_token_that_takes_a_fee_pays_for_collateral_and_proofs() {
    let mut stage = Stage::set();
    stage.token = stage.deploy(&["contract", "FeeToken"], "contract");
    for account in [1, 2] {
        stage.fund(&stage.anvil.account(account).to_string(), 20);
    }
    stage.configure();

    // Out of the wallet less arrives than a slot takes. That is tried once, not as fast as it can fail.
    let service = Process::start(&stage, &["service", "run"]);
    service.says("a transaction failed");
    thread::sleep(Duration::from_secs(4));
    assert!(service.said("a transaction failed") < 6, "it tries again and again");
    assert!(service.stop().success());

    stage.run(&["operator", "deposit", "9ether"]).succeeds();
    let service = Process::start(&stage, &["service", "run"]);
    let prover = Process::start(&stage, &["prover", "run"]);
    prover.says("joined");
    wait_for_slots(&stage);
    let done = stage.json(&["request", "run", "--inputs", &stage.input(1), "--deposit"]);
    assert_eq!(done["outcome"], "delivered");
    assert!(prover.stop().success() && service.stop().success());
}

#[test]
fn a_wrong_chain_and_a_missing_contract_are_told_apart() {
    let stage = Stage::set();
    let status = |more: &[&str]| {
        let address = stage.address(OWNER);
        stage.run(&[&["operator", "status", "--operator", &address], more].concat())
    };
    status(&["--chain-id", "1"]).fails(3, "wrong_chain", &["chain 31337", "--chain-id"]);
    status(&["--pool", &stage.address(OWNER)]).fails(3, "wrong_chain", &["no contract", "--pool"]);
    status(&[]).succeeds();
    stage.run(&["operator", "deposit", "1", "--key", OWNER]).fails(3, "config", &["--token"]);
    let args = ["operator", "deposit", "100ether", "--key", OWNER, "--token", &stage.token];
    stage.run(&args).fails(5, "unfunded", &["20 TEST", "100 TEST"]);
    stage.run(&["deploy", "contract", "Nothing", "--key", DEPLOYER, "--artifacts", &stage.out]).fails(
        3,
        "file",
        &["Nothing"],
    );
    let args = ["deploy", "contract", "SemaphoreVerifierAdapter", "--key", DEPLOYER, "--artifacts", &stage.out];
    stage.run(&args).fails(2, "usage", &["address verifier", "uint256 depth"]);
    let refused = [&args[..], &[&stage.pool, "77"]].concat();
    stage.run(&refused).fails(5, "transaction_failed", &["SemaphoreVerifierAdapter"]);
}

fn wait_for_slots(stage: &Stage) {
    let end = Instant::now() + PATIENCE;
    while stage.json(&["operator", "slots"]).as_array().unwrap().len() < SLOTS {
        assert!(Instant::now() < end, "the service opens its slots");
        thread::sleep(Duration::from_millis(200));
    }
}
