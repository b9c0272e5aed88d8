//! A platform that is kept, and an agent on it, from the outside.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};
use zkpool_sgx_sim::{COLLATERAL_FILE, LABEL, LIFETIME, Platform, ROOT_FILE, SimError};
use zkpool_verifiers::sgx::{
    Binding, Collateral, Domain, Policy, Proof, QuoteError, Report, Root, TcbStatus, inspect, output, statement, verify,
};

const NOW: u64 = 1_790_000_000;

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_zkpool-sgx-sim"))
}

/// Starts an agent, asks it everything, one after the other, and ends it.
fn ask(platform: &Path, sealed: &Path, requests: &[Value]) -> Vec<Value> {
    let mut command = binary();
    command.arg("agent").args([platform, sealed]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut results = Vec::new();
    for request in requests {
        writeln!(stdin, "{request}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        results.push(answer["result"].clone());
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the agent ends with its input");
    assert!(String::from_utf8(output.stderr).unwrap().contains(LABEL));
    results
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap()
}

fn root_and_collateral(dir: &Path) -> (Root, Collateral) {
    let root = Root::Simulated(fs::read(dir.join(ROOT_FILE)).unwrap());
    (root, Collateral::from_json(&fs::read(dir.join(COLLATERAL_FILE)).unwrap()).unwrap())
}

#[test]
fn the_whole_way_from_an_agent_to_a_checked_proof() {
    let dir = tempfile::tempdir().unwrap();
    let (platform, sealed) = (dir.path().join("platform"), dir.path().join("sealed"));
    let domain = Domain { chain_id: 31_337, verifier: [0xAB; 20].into() };
    let (program, block_hash) = ([7; 32].into(), [8; 32].into());
    let common = json!({ "chain_id": domain.chain_id, "verifier": domain.verifier, "program": program });
    let with = |method: &str, more: Value| {
        let mut params = common.clone();
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "method": method, "params": params })
    };
    let requests = [
        json!({ "method": "instance" }),
        with("quote", json!({ "block_hash": block_hash })),
        with("prove", json!({ "payee": "22".repeat(20), "input": "c0ffee" })),
    ];
    let results = ask(&platform, &sealed, &requests);
    assert_eq!(results[0]["simulated"], true);
    let instance = results[0]["address"].as_str().unwrap().parse().unwrap();
    let quote = bytes(&results[1]["quote"]);
    let report = Report::read(&quote).unwrap();
    assert_eq!(report.mrenclave[..], bytes(&results[0]["mrenclave"]));

    let (root, collateral) = root_and_collateral(&platform);
    let policy = Policy {
        statuses: vec![TcbStatus::UpToDate],
        min_evaluation: 1,
        enclaves: vec![report.mrenclave],
        signer: None,
        product: report.product,
        min_svn: report.svn,
        refused_advisories: vec![],
        grace_days: 0,
        allow_smt: false,
        allow_cached_keys: false,
        allow_dynamic_platform: false,
    };
    let binding = Binding { domain, program, instance, block_hash };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let attested = verify(&quote, &collateral, &root, &policy, &binding, now).unwrap();
    assert!(attested.simulated);
    let error = verify(&quote, &collateral, &Root::Intel, &policy, &binding, now).unwrap_err();
    assert!(matches!(error, QuoteError::Root { .. }), "{error}");

    assert_eq!(bytes(&results[2]["journal"]), [0xC0, 0xFF, 0xEE]);
    let proof = Proof::decode(&bytes(&results[2]["proof"])).unwrap();
    let states = statement(program, output(&[0xC0, 0xFF, 0xEE]));
    proof.check(&domain, program, states, instance).unwrap();

    // Started again it is the same, on the same platform.
    let again = ask(&platform, &sealed, &requests);
    assert_eq!(again[0], results[0]);
    assert_eq!(again[2], results[2]);
    let (same_root, fresh) = root_and_collateral(&platform);
    assert_eq!(same_root, root);
    verify(&bytes(&again[1]["quote"]), &fresh, &root, &policy, &binding, now).unwrap();
}

#[test]
fn a_kept_platform_has_fresh_collateral_whenever_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let first = Platform::open(dir.path(), NOW).unwrap();
    let (root, early) = root_and_collateral(dir.path());
    let later = NOW + 3 * LIFETIME;
    let second = Platform::open(dir.path(), later).unwrap();
    assert_eq!(first.root(), second.root());
    let (same_root, late) = root_and_collateral(dir.path());
    assert_eq!(same_root, root);

    let quote = first.quote(&zkpool_sgx_sim::Body::new([1; 32]), &[9; 64]);
    let report = Report::read(&quote).unwrap();
    let text = json!({
        "statuses": ["UpToDate"], "min_evaluation": 1, "enclaves": [report.mrenclave], "product": 0, "min_svn": 0,
    });
    let policy: Policy = serde_json::from_value(text).unwrap();
    let good = |collateral, now| inspect(&quote, collateral, &root, &policy, now).is_ok();
    assert!(good(&early, NOW) && !good(&early, later));
    assert!(good(&late, later) && !good(&late, NOW));

    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing is left lying about: {left:?}");
}

#[test]
fn those_who_come_at_once_get_one_platform() {
    let dir = tempfile::tempdir().unwrap();
    let roots: Vec<_> = thread::scope(|scope| {
        let open = || Platform::open(dir.path(), NOW).unwrap().root();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(roots.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(matches!(root_and_collateral(dir.path()).0, Root::Simulated(root) if root == roots[0]));
}

#[test]
fn a_damaged_platform_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Platform::open(dir.path(), NOW).unwrap();
    let file = dir.path().join("platform.json");
    let good = fs::read_to_string(&file).unwrap();
    for bad in ["", "{}", &good[..good.len() / 2], &good.replace("\"seed\": \"", "\"seed\": \"0")] {
        fs::write(&file, bad).unwrap();
        assert!(matches!(Platform::open(dir.path(), NOW), Err(SimError::Damaged { .. })));
    }
    assert!(matches!(Platform::new([1; 32], u64::MAX, Default::default()), Err(SimError::Time(_))));
}

#[test]
fn everything_says_that_it_is_simulated() {
    let dir = tempfile::tempdir().unwrap();
    let output = binary().arg("platform").arg(dir.path()).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(LABEL));
    for name in ["platform.json", COLLATERAL_FILE] {
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(text.contains(LABEL), "{name}");
    }
    let root = fs::read(dir.path().join(ROOT_FILE)).unwrap();
    assert!(root.windows(LABEL.len()).any(|part| part == LABEL.as_bytes()));
    let unknown = binary().arg("agents").output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}
