//! What is bought for a batch: proofs of its journal by every program behind the contract's verifier, as one delivery.

use crate::{
    contract::Contract,
    error::NodeError,
    policy::{Leg, Policy, System},
};
use alloy::primitives::{Address, B256, Bytes};
use sha2::{Digest, Sha256};
use std::{
    io::Read,
    path::{Path, PathBuf},
};
use zkpool_api::QuoteRequest;
use zkpool_protocol::{
    BlobId, BundleLeg, EnclaveInput, GuestInput, LegInputs, ProgramManifest, ProofKind, TaskInput, WitnessSource,
    bundle,
};
use zkpool_requester::{Expected, ProgramFiles, ProofRequest};
use zkpool_rollup::Batch;

/// The zkVM guest, packed with the zkVM's kernel.
static GUEST: &[u8] = include_bytes!("../../guest/rollup.bin");
/// Its image id, in hex.
const IMAGE_ID: &str = include_str!("../../guest/rollup.id");

/// The terms that proofs are bought on. Amounts in the token's smallest unit.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Token of price and liability.
    pub token: Address,
    /// Paid if the bundle never comes.
    pub liability: u128,
    /// Lost by the operator if it comes late.
    pub bond: u128,
    /// The highest price.
    pub max_reward: Option<u128>,
    /// Seconds within which the bundle is due.
    pub proof_window: u32,
    /// Seconds after which nobody can deliver it any more.
    pub liability_window: u32,
    /// Gas that the contract is given to take it.
    pub call_gas: u32,
    /// Whether one prover may make several legs.
    pub shared_provers: bool,
}

/// Files that are too large to be part of this program.
#[derive(Clone, Debug)]
pub struct Files {
    /// The circuit's proving key.
    pub zkey: Option<PathBuf>,
    /// Its witness generator.
    pub generator: Option<PathBuf>,
    /// Where the guest is written to, from where it is uploaded.
    pub dir: PathBuf,
    /// How the zkVM's receipt ends: as what its leg's verifier takes.
    pub receipt: ProofKind,
}

/// The bundle's program, and those of its legs, as operators get them.
#[derive(Clone, Debug)]
pub struct Programs {
    bundle: ProgramFiles,
    legs: Vec<LegProgram>,
}

#[derive(Clone, Debug)]
struct LegProgram {
    system: System,
    kind: ProofKind,
    files: ProgramFiles,
}

impl Programs {
    /// Those of a policy's legs.
    ///
    /// # Errors
    /// [`NodeError::Leg`] for a leg that is of another build, or lacks its files; [`NodeError::Io`].
    pub fn of(policy: &Policy, files: &Files) -> Result<Self, NodeError> {
        let mut legs = Vec::with_capacity(policy.legs.len());
        for leg in &policy.legs {
            let kind = match leg.system {
                System::Groth16Bn254 => ProofKind::Groth16Bn254,
                System::Risc0 => files.receipt,
                System::Sgx => ProofKind::Sgx,
            };
            legs.push(LegProgram { system: leg.system, kind, files: program(leg, files)? });
        }
        let of_bundle = legs.iter().map(|leg| BundleLeg { program: leg.files.manifest.id(), kind: leg.kind });
        let manifest = ProgramManifest::Bundle { legs: of_bundle.collect() };
        Ok(Self { bundle: ProgramFiles { manifest, files: vec![] }, legs })
    }

    /// What operators know the bundle by.
    pub const fn manifest(&self) -> &ProgramManifest {
        &self.bundle.manifest
    }

    /// The kind of each leg's proof and its program, in the order of the verifier's.
    pub fn legs(&self) -> impl Iterator<Item = (ProofKind, &ProgramManifest)> {
        self.legs.iter().map(|leg| (leg.kind, &leg.files.manifest))
    }

    /// The wish for a bundle about a batch, delivered to the rollup's contract. `attempt` tells one from the one before
    /// it, which was never delivered.
    pub fn wish(
        &self,
        batch: &Batch,
        terms: &Terms,
        contract: &Contract,
        verifier: Address,
        attempt: u32,
    ) -> ProofRequest {
        let mut blobs: Vec<Bytes> = Vec::new();
        let mut keep = |blob: Bytes| {
            let id = BlobId::of(&blob);
            if !blobs.contains(&blob) {
                blobs.push(blob);
            }
            id
        };
        let mut envelopes = Vec::with_capacity(self.legs.len());
        for leg in &self.legs {
            // The circuit's input is part of its envelope; the other two name theirs, which is the same for both.
            let source = match leg.system {
                System::Groth16Bn254 => {
                    WitnessSource::Inputs(batch.circuit_input.as_object().cloned().unwrap_or_default())
                }
                System::Risc0 => {
                    let stdin = keep(batch.zkvm_input.clone().into());
                    WitnessSource::Guest(GuestInput { stdin, assumptions: vec![] })
                }
                System::Sgx => WitnessSource::Enclave(EnclaveInput { input: keep(batch.sgx_input.clone().into()) }),
            };
            let envelope = TaskInput { program: leg.files.manifest.id(), source };
            envelopes.push(keep(envelope.to_bytes().into()));
        }
        let program = self.bundle.manifest.id();
        let legs = LegInputs { envelopes, shared_provers: terms.shared_provers, early: true };
        let envelope: Bytes = TaskInput { program, source: WitnessSource::Legs(legs) }.to_bytes().into();
        let number = batch.journal.context.batch;
        let quote = QuoteRequest {
            kind: ProofKind::Bundle,
            program,
            input: BlobId::of(&envelope),
            payer: Address::ZERO,
            requester: None,
            target: contract.address(),
            encoder: None,
            verifier: Some(verifier),
            call: contract.proving(number),
            call_gas: terms.call_gas,
            reward_token: terms.token,
            liability_token: terms.token,
            proof_window: terms.proof_window,
            liability_window: terms.liability_window,
            liability: terms.liability,
            bond: terms.bond,
            burn: 0,
            max_reward: terms.max_reward,
            statement: None,
            strategy: None,
            reference: if attempt == 0 { String::new() } else { format!("attempt {attempt}") },
        };
        // The node has applied the batch itself, so it knows what must be proven, before anybody proves anything.
        let expected = Expected::Statement(statement(batch));
        ProofRequest {
            program: Some(self.bundle.clone()),
            legs: self.legs.iter().map(|leg| leg.files.clone()).collect(),
            blobs,
            expected,
            ..ProofRequest::new(quote, envelope)
        }
    }
}

/// What is proven of a batch, in whatever way: the SHA-256 of its journal.
pub fn statement(batch: &Batch) -> B256 {
    bundle::output(&batch.journal.encode())
}

fn program(leg: &Leg, files: &Files) -> Result<ProgramFiles, NodeError> {
    let fault = |reason: String| NodeError::Leg { leg: leg.index, reason };
    match leg.system {
        System::Groth16Bn254 => {
            let (Some(zkey), Some(generator)) = (&files.zkey, &files.generator) else {
                return Err(fault("it takes a circuit's proof: give the proving key and the witness generator".into()));
            };
            let manifest =
                ProgramManifest::Groth16Bn254 { zkey: blob_of(zkey)?, witness_generator: Some(blob_of(generator)?) };
            Ok(ProgramFiles { manifest, files: vec![zkey.clone(), generator.clone()] })
        }
        System::Risc0 => {
            if leg.program != Some(image_id()) {
                return Err(fault(format!("it is for program {:?}, this build's is {}", leg.program, image_id())));
            }
            std::fs::create_dir_all(&files.dir).map_err(NodeError::file(&files.dir))?;
            let path = files.dir.join("rollup.bin");
            std::fs::write(&path, GUEST).map_err(NodeError::file(&path))?;
            Ok(ProgramFiles { manifest: guest(), files: vec![path] })
        }
        System::Sgx => {
            let enclave = leg.program.ok_or_else(|| fault("it names no program".into()))?;
            Ok(ProgramFiles { manifest: ProgramManifest::Sgx { enclave }, files: vec![] })
        }
    }
}

/// The guest's image id.
pub fn image_id() -> B256 {
    IMAGE_ID.trim().parse().expect("rollup.id is 32 bytes in hex: a test reads it")
}

/// What operators know the guest by.
pub fn guest() -> ProgramManifest {
    ProgramManifest::Risc0 { binary: BlobId::of(GUEST), image_id: image_id() }
}

/// The id of a file that may be larger than memory.
///
/// # Errors
/// [`NodeError::Io`].
pub fn blob_of(path: &Path) -> Result<BlobId, NodeError> {
    let mut file = std::fs::File::open(path).map_err(NodeError::file(path))?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).map_err(NodeError::file(path))? {
            0 => return Ok(BlobId::from_digest(hash.finalize().into())),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Trust;
    use zkpool_chain::Rpc;
    use zkpool_rollup::{DeployedSequencer, Domain, Wallet, core::Account};

    fn terms() -> Terms {
        Terms {
            token: Address::repeat_byte(1),
            liability: 5,
            bond: 1,
            max_reward: None,
            proof_window: 60,
            liability_window: 120,
            call_gas: 1_000_000,
            shared_provers: false,
        }
    }

    fn batch() -> Batch {
        let domain = Domain { chain_id: 31_337, rollup: [7; 20] };
        let wallets = [Wallet::from_seed(&[1; 32]), Wallet::from_seed(&[2; 32])];
        let genesis = wallets.each_ref().map(|wallet| Account { key: wallet.key(), balance: 9, nonce: 0 });
        let mut sequencer = DeployedSequencer::new(domain, &genesis, 0).unwrap();
        sequencer.submit(wallets[0].transfer(&domain, 0, 1, 4, 0)).unwrap();
        sequencer.next_batch().unwrap()
    }

    fn leg(index: usize, system: System, program: Option<B256>) -> Leg {
        let (contract, verifier) = (Address::repeat_byte(3), Address::repeat_byte(4));
        Leg { index, system, contract, verifier, program, trust: Trust::Proof, simulated: false }
    }

    #[test]
    fn the_committed_image_id_is_one() {
        assert_ne!(image_id(), B256::ZERO);
        assert!(GUEST.starts_with(b"R0BF"), "packed, with the kernel");
    }

    #[test]
    fn a_large_file_has_the_id_of_its_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = vec![5; (1 << 20) + 17];
        std::fs::write(file.path(), &bytes).unwrap();
        assert_eq!(blob_of(file.path()).unwrap(), BlobId::of(&bytes));
    }

    #[test]
    fn a_wish_has_an_envelope_for_every_leg_and_all_that_they_name() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files { zkey: None, generator: None, dir: dir.path().into(), receipt: ProofKind::Risc0Composite };
        let legs = vec![leg(0, System::Sgx, Some(B256::repeat_byte(9))), leg(1, System::Risc0, Some(image_id()))];
        let policy = Policy { verifier: Address::repeat_byte(2), threshold: 2, legs };
        let programs = Programs::of(&policy, &files).unwrap();
        let contract = Contract::new(Rpc::new("http://127.0.0.1:1").unwrap(), Address::repeat_byte(8), 0);
        let batch = batch();
        let wish = programs.wish(&batch, &terms(), &contract, policy.verifier, 0);

        let WitnessSource::Legs(legs) = TaskInput::from_bytes(&wish.input).unwrap().source else { panic!("a bundle") };
        let blob = |id: &BlobId| wish.blobs.iter().find(|blob| BlobId::of(blob) == *id).unwrap();
        assert_eq!((legs.envelopes.len(), legs.shared_provers), (2, false));
        for (envelope, (_, program)) in legs.envelopes.iter().zip(programs.legs()) {
            let envelope = TaskInput::from_bytes(blob(envelope)).unwrap();
            assert_eq!(envelope.program, program.id());
            let read: Vec<_> = envelope.blobs().iter().map(blob).collect();
            assert_eq!(read, [&batch.zkvm_input[..]]);
        }
        assert_eq!(wish.blobs.len(), 3, "both legs read the same bytes");
        assert_eq!(wish.statement(), Some(statement(&batch)));
        assert_eq!(wish.quote.call, contract.proving(0));
        let again = programs.wish(&batch, &terms(), &contract, policy.verifier, 1);
        assert_ne!(again.quote.id(), wish.quote.id(), "another request, so that it has another quote");
    }

    #[test]
    fn a_leg_of_another_build_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files { zkey: None, generator: None, dir: dir.path().into(), receipt: ProofKind::Risc0Composite };
        for leg in [leg(0, System::Risc0, Some(B256::ZERO)), leg(0, System::Groth16Bn254, None)] {
            let policy = Policy { verifier: Address::ZERO, threshold: 1, legs: vec![leg] };
            assert!(matches!(Programs::of(&policy, &files), Err(NodeError::Leg { leg: 0, .. })));
        }
    }
}
