//! A user's key.

use crate::Domain;
use num_bigint::BigUint;
use rollup_core::{Crypto, Encoded, ORDER, Portable, Transfer, challenge};
use sha2::{Digest, Sha256};

/// A secret key. Its arithmetic takes a time that depends on the secret: an example's wallet, not one for real money.
#[derive(Clone)]
pub struct Wallet {
    secret: BigUint,
    key: Encoded,
}

impl Wallet {
    /// The wallet of a seed, which must be as hard to guess as the key.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        // Of 512 bits, so that the remainder is as good as uniform; it is zero for nobody.
        let secret = scalar(b"key", &[seed]);
        Self { key: encode(&Portable::base_times(&bytes(&secret))), secret }
    }

    /// The wallet of the neutral point, which is nobody's: anybody can sign for it.
    #[cfg(feature = "testing")]
    pub(crate) fn nobodys() -> Self {
        Self { key: encode(&Portable::base_times(&[0; 32])), secret: BigUint::ZERO }
    }

    /// This secret, but signing under another key.
    #[cfg(feature = "testing")]
    pub(crate) fn posing_as(&self, key: Encoded) -> Self {
        Self { secret: self.secret.clone(), key }
    }

    /// The key that its account has.
    pub fn key(&self) -> Encoded {
        self.key
    }

    /// A signed transfer, for a rollup. Checks nothing: the sequencer will.
    pub fn transfer(&self, domain: &Domain, from: u32, to: u32, amount: u64, nonce: u32) -> Transfer {
        self.transfer_with::<Portable>(domain, from, to, amount, nonce)
    }

    /// A signed transfer, the challenge of which another implementation computes.
    pub(crate) fn transfer_with<C: Crypto>(
        &self,
        domain: &Domain,
        from: u32,
        to: u32,
        amount: u64,
        nonce: u32,
    ) -> Transfer {
        let mut transfer = Transfer { from, to, amount, nonce, r: [0; 32], s: [0; 32] };
        // From the secret and the message, so that two messages never share it and no randomness can be bad.
        let message = &transfer.encode()[..Transfer::SIGNED];
        let k = scalar(b"nonce", &[&bytes(&self.secret), &domain.context(0).encode(), message]);
        transfer.r = encode(&Portable::base_times(&bytes(&k)));
        let c = challenge::<C>(&domain.context(0), &self.key, &transfer);
        transfer.s = bytes(&((k + BigUint::from(c) * &self.secret) % BigUint::from_bytes_be(&ORDER)));
        transfer
    }
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wallet").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A number below the order that nobody can foretell who does not know all of `parts`.
fn scalar(purpose: &[u8], parts: &[&[u8]]) -> BigUint {
    let half = |number: u8| {
        let mut hash = Sha256::new_with_prefix([number]);
        hash.update(purpose);
        parts.iter().for_each(|part| hash.update(part));
        hash.finalize()
    };
    BigUint::from_bytes_be(&[half(0), half(1)].concat()) % BigUint::from_bytes_be(&ORDER)
}

fn bytes(number: &BigUint) -> [u8; 32] {
    let digits = number.to_bytes_be();
    let mut bytes = [0; 32];
    bytes[32 - digits.len()..].copy_from_slice(&digits);
    bytes
}

fn encode(point: &[u8; 64]) -> Encoded {
    let (coordinates, _) = point.as_chunks::<32>();
    let mut encoded = coordinates[1];
    encoded[0] |= coordinates[0][31] << 7;
    encoded
}
