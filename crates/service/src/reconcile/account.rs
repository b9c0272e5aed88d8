//! `account`: keeps the operator's slots open and full, with its own key; without that key they are managed by hand.
//!
//! Purposes name the state that a transaction starts from, so that the same wish is recorded once.

use crate::{Context, KeyRole, OpResult, config::Slots};
use zkpool_bindings::{IERC20, IZKPool};
use zkpool_chain::{Slot, SlotState, TxRequest, TxState, alloy::sol_types::SolCall};
use zkpool_protocol::{Address, U256};

/// Names the signer, opens what is closed, tops up what a default or a breach has taken from.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    let Some(owner) = ctx.chain.address_of(KeyRole::Owner) else { return Ok(false) };
    if owner != ctx.config.operator {
        tracing::error!(%owner, operator = %ctx.config.operator, "keys.owner is not the operator's key: slots are left alone");
        return Ok(false);
    }
    name_signer(ctx).await?;
    for group in &ctx.config.slots {
        keep(ctx, group).await?;
    }
    ctx.nudges.submit.wake();
    Ok(false)
}

/// The first signer takes effect at once. Another one that is set already was set by somebody: it is not overruled.
async fn name_signer(ctx: &Context) -> OpResult<()> {
    let Some(signer) = ctx.chain.address_of(KeyRole::Signer) else { return Ok(()) };
    let current = ctx.chain.signer_of(ctx.config.operator).await?;
    if current.signer.is_none() && current.next.is_none() {
        let call = IZKPool::setSignerCall { signer };
        return enqueue(ctx, format!("signer:{signer}"), ctx.config.pool, call.abi_encode()).await;
    }
    if current.signer != Some(signer) && current.next.map(|(next, _)| next) != Some(signer) {
        tracing::warn!(
            configured = %signer,
            "the contract knows another signer for this operator: quotes would not be accepted; \
             run `zkpool operator set-signer` or configure its key"
        );
    }
    Ok(())
}

async fn keep(ctx: &Context, group: &Slots) -> OpResult<()> {
    let operator = ctx.config.operator;
    let mut wishes = Vec::new();
    for index in group.first..group.first.saturating_add(group.count) {
        let slot = ctx.chain.slot(operator, group.token, index).await?;
        wishes.extend(wish(operator, group, index, &slot));
    }
    if wishes.is_empty() {
        return Ok(());
    }
    let mut left = ctx.chain.balance(group.token, operator).await?;
    let mut payable = None;
    for wish in wishes {
        if matches!(ctx.chain.transaction(&wish.purpose).await?, Some(record) if record.state != TxState::Failed) {
            left = left.saturating_sub(wish.cost);
            continue;
        }
        if left >= wish.cost {
            left -= wish.cost;
        } else {
            let wallet = match payable {
                Some(wallet) => wallet,
                None => ctx.chain.payable(group.token, operator).await?,
            };
            let short = wish.cost - left;
            if wallet < short {
                // Either nothing is approved yet, or there is nothing left to approve.
                return approve(ctx, group.token).await;
            }
            (left, payable) = (U256::ZERO, Some(wallet - short));
        }
        enqueue(ctx, wish.purpose, ctx.config.pool, wish.data).await?;
    }
    Ok(())
}

/// Something to be done about a slot.
struct Wish {
    purpose: String,
    cost: U256,
    data: Vec<u8>,
}

fn wish(operator: Address, group: &Slots, index: u32, slot: &Slot) -> Option<Wish> {
    let token = group.token;
    match slot.closes_at {
        // Never opened, or closed and emptied. One that is closing was closed by hand: it is not reopened.
        Some(0) => {
            let call = IZKPool::openSlotCall {
                token,
                index,
                collateral: group.collateral,
                honour: group.honour,
                dedicatedTo: group.dedicated_to.unwrap_or_default(),
            };
            let cost = U256::from(group.collateral) + U256::from(group.honour);
            Some(Wish { purpose: format!("open:{token}:{index}"), cost, data: call.abi_encode() })
        }
        None if slot.state == SlotState::Idle => {
            let collateral = group.collateral.saturating_sub(slot.collateral);
            let honour = group.honour.saturating_sub(slot.honour_reserve);
            if collateral == 0 && honour == 0 {
                return None;
            }
            let call = IZKPool::topUpSlotCall { operator, token, index, collateral, honour };
            // The last task, and what it left, tell one loss from the next.
            let purpose = format!("topup:{token}:{index}:{}:{}:{}", slot.digest, slot.collateral, slot.honour_reserve);
            Some(Wish { purpose, cost: U256::from(collateral) + U256::from(honour), data: call.abi_encode() })
        }
        _ => None,
    }
}

/// Approves the pool, an immutable contract that pulls from its caller alone, for good.
async fn approve(ctx: &Context, token: Address) -> OpResult<()> {
    let purpose = format!("approve:{token}");
    if let Some(record) = ctx.chain.transaction(&purpose).await? {
        if record.state.is_final() {
            tracing::warn!(%token, "slots are short of collateral: give the operator's address more of this token");
        }
        return Ok(());
    }
    let call = IERC20::approveCall { spender: ctx.config.pool, value: U256::MAX };
    enqueue(ctx, purpose, token, call.abi_encode()).await
}

async fn enqueue(ctx: &Context, purpose: String, to: Address, data: Vec<u8>) -> OpResult<()> {
    ctx.chain.enqueue(KeyRole::Owner, TxRequest::call(purpose, to, data)).await?;
    Ok(())
}
