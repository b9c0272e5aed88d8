//! Who must agree before a batch is final: the legs of the contract's verifier, as they stand on the chain.

use crate::error::NodeError;
use alloy::primitives::{Address, B256, keccak256};
use serde::Serialize;
use zkpool_bindings::{ILegOf, MultiProofVerifier, RiscZeroLeg, SgxLeg, SgxVerifier};
use zkpool_chain::Rpc;

/// A proof system, by the name that programs and legs have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// A circuit's proof.
    Groth16Bn254,
    /// A zkVM's receipt.
    Risc0,
    /// An enclave's signature.
    Sgx,
}

impl System {
    const ALL: [(Self, &str); 3] = [(Self::Groth16Bn254, "groth16-bn254"), (Self::Risc0, "risc0"), (Self::Sgx, "sgx")];

    fn of(kind: B256) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, tag)| keccak256(tag) == kind).map(|(system, _)| system)
    }
}

/// Whose word a leg is in the end (`TrustClass`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Nobody's: the EVM checks a proof.
    Proof,
    /// The hardware's maker and whoever registers its enclaves.
    Hardware,
    /// A quorum of members with a stake.
    Committee,
}

/// A leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leg {
    /// Its index in the verifier.
    pub index: usize,
    /// What proves it.
    pub system: System,
    /// Its contract.
    pub contract: Address,
    /// The verifier behind it.
    pub verifier: Address,
    /// What names its program on the chain: an image id, or an enclave's program; a circuit is its verifier's key.
    pub program: Option<B256>,
    /// Whose word it is.
    pub trust: Trust,
    /// Its enclaves do not exist: whatever they sign is worth nothing.
    pub simulated: bool,
}

/// The policy of a `MultiProofVerifier`; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The verifier.
    pub verifier: Address,
    /// How many legs it takes at least.
    pub threshold: u64,
    /// All legs, by index.
    pub legs: Vec<Leg>,
}

impl Policy {
    /// Reads it.
    ///
    /// # Errors
    /// [`NodeError::Leg`] for a leg that this node knows nothing of, [`NodeError::Away`].
    pub async fn read(rpc: &Rpc, verifier: Address) -> Result<Self, NodeError> {
        let away = |error: alloy::contract::Error| NodeError::Away { address: verifier, reason: error.to_string() };
        let provider = rpc.provider().clone();
        let contract = MultiProofVerifier::new(verifier, provider.clone());
        let threshold = contract.THRESHOLD().call().await.map_err(away)?;
        let mut legs = Vec::new();
        for (index, leg) in contract.legs().call().await.map_err(away)?.into_iter().enumerate() {
            let unknown = |reason: &str| NodeError::Leg { leg: index, reason: reason.into() };
            let system = System::of(leg.kind).ok_or_else(|| unknown("it is of a kind that this node does not know"))?;
            let trust = match leg.trustClass {
                0 => Trust::Proof,
                1 => Trust::Hardware,
                2 => Trust::Committee,
                _ => return Err(unknown("it is of a trust class that this node does not know")),
            };
            let behind = ILegOf::new(leg.leg, provider.clone()).VERIFIER().call().await.map_err(away)?;
            let (program, simulated) = match system {
                System::Groth16Bn254 => (None, false),
                System::Risc0 => {
                    let image = RiscZeroLeg::new(leg.leg, provider.clone()).IMAGE_ID().call().await.map_err(away)?;
                    (Some(image), false)
                }
                System::Sgx => {
                    let program = SgxLeg::new(leg.leg, provider.clone()).PROGRAM().call().await.map_err(away)?;
                    let simulated =
                        SgxVerifier::new(behind, provider.clone()).SIMULATED().call().await.map_err(away)?;
                    (Some(program), simulated)
                }
            };
            legs.push(Leg { index, system, contract: leg.leg, verifier: behind, program, trust, simulated });
        }
        Ok(Self { verifier, threshold: u64::try_from(threshold).unwrap_or(u64::MAX), legs })
    }
}
