//! What a task costs.

use crate::Strategy;
use zkpool_protocol::{U256, WorkUnits, pay::in_token};

/// What a price is made from. Wei unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceInput {
    /// How large the task is. For a zkVM task all the work of its plan ([`crate::Plan::units`]): what small segments waste
    /// is proven, too, and so is paid.
    pub units: WorkUnits,
    /// For a million work units of the task's proof system, with every prover idle: a zkVM's cycle is not a constraint. The
    /// zkVM's recursion is counted in cycles, so its price is one.
    pub wei_per_million_units: u128,
    /// What is added when all provers are busy, in hundredths of a percent.
    pub load_bps: u32,
    /// How busy the provers are, 0 to 10,000.
    pub load: u32,
    /// Gas of the transactions that deliver the task.
    pub gas: u64,
    /// What gas costs.
    pub gas_price: u128,
    /// What the operator loses if it fails.
    pub at_stake: u128,
    /// For putting it at stake, in hundredths of a percent.
    pub premium_bps: u32,
    /// How its jobs are handed out: the work of all that race is paid. Where provers compete, the price is the most that
    /// their bids may come to.
    pub strategy: Strategy,
}

/// A price by its parts; rounded up, so that a small task is never free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PriceParts {
    /// For proving.
    pub work: u128,
    /// For the chain.
    pub gas: u128,
    /// For the liability.
    pub premium: u128,
}

impl PriceParts {
    /// All of it.
    pub const fn total(&self) -> u128 {
        self.work.saturating_add(self.gas).saturating_add(self.premium)
    }

    /// In a token of which one ether is worth `per_ether` of the smallest unit; rounded up.
    #[must_use]
    pub fn in_token(&self, per_ether: u128) -> Self {
        let turn = |wei| in_token(wei, per_ether);
        Self { work: turn(self.work), gas: turn(self.gas), premium: turn(self.premium) }
    }
}

/// price = units × unit price under current load × provers that race + chain gas + premium for the liability.
pub fn price(input: &PriceInput) -> PriceParts {
    let surcharge = u128::from(input.load_bps) * u128::from(input.load.min(10_000)) / 10_000;
    let idle = mul_div_up(input.wei_per_million_units, u128::from(input.units.0), 1_000_000);
    PriceParts {
        work: mul_div_up(idle, 10_000 + surcharge, 10_000).saturating_mul(input.strategy.holders().into()),
        gas: input.gas_price.saturating_mul(u128::from(input.gas)),
        premium: mul_div_up(input.at_stake, u128::from(input.premium_bps), 10_000),
    }
}

/// a · b / c, rounded up, saturating.
fn mul_div_up(a: u128, b: u128, c: u128) -> u128 {
    let product = U256::from(a) * U256::from(b);
    product.div_ceil(U256::from(c)).try_into().unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: PriceInput = PriceInput {
        units: WorkUnits(6_431),
        wei_per_million_units: 2_000_000_000_000_000,
        load_bps: 5_000,
        load: 0,
        gas: 400_000,
        gas_price: 1_000_000_000,
        at_stake: 1_000_000_000_000_000_000,
        premium_bps: 50,
        strategy: Strategy::Assign,
    };

    #[test]
    fn a_price_has_three_parts() {
        let parts = price(&TASK);
        assert_eq!(parts.work, 12_862_000_000_000);
        assert_eq!(parts.gas, 400_000_000_000_000);
        assert_eq!(parts.premium, 5_000_000_000_000_000);
        assert_eq!(parts.total(), parts.work + parts.gas + parts.premium);
    }

    #[test]
    fn load_raises_only_the_work() {
        let busy = price(&PriceInput { load: 10_000, ..TASK });
        assert_eq!(busy.work, price(&TASK).work * 3 / 2);
        assert_eq!((busy.gas, busy.premium), (price(&TASK).gas, price(&TASK).premium));
    }

    #[test]
    fn a_race_costs_the_work_of_all_and_an_auction_no_more_than_one() {
        let with = |strategy| price(&PriceInput { strategy, ..TASK });
        let race = with(Strategy::Race { provers: 3 });
        assert_eq!(race.work, 3 * price(&TASK).work);
        assert_eq!((race.gas, race.premium), (price(&TASK).gas, price(&TASK).premium));
        assert_eq!(with(Strategy::Compete), price(&TASK));
    }

    #[test]
    fn small_and_huge_amounts_are_neither_free_nor_wrapped() {
        assert_eq!(price(&PriceInput { units: WorkUnits(1), wei_per_million_units: 1, ..TASK }).work, 1);
        assert_eq!(price(&PriceInput { at_stake: u128::MAX, premium_bps: u32::MAX, ..TASK }).premium, u128::MAX);
        let token = PriceParts { work: 1, gas: 1, premium: 1 }.in_token(1_000_000);
        assert_eq!(token, PriceParts { work: 1, gas: 1, premium: 1 });
    }
}
