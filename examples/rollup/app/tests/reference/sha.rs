//! SHA-256 as FIPS 180-4 has it.

/// The first 32 bits of the fractional part of a root of each of the first primes.
fn fractions(count: usize, root: impl Fn(u128) -> u128) -> Vec<u32> {
    let is_prime = |n: &u128| (2..*n).all(|d| !n.is_multiple_of(d));
    (2..).filter(is_prime).take(count).map(|prime| root(prime) as u32).collect()
}

/// The largest x with x^power <= n · 2^(32·power), the low 32 bits of which are the fraction's. An x has 37 bits and its cube
/// 111.
fn root(n: u128, power: u32) -> u128 {
    let (mut low, mut high) = (0u128, 1 << 37);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if middle.pow(power) <= n << (32 * power) { low = middle } else { high = middle }
    }
    low
}

pub(crate) fn compress(state: [u32; 8], block: &[u8]) -> [u32; 8] {
    let k = fractions(64, |prime| root(prime, 3));
    let mut w: Vec<u32> = block.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
    for t in 16..64 {
        let s0 = w[t - 15].rotate_right(7) ^ w[t - 15].rotate_right(18) ^ (w[t - 15] >> 3);
        let s1 = w[t - 2].rotate_right(17) ^ w[t - 2].rotate_right(19) ^ (w[t - 2] >> 10);
        w.push(s1.wrapping_add(w[t - 7]).wrapping_add(s0).wrapping_add(w[t - 16]));
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
    for t in 0..64 {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let t1 = h.wrapping_add(s1).wrapping_add((e & f) ^ (!e & g)).wrapping_add(k[t]).wrapping_add(w[t]);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t2 = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
    }
    let out = [a, b, c, d, e, f, g, h];
    std::array::from_fn(|i| state[i].wrapping_add(out[i]))
}

pub(crate) fn sha256(message: &[u8]) -> [u8; 32] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((8 * message.len() as u64).to_be_bytes());
    let start: Vec<u32> = fractions(8, |prime| root(prime, 2));
    let state = padded.chunks(64).fold(start.try_into().unwrap(), compress);
    bytes(state)
}

pub(crate) fn bytes(state: [u32; 8]) -> [u8; 32] {
    state.map(u32::to_be_bytes).concat().try_into().unwrap()
}
