//! Uploads, programs, inputs.

use super::*;
use crate::StoreError;
use zkpool_protocol::{GuestRun, Segmentation};

/// It says whose it is, and begins at nothing.
pub async fn knows_whose_it_is(store: Subject) {
    let meta = store.meta().await.unwrap();
    assert_eq!((meta.chain_id, meta.pool), (OWNER.domain.chain_id, OWNER.domain.pool));
    assert_eq!((meta.operator, meta.cursor, meta.head), (OWNER.operator, None, (0, 0)));
}

/// The same blob again costs nothing; one too many is refused and not noted.
pub async fn uploads_are_counted_once_and_limited(store: Subject) {
    let (a, b) = (BlobId::of(b"a"), BlobId::of(b"b"));
    for _ in 0..2 {
        store.note_upload(PAYER, a, 60, 100, 1).await.unwrap();
    }
    assert_eq!(store.uploaded_bytes(PAYER).await.unwrap(), 60);
    assert!(matches!(store.note_upload(PAYER, b, 41, 100, 2).await, Err(StoreError::TooLarge { limit: 100 })));
    store.note_upload(PAYER, b, 40, 100, 3).await.unwrap();
    store.note_upload(address(1), b, 40, 100, 3).await.unwrap();
    assert!(store.has_uploaded(PAYER, a).await.unwrap());
    assert!(!store.has_uploaded(address(1), a).await.unwrap());
}

/// Every field survives; a part is known as a part; a trial is not forgotten.
pub async fn programs_and_inputs_come_back_whole(store: Subject) {
    let input = catalogued(&store).await;
    assert!(store.is_program_part(BlobId::of(b"wasm")).await.unwrap());
    assert!(!store.is_program_part(input.blob).await.unwrap());
    assert_eq!(store.input(input.blob).await.unwrap(), Some(input.clone()));
    let tried = InputRecord { tried: true, ..input.clone() };
    store.put_input(&tried, 3).await.unwrap();
    store.put_input(&input, 4).await.unwrap();
    assert_eq!(store.input(input.blob).await.unwrap(), Some(tried));
    assert_eq!(store.input(BlobId::of(b"other")).await.unwrap(), None);
    assert_eq!(store.program(BlobId::of(b"other")).await.unwrap(), None);
}

/// And sizes that are tried later are added to it.
pub async fn a_zkvm_program_and_how_it_ran_come_back_whole(store: Subject) {
    let manifest = guest();
    let record = ProgramRecord {
        manifest: manifest.clone(),
        verifying_key: vec![7; 32],
        measured: Measured { units: WorkUnits(0), memory: 0 },
        public_inputs: 0,
        registered_by: PAYER,
    };
    store.put_program(&record, 1).await.unwrap();
    assert_eq!(store.program(manifest.id()).await.unwrap(), Some(record));
    assert!(store.is_program_part(manifest.blobs()[0]).await.unwrap());

    let cut = |limit, sizes: &[(u32, u32)]| Segmentation { limit, segments: sizes.iter().copied().collect() };
    let run = |segmentations| GuestRun { journal: vec![1, 2, 3].into(), cycles: 70_000, segmentations };
    let input = InputRecord {
        blob: BlobId::of(b"envelope"),
        program: manifest.id(),
        attached: vec![BlobId::of(b"z stdin"), BlobId::of(b"a receipt"), BlobId::of(b"a receipt")],
        measured: Measured { units: WorkUnits(1 << 17), memory: 64 },
        statement: B256::repeat_byte(0x58),
        public_inputs: vec![],
        tried: false,
        run: Some(run(vec![cut(16, &[(14, 1), (16, 1)])])),
    };
    store.put_input(&input, 2).await.unwrap();
    assert_eq!(store.input(input.blob).await.unwrap(), Some(input.clone()));
    let more = InputRecord { run: Some(run(vec![cut(16, &[(14, 1), (16, 1)]), cut(17, &[(17, 1)])])), ..input };
    let only_new = InputRecord { run: Some(run(vec![cut(17, &[(17, 1)])])), ..more.clone() };
    store.put_input(&only_new, 3).await.unwrap();
    assert_eq!(store.input(more.blob).await.unwrap(), Some(more));
}

/// Per verifier, not in general.
pub async fn a_verified_program_is_remembered_for_its_verifier(store: Subject) {
    let id = program().id();
    for _ in 0..2 {
        store.note_verified_program(address(1), id, 1).await.unwrap();
    }
    assert!(store.is_verified_program(address(1), id).await.unwrap());
    assert!(!store.is_verified_program(address(2), id).await.unwrap());
}
