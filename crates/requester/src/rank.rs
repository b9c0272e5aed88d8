//! Which offer is the best: by price, by what may go wrong, by time.

use crate::{FirmOffer, Offer};
use std::collections::HashMap;
use zkpool_chain::OperatorRecord;
use zkpool_protocol::{Address, U256};

/// What price, record and time are worth to this requester.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranking {
    /// What a task that goes wrong costs the requester beyond what the contract pays it, in ten-thousandths of the reward.
    /// The difference between a perfect record and none is a third of this; a forged record is worth no more.
    pub risk_bps: u32,
    /// What a second of waiting costs it, in the reward token's smallest unit. Operators say themselves how long they will
    /// take, and nothing holds them to it but the proof window.
    pub second: u128,
}

impl Default for Ranking {
    fn default() -> Self {
        Self { risk_bps: 5_000, second: 0 }
    }
}

/// An offer with what it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// The offer. Not checked yet: see [`crate::Requester::check`].
    pub offer: FirmOffer,
    /// Reward, risk and time together, in the reward token's smallest unit.
    pub cost: U256,
    /// Of ten thousand tasks, so many are to be expected to go well ([`OperatorRecord::reliability`]).
    pub reliability: u64,
}

impl Ranking {
    /// The firm offers, best first. Among equals the one that is expected sooner. Pure.
    pub fn rank(&self, offers: &[Offer], records: &HashMap<Address, OperatorRecord>) -> Vec<Ranked> {
        let mut ranked: Vec<_> =
            offers.iter().filter_map(Offer::firm).map(|offer| self.weigh(offer, records)).collect();
        ranked.sort_by_key(|ranked| (ranked.cost, ranked.offer.reward(), expected_ms(&ranked.offer)));
        ranked
    }

    fn weigh(&self, offer: &FirmOffer, records: &HashMap<Address, OperatorRecord>) -> Ranked {
        let terms = &offer.quote.quote.terms;
        // The signer's word, not the service's: who is not behind the signature fails the check.
        let record = records.get(&terms.operator);
        let reliability = record.map_or_else(|| OperatorRecord::default().reliability(), OperatorRecord::reliability);
        let reward = U256::from(terms.reward);
        let risk = reward * U256::from(self.risk_bps) * U256::from(10_000 - reliability.min(10_000))
            / U256::from(10_000 * 10_000);
        // Nobody is believed to need longer than it may; whoever says nothing is.
        let seconds = expected_ms(offer).div_ceil(1_000).min(terms.proof_window.into());
        Ranked {
            offer: offer.clone(),
            cost: reward + risk + U256::from(self.second) * U256::from(seconds),
            reliability,
        }
    }
}

fn expected_ms(offer: &FirmOffer) -> u64 {
    offer.price.as_ref().map_or(u64::MAX, |price| price.expected_ms)
}
