//! What goes wrong is said clearly: what was attempted, why, what to do, a code, an exit status.

use crate::kit::{Place, nowhere};

const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS: &str = "0x00000000000000000000000000000000000000aa";

#[test]
fn a_raw_key_on_the_command_line_is_refused_and_not_repeated() {
    let place = Place::new();
    for args in [
        vec!["prover", "run", "--key", KEY],
        vec!["prover", "run", "--private-key", KEY],
        vec!["request", "run", "--mnemonic", "test test test test test test test test test test test junk"],
        vec!["operator", "status", "--password", "hunter22"],
    ] {
        let ended = place.run(&args);
        ended.fails(2, "key_on_command_line", &["--key env:NAME"]);
        for secret in [KEY, "junk", "hunter22"] {
            assert!(!ended.err.contains(secret), "{}", ended.err);
        }
    }
}

#[test]
fn a_key_that_is_not_there_is_named_by_its_place() {
    let place = Place::new();
    let run = |key: &str| place.run(&["prover", "run", "--operator", "http://127.0.0.1:1", "--key", key]);
    run("env:NO_SUCH_VARIABLE").fails(3, "key", &["NO_SUCH_VARIABLE"]);
    run("keystore:missing.json").fails(3, "key", &["missing.json"]);
    run("file:missing.txt").fails(3, "key", &["missing.txt"]);
    run("nobody").fails(3, "config", &["[key.nobody]"]);
    run("ftp:x").fails(3, "key", &["env:NAME"]);
    place.run(&["prover", "run", "--operator", "http://127.0.0.1:1"]).fails(3, "config", &["--key"]);
    let bad = place.run_with(&["key", "address", "--key", "env:BAD"], &[("BAD", "nonsense-secret")]);
    bad.fails(3, "key", &["64 hex digits"]);
    assert!(!bad.err.contains("nonsense"));
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_said_so() {
    let place = Place::new();
    let rpc = nowhere();
    let args = ["operator", "status", "--rpc", &rpc, "--pool", ADDRESS, "--operator", ADDRESS];
    place.run(&args).fails(4, "rpc_unreachable", &["--rpc", &rpc["http://".len()..]]);
    place.run(&["operator", "status", "--operator", ADDRESS]).fails(3, "config", &["--rpc"]);
}

#[test]
fn an_operator_that_cannot_be_reached_is_said_so() {
    let place = Place::new();
    let (zkey, url) = (place.write("a.zkey", b"zkey"), nowhere());
    let args = ["program", "register", "--zkey", &zkey, "--operator", &url, "--key", "env:K"];
    place.run_with(&args, &[("K", KEY)]).fails(4, "timed_out", &[&url["http://".len()..]]);
}

#[test]
fn a_bad_configuration_names_the_key() {
    let place = Place::new();
    place.write("zkpool.toml", "[prover]\noperater = \"http://x\"\n");
    place.run(&["prover", "run"]).fails(3, "config", &["prover.operater", "`operators`", "zkpool.toml"]);
    place.write("zkpool.toml", "[provr]\njobs = 1\n");
    place.run(&["prover", "run"]).fails(3, "config", &["`provr`", "`prover`"]);
    place.write("zkpool.toml", "[prover]\njobs = \"two\"\n");
    place.run(&["prover", "bench"]).fails(3, "config", &["`jobs`", "zkpool.toml"]);
    place.write("zkpool.toml", "[prover]\nmemory = \"4 gigs\"\n");
    place.run(&["prover", "bench"]).fails(3, "config", &["`memory`", "4 gigs"]);
    place.write("zkpool.toml", "[prover\n");
    place.run(&["prover", "bench"]).fails(3, "config", &["zkpool.toml"]);
    place.run(&["--config", "missing.toml", "prover", "bench"]).fails(3, "file", &["missing.toml"]);
}

#[test]
fn a_slip_in_the_environment_is_not_passed_over() {
    let place = Place::new();
    place.run_with(&["prover", "bench"], &[("ZKPOOL_PROVR__JOBS", "1")]).fails(3, "config", &["ZKPOOL_PROVR__JOBS"]);
    place.run_with(&["prover", "bench"], &[("ZKPOOL_PROVER__JBS", "1")]).fails(3, "config", &["prover.jbs"]);
    place.run_with(&["prover", "bench"], &[("ZKPOOL_PROVER__JOBS", "many")]).fails(
        3,
        "config",
        &["`jobs`", "ZKPOOL_PROVER__JOBS"],
    );
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let place = Place::new();
    let config = |jobs: u32| format!("[key.k]\nenv = \"K{jobs}\"\n[prover]\nkey = \"k\"\n");
    place.write("zkpool.toml", config(1));
    let key_of = |args: &[&str], env: &[(&str, &str)]| {
        let args = [&["prover", "run", "--operator", "http://127.0.0.1:1"], args].concat();
        place.run_with(&args, env).err
    };
    assert!(key_of(&[], &[]).contains("variable K1"));
    assert!(key_of(&[], &[("ZKPOOL_PROVER__KEY", "env:FROM_ENV")]).contains("variable FROM_ENV"));
    let both = key_of(&["--key", "env:FROM_FLAG"], &[("ZKPOOL_PROVER__KEY", "env:FROM_ENV")]);
    assert!(both.contains("variable FROM_FLAG"), "{both}");
}

#[test]
fn a_service_configuration_is_checked_by_name() {
    let place = Place::new();
    place.run(&["service", "check-config"]).fails(3, "config", &["`rpc` is not set"]);
    let whole = |more: &str| {
        format!(
            "rpc = \"http://127.0.0.1:1\"\nchain_id = 31337\npool = \"{ADDRESS}\"\n[service]\noperator = \"{ADDRESS}\"\n\
             data = \"data\"\nkeys = {{ signer = \"env:SIGNER\" }}\n{more}\n[[service.tokens]]\naddress = \"{ADDRESS}\"\n\
             per_ether = \"1\"\n"
        )
    };
    place.write("zkpool.toml", whole("lisen = \"127.0.0.1:1\""));
    place.run(&["service", "check-config"]).fails(3, "config", &["lisen"]);
    place.write("zkpool.toml", whole("listen = \"here\""));
    place.run(&["service", "check-config"]).fails(3, "config", &["`listen`"]);
    place.write("zkpool.toml", whole("quotes = { validity = 100000 }"));
    place.run(&["service", "check-config"]).fails(3, "config", &["quotes.validity"]);
    place.write("zkpool.toml", whole(""));
    place.run(&["service", "check-config"]).fails(3, "key", &["SIGNER"]);
    let checked = place.run_with(&["service", "check-config"], &[("SIGNER", KEY)]).json();
    assert_eq!(checked["listen"], "127.0.0.1:8700");
    assert!(checked["data"].as_str().unwrap().ends_with("data"));
    let owner = whole("").replace("\" }\n", "\", owner = \"env:SIGNER\" }\n");
    place.write("zkpool.toml", owner);
    place.run_with(&["service", "check-config"], &[("SIGNER", KEY)]).fails(3, "config", &["keys.owner"]);
}

#[test]
fn errors_are_data_when_data_is_asked_for() {
    let ended = Place::new().run(&["--json", "key", "address", "--key", "env:NO_SUCH_VARIABLE"]);
    let error: serde_json::Value = serde_json::from_str(ended.err.trim()).unwrap();
    assert_eq!((ended.code, &error["error"]["code"]), (3, &"key".into()));
    assert!(error["error"]["why"].as_str().unwrap().contains("NO_SUCH_VARIABLE"));
}

#[test]
fn a_prover_without_an_operator_or_with_a_bad_one_ends_at_once() {
    let place = Place::new();
    let env = [("K", KEY)];
    place.run_with(&["prover", "run", "--key", "env:K"], &env).fails(3, "bad_request", &["--operator"]);
    let args = ["prover", "run", "--key", "env:K", "--operator", "not a url"];
    place.run_with(&args, &env).fails(3, "bad_request", &["not a url"]);
}

#[test]
fn a_wrong_command_line_is_explained_by_the_parser() {
    let ended = Place::new().run(&["prover", "fly"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("unrecognized subcommand 'fly'"), "{}", ended.err);
}
