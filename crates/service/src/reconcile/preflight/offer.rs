//! The offer: priced, checked against time, money and capacity, reserved, signed.

use super::{
    super::{
        calldata, segments,
        slots::{self, Found, Need},
    },
    Declined, agreeable, parts,
};
use crate::{
    Context, KeyRole, OpError, OpResult,
    capacity::{Capacity, delivery_seconds, rules},
    committee,
    ops::info::paused,
    parts::Parts,
    policy::Judge,
};
use rand::RngCore;
use zkpool_chain::{Head, Simulated};
use zkpool_protocol::{
    Address, B256, ErrorCode, MOST_RACERS, ProofKind, Quote, Strategy, Task, Terms, U256, WorkUnits,
    pay::{ETHER, in_wei},
};
use zkpool_scheduler::{PriceInput, each_has_one_of_its_own, price, suited};
use zkpool_store::{Ask, InputRecord, Measured, Millis, Price, StoreError, TaskRecord};

/// Gas of the transaction that delivers, without the target's call: base, settling, ordinary calldata, a pairing check.
const DELIVERY_GAS: u64 = 450_000;
/// What each leg of a bundle beyond the first adds: a pairing check, or a committee's signatures.
const LEG_GAS: u64 = 300_000;

/// Makes and signs the quote that answers a request, or says why not.
pub(super) async fn offer(ctx: &Context, task: &TaskRecord) -> Result<(), Declined> {
    let judge = agreeable(ctx, task)?;
    let parts = parts(ctx, task, judge).await?;
    let calldata = calldata::length(ctx, &task.ask, &parts).await?;
    calldata::check(calldata)?;
    let capacity = Capacity::now(ctx).await?;
    let head = ctx.chain.head().await?;
    let window = u64::from(task.ask.proof_window).saturating_sub(delivery_seconds(ctx)) * 1_000;
    let work = work(task.ask.kind, &parts, &capacity, window)?;
    let early = calldata::early_legs(ctx, &task.ask, &parts).await?;
    let gas = calldata::gas(delivery_gas(&task.ask, &parts), calldata).saturating_add(early);
    let price = quote_price(ctx, &task.ask, &work, gas, &capacity, &head);
    let strategy = price.strategy;
    // From here on a refusal comes with the price.
    let priced = Declined::priced(price);
    if let Some(limit) = task.ask.max_reward.filter(|limit| *limit < price.reward()) {
        let message = format!("it would cost {}, more than the {limit} that you would pay", price.reward());
        return Err(priced(OpError::new(ErrorCode::TooExpensive, message)));
    }
    if let Some(why) = paused(ctx).await? {
        return Err(priced(why));
    }
    // Who would not do it for that does not count.
    let capacity = capacity.affordable(rate(ctx, task.ask.reward_token, &price));
    let work = self::work(task.ask.kind, &parts, &capacity, window).map_err(&priced)?;
    in_time(ctx, task, &work, strategy, &capacity).map_err(&priced)?;
    racers(&work, strategy).map_err(&priced)?;
    committee::would_sign(ctx, &parts).await.map_err(&priced)?;
    target(ctx, &task.ask, judge).await.map_err(&priced)?;
    signer(ctx, &head).await.map_err(&priced)?;
    // One at a time from here: funds and slots are counted and then taken.
    let _alone = ctx.quoting.lock().await;
    funds(ctx, task, price.reward()).await.map_err(&priced)?;
    reserve(ctx, task, &parts.input, price, &head).await.map_err(&priced)?;
    let task = ctx.store.task_by_key(task.key).await?.unwrap_or_else(|| task.clone());
    Ok(sign(ctx, &task).await?)
}

/// What a task consists of, and how long it takes.
pub(in crate::reconcile) struct Work {
    units: WorkUnits,
    memory: u64,
    parts: Vec<PartWork>,
    /// No two parts have an owner in common.
    independent: bool,
    /// What nobody could do, if there is such a thing.
    kind: ProofKind,
}

/// One of its parts: itself, or a leg.
struct PartWork {
    /// With one prover for each job; `None` if nobody who is present could do it.
    proving_ms: Option<u64>,
    /// All machines have a share in it: what is done more than once takes as much longer.
    shared: bool,
    /// How many jobs are done one after the other.
    steps: u32,
    owners: Vec<Address>,
}

impl Work {
    /// How long it takes; `None` if nobody who is present could do it.
    pub(in crate::reconcile) fn proving_ms(&self, strategy: Strategy, bidding: u64) -> Option<u64> {
        let holders = u64::from(strategy.holders());
        let waits = if strategy == Strategy::Compete { bidding } else { 0 };
        let alone = |part: &PartWork| {
            let makes = part.proving_ms?.saturating_mul(if part.shared { holders } else { 1 });
            Some(makes.saturating_add(waits.saturating_mul(part.steps.into())))
        };
        let mut all: u64 = 0;
        for part in &self.parts {
            // The same machines may make them one after the other.
            all = if self.independent { all.max(alone(part)?) } else { all.saturating_add(alone(part)?) };
        }
        Some(all)
    }

    /// How many owners could be at work on each job at once, as far as it matters.
    fn racers(&self) -> u32 {
        // More than all of them together take never decide.
        let enough = self.parts.len() * MOST_RACERS as usize;
        let owners: Vec<&[Address]> =
            self.parts.iter().map(|part| &part.owners[..part.owners.len().min(enough)]).collect();
        let fits = |racers: &u32| {
            let racers = *racers as usize;
            let all: Vec<&[Address]> = owners.iter().flat_map(|owners| std::iter::repeat_n(*owners, racers)).collect();
            match self.independent {
                true => each_has_one_of_its_own(&all, None),
                false => owners.iter().all(|owners| owners.len() >= racers),
            }
        };
        (1..=MOST_RACERS).rev().find(fits).unwrap_or(0)
    }
}

/// A circuit's proof is as large as the circuit; a zkVM execution depends on how it is cut; the legs of a bundle are made
/// side by side, by different owners unless they may share. `window`: the time for it, in milliseconds. Fails with
/// `NoProver`, `TooLarge`.
pub(in crate::reconcile) fn work(
    kind: ProofKind,
    parts: &Parts,
    capacity: &Capacity,
    window: Millis,
) -> OpResult<Work> {
    let mut all = Work {
        units: WorkUnits(0),
        memory: 0,
        parts: Vec::with_capacity(parts.all.len()),
        independent: parts.independent,
        kind,
    };
    for part in &parts.all {
        let kind = part.ask.kind;
        let (size, proving_ms, steps) = match kind.is_risc0() {
            true => {
                let plan = segments::choose(kind, &part.input, capacity, window)?;
                // A segment's proof, its lift, the joins above it, and the receipt's wrap.
                let steps = 3 + plan.segments.max(1).next_power_of_two().ilog2();
                (Measured { units: plan.units, memory: plan.memory }, Some(plan.makespan), steps)
            }
            false => {
                let size = part.input.measured;
                (size, capacity.estimate(kind, size, part.enclave()), 1)
            }
        };
        let owners = capacity.owners(kind, size.memory, part.enclave());
        all.units = all.units + size.units;
        all.memory = all.memory.max(size.memory);
        if proving_ms.is_none() {
            all.kind = kind;
        }
        all.parts.push(PartWork { proving_ms, shared: kind.is_risc0(), steps, owners });
    }
    let owners: Vec<&[Address]> = all.parts.iter().map(|part| part.owners.as_slice()).collect();
    let able = all.parts.iter().all(|part| part.proving_ms.is_some());
    if parts.independent && able && !each_has_one_of_its_own(&owners, None) {
        let message = format!(
            "the {} legs are to be made by different owners, and of the provers present no {} of different owners can: try \
             again later, or allow shared provers",
            owners.len(),
            owners.len()
        );
        return Err(OpError::new(ErrorCode::NoProver, message));
    }
    Ok(all)
}

/// Gas of the transaction that delivers, with ordinary calldata.
pub(in crate::reconcile) fn delivery_gas(ask: &Ask, parts: &Parts) -> u64 {
    DELIVERY_GAS + u64::from(ask.call_gas) + LEG_GAS * (parts.all.len() as u64).saturating_sub(1)
}

/// The price by the strategy that the requester has chosen, or else by the one that suits what is at stake: a race only
/// where there are the provers, the time and the money for it.
pub(in crate::reconcile) fn quote_price(
    ctx: &Context,
    ask: &Ask,
    work: &Work,
    gas: u64,
    capacity: &Capacity,
    head: &Head,
) -> Price {
    let pricing = &ctx.config.pricing;
    let per_ether = |token| ctx.config.token(token).map_or(ETHER, |token| token.per_ether);
    let at_stake = U256::from(ask.liability) + U256::from(ask.bond) + U256::from(ask.burn);
    let at_stake = in_wei(at_stake.saturating_to(), per_ether(ask.liability_token));
    let alone = PriceInput {
        units: work.units,
        wei_per_million_units: pricing.wei_per_million_units,
        load_bps: pricing.load_bps,
        load: capacity.load(),
        gas,
        // A block that is fuller by the time of the delivery is to be paid for.
        gas_price: pricing.min_gas_price.max(head.base_fee.saturating_mul(2)),
        at_stake,
        premium_bps: pricing.premium_bps,
        strategy: Strategy::Assign,
    };
    let with = |strategy| {
        let parts = price(&PriceInput { strategy, ..alone }).in_token(per_ether(ask.reward_token));
        let proving_ms = work.proving_ms(strategy, rules(ctx).bidding).unwrap_or_default();
        let expected_ms = proving_ms.saturating_add(delivery_seconds(ctx) * 1_000);
        Price { work: parts.work, gas: parts.gas, premium: parts.premium, units: work.units, strategy, expected_ms }
    };
    if let Some(strategy) = ask.strategy {
        return with(strategy);
    }
    if let Strategy::Race { provers } = suited(price(&alone).work, alone.at_stake, pricing.miss_bps)
        && let racers @ 2.. = provers.min(work.racers())
    {
        let raced = with(Strategy::Race { provers: racers });
        let in_time = raced.expected_ms.div_ceil(1_000) <= u64::from(ask.proof_window);
        if in_time && ask.max_reward.is_none_or(|limit| raced.reward() <= limit) {
            return raced;
        }
    }
    with(Strategy::Assign)
}

/// What a million units of a task with this price pay, in wei.
pub(in crate::reconcile) fn rate(ctx: &Context, reward_token: Address, price: &Price) -> u128 {
    let Some(pay) = &ctx.config.pay else {
        let once = ctx.config.pricing.wei_per_million_units;
        return once.saturating_mul(price.strategy.holders().into());
    };
    let per_ether = ctx.config.token(reward_token).map_or(ETHER, |token| token.per_ether);
    let share = U256::from(price.reward()) * U256::from(pay.share_bps) / U256::from(10_000);
    let wei = in_wei(share.saturating_to(), per_ether);
    (U256::from(wei) * U256::from(1_000_000) / U256::from(price.units.0.max(1))).saturating_to()
}

/// Whether the provers that are present have the time, after all that is promised already.
fn in_time(ctx: &Context, task: &TaskRecord, work: &Work, strategy: Strategy, capacity: &Capacity) -> OpResult<()> {
    let Some(proving_ms) = work.proving_ms(strategy, rules(ctx).bidding) else {
        let message = format!(
            "none of the {} provers present proves {} with {} MiB of memory for what it would pay",
            capacity.provers(),
            work.kind,
            work.memory >> 20
        );
        return Err(OpError::new(ErrorCode::NoProver, message));
    };
    let needed = proving_ms.div_ceil(1_000).saturating_add(delivery_seconds(ctx));
    if needed > u64::from(task.ask.proof_window) {
        let message =
            format!("delivering takes about {needed} s, and proof_window is {} s: allow more", task.ask.proof_window);
        return Err(OpError::new(ErrorCode::DeadlineTooShort, message));
    }
    Ok(())
}

/// Whether as many owners as are to race could be at work on each job, on each leg others if legs are independent.
fn racers(work: &Work, strategy: Strategy) -> OpResult<()> {
    let Strategy::Race { provers } = strategy else { return Ok(()) };
    let present = work.racers();
    if present >= provers {
        return Ok(());
    }
    let each = if work.parts.len() > 1 { " for each leg" } else { "" };
    let message = format!(
        "a race of {provers} takes provers of {provers} different owners{each}, and of those present {present} could: try \
         again later, or ask for another strategy"
    );
    Err(OpError::new(ErrorCode::NoProver, message))
}

/// The target must be there; in target mode it must not be satisfied already. With a proof it was called before, if a
/// trial was made.
async fn target(ctx: &Context, ask: &Ask, judge: Judge<'_>) -> OpResult<()> {
    let fails = |message: String| Err(OpError::new(ErrorCode::TargetFails, message));
    if !ctx.chain.has_code(ask.target).await? {
        return fails(format!("there is no contract at the target {}", ask.target));
    }
    if !ask.encoder.is_zero() && !ctx.chain.has_code(ask.encoder).await? {
        return fails(format!("there is no contract at the encoder {}", ask.encoder));
    }
    if judge == Judge::Target && !ask.call.done_check.is_empty() {
        let done = ctx.chain.simulate_target(ask.target, ask.call.done_check.clone(), ask.call_gas).await?;
        let yes = U256::from(1).to_be_bytes::<32>();
        if matches!(done, Simulated::Ok(answer) if answer.as_ref() == yes) {
            return fails("the target says that it is satisfied already (doneCheck)".into());
        }
    }
    Ok(())
}

/// Quotes are worth nothing if the contract knows another signer.
async fn signer(ctx: &Context, head: &Head) -> OpResult<()> {
    let ours = ctx.chain.address_of(KeyRole::Signer);
    let view = ctx.chain.signer_of(ctx.config.operator).await?;
    let time = ctx.chain_time(head) + ctx.config.quotes.validity;
    let stays = view.next.is_none_or(|(next, at)| at > time || Some(next) == ours);
    if view.frozen || view.signer.is_none() || view.signer != ours || !stays {
        let message = "the contract does not know this service's key as the operator's signer, or it is frozen: \
                       no quote can be honoured now";
        return Err(OpError::new(ErrorCode::NoCapacity, message));
    }
    Ok(())
}

/// The payer's balance in the pool, and what the pool may take from its wallet, must cover all its open quotes.
async fn funds(ctx: &Context, task: &TaskRecord, reward: u128) -> OpResult<()> {
    let token = task.ask.reward_token;
    let open = ctx.store.live_quotes_of(task.payer).await?;
    let open = open.iter().filter(|quote| quote.ask.reward_token == token);
    let promised: U256 = open.filter_map(|quote| quote.price).map(|price| U256::from(price.reward())).sum();
    let needed = promised + U256::from(reward);
    let mut has = ctx.chain.balance(token, task.payer).await?;
    if has < needed {
        has = has.saturating_add(ctx.chain.payable(token, task.payer).await?);
    }
    if has < needed {
        let message = format!(
            "{} has {has} of token {token} in the pool or approved for it, and needs {needed} ({promised} of it for \
             open quotes): deposit or approve more",
            task.payer
        );
        return Err(OpError::new(ErrorCode::Unfunded, message));
    }
    Ok(())
}

/// Chooses a slot and makes it this quote's, durably, before anything is signed.
async fn reserve(ctx: &Context, task: &TaskRecord, input: &InputRecord, price: Price, head: &Head) -> OpResult<()> {
    let (ask, config) = (&task.ask, &ctx.config);
    let reward = price.reward();
    let advance = if ask.reward_token == ask.liability_token {
        let part = U256::from(reward) * U256::from(config.pricing.advance_bps) / U256::from(10_000);
        part.try_into().unwrap_or_default()
    } else {
        0
    };
    let mut terms = Terms {
        requester: ask.requester,
        operator: config.operator,
        target: ask.target,
        encoder: ask.encoder,
        verifier: ask.verifier,
        call_gas: ask.call_gas,
        proof_window: ask.proof_window,
        liability_window: ask.liability_window,
        valid_until: ctx.chain_time(head) + config.quotes.validity,
        reward_token: ask.reward_token,
        reward,
        advance,
        liability_token: ask.liability_token,
        liability: ask.liability,
        bond: ask.bond,
        burn: ask.burn,
        honour: 0,
    };
    terms.check().map_err(|error| OpError::caused_by(ErrorCode::BadRequest, error.to_string(), error))?;
    let found = slots::free(ctx, &Need::of_quote(&terms), head).await?;
    let Found::Free { index, honour } = found else { return Err(no_slot(ctx, &terms, head, found)) };
    terms.honour = honour;
    let mut salt = B256::ZERO;
    rand::thread_rng().fill_bytes(salt.as_mut_slice());
    let quote = Quote {
        terms,
        task: Task {
            slot: index,
            statement: input.statement,
            call_hash: ask.call.hash(),
            input_hash: ask.input.into(),
            salt,
        },
    };
    let id = quote.id(&ctx.domain());
    let (limit, now) = (config.quotes.live_per_payer, ctx.clock.now());
    ctx.store.quote_task(task.key, id, &quote, price, limit, now).await.map_err(|error| match error {
        StoreError::TooManyQuotes(limit) => {
            let message = format!("{} has {limit} live quotes: publish them, or let them expire", task.payer);
            OpError::new(ErrorCode::TooManyQuotes, message)
        }
        other => other.into(),
    })
}

/// Why no slot can back it.
fn no_slot(ctx: &Context, terms: &Terms, head: &Head, found: Found) -> OpError {
    let largest = ctx.config.slots.iter().filter(|group| group.token == terms.liability_token);
    let largest = largest.map(|group| group.collateral).max().unwrap_or_default();
    if U256::from(largest) < terms.lock() {
        let message = format!(
            "liability, burn, bond and advance come to {}, and the largest slot holds {largest}: ask for less",
            terms.lock()
        );
        return OpError::new(ErrorCode::NoCapacity, message);
    }
    match ctx.status.quarantine() {
        Some(quarantine) if found == Found::Quarantined => {
            let seconds = (quarantine.until + 1).saturating_sub(head.timestamp);
            let message = format!(
                "the service has started lately: slots that were open before are quoted again in {seconds} s, when no \
                 quote from before the start can be good any more"
            );
            OpError::new(ErrorCode::Starting, message)
        }
        _ => OpError::new(ErrorCode::NoCapacity, "all slots are taken: try again later"),
    }
}

/// Signs a quote whose row is durable. Again gives the same signature.
pub(super) async fn sign(ctx: &Context, task: &TaskRecord) -> OpResult<()> {
    let Some((id, quote)) = &task.quote else { return Ok(()) };
    let signature = ctx.chain.sign(id)?;
    ctx.store.sign_task(task.key, &signature).await?;
    tracing::info!(task.id = %id, slot = quote.task.slot, reward = %quote.terms.reward, "a quote was signed");
    Ok(())
}
