//! What makes an offer the best. Pure: no chain.

use crate::{Answer, FirmOffer, Offer, Ranking};
use std::collections::HashMap;
use zkpool_api::Price;
use zkpool_protocol::{Address, B256, Call, Quote, SignedQuote, Strategy, Task, Terms, WorkUnits};

const ME: Address = Address::repeat_byte(0xee);

fn offer(operator: u8, reward: u128, expected_ms: Option<u64>) -> Offer {
    let quote = Quote {
        terms: Terms {
            requester: ME,
            operator: Address::repeat_byte(operator),
            target: ME,
            encoder: Address::ZERO,
            verifier: Address::ZERO,
            call_gas: 0,
            proof_window: 100,
            liability_window: 200,
            valid_until: 0,
            reward_token: ME,
            reward,
            advance: 0,
            liability_token: ME,
            liability: 0,
            bond: 0,
            burn: 0,
            honour: 0,
        },
        task: Task { slot: 0, statement: B256::ZERO, call_hash: B256::ZERO, input_hash: B256::ZERO, salt: B256::ZERO },
    };
    let (units, strategy) = (WorkUnits(0), Strategy::Assign);
    let price =
        expected_ms.map(|expected_ms| Price { reward, work: 0, gas: 0, premium: 0, units, strategy, expected_ms });
    let quote = SignedQuote { quote, signature: Vec::new().into() };
    let firm = FirmOffer { price, ..FirmOffer::of(quote, Call::default()) };
    Offer { url: String::new(), answer: Answer::Firm(Box::new(firm)) }
}

fn order(ranking: &Ranking, offers: &[Offer]) -> Vec<u8> {
    let ranked = ranking.rank(offers, &HashMap::new());
    ranked.iter().map(|ranked| ranked.offer.quote.quote.terms.operator[0]).collect()
}

#[test]
fn the_cheapest_is_first_and_among_equals_the_soonest() {
    let offers = [offer(1, 900, None), offer(2, 900, Some(5_000)), offer(3, 800, None), offer(4, 900, Some(4_000))];
    assert_eq!(order(&Ranking::default(), &offers), [3, 4, 2, 1]);
}

#[test]
fn time_counts_as_much_as_was_said() {
    let offers = [offer(1, 900, Some(60_000)), offer(2, 950, Some(1_000)), offer(3, 940, None)];
    assert_eq!(order(&Ranking::default(), &offers), [1, 3, 2]);
    // Whoever says nothing is taken to need all of its window; and nobody to need longer.
    assert_eq!(order(&Ranking { second: 2, ..Ranking::default() }, &offers), [2, 1, 3]);
    let slow = [offer(1, 900, Some(u64::MAX)), offer(2, 1_099, Some(0))];
    let second = Ranking { risk_bps: 0, second: 2 };
    assert_eq!(order(&second, &slow), [2, 1]);
    assert_eq!(order(&Ranking { second: 1, ..second }, &slow), [1, 2]);
}

#[test]
fn the_largest_amounts_do_not_overflow() {
    let offers = [offer(1, u128::MAX, Some(u64::MAX)), offer(2, u128::MAX - 1, None)];
    assert_eq!(order(&Ranking { risk_bps: u32::MAX, second: u128::MAX }, &offers), [2, 1]);
}
