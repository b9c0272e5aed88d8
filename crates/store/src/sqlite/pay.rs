//! What provers earn: receipts are only ever added, each in the transaction that accepts its result.

use super::{
    SqliteStore, Write,
    row::{Fields, int},
};
use crate::{
    Earmark, Earning, JobRecord, LeaseRecord, Millis, NewResult, NewTranche, ResultPay, StoreError, StoreResult,
    TaskKey, TrancheRecord, TrancheStatus,
};
use sqlx::{QueryBuilder, Sqlite};
use zkpool_protocol::{
    Address, B256, JobId, WorkUnits,
    pay::{Cap, Receipt, TaskPay, Voucher},
};

pub(super) async fn fix(store: &SqliteStore, key: TaskKey, pay: &TaskPay) -> StoreResult<TaskPay> {
    let mut write = store.write("fix what a task's jobs are paid from").await?;
    write.task(key).await?;
    sqlx::query("INSERT OR IGNORE INTO task_pay (task, token, reward, share, units) VALUES (?, ?, ?, ?, ?)")
        .bind(key)
        .bind(pay.token.as_slice())
        .bind(pay.reward.to_string())
        .bind(i64::from(pay.share))
        .bind(int(pay.units.0)?)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    write.commit().await?;
    of_task(store, key).await?.ok_or(StoreError::Missing("task"))
}

pub(super) async fn of_task(store: &SqliteStore, key: TaskKey) -> StoreResult<Option<TaskPay>> {
    let row = sqlx::query("SELECT * FROM task_pay WHERE task = ?").bind(key).fetch_optional(store.read()?).await;
    let row = row.map_err(|error| StoreError::database("read what a task's jobs are paid from", error))?;
    let read = |row| {
        let row = Fields::of(row);
        let share = row.u32("share")?;
        Ok(TaskPay {
            token: row.address("token")?,
            reward: row.amount("reward")?,
            share: u16::try_from(share).map_err(|_| super::row::damaged("share", share))?,
            units: WorkUnits(row.u64("units")?),
        })
    };
    row.map(read).transpose()
}

pub(super) async fn plan(store: &SqliteStore, tranche: &NewTranche, now: Millis) -> StoreResult<()> {
    let mut write = store.write("plan a tranche").await?;
    let index = int(tranche.index)?;
    // Another plan for the same place was not carried out: somebody else's tranche came first, or its money was short.
    sqlx::query("DELETE FROM tranches WHERE idx = ? AND state = 'planned'")
        .bind(index)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    let known: Option<String> = sqlx::query_scalar("SELECT state FROM tranches WHERE idx = ?")
        .bind(index)
        .fetch_optional(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    if known.is_some() {
        return Err(StoreError::Moved { thing: "tranche", expected: "planned", found: "open" });
    }
    sqlx::query(
        "INSERT INTO tranches (idx, state, token, signer, root, total, planned_at) VALUES (?, 'planned', ?, ?, ?, ?, ?)",
    )
    .bind(index)
    .bind(tranche.token.as_slice())
    .bind(tranche.signer.as_slice())
    .bind(tranche.root.as_slice())
    .bind(tranche.total.to_string())
    .bind(int(now)?)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    for (place, cap) in (0i64..).zip(&tranche.caps) {
        sqlx::query("INSERT INTO caps (tranche, place, prover, amount) VALUES (?, ?, ?, ?)")
            .bind(index)
            .bind(place)
            .bind(cap.prover.as_slice())
            .bind(cap.amount.to_string())
            .execute(&mut *write.tx)
            .await
            .map_err(write.fault())?;
    }
    write.commit().await
}

pub(super) async fn forget(store: &SqliteStore, index: u64) -> StoreResult<()> {
    let mut write = store.write("forget a tranche that was not opened").await?;
    sqlx::query("DELETE FROM tranches WHERE idx = ? AND state = 'planned'")
        .bind(int(index)?)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    write.commit().await
}

pub(super) async fn note(
    store: &SqliteStore,
    index: u64,
    status: TrancheStatus,
    closes_at: Option<u64>,
) -> StoreResult<()> {
    let mut write = store.write("note where a tranche stands").await?;
    let noted = sqlx::query("UPDATE tranches SET state = ?, closes_at = ? WHERE idx = ?")
        .bind(status.as_str())
        .bind(closes_at.map(int).transpose()?)
        .bind(int(index)?)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    if noted.rows_affected() == 0 {
        return Err(StoreError::Missing("tranche"));
    }
    write.commit().await
}

pub(super) async fn tranches(store: &SqliteStore) -> StoreResult<Vec<TrancheRecord>> {
    let rows = sqlx::query("SELECT *, idx AS tranche FROM tranches ORDER BY idx").fetch_all(store.read()?).await;
    let rows = rows.map_err(|error| StoreError::database("read the tranches", error))?;
    rows.into_iter().map(|row| read_tranche(&Fields::of(row))).collect()
}

pub(super) async fn caps(store: &SqliteStore, tranche: u64) -> StoreResult<Vec<Cap>> {
    let rows = sqlx::query("SELECT prover, amount FROM caps WHERE tranche = ? ORDER BY place")
        .bind(int(tranche)?)
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a tranche's caps", error))?;
    let read = |row| {
        let row = Fields::of(row);
        Ok(Cap { prover: row.address("prover")?, amount: row.amount("amount")? })
    };
    rows.into_iter().map(read).collect()
}

/// What stands behind each cap: the tranche, and the last receipt.
const EARMARKS: &str = "SELECT tranches.*, caps.tranche, caps.place, caps.prover, caps.amount, last.earned, last.count,
        last.head
    FROM caps JOIN tranches ON tranches.idx = caps.tranche
    LEFT JOIN earnings AS last ON last.tranche = caps.tranche AND last.prover = caps.prover AND last.count = (
        SELECT MAX(e.count) FROM earnings AS e WHERE e.tranche = caps.tranche AND e.prover = caps.prover)";

pub(super) async fn earmarks(store: &SqliteStore, prover: Option<Address>) -> StoreResult<Vec<Earmark>> {
    let mut query = QueryBuilder::<Sqlite>::new(EARMARKS);
    match prover {
        Some(prover) => query.push(" WHERE caps.prover = ").push_bind(prover.as_slice().to_vec()),
        None => query.push(" WHERE tranches.state = 'open'"),
    };
    let rows = query.push(" ORDER BY caps.tranche, caps.place").build().fetch_all(store.read()?).await;
    let rows = rows.map_err(|error| StoreError::database("read what provers can earn", error))?;
    rows.into_iter().map(|row| read_earmark(&Fields::of(row), store.owner.operator)).collect()
}

/// The sum of what is set apart, and not taken back, for provers that have never earned anything.
pub(super) async fn unearned(store: &SqliteStore, token: Address) -> StoreResult<u128> {
    let rows = sqlx::query(
        "SELECT caps.amount FROM caps JOIN tranches ON tranches.idx = caps.tranche
            WHERE tranches.token = ? AND tranches.state != 'reclaimed'
            AND NOT EXISTS (SELECT 1 FROM earnings WHERE earnings.prover = caps.prover)",
    )
    .bind(token.as_slice())
    .fetch_all(store.read()?)
    .await
    .map_err(|error| StoreError::database("read what is set apart for who has earned nothing", error))?;
    let mut amounts = rows.into_iter().map(|row| Fields::of(row).amount("amount"));
    amounts.try_fold(0u128, |sum, amount| Ok(sum.saturating_add(amount?)))
}

/// Receipts, in the order of their chains.
const EARNINGS: &str = "SELECT * FROM earnings";

pub(super) async fn earning(store: &SqliteStore, job: JobId, fence: u64) -> StoreResult<Option<Earning>> {
    let mut query = QueryBuilder::<Sqlite>::new(EARNINGS);
    query.push(" WHERE task_id = ").push_bind(job.task.to_vec()).push(" AND idx = ").push_bind(i64::from(job.index));
    query.push(" AND fence = ").push_bind(i64::try_from(fence).unwrap_or(-1));
    Ok(read_all(store, query).await?.pop())
}

pub(super) async fn of_prover(
    store: &SqliteStore,
    tranche: u64,
    prover: Address,
    after: u64,
    limit: u32,
) -> StoreResult<Vec<Earning>> {
    let mut query = QueryBuilder::<Sqlite>::new(EARNINGS);
    query.push(" WHERE tranche = ").push_bind(int(tranche)?);
    query.push(" AND prover = ").push_bind(prover.as_slice().to_vec());
    query.push(" AND count > ").push_bind(i64::try_from(after).unwrap_or(i64::MAX));
    query.push(" ORDER BY count LIMIT ").push_bind(i64::from(limit));
    read_all(store, query).await
}

pub(super) async fn earnings_of_task(store: &SqliteStore, key: TaskKey) -> StoreResult<Vec<Earning>> {
    let mut query = QueryBuilder::<Sqlite>::new(EARNINGS);
    query.push(" WHERE task = ").push_bind(key).push(" ORDER BY idx, fence");
    read_all(store, query).await
}

async fn read_all(store: &SqliteStore, mut query: QueryBuilder<Sqlite>) -> StoreResult<Vec<Earning>> {
    let rows = query.build().fetch_all(store.read()?).await;
    let rows = rows.map_err(|error| StoreError::database("read receipts", error))?;
    rows.into_iter().map(|row| read_earning(&Fields::of(row), store.owner.operator)).collect()
}

fn read_tranche(row: &Fields) -> StoreResult<TrancheRecord> {
    Ok(TrancheRecord {
        index: row.u64("tranche")?,
        status: row.name("state", TrancheStatus::from_name)?,
        token: row.address("token")?,
        signer: row.address("signer")?,
        root: row.word("root")?,
        total: row.amount("total")?,
        planned_at: row.u64("planned_at")?,
        closes_at: row.optional("closes_at", Fields::u64)?,
    })
}

fn read_earmark(row: &Fields, operator: Address) -> StoreResult<Earmark> {
    let (tranche, prover) = (read_tranche(row)?, row.address("prover")?);
    Ok(Earmark {
        tranche,
        place: row.u32("place")?,
        cap: Cap { prover, amount: row.amount("amount")? },
        voucher: Voucher {
            amount: row.optional("earned", Fields::amount)?.unwrap_or_default(),
            count: row.optional("count", Fields::u64)?.unwrap_or_default(),
            head: row.optional("head", Fields::word)?.unwrap_or(B256::ZERO),
            ..Voucher::none(operator, tranche.index, prover)
        },
    })
}

fn read_earning(row: &Fields, operator: Address) -> StoreResult<Earning> {
    let prover = row.address("prover")?;
    Ok(Earning {
        receipt: Receipt {
            task: row.word("task_id")?,
            index: row.u32("idx")?,
            fence: row.u64("fence")?,
            prover,
            output: row.word("output")?,
            units: row.u64("units")?,
            amount: row.amount("amount")?,
            previous: row.word("previous")?,
        },
        voucher: Voucher {
            operator,
            tranche: row.u64("tranche")?,
            prover,
            amount: row.amount("earned")?,
            count: row.u64("count")?,
            head: row.word("head")?,
        },
        signature: row.bytes("signature")?.into(),
        at: row.u64("at")?,
    })
}

impl Write {
    /// The receipt of a result that is being accepted: in the oldest tranche in which its prover has enough left, or else as
    /// much as the one gives that has most; in open ones first, and then in those that close and still pay. If the prover is
    /// in none: `None`, or `NothingSetApart` if it is due something.
    pub(super) async fn earn(
        &mut self,
        (task, job, lease): (TaskKey, &JobRecord, &LeaseRecord),
        result: &NewResult,
        paid: &ResultPay,
        operator: Address,
        now: Millis,
    ) -> StoreResult<Option<Earning>> {
        let prover = result.prover.address;
        let mut query = QueryBuilder::<Sqlite>::new(EARMARKS);
        query.push(" WHERE caps.prover = ").push_bind(prover.as_slice().to_vec());
        query.push(" AND tranches.token = ").push_bind(paid.pay.token.as_slice().to_vec());
        query.push(" AND tranches.signer = ").push_bind(paid.signer.as_slice().to_vec());
        let rows = query.push(" ORDER BY caps.tranche").build().fetch_all(&mut *self.tx).await;
        let rows = rows.map_err(self.fault())?;
        let mut found: Vec<Earmark> =
            rows.into_iter().map(|row| read_earmark(&Fields::of(row), operator)).collect::<StoreResult<_>>()?;
        found.retain(|earmark| earmark.tranche.pays(now));
        found.sort_by_key(|earmark| earmark.tranche.status != TrancheStatus::Open);
        let amount = lease.pay.unwrap_or_else(|| paid.pay.amount(job.job.units));
        let enough = found.iter().find(|earmark| earmark.left() >= amount);
        // Of several that have as much left the oldest.
        let Some(earmark) = enough.or_else(|| found.iter().rev().max_by_key(|earmark| earmark.left())) else {
            return if paid.due && amount > 0 { Err(StoreError::NothingSetApart) } else { Ok(None) };
        };
        let receipt = Receipt {
            task: job.id.task,
            index: job.id.index,
            fence: result.token,
            prover,
            output: result.result.into(),
            units: job.job.units.0,
            amount: amount.min(earmark.left()),
            previous: earmark.voucher.head,
        };
        let voucher = earmark.voucher.after(&receipt);
        let voucher = voucher.ok_or_else(|| super::row::damaged("earned", earmark.voucher.amount))?;
        let earning = Earning { receipt, voucher, signature: paid.signature.clone(), at: now };
        self.add_earning(task, &earning).await?;
        Ok(Some(earning))
    }

    async fn add_earning(&mut self, task: TaskKey, earning: &Earning) -> StoreResult<()> {
        let Earning { receipt, voucher, signature, at } = earning;
        sqlx::query(
            "INSERT INTO earnings (tranche, prover, count, task, task_id, idx, fence, output, units, amount, previous,
                earned, head, signature, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(int(voucher.tranche)?)
        .bind(voucher.prover.as_slice())
        .bind(int(voucher.count)?)
        .bind(task)
        .bind(receipt.task.as_slice())
        .bind(i64::from(receipt.index))
        .bind(int(receipt.fence)?)
        .bind(receipt.output.as_slice())
        .bind(int(receipt.units)?)
        .bind(receipt.amount.to_string())
        .bind(receipt.previous.as_slice())
        .bind(voucher.amount.to_string())
        .bind(voucher.head.as_slice())
        .bind(signature.as_ref())
        .bind(int(*at)?)
        .execute(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        Ok(())
    }

    /// The receipt of a result that was accepted before.
    pub(super) async fn earned(&mut self, job: JobId, fence: u64, operator: Address) -> StoreResult<Option<Earning>> {
        let row = sqlx::query("SELECT * FROM earnings WHERE task_id = ? AND idx = ? AND fence = ?")
            .bind(job.task.as_slice())
            .bind(i64::from(job.index))
            .bind(int(fence)?)
            .fetch_optional(&mut *self.tx)
            .await
            .map_err(self.fault())?;
        row.map(|row| read_earning(&Fields::of(row), operator)).transpose()
    }
}
