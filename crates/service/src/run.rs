//! The service as a whole: opened, run, stopped.

use crate::{
    Config, Context, LiveChain, LiveLedger, OpError, OpResult, OperatorKeys, SystemClock, http,
    nudge::{Nudge, Nudges},
    reconcile::{account, aftermath, dispatch, execute, follow, gather, pay, plan, preflight, rescue, seal, submit},
};
use futures::{FutureExt, future::BoxFuture};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use zkpool_chain::{FeePolicy, LedgerView, Rpc, SenderOptions, TxJournal};
use zkpool_protocol::{ErrorCode, pay::Ledger};
use zkpool_store::{Blobs, SqliteStore, Store};

/// First pause after a run that failed; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Runs the service until `stop` is cancelled: HTTP and all reconcilers.
///
/// # Errors
/// What keeps it from starting: a configuration that contradicts itself (`BadRequest`), an endpoint that does not answer
/// or serves another chain, a database in use or of another chain, an address in use.
pub async fn run(config: Config, keys: OperatorKeys, stop: CancellationToken) -> OpResult<()> {
    let listen = config.listen;
    let bound = TcpListener::bind(listen).await;
    let listener = bound.map_err(|error| {
        OpError::caused_by(ErrorCode::BadRequest, format!("cannot listen on {listen}: {error}"), error)
    })?;
    let (ctx, store) = open(config, keys).await?;
    let done = run_on(Arc::new(ctx), listener, stop).await;
    store.close().await;
    done
}

/// Opens store, blobs and chain as configured.
pub async fn open(config: Config, keys: OperatorKeys) -> OpResult<(Context, Arc<SqliteStore>)> {
    config.check().map_err(|error| OpError::caused_by(ErrorCode::BadRequest, error.to_string(), error))?;
    let owner = Context::owner(&config);
    let store = Arc::new(SqliteStore::open(&config.data.join("zkpool.db"), owner).await?);
    let blobs = Blobs::in_directory(&config.data.join("blobs"))?;
    let rpc = Rpc::connect(&config.rpc, &owner.domain).await?;
    let options = SenderOptions {
        confirmations: config.chain.confirmations.max(1),
        fees: FeePolicy { max_fee: config.chain.max_gas_price, ..FeePolicy::default() },
        ..SenderOptions::default()
    };
    let journal: Arc<dyn TxJournal> = store.clone();
    let chain = LiveChain::new(&rpc, owner.domain, keys, &journal, &options);
    let shared: Arc<dyn Store> = store.clone();
    let ledger = config.pay.as_ref().map(|pay| Ledger { chain_id: config.chain_id, address: pay.ledger });
    let operator = config.operator;
    let ctx = Context::new(config, shared, blobs, Arc::new(chain), Arc::new(SystemClock::default()));
    let Some(ledger) = ledger else { return Ok((ctx, store)) };
    let named = LedgerView::of_pool(&rpc, owner.domain.pool).await?;
    if named != ledger.address {
        let message =
            format!("the pool gives its provers' shares to the revenue ledger {named}: name it in [service.pay]");
        return Err(OpError::new(ErrorCode::WrongChain, message));
    }
    let live = LiveLedger::new(rpc, owner.domain, ledger, operator);
    Ok((ctx.with_ledger(Arc::new(live)), store))
}

/// Serves on a listener, with all reconcilers, until `stop` is cancelled.
pub async fn run_on(ctx: Arc<Context>, listener: TcpListener, stop: CancellationToken) -> OpResult<()> {
    let listening = listener.local_addr();
    let address =
        listening.map_err(|error| OpError::caused_by(ErrorCode::Internal, "the listener has no address", error))?;
    tracing::info!(%address, operator = %ctx.config.operator, pool = %ctx.config.pool, "the service runs");
    let app = http::App::new(ctx.clone(), address, http::Bounds::default(), stop.clone());
    let mut reconcilers = reconcilers(&ctx, &stop);
    http::serve(app, listener).await;
    stop.cancel();
    while reconcilers.join_next().await.is_some() {}
    tracing::info!("the service has stopped");
    Ok(())
}

/// The reconcilers' names, in the order in which a task passes them.
pub const RECONCILERS: [&str; 12] = [
    "follow",
    "preflight",
    "plan",
    "execute",
    "dispatch",
    "seal",
    "gather",
    "submit",
    "rescue",
    "account",
    "aftermath",
    "pay",
];

/// Runs the reconcilers that are named, each until it has no more to do at once: for tests, which say when what runs.
pub async fn reconcile_once(ctx: &Context, names: &[&str]) -> OpResult<()> {
    for name in names {
        let tick: for<'a> fn(&'a Context) -> BoxFuture<'a, OpResult<bool>> = match *name {
            "follow" => |ctx| follow::tick(ctx).boxed(),
            "preflight" => |ctx| preflight::tick(ctx).boxed(),
            "plan" => |ctx| plan::tick(ctx).boxed(),
            "execute" => |ctx| execute::tick(ctx).boxed(),
            "dispatch" => |ctx| dispatch::tick(ctx).boxed(),
            "seal" => |ctx| seal::tick(ctx).boxed(),
            "gather" => |ctx| gather::tick(ctx).boxed(),
            "submit" => |ctx| submit::tick(ctx).boxed(),
            "rescue" => |ctx| rescue::tick(ctx).boxed(),
            "account" => |ctx| account::tick(ctx).boxed(),
            "aftermath" => |ctx| aftermath::tick(ctx).boxed(),
            "pay" => |ctx| pay::tick(ctx).boxed(),
            other => return Err(OpError::new(ErrorCode::Internal, format!("there is no reconciler {other}"))),
        };
        while tick(ctx).await? {}
    }
    Ok(())
}

/// Every reconciler in a task of its own.
pub fn reconcilers(ctx: &Arc<Context>, stop: &CancellationToken) -> JoinSet<()> {
    let mut all = JoinSet::new();
    let poll = Duration::from_millis(ctx.config.chain.poll_ms.max(1));
    let second = Duration::from_secs(1);
    macro_rules! spawn {
        ($($name:ident every $interval:expr),* $(,)?) => {
            $(
                let reconciler = Reconciler {
                    name: stringify!($name),
                    interval: $interval,
                    nudge: |nudges| &nudges.$name,
                    tick: |ctx| $name::tick(ctx).boxed(),
                };
                all.spawn(keep_running(ctx.clone(), reconciler, stop.clone()));
            )*
        };
    }
    spawn! {
        preflight every 10 * second,
        follow every poll,
        plan every 10 * second,
        execute every 10 * second,
        dispatch every second,
        seal every 10 * second,
        gather every 10 * second,
        submit every poll,
        rescue every 10 * second,
        account every 60 * second,
        aftermath every 60 * second,
        pay every 30 * second,
    }
    all
}

/// What is run again and again.
struct Reconciler {
    name: &'static str,
    interval: Duration,
    nudge: fn(&Nudges) -> &Nudge,
    tick: for<'a> fn(&'a Context) -> BoxFuture<'a, OpResult<bool>>,
}

/// Runs a reconciler when its time has come or somebody wakes it, until told to stop. Faults are logged when they are
/// news, and end nothing: the next run is tried after a pause that grows.
async fn keep_running(ctx: Arc<Context>, reconciler: Reconciler, stop: CancellationToken) {
    let Reconciler { name, interval, nudge, tick } = reconciler;
    let mut failures = 0;
    loop {
        let run = AssertUnwindSafe(tick(&ctx)).catch_unwind();
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            outcome = run => outcome,
        };
        let outcome = outcome.unwrap_or_else(|_| Err(OpError::new(ErrorCode::Internal, "it panicked")));
        match outcome {
            Ok(more) => {
                failures = 0;
                if ctx.status.fares(name, None) {
                    tracing::info!(reconciler = name, "it works again");
                }
                if more {
                    continue;
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(interval) => {}
                    () = nudge(&ctx.nudges).called() => {}
                }
            }
            Err(error) => {
                if ctx.status.fares(name, Some(error.message.clone())) {
                    tracing::warn!(reconciler = name, code = %error.code, error = error.chain(), "a reconciler failed");
                }
                let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
                failures += 1;
                // A nudge does not shorten this: what failed a moment ago fails again.
                let _ = tokio::time::timeout_at(Instant::now() + pause, stop.cancelled()).await;
            }
        }
    }
}
