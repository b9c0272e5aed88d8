//! Proofs and public inputs, in the form that the contract takes.

use super::{
    MAX_PUBLIC_INPUTS,
    error::ProofError,
    points::{self, WORD},
};
use alloy_primitives::{B256, keccak256};
use ark_bn254::{Fr, G1Affine, G2Affine};

/// Bytes of a proof's three points.
pub const POINTS_LEN: usize = 8 * WORD;

/// Three sound points: on their curves, in their subgroups, none of them infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    pub(super) a: G1Affine,
    pub(super) b: G2Affine,
    pub(super) c: G1Affine,
}

impl Proof {
    /// From points that were made elsewhere.
    ///
    /// # Errors
    ///
    /// [`ProofError::Point`].
    pub fn new(a: G1Affine, b: G2Affine, c: G1Affine) -> Result<Self, ProofError> {
        let name = |point| move |fault| ProofError::Point { point, fault };
        points::check_g1(&a).map_err(name('A'))?;
        points::check_g2(&b).map_err(name('B'))?;
        points::check_g1(&c).map_err(name('C'))?;
        Ok(Self { a, b, c })
    }

    /// A, B and C.
    pub const fn points(&self) -> (G1Affine, G2Affine, G1Affine) {
        (self.a, self.b, self.c)
    }

    /// From eight big-endian words: A ‖ B ‖ C, G2 coefficients imaginary first.
    ///
    /// # Errors
    ///
    /// [`ProofError::Point`].
    pub fn from_evm(words: &[u8; POINTS_LEN]) -> Result<Self, ProofError> {
        let name = |point| move |fault| ProofError::Point { point, fault };
        let (mut a, mut b, mut c) = ([0; 64], [0; 128], [0; 64]);
        a.copy_from_slice(&words[..64]);
        b.copy_from_slice(&words[64..192]);
        c.copy_from_slice(&words[192..]);
        Ok(Self {
            a: points::g1_from_evm(&a).map_err(name('A'))?,
            b: points::g2_from_evm(&b).map_err(name('B'))?,
            c: points::g1_from_evm(&c).map_err(name('C'))?,
        })
    }

    /// Eight big-endian words: A ‖ B ‖ C, G2 coefficients imaginary first.
    pub fn to_evm(&self) -> [u8; POINTS_LEN] {
        let mut bytes = [0; POINTS_LEN];
        let words = points::g1_to_evm(&self.a).into_iter().chain(points::g2_to_evm(&self.b));
        for (chunk, word) in bytes.chunks_exact_mut(WORD).zip(words.chain(points::g1_to_evm(&self.c))) {
            chunk.copy_from_slice(&word);
        }
        bytes
    }
}

/// A circuit's public inputs (its outputs first, as circom orders them), at most [`MAX_PUBLIC_INPUTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicInputs(pub(super) Vec<Fr>);

impl PublicInputs {
    /// From field elements.
    pub const fn new(inputs: Vec<Fr>) -> Self {
        Self(inputs)
    }

    /// From big-endian words.
    ///
    /// # Errors
    ///
    /// [`ProofError::Length`] if these are not whole words or too many, [`ProofError::Input`] if one is not below r.
    pub fn from_words(words: &[u8]) -> Result<Self, ProofError> {
        if !words.len().is_multiple_of(WORD) || words.len() / WORD > MAX_PUBLIC_INPUTS as usize {
            return Err(ProofError::Length { found: POINTS_LEN + words.len() });
        }
        let input = |(index, chunk): (usize, &[u8])| {
            let mut word = [0; WORD];
            word.copy_from_slice(chunk);
            points::field_from_be(&word).ok_or(ProofError::Input { index })
        };
        words.chunks_exact(WORD).enumerate().map(input).collect::<Result<_, _>>().map(Self)
    }

    /// Big-endian words.
    pub fn to_words(&self) -> Vec<u8> {
        self.0.iter().flat_map(|input| points::field_to_be(*input)).collect()
    }

    /// What a quote calls the statement: the Keccak-256 of the words.
    pub fn statement(&self) -> B256 {
        keccak256(self.to_words())
    }

    /// The field elements.
    pub fn as_slice(&self) -> &[Fr] {
        &self.0
    }
}

/// A proof as the contract takes it, and as provers return it: eight words of points, then the public inputs' words.
///
/// Anyone can re-randomise a proof: its bytes identify nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofBytes {
    /// The points.
    pub proof: Proof,
    /// The public inputs.
    pub inputs: PublicInputs,
}

impl ProofBytes {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`ProofError`], if the length is wrong, or anything is not canonical, on the curve or in the subgroup.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let (points, words) = bytes.split_first_chunk().ok_or(ProofError::Length { found: bytes.len() })?;
        // The cheap check first.
        let inputs = PublicInputs::from_words(words)?;
        Ok(Self { proof: Proof::from_evm(points)?, inputs })
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        [&self.proof.to_evm()[..], &self.inputs.to_words()].concat()
    }
}
