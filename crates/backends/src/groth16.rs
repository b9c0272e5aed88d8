//! Groth16 over BN254 for circom's circuits: a zkey of snarkjs, and a witness from circom's generator or ready-made.
//!
//! The prover is our own on arkworks' fields and curves. arkworks' (and circom-prover around it) cannot be stopped
//! within a multiplication, panics on malformed keys, and takes twice the time.

mod benchmark;
mod cache;
mod generator;
mod inputs;
mod matrix;
mod msm;
mod prove;
mod quotient;
mod witness;
mod zkey;

pub use generator::GeneratorError;
pub use inputs::InputError;
pub use witness::WitnessFileError;
pub use zkey::ZkeyError;

use crate::{
    Backend, BackendError, Control, Input, Limits, Outcome, Preflight, PreflightOptions, ProgramFiles, ProgramInfo,
    Stage, Step, Throughput, Work, program,
};
use alloy_primitives::U256;
use cache::Cache;
use generator::Generator;
use std::{sync::Arc, time::Instant};
use witness::Witness;
use zkey::{ProvingKey, Sizes};
use zkpool_protocol::{BlobId, ProgramManifest, ProofKind};
use zkpool_verifiers::groth16::VerifyingKey;

/// The fraction of a call that is done when the key has been read.
const LOADED: f64 = 0.05;
/// The fraction of a call that is done when the witness is there.
const WITNESSED: f64 = 0.2;
/// The fraction of a call that is done when the proof is there, but not verified.
const PROVEN: f64 = 0.99;
/// What the interpreter makes of a generator's bytes, in memory, at most: an estimate for the cache.
const GENERATOR_GROWTH: u64 = 8;

/// The backend. Clones of the parsed programs are shared: make one for a process.
pub struct Groth16Backend {
    limits: Limits,
    keys: Cache<ProvingKey>,
    generators: Cache<Generator>,
}

impl Groth16Backend {
    /// With bounds for what it reads, runs and keeps.
    pub fn new(limits: Limits) -> Self {
        // Generators are small, but slow to run for the first time.
        let generators = limits.cache / 4;
        Self { limits, keys: Cache::new(limits.cache - generators), generators: Cache::new(generators) }
    }

    fn parts(program: &ProgramFiles) -> Result<(BlobId, Option<BlobId>), BackendError> {
        match program.manifest {
            ProgramManifest::Groth16Bn254 { zkey, witness_generator } => Ok((zkey, witness_generator)),
            _ => Err(BackendError::OtherSystem),
        }
    }

    fn key(&self, program: &ProgramFiles, control: &Control) -> Result<Arc<ProvingKey>, BackendError> {
        let (zkey, _) = Self::parts(program)?;
        let path = program.path(&zkey)?;
        let key = self.keys.get_or_make(zkey, control, || {
            let start = Instant::now();
            let key = ProvingKey::read(path, self.limits.proving_key, control)?;
            tracing::debug!(%zkey, wires = key.wires, duration_ms = start.elapsed().as_millis() as u64, "proving key read");
            let bytes = key.bytes();
            Ok((key, bytes))
        })?;
        control.report(Stage::Load, LOADED);
        Ok(key)
    }

    fn generator(&self, program: &ProgramFiles, control: &Control) -> Result<Option<Arc<Generator>>, BackendError> {
        let (_, Some(id)) = Self::parts(program)? else { return Ok(None) };
        let path = program.path(&id)?;
        let make = || {
            let wasm = program::read(path, "witness generator", self.limits.generator)?;
            Ok((Generator::load(&wasm)?, wasm.len() as u64 * GENERATOR_GROWTH))
        };
        self.generators.get_or_make(id, control, make).map(Some)
    }

    fn witness(
        &self,
        program: &ProgramFiles,
        input: &Input,
        wires: usize,
        control: &Control,
    ) -> Result<Witness, BackendError> {
        let start = Instant::now();
        let witness = match input {
            Input::Witness(path) => Witness::read_file(path, wires, control),
            Input::Signals(signals) => self.generator(program, control)?.ok_or(BackendError::NoGenerator)?.witness(
                signals,
                wires,
                &self.limits,
                control,
            ),
            Input::Guest { .. } => return Err(BackendError::OtherSystem),
        }?;
        control.report(Stage::Witness, WITNESSED);
        tracing::debug!(wires, duration_ms = start.elapsed().as_millis() as u64, "witness ready");
        Ok(witness)
    }

    fn prove_witness(key: &ProvingKey, witness: &Witness, control: &Control) -> Result<Outcome, BackendError> {
        let start = Instant::now();
        let proof = prove::prove(key, witness, control)?;
        tracing::debug!(
            constraints = key.sizes.constraints,
            duration_ms = start.elapsed().as_millis() as u64,
            "proof made and verified"
        );
        Ok(Outcome { statement: Some(proof.inputs.statement()), result: proof.encode() })
    }
}

/// The values of all wires of a circuit that has so many, from its generator and signals. They may well not satisfy it:
/// that only a proof tells, or [`crate::setup::Circuit::violated_by`].
///
/// # Errors
///
/// [`BackendError`], if the generator or the signals are at fault, or the control stops the call.
#[cfg(feature = "setup")]
pub fn witness(
    generator: &std::path::Path,
    signals: &serde_json::Map<String, serde_json::Value>,
    wires: usize,
    limits: &Limits,
    control: &Control,
) -> Result<Vec<ark_bn254::Fr>, BackendError> {
    let wasm = program::read(generator, "witness generator", limits.generator)?;
    Ok(Generator::load(&wasm)?.witness(signals, wires, limits, control)?.elements())
}

impl Backend for Groth16Backend {
    fn kinds(&self) -> Vec<ProofKind> {
        vec![ProofKind::Groth16Bn254]
    }

    fn inspect(&self, program: &ProgramFiles, control: &Control) -> Result<ProgramInfo, BackendError> {
        let (zkey, _) = Self::parts(program)?;
        let (head, sizes) = zkey::inspect(program.path(&zkey)?, self.limits.proving_key, control)?;
        if let Some(generator) = self.generator(program, control)? {
            generator.check(head.wires as usize, &self.limits, control)?;
        }
        Ok(info(&head.key, &sizes))
    }

    fn preflight(
        &self,
        program: &ProgramFiles,
        input: &Input,
        options: &PreflightOptions,
        control: &Control,
    ) -> Result<Preflight, BackendError> {
        let info = self.inspect(program, control)?;
        // A trial needs the key in memory; without one its head will do.
        let (witness, trial) = if options.trial {
            let key = self.key(program, control)?;
            let witness = self.witness(program, input, key.wires, control)?;
            let proof = Self::prove_witness(&key, &witness, control)?;
            (witness, Some(proof.result))
        } else {
            (self.witness(program, input, info.wires as usize, control)?, None)
        };
        let inputs = witness.public_inputs(info.public_inputs);
        let words = inputs.to_words();
        let public_inputs = words.chunks_exact(32).map(U256::from_be_slice).collect();
        Ok(Preflight { program: info, public_inputs, statement: inputs.statement(), trial, run: None })
    }

    fn memory(&self, work: &Work, control: &Control) -> Result<u64, BackendError> {
        Ok(self.inspect(&work.program, control)?.memory)
    }

    fn prove(&self, work: &Work, control: &Control) -> Result<Outcome, BackendError> {
        let Work { program, step } = work;
        let Step::Single(input) = step else { return Err(BackendError::Operation(step.operation())) };
        let key = self.key(program, control)?;
        let witness = self.witness(program, input, key.wires, control)?;
        Self::prove_witness(&key, &witness, control)
    }

    fn benchmark(&self, control: &Control) -> Result<Vec<(ProofKind, Throughput)>, BackendError> {
        Ok(vec![(ProofKind::Groth16Bn254, benchmark::run(control)?)])
    }
}

fn info(key: &VerifyingKey, sizes: &Sizes) -> ProgramInfo {
    ProgramInfo {
        constraints: sizes.constraints,
        wires: sizes.wires,
        public_inputs: key.inputs(),
        work: sizes.work(),
        memory: sizes.memory(),
        verifying_key: key.to_bytes(),
    }
}
