//! Running programs: what they make public, how they are cut, and those that misbehave.

use crate::{
    guests::{Place, backend, hash_input, hashed},
    made::{assumption, composed},
};
use std::{fs, sync::Mutex};
use zkpool_backends::{
    Backend, BackendError, Control, Fault, Input, PreflightOptions, ProgramFiles, preflight_worker,
    risc0::execute_worker,
};
use zkpool_protocol::{
    B256, BlobId, ErrorCode, ExecuteReply, ExecuteRequest, PreflightBounds, PreflightReply, PreflightRequest,
    ProgramManifest, zkvm,
};

const BOUNDS: PreflightBounds = PreflightBounds { memory: 4 << 30, cpu_seconds: 600, cycles: 50_000_000 };

fn options(segment_limits: &[u32], cycles: u64) -> PreflightOptions {
    PreflightOptions { trial: false, segment_limits: segment_limits.to_vec(), cycles }
}

#[test]
fn preflight_says_what_is_made_public_and_how_it_is_cut() {
    let place = Place::of("hash");
    let (files, input) = place.envelope(&hash_input(40), &[]);
    let reply = preflight_worker(PreflightRequest {
        program: place.program.manifest.clone(),
        input: Some(input),
        files,
        trial_proof: true,
        segment_limits: vec![15, 18],
        bounds: BOUNDS,
    });
    let PreflightReply::Passed(report) = reply else { panic!("{reply:?}") };
    let run = report.run.unwrap();
    assert_eq!(run.journal.as_ref(), hashed(40));
    assert_eq!(report.statement, Some(zkvm::statement(place.image, &hashed(40))));
    assert_eq!((report.verifying_key.as_ref(), report.public_inputs.len()), (place.image.as_slice(), 0));
    let [small, large] = &run.segmentations[..] else { panic!("{run:?}") };
    assert_eq!((small.limit, large.limit), (15, 18));
    let cycles = |segments: &std::collections::BTreeMap<u32, u32>| -> u64 {
        segments.iter().map(|(po2, count)| u64::from(*count) << po2).sum()
    };
    assert!(small.segments.values().sum::<u32>() > large.segments.values().sum::<u32>(), "{run:?}");
    assert!(small.segments.keys().all(|po2| (14..=15).contains(po2)), "{run:?}");
    assert!(cycles(&large.segments) >= run.cycles && run.cycles > 100_000, "{run:?}");
    assert_eq!(report.units.0, cycles(&small.segments));
}

#[test]
fn a_look_without_input_tells_the_key() {
    let place = Place::of("hash");
    let info = backend().inspect(&place.program, &Control::new()).unwrap();
    assert_eq!(info.verifying_key, place.image.to_vec());
    assert_eq!(info.memory, zkvm::segment_memory(14));
}

#[test]
fn programs_that_misbehave_are_refused_with_their_code() {
    let place = Place::of("bad");
    // Within 4 million cycles, but for the journal, which takes longer to write.
    for (mode, code, word) in [
        (0, ErrorCode::GuestFailed, "panicked"),
        (1, ErrorCode::PreflightExceeded, "cycles"),
        (2, ErrorCode::GuestFailed, ""),
        (3, ErrorCode::GuestFailed, "exit code 7"),
        (4, ErrorCode::TooLarge, "public"),
        (5, ErrorCode::GuestFailed, "another output"),
        (6, ErrorCode::GuestFailed, "another output"),
        (7, ErrorCode::GuestFailed, "differs from run to run"),
    ] {
        let input = place.input(&[mode], &[]);
        let cycles = if mode == 4 { 1 << 32 } else { 4_000_000 };
        let error = backend().preflight(&place.program, &input, &options(&[18], cycles), &Control::new());
        let error = error.unwrap_err();
        if mode == 2 {
            // Out of memory or out of cycles, whichever is first.
            assert!([ErrorCode::GuestFailed, ErrorCode::PreflightExceeded].contains(&error.code()), "{error}");
            continue;
        }
        assert_eq!(error.code(), code, "{mode}: {error}");
        assert!(error.to_string().contains(word), "{mode}: {error}");
    }
}

#[test]
fn what_is_made_public_at_once_is_the_same_at_every_size() {
    let place = Place::of("bad");
    let input = place.input(&[8], &[]);
    for limits in [&[18, 14][..], &[14]] {
        let found = backend().preflight(&place.program, &input, &options(limits, 1 << 30), &Control::new()).unwrap();
        let run = found.run.unwrap();
        assert_eq!(run.journal.as_ref(), [8; 32 << 10]);
        let cuts: Vec<_> = run.segmentations.iter().map(|cut| (cut.limit, cut.count() > 0)).collect();
        assert_eq!(cuts, limits.iter().map(|limit| (*limit, true)).collect::<Vec<_>>());
    }
}

#[test]
fn another_outputs_digest_is_no_execution() {
    let place = Place::of("bad");
    for mode in [5, 6] {
        let lines = ran(&place, &[mode], BOUNDS);
        let (ExecuteReply::Refused { code, .. }, _) = lines.last().unwrap() else { panic!("{lines:?}") };
        assert_eq!(*code, ErrorCode::GuestFailed);
    }
}

#[test]
fn what_is_no_program_or_another_one_is_refused() {
    let place = Place::of("hash");
    let ProgramManifest::Risc0 { binary, image_id } = place.program.manifest else { unreachable!() };
    let bytes = fs::read(&place.program.files[&binary]).unwrap();
    let look = |bytes: &[u8], image_id| {
        let id = BlobId::of(bytes);
        let files = [(id, place.put("program", bytes))].into();
        let program = ProgramFiles { manifest: ProgramManifest::Risc0 { binary: id, image_id }, files };
        backend().inspect(&program, &Control::new()).unwrap_err()
    };
    for bytes in [&b""[..], b"R0BF", b"\x7fELF no program binary", &bytes[..bytes.len() / 2]] {
        let error = look(bytes, image_id);
        assert_eq!((error.code(), error.fault()), (ErrorCode::BadGuest, Fault::Task), "{error}");
    }
    let error = look(&bytes, B256::ZERO);
    assert!(error.code() == ErrorCode::BadGuest && error.to_string().contains(&image_id.to_string()), "{error}");
    let error = backend().preflight(
        &place.program,
        &Input::Signals(serde_json::Map::new()),
        &PreflightOptions::default(),
        &Control::new(),
    );
    assert!(matches!(error, Err(BackendError::OtherSystem)));
}

#[test]
fn sizes_that_cannot_be_proven_are_refused() {
    let place = Place::of("hash");
    let input = place.input(&hash_input(1), &[]);
    for limit in [0, 13, 23, 99] {
        let error = backend().preflight(&place.program, &input, &options(&[limit], 1 << 30), &Control::new());
        assert_eq!(error.unwrap_err().code(), ErrorCode::BadRequest);
    }
}

#[test]
fn a_receipt_that_the_input_does_not_name_cannot_be_built_on() {
    let place = Place::of("compose");
    let stdin = [Place::of("hash").image.0, [1; 32]].concat();
    let run = |assumptions: &[std::path::PathBuf]| {
        let input = place.input(&stdin, assumptions);
        backend().preflight(&place.program, &input, &options(&[18], 1 << 30), &Control::new()).unwrap_err()
    };
    let error = run(&[]);
    assert_eq!((error.code(), error.fault()), (ErrorCode::BadInput, Fault::Task), "{error}");
    let error = run(&[place.put("receipt", b"no receipt")]);
    assert_eq!((error.code(), error.fault()), (ErrorCode::BadInput, Fault::Task), "{error}");
}

#[test]
fn a_receipt_that_the_input_names_is_built_on() {
    let place = Place::of("compose");
    let (stdin, public) = composed();
    let input = place.input(&stdin, &[place.put("receipt", &assumption())]);
    let found = backend().preflight(&place.program, &input, &options(&[18], 1 << 30), &Control::new()).unwrap();
    assert_eq!(found.run.unwrap().journal.as_ref(), public);
    assert_eq!(found.statement, zkvm::statement(place.image, &public));
}

/// Runs the execution worker in this process, taking every file away but for the last `left`.
fn executed(place: &Place, bounds: PreflightBounds) -> Vec<(ExecuteReply, Option<Vec<u8>>)> {
    ran(place, &hash_input(60), bounds)
}

fn ran(place: &Place, stdin: &[u8], bounds: PreflightBounds) -> Vec<(ExecuteReply, Option<Vec<u8>>)> {
    let (files, input) = place.envelope(stdin, &[]);
    let directory = place.path("segments");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    let request = ExecuteRequest {
        program: place.program.manifest.clone(),
        input,
        files,
        segment_limit: 15,
        directory: directory.clone(),
        ahead: 2,
        bounds,
    };
    let lines = Mutex::new(Vec::new());
    execute_worker(&request, |line| {
        assert!(fs::read_dir(&directory)?.count() <= 2, "it waits for room");
        let bytes = match line {
            ExecuteReply::Segment { path, .. } => {
                let bytes = fs::read(path)?;
                fs::remove_file(path)?;
                Some(bytes)
            }
            _ => None,
        };
        lines.lock().unwrap().push((line.clone(), bytes));
        Ok(())
    })
    .unwrap();
    lines.into_inner().unwrap()
}

#[test]
fn segments_are_files_one_after_the_other() {
    let place = Place::of("hash");
    let all = executed(&place, BOUNDS);
    let (last, segments) = all.split_last().unwrap();
    let count = segments.len() as u32;
    assert!(count > 3, "{count}");
    assert_eq!(last.0, ExecuteReply::Finished { segments: count, journal: hashed(60).into() });
    for (at, (line, bytes)) in segments.iter().enumerate() {
        let ExecuteReply::Segment { index, po2, .. } = line else { panic!("{line:?}") };
        assert!(*index as usize == at && (14..=15).contains(po2), "{line:?}");
        assert!(bytes.as_ref().is_some_and(|bytes| !bytes.is_empty()));
    }
}

#[test]
fn an_execution_out_of_its_cycles_says_so() {
    let place = Place::of("hash");
    let lines = executed(&place, PreflightBounds { cycles: 100_000, ..BOUNDS });
    let (ExecuteReply::Refused { code, .. }, _) = lines.last().unwrap() else { panic!("{lines:?}") };
    assert_eq!(*code, ErrorCode::PreflightExceeded);
}
