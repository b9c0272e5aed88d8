//! Digits drawn afresh in every run: strokes, leaning and wavering as a hand's.

use digit_core::{Image, PIXELS};
use rand::Rng;

/// A point of the pad, 0 to 1 in both directions, from the top left.
pub type Point = (f64, f64);
/// A line drawn without lifting the pen.
pub type Stroke = Vec<Point>;

/// A bitmap's side: the images are counted from it, 4 x 4 for each pixel, as the data set was made.
const FINE: usize = 32;
/// Half of the pen's width.
const PEN: f64 = 0.07;

/// How a digit is drawn, before the hand wavers.
fn shape(digit: u8) -> Vec<Stroke> {
    let arc = |middle: Point, radius: Point, from: f64, to: f64| -> Stroke {
        (0..=16)
            .map(|step| (from + (to - from) * f64::from(step) / 16.0).to_radians())
            .map(|angle| (middle.0 + radius.0 * angle.cos(), middle.1 + radius.1 * angle.sin()))
            .collect()
    };
    match digit % 10 {
        0 => vec![arc((0.5, 0.5), (0.27, 0.42), -90.0, 270.0)],
        1 => vec![vec![(0.36, 0.28), (0.55, 0.08), (0.55, 0.92)]],
        2 => vec![[arc((0.5, 0.32), (0.26, 0.24), -170.0, 40.0), vec![(0.24, 0.9), (0.8, 0.9)]].concat()],
        3 => {
            vec![[arc((0.47, 0.3), (0.25, 0.22), -150.0, 90.0), arc((0.47, 0.7), (0.28, 0.22), -90.0, 150.0)].concat()]
        }
        4 => vec![vec![(0.6, 0.92), (0.6, 0.08), (0.2, 0.62), (0.84, 0.62)]],
        5 => {
            vec![[vec![(0.76, 0.1), (0.3, 0.1), (0.27, 0.46)], arc((0.48, 0.66), (0.27, 0.25), -110.0, 140.0)].concat()]
        }
        6 => vec![
            [vec![(0.5, 0.08), (0.36, 0.3), (0.3, 0.55), (0.29, 0.72)], arc((0.49, 0.73), (0.2, 0.19), 180.0, -180.0)]
                .concat(),
        ],
        7 => vec![vec![(0.22, 0.1), (0.8, 0.1), (0.42, 0.92)], vec![(0.34, 0.5), (0.72, 0.5)]],
        8 => vec![arc((0.5, 0.29), (0.21, 0.2), 90.0, 450.0), arc((0.5, 0.71), (0.25, 0.22), -90.0, 270.0)],
        _ => vec![[arc((0.48, 0.32), (0.24, 0.23), 20.0, 380.0), vec![(0.7, 0.36), (0.62, 0.92)]].concat()],
    }
}

/// A digit in strokes, no two alike.
pub fn draw(digit: u8, rng: &mut impl Rng) -> Vec<Stroke> {
    let (lean, narrow) = (rng.gen_range(-0.12..0.12), rng.gen_range(0.85..1.1));
    let mut waver = || rng.gen_range(-0.012..0.012);
    let place = |(x, y): Point, dx: f64, dy: f64| (0.5 + (x - 0.5) * narrow + (0.5 - y) * lean + dx, y + dy);
    shape(digit).into_iter().map(|stroke| stroke.into_iter().map(|at| place(at, waver(), waver())).collect()).collect()
}

/// What the network sees of it: the drawing fills a fine bitmap, and each pixel counts the ink in 4 x 4 of it. The page
/// does the same with what is drawn there.
pub fn image(strokes: &[Stroke]) -> Image {
    let points = || strokes.iter().flatten();
    let bounds = |of: fn(&Point) -> f64| {
        let (low, high) =
            points().map(of).fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        (low - PEN, high + PEN)
    };
    let ((left, right), (top, bottom)) = (bounds(|point| point.0), bounds(|point| point.1));
    let scale = (right - left).max(bottom - top) / FINE as f64;
    let (middle_x, middle_y) = ((left + right) / 2.0, (top + bottom) / 2.0);
    let at = |middle: f64, fine: usize| middle + (fine as f64 + 0.5 - FINE as f64 / 2.0) * scale;
    let mut image = [0; PIXELS];
    for y in 0..FINE {
        for x in 0..FINE {
            if inked(strokes, (at(middle_x, x), at(middle_y, y))) {
                image[y / 4 * 8 + x / 4] += 1;
            }
        }
    }
    image
}

fn inked(strokes: &[Stroke], point: Point) -> bool {
    strokes.iter().flat_map(|stroke| stroke.windows(2)).any(|line| distance(point, line[0], line[1]) <= PEN)
}

/// From a point to a line between two others.
fn distance(point: Point, from: Point, to: Point) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx * dx + dy * dy;
    let along = if length == 0.0 { 0.0 } else { ((point.0 - from.0) * dx + (point.1 - from.1) * dy) / length };
    let along = along.clamp(0.0, 1.0);
    (point.0 - from.0 - along * dx).hypot(point.1 - from.1 - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use digit_core::{DARKEST, classify};
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn most_drawn_digits_are_recognised() {
        let mut rng = StdRng::seed_from_u64(7);
        let drawn: Vec<u8> = (0..=9).cycle().take(500).collect();
        let right = drawn.iter().filter(|digit| classify(&image(&draw(**digit, &mut rng))) == **digit).count();
        assert!(right * 100 >= 90 * drawn.len(), "{right} of {}", drawn.len());
    }

    #[test]
    fn no_two_drawings_are_alike_and_none_is_too_dark() {
        let mut rng = StdRng::seed_from_u64(8);
        let images: Vec<Image> = (0..20).map(|_| image(&draw(3, &mut rng))).collect();
        assert!(images.iter().enumerate().all(|(i, image)| !images[..i].contains(image)));
        assert!(images.iter().flatten().all(|pixel| *pixel <= DARKEST));
        assert!(images.iter().all(|image| image.iter().any(|pixel| *pixel > 8)), "there is ink");
    }
}
