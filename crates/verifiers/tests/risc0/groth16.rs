//! A real Groth16 receipt: the test vector of `risc0-ethereum-contracts` 3.0.1.

use alloy_primitives::{B256, b256, hex, keccak256};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use zkpool_protocol::{ErrorCode, ProofKind, zkvm};
use zkpool_verifiers::{VerifyError, risc0::ProofBytes, risc0::ReceiptError, verifier};

const IMAGE: B256 = b256!("11d264ed8dfdee222b820f0278e4d7f55d4b69a5472253a471c102265a91ea1a");
const SEAL: [u8; 260] = hex!(
    "73c457ba2ccb718fd9092cc11546eeded62a44d3ed274076dd3ec154fae8739f3432050b2005be2c5dbe6c08bfd04b30601a462540962bc26a"
    "2f38c5cfc0a4d76d8f1b8015e690a1b230081234867edeedb2f98bcdf33d0471c2aa5e8db63b72333f871527eb5d1fcf0a7af50fb8f42e8699"
    "e2c4eda3cd93f4e2a930096ae78e38bea4020c5c3d963dc453b4b302170e47c0cf53382255143c8fcef474d8b6eaaa8daaaf092c2f650809a3"
    "afbd122ef128cb882c2de7a6ccddd2e544b645fa3fedf6bcc92e09be04876a07778231fd5b93305d35fd8af23f040a11682a8c64130370804f"
    "28f07a76fa538755276e42c04b5f7eb97b04b68b65fa50e3181a0452069a3667"
);

fn proof() -> ProofBytes {
    ProofBytes { image: IMAGE, journal: journal(), seal: SEAL.to_vec() }
}

fn journal() -> Vec<u8> {
    hex!("6a75737420612073696d706c652072656365697074").to_vec()
}

fn verify(statement: B256, proof: &[u8]) -> Result<(), VerifyError> {
    verifier(ProofKind::Risc0Groth16, IMAGE.as_slice()).unwrap().verify(statement, proof)
}

#[test]
fn a_real_receipt_passes_and_its_statement_is_what_the_contract_hashes() {
    let statement = zkvm::statement(IMAGE, &journal());
    let digest: [u8; 32] = Sha256::digest(journal()).into();
    assert_eq!(statement, keccak256([IMAGE.0, digest].concat()));
    verify(statement, &proof().encode()).unwrap();
    assert_eq!(ProofBytes::decode(&proof().encode()).unwrap(), proof());
}

#[test]
fn another_image_journal_statement_or_seal_is_named() {
    let statement = zkvm::statement(IMAGE, &journal());
    let mut other = proof();
    other.image.0[0] ^= 1;
    let error = verify(statement, &other.encode()).unwrap_err();
    assert_eq!(error, VerifyError::Receipt(ReceiptError::Image { expected: IMAGE, found: other.image }));

    let error = verify(B256::ZERO, &proof().encode()).unwrap_err();
    assert_eq!(error, VerifyError::Statement { expected: B256::ZERO, found: statement });
    assert_eq!(error.code(), ErrorCode::WrongPublicInputs);

    // Another journal with its own statement: only the seal tells.
    let mut other = proof();
    other.journal[3] ^= 1;
    assert!(matches!(verify(statement, &other.encode()), Err(VerifyError::Statement { .. })));
    let error = verify(zkvm::statement(IMAGE, &other.journal), &other.encode()).unwrap_err();
    assert!(matches!(error, VerifyError::Receipt(ReceiptError::Seal(_))), "{error}");
    assert_eq!(error.code(), ErrorCode::ProofInvalid);

    for at in (0..SEAL.len()).step_by(13) {
        let mut other = proof();
        other.seal[at] ^= 1;
        let error = verify(statement, &other.encode()).unwrap_err();
        assert!(matches!(error, VerifyError::Receipt(ReceiptError::Seal(_))), "byte {at}: {error}");
    }
}

#[test]
fn a_key_that_is_no_image_id_is_refused() {
    for key in [&[][..], &[0; 31], &[0; 33]] {
        assert!(verifier(ProofKind::Risc0Groth16, key).is_err());
    }
}

#[test]
fn a_receipt_of_another_kind_is_no_groth16_seal() {
    let verifier = verifier(ProofKind::Risc0Succinct, IMAGE.as_slice()).unwrap();
    assert!(verifier.verify(zkvm::statement(IMAGE, &journal()), &proof().encode()).is_err());
}

#[test]
fn the_development_mode_of_the_environment_changes_nothing() {
    // A process of its own, as the environment is everybody's.
    if std::env::var_os("RISC0_DEV_MODE").is_none() {
        let exe = std::env::current_exe().unwrap();
        let test = "groth16::the_development_mode_of_the_environment_changes_nothing";
        let done = std::process::Command::new(exe).args(["--exact", test]).env("RISC0_DEV_MODE", "1").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        return;
    }
    let statement = zkvm::statement(IMAGE, &journal());
    verify(statement, &proof().encode()).unwrap();
    let mut other = proof();
    other.seal[100] ^= 1;
    assert!(verify(statement, &other.encode()).is_err());
    super::bytes::development_receipts_are_refused();
}

proptest! {
    #[test]
    fn only_soliditys_encoding_is_read(at in 0..proof().encode().len(), bit in 0..8_u32, cut in 1..64_usize) {
        let bytes = proof().encode();
        let mut other = bytes.clone();
        other[at] ^= 1 << bit;
        if let Ok(read) = ProofBytes::decode(&other) {
            prop_assert_eq!(read.encode(), other);
        }
        prop_assert!(ProofBytes::decode(&bytes[..bytes.len() - cut]).is_err());
        prop_assert!(ProofBytes::decode(&[&bytes[..], &vec![0; cut]].concat()).is_err());
    }

    #[test]
    fn foreign_bytes_are_errors(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(verify(B256::ZERO, &bytes).is_err());
    }
}
