//! What the members of a committee sign.

use crate::Context;
use sha2::{Digest, Sha256};
use zkpool_bindings::{CommitteeVerifier::Attestation, committee_domain};
use zkpool_chain::alloy::{primitives::Address, sol_types::Eip712Domain};
use zkpool_protocol::{B256, BlobId};

/// In which the members of a committee on this service's chain sign.
pub(crate) fn domain(ctx: &Context, committee: Address) -> Eip712Domain {
    committee_domain(ctx.config.chain_id, committee)
}

/// What is signed for a receipt.
pub(crate) fn attestation(image_id: B256, journal: &[u8], receipt: BlobId) -> Attestation {
    let digest: [u8; 32] = Sha256::digest(journal).into();
    Attestation { imageId: image_id, journalDigest: digest.into(), receiptHash: receipt.into() }
}
