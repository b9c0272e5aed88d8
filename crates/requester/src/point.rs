//! The points of the way at which a crash must do no harm. Tests stop there and start again.

use crate::RequesterError;
use std::{fmt, sync::Arc};

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A point between two durable steps.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Point {
            $($(#[$doc])* $name,)*
        }

        impl Point {
            /// Every point, in the order of the way.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

points! {
    /// The quote was chosen, nothing is on disk.
    Chosen,
    /// The input is on disk, the record is not.
    InputStored,
    /// The record is on disk.
    Recorded,
    /// The approval is in the journal, not sent.
    ApprovalQueued,
    /// The approval is mined.
    Approved,
    /// The publication is in the journal, not sent.
    PublicationQueued,
    /// The publication is in a block, its outcome is not on disk.
    PublicationMined,
    /// The outcome is on disk.
    PublicationNoted,
    /// The collection is in the journal, not sent.
    CollectionQueued,
    /// The collection is in a block, the end is not on disk.
    CollectionMined,
}

/// Told of every point; can stop there. Does nothing outside tests.
#[derive(Clone, Default)]
pub(crate) struct Probe(Option<Arc<Stop>>);

type Stop = dyn Fn(Point) -> Result<(), RequesterError> + Send + Sync;

impl Probe {
    #[cfg(test)]
    pub(crate) fn new(probe: impl Fn(Point) -> Result<(), RequesterError> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(probe)))
    }

    pub(crate) fn at(&self, point: Point) -> Result<(), RequesterError> {
        match &self.0 {
            Some(probe) => probe(point),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}
