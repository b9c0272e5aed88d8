//! Who owns what: counted on the tokens themselves, apart from the pool's books.

use crate::{
    error::{Attempt, Result},
    stage::Stage,
};
use alloy::primitives::{Address, U256};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Amounts are written as decimal strings: they do not fit a JSON number.
fn decimal<S: Serializer>(
    amounts: &BTreeMap<String, BTreeMap<String, U256>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = |tokens: &BTreeMap<String, U256>| {
        tokens.iter().map(|(token, amount)| (token.clone(), amount.to_string())).collect::<BTreeMap<_, _>>()
    };
    serializer.collect_map(amounts.iter().map(|(party, tokens)| (party, text(tokens))))
}

/// Balances of every party at one moment.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Balances {
    /// party → token → what the token says that the party has, the pool contract being a party.
    #[serde(serialize_with = "decimal", flatten)]
    pub wallets: BTreeMap<String, BTreeMap<String, U256>>,
    /// party → token → what the pool's books say that it holds for the party: balance and slots.
    #[serde(skip)]
    pub books: BTreeMap<String, BTreeMap<String, U256>>,
}

/// A slot that somebody has open.
#[derive(Clone, Copy, Debug)]
pub struct SlotOf {
    /// Whose.
    pub operator: Address,
    /// Of which token.
    pub token: Address,
    /// Which.
    pub index: u32,
}

/// Whom and what to count.
pub struct Ledger {
    /// Name and address.
    pub parties: Vec<(String, Address)>,
    /// Symbol and address.
    pub tokens: Vec<(String, Address)>,
    /// Slots, for the books.
    pub slots: Vec<SlotOf>,
}

impl Ledger {
    /// Counts now.
    pub async fn count(&self, stage: &Stage) -> Result<Balances> {
        let view = stage.view();
        let mut wallets = BTreeMap::<String, BTreeMap<String, U256>>::new();
        let mut books = wallets.clone();
        for (symbol, token) in &self.tokens {
            let what = format!("reading balances of {symbol}");
            for (name, party) in &self.parties {
                let wallet = view.token_balance(*token, *party).await.attempt(&what)?;
                wallets.entry(name.clone()).or_default().insert(symbol.clone(), wallet);
                let mut book = view.balance(*token, *party).await.attempt(&what)?;
                for slot in self.slots.iter().filter(|slot| slot.operator == *party && slot.token == *token) {
                    let slot = view.slot(slot.operator, slot.token, slot.index).await.attempt(&what)?;
                    book += U256::from(slot.collateral) + U256::from(slot.honour_reserve);
                }
                books.entry(name.clone()).or_default().insert(symbol.clone(), book);
            }
            let pool = view.token_balance(*token, stage.domain.pool).await.attempt(&what)?;
            wallets.entry("pool contract".into()).or_default().insert(symbol.clone(), pool);
            let burned = view.balance(*token, Address::ZERO).await.attempt(&what)?;
            books.entry("burned".into()).or_default().insert(symbol.clone(), burned);
        }
        Ok(Balances { wallets, books })
    }
}

impl Balances {
    /// All that there is of a token.
    fn total(of: &BTreeMap<String, BTreeMap<String, U256>>, token: &str) -> U256 {
        of.values().filter_map(|tokens| tokens.get(token)).copied().sum()
    }

    /// What a party has in all: wallet and books.
    pub fn wealth(&self, party: &str, token: &str) -> U256 {
        let of = |map: &BTreeMap<String, BTreeMap<String, U256>>| {
            map.get(party).and_then(|tokens| tokens.get(token)).copied().unwrap_or_default()
        };
        of(&self.wallets) + of(&self.books)
    }

    /// Whether nothing came from nowhere or went there between `before` and `self`, and whether the pool has exactly
    /// what its books say; with no task live.
    pub fn conserved_since(&self, before: &Self) -> Vec<String> {
        let tokens: Vec<_> = self.wallets.get("pool contract").into_iter().flat_map(BTreeMap::iter).collect();
        let mut faults = Vec::new();
        for (token, held) in tokens {
            let (then, now) = (Self::total(&before.wallets, token), Self::total(&self.wallets, token));
            if then != now {
                faults.push(format!("{token}: {then} before, {now} after"));
            }
            let owed = Self::total(&self.books, token);
            if *held != owed {
                faults.push(format!("{token}: the pool holds {held} and owes {owed}"));
            }
        }
        faults
    }
}
