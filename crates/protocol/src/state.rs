//! The states of tasks and jobs in an operator's service, and the only ways between them.
//!
//! ```text
//!  Preflight ─▶ Quoted ─▶ Published ─▶ Proving ─▶ Proven ─▶ Submitting ─▶ Delivered
//!      │          │ │         ▲           │          │           │
//!      ▼          │ │         │           └──────────┴───────────┴──▶ Missed ─▶ Defaulted
//!   Refused       │ └▶ Dishonoured        (any live state) ──▶ Rescued, Delivered, Defaulted, Unwound
//!                 └▶ Lapsed   │
//!  Watched ─▶ Announcing ─────┘   (somebody else's late task)
//!      └──────────┴──▶ Released
//! ```
//!
//! The store refuses every other transition. The crash tests are generated from [`TaskState::next`]: a new state cannot
//! be forgotten.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! states {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $state:ident = $text:literal => [$($next:ident),*],)* }) => {
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

            /// Whether `to` may follow.
            pub fn may_become(self, to: Self) -> bool {
                self.next().contains(&to)
            }

            /// Whether nothing follows.
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
        Preflight = "preflight" => [Quoted, Refused],
        /// Not quoted; the error says why.
        Refused = "refused" => [],
        /// A firm quote exists; the row was committed before it was signed.
        Quoted = "quoted" => [Published, Dishonoured, Lapsed],
        /// The quote expired without being published.
        Lapsed = "lapsed" => [],
        /// Published, but the slot could not back it.
        Dishonoured = "dishonoured" => [],
        /// Somebody else's published task that this operator could take over when it is late.
        Watched = "watched" => [Announcing, Released],
        /// The rescue's transaction is recorded and on its way.
        Announcing = "announcing" => [Published, Watched, Released],
        /// On chain and backed by a slot of this operator; not planned yet.
        Published = "published" => [Proving, Missed, Delivered, Rescued, Defaulted, Unwound, Released, Quoted],
        /// Its jobs exist.
        Proving = "proving" => [Proven, Missed, Delivered, Rescued, Defaulted, Unwound, Released, Quoted],
        /// The proof is verified and durable.
        Proven = "proven" => [Submitting, Missed, Delivered, Rescued, Defaulted, Unwound, Released, Quoted],
        /// The transaction that carries the proof is recorded and on its way.
        Submitting = "submitting" => [Proven, Missed, Delivered, Rescued, Defaulted, Unwound, Released, Quoted],
        /// The contract accepted the proof.
        Delivered = "delivered" => [Proven],
        /// The liability window is over and the proof is not delivered; nobody has collected yet.
        Missed = "missed" => [Delivered, Rescued, Defaulted, Unwound],
        /// Another operator has taken it over.
        Rescued = "rescued" => [],
        /// The requester has been refunded and has the liability.
        Defaulted = "defaulted" => [],
        /// Ended without fault, because the verifier was halted too long.
        Unwound = "unwound" => [],
        /// Not this operator's concern any more: the original delivered in time, or it ended otherwise.
        Released = "released" => [],
    }
}

states! {
    /// A job, as the operator's service sees it.
    JobState {
        /// Waits for the results that it needs.
        Waiting = "waiting" => [Ready, Cancelled],
        /// Can be given to a prover.
        Ready = "ready" => [Leased, Cancelled],
        /// A prover holds it until its lease ends.
        Leased = "leased" => [Ready, Done, Cancelled],
        /// Its result is verified and durable.
        Done = "done" => [],
        /// Not needed any more.
        Cancelled = "cancelled" => [],
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
    fn every_state_can_be_reached_and_left_or_is_final() {
        let reached = |state: TaskState| {
            matches!(state, TaskState::Preflight | TaskState::Watched)
                || TaskState::ALL.iter().any(|from| from.may_become(state))
        };
        assert!(TaskState::ALL.iter().all(|state| reached(*state)));
        for live in TaskState::ALL.iter().filter(|state| state.is_live()) {
            for end in [TaskState::Delivered, TaskState::Rescued, TaskState::Defaulted, TaskState::Unwound] {
                assert!(live.may_become(end), "the chain decides: {live} -> {end}");
            }
        }
    }
}
