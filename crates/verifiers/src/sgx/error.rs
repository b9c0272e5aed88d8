//! Why a quote vouches for nothing.

use super::TcbStatus;
use alloy_primitives::B256;
use zkpool_protocol::ErrorCode;

/// Why a quote is refused: what was wrong, and what to do about it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuoteError {
    /// A simulated platform on a chain that may have value.
    #[error(
        "the platform is simulated, which proves nothing, and chain {chain_id} is not one of the development chains on \
         which that is let through: run the enclave on SGX hardware"
    )]
    Simulated {
        /// The chain.
        chain_id: u64,
    },
    /// The bytes are not a quote.
    #[error("cannot read the quote: {reason}")]
    Malformed {
        /// Why not.
        reason: String,
    },
    /// A quote of another version.
    #[error("the quote is of version {found}: only version 3 (DCAP with ECDSA) is taken")]
    Version {
        /// Its version.
        found: u16,
    },
    /// A quote of something else than an SGX enclave.
    #[error("the quote is not of an SGX enclave")]
    Tee,
    /// The bytes are not collateral.
    #[error("cannot read the collateral: {reason}; fetch it anew from a PCCS")]
    Collateral {
        /// Why not.
        reason: String,
    },
    /// The enclave can be looked into.
    #[error("the enclave runs in debug mode, where anyone reads its key: build it with `sgx.debug = false`")]
    Debug,
    /// The enclave may make the platform's provisioning key.
    #[error("the enclave has the attribute PROVISIONKEY, which no program needs: build it without")]
    Provisioning,
    /// The enclave may make launch tokens.
    #[error("the enclave has the attribute EINITTOKENKEY, which no program needs: build it without")]
    LaunchTokens,
    /// Not a running 64-bit enclave.
    #[error("the enclave's attributes are {flags:#x}: an initialised 64-bit enclave has both of the bits 0x5")]
    Attributes {
        /// The attributes' flags.
        flags: u64,
    },
    /// Another enclave.
    #[error("MRENCLAVE {found} is not on the list of enclaves: check which build runs, or add it if it was reproduced")]
    Enclave {
        /// Its measurement.
        found: B256,
    },
    /// Another signer's enclave.
    #[error("the enclave is signed by {found}, but MRSIGNER {expected} is asked for")]
    Signer {
        /// Who must have signed.
        expected: B256,
        /// Who has.
        found: B256,
    },
    /// Another product of the signer.
    #[error("the enclave's ISVPRODID is {found}, but {expected} is asked for")]
    Product {
        /// What is asked for.
        expected: u16,
        /// What it is.
        found: u16,
    },
    /// An old enclave.
    #[error("the enclave's ISVSVN is {found}, less than {min}: it is a version with known faults, run a newer one")]
    Svn {
        /// The least.
        min: u16,
        /// What it is.
        found: u16,
    },
    /// The quote was made for something else.
    #[error(
        "the quote is not bound to this chain, verifier contract, program and instance: ask the enclave for one that is"
    )]
    Unbound,
    /// The quote was made at another time.
    #[error(
        "the quote is bound to another block than the one given, which is {expected}: ask for one with a recent block"
    )]
    Block {
        /// The hash that it must have.
        expected: B256,
    },
    /// Something that vouches for the platform is over, or has not begun.
    #[error(
        "what vouches for the platform is not valid at this time ({reason}): fetch the collateral anew from a PCCS"
    )]
    Stale {
        /// What exactly.
        reason: String,
    },
    /// Intel has revoked the platform, its TCB level or a certificate.
    #[error("what vouches for the platform was revoked ({reason}): this machine must not be used")]
    Revoked {
        /// What exactly.
        reason: String,
    },
    /// The certificates lead to another root.
    #[error("the platform is vouched for by another root than the one that is trusted ({reason})")]
    Root {
        /// What exactly.
        reason: String,
    },
    /// A signature is not of what it should be.
    #[error("the quote or its collateral was changed after it was signed ({reason})")]
    Signature {
        /// Which.
        reason: String,
    },
    /// Anything else in the way from root to report.
    #[error("the quote and its collateral do not check out ({reason})")]
    Rejected {
        /// What exactly.
        reason: String,
    },
    /// The collateral is of another provisioning enclave than the platform's.
    #[error(
        "the TCB info is for PCE {found}, but the platform's PCE is {expected}: fetch the platform's own collateral"
    )]
    Pce {
        /// The platform's, in hex.
        expected: String,
        /// The TCB info's, in hex.
        found: String,
    },
    /// The platform is further behind than the policy lets through.
    #[error(
        "the platform's TCB status is {found} ({}): update its firmware, or let the status through if it is meant",
        listed(.advisories)
    )]
    Status {
        /// How it stands.
        found: TcbStatus,
        /// Intel's advisories about it.
        advisories: Vec<String>,
    },
    /// Out of date for longer than the policy lets through.
    #[error(
        "the platform has been out of date for longer than the policy's days of grace ({reason}): update its firmware"
    )]
    Grace {
        /// Since when.
        reason: String,
    },
    /// An advisory that the policy refuses.
    #[error("the platform is open to {advisory}, which the policy refuses: update its firmware")]
    Advisory {
        /// Intel's name of it.
        advisory: String,
    },
    /// Old collateral.
    #[error("the collateral's evaluation number is {found}, less than {min}: fetch newer collateral")]
    Evaluation {
        /// The least.
        min: u32,
        /// What it is.
        found: u32,
    },
    /// A property of the platform that the policy does not let through.
    #[error("the platform {what}, which the policy does not let through")]
    Platform {
        /// Which.
        what: &'static str,
    },
}

impl QuoteError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed { .. } | Self::Collateral { .. } => ErrorCode::BadRequest,
            _ => ErrorCode::ProofInvalid,
        }
    }
}

fn listed(ids: &[String]) -> String {
    if ids.is_empty() { "no advisories".into() } else { ids.join(", ") }
}
