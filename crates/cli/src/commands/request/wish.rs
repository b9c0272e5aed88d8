//! From flags and files to a request that operators can be asked.

use super::args::{Receipt, Wish};
use crate::{
    commands::program::{image_id, read_signals},
    error::{CliError, CliResult},
    output::Output,
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fs::File, path::Path, time::Duration};
use zkpool_api::QuoteRequest;
use zkpool_backends::{
    BackendError, Control, Input, Limits as BackendLimits, PreflightOptions, ProgramFiles as LocalProgram,
};
use zkpool_protocol::{
    Address, B256, BlobId, Bytes, Call, ErrorCode, GuestInput, ProgramManifest, ProofKind, TaskInput, U256,
    WitnessSource, zkvm,
};
use zkpool_requester::{Expected, Limits, ProgramFiles, ProofRequest};

const DEFAULT_CALL_GAS: u32 = 500_000;
const DEFAULT_PROOF_WINDOW: Duration = Duration::from_secs(600);

/// Builds the request. Reads the files that the wish names; can take a moment.
pub(super) fn build(wish: &Wish, payer: Address, output: Output) -> CliResult<ProofRequest> {
    let program = parts(wish)?;
    let id = match (&program, wish.program) {
        (Some(program), _) => program.manifest.id(),
        (None, Some(id)) => id,
        (None, None) => {
            let how = "--program PROGRAM, --zkey FILE and --wasm FILE, or --guest FILE";
            return Err(missing("which program proves it", how));
        }
    };
    let (source, blobs) = source(wish)?;
    let kind = match &source {
        WitnessSource::Guest(_) => wish.receipt.unwrap_or(Receipt::Composite).into(),
        _ => ProofKind::Groth16Bn254,
    };
    if program.as_ref().is_some_and(|program| !program.manifest.kinds().contains(&kind)) {
        let why =
            "the input is not one for this program: --stdin goes with --guest, --inputs and --witness with --zkey";
        return Err(CliError::config("ask for a quote", why));
    }
    let expected = expected(wish, program.as_ref(), &source, output)?;
    let token = wish.token.ok_or_else(|| missing("the token of the reward", "--token ADDRESS"))?;
    let verifier = match (wish.verifier, wish.target_mode) {
        (Some(verifier), false) => Some(verifier),
        (None, true) => None,
        (None, false) => return Err(missing("who judges the proof", "--verifier ADDRESS, or --target-mode")),
        (Some(_), true) => {
            return Err(CliError::usage("ask for a quote", "--verifier and --target-mode exclude each other"));
        }
    };
    let proof_window = wish.proof_window.map_or(DEFAULT_PROOF_WINDOW, |window| window.0);
    let liability_window = wish.liability_window.map_or(proof_window * 2, |window| window.0);
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let quote = QuoteRequest {
        kind,
        program: id,
        // Filled in when asking.
        input: id,
        payer,
        requester: wish.requester,
        target: wish.target.ok_or_else(|| missing("the contract that receives the proof", "--target ADDRESS"))?,
        encoder: wish.encoder,
        verifier,
        call: Call {
            prefix: wish.call_prefix.clone().unwrap_or_default(),
            suffix: wish.call_suffix.clone().unwrap_or_default(),
            done_check: wish.done_check.clone().unwrap_or_default(),
        },
        call_gas: wish.call_gas.unwrap_or(DEFAULT_CALL_GAS),
        reward_token: token,
        liability_token: wish.liability_token.unwrap_or(token),
        proof_window: seconds(proof_window),
        liability_window: seconds(liability_window),
        liability: wish.liability.ok_or_else(|| missing("the liability", "--liability AMOUNT"))?.0,
        bond: wish.bond.map_or(0, |amount| amount.0),
        burn: wish.burn.map_or(0, |amount| amount.0),
        max_reward: wish.max_reward.map(|amount| amount.0),
        statement: None,
        strategy: wish.strategy,
        reference: wish.reference.clone().unwrap_or_default(),
    };
    let envelope = TaskInput { program: id, source };
    let limits = Limits {
        max_reward: wish.max_reward.map(|amount| amount.0),
        max_advance: wish.max_advance.map(|amount| amount.0),
        min_honour: wish.min_honour.map_or(0, |amount| amount.0),
        ..Limits::default()
    };
    let mut request = ProofRequest::new(quote, envelope.to_bytes());
    request.witness = wish.witness.clone();
    request.blobs = blobs;
    (request.program, request.expected, request.limits) = (program, expected, limits);
    Ok(request)
}

/// The program's parts, if they are given.
pub(super) fn parts(wish: &Wish) -> CliResult<Option<ProgramFiles>> {
    let zkey = match (&wish.zkey, &wish.guest) {
        (Some(_), Some(_)) => return Err(CliError::config("ask for a quote", "--zkey and --guest exclude each other")),
        (None, Some(guest)) => {
            let manifest = ProgramManifest::Risc0 { binary: hash(guest)?, image_id: image_id(guest)? };
            return Ok(Some(ProgramFiles { manifest, files: vec![guest.clone()] }));
        }
        (None, None) if wish.wasm.is_some() => {
            return Err(missing("the proving key that belongs to --wasm", "--zkey FILE"));
        }
        (None, None) => return Ok(None),
        (Some(zkey), None) => zkey,
    };
    let witness_generator = wish.wasm.as_deref().map(hash).transpose()?;
    let manifest = ProgramManifest::Groth16Bn254 { zkey: hash(zkey)?, witness_generator };
    let files = [zkey.clone()].into_iter().chain(wish.wasm.clone()).collect();
    Ok(Some(ProgramFiles { manifest, files }))
}

/// The input, and the blobs that it names and that are not in a file of `ProofRequest::witness`.
fn source(wish: &Wish) -> CliResult<(WitnessSource, Vec<Bytes>)> {
    match (&wish.inputs, &wish.witness, &wish.stdin) {
        (Some(path), None, None) => Ok((WitnessSource::Inputs(read_signals(path)?), vec![])),
        (None, Some(path), None) => Ok((WitnessSource::Witness(hash(path)?), vec![])),
        (None, None, Some(stdin)) => {
            let paths = std::iter::once(stdin).chain(&wish.assumptions);
            let blobs: Vec<_> = paths.map(|path| read(path)).collect::<CliResult<_>>()?;
            let mut ids = blobs.iter().map(|blob| BlobId::of(blob));
            let stdin = ids.next().unwrap_or_else(|| BlobId::of(&[]));
            Ok((WitnessSource::Guest(GuestInput { stdin, assumptions: ids.collect() }), blobs))
        }
        (None, None, None) => Err(missing("the input", "--inputs FILE, --witness FILE, or --stdin FILE")),
        _ => Err(CliError::config("ask for a quote", "--inputs, --witness and --stdin exclude each other")),
    }
}

/// What must be proven. Where the program's parts are at hand it is computed here, so that nobody has to be believed.
fn expected(
    wish: &Wish,
    program: Option<&ProgramFiles>,
    source: &WitnessSource,
    output: Output,
) -> CliResult<Expected> {
    if let Some(statement) = wish.statement {
        return Ok(Expected::Statement(statement));
    }
    if let Some(path) = &wish.public_inputs {
        return Ok(Expected::PublicInputs(read_public_inputs(path)?));
    }
    if let Some(path) = &wish.journal {
        let Some(ProgramManifest::Risc0 { image_id, .. }) = program.map(|program| &program.manifest) else {
            return Err(missing("the program whose journal it is", "--guest FILE"));
        };
        return Ok(Expected::Statement(zkvm::statement(*image_id, &read(path)?)));
    }
    if wish.accept_statement {
        return Ok(Expected::OfOperator);
    }
    if let Some(program) = program
        && (wish.wasm.is_some() || wish.witness.is_some() || wish.stdin.is_some())
    {
        let statement = compute(wish, program, source)?;
        output.note(format!("the input proves statement {statement}"));
        return Ok(Expected::Statement(statement));
    }
    if wish.target_mode {
        return Ok(Expected::Unknown);
    }
    Err(missing(
        "what must be proven, and an operator could be paid for something else",
        "--statement HASH, --public-inputs FILE, --journal FILE, the program's parts (--zkey and --wasm, or --guest), or \
         --accept-statement",
    ))
}

fn compute(wish: &Wish, program: &ProgramFiles, source: &WitnessSource) -> CliResult<B256> {
    let files: BTreeMap<BlobId, _> = program.manifest.blobs().into_iter().zip(program.files.iter().cloned()).collect();
    let input = match (source, &wish.witness, &wish.stdin) {
        (WitnessSource::Inputs(signals), _, _) => Input::Signals(signals.clone()),
        (WitnessSource::Witness(_), Some(path), _) => Input::Witness(path.clone()),
        (WitnessSource::Guest(_), _, Some(path)) => {
            Input::Guest { stdin: path.clone(), assumptions: wish.assumptions.clone() }
        }
        _ => return Err(missing("the input", "--inputs FILE, --witness FILE, or --stdin FILE")),
    };
    let failed = |error: BackendError| {
        let told = CliError::coded("run the program on the input", error.report(), error.code());
        match error {
            BackendError::NotBuilt(_) => told.advise("say what must be proven: --journal FILE, or --statement HASH"),
            _ => told,
        }
    };
    let backend = zkpool_backends::backend(&program.manifest, BackendLimits::default()).map_err(failed)?;
    let local = LocalProgram { manifest: program.manifest.clone(), files };
    let found = backend.preflight(&local, &input, &PreflightOptions::default(), &Control::new());
    found.map(|found| found.statement).map_err(failed)
}

/// snarkjs' `public.json`: a list of decimal numbers, as texts.
fn read_public_inputs(path: &Path) -> CliResult<Vec<U256>> {
    let attempt = || format!("read the public inputs {}", path.display());
    let text = std::fs::read(path).map_err(|error| CliError::file(attempt(), error))?;
    let bad = |why: &str| CliError::coded(attempt(), why, ErrorCode::WrongPublicInputs);
    let values: Vec<serde_json::Value> =
        serde_json::from_slice(&text).map_err(|_| bad("it is no JSON list of decimal numbers"))?;
    values
        .iter()
        .map(|value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            U256::from_str_radix(&text, 10).map_err(|_| bad("an element is no decimal number"))
        })
        .collect()
}

fn read(path: &Path) -> CliResult<Bytes> {
    let bytes = std::fs::read(path).map_err(|error| CliError::file(format!("read {}", path.display()), error))?;
    Ok(bytes.into())
}

fn hash(path: &Path) -> CliResult<BlobId> {
    let mut hash = Sha256::new();
    let copied = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hash));
    copied.map_err(|error| CliError::file(format!("read {}", path.display()), error))?;
    Ok(BlobId::from_digest(hash.finalize().into()))
}

fn missing(what: &str, how: &str) -> CliError {
    CliError::config("ask for a quote", format!("nothing says {what}"))
        .advise(format!("give {how}, or set it in [request]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use zkpool_protocol::Strategy;

    fn whole(dir: &Path) -> Wish {
        let inputs = dir.join("inputs.json");
        fs::write(&inputs, r#"{"a":"1"}"#).unwrap();
        Wish {
            program: Some(BlobId::of(b"p")),
            inputs: Some(inputs),
            target: Some(Address::repeat_byte(1)),
            verifier: Some(Address::repeat_byte(2)),
            token: Some(Address::repeat_byte(3)),
            liability: Some(crate::values::Amount(7)),
            statement: Some(B256::repeat_byte(4)),
            ..Wish::default()
        }
    }

    fn build_with(change: impl Fn(&mut Wish)) -> CliResult<ProofRequest> {
        let dir = tempfile::tempdir().unwrap();
        let mut wish = whole(dir.path());
        change(&mut wish);
        build(&wish, Address::repeat_byte(9), Output { json: false })
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let request = build_with(|_| {}).unwrap();
        assert_eq!((request.quote.proof_window, request.quote.liability_window), (600, 1200));
        assert_eq!((request.quote.call_gas, request.quote.liability_token), (500_000, Address::repeat_byte(3)));
        assert_eq!(request.statement(), Some(B256::repeat_byte(4)));
        assert_eq!(request.quote.strategy, None, "the operator chooses");
        let raced = build_with(|wish| wish.strategy = Some(Strategy::Race { provers: 3 })).unwrap();
        assert_eq!(raced.quote.strategy, Some(Strategy::Race { provers: 3 }));
    }

    #[test]
    fn every_gap_is_named_with_what_fills_it() {
        type Gap = fn(&mut Wish);
        let gaps: [(Gap, &str); 7] = [
            (|w| w.program = None, "--program"),
            (|w| w.inputs = None, "--inputs"),
            (|w| w.target = None, "--target"),
            (|w| w.verifier = None, "--verifier"),
            (|w| w.token = None, "--token"),
            (|w| w.liability = None, "--liability"),
            (|w| w.statement = None, "--accept-statement"),
        ];
        for (gap, flag) in gaps {
            let error = build_with(gap).unwrap_err();
            assert!(error.to_string().contains(flag), "{error}");
        }
    }

    /// A wish for a zkVM program that is registered already.
    fn zkvm(wish: &mut Wish, dir: &Path) {
        let (stdin, receipt) = (dir.join("stdin.bin"), dir.join("receipt.bin"));
        fs::write(&stdin, b"a question").unwrap();
        fs::write(&receipt, b"a receipt").unwrap();
        (wish.inputs, wish.stdin, wish.assumptions) = (None, Some(stdin), vec![receipt]);
    }

    #[test]
    fn a_zkvm_program_is_asked_for_with_what_it_reads() {
        for (receipt, kind) in [
            (None, ProofKind::Risc0Composite),
            (Some(Receipt::Succinct), ProofKind::Risc0Succinct),
            (Some(Receipt::Groth16), ProofKind::Risc0Groth16),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let mut wish = whole(dir.path());
            zkvm(&mut wish, dir.path());
            wish.receipt = receipt;
            let request = build(&wish, Address::repeat_byte(9), Output { json: false }).unwrap();
            assert_eq!(request.quote.kind, kind);
            assert_eq!(request.blobs, [Bytes::from_static(b"a question"), Bytes::from_static(b"a receipt")]);
            let envelope = TaskInput::from_bytes(&request.input).unwrap();
            assert_eq!(envelope.blobs(), [BlobId::of(b"a question"), BlobId::of(b"a receipt")]);
        }
    }

    #[test]
    fn a_journal_says_what_must_be_proven() {
        let dir = tempfile::tempdir().unwrap();
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends/tests/guests/hash.bin");
        let image: B256 = fs::read_to_string(guest.with_extension("id")).unwrap().trim().parse().unwrap();
        let mut wish = whole(dir.path());
        zkvm(&mut wish, dir.path());
        let journal = dir.path().join("journal.bin");
        fs::write(&journal, b"an answer").unwrap();
        (wish.program, wish.statement) = (None, None);
        (wish.guest, wish.journal) = (Some(guest), Some(journal));
        let request = build(&wish, Address::repeat_byte(9), Output { json: false }).unwrap();
        assert_eq!(request.statement(), Some(zkpool_protocol::zkvm::statement(image, b"an answer")));
        assert_eq!(request.quote.program, request.program.unwrap().manifest.id());

        wish.guest = None;
        wish.program = Some(BlobId::of(b"p"));
        let error = build(&wish, Address::repeat_byte(9), Output { json: false }).unwrap_err();
        assert!(error.to_string().contains("--guest"), "{error}");
    }

    #[test]
    fn a_programs_input_is_of_its_kind_and_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut wish = whole(dir.path());
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends/tests/guests/hash.bin");
        (wish.program, wish.guest) = (None, Some(guest));
        let refused =
            |wish: &Wish| build(wish, Address::repeat_byte(9), Output { json: false }).unwrap_err().to_string();
        assert!(refused(&wish).contains("--stdin goes with --guest"), "{}", refused(&wish));
        wish.stdin = wish.inputs.clone();
        assert!(refused(&wish).contains("exclude each other"), "{}", refused(&wish));
        wish.inputs = None;
        wish.zkey = wish.stdin.clone();
        assert!(refused(&wish).contains("exclude each other"), "{}", refused(&wish));
    }

    #[test]
    fn public_inputs_are_read_as_snarkjs_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("public.json");
        fs::write(&path, r#"["1", "21888242871839275222246405745257275088548364400416034343698204186575808495616"]"#)
            .unwrap();
        let inputs = read_public_inputs(&path).unwrap();
        assert_eq!((inputs.len(), inputs[0]), (2, U256::from(1)));
        fs::write(&path, r#"["0x1"]"#).unwrap();
        assert_eq!(read_public_inputs(&path).unwrap_err().code(), "wrong_public_inputs");
    }
}
