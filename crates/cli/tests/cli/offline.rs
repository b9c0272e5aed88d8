//! Commands that talk to nobody.

use crate::kit::Place;

const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

#[test]
fn a_key_from_every_place_has_its_address() {
    let place = Place::new();
    let file = place.write("key.txt", format!("0x{KEY}\n"));
    place.write("zkpool.toml", "[key.file]\nfile = \"key.txt\"\n[key.words]\nmnemonic_env = \"WORDS\"\nindex = 0\n");
    let env =
        [("K", KEY), ("WORDS", "test test test test test test test test test test test junk"), ("PW", "a password")];
    for key in ["env:K", &format!("file:{file}"), "mnemonic:WORDS", "mnemonic:WORDS/0", "file", "words"] {
        let ended = place.run_with(&["key", "address", "--key", key], &env);
        assert_eq!((ended.code, ended.out.trim()), (0, ADDRESS), "{key}: {}", ended.err);
    }
    let second = place.run_with(&["key", "address", "--key", "mnemonic:WORDS/1"], &env);
    assert_eq!(second.out.trim(), "0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
}

#[test]
fn a_new_keystore_opens_with_its_password_only() {
    let place = Place::new();
    let env = [("PW", "a good password"), ("BAD", "a bad password"), ("SHORT", "short")];
    let made = place.run_with(&["key", "new", "k.json", "--password-env", "PW"], &env);
    assert_eq!(made.code, 0, "{}", made.err);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(place.path().join("k.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let open =
        |variable| place.run_with(&["key", "address", "--key", "keystore:k.json", "--password-env", variable], &env);
    assert_eq!(open("PW").out, made.out);
    open("BAD").fails(3, "key", &["k.json"]);
    place.run_with(&["key", "new", "k.json", "--password-env", "PW"], &env).fails(3, "file", &["exists"]);
    place.run_with(&["key", "new", "l.json", "--password-env", "SHORT"], &env).fails(3, "key", &["8 characters"]);
}

#[test]
fn a_quote_is_decoded_and_an_altered_signature_is_no_signature() {
    let place = Place::new();
    let zero = "0x0000000000000000000000000000000000000000";
    let one = "0x0000000000000000000000000000000000000001";
    let word = format!("0x{}", "11".repeat(32));
    let quote = serde_json::json!({
        "quote": {
            "terms": {
                "requester": one, "operator": one, "target": one, "encoder": zero, "verifier": one, "callGas": 1,
                "proofWindow": 60, "liabilityWindow": 120, "validUntil": 1_800_000_000u64, "rewardToken": one,
                "reward": "10", "advance": "0", "liabilityToken": one, "liability": "5", "bond": "1", "burn": "0",
                "honour": "1"
            },
            "task": { "slot": 0, "statement": word, "callHash": word, "inputHash": word, "salt": word }
        },
        "signature": format!("0x{}1b", "22".repeat(64))
    });
    let file = place.write("quote.json", quote.to_string());
    let args = ["--json", "quote", "show", &file, "--chain-id", "31337", "--pool", one];
    let shown = place.run(&args).json();
    assert_eq!(shown["well_formed"], true);
    assert_eq!(shown["id"].as_str().unwrap().len(), 66);
    // Inside an operator's reply, too.
    let reply = place.write("reply.json", serde_json::json!({ "status": "quoted", "quote": quote }).to_string());
    let args = ["--json", "quote", "show", &reply, "--chain-id", "31337", "--pool", one];
    assert_eq!(place.run(&args).json()["id"], shown["id"]);
    place.run(&["quote", "show", &file]).fails(2, "usage", &["--chain-id"]);
    let mut broken = quote.clone();
    broken["signature"] = "0x00".into();
    let broken = place.write("broken.json", broken.to_string());
    place.run(&["quote", "show", &broken, "--chain-id", "1", "--pool", one]).fails(5, "quote_altered", &[]);
    let none = place.write("none.json", "{}");
    place.run(&["quote", "show", &none, "--chain-id", "1", "--pool", one]).fails(3, "file", &["signed quote"]);
}

#[test]
fn completions_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = Place::new().run(&["completions", shell]);
        assert!(ended.code == 0 && ended.out.contains("zkpool"), "{shell}");
    }
}
