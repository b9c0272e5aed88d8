//! Which slot can back a promise: the one rule, for quotes and for rescues.

use crate::{Context, OpResult};
use zkpool_chain::{Head, SlotState};
use zkpool_protocol::{Address, Terms, U256};

/// What a slot is needed for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    token: Address,
    collateral: U256,
    honour: u128,
    /// Dedicated slots serve their requester only, and no rescue.
    requester: Option<Address>,
}

impl Need {
    /// To back a quote.
    pub(crate) fn of_quote(terms: &Terms) -> Self {
        Self {
            token: terms.liability_token,
            collateral: terms.lock(),
            honour: terms.honour,
            requester: Some(terms.requester),
        }
    }

    /// To take a task over.
    pub(crate) fn of_rescue(terms: &Terms) -> Self {
        Self { token: terms.liability_token, collateral: terms.rescue_lock(), honour: 0, requester: None }
    }
}

/// A slot that nothing of this operator's takes up: neither on chain nor, as a quote that can still be published, here.
///
/// After a start, slots are left alone for [`MAX_VALIDITY`](zkpool_protocol::MAX_VALIDITY): the database may be an old copy that does not know of
/// quotes that are still good. Slots that were opened since the start can have none.
pub(crate) async fn free(ctx: &Context, need: &Need, head: &Head) -> OpResult<Option<u32>> {
    let settled = head.number.saturating_sub(ctx.config.chain.confirmations);
    let taken = ctx.store.slots_taken(need.token, settled).await?;
    let groups = ctx.config.slots.iter().filter(|group| {
        let serves = group.dedicated_to.is_none_or(|requester| need.requester == Some(requester));
        group.token == need.token && U256::from(group.collateral) >= need.collateral && serves
    });
    // Its own requester first to the slots that are kept for it.
    let mut groups: Vec<_> = groups.collect();
    groups.sort_by_key(|group| group.dedicated_to.is_none());
    for group in groups {
        for index in (group.first..group.first.saturating_add(group.count)).filter(|index| !taken.contains(index)) {
            if is_quarantined(ctx, need.token, index, head.timestamp).await? {
                continue;
            }
            let slot = ctx.chain.slot(ctx.config.operator, need.token, index).await?;
            let serves = slot.next_dedication.is_none() && slot.dedicated_to == group.dedicated_to;
            let idle = slot.state == SlotState::Idle && slot.busy_until < head.timestamp && slot.closes_at.is_none();
            let funded = U256::from(slot.collateral) >= need.collateral && slot.honour_reserve >= need.honour;
            if serves && idle && funded {
                return Ok(Some(index));
            }
        }
    }
    Ok(None)
}

/// Whether quotes may be good for the slot that this database does not know of.
async fn is_quarantined(ctx: &Context, token: Address, index: u32, time: u64) -> OpResult<bool> {
    let Some(quarantine) = ctx.status.quarantine() else { return Ok(true) };
    if time > quarantine.until {
        return Ok(false);
    }
    let opened = ctx.store.slot_opened_in(token, index).await?;
    Ok(opened.is_none_or(|block| block <= quarantine.block))
}
