//! `zkpool program`: circuits and zkVM programs, looked at and registered.

use super::{Context, prover::identity};
use crate::{
    error::{CliError, CliResult},
    keys::KeyArgs,
    progress::Step,
    values::texts,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};
use zkpool_api::{Client, ClientError, ClientOptions};
use zkpool_backends::{BackendError, Control, Input, Limits, PreflightOptions, ProgramFiles};
use zkpool_protocol::{B256, BlobId, ProgramManifest, Segmentation};
use zkpool_verifiers::groth16::VerifyingKey;

/// `zkpool program …`
#[derive(Debug, Subcommand)]
pub enum ProgramCommand {
    /// Upload a program's parts and register it with operators; prints its id
    Register(RegisterArgs),
    /// Look at a program, and try an input, without talking to anybody
    Inspect(InspectArgs),
}

/// What to register, and where.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// What makes it up.
    #[command(flatten)]
    pub parts: Parts,
    /// Whom to sign in as.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Where.
    #[command(flatten)]
    pub operators: Operators,
}

/// A program's files: a circuit's, or a zkVM program's.
#[derive(Debug, Args)]
pub struct Parts {
    /// Proving key (snarkjs .zkey, Groth16 over BN254)
    #[arg(long, value_name = "FILE", required_unless_present = "guest")]
    pub zkey: Option<PathBuf>,
    /// circom's witness generator; without it tasks bring a ready witness
    #[arg(long, value_name = "FILE", requires = "zkey")]
    pub wasm: Option<PathBuf>,
    /// RISC Zero program (.bin, as risc0-build makes it)
    #[arg(long, value_name = "FILE", conflicts_with = "zkey")]
    pub guest: Option<PathBuf>,
}

impl Parts {
    /// The program, and where its blobs lie.
    fn program(&self) -> CliResult<ProgramFiles> {
        let mut files = BTreeMap::new();
        let mut add = |path: &Path| -> CliResult<BlobId> {
            let id = hash_file(path).map_err(|error| CliError::file(format!("read {}", path.display()), error))?;
            files.insert(id, path.to_owned());
            Ok(id)
        };
        let manifest = match (&self.zkey, &self.guest) {
            (Some(zkey), _) => {
                let zkey = add(zkey)?;
                ProgramManifest::Groth16Bn254 { zkey, witness_generator: self.wasm.as_deref().map(add).transpose()? }
            }
            (None, Some(guest)) => ProgramManifest::Risc0 { binary: add(guest)?, image_id: image_id(guest)? },
            (None, None) => return Err(CliError::config("look at the program", "no file is named")),
        };
        Ok(ProgramFiles { manifest, files })
    }

    /// The file that it is called after.
    fn name(&self) -> String {
        self.zkey.as_ref().or(self.guest.as_ref()).map(|path| path.display().to_string()).unwrap_or_default()
    }
}

/// The image id of a zkVM program's binary.
pub fn image_id(guest: &Path) -> CliResult<B256> {
    let attempt = || format!("read {}", guest.display());
    let bytes = std::fs::read(guest).map_err(|error| CliError::file(attempt(), error))?;
    zkpool_verifiers::risc0::image_id(&bytes)
        .map_err(|error| CliError::coded(attempt(), &error, zkpool_protocol::ErrorCode::BadGuest))
}

/// Whom to talk to.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Operators {
    /// URL of an operator's service; can be repeated
    #[arg(long = "operator", value_name = "URL", value_delimiter = ',')]
    #[serde(default, deserialize_with = "texts::deserialize", skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<String>,
    /// Refuse operators of another chain
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
}

/// What to look at.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// What makes it up.
    #[command(flatten)]
    pub parts: Parts,
    /// Try these named inputs (JSON, as snarkjs takes them)
    #[arg(long, value_name = "FILE", conflicts_with = "witness", requires = "wasm")]
    pub inputs: Option<PathBuf>,
    /// Try this witness (.wtns)
    #[arg(long, value_name = "FILE")]
    pub witness: Option<PathBuf>,
    /// Try these bytes on the zkVM program's standard input
    #[arg(long, value_name = "FILE", requires = "guest")]
    pub stdin: Option<PathBuf>,
    /// A receipt that the zkVM program builds on; can be repeated
    #[arg(long = "assumption", value_name = "FILE", requires = "stdin")]
    pub assumptions: Vec<PathBuf>,
    /// Cut the execution into segments of so many cycles (power of two); can be repeated
    #[arg(long = "segments", value_name = "PO2", value_delimiter = ',', requires = "stdin")]
    pub segments: Vec<u32>,
    /// Make a proof of the circuit's input, too
    #[arg(long, conflicts_with = "guest")]
    pub prove: bool,
}

/// Carries the command out.
pub async fn run(command: ProgramCommand, context: &Context) -> CliResult {
    match command {
        ProgramCommand::Register(args) => register(args, context).await,
        ProgramCommand::Inspect(args) => {
            let shown = tokio::task::spawn_blocking(move || inspect(&args)).await;
            let (value, text) = shown.map_err(|error| {
                CliError::new("look at the program", error, "internal", crate::error::Exit::Failed)
            })??;
            context.output.result(&value, text)
        }
    }
}

async fn register(args: RegisterArgs, context: &Context) -> CliResult {
    // Operators and key are those of a requester.
    let section = context.settings.section::<super::request::args::AllSettings>("request")?;
    let operators = section.with(&args.operators)?;
    if operators.operators.is_empty() {
        return Err(CliError::config("register the program", "no operator is set")
            .advise("set --operator URL, or `operators` in [request]"));
    }
    let key = section.with(&args.key)?.load(&context.settings, "requester")?;
    let program = args.parts.program()?;
    let mut registered = Vec::new();
    for url in &operators.operators {
        let attempt = || format!("register the program with {url}");
        let failed = |error: ClientError| CliError::coded(attempt(), &error, error.code());
        let options = ClientOptions { chain_id: operators.chain_id, ..ClientOptions::default() };
        let client = Client::new(url, identity(&key), options).map_err(failed)?;
        let step = Step::begin(&format!("uploading {} to {url}", args.parts.name()));
        for path in program.files.values() {
            client.upload_file(path).await.map_err(failed)?;
        }
        step.say(&format!("registering with {url}"));
        let view = client.register_program(&program.manifest).await.map_err(failed)?;
        step.end();
        context.output.note(format!(
            "{url}: {} work units, {} public inputs{}",
            view.units,
            view.public_inputs,
            if view.trusted { ", trusted" } else { "" }
        ));
        registered.push(json!({ "operator": url, "program": view }));
    }
    let id = registered.first().map(|first| first["program"]["id"].clone()).unwrap_or_default();
    context.output.result(&json!({ "program": id, "registered": registered }), id.as_str().unwrap_or_default())
}

fn inspect(args: &InspectArgs) -> CliResult<(serde_json::Value, String)> {
    let attempt = || format!("look at {}", args.parts.name());
    let failed = |error: BackendError| CliError::coded(attempt(), error.report(), error.code());
    let program = args.parts.program()?;
    let backend = zkpool_backends::backend(&program.manifest, Limits::default()).map_err(failed)?;
    let control = Control::new();
    let info = backend.inspect(&program, &control).map_err(failed)?;
    let mut value = json!({
        "program": program.manifest.id(),
        "manifest": program.manifest,
        "units": info.work,
        "memory": info.memory,
    });
    let mut text = format!("program        {}", program.manifest.id());
    match program.manifest {
        ProgramManifest::Groth16Bn254 { .. } => {
            let key = VerifyingKey::from_bytes(&info.verifying_key)
                .map_err(|error| CliError::coded(attempt(), &error, error.code()))?;
            value["constraints"] = json!(info.constraints);
            value["wires"] = json!(info.wires);
            value["public_inputs"] = json!(info.public_inputs);
            value["key_hash"] = json!(key.evm_key_hash());
            text += &format!(
                "\nconstraints    {}\nwires          {}\npublic inputs  {}\nwork           {} units\nmemory         {} MiB at \
                 most\nkey hash       {} (KEY_HASH of a Groth16Verifier with this key)\nkey checks     passed",
                info.constraints,
                info.wires,
                info.public_inputs,
                info.work,
                info.memory >> 20,
                key.evm_key_hash()
            );
        }
        ProgramManifest::Risc0 { image_id, .. } => text += &format!("\nimage id       {image_id}"),
        // No backend looks at these.
        ProgramManifest::Sgx { .. } | ProgramManifest::Bundle { .. } => {}
    }
    if let Some(input) = input(args)? {
        let options = PreflightOptions {
            trial: args.prove,
            segment_limits: args.segments.clone(),
            ..PreflightOptions::default()
        };
        let found = backend.preflight(&program, &input, &options, &control).map_err(failed)?;
        let words: Vec<_> = found.public_inputs.iter().map(ToString::to_string).collect();
        text += &format!("\nstatement      {}", found.statement);
        value["statement"] = json!(found.statement);
        if let Some(run) = &found.run {
            text += &format!("\njournal        {}\ncycles         {}", run.journal, run.cycles);
            for cut @ Segmentation { limit, segments } in &run.segmentations {
                let counts: Vec<_> = match cut.count() {
                    0 => vec!["too small for this program".to_owned()],
                    _ => segments.iter().map(|(po2, count)| format!("{count} of 2^{po2}")).collect(),
                };
                text += &format!("\nup to 2^{limit}     {}", counts.join(", "));
            }
            value["run"] = json!(run);
        } else {
            text += &format!("\npublic inputs  {}", words.join(", "));
            value["public_input_values"] = json!(words);
        }
        if let Some(proof) = &found.trial {
            text += "\nproof          made and verified";
            value["proof"] = json!(format!("0x{}", hex::encode(proof)));
        }
    }
    Ok((value, text))
}

fn input(args: &InspectArgs) -> CliResult<Option<Input>> {
    if let Some(path) = &args.witness {
        return Ok(Some(Input::Witness(path.clone())));
    }
    if let Some(stdin) = &args.stdin {
        return Ok(Some(Input::Guest { stdin: stdin.clone(), assumptions: args.assumptions.clone() }));
    }
    let Some(path) = &args.inputs else { return Ok(None) };
    Ok(Some(Input::Signals(read_signals(path)?)))
}

/// Named inputs, as snarkjs takes them.
pub fn read_signals(path: &Path) -> CliResult<serde_json::Map<String, serde_json::Value>> {
    let attempt = || format!("read the inputs {}", path.display());
    let text = std::fs::read(path).map_err(|error| CliError::file(attempt(), error))?;
    serde_json::from_slice(&text).map_err(|error| {
        // The message could repeat a value; place and kind are enough.
        let why = format!(
            "it is no JSON object: {:?} error at line {} column {}",
            error.classify(),
            error.line(),
            error.column()
        );
        CliError::coded(attempt(), why, zkpool_protocol::ErrorCode::BadInput)
    })
}

fn hash_file(path: &Path) -> std::io::Result<BlobId> {
    let mut hash = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(BlobId::from_digest(hash.finalize().into()))
}
