//! All accounts, and the tree over them.

use rollup_core::{Account, Crypto, Hash, Portable, leaf, node};
use std::marker::PhantomData;

/// The state of a rollup with 2^`DEPTH` accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State<const DEPTH: usize, C = Portable> {
    accounts: Vec<Account>,
    /// The levels from the leaves up to the root.
    levels: Vec<Vec<Hash>>,
    crypto: PhantomData<C>,
}

impl<const DEPTH: usize, C: Crypto> State<DEPTH, C> {
    /// How many accounts there are.
    pub const ACCOUNTS: usize = 1 << DEPTH;

    /// The state with these accounts first and nobody's after them; none if they are too many.
    pub fn new(accounts: &[Account]) -> Option<Self> {
        if accounts.len() > Self::ACCOUNTS {
            return None;
        }
        let mut accounts = accounts.to_vec();
        accounts.resize(Self::ACCOUNTS, Account::default());
        let mut levels = vec![accounts.iter().map(leaf::<C>).collect::<Vec<_>>()];
        for level in 0..DEPTH {
            let (pairs, _) = levels[level].as_chunks();
            levels.push(pairs.iter().map(|[left, right]| node::<C>(left, right)).collect());
        }
        Some(Self { accounts, levels, crypto: PhantomData })
    }

    /// Its root.
    pub fn root(&self) -> Hash {
        self.levels[DEPTH][0]
    }

    /// All accounts.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account at a place.
    pub fn account(&self, place: u32) -> Option<&Account> {
        self.accounts.get(place as usize)
    }

    /// The siblings on the way from a place that exists to the root.
    pub fn siblings(&self, place: u32) -> [Hash; DEPTH] {
        std::array::from_fn(|level| self.levels[level][place as usize >> level ^ 1])
    }

    /// Puts an account at a place that exists.
    pub fn set(&mut self, place: u32, account: Account) {
        let place = place as usize;
        self.accounts[place] = account;
        self.levels[0][place] = leaf::<C>(&account);
        for level in 0..DEPTH {
            let left = place >> level & !1;
            let below = &self.levels[level];
            let above = node::<C>(&below[left], &below[left + 1]);
            self.levels[level + 1][place >> (level + 1)] = above;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_an_account_is_as_good_as_building_anew() {
        let account = |n: u64| Account { key: [n as u8; 32], balance: n, nonce: 1 };
        let mut state = State::<3>::new(&[]).unwrap();
        for place in [5, 0, 7, 2, 5] {
            state.set(place, account(place.into()));
            assert_eq!(State::new(state.accounts()).as_ref(), Some(&state));
            let climbed =
                rollup_core::climb::<Portable>(leaf::<Portable>(&account(place.into())), place, &state.siblings(place));
            assert_eq!(climbed, state.root());
        }
        assert!(State::<1>::new(&[account(1); 3]).is_none());
    }
}
