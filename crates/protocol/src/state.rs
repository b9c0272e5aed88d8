//! The states of tasks and jobs in an operator's service, and the only ways between them.
//!
//! ```text
//!  Preflight ─▶ Quoted ─▶ Published ─▶ Proving ─▶ Proven ◀─▶ Submitting ─▶ Delivered
//!      │          │ │         ▲           │          │           │
//!      ▼          │ │         │           └──────────┴───────────┴──▶ Missed ─▶ Defaulted
//!   Refused       │ └▶ Dishonoured        (any live state) ──▶ Delivered, Rescued, Defaulted, Unwound, Released
//!                 └▶ Lapsed   │
//!  Watched ◀─▶ Announcing ────┘   (somebody else's late task)
//!      └──────────┴──▶ Released
//! ```
//!
//! Behind the bar (`undone`) stand the ways that only a reorganisation of the chain takes: what the removed blocks had
//! said is taken back, and the state follows anew from what is left and from the work that is stored.
//!
//! The store refuses every other transition. The crash tests are generated from [`TaskState::next`] and
//! [`TaskState::undone`]: a new state cannot be forgotten.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! states {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$doc:meta])* $state:ident = $text:literal => [$($next:ident),*] | [$($undone:ident),*],)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $state,)*
        }

        impl $name {
            /// Every state.
            pub const ALL: &'static [Self] = &[$(Self::$state,)*];

            /// The name in the database, on the wire and on the page.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$state => $text,)* }
            }

            /// The state with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|state| state.as_str() == name)
            }

            /// The states that may follow.
            pub const fn next(self) -> &'static [Self] {
                match self { $(Self::$state => &[$(Self::$next,)*],)* }
            }

            /// The states that a reorganisation of the chain may lead back to.
            pub const fn undone(self) -> &'static [Self] {
                match self { $(Self::$state => &[$(Self::$undone,)*],)* }
            }

            /// Whether `to` may follow, forwards or by a reorganisation.
            pub fn may_become(self, to: Self) -> bool {
                self.next().contains(&to) || self.undone().contains(&to)
            }

            /// Whether nothing follows, unless the chain takes back what it said.
            pub const fn is_final(self) -> bool {
                self.next().is_empty()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

states! {
    /// A task, as the operator's service sees it.
    TaskState {
        /// Asked for; the input is being checked in a process of its own.
        Preflight = "preflight" => [Quoted, Refused] | [],
        /// Not quoted; the error says why.
        Refused = "refused" => [] | [],
        /// A firm quote exists; the row was committed before it was signed.
        Quoted = "quoted" => [Published, Dishonoured, Lapsed] | [],
        /// The quote expired without being published.
        Lapsed = "lapsed" => [] | [Published, Dishonoured],
        /// Published, but the slot could not back it.
        Dishonoured = "dishonoured" => [] | [Quoted],
        /// Somebody else's published task that this operator could take over when it is late.
        Watched = "watched" => [Announcing, Published, Released] | [],
        /// The rescue's transaction is recorded and on its way.
        Announcing = "announcing" => [Published, Watched, Released] | [],
        /// On chain and backed by a slot of this operator; not planned yet.
        Published = "published" =>
            [Proving, Delivered, Missed, Rescued, Defaulted, Unwound, Released] | [Quoted, Watched],
        /// Its jobs exist.
        Proving = "proving" => [Proven, Delivered, Missed, Rescued, Defaulted, Unwound, Released] | [Quoted, Watched],
        /// The proof is verified and durable.
        Proven = "proven" =>
            [Submitting, Delivered, Missed, Rescued, Defaulted, Unwound, Released] | [Quoted, Watched],
        /// The transaction that carries the proof is recorded and on its way.
        Submitting = "submitting" =>
            [Proven, Delivered, Missed, Rescued, Defaulted, Unwound, Released] | [Quoted, Watched],
        /// The contract accepted the proof.
        Delivered = "delivered" => [] | [Published, Proving, Proven, Quoted, Watched],
        /// The liability window is over and the proof is not delivered; nobody has collected yet.
        Missed = "missed" =>
            [Delivered, Rescued, Defaulted, Unwound] | [Published, Proving, Proven, Quoted, Watched],
        /// Another operator has taken it over.
        Rescued = "rescued" => [] | [Published, Proving, Proven, Quoted],
        /// The requester has been refunded and has the liability.
        Defaulted = "defaulted" => [] | [Published, Proving, Proven, Quoted, Watched],
        /// Ended without fault, because the verifier was halted too long.
        Unwound = "unwound" => [] | [Published, Proving, Proven, Quoted, Watched],
        /// Not this operator's concern any more: the original delivered in time, or it ended otherwise.
        Released = "released" => [] | [Published, Proving, Proven, Watched],
    }
}

states! {
    /// A job, as the operator's service sees it.
    JobState {
        /// Waits for the results that it needs.
        Waiting = "waiting" => [Ready, Cancelled] | [],
        /// Can be given to a prover.
        Ready = "ready" => [Leased, Done, Cancelled] | [],
        /// A prover holds it until its lease ends.
        Leased = "leased" => [Ready, Done, Cancelled] | [],
        /// Its result is verified and durable.
        Done = "done" => [] | [],
        /// Not needed any more.
        Cancelled = "cancelled" => [] | [Waiting, Ready],
    }
}

impl TaskState {
    /// Whether a slot of this operator holds the task on chain.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Published | Self::Proving | Self::Proven | Self::Submitting | Self::Missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_wire() {
        for state in TaskState::ALL {
            assert_eq!(TaskState::from_name(state.as_str()), Some(*state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for state in JobState::ALL {
            assert_eq!(JobState::from_name(state.as_str()), Some(*state));
        }
    }

    #[test]
    fn every_state_can_be_reached_and_every_end_of_a_live_task_taken_back() {
        let reached = |state: TaskState| {
            matches!(state, TaskState::Preflight | TaskState::Watched)
                || TaskState::ALL.iter().any(|from| from.may_become(state))
        };
        assert!(TaskState::ALL.iter().all(|state| reached(*state)));
        for live in TaskState::ALL.iter().filter(|state| state.is_live()) {
            for end in [TaskState::Delivered, TaskState::Rescued, TaskState::Defaulted, TaskState::Unwound] {
                assert!(live == &end || live.may_become(end), "the chain decides: {live} -> {end}");
                assert!(end.undone().contains(&TaskState::Proven), "a reorganisation takes back {end}");
            }
        }
    }
}
