use crate::{Image, MODEL, PIXELS};

/// Digits: 0 to 9.
pub const CLASSES: usize = 10;

const HIDDEN: usize = 96;

const HIDDEN_BIASES: usize = HIDDEN * PIXELS;
const OUTPUT_WEIGHTS: usize = HIDDEN_BIASES + HIDDEN * 4;
const OUTPUT_BIASES: usize = OUTPUT_WEIGHTS + CLASSES * HIDDEN;

const _: () = assert!(MODEL_LENGTH == OUTPUT_BIASES + CLASSES * 4, "model.bin is not of this network");
const MODEL_LENGTH: usize = include_bytes!("../model.bin").len();

/// The class of an image: the strongest output, the lowest of equals.
///
/// Nothing here can overflow: a hidden value is at most 64 · 16 · 128 and its bias, an output at most 96 · 128 times that,
/// which is 1.7 · 10⁹ with biases as small as ours.
pub fn classify(image: &Image) -> u8 {
    let pixels = image.map(i32::from);
    let mut hidden = [0i32; HIDDEN];
    for (row, value) in hidden.iter_mut().enumerate() {
        *value = neuron(row * PIXELS, &pixels, HIDDEN_BIASES + row * 4).max(0);
    }
    let mut best = (0, i32::MIN);
    for class in 0..CLASSES {
        let output = neuron(OUTPUT_WEIGHTS + class * HIDDEN, &hidden, OUTPUT_BIASES + class * 4);
        if output > best.1 {
            best = (class as u8, output);
        }
    }
    best.0
}

/// The weighted sum of `inputs` and the bias. `weights` and `bias` are offsets in the model.
fn neuron<const N: usize>(weights: usize, inputs: &[i32; N], bias: usize) -> i32 {
    let weights = &MODEL[weights..weights + N];
    let bias = i32::from_le_bytes([MODEL[bias], MODEL[bias + 1], MODEL[bias + 2], MODEL[bias + 3]]);
    inputs.iter().zip(weights).fold(bias, |sum, (input, weight)| sum + input * i32::from(*weight as i8))
}
