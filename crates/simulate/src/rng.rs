//! Randomness that is the same everywhere: SplitMix64.

/// A source of numbers that look random.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// One of many sources, by a seed and a few numbers that tell it from the others.
    pub(crate) fn new(seed: u64, which: [u64; 2]) -> Self {
        let mut rng = Self(seed);
        for part in which {
            rng.0 = rng.next().wrapping_add(part.wrapping_mul(0xa076_1d64_78bd_642f));
        }
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least 0, less than 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of mean 1: the time between two events of a Poisson process.
    pub(crate) fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }

    /// Of median 1; the logarithm is normal with this deviation, cut at three of them.
    pub(crate) fn log_normal(&mut self, sigma: f64) -> f64 {
        let normal = (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        (sigma * normal.clamp(-3.0, 3.0)).exp()
    }

    /// Which of these, by weight.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        let found = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        found.unwrap_or(weights.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_what_they_should_be() {
        let mut rng = Rng::new(1, [2, 3]);
        let n = 20_000;
        let mean = |mut draw: Box<dyn FnMut() -> f64>| (0..n).map(|_| draw()).sum::<f64>() / f64::from(n);
        let mut other = rng;
        assert!((mean(Box::new(move || other.unit())) - 0.5).abs() < 0.01);
        assert!((mean(Box::new(move || rng.exponential())) - 1.0).abs() < 0.03);
        assert_ne!(Rng::new(1, [0, 0]).next(), Rng::new(1, [0, 1]).next());
        let mut which = Rng::new(5, [0, 0]);
        assert!((0..100).all(|_| which.weighted(&[0.0, 1.0, 0.0]) == 1));
    }
}
