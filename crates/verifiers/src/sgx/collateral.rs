//! What Intel says about the platform that a quote is from.

use super::QuoteError;
use dcap_qvl::QuoteCollateralV3;

/// The most that collateral may be, as JSON: Intel's is about 14 kB.
pub const MAX_COLLATERAL: usize = 128 << 10;

/// Certificates, revocation lists, TCB info and the quoting enclave's identity, as a PCCS gives them for a quote. The JSON
/// is the one of `dcap-qvl`: binary fields in hex, certificates in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collateral(pub(super) QuoteCollateralV3);

impl Collateral {
    /// Reads the JSON.
    ///
    /// # Errors
    ///
    /// [`QuoteError::Collateral`].
    pub fn from_json(json: &[u8]) -> Result<Self, QuoteError> {
        if json.len() > MAX_COLLATERAL {
            let reason = format!("it is {} bytes long, more than {MAX_COLLATERAL}", json.len());
            return Err(QuoteError::Collateral { reason });
        }
        let read = serde_json::from_slice(json);
        read.map(Self).map_err(|error| QuoteError::Collateral { reason: error.to_string() })
    }

    /// The shortest JSON: what a registration publishes.
    ///
    /// # Errors
    ///
    /// [`QuoteError::Collateral`].
    pub fn to_json(&self) -> Result<Vec<u8>, QuoteError> {
        serde_json::to_vec(&self.0).map_err(|error| QuoteError::Collateral { reason: error.to_string() })
    }
}
