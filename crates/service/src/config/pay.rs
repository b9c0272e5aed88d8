//! How an operator pays its provers: `[service.pay]`.

use super::{Config, ConfigError};
use serde::{Deserialize, Serialize};
use zkpool_protocol::{
    Address, decimal,
    pay::{ALL_BPS, SHARE_STEP},
};

/// Pay out of tranches of the revenue ledger. Without it the operator and its provers agree on pay outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pay {
    /// The RevenueLedger contract that the pool names.
    pub ledger: Address,
    /// The provers' part of each reward, in hundredths of a percent; a multiple of 50.
    pub share_bps: u16,
    /// The most provers that one tranche is opened for.
    #[serde(default = "max_provers")]
    pub max_provers: u32,
    /// Seconds between two tranches at least: who joins meanwhile is in the next one.
    #[serde(default = "every")]
    pub every: u64,
    /// Seconds after which a tranche is closed, and what is left of it can go into another.
    #[serde(default = "close_after")]
    pub close_after: u64,
    /// What a prover must have put up in the ledger to be given work; absent: nothing.
    #[serde(default)]
    pub bond: Option<BondPolicy>,
    /// What is set apart for each prover, by token; every token in which rewards are taken has one.
    pub tranches: Vec<TranchePolicy>,
}

/// What is set apart for each prover in one token. Amounts in the token's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranchePolicy {
    /// The token.
    pub token: Address,
    /// For a prover that has earned something before.
    #[serde(with = "decimal")]
    pub cap: u128,
    /// For one that has not: whoever joins under many names locks up so much for each.
    #[serde(with = "decimal")]
    pub first_cap: u128,
    /// The most that is set apart at a time for all that have earned nothing yet together, as a multiple of `first_cap`.
    #[serde(default = "newcomers")]
    pub newcomers: u32,
    /// A prover that has less than so much left is in the next tranche.
    #[serde(with = "decimal")]
    pub low: u128,
    /// What deliveries have kept apart is fetched when it comes to so much.
    #[serde(with = "decimal")]
    pub sweep_above: u128,
    /// Whether what the fund is short of for the next tranche is deposited out of the operator's wallet.
    #[serde(default)]
    pub deposit: bool,
}

/// The bond that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BondPolicy {
    /// In which token.
    pub token: Address,
    /// How much at least, in the token's smallest unit; and so much more each time that a prover was put out.
    #[serde(with = "decimal")]
    pub amount: u128,
}

impl TranchePolicy {
    /// The most that is set apart at a time for all that have earned nothing yet together.
    pub fn for_newcomers(&self) -> u128 {
        self.first_cap.saturating_mul(self.newcomers.into())
    }
}

impl Pay {
    /// What is set apart in a token.
    pub fn policy(&self, token: Address) -> Option<&TranchePolicy> {
        self.tranches.iter().find(|policy| policy.token == token)
    }

    pub(super) fn check(&self, config: &Config) -> Result<(), ConfigError> {
        let wrong = |field: &'static str, reason: String| Err(ConfigError { field, reason });
        if self.ledger.is_zero() {
            return wrong("pay.ledger", "it must not be the zero address".into());
        }
        if self.share_bps > ALL_BPS || !self.share_bps.is_multiple_of(SHARE_STEP) {
            return wrong("pay.share_bps", format!("it must be a multiple of {SHARE_STEP}, at most {ALL_BPS}"));
        }
        if config.pricing.advance_bps.saturating_add(self.share_bps.into()) > u32::from(ALL_BPS) {
            let reason =
                "together with pricing.advance_bps it is more than the whole reward: the chain could not keep it apart";
            return wrong("pay.share_bps", reason.into());
        }
        if self.max_provers == 0 || self.close_after == 0 {
            return wrong("pay", "max_provers and close_after must be above zero".into());
        }
        if self.bond.is_some_and(|bond| bond.token.is_zero() || bond.amount == 0) {
            return wrong("pay.bond", "it must name a token and an amount above zero, or not be there".into());
        }
        for token in config.tokens.iter().filter(|token| token.reward) {
            if self.policy(token.address).is_none() {
                return wrong("pay.tranches", format!("rewards are taken in {}, which has none", token.address));
            }
        }
        for (i, policy) in self.tranches.iter().enumerate() {
            if self.tranches[..i].iter().any(|other| other.token == policy.token) {
                return wrong("pay.tranches", format!("token {} is there twice", policy.token));
            }
            if policy.first_cap == 0 || policy.cap < policy.first_cap || policy.low > policy.first_cap {
                return wrong(
                    "pay.tranches",
                    "it must be: low at most first_cap, which is above zero and at most cap".into(),
                );
            }
        }
        Ok(())
    }
}

const fn max_provers() -> u32 {
    4_096
}

const fn newcomers() -> u32 {
    64
}

const fn every() -> u64 {
    300
}

const fn close_after() -> u64 {
    30 * 24 * 3_600
}
