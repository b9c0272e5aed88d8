//! The preflight worker's work: programs and inputs are foreign, so a service looks at them in a process of its own.

use crate::{
    BackendError, Control, Input, Limits, Preflight, PreflightOptions, ProgramFiles, ProgramInfo, backend, program,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};
use zkpool_protocol::{BlobId, ErrorCode, PreflightReply, PreflightReport, PreflightRequest, TaskInput};

/// The largest envelope, in bytes: a circuit of millions of input values.
const MAX_ENVELOPE: u64 = 256 << 20;

/// Does what the request asks. The process around it has set the request's bounds on itself; here they make for errors
/// that say what was exceeded, before it is killed.
///
/// Messages hold no value of the input.
pub fn preflight_worker(request: PreflightRequest) -> PreflightReply {
    match catch_unwind(AssertUnwindSafe(|| run(request))) {
        Ok(Ok(report)) => PreflightReply::Passed(report),
        Ok(Err(error)) => PreflightReply::Refused { code: error.code(), message: error.report() },
        Err(_) => PreflightReply::Refused {
            code: ErrorCode::Internal,
            message: "the preflight worker failed on this program: report it with the program's id".into(),
        },
    }
}

fn run(request: PreflightRequest) -> Result<PreflightReport, BackendError> {
    let limits = Limits {
        memory: request.bounds.memory,
        proving_key: request.bounds.memory,
        generator_memory: request.bounds.memory.min(Limits::default().generator_memory),
        // Each call is alone in its process.
        cache: u64::MAX,
        ..Limits::default()
    };
    let deadline = Instant::now().checked_add(Duration::from_secs(request.bounds.cpu_seconds));
    let control = Control::with(deadline, None);
    let backend = backend(&request.program, limits)?;
    let files = ProgramFiles { manifest: request.program, files: request.files };
    let Some(envelope) = request.input else {
        let info = backend.inspect(&files, &control)?;
        return Ok(report(info, None));
    };

    let input = read_input(&files, envelope)?;
    let options = PreflightOptions {
        trial: request.trial_proof,
        segment_limits: request.segment_limits,
        cycles: request.bounds.cycles,
    };
    let preflight = backend.preflight(&files, &input, &options, &control)?;
    Ok(report(preflight.program.clone(), Some(preflight)))
}

/// The input that an envelope names, which must be for this program.
pub(crate) fn read_input(program: &ProgramFiles, envelope: BlobId) -> Result<Input, BackendError> {
    let bytes = program::read(program.path(&envelope)?, "input", MAX_ENVELOPE)?;
    let envelope = TaskInput::from_bytes(&bytes).map_err(|error| BackendError::Envelope(error.to_string()))?;
    drop(bytes);
    let id = program.manifest.id();
    if envelope.program != id {
        return Err(BackendError::Envelope(format!("the input is for program {}, not {id}", envelope.program)));
    }
    Input::from_envelope(envelope, &program.files)
}

fn report(info: ProgramInfo, preflight: Option<Preflight>) -> PreflightReport {
    let (public_inputs, statement, trial, run) = match preflight {
        Some(preflight) => (preflight.public_inputs, Some(preflight.statement), preflight.trial, preflight.run),
        None => (vec![], None, None, None),
    };
    PreflightReport {
        units: info.work,
        memory: info.memory,
        verifying_key: info.verifying_key.into(),
        public_input_count: info.public_inputs as u32,
        public_inputs,
        statement,
        trial_proof: trial.map(Into::into),
        run,
    }
}
