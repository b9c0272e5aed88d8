//! What a committee's member asks and says.

use crate::server::{client, quick, scripted, sign_in};
use axum::{body::to_bytes, extract::Request, response::IntoResponse};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use zkpool_api::{
    AttestationReply, AttestationRequest, AttestationsQuery, AttestationsReply, Client, ClientError, OpenAttestation,
};
use zkpool_protocol::{Address, B256, BlobId, Bytes, ProofKind, TaskId};

const RECEIPT: &[u8] = b"a receipt";

fn open() -> OpenAttestation {
    OpenAttestation {
        task: TaskId::repeat_byte(1),
        kind: ProofKind::Risc0Composite,
        image_id: B256::repeat_byte(2),
        journal: Bytes::from_static(b"journal"),
        receipt: BlobId::of(RECEIPT),
        size: RECEIPT.len() as u64,
        deadline: 1_800_000_000,
    }
}

/// An operator with one receipt to sign; the queries and bodies that it was sent.
async fn operator() -> (String, crate::server::Seen, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(vec![]));
    let log = Arc::clone(&said);
    let (url, seen) = scripted(move |request: Request| {
        let log = Arc::clone(&log);
        async move {
            if let Some(answer) = sign_in(&request, "t") {
                return answer;
            }
            let route = format!("{} {}", request.method(), request.uri().path());
            let query = request.uri().query().unwrap_or_default().to_owned();
            let body = to_bytes(request.into_body(), 10_000).await.unwrap();
            log.lock().unwrap().push(query + std::str::from_utf8(&body).unwrap());
            match route.as_str() {
                "GET /v1/attestations" => axum::Json(AttestationsReply { open: vec![open()] }).into_response(),
                "POST /v1/attestations" => axum::Json(AttestationReply { signatures: 1, threshold: 2 }).into_response(),
                _ => RECEIPT.into_response(),
            }
        }
    })
    .await;
    (url, seen, said)
}

#[tokio::test]
async fn a_member_asks_fetches_and_signs() {
    let (url, seen, said) = operator().await;
    let client = client(&url);
    let verifier = Address::repeat_byte(9);
    let query = AttestationsQuery { verifier, wait: 3, after: None };
    let reply = client.attestations(&query).await.unwrap();
    assert_eq!(reply.open, [open()]);
    assert_eq!(client.receipt(open().receipt, 100).await.unwrap(), RECEIPT);
    let request =
        AttestationRequest { task: open().task, receipt: open().receipt, signature: Bytes::from(vec![7; 65]) };
    assert_eq!(client.attest(&request).await.unwrap(), AttestationReply { signatures: 1, threshold: 2 });
    client.attestations(&AttestationsQuery { after: Some(open().task), ..query }).await.unwrap();

    let said = said.lock().unwrap().clone();
    assert_eq!(said[0], format!("verifier={verifier}&wait=3"));
    assert_eq!(said[3], format!("verifier={verifier}&wait=3&after={}", open().task));
    let body: Value = serde_json::from_str(&said[2]).unwrap();
    let signature = format!("0x{}", "07".repeat(65));
    assert_eq!(body, json!({ "task": open().task, "receipt": open().receipt, "signature": signature }));
    assert!(seen.tokens().iter().rev().take(4).all(|token| token.as_deref() == Some("Bearer t")));
}

#[tokio::test]
async fn a_receipt_is_for_anyone_within_its_bound_and_only_itself() {
    let (url, seen, _) = operator().await;
    let anyone = Client::anonymous(&url, quick()).unwrap();
    assert_eq!(anyone.receipt(open().receipt, RECEIPT.len() as u64).await.unwrap(), RECEIPT);
    assert_eq!(seen.tokens(), [None]);
    let error = anyone.receipt(open().receipt, RECEIPT.len() as u64 - 1).await.unwrap_err();
    assert!(matches!(error, ClientError::BlobTooLarge { .. }), "{error}");
    let error = anyone.receipt(BlobId::of(b"another"), 100).await.unwrap_err();
    assert!(matches!(error, ClientError::WrongBlob { .. }), "{error}");
}
