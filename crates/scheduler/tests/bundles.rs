//! Legs of one bundle: nobody works on two of them, and the one whom a leg needs is left for it.
#![allow(missing_docs)]

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use zkpool_protocol::{Address, B256, JobId, ProofKind, TaskId, WorkUnits};
use zkpool_scheduler::*;

const KINDS: [ProofKind; 3] = [ProofKind::Groth16Bn254, ProofKind::Risc0Composite, ProofKind::Sgx];

/// The `n`th job of a leg.
fn job(bundle: u8, leg: u8, n: u32) -> OpenJob {
    OpenJob {
        enclave: None,
        deal: Deal::default(),
        leg: Some(LegOf { bundle: TaskId::with_last_byte(bundle), leg: leg.into() }),
        id: JobId { task: TaskId::right_padding_from(&[bundle, leg]), index: n },
        kind: KINDS[usize::from(leg) % 3],
        units: WorkUnits(1_000),
        memory: 100,
        ready_at: 0,
        proof_deadline: 1_000_000,
        liability_deadline: 2_000_000,
        after: 0,
        near: vec![],
        holders: vec![],
        barred: vec![],
    }
}

/// A device of an owner that does these kinds of work.
fn prover(owner: u8, kinds: &[usize]) -> Candidate {
    Candidate {
        present: true,
        enclaves: vec![],
        asks: BTreeMap::new(),
        address: Address::with_last_byte(owner),
        waiting: 1,
        concurrency: 1,
        memory: 100,
        speeds: kinds.iter().map(|kind| (KINDS[*kind], 1_000.0)).collect(),
        standing: Standing::default(),
    }
}

/// Who is given which leg, by owner.
fn given(snapshot: &Snapshot) -> Vec<(JobId, Address)> {
    let pick = |action| match action {
        Action::Lease { job, prover, .. } => Some((job, snapshot.provers[prover].address)),
        Action::Expire { .. } => None,
    };
    decide(snapshot, 0, &Rules::default()).into_iter().filter_map(pick).collect()
}

#[test]
fn two_legs_never_go_to_one_owner_though_it_has_two_devices() {
    let provers = vec![prover(1, &[0]), prover(1, &[1])];
    let snapshot = Snapshot { jobs: vec![job(1, 0, 0), job(1, 1, 0)], provers };
    assert_eq!(given(&snapshot).len(), 1);
    // Unless the requester allows it, or they are of different bundles.
    let shared = |j| OpenJob { leg: None, ..j };
    let jobs = vec![shared(job(1, 0, 0)), shared(job(1, 1, 0))];
    assert_eq!(given(&Snapshot { jobs, ..snapshot.clone() }).len(), 2);
    assert_eq!(given(&Snapshot { jobs: vec![job(1, 0, 0), job(2, 1, 0)], ..snapshot }).len(), 2);
}

#[test]
fn the_only_one_who_can_do_a_leg_is_left_for_it() {
    // The second alone has an enclave: it must not take the circuit, though it is by far the faster.
    let mut both = prover(2, &[0, 2]);
    both.speeds.insert(KINDS[0], 1e9);
    let snapshot = Snapshot { jobs: vec![job(1, 0, 0), job(1, 2, 0)], provers: vec![prover(1, &[0]), both.clone()] };
    let who: BTreeMap<_, _> = given(&snapshot).into_iter().map(|(job, owner)| (job.task, owner)).collect();
    assert_eq!(who.get(&job(1, 0, 0).id.task), Some(&Address::with_last_byte(1)));
    assert_eq!(who.get(&job(1, 2, 0).id.task), Some(&Address::with_last_byte(2)));
    // One that is not there is no choice; then what can be done is done.
    let mut gone = prover(1, &[0]);
    (gone.present, gone.waiting) = (false, 0);
    let alone = Snapshot { provers: vec![gone, both], ..snapshot };
    assert_eq!(given(&alone).len(), 1);
}

#[test]
fn an_enclave_of_another_program_is_no_help() {
    let program = B256::with_last_byte(7);
    let attest = OpenJob { enclave: Some(program), ..job(1, 2, 0) };
    let other = Candidate { enclaves: vec![B256::ZERO], ..prover(1, &[2]) };
    let has = Candidate { enclaves: vec![B256::ZERO, program], ..prover(2, &[2]) };
    let snapshot = Snapshot { jobs: vec![attest], provers: vec![prover(3, &[0, 1]), other, has] };
    assert_eq!(given(&snapshot), [(job(1, 2, 0).id, Address::with_last_byte(2))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Carried out over and over, with provers that do what they are given: nobody ever has a hand in two legs of one
    /// bundle, and every leg gets done if there is an owner for each.
    #[test]
    fn every_leg_gets_done_by_somebody_of_its_own(
        owners in prop::collection::vec((0u8..6, prop::collection::btree_set(0usize..3, 1..4)), 1..8),
        bundles in prop::collection::vec(prop::collection::vec(1u32..4, 2..4), 1..4),
    ) {
        let provers: Vec<_> = owners.iter().map(|(owner, kinds)| prover(*owner, &kinds.iter().copied().collect::<Vec<_>>())).collect();
        let mut jobs = Vec::new();
        for (bundle, legs) in (0u8..).zip(&bundles) {
            for (leg, count) in (0u8..).zip(legs) {
                jobs.extend((0..*count).map(|n| job(bundle, leg, n)));
            }
        }
        let able = |leg: usize| -> Vec<Address> {
            let set: BTreeSet<_> = provers.iter().filter(|p| p.speeds.contains_key(&KINDS[leg % 3])).map(|p| p.address).collect();
            set.into_iter().collect()
        };
        let feasible: Vec<bool> = bundles.iter().map(|legs| {
            let sets: Vec<_> = (0..legs.len()).map(able).collect();
            each_has_one_of_its_own(&sets.iter().map(Vec::as_slice).collect::<Vec<_>>(), None)
        }).collect();
        let mut snapshot = Snapshot { jobs, provers: provers.clone() };
        let mut hands: BTreeMap<TaskId, BTreeMap<u32, BTreeSet<Address>>> = BTreeMap::new();
        for _ in 0..40 {
            let leases = given(&snapshot);
            for (id, owner) in &leases {
                let of = snapshot.jobs.iter().find(|j| j.id == *id).and_then(|j| j.leg).unwrap();
                hands.entry(of.bundle).or_default().entry(of.leg).or_default().insert(*owner);
            }
            for legs in hands.values() {
                let all: usize = legs.values().map(BTreeSet::len).sum();
                let different: BTreeSet<_> = legs.values().flatten().collect();
                prop_assert_eq!(all, different.len(), "a hand in two legs: {:?}", legs);
            }
            // All that was given is done, and whoever did it is known for its other legs.
            snapshot.jobs.retain(|j| !leases.iter().any(|(id, _)| *id == j.id));
            for j in &mut snapshot.jobs {
                let of = j.leg.unwrap();
                let others = hands.get(&of.bundle).into_iter().flatten().filter(|(leg, _)| **leg != of.leg);
                j.barred = others.flat_map(|(_, owners)| owners.iter().copied()).collect();
            }
        }
        for (bundle, feasible) in (0u8..).zip(feasible) {
            let left = snapshot.jobs.iter().filter(|j| j.leg.unwrap().bundle == TaskId::with_last_byte(bundle)).count();
            prop_assert!(!feasible || left == 0, "bundle {} has {} jobs left", bundle, left);
        }
    }
}
