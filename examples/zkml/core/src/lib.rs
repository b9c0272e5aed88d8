//! A digit classifier in integers, shared by the zkVM guest that proves it and by everybody who asks or checks.
//!
//! [`answer`] is the whole program: from an input (a batch of images) to a journal that says which model, applied to
//! which input, gave which classes. The hash function is an argument, because a zkVM has its own.
//!
//! The weights are made by `../train/train.py`, which describes their file.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::fmt;

mod network;

pub use network::{CLASSES, classify};

/// The weights as they are committed to and compiled in.
pub static MODEL: &[u8] = include_bytes!("../model.bin");

/// Pixels of one image: 8 rows of 8, from the top left.
pub const PIXELS: usize = 64;

/// The darkest pixel; 0 is empty.
pub const DARKEST: u8 = 16;

/// Images that one input may hold, so that a guest's memory and time are bounded.
pub const MAX_IMAGES: usize = 4096;

/// One image, row by row, each pixel 0 to [`DARKEST`].
pub type Image = [u8; PIXELS];

/// A SHA-256 of some bytes.
pub type Hash = [u8; 32];

/// Why bytes are not an input or a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The count of images is zero or above [`MAX_IMAGES`].
    Count(u32),
    /// The length is not what the count of images asks for.
    Length {
        /// Bytes that the count asks for.
        expected: usize,
        /// Bytes that there are.
        actual: usize,
    },
    /// A pixel is above [`DARKEST`].
    Pixel(u8),
    /// A class is not below [`CLASSES`].
    Class(u8),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count} images: there must be 1 to {MAX_IMAGES}"),
            Self::Length { expected, actual } => write!(f, "{actual} bytes where the count asks for {expected}"),
            Self::Pixel(pixel) => write!(f, "a pixel of {pixel}: the darkest is {DARKEST}"),
            Self::Class(class) => write!(f, "class {class}: there are {CLASSES}"),
        }
    }
}

impl core::error::Error for Error {}

/// A batch of images as the guest reads it: `count: u32 BE ‖ pixels`, one byte each, image after image. The commitment
/// to an input is the SHA-256 of these bytes.
pub fn encode_input(images: &[Image]) -> Result<Vec<u8>, Error> {
    let count = u32::try_from(images.len()).unwrap_or(u32::MAX);
    let mut input = Vec::with_capacity(input_length(count)?);
    input.extend_from_slice(&count.to_be_bytes());
    input.extend(images.iter().flatten());
    decode_input(&input)?;
    Ok(input)
}

/// The length of an input of `count` images, in bytes.
pub fn input_length(count: u32) -> Result<usize, Error> {
    bounded(count).map(|images| 4 + images * PIXELS)
}

/// The images of an input.
pub fn decode_input(input: &[u8]) -> Result<&[Image], Error> {
    let (count, pixels) = counted(input)?;
    let expected = input_length(count)?;
    let (images, rest) = pixels.as_chunks::<PIXELS>();
    if input.len() != expected || !rest.is_empty() {
        return Err(Error::Length { expected, actual: input.len() });
    }
    match pixels.iter().find(|pixel| **pixel > DARKEST) {
        Some(pixel) => Err(Error::Pixel(*pixel)),
        None => Ok(images),
    }
}

/// The program: classifies a batch and says so in a journal.
pub fn answer(input: &[u8], sha256: impl Fn(&[u8]) -> Hash) -> Result<Vec<u8>, Error> {
    let images = decode_input(input)?;
    let mut journal = Vec::with_capacity(68 + images.len());
    journal.extend_from_slice(&sha256(MODEL));
    journal.extend_from_slice(&sha256(input));
    journal.extend_from_slice(&input[..4]);
    journal.extend(images.iter().map(classify));
    Ok(journal)
}

/// What the guest commits: `model: 32 bytes ‖ input: 32 bytes ‖ count: u32 BE ‖ classes`, one byte each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The commitment to the model: SHA-256 of [`MODEL`].
    pub model: Hash,
    /// The commitment to the input: SHA-256 of its encoding.
    pub input: Hash,
    /// The class of each image, in order, each below [`CLASSES`].
    pub classes: Vec<u8>,
}

impl Journal {
    /// Reads a journal, which must be exactly one.
    pub fn decode(journal: &[u8]) -> Result<Self, Error> {
        let short = Error::Length { expected: 69, actual: journal.len() };
        let (model, rest) = journal.split_first_chunk::<32>().ok_or(short)?;
        let (input, rest) = rest.split_first_chunk::<32>().ok_or(short)?;
        let (count, classes) = counted(rest)?;
        let expected = 68 + bounded(count)?;
        if journal.len() != expected {
            return Err(Error::Length { expected, actual: journal.len() });
        }
        match classes.iter().find(|class| usize::from(**class) >= CLASSES) {
            Some(class) => Err(Error::Class(*class)),
            None => Ok(Self { model: *model, input: *input, classes: classes.to_vec() }),
        }
    }
}

fn counted(bytes: &[u8]) -> Result<(u32, &[u8]), Error> {
    let (count, rest) = bytes.split_first_chunk::<4>().ok_or(Error::Length { expected: 4, actual: bytes.len() })?;
    Ok((u32::from_be_bytes(*count), rest))
}

fn bounded(count: u32) -> Result<usize, Error> {
    match usize::try_from(count) {
        Ok(images) if (1..=MAX_IMAGES).contains(&images) => Ok(images),
        _ => Err(Error::Count(count)),
    }
}
