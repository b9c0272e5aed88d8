//! `follow`: takes in what the chain says.
//!
//! Steps and cursor become durable together, so a crash in between polls the same steps again.

use crate::{Change, Context, OpError, OpResult, metrics, ops::published};
use std::{collections::BTreeMap, time::Duration};
use zkpool_chain::{Block, Cursor, Polled, PoolEvent, Step};
use zkpool_protocol::{ErrorCode, TaskId, TaskState};
use zkpool_store::{Advance, End, Fact, Millis, Said, TaskKey};

/// What was published longer ago is not read up in order to take it over, in seconds.
const LONG_AGO: u64 = 86_400;

/// Reads on from the stored cursor. True if there is more to read at once.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    let meta = ctx.store.meta().await?;
    let cursor = match &meta.cursor {
        None => Cursor::starting_at(ctx.config.chain.start_block),
        Some(bytes) => serde_json::from_slice(bytes).map_err(|error| {
            OpError::caused_by(ErrorCode::Internal, "the stored place in the chain cannot be read", error)
        })?,
    };
    let polled = ctx.chain.poll(&cursor).await?;
    let now = ctx.clock.now();
    let more = !polled.caught_up();
    if !polled.steps.is_empty() {
        // First: what comes after it in the same poll is of a task that is known then.
        overhear(ctx, &polled).await?;
        let advance = advance(ctx, &polled, meta.head).await?;
        let news = ctx.store.advance(&advance, now).await?;
        for task in &news.changed {
            ctx.changes.announce(Change::Task(*task));
            measure(ctx, *task, now).await?;
        }
        for task in &news.strangers {
            tracing::error!(
                task.id = %task,
                "a quote was published in this operator's name that this database does not know: somebody else signs \
                 with its key, or the database is an old copy; freeze the operator (zkpool operator freeze) if in doubt"
            );
        }
        if !news.strangers.is_empty() {
            ctx.status.begin_quarantine(&polled.head, now);
        }
        if !news.changed.is_empty() {
            ctx.nudges.plan.wake();
            ctx.nudges.dispatch.wake();
        }
        // New blocks are new confirmations, and new times.
        ctx.nudges.submit.wake();
        ctx.nudges.rescue.wake();
    }
    ctx.status.saw_chain(polled.head, !more, now);
    metrics::head(polled.head.number, Duration::from_secs((now / 1_000).saturating_sub(polled.head.timestamp)));
    Ok(more)
}

/// Other operators' publications, which this one may take over when they are late.
async fn overhear(ctx: &Context, polled: &Polled) -> OpResult<()> {
    if !ctx.config.rescue.enabled {
        return Ok(());
    }
    for step in &polled.steps {
        let Step::Block(block) = step else { continue };
        if block.timestamp.saturating_add(LONG_AGO) < polled.head.timestamp {
            continue;
        }
        for event in &block.events {
            if let PoolEvent::Published { task, operator, .. } = event.event
                && operator != ctx.config.operator
            {
                published::overhear(ctx, task, event.transaction).await?;
            }
        }
    }
    Ok(())
}

/// Counts a task that has come to its end just now.
async fn measure(ctx: &Context, key: TaskKey, now: Millis) -> OpResult<()> {
    let Some(task) = ctx.store.task_by_key(key).await?.filter(|task| task.changed_at == now) else { return Ok(()) };
    if task.state.is_final() || matches!(task.state, TaskState::Delivered | TaskState::Missed) {
        let published = task.chain.published.filter(|_| task.state == TaskState::Delivered);
        let elapsed = published.map(|(_, time)| Duration::from_millis(now.saturating_sub(time * 1_000)));
        metrics::task_ended(task.state, elapsed);
    }
    Ok(())
}

/// One durable step out of all that a poll gave.
async fn advance(ctx: &Context, polled: &Polled, known_head: (u64, u64)) -> OpResult<Advance> {
    let Polled { steps, cursor, head } = polled;
    let mut step = Advance {
        cursor: serde_json::to_vec(cursor).map_err(|error| {
            OpError::caused_by(ErrorCode::Internal, "the place in the chain cannot be written", error)
        })?,
        head: known_head,
        ..Advance::default()
    };
    let mut published = BTreeMap::new();
    for each in steps {
        match each {
            Step::Rollback { to } => {
                step.facts.retain(|said| said.block <= *to);
                step.rewind_to = Some(step.rewind_to.map_or(*to, |before: u64| before.min(*to)));
                // The time is that of the branch that remains: what only the removed blocks' time had ended goes on.
                step.head = (*to, step.head.1.min(head.timestamp));
                ctx.status.forget_blocks_above(*to);
            }
            Step::Block(block) => {
                ctx.status.saw_block(block.number, block.timestamp);
                step.head = (block.number, block.timestamp);
                read_block(ctx, block, &mut published, &mut step.facts).await?;
            }
        }
    }
    let deep = head.number.saturating_sub(ctx.config.chain.confirmations);
    step.settled_time = ctx.status.time_of_block_at_or_below(deep).unwrap_or(0);
    Ok(step)
}

async fn read_block(
    ctx: &Context,
    block: &Block,
    published: &mut BTreeMap<TaskId, u64>,
    facts: &mut Vec<Said>,
) -> OpResult<()> {
    for event in &block.events {
        let fact = match &event.event {
            PoolEvent::Published { task, operator, .. } => {
                published.insert(*task, block.timestamp);
                Fact::Published { task: *task, operator: *operator }
            }
            PoolEvent::HaltObserved { task, total, .. } => {
                let Some(fact) = deadlines(ctx, *task, *total, published.get(task).copied()).await? else { continue };
                fact
            }
            PoolEvent::SlotOpened { operator, token, slot, .. } if *operator == ctx.config.operator => {
                Fact::SlotOpened { token: *token, slot: *slot }
            }
            other => match plain(other) {
                Some(fact) => fact,
                None => continue,
            },
        };
        facts.push(Said { block: block.number, time: block.timestamp, fact });
    }
    Ok(())
}

/// Events that say all there is to say.
fn plain(event: &PoolEvent) -> Option<Fact> {
    Some(match *event {
        PoolEvent::RescueAnnounced { task, rescuer, slot, effective_at } => {
            Fact::RescueAnnounced { task, rescuer, slot, effective_at }
        }
        PoolEvent::Novated { task, .. } => Fact::Novated { task },
        PoolEvent::Delivered { task, on_time: true, .. } => Fact::Ended { task, end: End::DeliveredOnTime },
        PoolEvent::Delivered { task, on_time: false, .. } => Fact::Ended { task, end: End::DeliveredLate },
        PoolEvent::Dishonoured { task, .. } => Fact::Ended { task, end: End::Dishonoured },
        PoolEvent::Defaulted { task, .. } => Fact::Ended { task, end: End::Defaulted },
        PoolEvent::Unwound { task } => Fact::Ended { task, end: End::Unwound },
        _ => return None,
    })
}

/// A task's deadlines once its verifier was seen halted for `total` seconds in all.
async fn deadlines(ctx: &Context, task: TaskId, total: u64, published: Option<u64>) -> OpResult<Option<Fact>> {
    let Some(record) = ctx.store.task(task).await? else { return Ok(None) };
    let start = published.or(record.chain.published.map(|(_, time)| time));
    let (Some(start), Some((_, quote))) = (start, &record.quote) else { return Ok(None) };
    let start = start + total;
    Ok(Some(Fact::Deadlines {
        task,
        proof: quote.terms.proof_deadline(start),
        liability: quote.terms.liability_deadline(start),
    }))
}
