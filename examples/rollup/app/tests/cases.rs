//! The core on batches of each kind.

use rollup_core::{Portable, apply};
use zkpool_rollup::testing::{invalid, valid};

fn check<const DEPTH: usize, const TRANSFERS: usize>() {
    for seed in 0..4 {
        for transfers in 1..=TRANSFERS {
            let case = valid::<Portable, DEPTH, TRANSFERS>(seed, transfers);
            assert_eq!(apply::<Portable, DEPTH, TRANSFERS>(&case.input), case.expected);
        }
        for case in invalid::<Portable, DEPTH, TRANSFERS>(seed) {
            assert_eq!(apply::<Portable, DEPTH, TRANSFERS>(&case.input), case.expected, "{}", case.name);
        }
    }
}

#[test]
fn each_kind_of_batch_is_told_apart_in_every_shape() {
    check::<1, 1>();
    check::<1, 2>();
    check::<3, 2>();
    check::<5, 4>();
}
