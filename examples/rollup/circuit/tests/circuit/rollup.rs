//! All of the circuit, on batches of each kind. SHA-256 is replaced by the toy.

use crate::{support::*, toy::Toy};
use ark_bn254::Fr;
use rollup_core::sha256;
use serde_json::{Value, json};
use zkpool_rollup::testing::{Case, invalid, valid};

fn says(built: &Built, case: &Case, name: &str) {
    let Some(input) = &case.circuit_input else { return };
    let expected = case.expected.as_ref().ok().map(|journal| sha256::<Toy>(&journal.encode()));
    let said = built.outputs(input).map(|outputs| digest(&outputs));
    assert_eq!(said, expected, "{name}: {}", case.name);
}

/// A value of a row of the input.
fn edit(input: &mut Value, name: &str, row: usize, value: Value) {
    input[name][row] = value;
}

fn check<const DEPTH: usize, const TRANSFERS: usize>() {
    let built = build("rollup.circom", &format!("Rollup({DEPTH}, {TRANSFERS})"), true);
    for seed in 0..2 {
        for transfers in 1..=TRANSFERS {
            says(&built, &valid::<Toy, DEPTH, TRANSFERS>(seed, transfers), "valid");
        }
        for case in invalid::<Toy, DEPTH, TRANSFERS>(seed) {
            says(&built, &case, "invalid");
        }
    }
    let full = valid::<Toy, DEPTH, TRANSFERS>(7, TRANSFERS).circuit_input.unwrap();
    let refused = |what: &str, input: &Value| assert_eq!(built.outputs(input), None, "{what}");

    // A transfer that is passed off as padding would be published and not applied.
    let mut input = full.clone();
    edit(&mut input, "padding", TRANSFERS - 1, json!("1"));
    refused("a transfer as padding", &input);
    // Padding whose record is not zeros, one field at a time.
    if TRANSFERS > 1 {
        let padded = valid::<Toy, DEPTH, TRANSFERS>(7, 1).circuit_input.unwrap();
        let row = TRANSFERS - 1;
        for (name, value) in [
            ("from", json!("1")),
            ("to", json!("1")),
            ("amount", json!("1")),
            ("nonce", json!("1")),
            ("r", json!(["0", "0", "0", "1", "0", "0", "0", "0"])),
            ("s", json!(["0", "0", "0", "1", "0", "0", "0", "0"])),
        ] {
            let mut input = padded.clone();
            edit(&mut input, name, row, value.clone());
            if name == "amount" {
                edit(&mut input, "fromBalance", row, json!("5"));
            }
            refused(&format!("padding with a {name}"), &input);
        }
        let mut input = padded.clone();
        edit(&mut input, "padding", row, json!("0"));
        refused("padding as a transfer", &input);
    }
    // Numbers that do not fit what they are hashed as.
    let over = |bits: u32| (1u128 << bits).to_string();
    for (name, bits) in [("chainId", 64), ("batch", 32)] {
        let mut input = full.clone();
        input[name] = json!(over(bits));
        refused(name, &input);
    }
    let mut input = full.clone();
    input["rollup"] = json!("1461501637330902918203684832716283019655932542976");
    refused("rollup", &input);
    for (name, row) in [("root", 3), ("root", 0)] {
        let mut input = full.clone();
        input[name][row] = json!(over(32));
        refused(name, &input);
    }
}

#[test]
fn takes_what_the_core_takes_and_nothing_else() {
    check::<2, 1>();
}

#[test]
fn takes_batches_of_many_and_of_few() {
    check::<1, 3>();
}

#[test]
fn no_wire_is_free() {
    let built = build("rollup.circom", "Rollup(1, 1)", true);
    let input = valid::<Toy, 1, 1>(3, 1).circuit_input.unwrap();
    let witness = built.witness(&input).unwrap();
    assert_eq!(built.circuit.violated_by(&witness), None);
    // All constraints for each wire would take hours: those of a few hundred wires that nobody chose.
    let step = witness.len() / 300;
    for wire in (1..witness.len()).step_by(step) {
        assert!(!built.takes(&witness, wire, &[witness[wire] + Fr::from(1)]), "wire {wire} is free");
    }
}
