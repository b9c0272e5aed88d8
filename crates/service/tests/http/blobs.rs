//! Who may put and see which bytes.

use crate::{
    support::{Service, key, request},
    work::requester,
};
use axum::body::Body;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::{io, time::Duration};
use zkpool_protocol::BlobId;
use zkpool_service::http::Bounds;
use zkpool_store::{LeaseEnd, LeaseOutcome};

async fn put(service: &Service, token: Option<&str>, id: BlobId, body: Body) -> crate::support::Answer {
    service.send(request(&format!("PUT /v1/blobs/{id}"), token).body(body).unwrap()).await
}

async fn get(service: &Service, token: Option<&str>, id: BlobId) -> crate::support::Answer {
    service.get(&format!("/v1/blobs/{id}"), token).await
}

#[tokio::test]
async fn what_was_put_is_got_by_who_put_it_and_by_nobody_else() {
    let service = Service::start().await;
    let (mine, theirs) = (service.token(&key(1)).await, service.token(&key(2)).await);
    let id = BlobId::of(b"bytes");
    let reply = put(&service, Some(&mine), id, Body::from("bytes")).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({ "id": id, "size": 5 })));
    let got = get(&service, Some(&mine), id).await;
    assert_eq!(
        (&got.body[..], got.headers["content-type"].to_str().unwrap()),
        (&b"bytes"[..], "application/octet-stream")
    );
    assert_eq!(got.headers["content-length"], "5");
    let hidden = get(&service, Some(&theirs), id).await;
    let absent = get(&service, Some(&theirs), BlobId::of(b"absent")).await;
    hidden.refused(404, "not_found");
    assert_eq!(
        hidden.json()["message"].as_str().unwrap().replace(&id.to_string(), ""),
        absent.json()["message"].as_str().unwrap().replace(&BlobId::of(b"absent").to_string(), ""),
        "whether it is there cannot be told"
    );
    get(&service, None, id).await.refused(401, "unauthorized");
    put(&service, None, id, Body::from("bytes")).await.refused(401, "unauthorized");
    let head = service.call(&format!("HEAD /v1/blobs/{id}"), Some(&mine), &Value::Null).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    // Whoever has the bytes anyway may have them; whoever only knows the hash gains nothing by naming it.
    put(&service, Some(&theirs), id, Body::from("wrong")).await.refused(422, "hash_mismatch");
    get(&service, Some(&theirs), id).await.refused(404, "not_found");
    assert_eq!(put(&service, Some(&theirs), id, Body::from("bytes")).await.status, 200);
    assert_eq!(get(&service, Some(&theirs), id).await.status, 200);
}

#[tokio::test]
async fn inputs_are_for_who_uploaded_them_and_for_provers_while_they_work() {
    let service = Service::start().await;
    let work = service.work().await;
    let prover = key(2);
    let (owner, prover_token) = (service.token(&key(0x51)).await, service.token(&prover).await);
    let stranger = service.token(&key(3)).await;
    let sees = async |token: &str, id| get(&service, Some(token), id).await.status == 200;
    assert_eq!(requester(), key(0x51).address());
    for token in [&owner, &prover_token, &stranger] {
        assert!(sees(token, work.zkey).await, "parts of programs are for anyone who is signed in");
        assert!(!sees(token, work.stray).await);
    }
    assert!(sees(&owner, work.input).await);
    assert!(!sees(&prover_token, work.input).await, "no lease yet");
    let lease = service.lease(&work, prover.address()).await;
    assert!(sees(&prover_token, work.input).await && sees(&prover_token, work.witness).await);
    assert!(!sees(&stranger, work.input).await && !sees(&stranger, work.witness).await);
    assert!(!sees(&prover_token, work.stray).await);
    let outcome = LeaseOutcome { end: LeaseEnd::Released, note: None, standing: None };
    service.ctx.store.end_lease(work.job, lease.token, &outcome, service.ctx.clock.now()).await.unwrap();
    assert!(!sees(&prover_token, work.input).await && !sees(&prover_token, work.witness).await, "the lease is over");
}

#[tokio::test]
async fn naming_somebody_elses_blob_as_a_part_of_a_program_tells_nothing() {
    let service = Service::start().await;
    let work = service.work().await;
    let token = service.token(&key(3)).await;
    let register = async |zkey: BlobId, generator: BlobId| {
        let manifest = json!({ "kind": "groth16-bn254", "zkey": zkey, "witness_generator": generator });
        let answer = service.call("POST /v1/programs", Some(&token), &manifest).await;
        answer
            .refused(404, "not_found")
            .replace(&generator.to_string(), "")
            .split("of program")
            .next()
            .map(str::to_owned)
    };
    let absent = register(work.zkey, BlobId::of(b"absent")).await;
    for hidden in [work.input, work.witness, work.stray] {
        assert_eq!(register(work.zkey, hidden).await, absent);
        get(&service, Some(&token), hidden).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn bytes_that_are_not_what_they_are_called_leave_nothing_behind() {
    let service = Service::start().await;
    let token = service.token(&key(1)).await;
    let id = BlobId::of(b"bytes");
    for body in ["", "byte", "bytes ", "Bytes"] {
        put(&service, Some(&token), id, Body::from(body)).await.refused(422, "hash_mismatch");
    }
    let broken = stream::iter([Ok("byt"), Err(io::Error::other("gone"))]);
    put(&service, Some(&token), id, Body::from_stream(broken)).await.refused(400, "bad_request");
    get(&service, Some(&token), id).await.refused(404, "not_found");
    assert_eq!(service.ctx.store.uploaded_bytes(key(1).address()).await.unwrap(), 0);
    let empty = BlobId::of(b"");
    assert_eq!(put(&service, Some(&token), empty, Body::empty()).await.status, 200);
}

#[tokio::test]
async fn blobs_and_what_one_address_stores_are_bounded() {
    let service = Service::with(json!({ "limits": { "blob": 10, "stored_per_address": 15 } }), Bounds::default()).await;
    let token = service.token(&key(1)).await;
    let large = b"eleven byte";
    let declared = put(&service, Some(&token), BlobId::of(large), Body::from(&large[..])).await;
    assert!(declared.refused(413, "too_large").contains("10"));
    let endless = stream::repeat_with(|| Ok::<_, io::Error>("x"));
    put(&service, Some(&token), BlobId::of(large), Body::from_stream(endless)).await.refused(413, "too_large");
    let (first, second) = (b"0123456789", b"abcdefghij");
    assert_eq!(put(&service, Some(&token), BlobId::of(first), Body::from(&first[..])).await.status, 200);
    assert_eq!(put(&service, Some(&token), BlobId::of(first), Body::from(&first[..])).await.status, 200, "not twice");
    put(&service, Some(&token), BlobId::of(second), Body::from(&second[..])).await.refused(413, "too_large");
    get(&service, Some(&token), BlobId::of(second)).await.refused(404, "not_found");
    let other = service.token(&key(2)).await;
    assert_eq!(put(&service, Some(&other), BlobId::of(second), Body::from(&second[..])).await.status, 200);
}

#[tokio::test]
async fn an_upload_that_stops_is_given_up_and_its_place_is_free_again() {
    let bounds = Bounds { idle: Duration::from_millis(50), ..Bounds::default() };
    let service = Service::with(json!({ "http": { "transfers": 1 } }), bounds).await;
    let token = service.token(&key(1)).await;
    let id = BlobId::of(b"bytes");
    let stalls = stream::iter([Ok::<_, io::Error>("byt")]).chain(stream::pending());
    let (stalled, meanwhile) = tokio::join!(put(&service, Some(&token), id, Body::from_stream(stalls)), async {
        tokio::task::yield_now().await;
        put(&service, Some(&token), id, Body::from("bytes")).await
    });
    stalled.refused(504, "timed_out");
    meanwhile.refused(429, "rate_limited");
    assert_eq!(meanwhile.headers["retry-after"], "5");
    assert_eq!(put(&service, Some(&token), id, Body::from("bytes")).await.status, 200);
    assert_eq!(get(&service, Some(&token), id).await.status, 200);
}
