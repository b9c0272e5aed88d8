//! All of the circuit, on batches of each kind. SHA-256 is replaced by the toy.

use crate::{support::*, toy::Toy};
use ark_bn254::Fr;
use ark_ff::Field;
use rollup_core::sha256;
use serde_json::{Value, json};
use zkpool_rollup::testing::{Case, invalid, valid};

fn says(built: &Built, case: &Case, name: &str) {
    let Some(input) = &case.circuit_input else { return };
    let expected = case.expected.as_ref().ok().map(|journal| sha256::<Toy>(&journal.encode()));
    let said = built.outputs(input).map(|outputs| digest(&outputs));
    assert_eq!(said, expected, "{name}: {}", case.name);
}

fn build_rollup(depth: usize, transfers: usize) -> Built {
    build("rollup.circom", &format!("Rollup({depth}, {transfers})"), true)
}

#[test]
fn takes_what_the_core_takes_and_nothing_else() {
    let built = build_rollup(2, 1);
    says(&built, &valid::<Toy, 2, 1>(1, 1), "valid");
    for case in invalid::<Toy, 2, 1>(1) {
        says(&built, &case, "invalid");
    }
    let full = valid::<Toy, 2, 1>(7, 1).circuit_input.unwrap();
    let refused = |what: &str, input: &Value| assert_eq!(built.outputs(input), None, "{what}");
    // Numbers that do not fit what they are hashed as. Their lower bits are right, and so are signatures and paths.
    let over = |number: &Value, bits: u64| {
        let number: Fr = number.as_str().unwrap().parse().unwrap();
        json!((number + Fr::from(2u8).pow([bits])).to_string())
    };
    for (name, bits) in [("chainId", 64), ("batch", 32), ("rollup", 160)] {
        let mut input = full.clone();
        input[name] = over(&full[name], bits);
        refused(name, &input);
    }
    for (name, place, bits) in [("root", 3, 32), ("from", 0, 2), ("to", 0, 2)] {
        let mut input = full.clone();
        input[name][place] = over(&full[name][place], bits);
        refused(name, &input);
    }
    // All fits together, but for the state that it begins with.
    let mut input = full.clone();
    let word: u32 = full["root"][0].as_str().unwrap().parse().unwrap();
    input["root"][0] = json!((word ^ 1).to_string());
    refused("another root before", &input);
}

#[test]
fn takes_batches_of_many_and_of_few() {
    let built = build_rollup(1, 3);
    for transfers in 1..=3 {
        says(&built, &valid::<Toy, 1, 3>(1, transfers), "valid");
    }
    let shapes = ["no transfer", "padding first", "padding between"];
    let cases = invalid::<Toy, 1, 3>(1).into_iter().filter(|case| shapes.contains(&case.name));
    assert_eq!(cases.inspect(|case| says(&built, case, "invalid")).count(), shapes.len());

    let refused = |what: &str, input: &Value| assert_eq!(built.outputs(input), None, "{what}");
    // A transfer that is passed off as padding would be published and not applied.
    let mut input = valid::<Toy, 1, 3>(7, 3).circuit_input.unwrap();
    input["padding"][2] = json!("1");
    refused("a transfer as padding", &input);
    let padded = valid::<Toy, 1, 3>(7, 1).circuit_input.unwrap();
    let mut input = padded.clone();
    input["padding"][2] = json!("0");
    refused("padding as a transfer", &input);
    // Padding whose record is not zeros, one field at a time.
    let hash = json!(["0", "0", "0", "1", "0", "0", "0", "0"]);
    let one = json!("1");
    for (name, value) in [("from", &one), ("to", &one), ("amount", &one), ("nonce", &one), ("r", &hash), ("s", &hash)] {
        let mut input = padded.clone();
        input[name][2] = value.clone();
        // Enough to pay with, so that only the field is wrong.
        input["fromBalance"][2] = json!("5");
        refused(&format!("padding with a {name}"), &input);
    }
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
