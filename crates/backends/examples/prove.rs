//! Proves one input with a circom program, as a process of its own: what `bench/groth16_vs_snarkjs.sh` measures.
//!
//! ```text
//! prove KEY.zkey GENERATOR.wasm INPUT.json PROOF.json PUBLIC.json
//! ```
//!
//! The two files that it writes are those of `snarkjs groth16 fullprove`.

use std::{collections::BTreeMap, env, error::Error, fs, path::PathBuf};
use zkpool_backends::{Control, Input, Limits, ProgramFiles, Work, backend};
use zkpool_protocol::{BlobId, ProgramManifest};
use zkpool_verifiers::groth16::ProofBytes;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [zkey, generator, input, proof, public] = <[PathBuf; 5]>::try_from(args)
        .map_err(|_| "usage: prove KEY.zkey GENERATOR.wasm INPUT.json PROOF.json PUBLIC.json")?;
    // One call, nothing to look up later: the names need not be hashes.
    let (zkey_id, generator_id) = (BlobId::of(b"zkey"), BlobId::of(b"generator"));
    let program = ProgramFiles {
        manifest: ProgramManifest::Groth16Bn254 { zkey: zkey_id, witness_generator: Some(generator_id) },
        files: BTreeMap::from([(zkey_id, zkey), (generator_id, generator)]),
    };
    let input = Input::Signals(serde_json::from_slice(&fs::read(input)?)?);
    let output =
        backend(&program.manifest, Limits::default())?.prove(&Work::single(&program, &input), &Control::new())?;
    let output = ProofBytes::decode(&output.result)?;
    fs::write(proof, output.proof.to_snarkjs().to_string())?;
    fs::write(public, output.inputs.to_snarkjs().to_string())?;
    Ok(())
}
