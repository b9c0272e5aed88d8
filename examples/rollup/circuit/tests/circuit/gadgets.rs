//! The circuit's parts: what they compute, and that their hints are held by constraints.

use crate::support::*;
use ark_bn254::Fr;
use ark_ff::{Field, MontFp, PrimeField};
use rollup_core::{Crypto, Portable, sha256};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::array::from_fn;

fn bit(bytes: &[u8], word: usize, bit: usize) -> u64 {
    let word: [u8; 4] = bytes[4 * word..4 * word + 4].try_into().unwrap();
    u64::from(u32::from_be_bytes(word) >> bit & 1)
}

/// Words of bits, as the circuit takes them.
fn words(bytes: &[u8]) -> Value {
    (0..bytes.len() / 4).map(|word| (0..32).map(|i| Value::from(bit(bytes, word, i))).collect::<Value>()).collect()
}

/// The bytes that words of bits are.
fn bytes(bits: &[Fr]) -> Vec<u8> {
    bits.chunks(32)
        .flat_map(|word| {
            let word = word.iter().enumerate().map(|(i, bit)| {
                assert!(*bit == Fr::from(0) || *bit == Fr::from(1), "a bit");
                u32::from(*bit == Fr::from(1)) << i
            });
            word.sum::<u32>().to_be_bytes()
        })
        .collect()
}

fn drawn<const N: usize>(seed: u8) -> [u8; N] {
    from_fn(|i| Sha256::digest([seed, i as u8])[0])
}

fn text(value: Fr) -> Value {
    json!(value.into_bigint().to_string())
}

#[test]
fn the_compression_function_is_sha_256s() {
    let built = build("compress.circom", "Compress()", false);
    let states = [[0; 32], [0xff; 32], drawn(1), drawn(2)];
    let blocks = [[0; 64], [0xff; 64], drawn(3), drawn(4)];
    for (state, block) in states.iter().zip(&blocks) {
        let outputs = built.outputs(&json!({"state": words(state), "block": words(block)})).unwrap();
        assert_eq!(bytes(&outputs), Portable::compress(state, block));
    }
    // All of the 18,000 hints but those that say a bit of a carry are alone in what they stand in: one is enough.
    let witness = built.witness(&json!({"state": words(&states[2]), "block": words(&blocks[2])})).unwrap();
    for wire in (1..witness.len()).step_by(witness.len() / 200) {
        assert!(!built.takes(&witness, wire, &[Fr::from(1) - witness[wire]]), "wire {wire} is free");
    }
}

/// Each function of three bits, on all of them at once, one to a place of the word.
#[test]
fn the_functions_of_three_bits_are_held_by_their_constraints() {
    let word = |pattern: u32| (0..32).map(|i| Value::from(pattern >> (i % 8) & 1)).collect::<Value>();
    let (a, b, c) = (0b1111_0000u32, 0b1100_1100, 0b1010_1010);
    let majority = build("compress.circom", "Majority()", false);
    let choose = build("compress.circom", "Choose()", false);
    let input = json!({"a": word(a), "b": word(b), "c": word(c)});
    let expected = |pattern: u32| (0..32).map(|i| Fr::from(pattern >> (i % 8) & 1)).collect::<Vec<_>>();
    assert_eq!(majority.outputs(&input), Some(expected(a & b | b & c | a & c)));
    let other = json!({"of": word(a), "yes": word(b), "no": word(c)});
    assert_eq!(choose.outputs(&other), Some(expected(a & b | !a & c & 0xff)));
    // Parity: of three bits of one word that are 11, 13 and 17 apart.
    let sigma = build("compress.circom", "Sigma(2, 13, 22, 0)", false);
    let shifted = build("compress.circom", "Sigma(7, 18, 3, 1)", false);
    for seed in 0..20 {
        let x = u32::from_be_bytes(drawn(seed));
        let input = json!({"in": (0..32).map(|i| Value::from(x >> i & 1)).collect::<Value>()});
        let bits = |y: u32| (0..32).map(|i| Fr::from(y >> i & 1)).collect::<Vec<_>>();
        let parity = x.rotate_right(2) ^ x.rotate_right(13) ^ x.rotate_right(22);
        assert_eq!(sigma.outputs(&input), Some(bits(parity)));
        assert_eq!(shifted.outputs(&input), Some(bits(x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3)));
        let witness = sigma.witness(&input).unwrap();
        for wire in 1..=32 {
            for value in [Fr::from(1) - witness[wire], Fr::from(2), -Fr::from(1)] {
                assert!(!sigma.takes(&witness, wire, &[value]), "{wire} {value}");
            }
        }
    }
    let witness = majority.witness(&input).unwrap();
    for wire in 1..=32 {
        for value in [Fr::from(1) - witness[wire], Fr::from(2), -Fr::from(1)] {
            assert!(!majority.takes(&witness, wire, &[value]), "{wire} {value}");
        }
    }
}

#[test]
fn messages_are_padded_as_sha_256_asks() {
    // 13 words and 2 of length and the bit fill a block; one more takes a second.
    for count in [13, 14, 32] {
        let built = build("sha256.circom", &format!("Sha256({count})"), false);
        let message: Vec<u8> = (0..4 * count).map(|i| drawn::<200>(9)[i]).collect();
        let outputs = built.outputs(&json!({"in": words(&message)})).unwrap();
        assert_eq!(bytes(&outputs), sha256::<Portable>(&message), "{count}");
        assert_eq!(sha256::<Portable>(&message), <[u8; 32]>::from(Sha256::digest(&message)));
    }
}

#[test]
fn bits_are_bits_of_the_number() {
    let built = build("bits.circom", "ToBits(8)", false);
    for value in [0, 1, 170, 255] {
        let bits: Vec<Fr> = (0..8).map(|i| Fr::from(value >> i & 1u32)).collect();
        assert_eq!(built.outputs(&json!({"in": value})), Some(bits));
    }
    assert_eq!(built.outputs(&json!({"in": 256})), None);
    // 6 as 0·1 + 3·2, and as 2·1 + 2·2 + 0·4, rather than 2 + 4.
    let witness = built.witness(&json!({"in": 6})).unwrap();
    assert!(!built.takes(&witness, 1, &[0, 3, 0].map(Fr::from)));
    assert!(!built.takes(&witness, 1, &[2, 2, 0].map(Fr::from)));
    assert!(!built.takes(&witness, 1, &[1, 1, 1].map(Fr::from)));
}

#[test]
fn at_most_a_constant() {
    let built = build("bits.circom", "AtMost(5, 19)", false);
    for value in 0..32u32 {
        let bits: Value = (0..5).map(|i| Value::from(value >> i & 1)).collect();
        assert_eq!(built.outputs(&json!({"in": bits})).is_some(), value <= 19, "{value}");
    }
}

#[test]
fn a_field_element_has_one_set_of_bits() {
    let built = build("bits.circom", "FieldToBits()", false);
    for value in [Fr::from(0), Fr::from(1), -Fr::from(1), -Fr::from(2), Fr::from(77).inverse().unwrap()] {
        let limbs = value.into_bigint().0;
        let bits: Vec<Fr> = (0..254).map(|i| Fr::from(limbs[i / 64] >> (i % 64) & 1)).collect();
        assert_eq!(built.outputs(&json!({"in": text(value)})), Some(bits));
    }
    // 5 as the modulus and 5: 254 bits as well. What goes through `AtMost` is not honest either.
    let witness = built.witness(&json!({"in": 5})).unwrap();
    let mut limbs = Fr::MODULUS.0;
    limbs[0] += 5;
    let bits: Vec<Fr> = (0..254).map(|i| Fr::from(limbs[i / 64] >> (i % 64) & 1)).collect();
    let canonical = build("bits.circom", "AtMost(254, -1)", false);
    let input: Value = bits.iter().map(|bit| text(*bit)).collect();
    assert_eq!(canonical.outputs(&json!({"in": input})), None);
    assert!(!built.takes(&witness, 1, &bits));
    // And 5 as 3·1 + 1·2.
    assert!(!built.takes(&witness, 1, &[3, 1, 0].map(Fr::from)));
}

const GENERATOR: [Fr; 2] = [
    MontFp!("995203441582195749578291179787384436505546430278305826713579947235728471134"),
    MontFp!("5472060717959818805561601436314318772137091100104008585924551046643952123905"),
];
const BASE: [Fr; 2] = [
    MontFp!("5299619240641551281634865583518297030282874472190772894086521144482721001553"),
    MontFp!("16950150798460657717958625567821834550301663161624707787222815936182638968203"),
];

fn point(point: [Fr; 2]) -> Value {
    json!([text(point[0]), text(point[1])])
}

fn multiple(factor: u128) -> [Fr; 2] {
    let mut bytes = [0; 32];
    bytes[16..].copy_from_slice(&factor.to_be_bytes());
    let point = Portable::base_times(&bytes);
    [Fr::from_be_bytes_mod_order(&point[..32]), Fr::from_be_bytes_mod_order(&point[32..])]
}

#[test]
fn points_add_up() {
    let built = build("curve.circom", "Sum()", false);
    for (a, b) in [(1, 2), (5, 5), (0, 7), (7, 0), (0, 0), (1 << 100, 3)] {
        let outputs = built.outputs(&json!({"a": point(multiple(a)), "b": point(multiple(b))}));
        assert_eq!(outputs, Some(multiple(a + b).to_vec()));
    }
    let opposite = [-BASE[0], BASE[1]];
    assert_eq!(built.outputs(&json!({"a": point(BASE), "b": point(opposite)})), Some(multiple(0).to_vec()));
    // Both coordinates are hints.
    let witness = built.witness(&json!({"a": point(BASE), "b": point(GENERATOR)})).unwrap();
    for wire in [1, 2] {
        assert!(!built.takes(&witness, wire, &[witness[wire] + Fr::from(1)]));
    }
}

#[test]
fn points_are_multiplied() {
    let times = build("curve.circom", "Times(7)", false);
    let base = build("curve.circom", "TimesBase(7)", false);
    for factor in [0u128, 1, 2, 64, 93, 127] {
        let bits: Value = (0..7).map(|i| Value::from((factor >> i & 1) as u64)).collect();
        let expected = Some(multiple(factor).to_vec());
        assert_eq!(times.outputs(&json!({"bits": bits, "point": point(BASE)})), expected, "{factor}");
        assert_eq!(base.outputs(&json!({"bits": bits})), expected, "{factor}");
    }
}

#[test]
fn keys_are_of_prime_order() {
    let built = build("schnorr.circom", "Key()", true);
    let key = |eighth: [Fr; 2]| built.outputs(&json!({"eighth": point(eighth)}));
    assert_eq!(key(GENERATOR), Some(BASE.to_vec()));
    assert_eq!(key(BASE), Some(multiple(8).to_vec()));
    assert_eq!(key([GENERATOR[0], GENERATOR[1] + Fr::from(1)]), None, "not on the curve");
    assert_eq!(key([Fr::from(0), Fr::from(1)]), None, "neutral");
    assert_eq!(key([Fr::from(0), -Fr::from(1)]), None, "of order 2");
    let quarter = Fr::from(168_700).sqrt().unwrap().inverse().unwrap();
    assert_eq!(key([quarter, Fr::from(0)]), None, "of order 4");
    let eighth: [Fr; 2] = [
        MontFp!("4342719913949491028786768530115087822524712248835451589697801404893164183326"),
        MontFp!("4826523245007015323400664741523384119579596407052839571721035538011798951543"),
    ];
    assert_eq!(key(eighth), None, "of order 8");
}

#[test]
fn points_are_encoded_as_the_core_does() {
    let built = build("curve.circom", "Encode()", false);
    for factor in 0..6 {
        let multiple = multiple(factor);
        let mut bytes_ = [0; 32];
        bytes_[16..].copy_from_slice(&factor.to_be_bytes());
        let (key, _) = Portable::key(&Portable::base_times(&{
            let mut one = [0; 32];
            one[31] = 1;
            one
        }))
        .unwrap();
        let expected = Portable::commitment(&bytes_, 0, &key);
        assert_eq!(bytes(&built.outputs(&json!({"in": point(multiple)})).unwrap()), expected);
    }
}
