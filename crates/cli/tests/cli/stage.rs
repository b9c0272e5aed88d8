//! A chain with the contracts, and the pool's processes on it.

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
pub(crate) const SLOTS: usize = 4;
// Accounts of anvil's, by their place in the mnemonic.
pub(crate) const DEPLOYER: &str = "mnemonic:WORDS/0";
pub(crate) const OWNER: &str = "mnemonic:WORDS/1";
pub(crate) const REQUESTER: &str = "mnemonic:WORDS/2";
pub(crate) const SIGNER: &str = "mnemonic:WORDS/3";
pub(crate) const PROVER: &str = "mnemonic:WORDS/4";

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
    pub(crate) fn start(stage: &Stage, args: &[&str]) -> Self {
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
    pub(crate) fn said(&self, words: &str) -> usize {
        self.lines.try_iter().filter(|line| line.contains(words)).count()
    }

    /// Ends it without a chance to tidy up, as a power cut would.
    pub(crate) fn kill(self) {
        self.signal(Signal::SIGKILL);
    }

    /// Stops its clock: it neither works nor answers, and does not know it.
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
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
    pub(crate) out: String,
    port: u16,
}

impl Stage {
    pub(crate) fn set() -> Self {
        let anvil = Anvil::start_with(&AnvilOptions { block_time: Some(1), ..AnvilOptions::default() }).unwrap();
        let place = Place::new();
        fs::write(place.path().join("product.zkey"), zkey(product(), 7)).unwrap();
        fs::write(place.path().join("product.wasm"), generator_wasm(Quirk::None)).unwrap();
        let out = contracts_dir().join("out").to_str().unwrap().to_owned();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut stage =
            Self { place, anvil, pool: String::new(), token: String::new(), verifier: String::new(), out, port };
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

    pub(crate) fn env(&self) -> [(&str, &str); 3] {
        [("WORDS", MNEMONIC), ("ZKPOOL_RPC", self.anvil.url()), ("ZKPOOL_POOL", &self.pool)]
    }

    pub(crate) fn run(&self, args: &[&str]) -> crate::kit::Ended {
        let env: Vec<_> = self.env().into_iter().filter(|(_, value)| !value.is_empty()).collect();
        self.place.run_with(args, &env)
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).json()
    }

    pub(crate) fn deploy(&self, what: &[&str], name: &str) -> String {
        let args = [&["deploy"], what, &["--key", DEPLOYER, "--artifacts", &self.out]].concat();
        self.json(&args)[name].as_str().unwrap().to_owned()
    }

    pub(crate) fn address(&self, key: &str) -> String {
        self.run(&["key", "address", "--key", key]).out.trim().to_owned()
    }

    /// Writes everybody's configuration.
    pub(crate) fn configure(&self) {
        let port = self.port;
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
            kinds = ["groth16-bn254"]  # the zkVM's benchmark takes a minute
            unpaid = true

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

    /// And has the operator pay out of the revenue ledger: half of each reward.
    pub(crate) fn configure_pay(&self) {
        self.configure();
        let text = format!(
            r#"
            [service.pay]
            ledger = "{ledger}"
            share_bps = 5000
            every = 0
            [[service.pay.tranches]]
            token = "{token}"
            cap = "1000000000000000000"
            first_cap = "1000000000000000000"
            low = "1"
            sweep_above = "1"
            deposit = true
            "#,
            ledger = self.deploy(&["pool"], "ledger"),
            token = self.token,
        );
        self.configure_more(|before| before.replace("unpaid = true", "") + &text);
    }

    /// Changes the configuration.
    pub(crate) fn configure_more(&self, change: impl FnOnce(String) -> String) {
        let path = self.place.path().join("zkpool.toml");
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    }

    /// A fresh input.
    pub(crate) fn input(&self, tag: u32) -> String {
        self.place.write(&format!("input-{tag}.json"), format!(r#"{{"tag":"{tag}","a":"3","b":["4","5"]}}"#))
    }

    pub(crate) fn pool_balance(&self, of: &str) -> u128 {
        let balance = self.json(&["request", "balance", "--account", &self.address(of)]);
        balance["pool"].as_str().unwrap().parse().unwrap()
    }

    /// Waits until the service has opened its slots.
    pub(crate) fn wait_for_slots(&self) {
        wait_for("the service to open its slots", || {
            self.json(&["operator", "slots"]).as_array().unwrap().len() == SLOTS
        });
    }

    /// Where the service listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Looks until it is so.
pub(crate) fn wait_for(what: &str, mut look: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(100));
    }
}
