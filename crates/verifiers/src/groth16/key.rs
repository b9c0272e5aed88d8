//! Verifying keys: one that exists has passed every check that can be made without the ceremony's transcript.

use super::{
    MAX_PUBLIC_INPUTS,
    error::KeyError,
    points::{self, WORD},
};
use alloy_primitives::{B256, keccak256};
use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;

/// The version of the stored form.
const STORED_VERSION: u8 = 1;
/// Words of alpha, beta, gamma and delta.
const FIXED_WORDS: usize = 14;

/// A Groth16 verifying key over BN254.
///
/// Its points are on their curves, in their subgroups and not infinity; neither phase of its setup was skipped (alpha,
/// beta and delta are not the generators, gamma is not delta, each up to sign); it takes at most [`MAX_PUBLIC_INPUTS`].
/// Gamma *is* the generator in every key of snarkjs. Whether the ceremony's participants were honest cannot be seen
/// from a key: `snarkjs zkey verify` recomputes it from the circuit and the ceremony's transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    alpha: G1Affine,
    beta: G2Affine,
    gamma: G2Affine,
    delta: G2Affine,
    ic: Vec<G1Affine>,
}

impl VerifyingKey {
    /// From points; `ic` holds one more than there are public inputs.
    ///
    /// # Errors
    ///
    /// [`KeyError`], if the key is malformed or unsafe.
    pub fn new(
        alpha: G1Affine,
        beta: G2Affine,
        gamma: G2Affine,
        delta: G2Affine,
        ic: Vec<G1Affine>,
    ) -> Result<Self, KeyError> {
        let inputs = ic.len().checked_sub(1).ok_or(KeyError::Header("it has no input points"))?;
        check_input_count(inputs as u64)?;
        let named = |point: &str| {
            let point = point.to_owned();
            move |fault| KeyError::Point { point, fault }
        };
        points::check_g1(&alpha).map_err(named("alpha"))?;
        points::check_g2(&beta).map_err(named("beta"))?;
        points::check_g2(&gamma).map_err(named("gamma"))?;
        points::check_g2(&delta).map_err(named("delta"))?;
        for (i, point) in ic.iter().enumerate() {
            points::check_g1(point).map_err(named(&format!("IC[{i}]")))?;
        }

        // Up to sign: a negated default is as well known as the default. The x coordinate tells both.
        if delta.x == G2Affine::generator().x {
            return Err(KeyError::NoContribution);
        }
        if alpha.x == G1Affine::generator().x {
            return Err(KeyError::DefaultPoint { point: "alpha" });
        }
        if beta.x == G2Affine::generator().x {
            return Err(KeyError::DefaultPoint { point: "beta" });
        }
        if gamma.x == delta.x {
            return Err(KeyError::GammaIsDelta);
        }
        Ok(Self { alpha, beta, gamma, delta, ic })
    }

    /// From the form in which [`Self::to_bytes`] stores it. Every check is made again.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let Some((&STORED_VERSION, words)) = bytes.split_first() else { return Err(KeyError::Stored) };
        let (fixed, ic) = words.split_first_chunk::<{ FIXED_WORDS * WORD }>().ok_or(KeyError::Stored)?;
        if !ic.len().is_multiple_of(2 * WORD) || ic.is_empty() {
            return Err(KeyError::Stored);
        }
        check_input_count((ic.len() / (2 * WORD)) as u64 - 1)?;
        let (alpha, fixed) = fixed.split_first_chunk().ok_or(KeyError::Stored)?;
        let mut g2 = fixed.chunks_exact(4 * WORD).zip(["beta", "gamma", "delta"]).map(|(chunk, name)| {
            let mut words = [0; 4 * WORD];
            words.copy_from_slice(chunk);
            points::g2_from_evm(&words).map_err(|fault| KeyError::Point { point: name.into(), fault })
        });
        let mut next = || g2.next().ok_or(KeyError::Stored)?;
        let (beta, gamma, delta) = (next()?, next()?, next()?);
        let alpha = points::g1_from_evm(alpha).map_err(|fault| KeyError::Point { point: "alpha".into(), fault })?;
        let ic = ic.chunks_exact(2 * WORD).enumerate().map(|(i, chunk)| {
            let mut words = [0; 2 * WORD];
            words.copy_from_slice(chunk);
            points::g1_from_evm(&words).map_err(|fault| KeyError::Point { point: format!("IC[{i}]"), fault })
        });
        Self::new(alpha, beta, gamma, delta, ic.collect::<Result<_, _>>()?)
    }

    /// A compact form to store: a version byte, then [`Self::evm_words`]. 449 bytes and 64 for each input point.
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = self.evm_words();
        let mut bytes = Vec::with_capacity(1 + words.len() * WORD);
        bytes.push(STORED_VERSION);
        bytes.extend(words.iter().flatten());
        bytes
    }

    /// The key in the order of `Groth16Verifier.Key` in Solidity: alpha (2 words), beta, gamma, delta (4 each,
    /// coefficients imaginary first), then IC (2 each).
    pub fn evm_words(&self) -> Vec<B256> {
        let g2 = [&self.beta, &self.gamma, &self.delta].into_iter().flat_map(points::g2_to_evm);
        let words = points::g1_to_evm(&self.alpha).into_iter().chain(g2);
        words.chain(self.ic.iter().flat_map(points::g1_to_evm)).map(B256::from).collect()
    }

    /// `KEY_HASH` of a `Groth16Verifier` contract that was deployed with this key: the Keccak-256 of its ABI encoding.
    pub fn evm_key_hash(&self) -> B256 {
        let number = |value: usize| {
            let mut word = B256::ZERO;
            word[WORD - 8..].copy_from_slice(&(value as u64).to_be_bytes());
            word
        };
        let words = self.evm_words();
        let (fixed, ic) = words.split_at(FIXED_WORDS);
        // A dynamic struct: its offset; its static members; where `ic` starts in it; how many points; the points.
        let mut abi = vec![number(WORD)];
        abi.extend_from_slice(fixed);
        abi.extend([number((FIXED_WORDS + 1) * WORD), number(self.ic.len())]);
        abi.extend_from_slice(ic);
        keccak256(abi.concat())
    }

    /// How many public inputs a proof carries.
    pub fn inputs(&self) -> usize {
        self.ic.len() - 1
    }

    /// Alpha, in G1.
    pub const fn alpha(&self) -> G1Affine {
        self.alpha
    }

    /// Beta, in G2.
    pub const fn beta(&self) -> G2Affine {
        self.beta
    }

    /// Gamma, in G2.
    pub const fn gamma(&self) -> G2Affine {
        self.gamma
    }

    /// Delta, in G2.
    pub const fn delta(&self) -> G2Affine {
        self.delta
    }

    pub(super) fn ic(&self) -> &[G1Affine] {
        &self.ic
    }
}

/// Before anything is allocated by it.
pub(super) const fn check_input_count(found: u64) -> Result<(), KeyError> {
    if found > MAX_PUBLIC_INPUTS as u64 {
        return Err(KeyError::TooManyPublicInputs { found, max: MAX_PUBLIC_INPUTS });
    }
    Ok(())
}
