//! A committee through the binary: made, joined, looked at, left, and a member that contradicts itself.

use crate::{
    kit::{Ended, Place, nowhere},
    stage::Process,
};
use serde_json::{Value, json};
use zkpool_bindings::{CommitteeVerifier::Attestation, committee_domain};
use zkpool_chain::{
    alloy::{
        primitives::{Address, B256, Bytes, U256},
        sol,
        sol_types::SolCall,
    },
    testing::{Anvil, MNEMONIC, contracts_dir},
};
use zkpool_protocol::BlobId;

sol! {
    function mint(address to, uint256 amount);
}

const IMAGE: B256 = B256::repeat_byte(0x11);

/// Anvil, and a committee of accounts 1 to 3, two of whom must sign.
struct Stage {
    place: Place,
    anvil: Anvil,
    runtime: tokio::runtime::Runtime,
    committee: String,
}

impl Stage {
    fn set() -> Self {
        let (place, anvil) = (Place::new(), Anvil::start().unwrap());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut stage = Self { place, anvil, runtime, committee: String::new() };
        let out = contracts_dir().join("out").to_str().unwrap().to_owned();
        let deploy = |args: &[&str], name: &str| -> String {
            let before: Vec<&str> = vec!["deploy"];
            let after = ["--artifacts", &out, "--key", "mnemonic:WORDS/0"];
            let args = [&before, args, &after].concat();
            stage.run(&args).json()[name].as_str().unwrap().to_owned()
        };
        let token = deploy(&["contract", "TestToken"], "contract");
        let members: Vec<_> = (1..=3).map(|index| stage.anvil.account(index).to_string()).collect();
        let (members, program) = (members.join(","), format!("{IMAGE}:4"));
        let args = [
            "committee",
            "--member",
            &members,
            "--threshold",
            "2",
            "--token",
            &token,
            "--stake",
            "1000",
            "--program",
            &program,
        ];
        let committee = deploy(&args, "committee");
        for index in 1..=3 {
            let call = mintCall { to: stage.anvil.account(index), amount: U256::from(1000) };
            let (from, data) = (stage.anvil.account(0), Bytes::from(call.abi_encode()));
            let to = Some(token.parse().unwrap());
            stage.runtime.block_on(stage.anvil.send(from, to, data, U256::ZERO)).unwrap();
        }
        stage.committee = committee;
        stage
    }

    fn run(&self, args: &[&str]) -> Ended {
        let env = [("WORDS", MNEMONIC), ("ZKPOOL_RPC", self.anvil.url())];
        let mut env = env.to_vec();
        if !self.committee.is_empty() {
            env.push(("ZKPOOL_VERIFIER__COMMITTEE", &self.committee));
        }
        self.place.run_with(args, &env)
    }

    /// As account `index`.
    fn verifier(&self, index: u32, args: &[&str]) -> Ended {
        let key = format!("mnemonic:WORDS/{index}");
        self.run(&[&["verifier"], args, &["--key", &key]].concat())
    }

    fn status(&self, index: u32) -> Value {
        self.verifier(index, &["status", "--json"]).json()
    }

    fn pass(&self, days: u64) {
        self.runtime.block_on(self.anvil.pass(days * 24 * 3600)).unwrap();
    }

    /// What account `index` says about the program.
    fn said(&self, index: u32, journal: &[u8], receipt: &[u8]) -> Value {
        let committee: Address = self.committee.parse().unwrap();
        let attestation = Attestation {
            imageId: IMAGE,
            journalDigest: BlobId::of(journal).into(),
            receiptHash: BlobId::of(receipt).into(),
        };
        let digest = attestation.digest(&committee_domain(self.anvil.chain_id(), committee));
        let signature = self.anvil.key(index).sign_digest(&digest).unwrap();
        json!({
            "image_id": IMAGE, "journal": Bytes::copy_from_slice(journal), "receipt": BlobId::of(receipt),
            "signature": signature,
        })
    }

    fn evidence(&self, pieces: &[Value]) -> String {
        self.place.write("evidence.json", serde_json::to_vec(pieces).unwrap())
    }
}

#[test]
fn a_member_joins_leaves_and_takes_its_stake_back() {
    let stage = Stage::set();
    let status = stage.status(1);
    assert_eq!((&status["live"], &status["halted"], &status["threshold"]), (&json!(0), &json!(true), &json!(2)));
    assert_eq!(status["programs"], json!([{ "image_id": IMAGE, "question_bytes": 4 }]));
    stage.verifier(7, &["join"]).fails(5, "forbidden", &["no member"]);
    stage.verifier(1, &["leave"]).fails(5, "forbidden", &["no stake", "verifier join"]);
    stage.verifier(1, &["join"]).succeeds();
    stage.verifier(1, &["join"]).fails(5, "forbidden", &["already"]);
    stage.verifier(2, &["join"]).succeeds();
    let status = stage.status(1);
    assert_eq!((&status["live"], &status["halted"]), (&json!(2), &json!(false)));
    assert_eq!(status["own"]["stake"], "1000");
    let shown = stage.verifier(2, &["status"]);
    assert!(
        shown.out.contains("2 of 3 members; 2 live") && shown.out.contains("0.000000000000001 TEST"),
        "{}",
        shown.out
    );

    stage.verifier(1, &["withdraw"]).fails(5, "forbidden", &["not resigned", "verifier leave"]);
    stage.verifier(1, &["leave"]).succeeds();
    let status = stage.status(1);
    assert_eq!(status["own"]["live"], true, "it counts for the notice");
    stage.verifier(1, &["withdraw"]).fails(5, "transaction_failed", &["TooEarly"]);
    stage.pass(14);
    assert_eq!(stage.status(1)["own"]["live"], false);
    stage.pass(7);
    stage.verifier(1, &["withdraw"]).succeeds();
    assert_eq!(stage.status(1)["own"]["state"], "absent");
    stage.verifier(1, &["join"]).succeeds();
}

#[test]
fn a_member_that_contradicts_itself_is_slashed_by_anyone() {
    let stage = Stage::set();
    stage.verifier(1, &["join"]).succeeds();
    let first = stage.said(1, b"ask:one", b"receipt 1");
    let report = |pieces: &[Value]| {
        let file = stage.evidence(pieces);
        stage.verifier(9, &["slash", &file])
    };
    report(std::slice::from_ref(&first)).fails(3, "file", &["two pieces"]);
    report(&[first.clone(), stage.said(1, b"ask:one", b"receipt 2")]).fails(5, "forbidden", &["do not contradict"]);
    report(&[first.clone(), stage.said(2, b"ask:two", b"receipt 2")]).fails(5, "forbidden", &["two keys"]);
    let strangers = [stage.said(8, b"ask:one", b"receipt 1"), stage.said(8, b"ask:two", b"receipt 2")];
    report(&strangers).fails(5, "forbidden", &["no member"]);
    report(&[first.clone(), stage.said(1, b"else:two", b"receipt 2")]).fails(
        5,
        "transaction_failed",
        &["NoContradiction"],
    );
    let proof = json!({ "image_id": IMAGE, "journal": "0x00", "seal": "0x00" });
    report(&[first.clone(), proof]).fails(5, "forbidden", &["no arbiter"]);
    assert_eq!(stage.status(1)["own"]["state"], "staked", "none of this did any harm");

    let both = [first, stage.said(1, b"ask:two", b"receipt 2")];
    report(&both).succeeds();
    assert_eq!(stage.status(1)["own"]["state"], "slashed");
    report(&both).fails(5, "forbidden", &["slashed already"]);
    assert_eq!(stage.status(9)["own"]["reward"], "100");
    stage.verifier(9, &["collect"]).succeeds();
    assert_eq!(stage.status(9)["own"]["reward"], "0");
    stage.verifier(1, &["join"]).fails(5, "forbidden", &["slashed"]);
    let run = ["run", "--operator", "http://127.0.0.1:1"];
    stage.verifier(7, &run).fails(5, "forbidden", &["no member"]);
}

#[test]
fn a_node_has_one_memory_wherever_it_is_started_from_and_none_is_no_start() {
    let stage = Stage::set();
    stage.verifier(1, &["join"]).succeeds();
    let home = stage.place.path().join(".local/share/zkpool/verifier");
    let memories = || std::fs::read_dir(&home).unwrap().count();
    assert_eq!(memories(), 1, "who joins can run");
    let start = |index: u32, more: &[&str], from: &std::path::Path| {
        std::fs::create_dir_all(from).unwrap();
        let key = format!("mnemonic:WORDS/{index}");
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("zkpool"));
        let run = ["verifier", "run", "--key", &key, "--operator", "http://127.0.0.1:1"];
        command.args(run).args(["--committee", &stage.committee, "--rpc", stage.anvil.url()]).args(more);
        command.current_dir(from).env("WORDS", MNEMONIC).env("HOME", stage.place.path());
        command.env_remove("RUST_LOG").env_remove("XDG_DATA_HOME");
        Process::spawn(command)
    };
    let elsewhere = stage.place.path().join("elsewhere");
    for from in [stage.place.path(), &elsewhere] {
        let node = start(1, &[], from);
        // It says what it does, unasked: an owner looks at its log.
        node.says("ready; waiting for receipts");
        assert!(node.stop().success());
    }
    assert_eq!(memories(), 1);

    let run = ["run", "--operator", "http://127.0.0.1:1", "--state", "another"];
    for _ in 0..2 {
        stage.verifier(1, &run).fails(3, "storage", &["has signed", "--state", "--new-state"]);
    }
    let node = start(1, &["--state", "another", "--new-state"], stage.place.path());
    node.says("ready; waiting for receipts");
    node.stop();
    // Joined with the directory that it will run with.
    stage.verifier(2, &["join", "--state", "own"]).succeeds();
    let node = start(2, &["--state", "own"], stage.place.path());
    node.says("ready; waiting for receipts");
    node.stop();
}

#[test]
fn a_node_that_knows_its_chain_waits_for_an_endpoint_that_is_away() {
    let place = Place::new();
    let committee = Address::repeat_byte(1).to_string();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("zkpool"));
    command.args(["verifier", "run", "--key", "env:K", "--operator", "http://127.0.0.1:1", "--chain-id", "31337"]);
    command.args(["--committee", &committee, "--rpc", &nowhere()]);
    command.current_dir(place.path()).env("K", "11".repeat(32)).env("HOME", place.path());
    command.env_remove("RUST_LOG").env_remove("XDG_DATA_HOME");
    let node = Process::spawn(command);
    node.says("the chain cannot be asked");
    assert!(node.stop().success());
}

#[test]
fn what_is_missing_is_named() {
    let place = Place::new();
    let env = [("K", "11".repeat(32))];
    let env: Vec<_> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    place.run_with(&["verifier", "join", "--key", "env:K"], &env).fails(3, "config", &["committee", "--committee"]);
    let committee = Address::repeat_byte(1).to_string();
    let args = ["verifier", "status", "--committee", &committee];
    place.run(&args).fails(3, "config", &["--rpc"]);
    let rpc = nowhere();
    place.run(&[&args[..], &["--rpc", &rpc]].concat()).fails(4, "rpc_unreachable", &["reach the chain"]);
    let members = ["--member", &committee, "--member", &committee, "--threshold", "2", "--token", &committee];
    let rest = ["--stake", "1", "--program", "0x11:4"];
    let ended = place.run(&[&["deploy", "committee"], &members[..], &rest].concat());
    assert!(ended.code == 2 && ended.err.contains("image id"), "{}", ended.err);
    let program = format!("{IMAGE}:4");
    let rest = ["--stake", "1", "--program", &program];
    place.run(&[&["deploy", "committee"], &members[..], &rest].concat()).fails(2, "usage", &["twice"]);
}
