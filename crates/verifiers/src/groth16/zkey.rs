//! The head of snarkjs' proving key file: what a verifier needs of a `.zkey`. The rest, which may be gigabytes, is not
//! read. Format: snarkjs `src/zkey_utils.js`.

use super::{
    error::{KeyError, PointFault},
    key::{VerifyingKey, check_input_count},
    points::{self, BASE_FIELD_PRIME_LE, SCALAR_FIELD_PRIME_LE, WORD},
};
use crate::binfile::{self, BinFile};
use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use std::io::{Read, Seek};

/// The sections of a Groth16 zkey that a reader needs.
pub mod section {
    /// Which proof system.
    pub const PROTOCOL: u32 = 1;
    /// Curve, sizes, and the key's fixed points.
    pub const HEADER: u32 = 2;
    /// Public inputs' points.
    pub const IC: u32 = 3;
    /// Non-zero entries of the matrices A and B.
    pub const COEFFICIENTS: u32 = 4;
    /// A query in G1.
    pub const A: u32 = 5;
    /// B query in G1.
    pub const B1: u32 = 6;
    /// B query in G2.
    pub const B2: u32 = 7;
    /// Private wires' points.
    pub const C: u32 = 8;
    /// Quotient's points.
    pub const H: u32 = 9;
}

/// Bytes of a point of G1 in a zkey.
pub const G1_LEN: u64 = 2 * WORD as u64;
/// Bytes of a point of G2 in a zkey.
pub const G2_LEN: u64 = 4 * WORD as u64;

const GROTH16: u32 = 1;
const HEADER_LEN: u64 = 4 + 32 + 4 + 32 + 12 + 3 * G1_LEN + 3 * G2_LEN;
/// The reduction evaluates on a domain twice as large, and the scalar field has roots of unity up to 2^28.
const MAX_DOMAIN: u32 = 1 << 27;

/// A zkey's container.
pub type ZkeyFile<R> = BinFile<R>;

/// A zkey's header, and its verifying key.
#[derive(Clone, Debug)]
pub struct ZkeyHead {
    /// How many wires: 1, then the public inputs, then the private ones.
    pub wires: u32,
    /// The size of the evaluation domain: a power of two, at most 2^27.
    pub domain: u32,
    /// Beta in G1.
    pub beta_g1: G1Affine,
    /// Delta in G1.
    pub delta_g1: G1Affine,
    /// The verifying key, checked.
    pub key: VerifyingKey,
}

impl ZkeyHead {
    /// Reads the head of a zkey.
    ///
    /// # Errors
    ///
    /// [`KeyError`], if the file is no Groth16 zkey over BN254, or its key is malformed or unsafe.
    pub fn read<R: Read + Seek>(file: &mut ZkeyFile<R>) -> Result<Self, KeyError> {
        let found = binfile::read_u32(&mut file.section_of_len(section::PROTOCOL, 4)?)?;
        if found != GROTH16 {
            return Err(KeyError::ProofSystem { found });
        }

        // Another curve has another header length: say so rather than complain about the length.
        let mut reader = match file.len_of(section::HEADER)? {
            HEADER_LEN => file.section_of_len(section::HEADER, HEADER_LEN)?,
            _ => return Err(KeyError::Curve),
        };
        for prime in [BASE_FIELD_PRIME_LE, SCALAR_FIELD_PRIME_LE] {
            let bytes_of_prime = binfile::read_u32(&mut reader)?;
            if bytes_of_prime != 32 || word(&mut reader)? != prime {
                return Err(KeyError::Curve);
            }
        }
        let wires = binfile::read_u32(&mut reader)?;
        let inputs = binfile::read_u32(&mut reader)?;
        let domain = binfile::read_u32(&mut reader)?;
        check_input_count(inputs.into())?;
        if inputs >= wires {
            return Err(KeyError::Header("it has fewer wires than public inputs"));
        }
        if !domain.is_power_of_two() || domain > MAX_DOMAIN {
            return Err(KeyError::Header("its domain is not a power of two up to 2^27"));
        }
        let alpha = g1(&mut reader, "alpha")?;
        let beta_g1 = g1(&mut reader, "beta in G1")?;
        let beta = g2(&mut reader, "beta")?;
        let gamma = g2(&mut reader, "gamma")?;
        let delta_g1 = g1(&mut reader, "delta in G1")?;
        let delta = g2(&mut reader, "delta")?;

        let points = u64::from(inputs) + 1;
        let mut reader = file.section_of_len(section::IC, points * G1_LEN)?;
        let ic = (0..points).map(|i| g1(&mut reader, &format!("IC[{i}]"))).collect::<Result<_, _>>()?;
        Ok(Self { wires, domain, beta_g1, delta_g1, key: VerifyingKey::new(alpha, beta, gamma, delta, ic)? })
    }
}

/// Opens a zkey.
///
/// # Errors
///
/// [`KeyError::File`], if it is none.
pub fn open<R: Read + Seek>(reader: R) -> Result<ZkeyFile<R>, KeyError> {
    Ok(BinFile::open(reader, "zkey", 1)?)
}

impl VerifyingKey {
    /// From a zkey, of which only the head is read.
    ///
    /// # Errors
    ///
    /// [`KeyError`], if the file is no Groth16 zkey over BN254, or its key is malformed or unsafe.
    pub fn from_zkey(reader: impl Read + Seek) -> Result<Self, KeyError> {
        Ok(ZkeyHead::read(&mut open(reader)?)?.key)
    }
}

fn word(reader: &mut impl Read) -> Result<[u8; WORD], KeyError> {
    let mut word = [0; WORD];
    binfile::read_exact(reader, &mut word)?;
    Ok(word)
}

fn coordinate(reader: &mut impl Read, point: &str) -> Result<Fq, KeyError> {
    points::coordinate_from_zkey(&word(reader)?)
        .ok_or_else(|| KeyError::Point { point: point.into(), fault: PointFault::NotCanonical })
}

fn g1(reader: &mut impl Read, point: &str) -> Result<G1Affine, KeyError> {
    let (x, y) = (coordinate(reader, point)?, coordinate(reader, point)?);
    points::g1(x, y).map_err(|fault| KeyError::Point { point: point.into(), fault })
}

fn g2(reader: &mut impl Read, point: &str) -> Result<G2Affine, KeyError> {
    let x = Fq2::new(coordinate(reader, point)?, coordinate(reader, point)?);
    let y = Fq2::new(coordinate(reader, point)?, coordinate(reader, point)?);
    points::g2(x, y).map_err(|fault| KeyError::Point { point: point.into(), fault })
}
