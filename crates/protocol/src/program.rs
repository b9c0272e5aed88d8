//! Programs: what a prover runs, registered once and addressed by content.

use crate::{BlobId, BundleLeg, bundle};
use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of proof, as written in quotes, prover descriptions and the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofKind {
    /// Groth16 over BN254 for circom circuits (`.zkey` of snarkjs).
    Groth16Bn254,
    /// A RISC Zero receipt of one STARK per segment. The EVM cannot check it: a committee vouches for it.
    Risc0Composite,
    /// A RISC Zero receipt of one STARK, made by recursion from the segments'. A committee vouches for it.
    Risc0Succinct,
    /// A RISC Zero receipt wrapped in Groth16, which the EVM checks.
    Risc0Groth16,
    /// The word of an SGX enclave that it ran the program. No proof: it rests on the hardware and its maker.
    Sgx,
    /// Proofs of several kinds of one statement. No prover makes it: the service does, of its legs.
    Bundle,
}

impl ProofKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Groth16Bn254, Self::Risc0Composite, Self::Risc0Succinct, Self::Risc0Groth16, Self::Sgx, Self::Bundle];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Groth16Bn254 => "groth16-bn254",
            Self::Risc0Composite => "risc0-composite",
            Self::Risc0Succinct => "risc0-succinct",
            Self::Risc0Groth16 => "risc0-groth16",
            Self::Sgx => "sgx",
            Self::Bundle => "bundle",
        }
    }

    /// Whether it is a receipt of the RISC Zero zkVM, which is made in segments.
    pub const fn is_risc0(self) -> bool {
        matches!(self, Self::Risc0Composite | Self::Risc0Succinct | Self::Risc0Groth16)
    }

    /// The kinds of work that a proof of this kind is made of: a receipt's segments are composite receipts first, and the
    /// legs of a bundle are of any kind.
    pub const fn work(self) -> &'static [Self] {
        use ProofKind::{Groth16Bn254, Risc0Composite, Risc0Groth16, Risc0Succinct, Sgx};
        match self {
            Groth16Bn254 => &[Groth16Bn254],
            Risc0Composite => &[Risc0Composite],
            Risc0Succinct => &[Risc0Composite, Risc0Succinct],
            Risc0Groth16 => &[Risc0Composite, Risc0Succinct, Risc0Groth16],
            Sgx => &[Sgx],
            Self::Bundle => &[Groth16Bn254, Risc0Composite, Risc0Succinct, Risc0Groth16, Sgx],
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ProofKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The content address of a manifest.
pub type ProgramId = BlobId;

/// What makes up a program. Two programs with the same parts are the same program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProgramManifest {
    /// A circom circuit.
    Groth16Bn254 {
        /// snarkjs proving key.
        zkey: BlobId,
        /// circom's WebAssembly witness generator; without it tasks bring a ready witness (`.wtns`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        witness_generator: Option<BlobId>,
    },
    /// A program of the RISC Zero zkVM.
    Risc0 {
        /// The program binary (`R0BF`: the user's and the kernel's ELF).
        binary: BlobId,
        /// Its image id, as words in memory order.
        image_id: B256,
    },
    /// A program that runs in SGX enclaves. Their owners have it; nobody else needs it.
    Sgx {
        /// The name under which its enclaves are registered with their verifier.
        enclave: B256,
    },
    /// One statement, proven with several programs: see [`crate::bundle`].
    Bundle {
        /// In the order of the verifier's legs.
        legs: Vec<BundleLeg>,
    },
}

impl ProgramManifest {
    /// The kinds of proof that the program can yield.
    pub const fn kinds(&self) -> &'static [ProofKind] {
        match self {
            Self::Groth16Bn254 { .. } => &[ProofKind::Groth16Bn254],
            Self::Risc0 { .. } => &[ProofKind::Risc0Composite, ProofKind::Risc0Succinct, ProofKind::Risc0Groth16],
            Self::Sgx { .. } => &[ProofKind::Sgx],
            Self::Bundle { .. } => &[ProofKind::Bundle],
        }
    }

    /// The name of its proof system: the manifest's `kind`.
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::Groth16Bn254 { .. } => "groth16-bn254",
            Self::Risc0 { .. } => "risc0",
            Self::Sgx { .. } => "sgx",
            Self::Bundle { .. } => "bundle",
        }
    }

    /// What the contract knows as the statement that the program's output is this one (see [`crate::bundle`]): the
    /// keccak-256 of two words, for a circuit the output's halves, otherwise what names the program, and the output. A
    /// bundle's statement is the output itself.
    pub fn statement(&self, output: B256) -> B256 {
        match self {
            Self::Groth16Bn254 { .. } => {
                let [high, low] = bundle::halves(output);
                keccak256([high.to_be_bytes::<32>(), low.to_be_bytes::<32>()].concat())
            }
            Self::Risc0 { image_id: program, .. } | Self::Sgx { enclave: program } => {
                keccak256([program.0, output.0].concat())
            }
            Self::Bundle { .. } => output,
        }
    }

    /// The program's id: the SHA-256 of a line per part, in fixed order.
    pub fn id(&self) -> ProgramId {
        let mut text = format!("zkpool program v1\nkind {}\n", self.tag());
        match self {
            Self::Groth16Bn254 { zkey, witness_generator } => {
                text += &format!("zkey {zkey}\n");
                if let Some(wasm) = witness_generator {
                    text += &format!("witness-generator {wasm}\n");
                }
            }
            Self::Risc0 { binary, image_id } => text += &format!("binary {binary}\nimage-id {image_id:x}\n"),
            Self::Sgx { enclave } => text += &format!("enclave {enclave:x}\n"),
            Self::Bundle { legs } => {
                for leg in legs {
                    text += &format!("leg {} {}\n", leg.program, leg.kind);
                }
            }
        }
        BlobId::of(text.as_bytes())
    }

    /// The blobs that a prover needs.
    pub fn blobs(&self) -> Vec<BlobId> {
        match self {
            Self::Groth16Bn254 { zkey, witness_generator } => [*zkey].into_iter().chain(*witness_generator).collect(),
            Self::Risc0 { binary, .. } => vec![*binary],
            Self::Sgx { .. } | Self::Bundle { .. } => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_covers_every_part() {
        let (a, b) = (BlobId::of(b"a"), BlobId::of(b"b"));
        let make = |zkey, witness_generator| ProgramManifest::Groth16Bn254 { zkey, witness_generator }.id();
        let zkvm = |binary, word| ProgramManifest::Risc0 { binary, image_id: B256::repeat_byte(word) }.id();
        let sgx = |word| ProgramManifest::Sgx { enclave: B256::repeat_byte(word) }.id();
        let leg = |program, kind| BundleLeg { program, kind };
        let bundle = |legs: &[BundleLeg]| ProgramManifest::Bundle { legs: legs.to_vec() }.id();
        let (one, other) = (leg(a, ProofKind::Groth16Bn254), leg(b, ProofKind::Risc0Composite));
        let ids = [
            make(a, None),
            make(b, None),
            make(a, Some(b)),
            make(b, Some(a)),
            zkvm(a, 1),
            zkvm(b, 1),
            zkvm(a, 2),
            sgx(1),
            sgx(2),
            bundle(&[one, other]),
            bundle(&[other, one]),
            bundle(&[one, leg(b, ProofKind::Risc0Succinct)]),
        ];
        for (i, x) in ids.iter().enumerate() {
            assert!(ids[..i].iter().all(|y| x != y));
        }
    }

    #[test]
    fn statements_are_what_the_contracts_hash() {
        let (blob, output) = (BlobId::of(b"x"), bundle::output(b"abc"));
        let zkvm = ProgramManifest::Risc0 { binary: blob, image_id: B256::with_last_byte(1) };
        assert_eq!(zkvm.statement(output), crate::zkvm::statement(B256::with_last_byte(1), b"abc"));
        assert_eq!(ProgramManifest::Sgx { enclave: B256::with_last_byte(1) }.statement(output), zkvm.statement(output));
        let circuit = ProgramManifest::Groth16Bn254 { zkey: blob, witness_generator: None };
        // keccak256(abi.encode(0xba7816bf8f01cfea414140de5dae2223, 0xb00361a396177a9cb410ff61f20015ad))
        let words = "00000000000000000000000000000000ba7816bf8f01cfea414140de5dae2223\
                     00000000000000000000000000000000b00361a396177a9cb410ff61f20015ad";
        assert_eq!(circuit.statement(output), keccak256(hex::decode(words).unwrap()));
        assert_eq!(ProgramManifest::Bundle { legs: vec![] }.statement(output), output);
    }

    #[test]
    fn names_survive_the_wire() {
        for kind in ProofKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(ProofKind::from_name(kind.as_str()), Some(kind));
        }
    }
}
