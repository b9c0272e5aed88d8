//! Multi-scalar multiplication, where nearly all of a Groth16 prover's time goes: Σ sᵢ·Pᵢ.
//!
//! Pippenger's method with signed digits, whose buckets are summed in affine coordinates as trees: all the additions of
//! a level are independent, so that one inversion serves a block of them, and an addition costs 6 multiplications
//! where a mixed one in Jacobian coordinates (ark-ec's `msm_bigint`) costs 11. Zero digits cost nothing, which is most
//! of a witness that consists of bits.
//!
//! Windows are independent tasks. Each looks at its [`Control`] after every block of additions, so a call stops within
//! milliseconds.

use crate::{BackendError, Control};
use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, Zero};
use rayon::prelude::*;

/// A scalar, below the group's order, which has [`SCALAR_BITS`].
pub(super) type Scalar = BigInt<4>;

/// Bits of the order of BN254's groups.
const SCALAR_BITS: usize = 254;
/// Additions that share an inversion: its cost (some 300 multiplications) vanishes, and they fit into the cache.
const BLOCK: usize = 1024;
/// Points that a task sorts at a time: bounds the memory of a thread (10 MiB in G1, 18 MiB in G2).
const CHUNK: usize = 1 << 18;

/// An affine point; infinity is (0, 0), which is on neither curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point<F> {
    pub(super) x: F,
    pub(super) y: F,
}

impl<F: Field> Point<F> {
    const INFINITY: Self = Self { x: F::ZERO, y: F::ZERO };

    pub(super) fn is_infinity(&self) -> bool {
        self.x.is_zero() && self.y.is_zero()
    }

    fn to_affine<P: SWCurveConfig<BaseField = F>>(self) -> Affine<P> {
        if self.is_infinity() { Affine::identity() } else { Affine::new_unchecked(self.x, self.y) }
    }
}

/// Σ `scalars[i]` · `points[i]`. `done` is told of each finished share of the work, from 0 to 1.
///
/// # Errors
///
/// Those of [`Control::check`].
pub(super) fn msm<P: SWCurveConfig>(
    points: &[Point<P::BaseField>],
    mut scalars: Vec<Scalar>,
    control: &Control,
    done: &(dyn Fn(f64) + Sync),
) -> Result<Projective<P>, BackendError> {
    debug_assert_eq!(points.len(), scalars.len());
    let digits = Digits::for_scalars(&scalars);
    scalars.par_iter_mut().with_min_len(1024).for_each(|scalar| digits.prepare(scalar));
    let chunks: Vec<_> = points.chunks(CHUNK).zip(scalars.chunks(CHUNK)).collect();
    let tasks: Vec<_> =
        (0..digits.windows).flat_map(|window| chunks.iter().map(move |chunk| (window, chunk))).collect();
    let share = 1.0 / tasks.len().max(1) as f64;
    let sums = tasks.into_par_iter().with_max_len(1).map(|(window, (points, scalars))| {
        let sum = window_sum::<P>(points, scalars, digits, window, control)?;
        done(share);
        Ok::<_, BackendError>((window, sum))
    });
    let sums = sums.collect::<Result<Vec<_>, _>>()?;

    // Horner, from the highest window down. The tasks came back in the order of their windows.
    let mut total = Projective::<P>::zero();
    let mut below = digits.windows;
    for (window, sum) in sums.into_iter().rev() {
        if window < below {
            for _ in 0..digits.bits {
                total.double_in_place();
            }
            below = window;
        }
        total += sum;
    }
    Ok(total)
}

/// How scalars are cut into signed digits of `bits` bits, from -2^(bits-1) to 2^(bits-1).
#[derive(Clone, Copy)]
struct Digits {
    bits: usize,
    windows: usize,
    /// Half a window's range in each window but the top one. Added to a scalar, it makes every window's bits the digit
    /// plus this half, without a carry to follow.
    halves: Scalar,
}

impl Digits {
    fn new(bits: usize) -> Self {
        // One more than SCALAR_BITS, as the top window's digit must not exceed half its range.
        let windows = (SCALAR_BITS + 1).div_ceil(bits);
        let mut halves = Scalar::zero();
        for window in 0..windows - 1 {
            let bit = window * bits + bits - 1;
            halves.0[bit / 64] |= 1 << (bit % 64);
        }
        Self { bits, windows, halves }
    }

    /// The width that is cheapest, in multiplications: 8 for each addition (sorting included), of which there is one for
    /// each digit that is not zero and two for each bucket of each window.
    fn for_scalars(scalars: &[Scalar]) -> Self {
        let bits_set: u64 = scalars.iter().map(|scalar| u64::from(scalar.num_bits())).sum();
        let cost = |bits: usize| {
            let windows = (SCALAR_BITS + 1).div_ceil(bits) * scalars.len().div_ceil(CHUNK).max(1);
            bits_set as f64 / bits as f64 + 2.0 * windows as f64 * (1u64 << (bits - 1)) as f64
        };
        Self::new((3..=16).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(3))
    }

    /// Makes a scalar ready for [`Self::digit`].
    fn prepare(&self, scalar: &mut Scalar) {
        // Below 2^255: nothing is carried out.
        scalar.add_with_carry(&self.halves);
    }

    /// A prepared scalar's digit in a window.
    fn digit(&self, scalar: &Scalar, window: usize) -> i32 {
        let at = window * self.bits;
        let (limb, shift) = (at / 64, at % 64);
        let mut value = scalar.0[limb] >> shift;
        if shift + self.bits > 64 && limb < 3 {
            value |= scalar.0[limb + 1] << (64 - shift);
        }
        let value = (value & ((1 << self.bits) - 1)) as i32;
        if window + 1 == self.windows { value } else { value - (1 << (self.bits - 1)) }
    }
}

/// Σ digit(sᵢ) · Pᵢ for one window.
fn window_sum<P: SWCurveConfig>(
    points: &[Point<P::BaseField>],
    scalars: &[Scalar],
    digits: Digits,
    window: usize,
    control: &Control,
) -> Result<Projective<P>, BackendError> {
    control.check()?;
    // The points' indices with their signs, by buckets, and how many points each bucket has.
    let mut lens = vec![0u32; 1 << (digits.bits - 1)];
    for scalar in scalars {
        let digit = digits.digit(scalar, window);
        if digit != 0 {
            lens[digit.unsigned_abs() as usize - 1] += 1;
        }
    }
    let (mut next, total) = starts(&lens);
    let mut order = vec![0u32; total as usize];
    for (index, scalar) in (0..).zip(scalars) {
        let digit = digits.digit(scalar, window);
        if digit != 0 {
            let slot = &mut next[digit.unsigned_abs() as usize - 1];
            order[*slot as usize] = index << 1 | u32::from(digit < 0);
            *slot += 1;
        }
    }
    drop(next);

    let mut block = Block::<P::BaseField>::new();
    let signed = |index: u32| {
        let point = points[(index >> 1) as usize];
        if index & 1 == 0 { point } else { Point { x: point.x, y: -point.y } }
    };
    let buckets = block.sum_groups(&order, signed, lens, control)?;
    weigh::<P>(&buckets, &mut block, control)
}

/// Σ `points[i]` · (i + 1).
///
/// The sum of all suffix sums takes two additions for each point, one after the other. Instead the points are laid out
/// as a square: with the sums of its rows and of its columns, which are many at a time, only the square's side is left
/// to be weighed so.
fn weigh<P: SWCurveConfig>(
    points: &[Point<P::BaseField>],
    block: &mut Block<P::BaseField>,
    control: &Control,
) -> Result<Projective<P>, BackendError> {
    let width = (points.len() as f64).sqrt().ceil() as usize;
    let present = || (0..points.len()).filter(|at| !points[*at].is_infinity());
    let mut rows = vec![0u32; points.len().div_ceil(width.max(1))];
    let mut by_rows = Vec::with_capacity(points.len());
    for at in present() {
        rows[at / width] += 1;
        by_rows.push(at as u32);
    }
    let mut columns = vec![0u32; width];
    for at in present() {
        columns[at % width] += 1;
    }
    let (mut next, _) = starts(&columns);
    let mut by_columns = vec![0; by_rows.len()];
    for at in present() {
        let slot = &mut next[at % width];
        by_columns[*slot as usize] = at as u32;
        *slot += 1;
    }

    let point = |index: u32| points[index as usize];
    let rows = block.sum_groups(&by_rows, point, rows, control)?;
    let columns = block.sum_groups(&by_columns, point, columns, control)?;
    // i + 1 = row · width + (column + 1): the first row weighs nothing.
    let rows = suffix_sums::<P>(rows.get(1..).unwrap_or_default());
    Ok(rows * P::ScalarField::from(width as u64) + suffix_sums::<P>(&columns))
}

/// Σ `points[i]` · (i + 1), as the sum of all suffix sums.
fn suffix_sums<P: SWCurveConfig>(points: &[Point<P::BaseField>]) -> Projective<P> {
    let (mut suffix, mut sum) = (Projective::<P>::zero(), Projective::<P>::zero());
    for point in points.iter().rev() {
        suffix += point.to_affine::<P>();
        sum += suffix;
    }
    sum
}

/// Where each of consecutive groups starts, and where the last one ends.
fn starts(lens: &[u32]) -> (Vec<u32>, u32) {
    let mut end = 0;
    let mut starts = Vec::with_capacity(lens.len());
    for len in lens {
        starts.push(end);
        end += len;
    }
    (starts, end)
}

/// Affine additions that wait for their common inversion.
struct Block<F> {
    items: Vec<Item>,
    denominators: Vec<F>,
    inverses: Vec<F>,
}

/// The sum of two neighbours: where they are and where it goes.
struct Item {
    from: usize,
    to: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of points with different x: the slope of the line through them is Δy / Δx.
    Secant,
    /// Of twice the same point: the slope of the tangent is 3x² / 2y, as both curves have a = 0.
    Tangent,
    /// There is no second point, or it is infinity.
    First,
    /// The first point is infinity.
    Second,
    /// Of opposite points.
    Infinity,
}

impl<F: Field> Block<F> {
    fn new() -> Self {
        Self {
            items: Vec::with_capacity(BLOCK),
            denominators: Vec::with_capacity(BLOCK),
            inverses: Vec::with_capacity(BLOCK),
        }
    }

    /// Adds up groups of points, `lens[i]` consecutive indices of `order` each. A group without points is infinity.
    fn sum_groups(
        &mut self,
        order: &[u32],
        point: impl Fn(u32) -> Point<F>,
        lens: Vec<u32>,
        control: &Control,
    ) -> Result<Vec<Point<F>>, BackendError> {
        // Each round halves the groups; the first takes the points from where they are.
        let mut left = lens.clone();
        let mut sums = vec![Point::INFINITY; lens.iter().map(|len| len.div_ceil(2) as usize).sum()];
        self.round(&mut sums, |_, at| point(order[at]), &mut left, control)?;
        while left.iter().any(|len| *len > 1) {
            self.round(&mut sums, |sums, at| sums[at], &mut left, control)?;
        }
        let mut sums = sums.into_iter();
        Ok(lens.iter().map(|len| if *len == 0 { None } else { sums.next() }.unwrap_or(Point::INFINITY)).collect())
    }

    /// Adds up neighbours in each group and leaves the sums packed in `sums`. What is written lies before what is still
    /// to be read, so that `get` may read `sums` itself.
    fn round(
        &mut self,
        sums: &mut [Point<F>],
        get: impl Fn(&[Point<F>], usize) -> Point<F>,
        lens: &mut [u32],
        control: &Control,
    ) -> Result<(), BackendError> {
        let (mut from, mut to) = (0, 0);
        for len in lens {
            let end = from + *len as usize;
            *len = len.div_ceil(2);
            while from < end {
                let kind = match end - from {
                    1 => Kind::First,
                    _ => self.queue(get(sums, from), get(sums, from + 1)),
                };
                self.items.push(Item { from, to, kind });
                (from, to) = (end.min(from + 2), to + 1);
                if self.items.len() == BLOCK {
                    self.flush(sums, &get);
                    control.check()?;
                }
            }
        }
        self.flush(sums, &get);
        Ok(())
    }

    /// Says how two points are added, and queues the denominator that it takes.
    fn queue(&mut self, first: Point<F>, second: Point<F>) -> Kind {
        let (denominator, kind) = match () {
            () if first.is_infinity() => return Kind::Second,
            () if second.is_infinity() => return Kind::First,
            () if first.x != second.x => (second.x - first.x, Kind::Secant),
            () if first.y == second.y => (first.y.double(), Kind::Tangent),
            () => return Kind::Infinity,
        };
        self.denominators.push(denominator);
        kind
    }

    fn flush(&mut self, sums: &mut [Point<F>], get: &impl Fn(&[Point<F>], usize) -> Point<F>) {
        // Montgomery's trick: the inverse of the product of all, times all others.
        self.inverses.clear();
        let mut product = F::ONE;
        for denominator in &self.denominators {
            self.inverses.push(product);
            product *= denominator;
        }
        // No denominator is zero: neither group has a point of order two, with y = 0.
        let mut inverse = product.inverse().unwrap_or(F::ZERO);
        for (slot, denominator) in self.inverses.iter_mut().zip(&self.denominators).rev() {
            *slot *= inverse;
            inverse *= denominator;
        }
        self.denominators.clear();

        // In order, as a sum may take the place of a point that an earlier item reads.
        let mut inverses = self.inverses.iter();
        for Item { from, to, kind } in self.items.drain(..) {
            let first = get(sums, from);
            let (numerator, second_x) = match kind {
                Kind::Secant => {
                    let second = get(sums, from + 1);
                    (second.y - first.y, second.x)
                }
                Kind::Tangent => {
                    let square = first.x.square();
                    (square.double() + square, first.x)
                }
                Kind::First | Kind::Second | Kind::Infinity => {
                    sums[to] = match kind {
                        Kind::First => first,
                        Kind::Second => get(sums, from + 1),
                        _ => Point::INFINITY,
                    };
                    continue;
                }
            };
            let slope = numerator * inverses.next().unwrap_or(&F::ZERO);
            let x = slope.square() - first.x - second_x;
            sums[to] = Point { x, y: slope * (first.x - x) - first.y };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::{Fr, g1, g2};
    use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
    use ark_ff::{One, PrimeField, UniformRand};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn check<P: SWCurveConfig<ScalarField = Fr>>(points: &[Affine<P>], scalars: &[Fr]) {
        let expected: Projective<P> = points.iter().zip(scalars).map(|(point, scalar)| *point * scalar).sum();
        let points: Vec<_> = points.iter().map(|point| Point { x: point.x, y: point.y }).collect();
        let scalars: Vec<_> = scalars.iter().map(|scalar| scalar.into_bigint()).collect();
        let sum = msm::<P>(&points, scalars, &Control::new(), &|_| ()).unwrap();
        assert_eq!(sum.into_affine(), expected.into_affine());
    }

    fn random<P: SWCurveConfig<ScalarField = Fr>>(count: usize, rng: &mut StdRng) -> (Vec<Affine<P>>, Vec<Fr>) {
        let point = |rng: &mut StdRng| (Projective::<P>::generator() * Fr::rand(rng)).into_affine();
        ((0..count).map(|_| point(rng)).collect(), (0..count).map(|_| Fr::rand(rng)).collect())
    }

    #[test]
    fn agrees_with_one_by_one() {
        let mut rng = StdRng::seed_from_u64(1);
        for count in [0, 1, 2, 3, 10, 100, 700] {
            let (points, scalars) = random::<g1::Config>(count, &mut rng);
            check(&points, &scalars);
        }
        let (points, scalars) = random::<g2::Config>(200, &mut rng);
        check(&points, &scalars);
    }

    #[test]
    fn agrees_on_edge_scalars() {
        let mut rng = StdRng::seed_from_u64(2);
        let (points, mut scalars) = random::<g1::Config>(400, &mut rng);
        let edges = [Fr::zero(), Fr::one(), -Fr::one(), Fr::from(2u64), -Fr::from(2u64), Fr::from(u64::MAX)];
        for scalar in &mut scalars {
            if rng.r#gen() {
                *scalar = edges[rng.gen_range(0..edges.len())];
            }
        }
        check(&points, &scalars);
        for edge in edges {
            check(&points, &vec![edge; points.len()]);
        }
    }

    #[test]
    fn agrees_on_equal_and_opposite_points() {
        let mut rng = StdRng::seed_from_u64(3);
        let (points, scalars) = random::<g2::Config>(3, &mut rng);
        let points: Vec<_> = (0..300).map(|_| if rng.r#gen() { points[0] } else { -points[0] }).collect();
        // Few scalars, so that equal points meet in buckets.
        let scalars: Vec<_> = (0..300).map(|_| scalars[rng.gen_range(0..3)]).collect();
        check(&points, &scalars);
    }

    #[test]
    fn digits_add_up_for_every_width() {
        let mut rng = StdRng::seed_from_u64(4);
        let largest = -Fr::one();
        for bits in 3..=16 {
            let digits = Digits::new(bits);
            for scalar in [Fr::zero(), Fr::one(), largest, Fr::rand(&mut rng), Fr::rand(&mut rng)] {
                let base = Fr::from(1u64 << bits);
                let mut prepared = scalar.into_bigint();
                digits.prepare(&mut prepared);
                let sum = (0..digits.windows).rev().fold(Fr::zero(), |sum, window| {
                    let digit = digits.digit(&prepared, window);
                    assert!(digit.unsigned_abs() <= 1 << (bits - 1));
                    sum * base + Fr::from(digit)
                });
                assert_eq!(sum, scalar, "{bits} bits");
            }
        }
    }

    #[test]
    fn stops_when_told_to() {
        let control = Control::new();
        control.cancel();
        let points = [Affine::<g1::Config>::generator()].map(|point| Point { x: point.x, y: point.y });
        let stopped = msm::<g1::Config>(&points, vec![Scalar::one()], &control, &|_| ());
        assert!(matches!(stopped, Err(BackendError::Cancelled)));
    }
}
