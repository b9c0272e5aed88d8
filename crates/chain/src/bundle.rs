//! Typed reads of a bundle's verifier, at the head of the chain.

use crate::{ChainError, Rpc};
use alloy::{
    primitives::{Address, B256, FixedBytes, U256},
    sol_types::SolCall,
};
use zkpool_bindings::{ILegOf, ILegReceiver, MultiProofVerifier};

/// Reads of one `MultiProofVerifier`, whose legs and threshold never change. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BundleView {
    rpc: Rpc,
    chain_id: u64,
    address: Address,
}

/// What never changes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundlePolicy {
    /// How many legs it takes at least.
    pub threshold: u32,
    /// Its legs, by index.
    pub legs: Vec<LegPolicy>,
}

/// One leg of a bundle's verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegPolicy {
    /// The leg's contract: it is asked about the bundle's statement.
    pub leg: Address,
    /// The verifier behind it: it is asked about the leg's own.
    pub verifier: Address,
    /// keccak-256 of the proof system's name ([`zkpool_protocol::ProgramManifest::tag`]).
    pub kind: B256,
    /// Whether it is a proof that the EVM checks itself. Of those that are given at least one must be.
    pub is_proof: bool,
}

impl BundleView {
    /// Of the verifier at `address`. Does not talk to the endpoint yet.
    pub const fn new(rpc: Rpc, chain_id: u64, address: Address) -> Self {
        Self { rpc, chain_id, address }
    }

    /// What never changes about it.
    ///
    /// # Errors
    /// [`ChainError::NoContract`] also for another contract, [`ChainError::Unreachable`].
    pub async fn policy(&self) -> Result<BundlePolicy, ChainError> {
        let none = || ChainError::NoContract { address: self.address, chain_id: self.chain_id };
        if !self.rpc.has_code(self.address).await? {
            return Err(none());
        }
        let contract = MultiProofVerifier::new(self.address, self.rpc.provider().clone());
        let legs = match contract.legs().call().await.map_err(|e| self.failed(e)) {
            Err(error) if error.is_transient() && !matches!(error, ChainError::BadAnswer { .. }) => return Err(error),
            // Another contract reverts, or answers with something else.
            Err(_) => return Err(none()),
            Ok(legs) => legs,
        };
        let threshold = contract.THRESHOLD().call().await.map_err(|e| self.failed(e))?;
        let threshold = u32::try_from(threshold).map_err(|_| none())?;
        let mut policy = BundlePolicy { threshold, legs: Vec::with_capacity(legs.len()) };
        for leg in legs {
            let behind = ILegOf::new(leg.leg, self.rpc.provider().clone()).VERIFIER().call().await;
            policy.legs.push(LegPolicy {
                leg: leg.leg,
                verifier: behind.map_err(|e| self.failed(e))?,
                kind: leg.kind,
                is_proof: leg.trustClass == 0,
            });
        }
        Ok(policy)
    }

    /// What the verifier behind a leg is asked when the bundle's statement is `output`.
    pub async fn statement_of(&self, leg: Address, output: B256) -> Result<B256, ChainError> {
        let leg = ILegOf::new(leg, self.rpc.provider().clone());
        leg.statementOf(output).call().await.map_err(|e| self.failed(e))
    }

    fn failed(&self, error: alloy::contract::Error) -> ChainError {
        ChainError::contract(format!("read the bundle's verifier {}", self.address), error)
    }
}

/// Reads of a target that may take the legs of a bundle one by one (`ILegReceiver`).
#[derive(Clone, Debug)]
pub struct LegReceiverView {
    rpc: Rpc,
    target: Address,
}

impl LegReceiverView {
    /// Gas for each question: a target answers about itself, cheaply or not at all.
    const GAS: u64 = 100_000;

    /// Of this target. Does not talk to the endpoint yet.
    pub const fn new(rpc: Rpc, target: Address) -> Self {
        Self { rpc, target }
    }

    /// When it takes a leg, in seconds: from the first on and before the second. `None` if it takes none, says that it
    /// does not know of such things (ERC-165), or does not answer.
    pub async fn window(&self, statement: B256, leg: u32) -> Result<Option<(u64, u64)>, ChainError> {
        let target = ILegReceiver::new(self.target, self.rpc.provider().clone());
        let supports = target.supportsInterface(leg_receiver_id()).gas(Self::GAS).call().await;
        if !self.told(supports)?.unwrap_or(false) {
            return Ok(None);
        }
        let window = target.legWindow(statement, U256::from(leg)).gas(Self::GAS).call().await;
        Ok(self.told(window)?.map(|window| (window.from, window.until)).filter(|(from, until)| from < until))
    }

    /// What it answered; `None` if it reverted or answered with something else.
    fn told<T>(&self, result: Result<T, alloy::contract::Error>) -> Result<Option<T>, ChainError> {
        match result.map_err(|e| ChainError::contract(format!("ask {} about legs", self.target), e)) {
            Ok(answer) => Ok(Some(answer)),
            Err(ChainError::Reverted { .. } | ChainError::BadAnswer { .. } | ChainError::NoContract { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The ERC-165 id of `ILegReceiver`: what its two functions' selectors come to.
fn leg_receiver_id() -> FixedBytes<4> {
    let (window, receive) = (ILegReceiver::legWindowCall::SELECTOR, ILegReceiver::receiveLegCall::SELECTOR);
    std::array::from_fn(|byte| window[byte] ^ receive[byte]).into()
}
