//! What the chain says, and the state of a task that follows from it: [`state_on_chain`].
//!
//! Facts are kept with the height that said them. A reorganisation removes those above the fork, and the same function
//! says what follows from the rest.

use crate::{AnnouncedRescue, End, Role, TaskKey, TaskRecord};
use zkpool_protocol::{Address, TaskId, TaskState};

/// Something that the chain says about a task, or a slot of this operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The quote was accepted.
    Published {
        /// The task.
        task: TaskId,
        /// Who signed.
        operator: Address,
    },
    /// Somebody will take it over.
    RescueAnnounced {
        /// The task.
        task: TaskId,
        /// Who.
        rescuer: Address,
        /// With which of its slots.
        slot: u32,
        /// When it takes effect, in seconds.
        effective_at: u64,
    },
    /// It was taken over.
    Novated {
        /// The task.
        task: TaskId,
    },
    /// Its deadlines moved, because the verifier was halted.
    Deadlines {
        /// The task.
        task: TaskId,
        /// Last second on time.
        proof: u64,
        /// Last second at which it can be proven.
        liability: u64,
    },
    /// It is settled.
    Ended {
        /// The task.
        task: TaskId,
        /// How.
        end: End,
    },
    /// A slot of this operator was opened.
    SlotOpened {
        /// Token of its collateral.
        token: Address,
        /// Its index.
        slot: u32,
    },
}

/// A fact where it stands in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Height of the block.
    pub block: u64,
    /// Its time, in seconds.
    pub time: u64,
    /// What it says.
    pub fact: Fact,
}

/// One step along the chain; all of it becomes durable at once, with the follower's cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// The follower's new cursor, as it writes it.
    pub cursor: Vec<u8>,
    /// Everything above this height is not part of the chain any more. Comes before the facts.
    pub rewind_to: Option<u64>,
    /// What was said, in order.
    pub facts: Vec<Said>,
    /// Height and time of the last block seen.
    pub head: (u64, u64),
    /// Time of the newest block that is deep enough not to be reorganised.
    pub settled_time: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advanced {
    /// Tasks that changed.
    pub changed: Vec<TaskKey>,
    /// Tasks published in this operator's name that it does not know: somebody else signs with its key, or the
    /// database is an old copy.
    pub strangers: Vec<TaskId>,
}

/// The state that follows from what the chain says at `time` (seconds) and from the work that is stored.
///
/// A live state that the facts allow is kept: how far the work is, the chain does not know.
pub(crate) fn state_on_chain(task: &TaskRecord, operator: Address, is_started: bool, time: u64) -> TaskState {
    match task.role {
        Role::Own => own(task, is_started, time),
        Role::Rescue => rescue(task, operator, is_started, time),
        // The chain knows the bundle alone: a leg goes where its bundle goes.
        Role::Leg => task.state,
    }
}

fn own(task: &TaskRecord, is_started: bool, time: u64) -> TaskState {
    let chain = &task.chain;
    let end = chain.ended.map(|(_, end)| end);
    match end {
        Some(End::Dishonoured) => return TaskState::Dishonoured,
        _ if chain.published.is_none() => {
            return match task.state {
                state @ (TaskState::Preflight | TaskState::Refused | TaskState::Lapsed) => state,
                _ => TaskState::Quoted,
            };
        }
        _ if chain.novated.is_some() => return TaskState::Rescued,
        Some(End::DeliveredOnTime | End::DeliveredLate) => return TaskState::Delivered,
        Some(End::Defaulted) => return TaskState::Defaulted,
        Some(End::Unwound) => return TaskState::Unwound,
        None => {}
    }
    if chain.rescue.is_some_and(|rescue| in_effect(&rescue, time)) {
        return TaskState::Rescued;
    }
    live(task, is_started, time)
}

fn rescue(task: &TaskRecord, operator: Address, is_started: bool, time: u64) -> TaskState {
    let chain = &task.chain;
    let ours = chain.rescue.is_some_and(|rescue| rescue.rescuer == operator);
    let over = time > chain.liability_deadline;
    match chain.ended.map(|(_, end)| end) {
        Some(End::Defaulted) if ours => TaskState::Defaulted,
        Some(End::Unwound) if chain.novated.is_some() && ours => TaskState::Unwound,
        Some(End::DeliveredOnTime | End::DeliveredLate) if chain.novated.is_some() && ours => TaskState::Delivered,
        // The original delivered in time, or somebody else's rescue came to its end.
        Some(_) => TaskState::Released,
        None if ours => live(task, is_started, time),
        None if chain.rescue.is_some() || over => TaskState::Released,
        None if task.state == TaskState::Announcing => TaskState::Announcing,
        None => TaskState::Watched,
    }
}

fn live(task: &TaskRecord, is_started: bool, time: u64) -> TaskState {
    if time > task.chain.liability_deadline {
        return TaskState::Missed;
    }
    match task.state {
        state if state.is_live() && state != TaskState::Missed => state,
        _ if task.proof.is_some() => TaskState::Proven,
        _ if is_started => TaskState::Proving,
        _ => TaskState::Published,
    }
}

/// From that second on the original cannot deliver any more.
fn in_effect(rescue: &AnnouncedRescue, time: u64) -> bool {
    time >= rescue.effective_at
}
