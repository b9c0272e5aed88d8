//! Which verifying keys are taken.

use crate::support::{Setup, semaphore};
use alloy_primitives::{U256, keccak256};
use alloy_sol_types::SolValue;
use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::Zero;
use proptest::prelude::*;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use zkpool_protocol::ErrorCode;
use zkpool_verifiers::{
    binfile::BinFileError,
    groth16::{self, KeyError, MAX_PUBLIC_INPUTS, PointFault, VerifyingKey},
};

/// A key's points, to be tampered with.
#[derive(Clone)]
struct Points(G1Affine, G2Affine, G2Affine, G2Affine, Vec<G1Affine>);

impl Points {
    fn sound() -> Self {
        let vk = Setup::new(1).ark.vk;
        Self(vk.alpha_g1, vk.beta_g2, vk.gamma_g2, vk.delta_g2, vk.gamma_abc_g1)
    }

    fn with(change: impl FnOnce(&mut Self)) -> KeyError {
        let mut points = Self::sound();
        change(&mut points);
        let error = VerifyingKey::new(points.0, points.1, points.2, points.3, points.4).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadProvingKey);
        error
    }
}

#[test]
fn a_key_survives_storage_and_snarkjs() {
    let key = Setup::new(1).key;
    assert_eq!(key.inputs(), 2);
    let stored = key.to_bytes();
    assert_eq!(stored.len(), 1 + 14 * 32 + 3 * 64);
    assert_eq!(VerifyingKey::from_bytes(&stored).unwrap(), key);
    assert_eq!(VerifyingKey::from_snarkjs(key.to_snarkjs().to_string().as_bytes()).unwrap(), key);
}

#[test]
fn semaphores_key_is_the_same_from_zkey_and_from_json() {
    let zkey = VerifyingKey::from_zkey(Cursor::new(semaphore("semaphore-20.zkey"))).unwrap();
    let json = VerifyingKey::from_snarkjs(&semaphore("semaphore-20.json")).unwrap();
    assert_eq!(zkey, json);
    assert_eq!(zkey.inputs(), 4);
}

#[test]
fn the_key_hash_is_that_of_soliditys_encoding() {
    let key = Setup::new(1).key;
    let words: Vec<U256> = key.evm_words().into_iter().map(Into::into).collect();
    let array = |range: std::ops::Range<usize>| <[U256; 4]>::try_from(&words[range]).unwrap();
    let ic: Vec<[U256; 2]> = words[14..].chunks(2).map(|pair| [pair[0], pair[1]]).collect();
    let encoded = ([words[0], words[1]], array(2..6), array(6..10), array(10..14), ic).abi_encode();
    assert_eq!(key.evm_key_hash(), keccak256(encoded));
}

#[test]
fn refuses_skipped_phases_up_to_sign() {
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    for (g1, g2) in [(g1, g2), (-g1, -g2)] {
        assert!(matches!(Points::with(|p| p.3 = g2), KeyError::NoContribution));
        assert!(matches!(Points::with(|p| p.0 = g1), KeyError::DefaultPoint { point: "alpha" }));
        assert!(matches!(Points::with(|p| p.1 = g2), KeyError::DefaultPoint { point: "beta" }));
    }
    assert!(matches!(Points::with(|p| p.2 = p.3), KeyError::GammaIsDelta));
    assert!(matches!(Points::with(|p| p.2 = -p.3), KeyError::GammaIsDelta));
    // Both at once, as snarkjs leaves a key that nobody contributed to.
    assert!(matches!(Points::with(|p| (p.2, p.3) = (g2, g2)), KeyError::NoContribution));
}

#[test]
fn gamma_may_be_the_generator_as_in_every_key_of_snarkjs() {
    let p = Points::sound();
    VerifyingKey::new(p.0, p.1, G2Affine::generator(), p.3, p.4).unwrap();
}

#[test]
fn refuses_unsound_points() {
    let fault = |error: KeyError| match error {
        KeyError::Point { point, fault } => (point, fault),
        other => panic!("{other}"),
    };
    let outside =
        (0u64..).find_map(|n| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(n), Fq::zero()), false)).unwrap();
    let off = G1Affine::new_unchecked(Fq::from(1u64), Fq::from(1u64));
    let named = |name: &str, fault| (name.to_owned(), fault);
    assert_eq!(fault(Points::with(|p| p.0 = G1Affine::zero())), named("alpha", PointFault::Infinity));
    assert_eq!(fault(Points::with(|p| p.1 = outside)), named("beta", PointFault::NotInSubgroup));
    assert_eq!(fault(Points::with(|p| p.2 = outside)), named("gamma", PointFault::NotInSubgroup));
    assert_eq!(fault(Points::with(|p| p.3 = G2Affine::zero())), named("delta", PointFault::Infinity));
    assert_eq!(fault(Points::with(|p| p.4[1] = off)), named("IC[1]", PointFault::NotOnCurve));
    assert_eq!(fault(Points::with(|p| p.4[2] = G1Affine::zero())), named("IC[2]", PointFault::Infinity));
}

#[test]
fn bounds_the_public_inputs() {
    let point = Setup::new(1).ark.vk.gamma_abc_g1[0];
    let too_many = MAX_PUBLIC_INPUTS as usize + 2;
    let error = Points::with(|p| p.4 = vec![point; too_many]);
    assert!(matches!(error, KeyError::TooManyPublicInputs { found: 1025, max: 1024 }));
    assert!(matches!(Points::with(|p| p.4.clear()), KeyError::Header(_)));

    let mut stored = Setup::new(1).key.to_bytes();
    stored.resize(1 + 32 * 14 + 64 * too_many, 0);
    assert!(matches!(VerifyingKey::from_bytes(&stored), Err(KeyError::TooManyPublicInputs { .. })));
    let mut json = Setup::new(1).key.to_snarkjs();
    json["nPublic"] = u64::MAX.into();
    assert!(matches!(
        VerifyingKey::from_snarkjs(json.to_string().as_bytes()),
        Err(KeyError::TooManyPublicInputs { .. })
    ));
}

#[test]
fn refuses_json_of_another_shape() {
    let sound = Setup::new(1).key.to_snarkjs();
    let refuse = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = sound.clone();
        change(&mut json);
        VerifyingKey::from_snarkjs(json.to_string().as_bytes()).unwrap_err()
    };
    assert!(matches!(refuse(&|j| j["curve"] = "bls12381".into()), KeyError::Curve));
    assert!(matches!(refuse(&|j| j["protocol"] = "plonk".into()), KeyError::Json(_)));
    assert!(matches!(refuse(&|j| j["nPublic"] = 1.into()), KeyError::Json(_)));
    assert!(matches!(refuse(&|j| j["vk_alpha_1"][2] = "2".into()), KeyError::Json(_)));
    assert!(matches!(refuse(&|j| j["vk_alpha_1"][0] = "-1".into()), KeyError::Json(_)));
    assert!(matches!(refuse(&|j| j["vk_alpha_1"][0] = "9".repeat(1000).into()), KeyError::Json(_)));
    let lifted = refuse(&|j| j["IC"][1][0] = "9".repeat(77).into());
    assert!(matches!(lifted, KeyError::Point { point, fault: PointFault::NotCanonical } if point == "IC[1]"));
    let infinity = refuse(&|j| j["vk_delta_2"] = serde_json::json!([["0", "0"], ["1", "0"], ["0", "0"]]));
    assert!(matches!(infinity, KeyError::Point { fault: PointFault::Infinity, .. }));
    assert!(matches!(VerifyingKey::from_snarkjs(&vec![b' '; 2 << 20]), Err(KeyError::Json(_))));
}

/// Counts what is read of a file.
struct Counting<'a>(Cursor<&'a [u8]>, usize);

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1 += read;
        Ok(read)
    }
}

impl Seek for Counting<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn reads_only_the_head_of_a_zkey() {
    let zkey = semaphore("semaphore-20.zkey");
    let mut reader = Counting(Cursor::new(&zkey), 0);
    VerifyingKey::from_zkey(&mut reader).unwrap();
    assert!(reader.1 < 1200, "{} bytes read", reader.1);
}

#[test]
fn refuses_every_byte_of_a_zkeys_head_changed() {
    let zkey = semaphore("semaphore-1.zkey");
    let sound = VerifyingKey::from_zkey(Cursor::new(&zkey)).unwrap();
    // Container and protocol: 12 + 12 + 4; header: 12 + 660; IC: 12 + 5 · 64.
    let head = 12 + 16 + 672 + 12 + 5 * 64;
    // What a verifier has no use for: how many wires there are and how large the domain is.
    let sizes = 28 + 12 + 72..28 + 12 + 84;
    for at in 0..head {
        for bit in [0x01, 0x80] {
            let mut bad = zkey.clone();
            bad[at] ^= bit;
            match VerifyingKey::from_zkey(Cursor::new(&bad)) {
                Err(_) => {}
                Ok(key) => assert!(sizes.contains(&at) && key == sound, "byte {at}"),
            }
        }
    }
    for len in (0..head).chain([zkey.len() - 1]) {
        assert!(VerifyingKey::from_zkey(Cursor::new(&zkey[..len])).is_err(), "cut to {len}");
    }
}

#[test]
fn says_what_is_wrong_with_a_zkey() {
    let zkey = semaphore("semaphore-1.zkey");
    let refuse = |at: usize, bytes: &[u8]| {
        let mut bad = zkey.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        VerifyingKey::from_zkey(Cursor::new(bad)).unwrap_err()
    };
    assert!(matches!(refuse(0, b"wtns"), KeyError::File(BinFileError::Magic { expected: "zkey" })));
    assert!(matches!(refuse(4, &[9]), KeyError::File(BinFileError::Version { found: 9, .. })));
    assert!(matches!(refuse(8, &[255; 4]), KeyError::File(BinFileError::TooManySections { .. })));
    assert!(matches!(refuse(16, &[255; 8]), KeyError::File(BinFileError::SectionBeyondEnd { id: 1 })));
    assert!(matches!(refuse(12, &[2]), KeyError::File(BinFileError::DuplicateSection { id: 2 })));
    assert!(refuse(24, &[2]).to_string().contains("PLONK"));
    assert!(matches!(refuse(28 + 12 + 4, &[0]), KeyError::Curve));
    assert!(matches!(refuse(28 + 12 + 76, &[255; 4]), KeyError::TooManyPublicInputs { .. }));
    assert!(matches!(refuse(28 + 12 + 80, &[3]), KeyError::Header(_)));

    // A key before anybody contributed: delta is the generator, as gamma always is.
    let (gamma, delta) = (40 + 84 + 64 + 64 + 128, 40 + 84 + 64 + 64 + 128 + 128 + 64);
    let generator = zkey[gamma..gamma + 128].to_vec();
    let error = refuse(delta, &generator);
    assert!(matches!(error, KeyError::NoContribution));
    assert!(error.to_string().contains("snarkjs zkey contribute"));
}

#[test]
fn a_missing_or_trailing_section_is_found() {
    let header = |sections: u32| [b"zkey", &1u32.to_le_bytes()[..], &sections.to_le_bytes()].concat();
    let error = |bytes: Vec<u8>| VerifyingKey::from_zkey(Cursor::new(bytes)).unwrap_err();
    assert!(matches!(error(header(0)), KeyError::File(BinFileError::MissingSection { id: 1 })));
    assert!(matches!(error([header(0), vec![0]].concat()), KeyError::File(BinFileError::TrailingBytes)));
    assert!(matches!(error(vec![]), KeyError::File(BinFileError::Truncated)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn never_panics_on_foreign_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(VerifyingKey::from_bytes(&bytes).is_err());
        prop_assert!(VerifyingKey::from_snarkjs(&bytes).is_err());
        prop_assert!(VerifyingKey::from_zkey(Cursor::new(&bytes)).is_err());
        let zkey = [&b"zkey\x01\0\0\0\x02\0\0\0"[..], &bytes].concat();
        prop_assert!(VerifyingKey::from_zkey(Cursor::new(&zkey)).is_err());
    }
}

#[test]
fn a_sound_zkey_opens_by_the_verifier_too() {
    groth16::Groth16Verifier::from_zkey(Cursor::new(semaphore("semaphore-1.zkey"))).unwrap();
}
