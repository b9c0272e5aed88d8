//! Failure on demand (feature `faults`): the process dies before or after a chosen write.
//!
//! Every write that moves a task or a job passes here twice: before it is committed and after. A test walks through all
//! of these places and finds out whether anything is lost or done twice.

use crate::Noted;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use zkpool_chain::TxState;
use zkpool_protocol::{JobState, TaskState};

/// A step that a write makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// A task's; `None`: it is made.
    Task(Option<TaskState>, TaskState),
    /// A job's; `None`: it is made.
    Job(Option<JobState>, JobState),
    /// A transaction is recorded in this state.
    Transaction(TxState),
    /// Something is added to a task that is no state of it.
    Note(Noted),
}

impl Noted {
    const ALL: [Self; 5] = [Self::Grown, Self::Abandoned, Self::Planned, Self::Receipt, Self::Attested];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Grown => "grown",
            Self::Abandoned => "abandoned",
            Self::Planned => "planned",
            Self::Receipt => "receipt",
            Self::Attested => "attested",
        }
    }
}

/// On which side of the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The step is lost.
    Before,
    /// The step is durable, but whoever made it does not learn so.
    After,
}

/// What happens at a chosen place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// This and every later use of the store fails, as if the process had died: for tests in one process.
    Fail,
    /// The process aborts: for tests over several.
    Abort,
}

/// Where a store dies, and what it went through. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    place: Option<(Move, Side, Death)>,
    dead: bool,
    seen: Vec<Move>,
}

impl Faults {
    /// Dies at this place.
    pub fn at(step: Move, side: Side, death: Death) -> Self {
        let faults = Self::default();
        faults.lock().place = Some((step, side, death));
        faults
    }

    /// Dies at this place, from now on.
    pub fn arm(&self, step: Move, side: Side, death: Death) {
        self.lock().place = Some((step, side, death));
    }

    /// From text as [`Move`] and [`Side`] print it: `task:quoted>published:after`. Aborts there.
    pub fn parse(text: &str) -> Option<Self> {
        let (step, side) = text.rsplit_once(':')?;
        let side = [Side::Before, Side::After].into_iter().find(|s| s.to_string() == side)?;
        Some(Self::at(Move::parse(step)?, side, Death::Abort))
    }

    /// Every step that was made durable, in order.
    pub fn seen(&self) -> Vec<Move> {
        self.lock().seen.clone()
    }

    /// Whether the chosen place was reached.
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Whether the store can be used.
    pub(crate) fn alive(&self) -> Result<(), String> {
        if self.lock().dead { Err("the process is dead".into()) } else { Ok(()) }
    }

    pub(crate) fn pass(&self, steps: &[Move], side: Side) -> Result<(), String> {
        let mut inner = self.lock();
        if side == Side::After {
            inner.seen.extend_from_slice(steps);
        }
        match inner.place {
            Some((step, at, death)) if at == side && steps.contains(&step) => {
                if death == Death::Abort {
                    std::process::abort();
                }
                inner.place = None;
                inner.dead = true;
                Err(format!("{step}:{side}"))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Move {
    /// Every step that [`TaskState`], [`JobState`], [`TxState`] and [`Noted`] know.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for from in TaskState::ALL {
            all.extend(from.next().iter().chain(from.undone()).map(|to| Self::Task(Some(*from), *to)));
        }
        for from in JobState::ALL {
            all.extend(from.next().iter().chain(from.undone()).map(|to| Self::Job(Some(*from), *to)));
        }
        all.extend(TxState::ALL.map(Self::Transaction));
        all.extend(Noted::ALL.map(Self::Note));
        all
    }

    fn parse(text: &str) -> Option<Self> {
        let (thing, way) = text.split_once(':')?;
        if thing == "transaction" {
            return TxState::from_name(way).map(Self::Transaction);
        }
        if thing == "note" {
            return Noted::ALL.into_iter().find(|noted| noted.as_str() == way).map(Self::Note);
        }
        let (from, to) = way.split_once('>')?;
        let given = |from: &str| (!from.is_empty()).then(|| from.to_owned());
        match thing {
            "task" => Some(Self::Task(
                given(from).map(|from| TaskState::from_name(&from).ok_or(())).transpose().ok()?,
                TaskState::from_name(to)?,
            )),
            "job" => Some(Self::Job(
                given(from).map(|from| JobState::from_name(&from).ok_or(())).transpose().ok()?,
                JobState::from_name(to)?,
            )),
            _ => None,
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(from, to) => write!(f, "task:{}>{to}", from.map_or("", TaskState::as_str)),
            Self::Job(from, to) => write!(f, "job:{}>{to}", from.map_or("", JobState::as_str)),
            Self::Transaction(state) => write!(f, "transaction:{state}"),
            Self::Note(noted) => write!(f, "note:{}", noted.as_str()),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_can_be_named() {
        for step in Move::all().into_iter().chain([Move::Task(None, TaskState::Preflight)]) {
            assert_eq!(Move::parse(&step.to_string()), Some(step), "{step}");
            assert!(Faults::parse(&format!("{step}:{}", Side::After)).is_some());
        }
        for bad in ["", "task", "task:quoted>published", "task:quoted>nowhere:after", "x:a>b:after"] {
            assert!(Faults::parse(bad).is_none(), "{bad}");
        }
    }
}
