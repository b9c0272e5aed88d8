//! Proving by kind.
//!
//! [`Backend`] is the seam: the prover, the preflight worker and the CLI see nothing else. A backend is synchronous and
//! uses all of the current rayon pool; it is watched and stopped by a [`Control`]. What it reads (programs, inputs,
//! segments, receipts) is foreign: malformed files, hostile programs and inputs that do not fit are errors that say who
//! is at fault ([`BackendError::fault`]), never panics, and nothing is allocated by sizes that a file claims but does not
//! have.
//!
//! Everything that a backend returns has been verified by it.
//!
//! A new backend implements the trait and passes `testing::conformance` (feature `testing`).

mod control;
mod error;
pub mod groth16;
mod program;
#[cfg(feature = "risc0")]
pub mod risc0;
#[cfg(feature = "setup")]
pub mod setup;
#[cfg(feature = "sgx")]
pub mod sgx;
#[cfg(feature = "testing")]
pub mod testing;
mod work;
mod worker;

pub use control::{Control, Progress, Stage};
pub use error::{BackendError, Fault};
pub use program::{Input, Preflight, ProgramFiles, ProgramInfo, Throughput};
pub use work::{Outcome, Step, Work};
pub use worker::preflight_worker;

use zkpool_protocol::{ProgramManifest, ProofKind};

/// Does the work of one proof system.
pub trait Backend: Send + Sync {
    /// The kinds of work that it does on this machine, as jobs name them; none if the machine is too small.
    fn kinds(&self) -> Vec<ProofKind>;

    /// Looks at a program: its sizes, its verifying key, whether its parts fit together. The points of a proving key
    /// are not read.
    ///
    /// # Errors
    ///
    /// [`BackendError`], if the program is malformed or unsafe.
    fn inspect(&self, program: &ProgramFiles, control: &Control) -> Result<ProgramInfo, BackendError>;

    /// Runs a program on an input and says what would be proven.
    ///
    /// # Errors
    ///
    /// [`BackendError`], if the program or the input is at fault, or the control stops the call.
    fn preflight(
        &self,
        program: &ProgramFiles,
        input: &Input,
        options: &PreflightOptions,
        control: &Control,
    ) -> Result<Preflight, BackendError>;

    /// An upper bound of the memory that the work takes, in bytes.
    ///
    /// # Errors
    ///
    /// [`BackendError`], if the program is malformed, or the work is not of this backend.
    fn memory(&self, work: &Work, control: &Control) -> Result<u64, BackendError>;

    /// Does the work. The result has been verified.
    ///
    /// # Errors
    ///
    /// [`BackendError`], if the program or what it was given is at fault, the machine is not up to it, or the control
    /// stops the call.
    fn prove(&self, work: &Work, control: &Control) -> Result<Outcome, BackendError>;

    /// Measures this machine with a real prover's work, in seconds: its speed for each of [`Self::kinds`].
    ///
    /// # Errors
    ///
    /// [`BackendError`], if the control stops the call.
    fn benchmark(&self, control: &Control) -> Result<Vec<(ProofKind, Throughput)>, BackendError>;
}

/// How a preflight is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreflightOptions {
    /// Make a proof, too, where only a proof tells whether there is one: a proving key does not hold all of a circuit's
    /// constraints, and whoever made the witness generator may wish for a task that cannot be proven. A zkVM's execution
    /// tells without.
    pub trial: bool,
    /// Sizes at which a zkVM's execution is cut into segments, one after the other, as powers of two of cycles. Each is a
    /// run; a program is run twice at least, and makes the same public each time.
    pub segment_limits: Vec<u32>,
    /// The cycles that a zkVM's execution may take.
    pub cycles: u64,
}

impl Default for PreflightOptions {
    /// No trial, one segmentation into the largest segments that a usual machine takes, 2^32 cycles a run: some minutes.
    fn default() -> Self {
        Self { trial: false, segment_limits: vec![], cycles: 1 << 32 }
    }
}

/// The backend for a program.
///
/// # Errors
///
/// [`BackendError::NotBuilt`], if this build has none.
pub fn backend(program: &ProgramManifest, limits: Limits) -> Result<Box<dyn Backend>, BackendError> {
    match program {
        ProgramManifest::Groth16Bn254 { .. } => Ok(Box::new(groth16::Groth16Backend::new(limits))),
        #[cfg(feature = "risc0")]
        ProgramManifest::Risc0 { .. } => Ok(Box::new(risc0::Risc0Backend::new(limits, None)?)),
        #[cfg(not(feature = "risc0"))]
        ProgramManifest::Risc0 { .. } => Err(BackendError::NotBuilt("RISC Zero")),
    }
}

/// Every backend of this build.
///
/// # Errors
///
/// [`BackendError::DevelopmentMode`], if the environment asks for receipts that prove nothing.
pub fn backends(limits: Limits) -> Result<Vec<Box<dyn Backend>>, BackendError> {
    let groth16: Box<dyn Backend> = Box::new(groth16::Groth16Backend::new(limits));
    #[cfg(feature = "risc0")]
    return Ok(vec![groth16, Box::new(risc0::Risc0Backend::new(limits, None)?)]);
    #[cfg(not(feature = "risc0"))]
    Ok(vec![groth16])
}

/// What a backend may use of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The memory of one job, in bytes.
    pub memory: u64,
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
    /// For a prover's machine: jobs and keys of 16 GiB, generators of 256 MiB with 4 GiB of memory and 2^42 instructions (half
    /// an hour and more), 2 GiB of cache.
    fn default() -> Self {
        Self {
            memory: 16 << 30,
            proving_key: 16 << 30,
            generator: 256 << 20,
            generator_memory: 4 << 30,
            generator_fuel: 1 << 42,
            cache: 2 << 30,
        }
    }
}
