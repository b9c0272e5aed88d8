//! A simulated platform, an enclave on it, and what is asked of both.

use alloy_primitives::{Address, B256, address, b256};
use serde_json::Value;
use zkpool_sgx_sim::{Body, Conditions, Platform, Traits};
use zkpool_verifiers::sgx::{Attested, Binding, Collateral, Domain, Policy, QuoteError, Root, TcbStatus, verify};

/// When everything happens.
pub(crate) const NOW: u64 = 1_790_000_000;
/// When the platforms were made.
pub(crate) const CREATED: u64 = NOW - 40 * 24 * 3600;
/// The enclave that is meant.
pub(crate) const MRENCLAVE: B256 = b256!("e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1");
/// Its product.
pub(crate) const PRODUCT: u16 = 7;
/// Its version.
pub(crate) const SVN: u16 = 2;

/// A registration that is about to be made.
pub(crate) fn binding() -> Binding {
    Binding {
        domain: Domain { chain_id: 31_337, verifier: address!("00000000000000000000000000000000000000ab") },
        program: B256::repeat_byte(0x77),
        instance: address!("1111111111111111111111111111111111111111"),
        block_hash: B256::repeat_byte(0xB1),
    }
}

/// The enclave that is meant.
pub(crate) fn body() -> Body {
    Body { product: PRODUCT, svn: SVN, ..Body::new(MRENCLAVE.0) }
}

/// A platform.
pub(crate) fn platform(seed: u8, traits: Traits) -> Platform {
    Platform::new([seed; 32], CREATED, traits).unwrap()
}

/// Everything that a check takes, good as it stands.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) quote: Vec<u8>,
    pub(crate) collateral: Value,
    pub(crate) root: Root,
    pub(crate) policy: Policy,
    pub(crate) binding: Binding,
    pub(crate) now: u64,
}

impl Case {
    /// On a platform that stands well.
    pub(crate) fn new() -> Self {
        Self::on(&platform(1, Traits::default()), &body(), &Conditions::default())
    }

    /// An enclave's quote on a platform, of which the maker says something.
    pub(crate) fn on(platform: &Platform, body: &Body, conditions: &Conditions) -> Self {
        let binding = binding();
        Self {
            quote: platform.quote(body, &binding.report_data()),
            collateral: platform.collateral(NOW, conditions).unwrap(),
            root: Root::Simulated(platform.root()),
            policy: policy(),
            binding,
            now: NOW,
        }
    }

    pub(crate) fn check(&self) -> Result<Attested, QuoteError> {
        let collateral = Collateral::from_json(self.collateral.to_string().as_bytes())?;
        verify(&self.quote, &collateral, &self.root, &self.policy, &self.binding, self.now)
    }

    pub(crate) fn refusal(&self) -> QuoteError {
        self.check().unwrap_err()
    }
}

/// Lets the enclave that is meant through, on platforms of which nothing is known.
pub(crate) fn policy() -> Policy {
    Policy {
        statuses: vec![TcbStatus::UpToDate],
        min_evaluation: 17,
        enclaves: vec![B256::repeat_byte(0xE0), MRENCLAVE],
        signer: None,
        product: PRODUCT,
        min_svn: SVN,
        refused_advisories: vec![],
        grace_days: 0,
        allow_smt: false,
        allow_cached_keys: false,
        allow_dynamic_platform: false,
    }
}

/// An address that differs in one bit.
pub(crate) fn other(address: Address) -> Address {
    let mut bytes = address.0.0;
    bytes[19] ^= 1;
    bytes.into()
}
