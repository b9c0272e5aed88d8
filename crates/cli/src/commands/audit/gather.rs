//! What an audit looks at: the chain's events, and what the operator publishes.

use super::recompute::{Chain, Claim, Evidence, Task, Tranche};
use crate::{
    chain::chain_error,
    error::{CliError, CliResult},
};
use std::collections::BTreeMap;
use zkpool_api::{Client, ClientError, PartPay, ReceiptsQuery, TaskPayReply};
use zkpool_chain::{
    ChainError, Head, LedgerEvent, LedgerView, PoolEvent, PoolView, Rpc,
    alloy::{eips::BlockId, primitives::U256},
    logs_between, logs_of,
};
use zkpool_protocol::{Address, B256, Domain, ErrorCode, TaskId, bundle::leg_id, pay::Ledger};

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
    let mut tasks = Tasks::of(operator);
    for log in logs_between(rpc, vec![domain.pool, ledger.address], from, at.number).await? {
        let block = log.block_number.unwrap_or_default();
        if log.address() == ledger.address {
            if let Some(event) = LedgerEvent::decode(&log) {
                of_ledger(event, block, domain.pool, operator, evidence);
            }
        } else if let Some(event) = PoolEvent::decode(&log.inner).filter(Tasks::matters) {
            let time = times.of(block).await?;
            tasks.take(event, (block, time), log.transaction_hash.unwrap_or_default());
        }
    }
    let pool = PoolView::new(rpc.clone(), *domain);
    for (id, known, share) in tasks.own() {
        let terms = pool.published_quote(id, known.transaction).await?.map(|quote| quote.terms);
        evidence.tasks.push(Task {
            id,
            share,
            // A rescuer is paid the whole reward: the original has given its advance back.
            terms: terms.map(|t| (t.reward_token, t.reward, if known.rescued { 0 } else { t.advance })),
            kept_apart: known.kept_apart,
            block: known.fixed_at.0,
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
    Ok(tranches == evidence.tranches.len() as u64 && share == tasks.shares.at(at.timestamp))
}

/// A task, as its events tell of it.
#[derive(Clone, Copy)]
struct Known {
    /// Whether the operator had to deliver it at some time.
    is_own: bool,
    /// Whether it took the task over.
    rescued: bool,
    /// By whom, and in which block and when it was announced.
    rescue: Option<(Address, (u64, u64))>,
    /// In which block and when its share was fixed: at its publication, or when its rescuer reserved a slot for it.
    fixed_at: (u64, u64),
    transaction: B256,
    kept_apart: Option<U256>,
    /// Whether it has ended for this operator.
    over: bool,
}

/// The tasks of a pool and the shares of one of its operators, event by event.
struct Tasks {
    operator: Address,
    shares: Shares,
    known: BTreeMap<TaskId, Known>,
    order: Vec<TaskId>,
}

impl Tasks {
    fn of(operator: Address) -> Self {
        Self { operator, shares: Shares::default(), known: BTreeMap::new(), order: Vec::new() }
    }

    /// Whether an event is one of those that are looked at, so that its block's time is asked for.
    fn matters(event: &PoolEvent) -> bool {
        use PoolEvent as E;
        matches!(
            event,
            E::ShareSet { .. }
                | E::Published { .. }
                | E::RescueAnnounced { .. }
                | E::Novated { .. }
                | E::Delivered { .. }
                | E::Defaulted { .. }
                | E::Unwound { .. }
                | E::Dishonoured { .. }
        )
    }

    fn take(&mut self, event: PoolEvent, at: (u64, u64), transaction: B256) {
        let operator = self.operator;
        match event {
            PoolEvent::ShareSet { operator: whose, share, effective_at } if whose == operator => {
                self.shares.0.push((at.1, u16::try_from(share).unwrap_or(u16::MAX), effective_at));
                return;
            }
            PoolEvent::Published { task, operator: whose, .. } => {
                let (is_own, rescued, over) = (whose == operator, false, false);
                let known = Known { is_own, rescued, rescue: None, fixed_at: at, transaction, kept_apart: None, over };
                self.known.insert(task, known);
                self.order.push(task);
                return;
            }
            _ => {}
        }
        let Some(task) = event.task().and_then(|task| self.known.get_mut(&task)) else { return };
        match event {
            PoolEvent::RescueAnnounced { rescuer, .. } => task.rescue = Some((rescuer, at)),
            // The original is out; what it has published stays published.
            PoolEvent::Novated { rescuer, .. } if rescuer != operator => task.over = true,
            PoolEvent::Novated { .. } => {
                (task.is_own, task.rescued) = (true, true);
                task.fixed_at = task.rescue.map_or(task.fixed_at, |(_, announced)| announced);
            }
            PoolEvent::Delivered { earmarked, .. } => {
                if !task.over {
                    task.kept_apart = Some(earmarked);
                }
                task.over = true;
            }
            PoolEvent::Defaulted { .. } | PoolEvent::Unwound { .. } | PoolEvent::Dishonoured { .. } => task.over = true,
            _ => {}
        }
    }

    /// Those that the operator had to deliver, in the order of their publication, with the share that was fixed for each.
    fn own(&self) -> impl Iterator<Item = (TaskId, Known, u16)> {
        let known = self.order.iter().filter_map(|id| Some((*id, *self.known.get(id)?)));
        known.filter(|(_, known)| known.is_own).map(|(id, known)| (id, known, self.shares.at(known.fixed_at.1)))
    }
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

    const ORIGINAL: Address = Address::repeat_byte(0x0a);
    const RESCUER: Address = Address::repeat_byte(0x0b);

    /// The share, whether it ended, whether it was taken over, and what was kept apart.
    type Seen = (u16, bool, bool, Option<u64>);

    /// What is seen of the one task of both, in each one's books, after some of the events of a rescue.
    fn books_of_both(events: &[PoolEvent]) -> [Option<Seen>; 2] {
        [ORIGINAL, RESCUER].map(|operator| {
            let mut tasks = Tasks::of(operator);
            for (time, event) in (1..).zip(events) {
                assert!(Tasks::matters(event));
                tasks.take(event.clone(), (time, time * 100), B256::repeat_byte(9));
            }
            let seen = |(_, known, share): (TaskId, Known, u16)| {
                (share, known.over, known.rescued, known.kept_apart.map(|kept| kept.to()))
            };
            tasks.own().next().map(seen)
        })
    }

    #[test]
    fn a_rescued_task_is_in_both_books_with_the_share_that_each_had_when_it_became_its_own() {
        let (task, slot, requester) = (B256::repeat_byte(1), 0, Address::ZERO);
        let share = |operator, share: u64, at| PoolEvent::ShareSet {
            operator,
            share: share.try_into().unwrap(),
            effective_at: at,
        };
        let mut events = vec![
            share(ORIGINAL, 1_000, 100),
            share(RESCUER, 2_000, 200),
            PoolEvent::Published { task, operator: ORIGINAL, requester, slot },
            // What is announced after the publication, and before the rescue.
            share(RESCUER, 3_000, 400),
            share(ORIGINAL, 5_000, 500),
        ];
        assert_eq!(books_of_both(&events), [Some((1_000, false, false, None)), None]);
        events.push(PoolEvent::RescueAnnounced { task, rescuer: RESCUER, slot, effective_at: 800 });
        // In force by the time that the rescue is carried out, and too late for it.
        events.push(share(RESCUER, 4_000, 700));
        let announced = books_of_both(&events);
        assert_eq!(
            announced,
            [Some((1_000, false, false, None)), None],
            "nothing is the rescuer's before it is handed over"
        );

        // The original comes in time after all.
        let delivered = |earmarked: u64| PoolEvent::Delivered {
            task,
            on_time: false,
            target_ok: true,
            earmarked: U256::from(earmarked),
        };
        let in_grace = [&events[..], &[delivered(77)]].concat();
        assert_eq!(books_of_both(&in_grace), [Some((1_000, true, false, Some(77))), None]);

        events.push(PoolEvent::Novated { task, rescuer: RESCUER });
        assert_eq!(books_of_both(&events), [Some((1_000, true, false, None)), Some((3_000, false, true, None))]);
        let ends = [
            (delivered(88), Some(88)),
            (PoolEvent::Defaulted { task, operator: RESCUER }, None),
            (PoolEvent::Unwound { task }, None),
        ];
        for (end, kept) in ends {
            let ended = [&events[..], &[end]].concat();
            assert_eq!(books_of_both(&ended), [Some((1_000, true, false, None)), Some((3_000, true, true, kept))]);
        }
    }

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
