//! The runs of a preflight: one for each size of segment that is asked for, and never less than two.
//!
//! A quote promises one journal, and the execution that is proven is another run than the one that was priced. Programs can
//! draw random numbers (each does, to hide its memory), read how many cycles they have taken, or iterate over a hash map.
//! Two runs do not show that a journal will always be the same; they show it of every program that is wrong by accident.

use super::{
    GuestError,
    execute::{Cut, GuestInput, MAX_SEGMENT_PO2, Run, run},
    program::Guest,
};
use crate::{BackendError, Control, Stage};
use std::collections::BTreeMap;
use zkpool_protocol::Segmentation;

/// The least number of runs.
const LEAST: usize = 2;

/// What all runs have in common, and how each was cut.
pub(super) struct Runs {
    /// The first one.
    pub first: Run,
    /// The segments of the first one.
    pub segments: BTreeMap<u32, u32>,
    /// At each of the limits, those included that are too small for the program.
    pub cuts: Vec<Segmentation>,
}

/// Runs a program at each of the limits. If all of them are too small for it, it is run in larger segments: then it is
/// the machines that are too small, and not the program that is wrong.
pub(super) fn runs(
    guest: &Guest,
    input: &GuestInput,
    limits: &[u32],
    cycles: u64,
    control: &Control,
) -> Result<Runs, BackendError> {
    collect(limits, control, |limit| {
        let mut segments = BTreeMap::<u32, u32>::new();
        let count = |cut: Cut| {
            *segments.entry(cut.po2).or_default() += 1;
            Ok(())
        };
        let run = run(guest, input, limit, cycles, control, count)?;
        Ok((run, segments))
    })
}

/// One run in segments of a limited size.
type Ran = (Run, BTreeMap<u32, u32>);

fn collect(
    limits: &[u32],
    control: &Control,
    mut run: impl FnMut(u32) -> Result<Ran, BackendError>,
) -> Result<Runs, BackendError> {
    let mut attempt = |limit, first: Option<&Run>| match run(limit) {
        Ok((run, _)) if first.is_some_and(|first| first.journal != run.journal) => Err(GuestError::Unsteady.into()),
        Ok(ran) => Ok(Some(ran)),
        Err(BackendError::Guest(GuestError::SegmentTooSmall(_))) => Ok(None),
        Err(error) => Err(error),
    };
    let (mut first, mut cuts, mut done) = (None::<(u32, Ran)>, Vec::new(), 0);
    for &limit in limits {
        match attempt(limit, first.as_ref().map(|(_, (run, _))| run))? {
            None => cuts.push(Segmentation::too_small(limit)),
            Some(ran) => {
                cuts.push(Segmentation { limit, segments: ran.1.clone() });
                first.get_or_insert((limit, ran));
                done += 1;
            }
        }
        control.report(Stage::Witness, cuts.len() as f64 / limits.len().max(LEAST) as f64);
    }
    let mut larger = limits.iter().max().map_or(MAX_SEGMENT_PO2, |most| most + 1)..=MAX_SEGMENT_PO2;
    let (limit, (run, segments)) = loop {
        if let Some(first) = first {
            break first;
        }
        let limit = larger.next().ok_or(GuestError::SegmentTooSmall(MAX_SEGMENT_PO2))?;
        if let Some(ran) = attempt(limit, None)? {
            first = Some((limit, ran));
            done += 1;
        }
    };
    for _ in done..LEAST {
        attempt(limit, Some(&run))?;
    }
    control.report(Stage::Witness, 1.0);
    Ok(Runs { first: run, segments, cuts })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that takes segments of 2^`least`; what it makes public in each run. Returns its runs' limits, too.
    fn collected(limits: &[u32], least: u32, journals: &[u8]) -> (Vec<u32>, Result<Runs, BackendError>) {
        let (mut tried, mut journals) = (Vec::new(), journals.iter().cycle());
        let runs = collect(limits, &Control::new(), |limit| {
            tried.push(limit);
            if limit < least {
                return Err(GuestError::SegmentTooSmall(limit).into());
            }
            let journal = journals.next().map(|byte| vec![*byte]).unwrap_or_default();
            Ok((Run { journal, cycles: 1, segments: 1 }, [(limit, 1)].into()))
        });
        (tried, runs)
    }

    #[test]
    fn a_program_is_run_twice_at_least() {
        assert_eq!(collected(&[18], 14, &[1]).0, [18, 18]);
        assert_eq!(collected(&[18, 17], 14, &[1]).0, [18, 17]);
        assert_eq!(collected(&[18, 17, 16], 14, &[1]).0, [18, 17, 16]);
        assert_eq!(collected(&[18, 14], 16, &[1]).0, [18, 14, 18]);
    }

    #[test]
    fn a_journal_that_differs_is_named() {
        for limits in [&[18][..], &[18, 17], &[18, 17, 16], &[14]] {
            let (_, runs) = collected(limits, 16, &[1, 2]);
            assert!(matches!(runs, Err(BackendError::Guest(GuestError::Unsteady))), "{limits:?}");
        }
    }

    #[test]
    fn what_is_too_small_is_noted() {
        let runs = collected(&[18, 15, 14], 16, &[1]).1.unwrap();
        let cut = |limit, count| Segmentation { limit, segments: [(limit, count)].into() };
        assert_eq!(runs.cuts, [cut(18, 1), cut(15, 0), cut(14, 0)]);
        assert_eq!(runs.segments, [(18, 1)].into());
    }

    #[test]
    fn small_machines_are_not_the_programs_fault() {
        let (tried, runs) = collected(&[15, 14], 17, &[1]);
        assert_eq!(tried, [15, 14, 16, 17, 17]);
        assert_eq!(runs.unwrap().cuts, [Segmentation::too_small(15), Segmentation::too_small(14)]);
        let (tried, runs) = collected(&[21], 23, &[1]);
        assert_eq!(tried, [21, 22]);
        assert!(matches!(runs, Err(BackendError::Guest(GuestError::SegmentTooSmall(22)))));
    }
}
