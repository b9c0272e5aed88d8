//! Running a program: what it makes public, and how it is cut into segments.
//!
//! The executor is the zkVM's. It runs in a process of its own with bounds on memory and CPU time; here it is bounded in
//! cycles. What it panics on is an error.

use super::{GuestError, program::Guest};
use crate::{BackendError, Control};
use alloy_primitives::B256;
use risc0_circuit_rv32im::{Rv32imV2Claim, TerminateState, execute::Segment as Trace};
use risc0_zkvm::{
    AssumptionReceipt, ExecutorEnv, ExecutorImpl, ExitCode, MaybePruned, NullSegmentRef, Output, Receipt, ReceiptClaim,
    Segment, Session, SystemState, sha::Digestible,
};
use std::{
    any::Any,
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use zkpool_protocol::zkvm::MIN_SEGMENT_PO2;
use zkpool_verifiers::risc0::{MAX_ASSUMPTION, MAX_JOURNAL, verify_assumption};

/// The largest segment that is cut: larger ones can be proven, but not lifted with the zkVM's default parameters.
pub(super) const MAX_SEGMENT_PO2: u32 = 22;

/// One run.
pub(super) struct Run {
    /// What it made public.
    pub journal: Vec<u8>,
    /// Cycles of the program itself.
    pub cycles: u64,
    /// How many segments there are.
    pub segments: u32,
}

/// A segment, its size and what its proof must show.
pub(super) struct Cut {
    /// Its place.
    pub index: u32,
    /// Its size, as a power of two of cycles.
    pub po2: u32,
    /// The digest of its claim.
    pub claim: B256,
    segment: (u32, Trace, Option<Output>),
}

impl Cut {
    /// Of what the executor yields.
    ///
    /// The last segment can be smaller than the smallest that can be lifted: it is padded.
    fn of(segment: &Segment) -> Result<Self, BackendError> {
        // The zkVM shows only a part of a segment, but its encoding is that of its fields.
        let bytes = bincode::serialize(segment).map_err(unreadable)?;
        let mut segment: (u32, Trace, Option<Output>) = bincode::deserialize(&bytes).map_err(unreadable)?;
        segment.1.po2 = segment.1.po2.max(MIN_SEGMENT_PO2);
        let claim = claim(&segment.1, &segment.2);
        Ok(Self { index: segment.0, po2: segment.1.po2, claim: B256::new(claim.digest().into()), segment })
    }

    /// The bytes that are proven.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, BackendError> {
        bincode::serialize(&self.segment).map_err(unreadable)
    }
}

fn unreadable(error: bincode::Error) -> BackendError {
    GuestError::Write(io::Error::other(error)).into()
}

/// What the proof of a segment shows.
fn claim(trace: &Trace, output: &Option<Output>) -> ReceiptClaim {
    let exit_code = exit_code(trace.claim.terminate_state);
    let state = |merkle_root| SystemState { pc: 0, merkle_root };
    let post = match exit_code {
        ExitCode::Halted(_) => risc0_zkvm::Digest::ZERO,
        _ => trace.claim.post_state,
    };
    ReceiptClaim {
        pre: state(trace.claim.pre_state).into(),
        post: state(post).into(),
        exit_code,
        input: MaybePruned::Pruned(trace.claim.input),
        output: output.clone().into(),
    }
}

/// Whether a program that ends well has halted with the digest of this output: what the host has noted down of journal and
/// assumptions. The digest is the guest's own, and the proof shows nothing else.
fn shows(ending: &Rv32imV2Claim, output: &Option<Output>) -> bool {
    match exit_code(ending.terminate_state) {
        // Without an output there is no journal, not even an empty one.
        ExitCode::Halted(0) => output.as_ref().is_some_and(|output| ending.output == Some(output.digest())),
        // That it goes on, or ended otherwise, is said elsewhere.
        _ => true,
    }
}

fn exit_code(state: Option<TerminateState>) -> ExitCode {
    match state {
        None => ExitCode::SystemSplit,
        Some(state) if state.a0.1 == 0 => ExitCode::Halted(state.a0.0.into()),
        Some(state) => ExitCode::Paused(state.a0.0.into()),
    }
}

/// Runs a program on its standard input. `take` gets each segment while the program still runs.
pub(super) fn run(
    guest: &Guest,
    input: &GuestInput,
    limit: u32,
    cycles: u64,
    control: &Control,
    mut take: impl FnMut(Cut) -> Result<(), BackendError> + Send,
) -> Result<Run, BackendError> {
    if !(MIN_SEGMENT_PO2..=MAX_SEGMENT_PO2).contains(&limit) {
        return Err(GuestError::SegmentLimit { found: limit, min: MIN_SEGMENT_PO2, max: MAX_SEGMENT_PO2 }.into());
    }
    let stdin =
        File::open(input.stdin).map_err(|source| BackendError::Read { path: input.stdin.to_path_buf(), source })?;
    // What the callback says, which the executor only passes on as text.
    let stopped: Arc<Mutex<Option<BackendError>>> = Arc::default();
    let (mut segments, mut shown) = (0_u32, true);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut builder = ExecutorEnv::builder();
        builder.stdin(stdin).stdout(io::sink()).stderr(io::sink());
        builder.segment_limit_po2(limit).session_limit(Some(cycles));
        for receipt in &input.assumptions {
            builder.add_assumption(AssumptionReceipt::Proven(receipt.inner.clone().into()));
        }
        let mut executor = ExecutorImpl::from_elf(builder.build()?, &guest.binary)?;
        let why = Arc::clone(&stopped);
        executor.run_with_callback(|segment| {
            let taken = control.check().and_then(|()| {
                let cut = Cut::of(&segment)?;
                shown &= shows(&cut.segment.1.claim, &cut.segment.2);
                take(cut)
            });
            if let Err(error) = taken {
                let text = error.to_string();
                *why.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return Err(io::Error::other(text).into());
            }
            segments += 1;
            Ok(Box::new(NullSegmentRef))
        })
    }));
    if let Some(error) = stopped.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    control.check()?;
    let session = match ran {
        Err(panic) => return Err(panicked(&*panic, limit).into()),
        Ok(Err(error)) => return Err(broke_down(&format!("{error:#}"), cycles).into()),
        Ok(Ok(session)) => session,
    };
    let journal = ended_well(&session, input, shown)?;
    Ok(Run { journal, cycles: session.user_cycles, segments })
}

/// The journal of a run that can be proven.
fn ended_well(session: &Session, input: &GuestInput, shown: bool) -> Result<Vec<u8>, GuestError> {
    match session.exit_code {
        ExitCode::Halted(0) => {}
        ExitCode::Halted(code) => return Err(GuestError::Exited(code)),
        _ => return Err(GuestError::Paused),
    }
    let resolved = session.assumptions.iter().all(|(_, receipt)| matches!(receipt, AssumptionReceipt::Proven(_)));
    if !resolved || !session.mmr_assumptions.is_empty() {
        return Err(GuestError::Accelerator);
    }
    // They are resolved one after the other, from the head of the list.
    let used = session.assumptions.iter().map(|(assumption, _)| assumption.claim);
    let given = input.assumptions.iter().map(|receipt| receipt.claim().map(|claim| claim.digest()).ok());
    if !used.map(Some).eq(given) {
        return Err(GuestError::Assumptions { given: input.assumptions.len(), used: session.assumptions.len() });
    }
    if !shown {
        return Err(GuestError::Output);
    }
    let journal = session.journal.as_ref().map(|journal| journal.bytes.clone()).unwrap_or_default();
    if journal.len() > MAX_JOURNAL {
        return Err(GuestError::Journal { found: journal.len(), max: MAX_JOURNAL });
    }
    Ok(journal)
}

/// What the executor's words mean. They can hold what the program says, so none of them is repeated.
fn broke_down(text: &str, cycles: u64) -> GuestError {
    let says = |words| text.contains(words);
    if says("Session limit exceeded") {
        GuestError::Cycles(cycles)
    } else if says("Guest panicked") {
        GuestError::Panicked
    } else if says("no receipt found to resolve assumption") {
        GuestError::NotGiven
    } else {
        GuestError::BrokeDown
    }
}

fn panicked(panic: &(dyn Any + Send), limit: u32) -> GuestError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    if text.is_some_and(|text| text.contains("too small for instruction")) {
        GuestError::SegmentTooSmall(limit)
    } else {
        GuestError::BrokeDown
    }
}

/// What a program reads.
pub(super) struct GuestInput<'a> {
    stdin: &'a Path,
    assumptions: Vec<Receipt>,
}

impl<'a> GuestInput<'a> {
    /// Reads and verifies the receipts; the standard input is read while the program runs.
    pub(super) fn read(input: &'a crate::Input) -> Result<Self, BackendError> {
        let crate::Input::Guest { stdin, assumptions } = input else { return Err(BackendError::OtherSystem) };
        let (mut receipts, mut found, max) = (Vec::new(), 0, MAX_ASSUMPTION as u64);
        for path in assumptions {
            let bytes = crate::program::read(path, "receipt of an assumption", max)?;
            found += bytes.len() as u64;
            if found > max {
                return Err(GuestError::AssumptionsTooLarge { found, max }.into());
            }
            verify_assumption(&bytes).map_err(GuestError::Assumption)?;
            let receipt = bincode::deserialize(&bytes).map_err(|error| {
                let reason = error.to_string();
                GuestError::Assumption(zkpool_verifiers::risc0::ReceiptError::Malformed { what: "receipt", reason })
            })?;
            receipts.push(receipt);
        }
        Ok(Self { stdin, assumptions: receipts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use risc0_zkvm::{Assumption, Assumptions, Digest};

    fn ending(output: Option<Digest>) -> Rv32imV2Claim {
        let state = TerminateState { a0: 0.into(), a1: 0.into() };
        Rv32imV2Claim {
            pre_state: Digest::ZERO,
            post_state: Digest::ZERO,
            input: Digest::ZERO,
            output,
            terminate_state: Some(state),
            shutdown_cycle: None,
        }
    }

    fn output(journal: &[u8], assumed: &[u32]) -> Output {
        let assumption = |n: &u32| Assumption { claim: Digest::from([*n; 8]), control_root: Digest::ZERO }.into();
        let assumptions = Assumptions(assumed.iter().map(assumption).collect());
        Output { journal: journal.to_vec().into(), assumptions: assumptions.into() }
    }

    #[test]
    fn a_program_shows_the_output_with_whose_digest_it_halts() {
        let said = output(b"journal", &[1, 2]);
        assert!(shows(&ending(Some(said.digest())), &Some(said.clone())));
        for other in [output(b"another", &[1, 2]), output(b"journal", &[]), output(b"journal", &[2, 1])] {
            assert!(!shows(&ending(Some(other.digest())), &Some(said.clone())));
        }
        assert!(!shows(&ending(None), &Some(said)));
        assert!(!shows(&ending(Some(Digest::ZERO)), &None));
    }

    #[test]
    fn what_goes_on_or_fails_shows_no_output() {
        let (on, mut failed) = (Rv32imV2Claim { terminate_state: None, ..ending(None) }, ending(Some(Digest::ZERO)));
        failed.terminate_state = Some(TerminateState { a0: (7 << 16).into(), a1: 0.into() });
        assert!(shows(&on, &None) && shows(&failed, &None));
    }
}
