//! Enclaves as a backend: `attest` jobs.

use super::{Enclave, EnclaveError};
use crate::{
    Backend, BackendError, Control, Input, Outcome, Preflight, PreflightOptions, ProgramFiles, ProgramInfo, Step,
    Throughput, Work,
};
use alloy_primitives::B256;
use std::{collections::BTreeMap, time::Duration};
use zkpool_protocol::{ATTEST_UNITS, ProgramManifest, ProofKind};
use zkpool_verifiers::sgx::Domain;

/// What an agent's side of an enclave takes, in bytes: the enclave's own memory is set aside by its manifest.
const MEMORY: u64 = 64 << 20;
/// The largest input that is read, in bytes; as the agent has it.
const MAX_INPUT: u64 = 8 << 20;
/// How long a run is taken to last until runs have been seen: what a program does, only running it tells.
const GUESS: Duration = Duration::from_secs(1);

/// The enclaves of this machine, by the names under which their verifiers know their programs.
pub struct SgxBackend {
    enclaves: BTreeMap<B256, Enclave>,
}

impl SgxBackend {
    /// Of enclaves that run.
    pub const fn new(enclaves: BTreeMap<B256, Enclave>) -> Self {
        Self { enclaves }
    }

    /// The programs that there is an enclave of.
    pub fn programs(&self) -> Vec<B256> {
        self.enclaves.keys().copied().collect()
    }

    fn enclave(&self, program: &ProgramManifest) -> Result<(B256, &Enclave), BackendError> {
        let ProgramManifest::Sgx { enclave: program } = program else { return Err(BackendError::OtherSystem) };
        let enclave = self.enclaves.get(program).ok_or(EnclaveError::NoEnclave { program: *program })?;
        Ok((*program, enclave))
    }
}

impl Backend for SgxBackend {
    fn kinds(&self) -> Vec<ProofKind> {
        if self.enclaves.is_empty() { vec![] } else { vec![ProofKind::Sgx] }
    }

    fn inspect(&self, program: &ProgramFiles, _: &Control) -> Result<ProgramInfo, BackendError> {
        self.enclave(&program.manifest)?;
        Ok(ProgramInfo {
            constraints: 0,
            wires: 0,
            public_inputs: 0,
            work: ATTEST_UNITS,
            memory: MEMORY,
            verifying_key: vec![],
        })
    }

    /// What an enclave comes to is known when it has run: there is no preflight of it.
    fn preflight(
        &self,
        _: &ProgramFiles,
        _: &Input,
        _: &PreflightOptions,
        _: &Control,
    ) -> Result<Preflight, BackendError> {
        Err(BackendError::OtherSystem)
    }

    fn memory(&self, work: &Work, _: &Control) -> Result<u64, BackendError> {
        self.enclave(&work.program.manifest).map(|_| MEMORY)
    }

    fn prove(&self, work: &Work, control: &Control) -> Result<Outcome, BackendError> {
        let (program, enclave) = self.enclave(&work.program.manifest)?;
        let Step::Attest { input, terms } = &work.step else {
            return Err(BackendError::Operation(work.step.operation()));
        };
        let input = crate::program::read(input, "input", MAX_INPUT)?;
        let domain = Domain { chain_id: terms.chain_id, verifier: terms.verifier };
        let proven = enclave.prove(domain, program, terms.payee, &input, control)?;
        // If it comes to something else than was expected, that is for the operator to know.
        Ok(Outcome { result: proven.proof, statement: None })
    }

    fn benchmark(&self, _: &Control) -> Result<Vec<(ProofKind, Throughput)>, BackendError> {
        let speed = Throughput { work: ATTEST_UNITS, elapsed: GUESS };
        Ok(self.kinds().into_iter().map(|kind| (kind, speed)).collect())
    }
}
