//! Quotes of a simulated platform.

use crate::support::{CREATED, Case, MRENCLAVE, NOW, PRODUCT, SVN, binding, body, other, platform, policy};
use alloy_primitives::B256;
use zkpool_protocol::ErrorCode;
use zkpool_sgx_sim::{Body, Conditions, LIFETIME, Traits};
use zkpool_verifiers::sgx::{
    Collateral, MAX_COLLATERAL, MAX_QUOTE, Policy, QuoteError, Report, Root, SIMULATION_CHAINS, TcbStatus, verify,
};

/// A day, in seconds.
const DAY: u64 = 24 * 3600;

fn with(change: impl FnOnce(&mut Case)) -> QuoteError {
    let mut case = Case::new();
    change(&mut case);
    case.refusal()
}

fn of_body(change: impl FnOnce(&mut Body)) -> QuoteError {
    let mut body = body();
    change(&mut body);
    Case::on(&platform(1, Traits::default()), &body, &Conditions::default()).refusal()
}

fn under(change: impl FnOnce(&mut Conditions)) -> Case {
    let mut conditions = Conditions::default();
    change(&mut conditions);
    Case::on(&platform(1, Traits::default()), &body(), &conditions)
}

#[test]
fn a_good_quote_passes() {
    let attested = Case::new().check().unwrap();
    assert_eq!(attested.report, Report::read(&Case::new().quote).unwrap());
    assert_eq!((attested.report.mrenclave, attested.report.product, attested.report.svn), (MRENCLAVE, PRODUCT, SVN));
    assert_eq!((attested.status, attested.evaluation), (TcbStatus::UpToDate, 17));
    assert_eq!(attested.expires, NOW + LIFETIME);
    assert!(attested.simulated && attested.advisories.is_empty());
}

#[test]
fn what_is_published_checks_out_again() {
    let case = Case::new();
    let collateral = Collateral::from_json(case.collateral.to_string().as_bytes()).unwrap();
    let published = Collateral::from_json(&collateral.to_json().unwrap()).unwrap();
    assert_eq!(published, collateral);
    let attested = verify(&case.quote, &published, &case.root, &case.policy, &case.binding, case.now).unwrap();
    assert_eq!(attested, case.check().unwrap());
}

#[test]
fn enclaves_with_the_wrong_attributes_are_refused() {
    assert_eq!(of_body(|body| body.flags |= 0x02), QuoteError::Debug);
    assert_eq!(of_body(|body| body.flags |= 0x10), QuoteError::Provisioning);
    assert_eq!(of_body(|body| body.flags |= 0x20), QuoteError::LaunchTokens);
    assert_eq!(of_body(|body| body.flags |= 0x32), QuoteError::Debug);
    for flags in [0, 0x01, 0x04, 0x80] {
        assert_eq!(of_body(|body| body.flags = flags), QuoteError::Attributes { flags });
    }
    // Key separation and asynchronous exits are harmless.
    let mut body = body();
    body.flags |= 0x480;
    Case::on(&platform(1, Traits::default()), &body, &Conditions::default()).check().unwrap();
}

#[test]
fn other_enclaves_are_refused() {
    let found = B256::repeat_byte(0xE2);
    assert_eq!(of_body(|body| body.mrenclave = found.0), QuoteError::Enclave { found });
    assert_eq!(with(|case| case.policy.enclaves.clear()), QuoteError::Enclave { found: MRENCLAVE });
    assert_eq!(of_body(|body| body.product = 8), QuoteError::Product { expected: PRODUCT, found: 8 });
    assert_eq!(of_body(|body| body.svn = 1), QuoteError::Svn { min: SVN, found: 1 });
    let mut newer = body();
    newer.svn = u16::MAX;
    Case::on(&platform(1, Traits::default()), &newer, &Conditions::default()).check().unwrap();

    let signer: B256 = body().mrsigner.into();
    let expected = B256::repeat_byte(9);
    assert_eq!(with(|case| case.policy.signer = Some(expected)), QuoteError::Signer { expected, found: signer });
    let mut case = Case::new();
    case.policy.signer = Some(signer);
    case.check().unwrap();
}

#[test]
fn quotes_for_something_else_are_refused() {
    let unbound = [
        with(|case| case.binding.domain.chain_id = 1337),
        with(|case| case.binding.domain.verifier = other(case.binding.domain.verifier)),
        with(|case| case.binding.program = B256::repeat_byte(0x78)),
        with(|case| case.binding.instance = other(case.binding.instance)),
    ];
    assert!(unbound.iter().all(|error| *error == QuoteError::Unbound), "{unbound:?}");
    let expected = B256::repeat_byte(0xB2);
    assert_eq!(with(|case| case.binding.block_hash = expected), QuoteError::Block { expected });
}

#[test]
fn other_roots_are_refused() {
    let others = platform(2, Traits::default());
    assert!(matches!(with(|case| case.root = Root::Intel), QuoteError::Root { .. }));
    assert!(matches!(with(|case| case.root = Root::Simulated(others.root())), QuoteError::Root { .. }));
    assert!(matches!(with(|case| case.root = Root::Simulated(vec![])), QuoteError::Rejected { .. }));
    assert!(matches!(with(|case| case.root = Root::Simulated(vec![0x30; 900])), QuoteError::Rejected { .. }));
    // Another platform's quote with this one's collateral, and the other way round.
    let foreign = others.quote(&body(), &binding().report_data());
    let error = with(|case| case.quote = foreign);
    assert!(matches!(error, QuoteError::Root { .. } | QuoteError::Signature { .. }), "{error}");
    let foreign = others.collateral(NOW, &Conditions::default()).unwrap();
    assert!(matches!(with(|case| case.collateral = foreign), QuoteError::Root { .. }));
    // The same name and number, made again of the same keys, is the same root.
    let again = platform(1, Traits::default());
    let mut case = Case::new();
    case.root = Root::Simulated(again.root());
    case.check().unwrap();
}

#[test]
fn a_simulation_is_refused_where_there_is_value() {
    for chain_id in [1, 10, 8453, 42_161, 167_000, 999_999_999] {
        assert_eq!(with(|case| case.binding.domain.chain_id = chain_id), QuoteError::Simulated { chain_id });
    }
    for chain_id in SIMULATION_CHAINS {
        let mut case = Case::new();
        case.binding.domain.chain_id = chain_id;
        case.quote = platform(1, Traits::default()).quote(&body(), &case.binding.report_data());
        case.check().unwrap();
    }
    // Nor can it pass for a real one there.
    let error = with(|case| {
        case.binding.domain.chain_id = 1;
        case.quote = platform(1, Traits::default()).quote(&body(), &case.binding.report_data());
        case.root = Root::Intel;
    });
    assert!(matches!(error, QuoteError::Root { .. }), "{error}");
}

#[test]
fn time_matters() {
    let at = |now| with(|case| case.now = now);
    assert!(matches!(at(NOW + LIFETIME + 1), QuoteError::Stale { .. }));
    assert!(matches!(at(NOW - 2 * DAY), QuoteError::Stale { .. }));
    assert!(matches!(at(0), QuoteError::Stale { .. }));
    assert!(matches!(at(CREATED + 4000 * DAY), QuoteError::Stale { .. }));
    for now in [NOW - DAY + 1, NOW + LIFETIME - 1] {
        let mut case = Case::new();
        case.now = now;
        case.check().unwrap();
    }
    // A certificate that is over, with fresh lists and TCB info.
    let later = CREATED + 3700 * DAY;
    let mut case = Case::new();
    case.now = later;
    case.collateral = platform(1, Traits::default()).collateral(later, &Conditions::default()).unwrap();
    assert!(matches!(case.refusal(), QuoteError::Stale { .. }));
}

#[test]
fn revoked_platforms_are_refused_whatever_the_policy_says() {
    let anything = || Policy { statuses: TcbStatus::ALL.to_vec(), grace_days: u16::MAX, ..policy() };
    let refused = |mut case: Case| {
        case.policy = anything();
        matches!(case.refusal(), QuoteError::Revoked { .. })
    };
    assert!(refused(under(|c| c.status = "Revoked".into())), "the TCB level");
    assert!(refused(under(|c| c.qe_status = "Revoked".into())), "the quoting enclave");
    assert!(refused(under(|c| c.revoked_by_platform_ca = vec![3])), "the platform's certificate");
    assert!(refused(under(|c| c.revoked_by_root = vec![2])), "the platform CA");
    assert!(refused(under(|c| c.revoked_by_root = vec![4])), "the signer of TCB info");
    assert!(refused(under(|c| c.revoked_by_root = vec![1])), "the root");
    let mut others = under(|c| c.revoked_by_platform_ca = vec![2, 4, 33]);
    others.policy = anything();
    others.check().unwrap();
}

#[test]
fn only_the_statuses_that_the_policy_names_pass() {
    for status in TcbStatus::ALL {
        let mut case = under(|c| {
            c.status = status.as_str().into();
            c.advisories = vec!["INTEL-SA-00001".into()];
        });
        for allowed in TcbStatus::ALL {
            case.policy.statuses = vec![allowed];
            case.policy.grace_days = 30;
            if status == allowed {
                let attested = case.check().unwrap();
                assert_eq!((attested.status, attested.advisories), (status, vec!["INTEL-SA-00001".to_owned()]));
            } else {
                let advisories = vec!["INTEL-SA-00001".to_owned()];
                assert_eq!(case.refusal(), QuoteError::Status { found: status, advisories });
            }
        }
        case.policy.statuses = vec![];
        assert!(matches!(case.refusal(), QuoteError::Status { .. }), "nothing is let through by default");
    }
    let old_quoting_enclave = under(|c| c.qe_status = "OutOfDate".into());
    let expected = QuoteError::Status { found: TcbStatus::OutOfDate, advisories: vec![] };
    assert_eq!(old_quoting_enclave.refusal(), expected);
}

#[test]
fn out_of_date_has_days_of_grace_and_no_more() {
    let after = |days: u32, grace| {
        let mut case = under(|c| {
            c.status = "OutOfDate".into();
            // Collateral begins a day ago.
            c.level_days_ago = days - 1;
        });
        case.policy.statuses = vec![TcbStatus::OutOfDate];
        case.policy.grace_days = grace;
        case.check()
    };
    after(10, 10).unwrap();
    assert!(matches!(after(10, 9), Err(QuoteError::Grace { .. })));
    assert!(matches!(after(10, 0), Err(QuoteError::Grace { .. })));
}

#[test]
fn advisories_and_old_judgements_can_be_refused() {
    let mut case = under(|c| c.advisories = vec!["INTEL-SA-00001".into(), "INTEL-SA-00002".into()]);
    case.check().unwrap();
    case.policy.refused_advisories = vec!["intel-sa-00002".into()];
    assert_eq!(case.refusal(), QuoteError::Advisory { advisory: "INTEL-SA-00002".into() });

    assert_eq!(under(|c| c.evaluation = 16).refusal(), QuoteError::Evaluation { min: 17, found: 16 });
    assert_eq!(under(|c| c.evaluation = 18).check().unwrap().evaluation, 18);
}

#[test]
fn properties_of_a_platform_must_be_let_through() {
    let on = |traits| Case::on(&platform(1, traits), &body(), &Conditions::default());
    let none = Traits::default();
    let mut cases = [
        on(Traits { smt: true, ..none }),
        on(Traits { cached_keys: true, ..none }),
        on(Traits { dynamic_platform: true, ..none }),
    ];
    assert!(cases.iter().all(|case| matches!(case.refusal(), QuoteError::Platform { .. })));
    cases[0].policy.allow_smt = true;
    cases[1].policy.allow_cached_keys = true;
    cases[2].policy.allow_dynamic_platform = true;
    assert!(cases.iter().all(|case| case.check().is_ok()));
}

#[test]
fn collateral_of_another_platform_is_refused() {
    let error = under(|c| c.pce_id = "0001".into()).refusal();
    assert_eq!(error, QuoteError::Pce { expected: "0000".into(), found: "0001".into() });
    assert!(matches!(under(|c| c.fmspc = "00606A000000".into()).refusal(), QuoteError::Rejected { .. }));
}

#[test]
fn changed_bytes_are_noticed_wherever_they_are() {
    let good = Case::new();
    let attested = good.check().unwrap();
    // All of what is signed, and then a part of the signatures, keys and certificates.
    for at in (0..436).step_by(5).chain((436..good.quote.len()).step_by(73)) {
        let mut case = good.clone();
        case.quote[at] ^= 0x80;
        // In PEM not every bit counts: a line can end with any white space.
        if let Ok(passed) = case.check() {
            assert!(at > 1100, "byte {at} does not matter");
            assert_eq!(passed, attested);
        }
    }
    let mut case = Case::new();
    case.quote[50] ^= 1;
    assert!(matches!(case.refusal(), QuoteError::Signature { .. }), "the report, where nothing of ours looks");

    for field in ["root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature"] {
        let mut case = Case::new();
        let text = case.collateral[field].as_str().unwrap();
        let (head, last) = text.split_at(text.len() - 2);
        let last = u8::from_str_radix(last, 16).unwrap() ^ 1;
        case.collateral[field] = format!("{head}{last:02x}").into();
        let error = case.refusal();
        let named =
            matches!(error, QuoteError::Signature { .. } | QuoteError::Root { .. } | QuoteError::Rejected { .. });
        assert!(named, "{field}: {error}");
    }
    for (field, from, to) in [
        ("tcb_info", "UpToDate\"", "UpToDate\" "),
        ("tcb_info", "\"tcbEvaluationDataNumber\":17", "\"tcbEvaluationDataNumber\":99"),
        ("qe_identity", "\"isvsvn\":8", "\"isvsvn\":1"),
    ] {
        let mut case = Case::new();
        let changed = case.collateral[field].as_str().unwrap().replace(from, to);
        assert_ne!(changed, case.collateral[field].as_str().unwrap());
        case.collateral[field] = changed.into();
        assert!(matches!(case.refusal(), QuoteError::Signature { .. }), "{field}");
    }
}

#[test]
fn garbage_is_no_quote() {
    let good = Case::new().quote;
    for length in (0..good.len()).step_by(97).chain([435, 436, 437, good.len() - 1]) {
        let error = with(|case| case.quote = good[..length].to_vec());
        assert!(matches!(error, QuoteError::Malformed { .. }), "{length}: {error}");
        assert_eq!(error.code(), ErrorCode::BadRequest);
    }
    let longer = with(|case| case.quote.push(0));
    assert!(matches!(longer, QuoteError::Malformed { .. }), "{longer}");
    let huge = with(|case| case.quote.resize(MAX_QUOTE + 1, 0));
    assert!(matches!(huge, QuoteError::Malformed { .. }), "{huge}");
    // A length that leads beyond all memory.
    let endless = with(|case| case.quote[432..436].copy_from_slice(&[0xFF; 4]));
    assert!(matches!(endless, QuoteError::Malformed { .. }), "{endless}");
    // Lengths within the signature that do not fit. (A chain that is cut where nobody needs it does no harm.)
    let auth = 436 + 64 + 64 + 384 + 64;
    for at in [auth, auth + 1, auth + 2 + 32, auth + 2 + 32 + 3, auth + 2 + 32 + 4] {
        let error = with(|case| case.quote[at] ^= 0x41);
        assert!(matches!(error, QuoteError::Rejected { .. } | QuoteError::Signature { .. }), "{at}: {error}");
    }
    for version in [0, 2, 4, 5] {
        assert_eq!(with(|case| case.quote[0] = version), QuoteError::Version { found: version.into() });
    }
    assert_eq!(with(|case| case.quote[4] = 0x81), QuoteError::Tee);
    assert!(matches!(with(|case| case.quote[2] = 3), QuoteError::Rejected { .. }), "another kind of key");
    assert!(matches!(with(|case| case.quote[12] ^= 1), QuoteError::Rejected { .. }), "another quoting enclave's maker");
}

#[test]
fn garbage_is_no_collateral() {
    let refused = |json: &[u8]| matches!(Collateral::from_json(json), Err(QuoteError::Collateral { .. }));
    assert!(refused(b"") && refused(b"{}") && refused(b"[1]") && refused(&[0xFF; 100]));
    assert!(refused(&vec![b' '; MAX_COLLATERAL + 1]));
    let mut case = Case::new();
    case.collateral["root_ca_crl"] = "not hex".into();
    assert!(refused(case.collateral.to_string().as_bytes()));

    for (field, garbage) in [
        ("pck_crl_issuer_chain", "x"),
        ("tcb_info_issuer_chain", ""),
        ("tcb_info", "{}"),
        ("qe_identity", "null"),
        ("root_ca_crl", "00"),
        ("pck_crl", ""),
        ("tcb_info_signature", "00"),
    ] {
        let mut case = Case::new();
        case.collateral[field] = garbage.into();
        // The issuers of the lists are found in the quote's own chain.
        assert_eq!(case.check().is_ok(), field == "pck_crl_issuer_chain", "{field}");
    }
}

#[test]
fn every_refusal_says_what_to_look_at() {
    let errors = [
        of_body(|body| body.flags |= 0x02),
        with(|case| case.binding.domain.chain_id = 1),
        with(|case| case.now = NOW + 2 * LIFETIME),
        with(|case| case.root = Root::Intel),
        under(|c| c.status = "OutOfDate".into()).refusal(),
        under(|c| c.evaluation = 1).refusal(),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(text.len() > 40 && !text.ends_with('.') && text.starts_with(char::is_lowercase), "{text}");
        assert_eq!(error.code(), ErrorCode::ProofInvalid);
    }
}

#[test]
fn a_policy_is_read_as_it_is_written_and_nothing_is_guessed() {
    let text = format!(
        r#"{{"statuses":["UpToDate","SWHardeningNeeded"],"min_evaluation":17,"enclaves":["{MRENCLAVE}"],"product":7,"min_svn":2}}"#
    );
    let policy: Policy = serde_json::from_str(&text).unwrap();
    assert_eq!(policy.statuses, [TcbStatus::UpToDate, TcbStatus::SwHardeningNeeded]);
    assert!(!policy.allow_smt && policy.signer.is_none() && policy.grace_days == 0);
    for (from, to) in [
        ("UpToDate", "Revoked"),
        ("UpToDate", "uptodate"),
        ("\"product\":7,", ""),
        ("\"min_evaluation\":17,", ""),
        ("\"min_svn\":2", "\"min_svn\":-1"),
        ("\"min_svn\":2", "\"min_svn\":2,\"allow_smtt\":true"),
    ] {
        assert!(serde_json::from_str::<Policy>(&text.replace(from, to)).is_err(), "{to}");
    }
    for status in TcbStatus::ALL {
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
}
