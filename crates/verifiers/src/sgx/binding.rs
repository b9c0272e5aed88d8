//! What an instance's key is bound to.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolValue, eip712_domain};
use serde::{Deserialize, Serialize};

/// What every quote's hash begins with, so that it can be mistaken for nothing else.
const PURPOSE: &str = "zkpool sgx instance v1";

/// The contract that knows the instances, and the chain that it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Domain {
    /// EIP-155 id.
    pub chain_id: u64,
    /// An `SgxVerifier`.
    pub verifier: Address,
}

impl Domain {
    /// The EIP-712 domain of proofs.
    pub(super) fn eip712(&self) -> Eip712Domain {
        eip712_domain! {
            name: "ZKPool SGX",
            version: "1",
            chain_id: self.chain_id,
            verifying_contract: self.verifier,
        }
    }
}

/// What a quote must say: for which contract, program and instance it was made, and not before when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// Where the instance is to be registered.
    pub domain: Domain,
    /// Which program it runs, as the contract names it.
    pub program: B256,
    /// The instance: the address of its key.
    pub instance: Address,
    /// The hash of a recent block: the quote is not older.
    pub block_hash: B256,
}

impl Binding {
    /// The 64 bytes that the enclave puts into its report:
    /// `keccak256(abi.encode(keccak256("zkpool sgx instance v1"), chainId, verifier, program, instance))`, then the block's
    /// hash.
    pub fn report_data(&self) -> [u8; 64] {
        let purpose = keccak256(PURPOSE);
        let Domain { chain_id, verifier } = self.domain;
        let bound = (purpose, U256::from(chain_id), verifier, self.program, self.instance).abi_encode();
        let mut data = [0; 64];
        data[..32].copy_from_slice(keccak256(bound).as_slice());
        data[32..].copy_from_slice(self.block_hash.as_slice());
        data
    }
}
