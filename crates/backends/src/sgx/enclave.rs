//! An enclave that is kept running.

use super::{
    EnclaveError,
    answer::{bytes, result},
    process::Process,
};
use crate::{BackendError, Control};
use alloy_primitives::{Address, B256, hex};
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::Duration,
};
use zkpool_verifiers::sgx::{Binding, Domain, PROOF_LEN, Proof, output};

/// The most that an input may be, in bytes; as the agent has it.
const MAX_INPUT: usize = 8 << 20;
/// The most that a program may make public, in bytes; as the agent has it.
const MAX_JOURNAL: usize = 1 << 20;
/// The most that a quote may be, in bytes.
const MAX_QUOTE: usize = 32 << 10;
/// Where a quote's report data are.
const REPORT_DATA: std::ops::Range<usize> = 368..432;
/// How often a call that waits for another one looks up.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// For how long an enclave is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until it runs and has said who it is. Gramine loads and measures everything first.
    pub start: Duration,
    /// For a quote. The quoting service may have to fetch certificates.
    pub quote: Duration,
    /// For a proof.
    pub prove: Duration,
}

impl Default for Patience {
    /// Two minutes, one minute, an hour.
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self { start: minutes(2), quote: minutes(1), prove: minutes(60) }
    }
}

/// Who an enclave is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// The address of its key.
    pub address: Address,
    /// Its measurement, as far as it says so itself: its quote tells.
    pub mrenclave: Option<B256>,
    /// Whether the platform says that it is a simulated one.
    pub simulated: bool,
}

/// What a program made public, and the instance's word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// What the program made public.
    pub journal: Vec<u8>,
    /// The proof as the contract takes it; checked.
    pub proof: Vec<u8>,
}

/// An enclave, running and ready. One thing is done at a time: a second caller waits.
///
/// A process that has ended, or does not answer, or is stopped in the middle of a call, is started anew by the next call.
/// The instance must be the same then: it is its key that is registered.
pub struct Enclave {
    command: Vec<OsString>,
    patience: Patience,
    instance: Instance,
    running: Mutex<Running>,
}

struct Running {
    process: Option<Process>,
    asked: u64,
}

impl Enclave {
    /// Starts the agent with a command line: the program, then its arguments.
    ///
    /// # Errors
    ///
    /// [`EnclaveError`], if it does not start and say who it is; or the control stops the call.
    pub fn start(command: Vec<OsString>, patience: Patience, control: &Control) -> Result<Self, BackendError> {
        let mut running = Running { process: None, asked: 0 };
        let instance = running.start(&command, &patience, control)?;
        Ok(Self { command, patience, instance, running: Mutex::new(running) })
    }

    /// Who it is.
    pub const fn instance(&self) -> Instance {
        self.instance
    }

    /// Has the platform vouch for the instance: a quote that is bound to chain, contract, program, instance and block.
    /// What it is bound to has been checked, and nothing else about it.
    ///
    /// # Errors
    ///
    /// [`EnclaveError`], or the control stops the call.
    pub fn quote(
        &self,
        domain: Domain,
        program: B256,
        block_hash: B256,
        control: &Control,
    ) -> Result<Vec<u8>, BackendError> {
        const METHOD: &str = "quote";
        let Domain { chain_id, verifier } = domain;
        let params = json!({
            "chain_id": chain_id, "verifier": verifier, "program": program, "block_hash": block_hash,
        });
        let result = self.ask(METHOD, params, self.patience.quote, control)?;
        let quote = bytes(METHOD, &result, "quote", MAX_QUOTE)?;
        let binding = Binding { domain, program, instance: self.instance.address, block_hash };
        if quote.get(REPORT_DATA) != Some(&binding.report_data()) {
            return Err(EnclaveError::WrongQuote.into());
        }
        Ok(quote)
    }

    /// Runs the program on an input and has the instance sign what comes out. The proof has been checked.
    ///
    /// # Errors
    ///
    /// [`EnclaveError`], if the program does not take the input, or the enclave fails; or the control stops the call.
    pub fn prove(
        &self,
        domain: Domain,
        program: B256,
        payee: Address,
        input: &[u8],
        control: &Control,
    ) -> Result<Proven, BackendError> {
        const METHOD: &str = "prove";
        if input.len() > MAX_INPUT {
            return Err(EnclaveError::TooLarge { found: input.len(), max: MAX_INPUT }.into());
        }
        let Domain { chain_id, verifier } = domain;
        let params = json!({
            "chain_id": chain_id, "verifier": verifier, "program": program, "payee": payee, "input": hex::encode(input),
        });
        let result = self.ask(METHOD, params, self.patience.prove, control)?;
        let journal = bytes(METHOD, &result, "journal", MAX_JOURNAL)?;
        let encoded = bytes(METHOD, &result, "proof", PROOF_LEN)?;
        let proof = Proof::decode(&encoded).map_err(EnclaveError::from)?;
        if proof.payee != payee || proof.output != output(&journal) {
            return Err(EnclaveError::WrongWords.into());
        }
        proof.check(&domain, program, proof.statement(), self.instance.address).map_err(EnclaveError::from)?;
        Ok(Proven { journal, proof: encoded })
    }

    fn ask(
        &self,
        method: &'static str,
        params: Value,
        bound: Duration,
        control: &Control,
    ) -> Result<Value, BackendError> {
        let mut running = self.wait_turn(control)?;
        if !running.process.as_mut().is_some_and(Process::is_well) {
            let after = running.start(&self.command, &self.patience, control)?.address;
            let before = self.instance.address;
            if after != before {
                running.process = None;
                return Err(EnclaveError::Changed { before, after }.into());
            }
            tracing::info!(instance = %before, "the enclave was started again");
        }
        running.ask(method, params, bound, control)
    }

    fn wait_turn(&self, control: &Control) -> Result<MutexGuard<'_, Running>, BackendError> {
        loop {
            control.check()?;
            match self.running.try_lock() {
                Ok(running) => return Ok(running),
                // Whoever panicked left nothing half done that the next question would not find out.
                Err(TryLockError::Poisoned(poisoned)) => return Ok(PoisonError::into_inner(poisoned)),
                Err(TryLockError::WouldBlock) => thread::sleep(LOOK_EVERY),
            }
        }
    }
}

impl Running {
    /// Starts the agent, in place of one that may have been there, and asks who it is.
    fn start(
        &mut self,
        command: &[OsString],
        patience: &Patience,
        control: &Control,
    ) -> Result<Instance, BackendError> {
        const METHOD: &str = "instance";
        self.process = None;
        control.check()?;
        self.process = Some(Process::start(command)?);
        let result = self.ask(METHOD, json!({}), patience.start, control)?;
        let instance = (|| {
            let address = Address::try_from(&bytes(METHOD, &result, "address", 20).ok()?[..]).ok()?;
            let mrenclave = match result.get("mrenclave")? {
                Value::Null => None,
                _ => Some(B256::try_from(&bytes(METHOD, &result, "mrenclave", 32).ok()?[..]).ok()?),
            };
            Some(Instance { address, mrenclave, simulated: result.get("simulated")?.as_bool()? })
        })();
        if instance.is_none() {
            self.process = None;
        }
        let reason = "it does not say who it is";
        instance.ok_or_else(|| EnclaveError::Answer { method: METHOD, reason }.into())
    }

    /// Asks, and reads the answer. A process that did not give a proper one is stopped: what it says next could be the
    /// answer to this.
    fn ask(
        &mut self,
        method: &'static str,
        params: Value,
        bound: Duration,
        control: &Control,
    ) -> Result<Value, BackendError> {
        let ended = || EnclaveError::Ended { reason: "it is not running".into() };
        let mut process = self.process.take().ok_or_else(ended)?;
        self.asked += 1;
        let id = self.asked;
        let line = format!("{}\n", json!({ "id": id, "method": method, "params": params }));
        let answer = match process.ask(method, line.into_bytes(), bound, control) {
            Ok(answer) => answer,
            Err(error) => {
                process.stop();
                return Err(error);
            }
        };
        let result = result(method, id, &answer);
        match result {
            Err(EnclaveError::Answer { .. }) => process.stop(),
            _ => self.process = Some(process),
        }
        Ok(result?)
    }
}

impl fmt::Debug for Enclave {
    /// Without the command, whose arguments are its owner's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enclave").field("instance", &self.instance).finish_non_exhaustive()
    }
}
