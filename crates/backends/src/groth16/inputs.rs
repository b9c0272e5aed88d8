//! A task's signals, from JSON as snarkjs takes it to field elements.
//!
//! A signal is a number, a decimal string (perhaps negative) or a hexadecimal one (`0x…`), or arrays of these, which are
//! flattened in order. Numbers are taken modulo r. Unlike snarkjs this refuses JSON numbers that JavaScript would round
//! (beyond 2^53), so that no tool of the requester's sees another input than the prover; and empty strings.

use super::msm::Scalar;
use ark_bn254::Fr;
use ark_ff::PrimeField;
use num_bigint::{BigInt, BigUint, Sign};
use serde_json::{Map, Value};

/// The largest integer up to which JavaScript's numbers are exact.
const MAX_EXACT: u64 = (1 << 53) - 1;
/// Digits of a string: generous for a number that is reduced modulo r.
const MAX_DIGITS: usize = 1000;
/// Nested arrays.
const MAX_DEPTH: usize = 32;
/// Characters of a foreign name that an error shows.
const SHOWN: usize = 64;

/// Why signals are not taken. The messages name signals and never show a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputError {
    /// Not a number.
    #[error("a value of signal {signal:?} is {fault}")]
    Value {
        /// The signal.
        signal: String,
        /// What is wrong.
        fault: &'static str,
    },
    /// The circuit has no such signal.
    #[error("the circuit has no input signal {signal:?}: take it out of the input")]
    Unknown {
        /// The signal.
        signal: String,
    },
    /// The signal has another size.
    #[error("signal {signal:?} takes {expected} values, but the input has {found}")]
    Size {
        /// The signal.
        signal: String,
        /// What the circuit takes.
        expected: usize,
        /// What the input has.
        found: usize,
    },
    /// Signals are missing.
    #[error("the input has {found} of the circuit's {expected} input values: signals besides {given} are missing")]
    Missing {
        /// The signals that are there.
        given: String,
        /// What the circuit takes.
        expected: usize,
        /// What the input has.
        found: usize,
    },
}

/// A named signal's values.
pub(super) struct Signal<'a> {
    pub(super) name: &'a str,
    pub(super) values: Vec<Scalar>,
}

impl Signal<'_> {
    /// The name's 64-bit FNV-1a hash, by which circom's generators know it.
    pub(super) fn hash(&self) -> u64 {
        fnv1a(self.name)
    }
}

/// Reads all signals.
pub(super) fn parse(signals: &Map<String, Value>) -> Result<Vec<Signal<'_>>, InputError> {
    let mut parsed = Vec::with_capacity(signals.len());
    for (name, value) in signals {
        let mut values = Vec::new();
        flatten(value, 0, &mut values).map_err(|fault| InputError::Value { signal: shown(name), fault })?;
        parsed.push(Signal { name, values });
    }
    Ok(parsed)
}

/// A foreign name, fit for a message.
pub(super) fn shown(name: &str) -> String {
    let mut chars = name.chars();
    let mut shown: String = chars.by_ref().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

fn flatten(value: &Value, depth: usize, values: &mut Vec<Scalar>) -> Result<(), &'static str> {
    let number = match value {
        Value::Array(items) => {
            if depth == MAX_DEPTH {
                return Err("nested too deeply");
            }
            return items.iter().try_for_each(|item| flatten(item, depth + 1, values));
        }
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) if number <= MAX_EXACT => BigInt::from(number),
            (None, Some(number)) if number.unsigned_abs() <= MAX_EXACT => BigInt::from(number),
            (Some(_), _) | (_, Some(_)) => {
                return Err("a number beyond 2^53, which JSON readers round: write it as a string");
            }
            (None, None) => return Err("not an integer, or one beyond 2^53: write it as a string"),
        },
        Value::String(text) => parse_text(text.trim())?,
        Value::Bool(bit) => BigInt::from(u8::from(*bit)),
        Value::Null => return Err("null"),
        Value::Object(_) => return Err("an object: give each signal by its own name"),
    };
    values.push(reduce(&number));
    Ok(())
}

fn parse_text(text: &str) -> Result<BigInt, &'static str> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (Sign::Minus, digits),
        None => (Sign::Plus, text),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        // As in JavaScript: hexadecimal numbers have no sign.
        Some(_) if sign == Sign::Minus => return Err("a negative hexadecimal number: write it as a decimal one"),
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    if digits.len() > MAX_DIGITS {
        return Err("longer than 1000 digits");
    }
    // `parse_bytes` takes underscores and a plus sign.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err("a text that is not a decimal or hexadecimal (0x…) integer");
    }
    let magnitude = BigUint::parse_bytes(digits.as_bytes(), radix).ok_or("a text that is not an integer")?;
    Ok(BigInt::from_biguint(sign, magnitude))
}

/// Modulo r, never negative.
fn reduce(number: &BigInt) -> Scalar {
    let modulus = BigUint::from(Fr::MODULUS);
    let rest = number.magnitude() % &modulus;
    let rest = if number.sign() == Sign::Minus && rest != BigUint::ZERO { modulus - rest } else { rest };
    let mut scalar = Scalar::default();
    for (limb, digit) in scalar.0.iter_mut().zip(rest.iter_u64_digits()) {
        *limb = digit;
    }
    scalar
}

fn fnv1a(text: &str) -> u64 {
    // snarkjs hashes UTF-16 code units; the names of circom's signals are ASCII.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(value: Value) -> Result<Vec<String>, String> {
        let map = Map::from_iter([("x".to_owned(), value)]);
        match parse(&map) {
            Ok(signals) => Ok(signals[0].values.iter().map(|scalar| BigUint::from(*scalar).to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    const MINUS_ONE: &str = "21888242871839275222246405745257275088548364400416034343698204186575808495616";
    const MODULUS: &str = "21888242871839275222246405745257275088548364400416034343698204186575808495617";

    #[test]
    fn takes_what_snarkjs_takes() {
        assert_eq!(values(json!(7)).unwrap(), ["7"]);
        assert_eq!(values(json!("7")).unwrap(), ["7"]);
        assert_eq!(values(json!(" 0xfF ")).unwrap(), ["255"]);
        assert_eq!(values(json!(-1)).unwrap(), [MINUS_ONE]);
        assert_eq!(values(json!("-1")).unwrap(), [MINUS_ONE]);
        assert_eq!(values(json!(MODULUS)).unwrap(), ["0"]);
        assert_eq!(values(json!(format!("-{MODULUS}"))).unwrap(), ["0"]);
        assert_eq!(values(json!(true)).unwrap(), ["1"]);
        assert_eq!(values(json!([[1, "2"], [["3"]], 4])).unwrap(), ["1", "2", "3", "4"]);
        assert_eq!(values(json!([])).unwrap(), [""; 0]);
        assert_eq!(values(json!(9_007_199_254_740_991u64)).unwrap(), ["9007199254740991"]);
    }

    #[test]
    fn refuses_the_rest_by_the_signals_name() {
        for bad in [
            json!(9_007_199_254_740_992u64),
            json!(-9_007_199_254_740_992i64),
            json!(1.5),
            json!(1e300),
            json!(""),
            json!("0x"),
            json!("-0x1"),
            json!("1_000"),
            json!("+1"),
            json!("1e3"),
            json!("٣"),
            json!(null),
            json!({"y": 1}),
            json!("9".repeat(1001)),
        ] {
            assert!(values(bad.clone()).unwrap_err().contains("\"x\""), "{bad}");
        }
        let deep = (0..100).fold(json!(1), |value, _| json!([value]));
        assert!(values(deep).unwrap_err().contains("nested"));
    }

    #[test]
    fn errors_never_show_a_value_and_bound_the_name() {
        let error = values(json!("424242x")).unwrap_err();
        assert!(!error.contains("424242"), "{error}");
        let map = Map::from_iter([("n\n".repeat(1000), json!(null))]);
        let error = parse(&map).err().unwrap().to_string();
        assert!(error.len() < 400 && !error.contains('\n'), "{error}");
    }

    #[test]
    fn hashes_as_circom_does() {
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
