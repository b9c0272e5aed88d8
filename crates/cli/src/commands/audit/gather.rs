//! What an audit looks at: the chain's events, and what the operator publishes.

use super::recompute::{Chain, Claim, Evidence, Task, Tranche};
use crate::{
    chain::chain_error,
    error::{CliError, CliResult},
};
use std::collections::BTreeMap;
use zkpool_api::{Client, ClientError, PartPay, ReceiptsQuery, TaskPayReply};
use zkpool_bindings::IZKPool;
use zkpool_chain::{
    ChainError, Head, LedgerEvent, LedgerView, PoolEvent, Rpc,
    alloy::{eips::BlockId, primitives::U256, providers::Provider, sol_types::SolValue},
    logs_between, logs_of,
};
use zkpool_protocol::{Address, B256, BatchQuote, Domain, ErrorCode, Quote, TaskId, bundle::leg_id, pay::Ledger};

/// The most seconds that a service may be behind the chain for its books to be looked at.
const MAX_LAG: u64 = 600;

/// The shares that an operator has announced, in order.
#[derive(Default)]
struct Shares(Vec<(u64, u16, u64)>);

impl Shares {
    /// The one in force at a time: as the contract has it, an announcement that is put off by the next never takes effect.
    fn at(&self, time: u64) -> u16 {
        let (mut current, mut pending) = (0, None::<(u16, u64)>);
        for (announced, share, from) in self.0.iter().take_while(|(announced, ..)| *announced <= time) {
            if let Some((share, from)) = pending
                && from <= *announced
            {
                current = share;
            }
            pending = Some((*share, *from));
        }
        pending.filter(|(_, from)| *from <= time).map_or(current, |(share, _)| share)
    }
}

/// Everything. `pool`: the one that is meant, if the caller cares.
pub(super) async fn gather(
    rpc: &Rpc,
    chain_id: u64,
    client: &Client,
    pool: Option<Address>,
    from: u64,
) -> CliResult<(Ledger, Address, Evidence)> {
    let asked = |error: ClientError| CliError::coded("ask the operator for its books", &error, error.code());
    let info = client.info().await.map_err(asked)?;
    let (operator, domain) = (info.operator, Domain { chain_id, pool: info.pool });
    let refuse = |why: String| CliError::coded("audit this operator", why, ErrorCode::WrongChain);
    if pool.is_some_and(|pool| pool != info.pool) {
        return Err(refuse(format!("it works for the pool {}", info.pool)));
    }
    let Some(pay) = info.pay else {
        let why = "it pays its provers outside: there is nothing to recompute";
        return Err(CliError::coded("audit this operator", why, ErrorCode::NotFound));
    };
    let failed = |error: ChainError| chain_error("read the chain", error);
    let named = LedgerView::of_pool(rpc, info.pool).await.map_err(failed)?;
    if named != pay.ledger {
        return Err(refuse(format!("it names the revenue ledger {}, the pool {named}", pay.ledger)));
    }
    let ledger = Ledger { chain_id, address: named };
    // Everything on chain is looked at as of one block, which the service has seen: what it publishes is held against that.
    let head = rpc.head().await.map_err(failed)?;
    let at = match info.head < head.number {
        true => rpc.block(info.head).await.map_err(failed)?.unwrap_or(head),
        false => head,
    };
    if head.timestamp.saturating_sub(at.timestamp) > MAX_LAG {
        let why = format!("its service is {} blocks behind the chain: ask again later", head.number - at.number);
        return Err(CliError::coded("audit this operator", why, ErrorCode::Starting));
    }
    let mut evidence = Evidence::default();
    let whole = on_chain(rpc, &domain, &ledger, operator, (from, at), &mut evidence).await.map_err(failed)?;
    if !whole {
        let why =
            "there are announcements or tranches before --from-block: name the block in which the ledger was made";
        return Err(CliError::coded("audit this operator", why, ErrorCode::BadRequest));
    }
    published(client, &mut evidence).await.map_err(asked)?;
    let later = later(rpc, &domain, operator, at.number + 1).await.map_err(failed)?;
    for id in later {
        let reply = there(client.task_pay(id).await).map_err(asked)?;
        evidence.later.extend(legs(id, reply.as_ref()));
        evidence.later.insert(id);
    }
    Ok((ledger, operator, evidence))
}

/// The legs of a task, as far as their names follow from it.
pub(super) fn legs(bundle: TaskId, published: Option<&TaskPayReply>) -> impl Iterator<Item = TaskId> {
    let parts = published.map(|published| &published.parts[..]).unwrap_or_default();
    let is_leg = move |part: &&PartPay| part.leg.is_some_and(|leg| leg_id(bundle, leg, part.round) == part.task);
    parts.iter().filter(is_leg).map(|part| part.task)
}

/// Tasks that the operator got from a block on.
async fn later(rpc: &Rpc, domain: &Domain, operator: Address, from: u64) -> Result<Vec<TaskId>, ChainError> {
    let of = |log: zkpool_chain::alloy::rpc::types::Log| match PoolEvent::decode(&log.inner) {
        Some(PoolEvent::Published { task, operator: whose, .. }) if whose == operator => Some(task),
        Some(PoolEvent::RescueAnnounced { task, rescuer, .. }) if rescuer == operator => Some(task),
        _ => None,
    };
    Ok(logs_of(rpc, vec![domain.pool], from).await?.into_iter().filter_map(of).collect())
}

/// Times of blocks, asked for once each.
struct Times<'a>(&'a Rpc, BTreeMap<u64, u64>);

impl Times<'_> {
    async fn of(&mut self, block: u64) -> Result<u64, ChainError> {
        if let Some(known) = self.1.get(&block) {
            return Ok(*known);
        }
        let missing = || ChainError::BadAnswer { what: format!("read block {block}"), reason: "it is gone".into() };
        let time = self.0.block(block).await?.ok_or_else(missing)?.timestamp;
        self.1.insert(block, time);
        Ok(time)
    }
}

/// What the chain says from a block on, as of another. False if what it says cannot be all.
async fn on_chain(
    rpc: &Rpc,
    domain: &Domain,
    ledger: &Ledger,
    operator: Address,
    (from, at): (u64, Head),
    evidence: &mut Evidence,
) -> Result<bool, ChainError> {
    let mut times = Times(rpc, BTreeMap::new());
    let (mut shares, mut tasks, mut order) = (Shares::default(), BTreeMap::<TaskId, Known>::new(), Vec::new());
    for log in logs_between(rpc, vec![domain.pool, ledger.address], from, at.number).await? {
        let block = log.block_number.unwrap_or_default();
        if log.address() == ledger.address {
            if let Some(event) = LedgerEvent::decode(&log) {
                of_ledger(event, block, domain.pool, operator, evidence);
            }
            continue;
        }
        match PoolEvent::decode(&log.inner) {
            Some(PoolEvent::ShareSet { operator: whose, share, effective_at }) if whose == operator => {
                shares.0.push((times.of(block).await?, u16::try_from(share).unwrap_or(u16::MAX), effective_at));
            }
            Some(PoolEvent::Published { task, operator: whose, .. }) => {
                let known = Known {
                    is_own: whose == operator,
                    rescue: None,
                    published: times.of(block).await?,
                    block,
                    transaction: log.transaction_hash.unwrap_or_default(),
                    kept_apart: None,
                    over: false,
                };
                tasks.insert(task, known);
                order.push(task);
            }
            Some(PoolEvent::RescueAnnounced { task, rescuer, .. }) => {
                let time = times.of(block).await?;
                if let Some(task) = tasks.get_mut(&task) {
                    task.rescue = Some((rescuer, time, block));
                }
            }
            Some(PoolEvent::Novated { task, rescuer }) => {
                if let Some(task) = tasks.get_mut(&task) {
                    // The original is out; what it has published stays published.
                    task.over |= rescuer != operator;
                    task.is_own = rescuer == operator || task.is_own;
                    if rescuer == operator
                        && let Some((_, announced, block)) = task.rescue
                    {
                        (task.published, task.block) = (announced, block);
                    }
                }
            }
            Some(PoolEvent::Delivered { task, earmarked, .. }) => {
                if let Some(task) = tasks.get_mut(&task) {
                    if !task.over {
                        task.kept_apart = Some(earmarked);
                    }
                    task.over = true;
                }
            }
            Some(event @ (PoolEvent::Defaulted { .. } | PoolEvent::Unwound { .. } | PoolEvent::Dishonoured { .. })) => {
                if let Some(task) = event.task().and_then(|task| tasks.get_mut(&task)) {
                    task.over = true;
                }
            }
            _ => {}
        }
    }
    for id in order {
        let Some(known) = tasks.get(&id).filter(|known| known.is_own) else { continue };
        let terms = quote_of(rpc, domain, id, known.transaction).await?.map(|quote| quote.terms);
        evidence.tasks.push(Task {
            id,
            share: shares.at(known.published),
            terms: terms.map(|terms| (terms.reward_token, terms.reward, terms.advance)),
            kept_apart: known.kept_apart,
            block: known.block,
            over: known.over,
            published: None,
        });
    }
    let (view, block) = (LedgerView::new(rpc.clone(), *ledger), BlockId::number(at.number));
    let tokens = evidence.tasks.iter().filter_map(|task| task.terms.map(|(token, ..)| token));
    let tokens: Vec<Address> = tokens.chain(evidence.tranches.iter().map(|tranche| tranche.token)).collect();
    for token in tokens {
        let left = view.kept_apart_at(domain.pool, token, operator, block).await?;
        evidence.kept.entry(token).or_default().left = left;
    }
    let tranches = view.tranche_count_at(operator, block).await?;
    let share = view.share_at(domain.pool, operator, block).await?.share;
    Ok(tranches == evidence.tranches.len() as u64 && share == shares.at(at.timestamp))
}

/// A task, as its events tell of it.
struct Known {
    is_own: bool,
    /// By whom, when, and in which block it was announced.
    rescue: Option<(Address, u64, u64)>,
    /// When its share was fixed.
    published: u64,
    /// And in which block.
    block: u64,
    transaction: B256,
    kept_apart: Option<U256>,
    over: bool,
}

fn of_ledger(event: LedgerEvent, block: u64, pool: Address, operator: Address, evidence: &mut Evidence) {
    match event {
        LedgerEvent::Swept { operator: whose, token, pool: of, amount } if (whose, of) == (operator, pool) => {
            evidence.kept.entry(token).or_default().swept += amount;
        }
        LedgerEvent::TrancheOpened { operator: whose, tranche, token, root, total, .. } if whose == operator => {
            evidence.tranches.push(Tranche { index: tranche, token, root, total, caps: None });
        }
        LedgerEvent::Claimed { operator: whose, tranche, prover, paid, amount, count, head } if whose == operator => {
            evidence.claims.push(Claim { tranche, prover, block, paid, voucher: (amount, count, head) });
        }
        _ => {}
    }
}

/// The quote that a transaction has published: found by its digest, wherever the call has it.
async fn quote_of(rpc: &Rpc, domain: &Domain, id: TaskId, transaction: B256) -> Result<Option<Quote>, ChainError> {
    use zkpool_chain::alloy::consensus::Transaction;
    let found = rpc.provider().get_transaction_by_hash(transaction).await;
    let found = found.map_err(|error| ChainError::BadAnswer {
        what: format!("read transaction {transaction}"),
        reason: error.to_string().chars().take(200).collect(),
    })?;
    let Some(found) = found else { return Ok(None) };
    Ok(found.input().get(4..).and_then(|arguments| quote_in(arguments, domain, id)))
}

/// The first arguments of every call that publishes: a quote, or terms and tasks.
fn quote_in(arguments: &[u8], domain: &Domain, id: TaskId) -> Option<Quote> {
    if let Ok((quote,)) = <(IZKPool::Quote,)>::abi_decode_params(arguments) {
        let quote = Quote::from(quote);
        if quote.id(domain) == id {
            return Some(quote);
        }
    }
    let (terms, tasks) = <(IZKPool::Terms, Vec<IZKPool::Task>)>::abi_decode_params(arguments).ok()?;
    let batch = BatchQuote { terms: terms.into(), tasks: tasks.into_iter().map(Into::into).collect() };
    batch.quotes().find(|quote| quote.id(domain) == id)
}

async fn published(client: &Client, evidence: &mut Evidence) -> Result<(), ClientError> {
    for task in &mut evidence.tasks {
        task.published = there(client.task_pay(task.id).await)?;
    }
    let mut members = Vec::new();
    for tranche in &mut evidence.tranches {
        tranche.caps = there(client.tranche(tranche.index).await)?.map(|reply| reply.caps);
        members.extend(tranche.caps.iter().flatten().map(|cap| (tranche.index, cap.prover)));
    }
    for (tranche, prover) in members {
        let mut chain = Chain::default();
        loop {
            let query = ReceiptsQuery { tranche, after: chain.receipts.len() as u64 };
            let reply = client.receipts(prover, &query).await?;
            chain.count = reply.count;
            if reply.receipts.is_empty() {
                break;
            }
            chain.receipts.extend(reply.receipts);
        }
        evidence.chains.insert((tranche, prover), chain);
    }
    // What has ended while the chains were read.
    for task in evidence.tasks.iter_mut().filter(|task| task.published.is_none()) {
        task.published = there(client.task_pay(task.id).await)?;
    }
    Ok(())
}

/// What is not there is for the audit to judge.
fn there<T>(reply: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(ClientError::Api { error, .. }) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_holds_from_when_it_takes_effect_and_not_if_it_is_put_off() {
        let shares = Shares(vec![(10, 1_000, 10), (100, 2_000, 700), (200, 3_000, 800), (900, 4_000, 1_500)]);
        for (time, share) in
            [(5, 0), (10, 1_000), (150, 1_000), (750, 1_000), (800, 3_000), (1_499, 3_000), (1_500, 4_000)]
        {
            assert_eq!(shares.at(time), share, "at {time}");
        }
    }
}
