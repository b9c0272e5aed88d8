//! How good the committed weights are, on digits that they were not trained on.

use digit_core::{CLASSES, Image, PIXELS, classify};

/// `count: u32 LE`, then 64 pixels and a label for each digit; written by `train.py` with the weights.
const HELD_OUT: &[u8] = include_bytes!("../held_out.bin");

#[test]
fn at_least_96_of_100_held_out_digits_are_right() {
    let (count, records) = HELD_OUT.split_first_chunk::<4>().unwrap();
    let count = u32::from_le_bytes(*count) as usize;
    assert_eq!(records.len(), count * (PIXELS + 1));
    assert_eq!(count, 1797 / 5, "a fifth of the data set");

    let mut right = 0;
    let mut seen = [0; CLASSES];
    for record in records.chunks_exact(PIXELS + 1) {
        let image: &Image = record.first_chunk().unwrap();
        let label = record[PIXELS];
        right += usize::from(classify(image) == label);
        seen[usize::from(label)] += 1;
    }
    assert!(seen.iter().all(|n| *n >= 20), "every digit is in the test: {seen:?}");
    assert!(100 * right >= 96 * count, "{right} of {count}");
}
