//! What every store must do. An implementation runs all of it:
//!
//! ```ignore
//! zkpool_store::store_conformance!(async |owner| open_my_store(owner).await);
//! ```
//!
//! Each case gets an empty store.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // a suite of assertions

mod catalogue;
mod chain;
mod graph;
mod journal;
mod leases;
mod legs;
mod pay;
mod receipts;
mod tasks;

pub use catalogue::*;
pub use chain::*;
pub use graph::*;
pub use journal::*;
pub use leases::*;
pub use legs::*;
pub use pay::*;
pub use receipts::*;
pub use tasks::*;

use crate::{
    Advance, Ask, End, Fact, Grant, InputRecord, Measured, NewResult, NewTask, Owner, Plan, Price, ProgramRecord,
    ProverDescription, ProverId, Role, Said, Standing, Store, TaskRecord,
};
use std::sync::Arc;
use zkpool_protocol::{
    Address, B256, BlobId, Call, Domain, Job, JobGraph, JobId, Operation, ProgramManifest, ProofKind, Quote, Strategy,
    Task, TaskId, TaskState, Terms, U256, WorkUnits,
};

/// A store under test.
pub type Subject = Arc<dyn Store>;

/// Whose database the suite works on.
pub const OWNER: Owner = Owner {
    domain: Domain { chain_id: 31_337, pool: Address::repeat_byte(0x70) },
    operator: Address::repeat_byte(0x0e),
};

/// One test per case; `$open` makes an empty store from an [`Owner`] and whatever must outlive it.
#[macro_export]
macro_rules! store_conformance {
    ($open:expr; $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let (store, _outlives) = $open($crate::conformance::OWNER).await;
                $crate::conformance::$case(store).await;
            }
        )*
    };
    ($open:expr) => {
        $crate::store_conformance! { $open;
            knows_whose_it_is
            uploads_are_counted_once_and_limited
            programs_and_inputs_come_back_whole
            a_zkvm_program_and_how_it_ran_come_back_whole
            a_verified_program_is_remembered_for_its_verifier
            a_request_comes_back_whole_and_is_stored_once
            pending_requests_are_limited
            a_refusal_ends_an_attempt_and_the_next_one_is_new
            a_slot_has_one_live_quote
            a_payer_has_a_limited_number_of_live_quotes
            a_signature_stays
            every_step_is_guarded
            failed_submissions_are_counted
            what_was_asked_for_on_an_input_is_found
            a_watched_task_takes_a_slot_when_it_is_announced
            a_task_follows_the_chain
            a_quote_lapses_only_when_no_block_can_bring_it_back
            a_quote_that_is_not_backed_is_dishonoured
            a_reorganisation_takes_back_what_it_removes
            a_defaulted_task_whose_end_is_taken_back_has_its_jobs_again
            a_rescue_announced_by_another_binds_by_the_clock
            a_rescue_of_ours_lives_and_ends
            a_rescue_of_ours_that_nobody_noted_binds
            deadlines_that_move_bring_a_missed_task_back
            a_stranger_in_our_name_is_reported
            misses_are_counted_until_the_breaker_is_reset
            an_opened_slot_is_known_by_its_block
            a_graph_grows_and_what_is_there_is_recognised
            a_task_is_proven_only_when_its_graph_is_complete
            only_a_task_that_is_being_proven_grows
            an_unfinished_graph_is_left_and_another_begun
            a_graph_that_has_not_grown_yet_survives_a_reorganisation
            a_job_of_the_services_own_is_never_leased
            results_are_seen_by_whoever_needs_them_and_in_their_order
            a_tasks_jobs_are_counted
            segments_that_a_run_has_left_are_named
            enclaves_and_bundles_come_back_whole
            legs_are_tasks_that_share_their_bundles_time
            a_bundle_is_proven_and_delivered_with_its_legs
            legs_end_and_go_on_with_their_bundle
            nobody_works_on_two_legs
            legs_may_share_a_prover_if_that_is_allowed
            a_leg_is_repeated_by_somebody_else
            legs_are_repeated_together_or_not_at_all
            who_made_a_leg_that_lost_its_worth_may_make_it_again
            a_late_result_gives_nobody_a_second_leg
            a_receipt_is_kept_and_found
            a_proof_is_replaced_before_it_is_submitted
            members_are_believed_once_and_their_lies_are_kept
            what_a_task_pays_is_fixed_once
            tranches_are_planned_opened_and_closed
            receipts_make_a_chain_for_each_prover_and_tranche
            nobody_earns_more_than_its_cap
            what_closes_pays_for_what_is_in_hand
            what_is_set_apart_for_who_has_earned_nothing_is_known
            a_result_is_paid_in_its_token
            jobs_become_ready_when_what_they_need_is_done
            fencing_tokens_grow_and_old_ones_are_worthless
            an_expired_lease_delivers_while_nobody_else_has_the_job
            an_expired_lease_delivers_while_others_have_the_job_that_had_it_before
            of_several_holders_the_first_wins
            a_result_earns_what_its_lease_says
            the_same_result_again_changes_nothing
            a_wrong_result_bars_the_prover_from_the_job
            a_lease_is_needed_to_see_an_input
            heartbeats_renew_and_are_told_of_the_end
            a_prover_that_leaves_returns_its_jobs
            a_result_for_an_unpublished_task_is_kept
            joining_again_changes_nothing
            who_is_out_is_let_in_again
            transactions_are_recorded_once_and_come_back_whole
            open_transactions_come_in_order
            a_nonce_finds_its_transaction
            a_purpose_that_names_a_task_is_found_by_it
        }
    };
}

pub(super) fn address(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

pub(super) const PAYER: Address = Address::repeat_byte(0xaa);
pub(super) const TOKEN: Address = Address::repeat_byte(0x50);
/// Block time at which the suite's world begins.
pub(super) const DAWN: u64 = 1_000;

pub(super) fn program() -> ProgramManifest {
    ProgramManifest::Groth16Bn254 { zkey: BlobId::of(b"zkey"), witness_generator: Some(BlobId::of(b"wasm")) }
}

pub(super) fn guest() -> ProgramManifest {
    ProgramManifest::Risc0 { binary: BlobId::of(b"guest"), image_id: B256::repeat_byte(0x1d) }
}

pub(super) fn ask() -> Ask {
    Ask {
        program: program().id(),
        kind: ProofKind::Groth16Bn254,
        input: BlobId::of(b"input"),
        statement: Some(B256::repeat_byte(0x57)),
        requester: address(0xa1),
        target: address(0xa2),
        encoder: address(0xa3),
        verifier: address(0xa4),
        call: Call { prefix: vec![1, 2].into(), suffix: vec![3].into(), done_check: vec![].into() },
        call_gas: 300_000,
        proof_window: 60,
        liability_window: 120,
        reward_token: address(0x51),
        max_reward: Some(u128::MAX),
        liability_token: TOKEN,
        liability: u128::MAX - 1,
        bond: 30,
        burn: 2,
        strategy: Some(Strategy::Race { provers: 3 }),
    }
}

pub(super) fn new_task(name: u8) -> NewTask {
    NewTask { request: BlobId::of(&[name]), attempt: 0, payer: PAYER, ask: ask() }
}

pub(super) fn price() -> Price {
    Price {
        work: 7,
        gas: u128::MAX / 2,
        premium: 1,
        units: WorkUnits(1_000),
        strategy: Strategy::Compete,
        expected_ms: 900,
    }
}

/// The quote that answers [`ask`] on a slot.
pub(super) fn quote(ask: &Ask, slot: u32, salt: u8) -> Quote {
    Quote {
        terms: Terms {
            requester: ask.requester,
            operator: OWNER.operator,
            target: ask.target,
            encoder: ask.encoder,
            verifier: ask.verifier,
            call_gas: ask.call_gas,
            proof_window: ask.proof_window,
            liability_window: ask.liability_window,
            valid_until: DAWN + 60,
            reward_token: ask.reward_token,
            reward: price().reward(),
            advance: 0,
            liability_token: ask.liability_token,
            liability: ask.liability,
            bond: ask.bond,
            burn: ask.burn,
            honour: 5,
        },
        task: Task {
            slot,
            statement: ask.statement.unwrap_or_default(),
            call_hash: ask.call.hash(),
            input_hash: ask.input.into(),
            salt: B256::repeat_byte(salt),
        },
    }
}

/// A quoted task on slot `slot`.
pub(super) async fn quoted(store: &Subject, slot: u32) -> TaskRecord {
    let name = u8::try_from(slot).unwrap() + 1;
    let task = store.create_task(&new_task(name), 100, 1).await.unwrap();
    let quote = quote(&task.ask, slot, name);
    let id = quote.id(&OWNER.domain);
    store.quote_task(task.key, id, &quote, price(), 100, 2).await.unwrap();
    store.task(id).await.unwrap().unwrap()
}

pub(super) fn id(task: &TaskRecord) -> TaskId {
    task.id().unwrap()
}

/// What the chain says in one block.
pub(super) fn block(number: u64, time: u64, facts: Vec<Fact>) -> Advance {
    Advance {
        cursor: number.to_be_bytes().to_vec(),
        rewind_to: None,
        facts: facts.into_iter().map(|fact| Said { block: number, time, fact }).collect(),
        head: (number, time),
        settled_time: time.saturating_sub(20),
    }
}

/// A reorganisation down to `to`, whose time is `time`.
pub(super) fn rewind(to: u64, time: u64) -> Advance {
    Advance { rewind_to: Some(to), ..block(to, time, vec![]) }
}

pub(super) fn published(task: &TaskRecord) -> Fact {
    Fact::Published { task: id(task), operator: OWNER.operator }
}

pub(super) fn ended(task: &TaskRecord, end: End) -> Fact {
    Fact::Ended { task: id(task), end }
}

pub(super) async fn state(store: &Subject, task: &TaskRecord) -> TaskState {
    store.task_by_key(task.key).await.unwrap().unwrap().state
}

pub(super) fn job(needs: &[u32]) -> Job {
    Job {
        operation: Operation::Single,
        kind: ProofKind::Groth16Bn254,
        program: program().id(),
        input: Some(BlobId::of(b"input")),
        statement: None,
        units: WorkUnits(1_000),
        memory: 64,
        needs: needs.to_vec(),
    }
}

/// A task that is being proven, with one job per entry of `needs`.
pub(super) async fn proving(store: &Subject, slot: u32, needs: &[&[u32]]) -> (TaskRecord, Vec<JobId>) {
    let task = quoted(store, slot).await;
    store.advance(&block(10, DAWN, vec![published(&task)]), 3).await.unwrap();
    plan(store, &task, needs).await;
    let jobs = (0..u32::try_from(needs.len()).unwrap()).map(|index| JobId { task: id(&task), index }).collect();
    (task, jobs)
}

pub(super) async fn plan(store: &Subject, task: &TaskRecord, needs: &[&[u32]]) {
    let graph = JobGraph::new(needs.iter().map(|needs| job(needs)).collect()).unwrap();
    store.plan_task(task.key, &Plan::Complete(graph), 4).await.unwrap();
}

pub(super) fn prover(byte: u8) -> ProverId {
    ProverId { address: address(byte), device: format!("device-{byte}") }
}

pub(super) async fn joined(store: &Subject, byte: u8) -> ProverId {
    let description = ProverDescription {
        cpus: 2,
        memory: 1 << 33,
        concurrency: 2,
        speeds: [(ProofKind::Groth16Bn254, 12_345.5)].into(),
        asks: [(ProofKind::Groth16Bn254, u128::MAX - 7)].into(),
        enclaves: vec![B256::repeat_byte(0xe1)],
        unpaid: false,
    };
    store.join_prover(&prover(byte), &description, 5).await.unwrap();
    prover(byte)
}

/// A registered program and an input of it.
pub(super) async fn catalogued(store: &Subject) -> InputRecord {
    let record = ProgramRecord {
        manifest: program(),
        verifying_key: vec![9; 40],
        measured: Measured { units: WorkUnits(1_000), memory: 64 },
        public_inputs: 2,
        registered_by: PAYER,
    };
    store.put_program(&record, 1).await.unwrap();
    assert_eq!(store.program(program().id()).await.unwrap(), Some(record));
    let input = InputRecord {
        blob: BlobId::of(b"input"),
        program: program().id(),
        attached: vec![BlobId::of(b"witness")],
        measured: Measured { units: WorkUnits(1_000), memory: 64 },
        statement: B256::repeat_byte(0x57),
        public_inputs: vec![U256::from(1), U256::MAX],
        tried: false,
        run: None,
    };
    store.put_input(&input, 2).await.unwrap();
    input
}
