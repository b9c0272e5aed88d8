//! RISC Zero: programs of its zkVM, executed and cut into segments; segments proven and their receipts joined.
//!
//! | what | where it runs |
//! | --- | --- |
//! | [`Risc0Backend`] `inspect`, `preflight` | in the preflight worker's bounded process |
//! | [`execute_worker`] | in the execution worker's bounded process |
//! | [`Risc0Backend`] `prove` | in the prover's process; each step in a child ([`prove_worker`]) |
//!
//! The zkVM's prover cannot be stopped within a step, and a step takes up to minutes: a child can be killed, and a
//! machine that runs out of memory loses the child rather than the agent.
//!
//! Receipts of the development mode are neither made nor taken.

mod benchmark;
mod child;
mod error;
mod execute;
mod program;
mod runs;
mod segments;
mod step;
mod wrap;

pub use child::WorkerCommand;
pub use error::GuestError;
pub use segments::execute_worker;
pub use step::{ProveRequest, prove_worker};

use crate::{
    Backend, BackendError, Control, Input, Limits, Outcome, Preflight, PreflightOptions, ProgramFiles, ProgramInfo,
    Stage, Step, Throughput, Work,
};
use execute::GuestInput;
use program::Guest;
use runs::{Runs, runs};
use zkpool_protocol::{
    GuestRun, Operation, ProofKind, WorkUnits,
    zkvm::{self, MIN_SEGMENT_PO2},
};
use zkpool_verifiers::risc0::{MAX_ASSUMPTION, MAX_RESULT};

/// The longest segment, in bytes: it holds the pages of memory that it touches.
const MAX_SEGMENT: u64 = 256 << 20;
/// At which size an execution is cut when nobody asks for one.
const USUAL_PO2: u32 = 20;
/// The fraction of a call that is done when the result is there, but not verified.
const PROVEN: f64 = 0.99;

/// The backend.
pub struct Risc0Backend {
    limits: Limits,
    worker: WorkerCommand,
}

impl Risc0Backend {
    /// With bounds, and the command that starts [`prove_worker`]: by default this program with `prove-worker`.
    ///
    /// # Errors
    ///
    /// [`BackendError::DevelopmentMode`], if the environment asks for it.
    pub fn new(limits: Limits, worker: Option<WorkerCommand>) -> Result<Self, BackendError> {
        refuse_development_mode()?;
        Ok(Self { limits, worker: worker.unwrap_or_default() })
    }
}

/// The development mode makes receipts that prove nothing. Nothing here would make or take one, but whoever has set it
/// expects them.
fn refuse_development_mode() -> Result<(), BackendError> {
    let set =
        std::env::var_os("RISC0_DEV_MODE").is_some_and(|value| !["", "0", "false", "no"].iter().any(|no| value == *no));
    if set { Err(BackendError::DevelopmentMode) } else { Ok(()) }
}

impl Backend for Risc0Backend {
    fn kinds(&self) -> Vec<ProofKind> {
        let mut kinds = Vec::new();
        if self.limits.memory >= zkvm::segment_memory(MIN_SEGMENT_PO2) {
            kinds.push(ProofKind::Risc0Composite);
        }
        if self.limits.memory >= zkvm::recursion_memory() {
            kinds.push(ProofKind::Risc0Succinct);
            if wrap::available() {
                kinds.push(ProofKind::Risc0Groth16);
            }
        }
        kinds
    }

    fn inspect(&self, program: &ProgramFiles, control: &Control) -> Result<ProgramInfo, BackendError> {
        control.check()?;
        Ok(info(&Guest::read(program)?))
    }

    fn preflight(
        &self,
        program: &ProgramFiles,
        input: &Input,
        options: &PreflightOptions,
        control: &Control,
    ) -> Result<Preflight, BackendError> {
        control.check()?;
        let guest = Guest::read(program)?;
        let input = GuestInput::read(input)?;
        let limits = if options.segment_limits.is_empty() { &[USUAL_PO2][..] } else { &options.segment_limits };
        let Runs { first: run, segments, cuts } = runs(&guest, &input, limits, options.cycles, control)?;
        let mut program = info(&guest);
        program.work = segments.iter().map(|(po2, count)| units(*po2, *count)).sum();
        program.memory = zkvm::segment_memory(segments.keys().last().copied().unwrap_or(MIN_SEGMENT_PO2));
        let segmentations = if options.segment_limits.is_empty() { vec![] } else { cuts };
        let statement = zkvm::statement(guest.image, &run.journal);
        let run = GuestRun { journal: run.journal.into(), cycles: run.cycles, segmentations };
        Ok(Preflight { program, public_inputs: vec![], statement, trial: None, run: Some(run) })
    }

    fn memory(&self, work: &Work, _: &Control) -> Result<u64, BackendError> {
        match &work.step {
            Step::Prove { segment, .. } => Ok(zkvm::segment_memory(step::po2_of(segment)?)),
            Step::Single(_) => Err(BackendError::Operation(Operation::Single)),
            _ => Ok(zkvm::recursion_memory()),
        }
    }

    fn prove(&self, work: &Work, control: &Control) -> Result<Outcome, BackendError> {
        control.check()?;
        let operation = work.step.operation();
        match &work.step {
            Step::Single(_) => return Err(BackendError::Operation(operation)),
            Step::Wrap { .. } if !wrap::available() => return Err(BackendError::NoWrap),
            _ => {}
        }
        let needed = self.memory(work, control)?;
        if needed > self.limits.memory {
            return Err(BackendError::OutOfMemory { bytes: needed });
        }
        control.report(Stage::Prove, 0.0);
        let result = self.worker.run(&work.step, control)?;
        control.report(Stage::Verify, PROVEN);
        check(&work.step, &result)?;
        control.report(Stage::Verify, 1.0);
        Ok(Outcome { result, statement: None })
    }

    fn benchmark(&self, control: &Control) -> Result<Vec<(ProofKind, Throughput)>, BackendError> {
        let speed = benchmark::measure(&self.worker, control)?;
        // A step of the recursion is counted in cycles whose proof takes as long: one speed describes a machine.
        Ok(self.kinds().into_iter().map(|kind| (kind, speed)).collect())
    }
}

fn units(po2: u32, count: u32) -> WorkUnits {
    WorkUnits(zkvm::segment_units(po2).0.saturating_mul(count.into()))
}

fn info(guest: &Guest) -> ProgramInfo {
    ProgramInfo {
        constraints: 0,
        wires: 0,
        public_inputs: 0,
        work: zkvm::segment_units(MIN_SEGMENT_PO2),
        memory: zkvm::segment_memory(MIN_SEGMENT_PO2),
        verifying_key: guest.image.to_vec(),
    }
}

/// What the service will check, before it does.
fn check(step: &Step, result: &[u8]) -> Result<(), BackendError> {
    let read = |path, max| crate::program::read(path, "result of an earlier step", max as u64);
    let (needs, assumption, claim) = match step {
        Step::Prove { claim, .. } => (vec![], None, Some(*claim)),
        Step::Resolve { conditional, assumption } => {
            (vec![read(conditional, MAX_RESULT)?], Some(read(assumption, MAX_ASSUMPTION)?), None)
        }
        step => (step.files().into_iter().map(|path| read(path, MAX_RESULT)).collect::<Result<_, _>>()?, None, None),
    };
    let needs: Vec<&[u8]> = needs.iter().map(Vec::as_slice).collect();
    let check = zkpool_verifiers::risc0::Step {
        operation: step.operation(),
        claim,
        needs: &needs,
        assumption: assumption.as_deref(),
    };
    Ok(check.check(result)?)
}
