//! The rollup's contracts on the stage: a verifier for each leg, the one that puts them together, the rollup.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol,
    sol_types::SolValue,
};
use std::{fs::File, path::Path};
use zkpool_demo::{
    committee,
    error::{Attempt, DemoError, Result},
    stage::Stage,
};
use zkpool_rollup::core::{Journal, TRANSFERS, Transfer};
use zkpool_rollup_node::bundle;
use zkpool_verifiers::groth16::VerifyingKey;

sol! {
    /// As `Groth16Verifier` takes it.
    struct Key {
        uint256[2] alpha;
        uint256[4] beta;
        uint256[4] gamma;
        uint256[4] delta;
        uint256[2][] ic;
    }

    function root() external view returns (bytes32);
    function finalised() external view returns (uint32);
}

/// What the committee's members must not answer twice: the whole journal, so that there is nothing left to answer. A batch
/// that was dropped and proposed again leads elsewhere from the same root, and honest members sign for both.
const QUESTION_BYTES: u32 = Journal::LENGTH as u32;
/// Members of the committee that must sign.
const THRESHOLD: u64 = 2;
/// For so long after a batch was proposed the rollup takes an enclave's signature by itself, in seconds.
const EARLY: u32 = 3600;
/// For how long an instance counts, in seconds.
const LIFETIME: u64 = 30 * 24 * 3600;

/// What stands on the chain.
#[derive(Clone, Debug)]
pub struct Ground {
    /// `Groth16Verifier`, for the circuit.
    pub groth16: Address,
    /// `CommitteeVerifier`, for the zkVM, if that is a leg.
    pub committee: Option<Address>,
    /// `SgxVerifier`, which takes simulated enclaves.
    pub sgx: Address,
    /// What the enclaves' program is called there.
    pub enclave: B256,
    /// `MultiProofVerifier`: all legs must agree.
    pub verifier: Address,
    /// `Rollup`.
    pub rollup: Address,
}

/// Whom the contracts are made for.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    /// Members of the committee for the zkVM's leg; none: there is no such leg.
    pub members: Option<&'a [Address]>,
    /// Registers enclaves.
    pub registrar: Address,
    /// Proposes batches.
    pub sequencer: Address,
}

impl Ground {
    /// Deploys it, for a circuit with this proving key and a state that begins with this root.
    pub async fn lay(stage: &Stage, zkey: &Path, genesis_root: B256, parties: Parties<'_>) -> Result<Self> {
        let key = key(zkey)?;
        let groth16 = stage.deploy("Groth16Verifier", &(key,).abi_encode_params()).await?;
        let mut legs = vec![stage.deploy("Groth16Leg", &(groth16,).abi_encode_params()).await?];
        let mut committee = None;
        if let Some(members) = parties.members {
            let image_id = bundle::image_id();
            let address = committee::found(stage, members, THRESHOLD, image_id, QUESTION_BYTES).await?;
            legs.push(stage.deploy("RiscZeroLeg", &(address, image_id).abi_encode_params()).await?);
            committee = Some(address);
        }
        // A delay of zero: nobody has to have time to object to an enclave that does not exist.
        let (delay, simulated) = (U256::ZERO, true);
        let arguments = (stage.deployer, Address::ZERO, parties.registrar, delay, U256::from(LIFETIME), simulated)
            .abi_encode_params();
        let sgx = stage.deploy("SgxVerifier", &arguments).await?;
        let enclave = keccak256("rollup transfers v1");
        legs.push(stage.deploy("SgxLeg", &(sgx, enclave).abi_encode_params()).await?);

        let all = u8::try_from(legs.len()).attempt("counting legs")?;
        // The enclave is done first: its word is welcome at once, though it makes nothing final.
        let mut windows = vec![0_u32; legs.len() - 1];
        windows.push(EARLY);
        let verifier = stage.deploy("MultiProofVerifier", &(legs, U256::from(all)).abi_encode_params()).await?;
        let length = U256::from(TRANSFERS * Transfer::LENGTH);
        let arguments = (verifier, parties.sequencer, genesis_root, length, windows).abi_encode_params();
        let rollup = stage.deploy("Rollup", &arguments).await?;
        Ok(Self { groth16, committee, sgx, enclave, verifier, rollup })
    }

    /// The state's root and the number of final batches, read from the contract itself.
    pub async fn root(&self, stage: &Stage) -> Result<(B256, u32)> {
        let root: B256 = stage.view_of(self.rollup, rootCall {}).await?;
        let finalised: B256 = stage.view_of(self.rollup, finalisedCall {}).await?;
        Ok((root, U256::from_be_bytes(finalised.0).saturating_to()))
    }
}

/// The verifying key in a proving key.
fn key(zkey: &Path) -> Result<Key> {
    let what = format!("reading the verifying key of {}", zkey.display());
    let file = File::open(zkey).attempt(&what)?;
    let words = VerifyingKey::from_zkey(file).attempt(&what)?.evm_words();
    let mut words = words.into_iter().map(|word| U256::from_be_bytes(word.0));
    let short = || DemoError::new(&what, "it has too few words");
    let mut take = |count: usize| {
        let taken: Vec<U256> = words.by_ref().take(count).collect();
        if taken.len() == count { Ok(taken) } else { Err(short()) }
    };
    let four = |words: Vec<U256>| <[U256; 4]>::try_from(words).map_err(|_| short());
    let two = |words: Vec<U256>| <[U256; 2]>::try_from(words).map_err(|_| short());
    let (alpha, beta, gamma, delta) = (two(take(2)?)?, four(take(4)?)?, four(take(4)?)?, four(take(4)?)?);
    let rest: Vec<U256> = words.collect();
    let ic = rest.chunks(2).map(|point| two(point.to_vec())).collect::<Result<_>>()?;
    Ok(Key { alpha, beta, gamma, delta, ic })
}
