//! The program on batches of each kind.

use rollup_core::{DEPTH, Portable, TRANSFERS};
use zkpool_enclave::Program;
use zkpool_rollup::testing::{invalid, valid};
use zkpool_rollup_enclave::Rollup;

#[test]
fn puts_out_the_journal_or_why_not() {
    let mut cases = invalid::<Portable, DEPTH, TRANSFERS>(1);
    cases.push(valid::<Portable, DEPTH, TRANSFERS>(1, TRANSFERS));
    for case in cases {
        let expected = case.expected.map(|journal| journal.encode().to_vec()).map_err(|refusal| refusal.to_string());
        assert_eq!(Rollup.run(&case.input), expected, "{}", case.name);
    }
}
