//! Conversions between `zkpool_protocol`'s words and the contract's.

use crate::{IZKPool, Router};
use alloy::primitives::aliases::U40;
use zkpool_protocol::{BatchQuote, Call, Quote, Task, Terms};

/// The same structs are in the interface of every contract that takes quotes.
macro_rules! quote_types {
    ($($contract:ident),*) => {$(
        /// A validity beyond uint40 becomes the largest, which the contract refuses as too long (`Terms::check` refuses it first).
        impl From<&Terms> for $contract::Terms {
            fn from(terms: &Terms) -> Self {
                Self {
                    requester: terms.requester,
                    operator: terms.operator,
                    target: terms.target,
                    encoder: terms.encoder,
                    verifier: terms.verifier,
                    callGas: terms.call_gas,
                    proofWindow: terms.proof_window,
                    liabilityWindow: terms.liability_window,
                    validUntil: U40::try_from(terms.valid_until).unwrap_or(U40::MAX),
                    rewardToken: terms.reward_token,
                    reward: terms.reward,
                    advance: terms.advance,
                    liabilityToken: terms.liability_token,
                    liability: terms.liability,
                    bond: terms.bond,
                    burn: terms.burn,
                    honour: terms.honour,
                }
            }
        }

        impl From<&Task> for $contract::Task {
            fn from(task: &Task) -> Self {
                Self {
                    slot: task.slot,
                    statement: task.statement,
                    callHash: task.call_hash,
                    inputHash: task.input_hash,
                    salt: task.salt,
                }
            }
        }

        impl From<&Quote> for $contract::Quote {
            fn from(quote: &Quote) -> Self {
                Self { terms: (&quote.terms).into(), task: (&quote.task).into() }
            }
        }
    )*};
}

quote_types!(IZKPool, Router);

impl From<IZKPool::Terms> for Terms {
    fn from(terms: IZKPool::Terms) -> Self {
        Self {
            requester: terms.requester,
            operator: terms.operator,
            target: terms.target,
            encoder: terms.encoder,
            verifier: terms.verifier,
            call_gas: terms.callGas,
            proof_window: terms.proofWindow,
            liability_window: terms.liabilityWindow,
            valid_until: terms.validUntil.to::<u64>(),
            reward_token: terms.rewardToken,
            reward: terms.reward,
            advance: terms.advance,
            liability_token: terms.liabilityToken,
            liability: terms.liability,
            bond: terms.bond,
            burn: terms.burn,
            honour: terms.honour,
        }
    }
}

impl From<IZKPool::Task> for Task {
    fn from(task: IZKPool::Task) -> Self {
        Self {
            slot: task.slot,
            statement: task.statement,
            call_hash: task.callHash,
            input_hash: task.inputHash,
            salt: task.salt,
        }
    }
}

impl From<IZKPool::Quote> for Quote {
    fn from(quote: IZKPool::Quote) -> Self {
        Self { terms: quote.terms.into(), task: quote.task.into() }
    }
}

impl From<&Call> for IZKPool::Call {
    fn from(call: &Call) -> Self {
        Self { prefix: call.prefix.clone(), suffix: call.suffix.clone(), doneCheck: call.done_check.clone() }
    }
}

impl From<IZKPool::Call> for Call {
    fn from(call: IZKPool::Call) -> Self {
        Self { prefix: call.prefix, suffix: call.suffix, done_check: call.doneCheck }
    }
}

/// The tasks of a batch, as `publishBatch` takes them.
pub fn batch_tasks(batch: &BatchQuote) -> Vec<IZKPool::Task> {
    batch.tasks.iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{Address, B256};

    fn quote() -> Quote {
        let address = Address::repeat_byte;
        Quote {
            terms: Terms {
                requester: address(1),
                operator: address(2),
                target: address(3),
                encoder: address(4),
                verifier: address(5),
                call_gas: 6,
                proof_window: 7,
                liability_window: 8,
                valid_until: (1 << 40) - 1,
                reward_token: address(9),
                reward: u128::MAX,
                advance: 10,
                liability_token: address(11),
                liability: 12,
                bond: 13,
                burn: 14,
                honour: 15,
            },
            task: Task {
                slot: 16,
                statement: B256::repeat_byte(17),
                call_hash: B256::repeat_byte(18),
                input_hash: B256::repeat_byte(19),
                salt: B256::repeat_byte(20),
            },
        }
    }

    #[test]
    fn a_quote_survives_the_way_there_and_back() {
        assert_eq!(Quote::from(IZKPool::Quote::from(&quote())), quote());
        let call = Call { prefix: vec![1].into(), suffix: vec![2].into(), done_check: vec![3].into() };
        assert_eq!(Call::from(IZKPool::Call::from(&call)), call);
    }

    #[test]
    fn a_validity_beyond_40_bits_never_wraps_into_a_valid_one() {
        let mut quote = quote();
        quote.terms.valid_until = (1 << 40) + 5;
        assert_eq!(IZKPool::Terms::from(&quote.terms).validUntil, U40::MAX);
    }
}
