//! Receipts: sealed by their own proof or by a committee, shown to whoever may see them.

use crate::{
    support::{CHAIN, Service, key},
    zkvm::{Guest, IMAGE, JOURNAL, SEAL},
};
use alloy::{
    primitives::Signature,
    signers::{SignerSync, local::PrivateKeySigner},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zkpool_bindings::{CommitteeVerifier::Attestation, committee_domain};
use zkpool_protocol::{Address, B256, BlobId, Bytes, ProofKind, TaskId, TaskState};
use zkpool_service::{Committee, http::Bounds};
use zkpool_store::TaskRecord;
use zkpool_verifiers::risc0::ProofBytes;

const VERIFIER: Address = Address::repeat_byte(0x99);

/// A service whose task is proven up to its seal. The committee's members are the keys 11 to 13, two of them must sign.
async fn unsealed(committee: bool) -> (Service, Guest) {
    let verifiers = json!({ "verifiers": [{ "address": VERIFIER, "kind": "risc0-groth16" }] });
    let service = Service::with(verifiers, Bounds::default()).await;
    let mut members: Vec<_> = (11..14).map(|n| key(n).address()).collect();
    members.sort();
    let committee = committee.then_some(Committee { members, threshold: 2 });
    service.chain.verifiers.lock().unwrap().insert(VERIFIER, committee);
    let guest = service.grown(ProofKind::Risc0Groth16, VERIFIER).await;
    service.all_proven(&guest).await;
    service.reconcile(&["seal"]).await;
    (service, guest)
}

async fn task(service: &Service, guest: &Guest) -> TaskRecord {
    service.ctx.store.task(guest.id).await.unwrap().unwrap()
}

/// The proof as the contract gets it.
async fn proof(service: &Service, guest: &Guest) -> ProofBytes {
    let task = task(service, guest).await;
    assert_eq!(task.state, TaskState::Proven);
    let bytes = service.ctx.blobs.read(task.proof.unwrap(), 1 << 20).await.unwrap().unwrap();
    assert_eq!(
        service.chain.shown.lock().unwrap().last(),
        Some(&Bytes::from(bytes.clone())),
        "the verifier has seen it"
    );
    ProofBytes::decode(&bytes).unwrap()
}

fn sign(signer: &PrivateKeySigner, journal: &[u8], receipt: BlobId) -> Bytes {
    let digest: [u8; 32] = Sha256::digest(journal).into();
    let said =
        Attestation { imageId: IMAGE.parse().unwrap(), journalDigest: digest.into(), receiptHash: receipt.into() };
    let signature = signer.sign_hash_sync(&said.digest(&committee_domain(CHAIN, VERIFIER))).unwrap();
    signature.as_bytes().to_vec().into()
}

fn body(guest: &Guest, receipt: BlobId, signature: &Bytes) -> Value {
    json!({ "task": guest.id, "receipt": receipt, "signature": signature })
}

#[tokio::test]
async fn a_wrapped_receipt_seals_itself() {
    let (service, guest) = unsealed(false).await;
    let proof = proof(&service, &guest).await;
    assert_eq!((proof.image, proof.journal.as_slice()), (IMAGE.parse().unwrap(), JOURNAL));
    assert_eq!(hex::encode(&proof.seal), SEAL);
}

#[tokio::test]
async fn members_sign_and_a_quorum_seals() {
    let (service, guest) = unsealed(true).await;
    let receipt = task(&service, &guest).await.receipt.unwrap();
    let ask = format!("/v1/attestations?verifier={VERIFIER}&wait=0");
    let stranger = service.token(&key(40)).await;
    service.get(&ask, Some(&stranger)).await.refused(403, "forbidden");
    for (n, signatures) in [(12, 1), (11, 2)] {
        let token = service.token(&key(n)).await;
        let open = service.get(&ask, Some(&token)).await.json();
        assert_eq!(open["open"][0]["receipt"], json!(receipt));
        assert_eq!(open["open"][0]["journal"], json!(Bytes::from_static(JOURNAL)));
        let signature = sign(&key(n), JOURNAL, receipt);
        for _ in 0..2 {
            let taken = service.call("POST /v1/attestations", Some(&token), &body(&guest, receipt, &signature)).await;
            assert_eq!(taken.json(), json!({ "signatures": signatures, "threshold": 2 }), "{taken:?}");
        }
        assert_eq!(service.get(&ask, Some(&token)).await.json(), json!({ "open": [] }), "signed already");
        service.reconcile(&["seal"]).await;
        let expected = if signatures < 2 { TaskState::Proving } else { TaskState::Proven };
        assert_eq!(task(&service, &guest).await.state, expected);
    }
    let seal = proof(&service, &guest).await.seal;
    assert_eq!(seal.len(), 4 + 32 + 2 * 65);
    assert_eq!(seal[..4], committee_domain(CHAIN, VERIFIER).separator()[..4]);
    assert_eq!(B256::from_slice(&seal[4..36]), B256::from(receipt));
    let digest: [u8; 32] = Sha256::digest(JOURNAL).into();
    let said = Attestation { imageId: guest.image, journalDigest: digest.into(), receiptHash: receipt.into() };
    let digest = said.digest(&committee_domain(CHAIN, VERIFIER));
    let signers: Vec<Address> = seal[36..]
        .chunks(65)
        .map(|raw| Signature::from_raw(raw).unwrap().recover_address_from_prehash(&digest).unwrap())
        .collect();
    assert!(signers[0] < signers[1], "ascending");
}

#[tokio::test]
async fn a_member_that_lies_is_refused_and_remembered() {
    let (service, guest) = unsealed(true).await;
    let receipt = task(&service, &guest).await.receipt.unwrap();
    let token = service.token(&key(11)).await;
    let another = BlobId::of(b"another receipt");
    let high = {
        let signature = Signature::from_raw(&sign(&key(11), JOURNAL, receipt)).unwrap();
        let order = alloy::primitives::U256::from_str_radix(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            16,
        );
        Signature::new(signature.r(), order.unwrap() - signature.s(), !signature.v()).as_bytes().to_vec().into()
    };
    for (named, signature) in [
        (receipt, sign(&key(11), b"another journal", receipt)),
        (receipt, sign(&key(12), JOURNAL, receipt)),
        (another, sign(&key(11), JOURNAL, another)),
        (receipt, high),
        (receipt, Bytes::from_static(b"short")),
    ] {
        let refused = service.call("POST /v1/attestations", Some(&token), &body(&guest, named, &signature)).await;
        let message = refused.refused(422, "proof_invalid");
        assert!(message.contains(&format!("receiptHash 0x{receipt}")), "{message}");
    }
    let view = service.get(&format!("/v1/tasks/{}", guest.id), None).await.json();
    let addresses = |field: &str| serde_json::from_value::<Vec<Address>>(view["seal"][field].clone()).unwrap();
    assert_eq!((addresses("signers"), addresses("liars")), (vec![], vec![key(11).address()]));
    // What it says rightly afterwards counts; what it said before is kept.
    let right = body(&guest, receipt, &sign(&key(11), JOURNAL, receipt));
    assert_eq!(service.call("POST /v1/attestations", Some(&token), &right).await.status, 200);
    let said = service.ctx.store.attestations_of(guest.key).await.unwrap();
    assert_eq!(said.iter().map(|said| said.honest).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn a_receipt_is_for_members_before_the_delivery_and_for_anyone_after_it() {
    let (service, guest) = unsealed(true).await;
    let receipt = task(&service, &guest).await.receipt.unwrap();
    let path = format!("/v1/receipts/{receipt}");
    let (stranger, member) = (service.token(&key(40)).await, service.token(&key(13)).await);
    service.get(&path, None).await.refused(404, "not_found");
    service.get(&path, Some(&stranger)).await.refused(404, "not_found");
    let bytes = service.get(&path, Some(&member)).await.body;
    assert_eq!(BlobId::of(&bytes), receipt);
    let end = zkpool_store::End::DeliveredOnTime;
    service.says(20, zkpool_store::Fact::Ended { task: guest.id, end }).await;
    assert_eq!(service.get(&path, None).await.body, bytes);
    service.get(&format!("/v1/receipts/{}", BlobId::of(b"x")), None).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_member_reads_on_behind_what_it_does_not_sign() {
    let (service, first) = unsealed(true).await;
    let second = service.guest_on(1, ProofKind::Risc0Groth16, VERIFIER).await;
    service.reconcile(&["plan", "execute"]).await;
    service.all_proven(&second).await;
    service.reconcile(&["seal"]).await;
    let token = service.token(&key(11)).await;
    let listed = async |after: &str| -> Vec<TaskId> {
        let ask = format!("/v1/attestations?verifier={VERIFIER}&wait=0{after}");
        let open = service.get(&ask, Some(&token)).await.json()["open"].clone();
        open.as_array().unwrap().iter().map(|open| serde_json::from_value(open["task"].clone()).unwrap()).collect()
    };
    let all = listed("").await;
    let mut both = [first.id, second.id];
    both.sort();
    assert_eq!(all, both, "by deadline, then by task");
    assert_eq!(listed(&format!("&after={}", all[0])).await, [all[1]]);
    assert!(listed(&format!("&after={}", all[1])).await.is_empty());
    let end = zkpool_store::End::DeliveredOnTime;
    service.says(20, zkpool_store::Fact::Ended { task: all[0], end }).await;
    assert_eq!(listed(&format!("&after={}", all[0])).await, [all[1]], "what is over keeps its place");
}

#[tokio::test]
async fn a_seal_whose_signer_has_left_is_made_anew() {
    let (service, guest) = unsealed(true).await;
    let receipt = task(&service, &guest).await.receipt.unwrap();
    let signs = async |n| {
        let token = service.token(&key(n)).await;
        let said = body(&guest, receipt, &sign(&key(n), JOURNAL, receipt));
        assert_eq!(service.call("POST /v1/attestations", Some(&token), &said).await.status, 200);
    };
    signs(11).await;
    signs(12).await;
    service.reconcile(&["seal"]).await;
    let old = proof(&service, &guest).await;
    service.chain.stale.lock().unwrap().insert(old.encode().into());
    service.chain.gone.lock().unwrap().insert(key(12).address());
    service.see_chain(20);
    service.reconcile(&["submit"]).await;
    assert!(service.chain.sent.lock().unwrap().is_empty(), "it would be reverted");
    assert_eq!(task(&service, &guest).await.state, TaskState::Proven);
    // The last member is asked, and with its signature there are enough.
    let token = service.token(&key(13)).await;
    let ask = format!("/v1/attestations?verifier={VERIFIER}&wait=0");
    assert_eq!(service.get(&ask, Some(&token)).await.json()["open"][0]["receipt"], json!(receipt));
    signs(13).await;
    let sent = zkpool_service::reconcile_once(&service.ctx, &["submit"]).await;
    assert!(sent.is_err(), "this chain records nothing");
    assert_eq!(*service.chain.sent.lock().unwrap(), [format!("prove:{}", guest.id)]);
    let new = proof(&service, &guest).await;
    assert_ne!(new.seal, old.seal);
    let ours = |n| sign(&key(n), JOURNAL, receipt);
    let has = |n| new.seal.windows(65).any(|part| part == &ours(n)[..]);
    assert!(has(11) && has(13) && !has(12));
}

#[tokio::test]
async fn a_task_that_cannot_be_sealed_holds_up_no_other() {
    let (service, guest) = unsealed(false).await;
    assert_eq!(task(&service, &guest).await.state, TaskState::Proven);
    let (broken, good) = (
        service.guest_on(1, ProofKind::Risc0Groth16, VERIFIER).await,
        service.guest_on(2, ProofKind::Risc0Groth16, VERIFIER).await,
    );
    service.reconcile(&["plan", "execute"]).await;
    service.all_proven_with(&broken, b"no receipt".to_vec()).await;
    service.all_proven(&good).await;
    // The reconciler itself has no trouble, and does not pause.
    service.reconcile(&["seal", "seal"]).await;
    assert_eq!(task(&service, &broken).await.state, TaskState::Proving);
    assert_eq!(task(&service, &good).await.state, TaskState::Proven);
}
