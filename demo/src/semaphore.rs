//! A Semaphore identity, a group of two, and the circuit's inputs: made afresh in every run.
//!
//! The commitment and the nullifier are not computed by code of our own: the circuit's published witness generator
//! yields them. With a Merkle proof of length zero the root *is* the identity's commitment.

use crate::{
    error::{Attempt, DemoError, Result},
    stage::Stage,
};
use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol,
    sol_types::{SolCall, SolValue},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use zkpool_protocol::{
    BlobId, Call, PreflightBounds, PreflightReply, PreflightReport, PreflightRequest, ProgramManifest,
};

/// Depth of the circuit whose key the demo uses; the group's tree may be shallower.
pub const DEPTH: usize = 20;

/// Semaphore's circuit, with the key of its ceremony and its witness generator as its authors publish them.
pub struct Circuit {
    /// Proving key.
    pub zkey: PathBuf,
    /// Witness generator.
    pub wasm: PathBuf,
    /// What the pool calls the two together.
    pub manifest: ProgramManifest,
    zkpool: PathBuf,
}

/// A member of a group of two.
pub struct Member {
    secret: U256,
    /// The identity's commitment.
    pub commitment: U256,
    /// The other member's.
    pub other: U256,
}

/// Something that a member says, to be proven.
pub struct Signal {
    /// The circuit's inputs. Whoever holds them can speak for the member.
    pub inputs: PathBuf,
    /// keccak-256 of the public inputs: what a verifier is asked to accept.
    pub statement: B256,
    /// How `Semaphore.validateProof` is called.
    pub call: Call,
}

impl Circuit {
    /// Finds the files in `contracts/node_modules`.
    pub fn find(zkpool: &Path) -> Result<Self> {
        let dir = zkpool_chain::testing::contracts_dir().join("node_modules/@zk-kit/semaphore-artifacts");
        let (zkey, wasm) = (dir.join(format!("semaphore-{DEPTH}.zkey")), dir.join(format!("semaphore-{DEPTH}.wasm")));
        let id = |path: &Path| {
            let bytes = fs::read(path).attempt(format!("reading {}", path.display()))?;
            Ok(BlobId::of(&bytes))
        };
        let manifest = ProgramManifest::Groth16Bn254 { zkey: id(&zkey)?, witness_generator: Some(id(&wasm)?) };
        Ok(Self { zkey, wasm, manifest, zkpool: zkpool.to_owned() })
    }

    /// A new identity and somebody else's, whose secret is not kept.
    pub fn member(&self, dir: &Path) -> Result<Member> {
        let (secret, stranger) = (new_secret(), new_secret());
        let commitment = self.commitment(dir, secret)?;
        Ok(Member { secret, commitment, other: self.commitment(dir, stranger)? })
    }

    /// A message of `member`, under a scope of its own, as a task of `group`.
    pub fn signal(&self, dir: &Path, member: &Member, group: U256) -> Result<Signal> {
        Ok(self.evaluated_signal(dir, member, group, false)?.0)
    }

    /// A signal with a proof of it, in the form that the contract takes.
    pub fn proven_signal(&self, dir: &Path, member: &Member, group: U256) -> Result<(Signal, Bytes)> {
        let (signal, proof) = self.evaluated_signal(dir, member, group, true)?;
        Ok((signal, proof.attempt("making a proof beforehand")?))
    }

    fn evaluated_signal(
        &self,
        dir: &Path,
        member: &Member,
        group: U256,
        prove: bool,
    ) -> Result<(Signal, Option<Bytes>)> {
        let (message, scope) = (random(), random());
        let siblings = [member.other];
        let inputs = self.inputs(member.secret, &siblings, field_hash(message), field_hash(scope));
        let report = self.evaluate(dir, &inputs, prove)?;
        let path = dir.join(format!("signal-{scope:x}.json"));
        fs::write(&path, inputs.to_string()).attempt("writing a signal's inputs")?;
        let [root, nullifier, ..] = report.public_inputs[..] else {
            return Err(DemoError::new("reading the circuit's public inputs", "there are fewer than two"));
        };
        let data = (group, U256::from(DEPTH), root, nullifier, message, scope).abi_encode();
        let signal = Signal {
            inputs: path,
            statement: report.statement.attempt("reading the circuit's statement")?,
            call: Call { prefix: Bytes::from(data), ..Call::default() },
        };
        Ok((signal, report.trial_proof))
    }

    fn commitment(&self, dir: &Path, secret: U256) -> Result<U256> {
        let report = self.evaluate(dir, &self.inputs(secret, &[], U256::ZERO, U256::ZERO), false)?;
        report.public_inputs.first().copied().attempt("reading the identity's commitment")
    }

    fn inputs(&self, secret: U256, siblings: &[U256], message: U256, scope: U256) -> Value {
        let mut padded = siblings.to_vec();
        padded.resize(DEPTH, U256::ZERO);
        let texts: Vec<_> = padded.iter().map(U256::to_string).collect();
        json!({
            "secret": secret.to_string(),
            "merkleProofLength": siblings.len().to_string(),
            "merkleProofIndex": "0",
            "merkleProofSiblings": texts,
            "message": message.to_string(),
            "scope": scope.to_string(),
        })
    }

    /// Has the witness generator run on these inputs, in a process of its own.
    fn evaluate(&self, dir: &Path, inputs: &Value, prove: bool) -> Result<PreflightReport> {
        let bytes = serde_json::to_vec(&json!({ "program": self.manifest.id(), "inputs": inputs }))
            .attempt("writing an envelope")?;
        let envelope = dir.join("envelope.json");
        fs::write(&envelope, &bytes).attempt(format!("writing {}", envelope.display()))?;
        let ProgramManifest::Groth16Bn254 { zkey, witness_generator } = &self.manifest else {
            return Err(DemoError::new("looking at the circuit", "its manifest is of another proof system"));
        };
        let mut files = BTreeMap::from([(*zkey, self.zkey.clone()), (BlobId::of(&bytes), envelope.clone())]);
        files.extend(witness_generator.map(|id| (id, self.wasm.clone())));
        let report = self.ask(&PreflightRequest {
            program: self.manifest.clone(),
            input: Some(BlobId::of(&bytes)),
            files,
            trial_proof: prove,
            segment_limits: vec![],
            bounds: PreflightBounds { memory: 4 << 30, cpu_seconds: 120, cycles: 0 },
        });
        fs::remove_file(&envelope).attempt("removing an envelope")?;
        report
    }

    fn ask(&self, request: &PreflightRequest) -> Result<PreflightReport> {
        let what = "running the circuit's witness generator";
        let mut child = Command::new(&self.zkpool)
            .arg("preflight-worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .attempt(what)?;
        let request = serde_json::to_vec(request).attempt(what)?;
        child.stdin.take().attempt(what)?.write_all(&request).attempt(what)?;
        let output = child.wait_with_output().attempt(what)?;
        match serde_json::from_slice(&output.stdout).attempt(what)? {
            PreflightReply::Passed(report) => Ok(report),
            PreflightReply::Refused { code, message } => Err(DemoError::new(what, format!("{message} ({code})"))),
        }
    }
}

/// Identities' secret scalars are below the order of BabyJubJub's prime subgroup, which has 251 bits.
fn new_secret() -> U256 {
    random() >> 6
}

/// 256 random bits.
pub fn random() -> U256 {
    U256::from_be_bytes(rand::random::<[u8; 32]>())
}

/// Semaphore hashes messages and scopes into the field like this.
fn field_hash(value: U256) -> U256 {
    U256::from_be_bytes(keccak256(value.to_be_bytes::<32>()).0) >> 8
}

sol! {
    function createGroup(address admin) returns (uint256 groupId);
    function addMembers(uint256 groupId, uint256[] identityCommitments);
    function groupCounter() returns (uint256);
    event ProofValidated(
        uint256 indexed groupId,
        uint256 indexed merkleTreeDepth,
        uint256 merkleTreeRoot,
        uint256 nullifier,
        uint256 message,
        uint256 indexed scope,
        uint256[8] points
    );
}

/// The verifier and the encoder that belong to the circuit, on chain.
#[derive(Clone, Copy, Debug)]
pub struct OnChain {
    /// The requester's contract, which nobody of this project wrote.
    pub semaphore: Address,
    /// `SemaphoreVerifierAdapter`.
    pub verifier: Address,
    /// `SemaphoreEncoder`.
    pub encoder: Address,
}

impl OnChain {
    /// Deploys Semaphore as published, and what makes it one of the pool's.
    pub async fn deploy(stage: &Stage) -> Result<Self> {
        let published = stage.deploy("SemaphoreVerifier", &[]).await?;
        let semaphore = stage.deploy("Semaphore", &published.abi_encode()).await?;
        let arguments = (published, U256::from(DEPTH)).abi_encode_params();
        let verifier = stage.deploy("SemaphoreVerifierAdapter", &arguments).await?;
        let encoder = stage.deploy("SemaphoreEncoder", &[]).await?;
        Ok(Self { semaphore, verifier, encoder })
    }

    /// Makes a Semaphore group of `member` and somebody else; its id.
    pub async fn group(&self, stage: &Stage, member: &Member) -> Result<U256> {
        let what = "making a Semaphore group";
        let counter = Bytes::from(groupCounterCall {}.abi_encode());
        let request = json!([{ "to": self.semaphore, "data": counter }, "latest"]);
        let answer: U256 = stage.anvil.request("eth_call", request).await.attempt(what)?;
        stage.call(self.semaphore, createGroupCall { admin: stage.deployer }, U256::ZERO, what).await?;
        let members = vec![member.commitment, member.other];
        let add = addMembersCall { groupId: answer, identityCommitments: members };
        stage.call(self.semaphore, add, U256::ZERO, what).await?;
        Ok(answer)
    }
}
