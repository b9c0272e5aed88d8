//! snarkjs' JSON: verifying keys in and out, proofs and public inputs out, so that its users can check ours.

use super::{
    error::{KeyError, PointFault},
    key::{VerifyingKey, check_input_count},
    points,
    proof::{Proof, PublicInputs},
};
use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ff::PrimeField;
use num_bigint::BigUint;
use serde::Deserialize;
use serde_json::{Value, json};

/// A key for the most public inputs is about 0.2 MB.
const MAX_JSON_LEN: usize = 1 << 20;
/// Digits of the largest coordinate.
const MAX_DIGITS: usize = 77;

/// The parts of `vkey.json` that say anything; `vk_alphabeta_12` follows from the rest.
#[derive(Deserialize)]
struct VkeyJson {
    protocol: String,
    curve: String,
    #[serde(rename = "nPublic")]
    inputs: u64,
    vk_alpha_1: [String; 3],
    vk_beta_2: [[String; 2]; 3],
    vk_gamma_2: [[String; 2]; 3],
    vk_delta_2: [[String; 2]; 3],
    #[serde(rename = "IC")]
    ic: Vec<[String; 3]>,
}

impl VerifyingKey {
    /// From what `snarkjs zkey export verificationkey` writes.
    ///
    /// # Errors
    ///
    /// [`KeyError`], if it is something else, or the key is malformed or unsafe.
    pub fn from_snarkjs(json: &[u8]) -> Result<Self, KeyError> {
        if json.len() > MAX_JSON_LEN {
            return Err(KeyError::Json(format!("it is longer than {MAX_JSON_LEN} bytes")));
        }
        let vkey: VkeyJson = serde_json::from_slice(json).map_err(|error| KeyError::Json(error.to_string()))?;
        if vkey.protocol != "groth16" {
            return Err(KeyError::Json("its protocol is not groth16".into()));
        }
        if !["bn128", "bn254", "alt_bn128", "altbn128"].contains(&vkey.curve.as_str()) {
            return Err(KeyError::Curve);
        }
        check_input_count(vkey.inputs)?;
        if vkey.ic.len() as u64 != vkey.inputs + 1 {
            return Err(KeyError::Json(format!("IC holds {} points, not nPublic + 1", vkey.ic.len())));
        }
        let ic = vkey.ic.iter().enumerate().map(|(i, point)| g1(point, &format!("IC[{i}]")));
        Self::new(
            g1(&vkey.vk_alpha_1, "alpha")?,
            g2(&vkey.vk_beta_2, "beta")?,
            g2(&vkey.vk_gamma_2, "gamma")?,
            g2(&vkey.vk_delta_2, "delta")?,
            ic.collect::<Result<_, _>>()?,
        )
    }

    /// What `snarkjs groth16 verify` takes as the verifying key.
    pub fn to_snarkjs(&self) -> Value {
        json!({
            "protocol": "groth16",
            "curve": "bn128",
            "nPublic": self.inputs(),
            "vk_alpha_1": g1_json(&self.alpha()),
            "vk_beta_2": g2_json(&self.beta()),
            "vk_gamma_2": g2_json(&self.gamma()),
            "vk_delta_2": g2_json(&self.delta()),
            "IC": self.ic().iter().map(g1_json).collect::<Vec<_>>(),
        })
    }
}

impl Proof {
    /// What `snarkjs groth16 verify` takes as the proof.
    pub fn to_snarkjs(&self) -> Value {
        json!({
            "protocol": "groth16",
            "curve": "bn128",
            "pi_a": g1_json(&self.a),
            "pi_b": g2_json(&self.b),
            "pi_c": g1_json(&self.c),
        })
    }
}

impl PublicInputs {
    /// What `snarkjs groth16 verify` takes as the public inputs.
    pub fn to_snarkjs(&self) -> Value {
        self.0.iter().map(|input| input.to_string()).collect()
    }
}

fn coordinate(text: &str, point: &str) -> Result<Fq, KeyError> {
    if text.is_empty() || text.len() > MAX_DIGITS || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(KeyError::Json(format!(
            "a coordinate of {point} is not a decimal number of up to {MAX_DIGITS} digits"
        )));
    }
    let number = BigUint::parse_bytes(text.as_bytes(), 10);
    number
        .and_then(|number| number.try_into().ok())
        .and_then(Fq::from_bigint)
        .ok_or_else(|| KeyError::Point { point: point.into(), fault: PointFault::NotCanonical })
}

fn g1([x, y, z]: &[String; 3], point: &str) -> Result<G1Affine, KeyError> {
    let name = |fault| KeyError::Point { point: point.into(), fault };
    match z.as_str() {
        "1" => points::g1(coordinate(x, point)?, coordinate(y, point)?).map_err(name),
        "0" => Err(name(PointFault::Infinity)),
        _ => Err(KeyError::Json(format!("{point} is not in affine form"))),
    }
}

fn g2([x, y, z]: &[[String; 2]; 3], point: &str) -> Result<G2Affine, KeyError> {
    let name = |fault| KeyError::Point { point: point.into(), fault };
    let field = |c: &[String; 2]| Ok::<_, KeyError>(Fq2::new(coordinate(&c[0], point)?, coordinate(&c[1], point)?));
    match [z[0].as_str(), z[1].as_str()] {
        ["1", "0"] => points::g2(field(x)?, field(y)?).map_err(name),
        ["0", "0"] => Err(name(PointFault::Infinity)),
        _ => Err(KeyError::Json(format!("{point} is not in affine form"))),
    }
}

fn g1_json(point: &G1Affine) -> Value {
    json!([point.x.to_string(), point.y.to_string(), "1"])
}

fn g2_json(point: &G2Affine) -> Value {
    let pair = |c: Fq2| json!([c.c0.to_string(), c.c1.to_string()]);
    json!([pair(point.x), pair(point.y), ["1", "0"]])
}
