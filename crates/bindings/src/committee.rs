//! What members of a committee sign, and the seal that is made of it.

use crate::CommitteeVerifier::Attestation;
use alloy::{
    primitives::{Address, B256, Bytes, Signature},
    sol_types::{Eip712Domain, SolStruct, eip712_domain},
};

/// The EIP-712 domain of one committee: one version of it, on one chain.
pub fn committee_domain(chain_id: u64, committee: Address) -> Eip712Domain {
    eip712_domain! {
        name: "ZKPool Committee",
        version: "1",
        chain_id: chain_id,
        verifying_contract: committee,
    }
}

impl Attestation {
    /// What a member of the committee with this domain signs.
    pub fn digest(&self, domain: &Eip712Domain) -> B256 {
        self.eip712_signing_hash(domain)
    }
}

/// The seal that `CommitteeVerifier` takes: its selector, the receipt's hash, then each signature (r, s, v; 65 bytes) in
/// ascending order of its signer.
pub fn committee_seal(domain: &Eip712Domain, receipt_hash: B256, signatures: &[(Address, Signature)]) -> Bytes {
    let mut ordered = signatures.to_vec();
    ordered.sort_by_key(|(signer, _)| *signer);
    let mut seal = domain.separator()[..4].to_vec();
    seal.extend_from_slice(receipt_hash.as_slice());
    for (_, signature) in ordered {
        seal.extend_from_slice(&signature.as_bytes());
    }
    seal.into()
}
