//! The whole road through the binary: a chain, contracts, a service, a prover and a requester as separate processes.

use crate::stage::{DEPLOYER, OWNER, Process, REQUESTER, SIGNER, SLOTS, Stage};
use serde_json::Value;
use std::{thread, time::Duration};

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
    stage.wait_for_slots();

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
    stage.wait_for_slots();
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
