//! A task's row: written from what was asked for and quoted, read as a whole.

use crate::{
    AnnouncedRescue, Ask, End, LegOf, Millis, NewTask, OnChain, Price, Refusal, Role, StoreResult, TaskKey, TaskRecord,
    sqlite::{
        Write,
        row::{Fields, int},
    },
};
use zkpool_protocol::{Call, ErrorCode, ProgramId, ProofKind, Quote, Task, TaskId, TaskState, Terms, WorkUnits};

/// Stores a new task with its first log entry.
pub(super) async fn insert_ask(
    write: &mut Write,
    task: &NewTask,
    role: Role,
    leg: Option<LegOf>,
    state: TaskState,
    now: Millis,
) -> StoreResult<TaskKey> {
    let ask = &task.ask;
    let inserted = sqlx::query(
        "INSERT INTO tasks (role, state, request, attempt, payer, program, kind, requester, target, encoder, verifier,
            call_prefix, call_suffix, call_done_check, call_gas, wanted_statement, input, proof_window,
            liability_window, reward_token, max_reward, liability_token, liability, bond, burn, wanted_strategy, created_at,
            changed_at, bundle, leg, round, independent, dissent)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(role.as_str())
    .bind(state.as_str())
    .bind(task.request.as_bytes().as_slice())
    .bind(i64::from(task.attempt))
    .bind(task.payer.as_slice())
    .bind(ask.program.as_bytes().as_slice())
    .bind(ask.kind.as_str())
    .bind(ask.requester.as_slice())
    .bind(ask.target.as_slice())
    .bind(ask.encoder.as_slice())
    .bind(ask.verifier.as_slice())
    .bind(ask.call.prefix.as_ref())
    .bind(ask.call.suffix.as_ref())
    .bind(ask.call.done_check.as_ref())
    .bind(i64::from(ask.call_gas))
    .bind(ask.statement.as_ref().map(|word| word.as_slice()))
    .bind(ask.input.as_bytes().as_slice())
    .bind(i64::from(ask.proof_window))
    .bind(i64::from(ask.liability_window))
    .bind(ask.reward_token.as_slice())
    .bind(ask.max_reward.map(|amount| amount.to_string()))
    .bind(ask.liability_token.as_slice())
    .bind(ask.liability.to_string())
    .bind(ask.bond.to_string())
    .bind(ask.burn.to_string())
    .bind(ask.strategy.map(|strategy| strategy.to_string()))
    .bind(int(now)?)
    .bind(int(now)?)
    .bind(leg.map(|leg| leg.bundle))
    .bind(leg.map(|leg| i64::from(leg.leg)))
    .bind(leg.map(|leg| i64::from(leg.round)))
    .bind(leg.map(|leg| leg.independent))
    .bind(leg.is_some_and(|leg| leg.dissent))
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    let key = inserted.last_insert_rowid();
    write.task_moves(None, state);
    write.log(key, None, state, None, now).await?;
    Ok(key)
}

/// What a quote was asked for with, as far as it shows.
pub(super) fn ask_of(quote: &Quote, call: &Call, program: ProgramId, kind: ProofKind) -> Ask {
    let (terms, task) = (&quote.terms, &quote.task);
    Ask {
        program,
        kind,
        input: task.input_hash.into(),
        statement: Some(task.statement),
        requester: terms.requester,
        target: terms.target,
        encoder: terms.encoder,
        verifier: terms.verifier,
        call: call.clone(),
        call_gas: terms.call_gas,
        proof_window: terms.proof_window,
        liability_window: terms.liability_window,
        reward_token: terms.reward_token,
        max_reward: None,
        liability_token: terms.liability_token,
        liability: terms.liability,
        bond: terms.bond,
        burn: terms.burn,
        strategy: None,
    }
}

/// Adds what the operator added to the wish.
pub(super) async fn set_quote(write: &mut Write, key: TaskKey, id: TaskId, quote: &Quote) -> StoreResult<()> {
    let (terms, task) = (&quote.terms, &quote.task);
    sqlx::query(
        "UPDATE tasks SET id = ?, operator = ?, slot = ?, valid_until = ?, reward = ?, advance = ?, honour = ?,
            statement = ?, salt = ?, liability = ?, bond = ?, burn = ? WHERE key = ?",
    )
    .bind(id.as_slice())
    .bind(terms.operator.as_slice())
    .bind(i64::from(task.slot))
    .bind(int(terms.valid_until)?)
    .bind(terms.reward.to_string())
    .bind(terms.advance.to_string())
    .bind(terms.honour.to_string())
    .bind(task.statement.as_slice())
    .bind(task.salt.as_slice())
    .bind(terms.liability.to_string())
    .bind(terms.bond.to_string())
    .bind(terms.burn.to_string())
    .bind(key)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    Ok(())
}

/// A row of `tasks`.
pub(in crate::sqlite) fn read(row: &Fields) -> StoreResult<TaskRecord> {
    let ask = read_ask(row)?;
    let quote = row.optional("id", Fields::word)?.map(|id| Ok((id, read_quote(row, &ask)?))).transpose()?;
    let refusal = row
        .optional("refusal_code", |row, column| row.name(column, ErrorCode::from_name))?
        .map(|code| Ok(Refusal { code, message: row.text("refusal_message")? }))
        .transpose()?;
    Ok(TaskRecord {
        key: row.i64("key")?,
        role: row.name("role", Role::from_name)?,
        state: row.name("state", TaskState::from_name)?,
        version: row.u64("version")?,
        request: row.blob("request")?,
        attempt: row.u32("attempt")?,
        payer: row.address("payer")?,
        ask,
        quote,
        signature: row.optional_bytes("signature")?,
        price: row.optional("price_work", Fields::amount)?.map(|work| read_price(row, work)).transpose()?,
        refusal,
        own_slot: row.optional("own_slot", Fields::u32)?,
        leg: row.optional("bundle", Fields::i64)?.map(|bundle| read_leg(row, bundle)).transpose()?,
        chain: read_chain(row)?,
        segment_limit: row.optional("segment_limit", Fields::u32)?,
        planned: row.bool("planned")?,
        first_job: row.u32("first_job")?,
        receipt: row.optional("receipt", Fields::blob)?,
        proof: row.optional("proof", Fields::blob)?,
        failed_submissions: row.u32("failed_submissions")?,
        retry_at: row.u64("retry_at")?,
        created_at: row.u64("created_at")?,
        changed_at: row.u64("changed_at")?,
    })
}

fn read_ask(row: &Fields) -> StoreResult<Ask> {
    Ok(Ask {
        program: row.blob("program")?,
        kind: row.name("kind", ProofKind::from_name)?,
        input: row.blob("input")?,
        statement: row.optional("wanted_statement", Fields::word)?,
        requester: row.address("requester")?,
        target: row.address("target")?,
        encoder: row.address("encoder")?,
        verifier: row.address("verifier")?,
        call: Call {
            prefix: row.bytes("call_prefix")?.into(),
            suffix: row.bytes("call_suffix")?.into(),
            done_check: row.bytes("call_done_check")?.into(),
        },
        call_gas: row.u32("call_gas")?,
        proof_window: row.u32("proof_window")?,
        liability_window: row.u32("liability_window")?,
        reward_token: row.address("reward_token")?,
        max_reward: row.optional("max_reward", Fields::amount)?,
        liability_token: row.address("liability_token")?,
        liability: row.amount("liability")?,
        bond: row.amount("bond")?,
        burn: row.amount("burn")?,
        strategy: row.optional("wanted_strategy", Fields::parsed)?,
    })
}

fn read_quote(row: &Fields, ask: &Ask) -> StoreResult<Quote> {
    Ok(Quote {
        terms: Terms {
            requester: ask.requester,
            operator: row.address("operator")?,
            target: ask.target,
            encoder: ask.encoder,
            verifier: ask.verifier,
            call_gas: ask.call_gas,
            proof_window: ask.proof_window,
            liability_window: ask.liability_window,
            valid_until: row.u64("valid_until")?,
            reward_token: ask.reward_token,
            reward: row.amount("reward")?,
            advance: row.amount("advance")?,
            liability_token: ask.liability_token,
            liability: ask.liability,
            bond: ask.bond,
            burn: ask.burn,
            honour: row.amount("honour")?,
        },
        task: Task {
            slot: row.u32("slot")?,
            statement: row.word("statement")?,
            call_hash: ask.call.hash(),
            input_hash: ask.input.into(),
            salt: row.word("salt")?,
        },
    })
}

fn read_leg(row: &Fields, bundle: TaskKey) -> StoreResult<LegOf> {
    Ok(LegOf {
        bundle,
        leg: row.u32("leg")?,
        round: row.u32("round")?,
        independent: row.bool("independent")?,
        dissent: row.bool("dissent")?,
    })
}

fn read_price(row: &Fields, work: u128) -> StoreResult<Price> {
    Ok(Price {
        work,
        gas: row.amount("price_gas")?,
        premium: row.amount("price_premium")?,
        units: WorkUnits(row.u64("price_units")?),
        strategy: row.parsed("strategy")?,
        expected_ms: row.u64("expected_ms")?,
    })
}

fn read_chain(row: &Fields) -> StoreResult<OnChain> {
    let rescue = |block| {
        Ok(AnnouncedRescue {
            rescuer: row.address("rescuer")?,
            slot: row.u32("rescuer_slot")?,
            effective_at: row.u64("rescue_at")?,
            block,
        })
    };
    Ok(OnChain {
        published: row
            .optional("published_block", Fields::u64)?
            .map(|block| Ok((block, row.u64("published_at")?)))
            .transpose()?,
        proof_deadline: row.optional("proof_deadline", Fields::u64)?.unwrap_or_default(),
        liability_deadline: row.optional("liability_deadline", Fields::u64)?.unwrap_or_default(),
        rescue: row.optional("rescue_block", Fields::u64)?.map(rescue).transpose()?,
        novated: row.optional("novated_block", Fields::u64)?,
        ended: row
            .optional("ended_block", Fields::u64)?
            .map(|block| Ok((block, row.name("ended", End::from_name)?)))
            .transpose()?,
    })
}
