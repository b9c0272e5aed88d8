//! Which slot can back a promise: the one rule, for quotes and for rescues.

use crate::{Context, OpResult};
use zkpool_chain::{Head, SlotState};
use zkpool_protocol::{Address, Terms, U256};

/// What a slot is needed for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    token: Address,
    collateral: U256,
    /// Dedicated slots serve their requester only, and no rescue.
    requester: Option<Address>,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A slot that can back it.
    Free {
        /// Its index.
        index: u32,
        /// What a quote on it promises.
        honour: u128,
    },
    /// None, but there are some that have to wait until no quote from before the start can be good.
    Quarantined,
    /// None.
    Taken,
}

impl Need {
    /// To back a quote.
    pub(crate) fn of_quote(terms: &Terms) -> Self {
        Self { token: terms.liability_token, collateral: terms.lock(), requester: Some(terms.requester) }
    }

    /// To take a task over.
    pub(crate) fn of_rescue(terms: &Terms) -> Self {
        Self { token: terms.liability_token, collateral: terms.rescue_lock(), requester: None }
    }
}

/// A slot that nothing of this operator's takes up: neither on chain nor, as a quote that can still be published, here.
///
/// After a start, slots are left alone for [`zkpool_protocol::MAX_VALIDITY`]: the database may be an old copy that does
/// not know of quotes that are still good. Slots that were opened since the start can have none.
pub(crate) async fn free(ctx: &Context, need: &Need, head: &Head) -> OpResult<Found> {
    let settled = head.number.saturating_sub(ctx.config.chain.confirmations);
    let taken = ctx.store.slots_taken(need.token, settled).await?;
    let groups = ctx.config.slots.iter().filter(|group| {
        let serves = group.dedicated_to.is_none_or(|requester| need.requester == Some(requester));
        group.token == need.token && U256::from(group.collateral) >= need.collateral && serves
    });
    // Its own requester first to the slots that are kept for it.
    let mut groups: Vec<_> = groups.collect();
    groups.sort_by_key(|group| group.dedicated_to.is_none());
    let mut found = Found::Taken;
    for group in groups {
        for index in (group.first..group.first.saturating_add(group.count)).filter(|index| !taken.contains(index)) {
            if is_quarantined(ctx, need.token, index, head.timestamp).await? {
                found = Found::Quarantined;
                continue;
            }
            let slot = ctx.chain.slot(ctx.config.operator, need.token, index).await?;
            let serves = slot.next_dedication.is_none() && slot.dedicated_to == group.dedicated_to;
            let idle = slot.state == SlotState::Idle && slot.busy_until < head.timestamp && slot.closes_at.is_none();
            // Only a quote promises honour.
            let honour = if need.requester.is_some() { group.honour } else { 0 };
            let funded = U256::from(slot.collateral) >= need.collateral && slot.honour_reserve >= honour;
            if serves && idle && funded {
                return Ok(Found::Free { index, honour });
            }
        }
    }
    Ok(found)
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
