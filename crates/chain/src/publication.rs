//! What was published: read out of the transaction, as the contract keeps no more than a digest.

use crate::{ChainError, PoolView, Rpc};
use alloy::{consensus::Transaction, primitives::B256, providers::Provider, sol_types::SolValue};
use zkpool_bindings::IZKPool;
use zkpool_protocol::{BatchQuote, Domain, Quote, TaskId};

/// Length of a quote in a call: 17 words of terms and 5 of its task.
const QUOTE: usize = 22 * 32;
/// The addresses that a quote begins with: its requester, operator, target, encoder and verifier.
const ADDRESSES: usize = 5;

impl PoolView {
    /// The quote of a task, out of the transaction that has published it. `None` if the node has no such transaction, or
    /// the quote does not stand in its call.
    ///
    /// # Errors
    /// The endpoint cannot be used now.
    pub async fn published_quote(&self, task: TaskId, transaction: B256) -> Result<Option<Quote>, ChainError> {
        Ok(call_of(self.rpc(), transaction).await?.and_then(|call| quote_in(&call, self.domain(), task)))
    }
}

async fn call_of(rpc: &Rpc, transaction: B256) -> Result<Option<Vec<u8>>, ChainError> {
    let found = rpc.provider().get_transaction_by_hash(transaction).await;
    let found = found.map_err(|error| ChainError::rpc(format!("read transaction {transaction}"), error))?;
    Ok(found.map(|found| found.input().to_vec()))
}

/// The quote with this digest, wherever a call has it: the calls of pool and router begin with it, or with the terms and
/// tasks of a batch; a requester that is a contract may be called with it anywhere.
fn quote_in(call: &[u8], domain: &Domain, id: TaskId) -> Option<Quote> {
    let is_it = |quote: &Quote| quote.id(domain) == id;
    let arguments = call.get(4..).unwrap_or_default();
    if let Ok((terms, tasks)) = <(IZKPool::Terms, Vec<IZKPool::Task>)>::abi_decode_params(arguments) {
        let batch = BatchQuote { terms: terms.into(), tasks: tasks.into_iter().map(Into::into).collect() };
        if let Some(quote) = batch.quotes().find(is_it) {
            return Some(quote);
        }
    }
    let begins = |at: &usize| {
        let mut words = call[*at..].chunks_exact(32).take(ADDRESSES);
        words.all(|word| word[..12].iter().all(|byte| *byte == 0))
    };
    let places = (0..=call.len().checked_sub(QUOTE)?).filter(begins);
    let quotes = places.filter_map(|at| <(IZKPool::Quote,)>::abi_decode_params(&call[at..at + QUOTE]).ok());
    quotes.map(|(quote,)| Quote::from(quote)).find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::{
        primitives::{Address, Bytes},
        sol_types::SolCall,
    };
    use zkpool_protocol::{Task, Terms};

    const DOMAIN: Domain = Domain { chain_id: 31_337, pool: Address::repeat_byte(0x11) };

    fn quote(slot: u32) -> Quote {
        Quote {
            terms: Terms {
                requester: Address::repeat_byte(1),
                operator: Address::repeat_byte(2),
                target: Address::repeat_byte(3),
                encoder: Address::ZERO,
                verifier: Address::repeat_byte(4),
                call_gas: 5,
                proof_window: 6,
                liability_window: 7,
                valid_until: 8,
                reward_token: Address::repeat_byte(9),
                reward: 10,
                advance: 11,
                liability_token: Address::repeat_byte(12),
                liability: 13,
                bond: 14,
                burn: 15,
                honour: 16,
            },
            task: Task {
                slot,
                statement: B256::repeat_byte(17),
                call_hash: B256::repeat_byte(18),
                input_hash: B256::repeat_byte(19),
                salt: B256::repeat_byte(20),
            },
        }
    }

    #[test]
    fn a_quote_is_found_wherever_it_stands() {
        let (quote, signature) = (quote(1), Bytes::from_static(&[7; 65]));
        let id = quote.id(&DOMAIN);
        let plain = IZKPool::publishCall { quote: (&quote).into(), signature: signature.clone() }.abi_encode();
        assert_eq!(plain.len() % 32, 4);
        assert_eq!(quote_in(&plain, &DOMAIN, id), Some(quote.clone()));
        // Through a requester's contract: `execute(address,bytes)`, and behind something of odd length.
        let wrapped = (Address::repeat_byte(1), Bytes::from(plain.clone())).abi_encode_params();
        assert_eq!(quote_in(&[&[1, 2, 3, 4], &wrapped[..]].concat(), &DOMAIN, id), Some(quote.clone()));
        assert_eq!(quote_in(&[&[0; 13], &plain[..]].concat(), &DOMAIN, id), Some(quote.clone()));
        assert_eq!(quote_in(&plain[..QUOTE], &DOMAIN, id), None, "cut off");
        assert_eq!(quote_in(&plain, &DOMAIN, B256::ZERO), None, "another task");
        assert_eq!(quote_in(&[], &DOMAIN, id), None);
        assert_eq!(quote_in(&vec![0; 4_096], &DOMAIN, id), None);
    }

    #[test]
    fn a_quote_of_a_batch_is_found() {
        let (first, second) = (quote(1), quote(2));
        let call = IZKPool::publishBatchCall {
            terms: (&first.terms).into(),
            tasks: vec![(&first.task).into(), (&second.task).into()],
            signature: Bytes::from_static(&[7; 65]),
        };
        let call = call.abi_encode();
        assert_eq!(quote_in(&call, &DOMAIN, second.id(&DOMAIN)), Some(second));
        assert_eq!(quote_in(&call, &DOMAIN, quote(3).id(&DOMAIN)), None);
    }
}
