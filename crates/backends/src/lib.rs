//! Proving by kind.
//!
//! [`Backend`] is the seam: the prover, the preflight worker and the CLI see nothing else. A backend is synchronous and
//! uses all of the current rayon pool; it is watched and stopped by a [`Control`]. What it reads (programs, inputs) is
//! foreign: malformed files, hostile generators and inputs that do not fit are errors that say who is at fault
//! ([`BackendError::fault`]), never panics, and nothing is allocated by sizes that a file claims but does not have.
//!
//! Every proof is verified by the backend that made it before it is returned.
//!
//! A new backend implements the trait and passes `testing::conformance` (feature `testing`).

mod control;
mod error;
pub mod groth16;
mod program;
#[cfg(feature = "testing")]
pub mod testing;
mod worker;

pub use control::{Control, Progress, Stage};
pub use error::{BackendError, Fault};
pub use program::{Input, Preflight, ProgramFiles, ProgramInfo, ProvenOutput, Throughput};
pub use worker::preflight_worker;

use zkpool_protocol::ProofKind;

/// Proves programs of one kind.
pub trait Backend: Send + Sync {
    /// The kind.
    fn kind(&self) -> ProofKind;

    /// Looks at a program: its sizes, its verifying key, whether its parts fit together. The points of a proving key
    /// are not read.
    ///
    /// # Errors
    ///
    /// [`BackendError`], if the program is malformed or unsafe.
    fn inspect(&self, program: &ProgramFiles, control: &Control) -> Result<ProgramInfo, BackendError>;

    /// Runs a program on an input and says what would be proven. With `trial`, proves it too: only a proof tells
    /// whether a witness satisfies the constraints, as a proving key does not hold all of them, and whoever made the
    /// witness generator may wish for a task that cannot be proven.
    ///
    /// # Errors
    ///
    /// [`BackendError`], if the program or the input is at fault, or the control stops the call.
    fn preflight(
        &self,
        program: &ProgramFiles,
        input: &Input,
        trial: bool,
        control: &Control,
    ) -> Result<Preflight, BackendError>;

    /// Proves. The proof has been verified.
    ///
    /// # Errors
    ///
    /// [`BackendError`], if the program or the input is at fault, or the control stops the call.
    fn prove(&self, program: &ProgramFiles, input: &Input, control: &Control) -> Result<ProvenOutput, BackendError>;

    /// Measures this machine with a real prover's work, in about two seconds.
    ///
    /// # Errors
    ///
    /// [`BackendError`], if the control stops the call.
    fn benchmark(&self, control: &Control) -> Result<Throughput, BackendError>;
}

/// The backend for a kind.
pub fn backend(kind: ProofKind, limits: Limits) -> Box<dyn Backend> {
    match kind {
        ProofKind::Groth16Bn254 => Box::new(groth16::Groth16Backend::new(limits)),
    }
}

/// What a backend may use of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest proving key, in bytes.
    pub proving_key: u64,
    /// The largest witness generator, in bytes.
    pub generator: u64,
    /// The memory of a witness generator, in bytes.
    pub generator_memory: u64,
    /// The instructions that a witness generator may run, roughly: the same on every machine.
    pub generator_fuel: u64,
    /// Parsed programs that are kept, in bytes.
    pub cache: u64,
}

impl Default for Limits {
    /// For a prover's machine: keys of 16 GiB, generators of 256 MiB with 4 GiB of memory and 2^42 instructions (half
    /// an hour and more), 2 GiB of cache.
    fn default() -> Self {
        Self {
            proving_key: 16 << 30,
            generator: 256 << 20,
            generator_memory: 4 << 30,
            generator_fuel: 1 << 42,
            cache: 2 << 30,
        }
    }
}
