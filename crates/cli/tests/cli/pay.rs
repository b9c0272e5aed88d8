//! A prover's and an operator's road to pay, through the binary, over the real contracts.

use crate::stage::{PROVER, Process, REQUESTER, SIGNER, Stage, wait_for};

#[test]
fn a_prover_is_paid_by_the_ledger_and_the_books_can_be_audited() {
    let stage = Stage::set();
    stage.configure_pay();
    stage.run(&["operator", "set-share", "77"]).fails(2, "usage", &["multiple of 50"]);
    // The share is announced before the first signer: it takes effect at once.
    stage.run(&["operator", "set-share", "5000"]).succeeds();
    stage.run(&["operator", "set-signer", &stage.address(SIGNER)]).succeeds();
    stage.run(&["operator", "deposit", "9ether"]).succeeds();
    let service = Process::start(&stage, &["service", "run"]);
    service.says("the service runs");
    let prover = Process::start(&stage, &["prover", "run", "--claim-above", "1000ether"]);
    prover.says("joined");
    stage.wait_for_slots();
    // What is set apart comes out of the operator's wallet.
    service.says("a tranche is open");
    let tranches = || stage.json(&["operator", "tranches"]);
    assert_eq!((&tranches()["share"], &tranches()["tranches"][0]["tranche"]["state"]), (&5_000.into(), &"open".into()));

    let done = stage.json(&["request", "run", "--inputs", &stage.input(1), "--deposit"]);
    assert_eq!(done["outcome"], "delivered");
    prover.says("earned");
    let earnings = || stage.json(&["prover", "earnings"]);
    let earned: u128 = earnings()[0]["holding"]["voucher"]["voucher"]["amount"].as_str().unwrap().parse().unwrap();
    assert!(earned > 0);
    assert_eq!(earnings()[0]["on_chain"]["due"], earned.to_string());
    // Half of the reward was kept apart at delivery, and is fetched for the next tranches.
    let fund = || tranches()["fund"]["fund"].as_str().unwrap().parse::<u128>().unwrap();
    wait_for("what was kept apart to be swept", || fund() >= earned);

    // Everybody can recompute it.
    let audit = || stage.json(&["audit", &stage.url()]);
    wait_for("the task to have ended for the service", || audit()["verdict"]["figures"]["receipts"] == 1);
    let verdict = audit();
    assert_eq!((&verdict["sound"], &verdict["verdict"]["figures"]["rewards_unread"]), (&true.into(), &0.into()));

    // The operator is gone, and anybody's key pays the gas.
    assert!(service.stop().success() && prover.stop().success());
    let claimed = stage.json(&["prover", "claim", "--key", REQUESTER]);
    assert_eq!(claimed[0]["amount"], earned.to_string());
    assert_eq!(stage.json(&["prover", "claim"]), serde_json::json!([]));
    assert_eq!(earnings()[0]["on_chain"]["paid"], earned.to_string());

    // A bond, and the way out.
    stage.fund(&stage.address(PROVER), 3);
    stage.run(&["prover", "bond", "3ether", "--token", &stage.token]).succeeds();
    stage.run(&["prover", "unbond", "--token", &stage.token, "--withdraw"]).fails(
        5,
        "transaction_failed",
        &["TooEarly"],
    );
    stage.run(&["prover", "unbond", "--token", &stage.token]).succeeds();
    stage.run(&["operator", "close-tranche", "0"]).succeeds();
    assert_eq!(tranches()["tranches"][0]["tranche"]["state"], "closing");
    assert_eq!(tranches()["tranches"][0]["tranche"]["paid"], earned.to_string());
}

#[test]
fn nothing_is_done_for_an_operator_whose_pay_cannot_be_checked() {
    let stage = Stage::set();
    stage.configure_pay();
    stage.run(&["operator", "set-signer", &stage.address(SIGNER)]).succeeds();
    let service = Process::start(&stage, &["service", "run"]);
    service.says("the service runs");
    let env = [("WORDS", zkpool_chain::testing::MNEMONIC)];
    let url = stage.url();
    let args = ["prover", "run", "--key", PROVER, "--operator", &url, "--state", "blind", "--config", "none.toml"];
    stage.place.write("none.toml", "[prover]\nkinds = [\"groth16-bn254\"]\n");
    stage.place.run_with(&args, &env).fails(3, "unpaid", &["--rpc", "--unpaid"]);
    assert!(service.stop().success());
}

#[test]
fn a_prover_that_has_no_bond_is_told_what_to_do_and_works_when_it_has_one() {
    let stage = Stage::set();
    stage.configure_pay();
    let bond = format!("every = 0\nbond = {{ token = \"{}\", amount = \"1000000000000000000\" }}", stage.token);
    stage.configure_more(|text| text.replace("every = 0", &bond));
    // While there is no signer, the share is in force at once.
    stage.run(&["operator", "set-share", "5000"]).succeeds();
    stage.run(&["operator", "set-signer", &stage.address(SIGNER)]).succeeds();
    stage.run(&["operator", "deposit", "9ether"]).succeeds();
    let service = Process::start(&stage, &["service", "run"]);
    service.says("the service runs");
    let info = zkpool_info(&stage);
    assert_eq!(info["pay"]["bond"]["amount"], "1000000000000000000");
    let metrics = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let prover = Process::start(&stage, &["prover", "run", "--metrics", &metrics]);
    let token: zkpool_chain::alloy::primitives::Address = stage.token.parse().unwrap();
    prover.says(&format!("`zkpool prover bond 1000000000000000000 --token {token}`"));
    stage.fund(&stage.address(PROVER), 3);
    stage.run(&["prover", "bond", "1ether", "--token", &stage.token]).succeeds();
    // The agent comes in by itself.
    prover.says("joined");
    stage.wait_for_slots();
    service.says("a tranche is open");
    let done = stage.json(&["request", "run", "--inputs", &stage.input(1), "--deposit"]);
    assert_eq!(done["outcome"], "delivered");
    prover.says("earned");
    let page = get(&metrics, "/metrics");
    assert!(page.contains("zkpool_prover_receipts{") && page.contains("zkpool_prover_earned{"), "{page}");

    // It leaves: there is no more work for it, and what it has earned is its own.
    stage.run(&["prover", "unbond", "--token", &stage.token]).succeeds();
    assert!(prover.stop().success());
    let prover = Process::start(&stage, &["prover", "run"]);
    prover.says("is announced for withdrawal");
    assert!(prover.stop().success());
    assert_eq!(stage.json(&["prover", "claim"]).as_array().unwrap().len(), 1);

    // Nobody was put out, and only the operator may speak of it.
    let who = stage.address(PROVER);
    let readmit = ["operator", "readmit", &who, "--service", &stage.url()];
    stage.run(&readmit).fails(5, "not_found", &["is not out"]);
    stage.run(&[&readmit[..], &["--key", SIGNER]].concat()).fails(5, "not_found", &["is not out"]);
    stage.run(&[&readmit[..], &["--key", PROVER]].concat()).fails(5, "forbidden", &["only the operator"]);
    assert!(service.stop().success());
}

fn zkpool_info(stage: &Stage) -> serde_json::Value {
    let page = get(stage.url().trim_start_matches("http://"), "/v1/info");
    serde_json::from_str(page.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

/// A page over plain HTTP, with its head.
fn get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}
