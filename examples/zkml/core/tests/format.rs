//! Inputs and journals: what is accepted, and that nothing else is.

use digit_core::{
    CLASSES, DARKEST, Error, Image, Journal, MAX_IMAGES, MODEL, PIXELS, answer, classify, decode_input, encode_input,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn image() -> impl Strategy<Value = Image> {
    proptest::array::uniform(0..=DARKEST)
}

proptest! {
    #[test]
    fn the_journal_names_model_input_and_classes(images in proptest::collection::vec(image(), 1..20)) {
        let input = encode_input(&images).unwrap();
        prop_assert_eq!(decode_input(&input).unwrap(), &images[..]);

        let journal = answer(&input, sha256).unwrap();
        let decoded = Journal::decode(&journal).unwrap();
        prop_assert_eq!(decoded.model, sha256(MODEL));
        prop_assert_eq!(decoded.input, sha256(&input));
        prop_assert_eq!(decoded.classes, images.iter().map(classify).collect::<Vec<_>>());
    }

    #[test]
    fn a_journal_that_is_cut_or_continued_is_none(images in proptest::collection::vec(image(), 1..4), cut in 1usize..90) {
        let mut journal = answer(&encode_input(&images).unwrap(), sha256).unwrap();
        let cut = cut.min(journal.len());
        prop_assert!(Journal::decode(&journal[..journal.len() - cut]).is_err());
        journal.push(0);
        prop_assert!(Journal::decode(&journal).is_err());
    }
}

#[test]
fn an_input_of_another_length_is_refused() {
    let input = encode_input(&[[0; PIXELS]; 2]).unwrap();
    let expected = input.len();
    let longer = [&input[..], &[0]].concat();
    let an_image_more = [&input[..], &[0; PIXELS]].concat();
    for wrong in [&input[..expected - 1], &longer, &an_image_more] {
        assert_eq!(decode_input(wrong), Err(Error::Length { expected, actual: wrong.len() }));
    }
    assert_eq!(decode_input(&input[..3]), Err(Error::Length { expected: 4, actual: 3 }));
}

#[test]
fn the_count_is_bounded() {
    assert_eq!(encode_input(&[]), Err(Error::Count(0)));
    assert!(encode_input(&vec![[0; PIXELS]; MAX_IMAGES]).is_ok());
    assert_eq!(encode_input(&vec![[0; PIXELS]; MAX_IMAGES + 1]), Err(Error::Count(MAX_IMAGES as u32 + 1)));
    assert_eq!(decode_input(&u32::MAX.to_be_bytes()), Err(Error::Count(u32::MAX)));
}

#[test]
fn a_pixel_darker_than_the_darkest_is_refused() {
    let mut image = [0; PIXELS];
    image[63] = DARKEST + 1;
    assert_eq!(encode_input(&[image]), Err(Error::Pixel(DARKEST + 1)));
}

#[test]
fn a_class_that_does_not_exist_is_refused() {
    let mut journal = answer(&encode_input(&[[0; PIXELS]]).unwrap(), sha256).unwrap();
    *journal.last_mut().unwrap() = CLASSES as u8;
    assert_eq!(Journal::decode(&journal), Err(Error::Class(10)));
}
