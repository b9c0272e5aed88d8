//! A simulated SGX platform, for development chains. **Its quotes prove nothing**: whoever has the platform's directory
//! makes quotes of any enclave.
//!
//! Everything below its root certificate is in Intel's formats (certificates with the SGX extension, revocation lists, TCB
//! info, the quoting enclave's identity, quotes of version 3), so that what checks real quotes checks these, with another
//! root and nothing else changed. That root is Intel's for every chain with value: `zkpool_verifiers::sgx::may_simulate`.
//!
//! Whatever this crate puts out says that it is simulated: the certificates' subjects, the collateral, and the agent's own
//! answers ([`Simulated`] is [`zkpool_enclave::Quoting`] with `simulated: true`).
//!
//! ```no_run
//! # struct Sum;
//! # impl zkpool_enclave::Program for Sum {
//! #     fn run(&self, _: &[u8]) -> Result<Vec<u8>, String> { Ok(vec![]) }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The same program as in an enclave, on a platform that is kept in a directory.
//! let platform = zkpool_sgx_sim::Simulated::open("platform".as_ref())?;
//! zkpool_enclave::serve(Sum, platform, "sealed".as_ref())?;
//! # Ok(())
//! # }
//! ```

mod body;
mod certificates;
mod collateral;
mod der;
mod error;
mod platform;
mod simulated;

pub use body::Body;
pub use collateral::{Conditions, LIFETIME};
pub use error::SimError;
pub use platform::{COLLATERAL_FILE, Platform, ROOT_FILE, Traits};
pub use simulated::Simulated;

/// What everything here is labelled with.
pub const LABEL: &str = "SIMULATED SGX - PROVES NOTHING";
