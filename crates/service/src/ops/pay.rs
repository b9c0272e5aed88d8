//! What provers are paid: promised with each job, kept with each result, published for everybody.

use super::funds::Funds;
use crate::{Context, OpError, OpResult};
use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};
use zkpool_api::{
    EarmarkView, EarmarksReply, MAX_RECEIPTS, Paid, PartPay, ReceiptView, ReceiptsQuery, ReceiptsReply, TaskPayReply,
    TrancheReply, TrancheView, TranchesReply,
};
use zkpool_protocol::{
    Address, B256, BlobId, Bytes, ErrorCode, ProgramId, TaskId,
    pay::{CapTree, LeasedJob, Ledger, SignedResult, SignedVoucher, TaskPay, Voucher},
};
use zkpool_store::{Earmark, Earning, ResultPay, Role, TaskRecord, TrancheRecord, TrancheStatus, Workload};

/// The ledger that this operator pays out of, if it does.
pub(crate) fn ledger(ctx: &Context) -> Option<Ledger> {
    ctx.config.pay.as_ref().map(|pay| Ledger { chain_id: ctx.config.chain_id, address: pay.ledger })
}

/// From what a task's jobs are paid, or a leg's; fixed the first time that it is asked for. `None`: this operator pays its
/// provers outside.
pub(crate) async fn task_pay(ctx: &Context, task: &TaskRecord) -> OpResult<Option<TaskPay>> {
    if ctx.config.pay.is_none() {
        return Ok(None);
    }
    if let Some(known) = ctx.store.pay_of(task.key).await? {
        return Ok(Some(known));
    }
    let gone = || OpError::new(ErrorCode::Internal, "a job of a task that was not quoted");
    let whole = match task.leg {
        // A leg is paid from its bundle's reward, as its part of the bundle's units.
        Some(leg) => ctx.store.task_by_key(leg.bundle).await?.ok_or_else(gone)?,
        None => task.clone(),
    };
    let pay = match ctx.store.pay_of(whole.key).await? {
        Some(known) => known,
        None => {
            let ((id, quote), price) = whole.quote.as_ref().zip(whole.price).ok_or_else(gone)?;
            let (terms, slot) = (&quote.terms, whole.own_slot.ok_or_else(gone)?);
            // An endpoint that is behind shows what the slot held before: its share is not this task's, and would stay.
            let behind = || {
                let message = format!("the chain does not show task {id} in slot {slot} yet: its share is not known");
                OpError::new(ErrorCode::NotSetApart, message)
            };
            let share = ctx.ledger()?.share_of(slot, terms.liability_token, *id).await?.ok_or_else(behind)?;
            let pay = TaskPay { token: terms.reward_token, reward: terms.reward, share, units: price.units };
            ctx.store.fix_pay(whole.key, &pay).await?
        }
    };
    Ok(Some(ctx.store.fix_pay(task.key, &pay).await?))
}

/// What a result is to be paid from, with its prover's signature, which is looked at; `due`: whether the prover counts on it.
/// Fails with `BadRequest`.
pub(crate) async fn result_pay(
    ctx: &Context,
    task: &TaskRecord,
    who: Address,
    leased: LeasedJob,
    proof: &[u8],
    signature: Option<Bytes>,
    due: bool,
) -> OpResult<Option<ResultPay>> {
    let (Some(ledger), Some(pay)) = (ledger(ctx), task_pay(ctx, task).await?) else { return Ok(None) };
    let bad = |message: &str| OpError::new(ErrorCode::BadRequest, message);
    let signature = signature
        .ok_or_else(|| bad("this operator pays for results that are signed: send the signature of `Result` with it"))?;
    let output = BlobId::of(proof).into();
    let said = SignedResult { operator: ctx.config.operator, job: leased.id(), output };
    if said.signer(&ledger, &signature).ok() != Some(who) {
        return Err(bad("the signature of `Result` is not the prover's, or not of this result"));
    }
    let signer = ctx.voucher_signer()?;
    Ok(Some(ResultPay { pay, signer, signature, due }))
}

/// What is answered for a result that has earned something. The signature is made of what is stored.
pub(crate) async fn paid(ctx: &Context, earning: Option<Earning>) -> OpResult<Option<Paid>> {
    let Some(Earning { receipt, voucher, .. }) = earning else { return Ok(None) };
    let gone = || OpError::new(ErrorCode::Internal, format!("tranche {} is gone", voucher.tranche));
    let tranches = ctx.store.tranches().await?;
    let tranche = tranches.iter().find(|tranche| tranche.index == voucher.tranche).ok_or_else(gone)?;
    Ok(Some(Paid { receipt, voucher: signed(ctx, voucher, tranche.signer)? }))
}

/// Fails with `Internal` if the key is not the one that the tranche was opened with: what it signs would be worth nothing.
fn signed(ctx: &Context, voucher: Voucher, signer: Address) -> OpResult<SignedVoucher> {
    let outside = || OpError::new(ErrorCode::Internal, "something was earned, but [service.pay] is gone: put it back");
    let ledger = ledger(ctx).ok_or_else(outside)?;
    if ctx.voucher_signer()? != signer {
        let message = format!("vouchers of tranche {} are signed by {signer}: put that key back", voucher.tranche);
        return Err(OpError::new(ErrorCode::Internal, message));
    }
    let signature = ctx.chain.sign(&voucher.digest(&ledger))?;
    Ok(SignedVoucher { voucher, signature })
}

/// From what the tasks that are being proven are paid, as far as it is not known yet; what is over is forgotten. One of which
/// it cannot be told holds up no other.
pub(crate) async fn learn(ctx: &Context, workload: &Workload, known: &mut HashMap<TaskId, TaskPay>) -> OpResult<()> {
    if ctx.config.pay.is_none() {
        return Ok(());
    }
    let tasks: BTreeSet<TaskId> = workload.jobs.iter().map(|item| item.job.id.task).collect();
    known.retain(|id, _| tasks.contains(id));
    for id in tasks {
        let Entry::Vacant(place) = known.entry(id) else { continue };
        let Some(task) = ctx.store.task(id).await? else { continue };
        match task_pay(ctx, &task).await {
            Ok(Some(pay)) => {
                place.insert(pay);
            }
            Ok(None) => {}
            Err(error) if error.is_store_fault() => return Err(error),
            Err(error) => {
                tracing::warn!(task.id = %id, error = %error.chain(), "it cannot be told yet what the task's jobs earn");
            }
        }
    }
    Ok(())
}

/// Keeps jobs from provers for which not enough is set apart: they would refuse, or work for nothing. What they hold
/// already counts as earned. `pays` says what tasks pay, `enclaves` of which jobs take what enclave.
pub(crate) async fn bar_unfunded(
    ctx: &Context,
    workload: &mut Workload,
    pays: &HashMap<TaskId, TaskPay>,
    enclaves: &BTreeMap<ProgramId, B256>,
) -> OpResult<()> {
    if ctx.config.pay.is_none() || workload.jobs.is_empty() {
        return Ok(());
    }
    let funds = Funds::of(ctx, workload, pays, enclaves).await?;
    let barred = funds.barred();
    // Somebody can be given money before the deadline.
    if funds.is_missing() {
        ctx.nudges.pay.wake();
    }
    for (item, barred) in workload.jobs.iter_mut().zip(barred) {
        item.excluded.extend(barred);
    }
    Ok(())
}

fn tranche_view(tranche: &TrancheRecord) -> TrancheView {
    TrancheView {
        index: tranche.index,
        token: tranche.token,
        open: tranche.status == TrancheStatus::Open,
        signer: tranche.signer,
        root: tranche.root,
        total: tranche.total,
    }
}

/// All tranches that were opened.
pub async fn tranches(ctx: &Context) -> OpResult<TranchesReply> {
    let all = ctx.store.tranches().await?;
    let opened = all.iter().filter(|tranche| tranche.status != TrancheStatus::Planned);
    Ok(TranchesReply { tranches: opened.map(tranche_view).collect() })
}

/// A tranche with everybody who is in it. Fails with `NotFound`.
pub async fn tranche(ctx: &Context, index: u64) -> OpResult<TrancheReply> {
    let all = ctx.store.tranches().await?;
    let opened = all.iter().find(|tranche| tranche.index == index && tranche.status != TrancheStatus::Planned);
    let opened = opened
        .ok_or_else(|| OpError::new(ErrorCode::NotFound, format!("this operator has opened no tranche {index}")))?;
    Ok(TrancheReply { tranche: tranche_view(opened), caps: ctx.store.caps_of(index).await? })
}

/// What is set apart for a prover, where something can still be claimed.
pub async fn earmarks(ctx: &Context, prover: Address) -> OpResult<EarmarksReply> {
    let mut earmarks = Vec::new();
    for mark in ctx.store.earmarks_of(prover).await? {
        if matches!(mark.tranche.status, TrancheStatus::Open | TrancheStatus::Closing) {
            earmarks.push(earmark(ctx, &mark).await?);
        }
    }
    Ok(EarmarksReply { earmarks })
}

async fn earmark(ctx: &Context, mark: &Earmark) -> OpResult<EarmarkView> {
    let index = mark.tranche.index;
    let tree = ctx.cap_tree(index).await?;
    let proof = usize::try_from(mark.place).ok().and_then(|place| tree.proof(place));
    let proof = proof.ok_or_else(|| OpError::new(ErrorCode::Internal, format!("tranche {index} is incomplete")))?;
    // A voucher of another key than the service has now was given when it was made: the prover has it.
    let ours = mark.voucher.count > 0 && ctx.voucher_signer().ok() == Some(mark.tranche.signer);
    Ok(EarmarkView {
        tranche: tranche_view(&mark.tranche),
        cap: mark.cap.amount,
        place: proof.index,
        siblings: proof.siblings,
        voucher: if ours { Some(signed(ctx, mark.voucher, mark.tranche.signer)?) } else { None },
    })
}

/// A prover's receipts in a tranche: for the prover all of them, for others as far as their tasks have ended.
pub async fn receipts(
    ctx: &Context,
    who: Option<Address>,
    prover: Address,
    query: ReceiptsQuery,
) -> OpResult<ReceiptsReply> {
    let found = ctx.store.earnings_of(query.tranche, prover, query.after, MAX_RECEIPTS).await?;
    let marks = ctx.store.earmarks_of(prover).await?;
    let count = marks.iter().find(|mark| mark.tranche.index == query.tranche).map_or(0, |mark| mark.voucher.count);
    let (mut receipts, mut ended) = (Vec::with_capacity(found.len()), BTreeMap::new());
    for earning in found {
        let task = earning.receipt.task;
        if who != Some(prover) && !has_ended(ctx, task, &mut ended).await? {
            break;
        }
        receipts.push(receipt_view(earning));
    }
    Ok(ReceiptsReply { receipts, count })
}

async fn has_ended(ctx: &Context, id: TaskId, known: &mut BTreeMap<TaskId, bool>) -> OpResult<bool> {
    if let Some(ended) = known.get(&id) {
        return Ok(*ended);
    }
    let task = ctx.store.task(id).await?;
    let whole = match task.as_ref().and_then(|task| task.leg) {
        Some(leg) => ctx.store.task_by_key(leg.bundle).await?,
        None => task,
    };
    let ended = whole.is_none_or(|task| is_over(&task));
    known.insert(id, ended);
    Ok(ended)
}

fn is_over(task: &TaskRecord) -> bool {
    !task.state.is_live()
}

fn receipt_view(earning: Earning) -> ReceiptView {
    ReceiptView { receipt: earning.receipt, signature: earning.signature, tranche: earning.voucher.tranche }
}

/// What a task's jobs were paid from, and its receipts, once it has ended. Fails with `NotFound`.
pub async fn of_task(ctx: &Context, id: TaskId) -> OpResult<TaskPayReply> {
    let found = ctx.store.task(id).await?.filter(|task| task.role != Role::Leg && is_over(task));
    let task = found.ok_or_else(|| {
        let message = format!("task {id} is not this operator's, or it has not ended yet");
        OpError::new(ErrorCode::NotFound, message)
    })?;
    let mut parts = Vec::new();
    let mut part = async |task: &TaskRecord| -> OpResult<()> {
        let Some(id) = task.id() else { return Ok(()) };
        let receipts = ctx.store.earnings_of_task(task.key).await?.into_iter().map(receipt_view).collect();
        let leg = task.leg;
        parts.push(PartPay { task: id, leg: leg.map(|leg| leg.leg), round: leg.map_or(0, |leg| leg.round), receipts });
        Ok(())
    };
    let legs = ctx.store.legs_of(task.key).await?;
    match legs.is_empty() {
        true => part(&task).await?,
        false => {
            for leg in &legs {
                part(leg).await?;
            }
        }
    }
    Ok(TaskPayReply { pay: ctx.store.pay_of(task.key).await?, strategy: task.strategy(), parts })
}

/// The tree of these caps. Fails with `Internal`: what cannot be a tree was never planned.
pub(crate) fn tree(caps: &[zkpool_protocol::pay::Cap], root: B256) -> OpResult<CapTree> {
    let damaged =
        |why: String| OpError::new(ErrorCode::Internal, format!("a tranche is not the one that was planned: {why}"));
    let tree = CapTree::new(caps).map_err(|error| damaged(error.to_string()))?;
    if tree.root().0 == root { Ok(tree) } else { Err(damaged("its root is another one".into())) }
}
