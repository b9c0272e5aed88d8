//! A real quote: the sample that `dcap-qvl` ships, of a processor of Intel's, with its collateral of mid-2025.

use std::{env, fs, path::PathBuf};
use zkpool_verifiers::sgx::{
    Binding, Collateral, Domain, Policy, QuoteError, Report, Root, TcbStatus, inspect, verify,
};

/// 1 July 2025, when the sample's collateral held.
const WHEN: u64 = 1_751_328_000;

/// A file of the sample, where cargo keeps the crate's source: it is not ours to copy.
fn sample(name: &str) -> Vec<u8> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| env::home_dir().unwrap().join(".cargo"));
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let version = lock.split("name = \"dcap-qvl\"\nversion = \"").nth(1).unwrap().split('"').next().unwrap();
    let registries = fs::read_dir(home.join("registry/src")).unwrap();
    let mut files =
        registries.map(|registry| registry.unwrap().path().join(format!("dcap-qvl-{version}/sample")).join(name));
    let file = files.find(|file| file.exists()).expect("the source of dcap-qvl is where cargo puts it");
    fs::read(file).unwrap()
}

fn policy(report: &Report) -> Policy {
    Policy {
        statuses: vec![TcbStatus::ConfigurationAndSwHardeningNeeded],
        min_evaluation: 17,
        enclaves: vec![report.mrenclave],
        signer: Some(report.mrsigner),
        product: report.product,
        min_svn: report.svn,
        refused_advisories: vec![],
        grace_days: 0,
        allow_smt: true,
        allow_cached_keys: false,
        allow_dynamic_platform: false,
    }
}

#[test]
fn intels_own_sample_passes_under_intels_root() {
    let quote = sample("sgx_quote");
    let collateral = Collateral::from_json(&sample("sgx_quote_collateral.json")).unwrap();
    let report = Report::read(&quote).unwrap();
    let policy = policy(&report);
    let check = |policy: &Policy, root: &Root, now| inspect(&quote, &collateral, root, policy, now);

    let attested = check(&policy, &Root::Intel, WHEN).unwrap();
    assert_eq!(attested.report, report);
    assert_eq!(attested.status, TcbStatus::ConfigurationAndSwHardeningNeeded);
    assert!(!attested.simulated && !attested.advisories.is_empty() && attested.expires > WHEN);

    let strict = Policy { statuses: vec![TcbStatus::UpToDate], ..policy.clone() };
    assert!(matches!(check(&strict, &Root::Intel, WHEN), Err(QuoteError::Status { .. })));
    let newer = Policy { min_evaluation: attested.evaluation + 1, ..policy.clone() };
    assert!(matches!(check(&newer, &Root::Intel, WHEN), Err(QuoteError::Evaluation { .. })));
    let advisory = Policy { refused_advisories: attested.advisories.clone(), ..policy.clone() };
    assert!(matches!(check(&advisory, &Root::Intel, WHEN), Err(QuoteError::Advisory { .. })));
    assert!(matches!(check(&policy, &Root::Intel, WHEN + 365 * 24 * 3600), Err(QuoteError::Stale { .. })));
    assert!(matches!(check(&policy, &Root::Intel, WHEN - 365 * 24 * 3600), Err(QuoteError::Stale { .. })));
    let simulated = Root::Simulated(crate::support::platform(1, Default::default()).root());
    assert!(matches!(check(&policy, &simulated, WHEN), Err(QuoteError::Root { .. })));

    for at in [50, 120, 200, 368, 400, 440, 520, 600, 1000] {
        let mut changed = quote.clone();
        changed[at] ^= 1;
        let policy = self::policy(&Report::read(&changed).unwrap());
        let error = inspect(&changed, &collateral, &Root::Intel, &policy, WHEN).unwrap_err();
        assert!(matches!(error, QuoteError::Signature { .. }), "{at}: {error}");
    }
}

#[test]
fn intels_own_sample_was_not_asked_for_by_us() {
    let quote = sample("sgx_quote");
    let collateral = Collateral::from_json(&sample("sgx_quote_collateral.json")).unwrap();
    let binding = Binding {
        domain: Domain { chain_id: 1, verifier: [0xAB; 20].into() },
        program: [1; 32].into(),
        instance: [2; 20].into(),
        block_hash: [3; 32].into(),
    };
    let policy = policy(&Report::read(&quote).unwrap());
    assert_eq!(verify(&quote, &collateral, &Root::Intel, &policy, &binding, WHEN), Err(QuoteError::Unbound));
}
