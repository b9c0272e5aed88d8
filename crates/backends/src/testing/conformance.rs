//! What every backend must do. A new one needs a [`Fixture`], and no new tests to be trusted with the seam.

use crate::{Backend, BackendError, Control, Fault, Input, PreflightOptions, ProgramFiles, Progress, Stage, Work};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use zkpool_protocol::ErrorCode;

/// How long a stopped call may go on: generous, as tests share the machine.
const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// With a proof.
const TRIAL: PreflightOptions = PreflightOptions { trial: true, segment_limits: vec![], cycles: 0 };

/// A backend whose proofs are made in one go, and what to try on it.
pub struct Fixture {
    /// The backend.
    pub backend: Box<dyn Backend>,
    /// A program.
    pub program: ProgramFiles,
    /// Two inputs of it that prove different statements.
    pub inputs: [Input; 2],
    /// Inputs that it does not take, each with the code that says why.
    pub refused: Vec<(&'static str, Input, ErrorCode)>,
    /// Programs that are not taken, each with the code that says why.
    pub garbage: Vec<(&'static str, ProgramFiles, ErrorCode)>,
    /// A program and an input that take some 100 ms and more.
    pub slow: (ProgramFiles, Input),
}

impl Fixture {
    /// Everything below.
    pub fn check_all(&self) {
        self.proves_what_preflight_said();
        self.proves_again_after_every_invalid_input();
        self.refuses_garbage_programs();
        self.reports_progress_that_never_falls();
        self.stops_wherever_it_is();
        self.proves_from_many_threads();
    }

    /// Preflight, with and without a trial, and two proofs agree on the statement and verify by the key that `inspect`
    /// gave. Another input is another statement.
    pub fn proves_what_preflight_said(&self) {
        let control = Control::new();
        let info = self.backend.inspect(&self.program, &control).unwrap();
        assert!(info.work.0 > 0 && info.memory > 0);
        let verifier = zkpool_verifiers::verifier(self.backend.kinds()[0], &info.verifying_key).unwrap();
        let statements = self.inputs.each_ref().map(|input| {
            let dry = self.backend.preflight(&self.program, input, &PreflightOptions::default(), &control).unwrap();
            assert_eq!((&dry.program, &dry.trial), (&info, &None));
            assert_eq!(dry.public_inputs.len(), info.public_inputs);
            let trial = self.backend.preflight(&self.program, input, &TRIAL, &control).unwrap();
            assert_eq!((trial.statement, &trial.public_inputs), (dry.statement, &dry.public_inputs));
            verifier.verify(dry.statement, &trial.trial.unwrap()).unwrap();
            for _ in 0..2 {
                let output = self.backend.prove(&Work::single(&self.program, input), &control).unwrap();
                assert_eq!(output.statement, Some(dry.statement));
                verifier.verify(dry.statement, &output.result).unwrap();
            }
            dry.statement
        });
        assert_ne!(statements[0], statements[1]);
    }

    /// An invalid input is an error with its code, the task's fault, by preflight with a trial and by proving; and the
    /// backend proves the next one.
    pub fn proves_again_after_every_invalid_input(&self) {
        let control = Control::new();
        for (name, input, code) in &self.refused {
            let check = |error: BackendError| {
                assert_eq!((error.code(), error.fault()), (*code, Fault::Task), "{name}: {error}");
            };
            check(self.backend.preflight(&self.program, input, &TRIAL, &control).expect_err(name));
            check(self.backend.prove(&Work::single(&self.program, input), &control).expect_err(name));
            self.backend.prove(&Work::single(&self.program, &self.inputs[0]), &control).expect(name);
        }
    }

    /// A malformed program is an error with its code, the task's fault, whatever is asked of it.
    pub fn refuses_garbage_programs(&self) {
        let control = Control::new();
        for (name, program, code) in &self.garbage {
            let check = |error: BackendError| {
                assert_eq!((error.code(), error.fault()), (*code, Fault::Task), "{name}: {error}");
            };
            check(self.backend.inspect(program, &control).expect_err(name));
            check(self.backend.preflight(program, &self.inputs[0], &TRIAL, &control).expect_err(name));
            check(self.backend.prove(&Work::single(program, &self.inputs[0]), &control).expect_err(name));
        }
    }

    /// Stages and fractions never fall, and a proof ends with 1.
    pub fn reports_progress_that_never_falls(&self) {
        let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
        let sink = Arc::clone(&seen);
        let control = Control::with(None, Some(Box::new(move |progress| sink.lock().unwrap().push(progress))));
        self.backend.prove(&Work::single(&self.slow.0, &self.slow.1), &control).unwrap();
        let seen = seen.lock().unwrap();
        assert!(
            seen.windows(2).all(|two| two[0].stage <= two[1].stage && two[0].fraction <= two[1].fraction),
            "{seen:?}"
        );
        assert!(seen.iter().filter(|progress| progress.stage == Stage::Prove).count() >= 5, "{seen:?}");
        assert_eq!(seen.last().map(|progress| progress.fraction), Some(1.0));
    }

    /// Cancelled before, or at any fraction, a call stops at once; a passed deadline stops it, too. Then it proves again.
    pub fn stops_wherever_it_is(&self) {
        let (program, input) = &self.slow;
        let cancelled = Control::new();
        cancelled.cancel();
        assert!(matches!(self.backend.prove(&Work::single(program, input), &cancelled), Err(BackendError::Cancelled)));
        let late = Control::with(Some(Instant::now()), None);
        let error = self.backend.prove(&Work::single(program, input), &late).unwrap_err();
        assert!(matches!(error, BackendError::DeadlineExceeded));
        assert_eq!(error.fault(), Fault::Stopped);
        assert!(self.backend.benchmark(&cancelled).is_err());

        for fraction in [0.01, 0.25, 0.5, 0.75, 0.9] {
            let stopped = Arc::new(Mutex::new(None::<Instant>));
            let handle = Arc::new(Mutex::new(None::<Control>));
            let (when, who) = (Arc::clone(&stopped), Arc::clone(&handle));
            let cancel = move |progress: Progress| {
                if progress.fraction >= fraction
                    && let Some(control) = who.lock().unwrap().take()
                {
                    control.cancel();
                    *when.lock().unwrap() = Some(Instant::now());
                }
            };
            let control = Control::with(None, Some(Box::new(cancel)));
            *handle.lock().unwrap() = Some(control.clone());
            let result = self.backend.prove(&Work::single(program, input), &control);
            assert!(matches!(result, Err(BackendError::Cancelled)), "at {fraction}: {result:?}");
            let took = stopped.lock().unwrap().unwrap().elapsed();
            assert!(took < STOPS_WITHIN, "at {fraction}: stopped only after {took:?}");
        }
        self.backend.prove(&Work::single(program, input), &Control::new()).unwrap();
    }

    /// One backend serves many threads.
    pub fn proves_from_many_threads(&self) {
        std::thread::scope(|scope| {
            for input in self.inputs.iter().cycle().take(4) {
                scope.spawn(|| self.backend.prove(&Work::single(&self.program, input), &Control::new()).unwrap());
            }
        });
    }
}
