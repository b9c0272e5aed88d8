//! The process dies at every stored transition, before and after it is durable, and is started again: nothing is lost and
//! nothing paid twice.
//!
//! The list is generated from the state types. A transition that no case here reaches fails its test, so a new one cannot
//! be forgotten.

mod case;

use case::Case;
use std::collections::BTreeSet;
use zkpool_protocol::{JobState, TaskState};
use zkpool_store::faults::{Move, Side};

/// Dies at each of these steps, on both sides, and lives on.
async fn survive(steps: impl IntoIterator<Item = Move>) {
    for step in steps {
        for side in [Side::Before, Side::After] {
            let mut case = Case::new(step).await;
            case.prepare().await;
            case.die(side).await;
            case.live_on().await;
            case.check(&format!("{step}:{side}")).await;
        }
    }
}

fn from(state: TaskState) -> Vec<Move> {
    let mut steps: Vec<Move> = Move::all();
    steps.retain(|step| matches!(step, Move::Task(Some(from), _) if *from == state));
    steps
}

macro_rules! states {
    ($($test:ident $state:ident,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                survive(from(TaskState::$state)).await;
            }
        )*

        #[test]
        fn every_state_has_its_test() {
            let tested: BTreeSet<TaskState> = [$(TaskState::$state,)*].into();
            let left: BTreeSet<TaskState> =
                TaskState::ALL.iter().copied().filter(|state| !from(*state).is_empty()).collect();
            assert_eq!(tested, left);
        }
    };
}

states! {
    dies_leaving_preflight Preflight,
    dies_leaving_quoted Quoted,
    dies_leaving_lapsed Lapsed,
    dies_leaving_dishonoured Dishonoured,
    dies_leaving_watched Watched,
    dies_leaving_announcing Announcing,
    dies_leaving_published Published,
    dies_leaving_proving Proving,
    dies_leaving_proven Proven,
    dies_leaving_submitting Submitting,
    dies_leaving_delivered Delivered,
    dies_leaving_missed Missed,
    dies_leaving_rescued Rescued,
    dies_leaving_defaulted Defaulted,
    dies_leaving_unwound Unwound,
    dies_leaving_released Released,
}

/// Where tasks and jobs begin. The walk over the real contracts fails if it meets another beginning.
pub(crate) const BEGINNINGS: [Move; 4] = [
    Move::Task(None, TaskState::Preflight),
    Move::Task(None, TaskState::Watched),
    Move::Job(None, JobState::Ready),
    Move::Job(None, JobState::Waiting),
];

#[tokio::test]
async fn dies_while_something_is_made() {
    survive(BEGINNINGS).await;
}

#[tokio::test]
async fn dies_at_every_step_of_a_job() {
    survive(Move::all().into_iter().filter(|step| matches!(step, Move::Job(..)))).await;
}

/// What is noted besides a state, for a task of one job. (A zkVM task's notes: `http/execution.rs`, `http/committee.rs`.)
#[tokio::test]
async fn dies_when_a_graph_is_complete() {
    survive([Move::Note(zkpool_store::Noted::Planned)]).await;
}

#[tokio::test]
async fn dies_at_every_step_of_a_transaction() {
    survive(Move::all().into_iter().filter(|step| matches!(step, Move::Transaction(_)))).await;
}
