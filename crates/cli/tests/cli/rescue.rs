//! Two operators as processes: one dies with a task in hand, the other takes it over, and the books of both are sound.

use crate::stage::{OWNER, Process, REQUESTER, SIGNER, SLOTS, Stage, wait_for};
use std::fs;

/// The other operator's keys.
const OTHER_OWNER: &str = "mnemonic:WORDS/5";
const OTHER_SIGNER: &str = "mnemonic:WORDS/6";
/// Its configuration.
const OTHER: &str = "other.toml";

/// Writes the other operator's configuration, and its prover's; where its service listens. It is a little dearer, asks for
/// no advance, and leaves its provers more than the first one's advance would leave of the reward.
fn configure_other(stage: &Stage) -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let here = |url: &str| url.trim_start_matches("http://").to_owned();
    let mut text = fs::read_to_string(stage.place.path().join("zkpool.toml")).unwrap();
    for (mine, theirs) in [
        (here(&stage.url()), here(&url)),
        (stage.address(OWNER), stage.address(OTHER_OWNER)),
        (OWNER.into(), OTHER_OWNER.into()),
        (SIGNER.into(), OTHER_SIGNER.into()),
        (crate::stage::PROVER.into(), "mnemonic:WORDS/7".into()),
        ("\"data\"".into(), "\"other-data\"".into()),
        ("state = \"prover\"".into(), "state = \"other-prover\"".into()),
        ("share_bps = 5000".into(), "share_bps = 9500".into()),
        ("[operator]".into(), "[service.pricing]\nadvance_bps = 0\npremium_bps = 100\n\n[operator]".into()),
    ] {
        assert!(text.contains(&mine), "{mine}");
        text = text.replace(&mine, &theirs);
    }
    stage.place.write(OTHER, text);
    url
}

#[test]
fn a_task_whose_operator_dies_is_taken_over_and_both_can_be_audited() {
    let stage = Stage::set();
    stage.configure_pay();
    let other = configure_other(&stage);
    stage.fund(&stage.address(OTHER_OWNER), 20);
    let as_other = |args: &[&str]| stage.run(&[args, &["--config", OTHER]].concat());
    stage.run(&["operator", "set-share", "5000"]).succeeds();
    stage.run(&["operator", "set-signer", &stage.address(SIGNER)]).succeeds();
    stage.run(&["operator", "deposit", "9ether"]).succeeds();
    as_other(&["operator", "set-share", "9500"]).succeeds();
    as_other(&["operator", "set-signer", &stage.address(OTHER_SIGNER)]).succeeds();
    as_other(&["operator", "deposit", "9ether"]).succeeds();

    let service = Process::start(&stage, &["service", "run"]);
    let rescuer = Process::start(&stage, &["service", "run", "--config", OTHER]);
    service.says("the service runs");
    rescuer.says("the service runs");
    let prover = Process::start(&stage, &["prover", "run"]);
    let worker = Process::start(&stage, &["prover", "run", "--config", OTHER]);
    prover.says("joined");
    worker.says("joined");
    stage.wait_for_slots();
    let slots = || as_other(&["operator", "slots", "--json"]).json();
    wait_for("the other operator's slots", || slots().as_array().unwrap().len() == SLOTS);
    rescuer.says("a tranche is open");

    // The first one is taken, as it is cheaper, and dies before anything is proven.
    prover.pause();
    let here = stage.url();
    let run = ["request", "run", "--inputs", &stage.input(1), "--deposit", "--operator", &here, "--operator", &other];
    let windows = ["--proof-window", "10m", "--liability-window", "20m"];
    let requester = Process::start(&stage, &[&run[..], &windows[..]].concat());
    requester.says("published");
    // Some may be left of what was brought for the dearer offer.
    let left = stage.pool_balance(REQUESTER);
    service.kill();
    prover.kill();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(stage.anvil.pass(601)).unwrap();
    rescuer.says("taking a late task over");
    wait_for("the rescue to be announced", || {
        slots().as_array().unwrap().iter().any(|slot| slot["slot"]["state"] == "reserved")
    });
    runtime.block_on(stage.anvil.pass(151)).unwrap();
    requester.kill();
    let ended = stage.json(&["request", "resume"]);
    assert_eq!((&ended[0]["outcome"], &ended[0]["stage"]["on_time"]), (&"delivered".into(), &false.into()), "{ended}");
    assert_eq!(stage.pool_balance(REQUESTER), left + 50_000_000_000_000_000, "half of the bond is the requester's");

    // The rescuer's provers have their share of the whole reward, and nobody else has: nothing else was proven.
    worker.says("earned");
    let sound = |url: &str, receipts: u64| {
        let audit = stage.run(&["audit", url, "--json"]);
        if audit.code != 0 {
            return false;
        }
        let figures = audit.json()["verdict"]["figures"].clone();
        (&figures["tasks"], &figures["receipts"]) == (&1.into(), &receipts.into())
            && figures["partly_paid"].as_array().is_none_or(Vec::is_empty)
            && figures["rewards_unread"] == 0
    };
    wait_for("the rescuer's books to be sound", || sound(&other, 1));
    let kept = stage.json(&["audit", &other])["verdict"]["figures"]["kept_apart"][&stage.token].clone();
    let vouched = stage.json(&["audit", &other])["verdict"]["figures"]["vouched"][&stage.token].clone();
    assert_eq!(kept, vouched, "all of the share is its prover's");
    let service = Process::start(&stage, &["service", "run"]);
    service.says("the service runs");
    wait_for("the first one's books to be sound", || sound(&here, 0));
    assert!(service.stop().success() && rescuer.stop().success() && worker.stop().success());
}
