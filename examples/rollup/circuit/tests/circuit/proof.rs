//! The deployed shape, with SHA-256 as it is: a proof of a batch, whose public values are the statement of a bundle.

use crate::support::digest;
use ark_bn254::Fr;
use ark_ff::PrimeField;
use rollup_core::{Account, DEPTH, Portable, TRANSFERS, sha256};
use std::{collections::BTreeMap, fs, path::PathBuf};
use zkpool_backends::{Backend, Control, Input, Limits, PreflightOptions, ProgramFiles, Work, groth16::Groth16Backend};
use zkpool_protocol::{BlobId, ProgramManifest};
use zkpool_rollup::{DeployedSequencer, Domain, Wallet};
use zkpool_rollup_circuit::artifacts;

#[test]
#[ignore = "draws a key of half a gigabyte; the demo's test proves the same (make rollup-check)"]
fn a_batch_of_the_deployed_shape_is_proven() {
    let cache = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target/rollup");
    let artifacts = artifacts(&cache).unwrap();

    let domain = Domain { chain_id: 31337, rollup: [0xab; 20] };
    let wallets: Vec<Wallet> = (0..1 << DEPTH).map(|seed| Wallet::from_seed(&[seed; 32])).collect();
    let genesis: Vec<Account> =
        wallets.iter().map(|wallet| Account { key: wallet.key(), balance: 1000, nonce: 0 }).collect();
    let mut sequencer = DeployedSequencer::new(domain, &genesis, 1).unwrap();
    for nonce in 0..TRANSFERS as u32 {
        sequencer.submit(wallets[3].transfer(&domain, 3, 5, 10, nonce)).unwrap();
    }
    let batch = sequencer.next_batch().unwrap();

    let mut files = BTreeMap::new();
    let mut put = |path: PathBuf| {
        let id = BlobId::of(&fs::read(&path).unwrap());
        files.insert(id, path);
        id
    };
    let manifest = ProgramManifest::Groth16Bn254 {
        zkey: put(artifacts.development_key),
        witness_generator: Some(put(artifacts.circuit.generator)),
    };
    let program = ProgramFiles { manifest, files };
    let input = Input::Signals(batch.circuit_input.as_object().unwrap().clone());
    let backend = Groth16Backend::new(Limits::default());
    let control = Control::new();
    let dry = backend.preflight(&program, &input, &PreflightOptions::default(), &control).unwrap();
    println!("{} constraints, {} wires", dry.program.constraints, dry.program.wires);
    let public: Vec<Fr> =
        dry.public_inputs.iter().map(|value| Fr::from_le_bytes_mod_order(value.as_le_slice())).collect();
    assert_eq!(public.len(), 2);
    assert_eq!(digest(&public), sha256::<Portable>(&batch.journal.encode()));

    let output = backend.prove(&Work::single(&program, &input), &control).unwrap();
    assert_eq!(output.statement, Some(dry.statement));
}
