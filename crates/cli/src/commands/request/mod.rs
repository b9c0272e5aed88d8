//! `zkpool request`: buying proofs.

pub mod args;
mod follow;
mod legs;
mod money;
mod offer;
mod wish;

pub use args::RequestCommand;
pub use money::deposit_into;

use super::Context;
use crate::{
    config::Section,
    error::{CliError, CliResult},
    progress::Step,
    signals::unless_interrupted,
};
use args::{AllSettings, CollectArgs, Common, Own, PayWith, PublishArgs, QuoteArgs, ResumeArgs, RunArgs, WatchArgs};
use follow::{Outcome, Plan, follow};
use serde_json::json;
use std::{path::PathBuf, time::Duration};
use zkpool_chain::{SenderOptions, alloy::primitives::U256};
use zkpool_protocol::{B256, Domain, ErrorCode, SignedQuote, TaskId};
use zkpool_requester::{
    Config, Expected, Offer, Options, PassedOver, Payment, ProofRequest, Publication, Ranked, Requester,
    RequesterError, Stage, Taken,
};

/// Where quotes are stored.
pub const DEFAULT_STATE: &str = ".zkpool/request";
/// What to do after an interruption.
const RESUME: &str = "nothing is lost: `zkpool request resume` goes on without paying twice";

/// Carries the command out.
pub async fn run(command: RequestCommand, context: &Context) -> CliResult {
    let work = async {
        match command {
            RequestCommand::Quote(args) => quote(args, context).await,
            RequestCommand::Publish(args) => publish(args, context).await,
            RequestCommand::Run(args) => whole_road(args, context).await,
            RequestCommand::Watch(args) => watch(args, context).await,
            RequestCommand::Collect(args) => collect(args, context).await,
            RequestCommand::Resume(args) => resume(args, context).await,
            RequestCommand::Balance(args) => money::balance(args, context).await,
            RequestCommand::Deposit(args) => money::deposit(args, context).await,
            RequestCommand::Withdraw(args) => money::withdraw(args, context).await,
        }
    };
    unless_interrupted("finish the request", RESUME, work).await
}

fn section(context: &Context) -> CliResult<Section<'_>> {
    context.settings.section::<AllSettings>("request")
}

/// Opens the requester's state and checks the chain.
async fn open(common: &Common, context: &Context) -> CliResult<(Requester, Own)> {
    let section = section(context)?;
    let own = section.with(&common.own)?;
    let key = section.with(&common.key)?.load(&context.settings, "requester")?;
    let (chain, send) = (section.with(&common.chain)?, section.with(&common.send)?);
    let market = section.with(&common.market)?;
    let pool = chain.pool()?;
    let (rpc, chain_id) = chain.endpoint().await?;
    let usual = Options::default();
    let sender = SenderOptions { confirmations: send.confirmations.unwrap_or(1).max(1), ..usual.sender };
    let config = Config {
        rpc,
        domain: Domain { chain_id, pool },
        key,
        state: state(&own),
        operators: own.operators.clone(),
        options: Options {
            sender,
            poll: Duration::from_millis(500),
            discovery: market.discovery(),
            ranking: market.ranking(),
            records_from: market.records_from,
            ..usual
        },
    };
    let requester = Requester::open(config).await.map_err(|e| failed("open the requester's records", e))?;
    Ok((requester, own))
}

fn state(own: &Own) -> PathBuf {
    own.state.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_STATE))
}

fn payment(own: &Own) -> CliResult<Payment> {
    let router = || {
        own.router.ok_or_else(|| {
            CliError::config("pay through the router", "no router is set")
                .advise("set --router ADDRESS, or `router` in [request]")
        })
    };
    Ok(match own.pay_with.unwrap_or(PayWith::Pool) {
        PayWith::Pool => Payment::Pool,
        PayWith::Ether => Payment::Ether { router: router()? },
        PayWith::Permit => Payment::Permit { router: router()? },
    })
}

async fn quote(args: QuoteArgs, context: &Context) -> CliResult {
    let (requester, own) = open(&args.all.common, context).await?;
    let wish = section(context)?.with(&args.all.wish)?;
    let request = wish::build(&wish, requester.address(), context.output)?;
    let offers = offer::ask(&requester, &request).await?;
    let chosen = requester.choose(&request, &offers).await;
    let best = match chosen {
        Ok(best) => Ok(best),
        Err(error @ RequesterError::NoOffer { .. }) => Err(error),
        Err(error) => return Err(failed("check the quotes", error)),
    };
    let saved = match (&best, &args.out) {
        (Ok(best), Some(path)) => {
            requester.keep(&request).map_err(|e| failed("keep the input", e))?;
            offer::save(path, best, &request.input)?;
            context.output.note(format!(
                "wrote the best quote to {}, and kept what the proof is made from in {}: publish it with the same --state",
                path.display(),
                state(&own).display()
            ));
            true
        }
        _ => false,
    };
    let (value, text) = offer::show(&requester, &offers, best.as_ref().ok()).await?;
    context.output.result(&value, text)?;
    match best {
        Ok(_) => {
            if !saved {
                context.output.note("a quote is valid for a short while: `zkpool request run` publishes at once");
            }
            Ok(())
        }
        Err(error) => Err(failed("find an acceptable quote", error)),
    }
}

async fn publish(args: PublishArgs, context: &Context) -> CliResult {
    let saved = offer::load(&args.file)?;
    let (requester, own) = open(&args.common, context).await?;
    let payment = payment(&own)?;
    check_funds(&requester, &saved.quote, payment, args.deposit).await?;
    let input = saved.input.as_ref();
    if let Some(input) = input
        && !requester.missing(input).map_err(|e| failed("look for the input", e))?.is_empty()
    {
        context.output.note(format!(
            "what the proof is made from is not in {}: other operators will not be able to take the task over if it is \
             late. Publish with the --state that the quote was asked for with",
            state(&own).display()
        ));
    }
    let task = requester
        .record_quote(saved.quote, saved.call, input, payment, saved.operator)
        .await
        .map_err(|e| failed("record the quote", e))?;
    let outcome = publish_recorded(&requester, task, args.unbacked, context).await?;
    match outcome {
        None => {
            context.output.result(&json!({ "task": task, "outcome": "published" }), format!("task {task}\npublished"))
        }
        Some(outcome) => end(context, &outcome),
    }
}

/// Publishes a task on record and tells the other operators; an outcome if it has ended with that.
async fn publish_recorded(
    requester: &Requester,
    task: TaskId,
    unbacked: bool,
    context: &Context,
) -> CliResult<Option<Outcome>> {
    let step = Step::begin("publishing and paying");
    let published = match unbacked {
        false => requester.publish(task).await,
        true => requester.publish_unbacked(task).await,
    };
    step.end();
    match published.map_err(|e| failed("publish the quote", e))? {
        Publication::Accepted { transaction } => {
            tell(requester, task, transaction, context).await?;
            Ok(None)
        }
        Publication::Dishonoured { paid, burned, transaction } => {
            let stage = Stage::Dishonoured { paid, burned, transaction };
            Ok(Some(Outcome { task, stage, collectable: false }))
        }
    }
}

/// Tells the other operators of a task that is live.
async fn tell(requester: &Requester, task: TaskId, transaction: B256, context: &Context) -> CliResult {
    context.output.note(format!("published task {task}: transaction {transaction}"));
    let telling = requester.tell(task).await.map_err(|e| failed("tell the other operators", e))?;
    for (url, error) in telling {
        context.output.note(format!("{url} could not be told of the task: {error}"));
    }
    Ok(())
}

async fn whole_road(args: RunArgs, context: &Context) -> CliResult {
    let (requester, own) = open(&args.all.common, context).await?;
    let payment = payment(&own)?;
    let wish = section(context)?.with(&args.all.wish)?;
    let request = wish::build(&wish, requester.address(), context.output)?;
    let mut passed = Vec::new();
    // Before anybody is asked: the operator of what is paid for already may be away.
    if let Some(task) = go_on_with_open(&requester, &request, &[], &mut passed, context).await? {
        return follow_unless(&requester, task, &args, context).await;
    }
    let mut offers = offer::ask(&requester, &request).await?;
    if args.deposit
        && let Some(reward) = offer::lacks_funds(&offers)
    {
        // Operators sign only for payers whose balance covers it.
        let missing =
            U256::from(reward).saturating_sub(requester.balance(request.quote.reward_token).await.map_err(money)?);
        let missing = u128::try_from(missing).unwrap_or(u128::MAX);
        context.output.note(format!("depositing {missing} of {} for a firm quote", request.quote.reward_token));
        money::bring(&requester, request.quote.reward_token, missing).await.map_err(money)?;
        offers = offer::ask(&requester, &request).await?;
    }
    if let Some(task) = go_on_with_open(&requester, &request, &offers, &mut passed, context).await? {
        return follow_unless(&requester, task, &args, context).await;
    }
    let attempt = "find an acceptable quote";
    for Ranked { offer: best, .. } in requester.ranked(&offers).await.map_err(|e| failed(attempt, e))? {
        // Looked at before its price is held against the purse.
        if let Err(error) = requester.check(&request, &best).await {
            passed.push(requester.pass_over(&best, error).map_err(|e| failed(attempt, e))?);
            continue;
        }
        if let (Expected::OfOperator, Some(journal)) = (&request.expected, &best.journal) {
            context.output.note(format!("the operator's run made this public, and that is what is bought: {journal}"));
        }
        context.output.note(offer::line(&requester, &best).await?);
        check_funds(&requester, &best.quote, payment, args.deposit).await?;
        match requester.take(&request, &best, payment).await.map_err(|e| failed("publish the quote", e))? {
            Taken::Live { task, transaction } => {
                tell(&requester, task, transaction, context).await?;
                return follow_unless(&requester, task, &args, context).await;
            }
            Taken::Passed(over) => {
                context.output.note(format!("it cannot be had ({}): taking the next", over.reason));
                passed.push(over);
            }
        }
    }
    Err(failed(attempt, RequesterError::no_offer(&offers, &passed)))
}

/// An equal wish from before that has not ended is gone on with. Its task if it is live.
async fn go_on_with_open(
    requester: &Requester,
    request: &ProofRequest,
    offers: &[Offer],
    passed: &mut Vec<PassedOver>,
    context: &Context,
) -> CliResult<Option<TaskId>> {
    let looked = |e| failed("look for what is bought already", e);
    while let Some(task) = requester.open_task(request, offers).await.map_err(looked)? {
        context.output.note(format!("task {task} is the same and still open: going on with it, nothing is paid twice"));
        let step = Step::begin("publishing and paying");
        let taken = requester.go_on(task).await;
        step.end();
        match taken.map_err(|e| failed("publish the quote", e))? {
            Taken::Live { task, transaction } => {
                tell(requester, task, transaction, context).await?;
                return Ok(Some(task));
            }
            Taken::Passed(over) => {
                context.output.note(format!("nothing can come of it any more ({}): taking another", over.reason));
                passed.push(over);
            }
        }
    }
    Ok(None)
}

/// Follows a live task, if that was not declined.
async fn follow_unless(requester: &Requester, task: TaskId, args: &RunArgs, context: &Context) -> CliResult {
    if args.no_watch {
        return context
            .output
            .result(&json!({ "task": task, "outcome": "published" }), format!("task {task}\npublished"));
    }
    let outcome = follow(requester, task, Plan { collect: args.collect, timeout: None }).await?;
    end(context, &outcome)
}

/// Paying out of the wallet is something that its owner asks for.
async fn check_funds(requester: &Requester, quote: &SignedQuote, payment: Payment, deposit: bool) -> CliResult {
    if deposit || payment != Payment::Pool {
        return Ok(());
    }
    let terms = &quote.quote.terms;
    let (have, need) = (requester.balance(terms.reward_token).await.map_err(money)?, U256::from(terms.reward));
    if have >= need {
        return Ok(());
    }
    let why = format!("the pool balance is {have} of token {}, the reward {need}", terms.reward_token);
    Err(CliError::coded("pay for the proof", why, ErrorCode::Unfunded)
        .advise("add --deposit to move what is missing from the wallet, or `zkpool request deposit` first"))
}

fn money(error: RequesterError) -> CliError {
    failed("find the money for the reward", error)
}

async fn watch(args: WatchArgs, context: &Context) -> CliResult {
    let (requester, _) = open(&args.common, context).await?;
    let plan = Plan { collect: false, timeout: args.timeout.map(|time| time.0) };
    let outcome = follow(&requester, args.task, plan).await?;
    end(context, &outcome)
}

async fn collect(args: CollectArgs, context: &Context) -> CliResult {
    let (requester, _) = open(&args.common, context).await?;
    let attempt = "collect";
    let tasks = match args.task {
        Some(task) => vec![task],
        None => unfinished(&requester)?,
    };
    let mut outcomes = Vec::new();
    for task in tasks {
        let stage = requester.refresh(task).await.map_err(|e| failed(attempt, e))?.stage;
        let outcome = match stage {
            stage if stage.is_final() => Outcome { task, stage, collectable: false },
            _ if args.wait => follow(&requester, task, Plan { collect: true, timeout: None }).await?,
            stage => match requester.collect(task).await {
                Ok(stage) => Outcome { task, stage, collectable: false },
                // Of all tasks, only those that are ripe.
                Err(RequesterError::TooEarly { seconds, .. }) if args.task.is_none() => {
                    context.output.note(format!("task {task} can be collected in {seconds} s"));
                    Outcome { task, stage, collectable: false }
                }
                Err(RequesterError::NotPossible { why, .. }) if args.task.is_none() => {
                    context.output.note(format!("task {task} cannot be collected: {why}"));
                    Outcome { task, stage, collectable: false }
                }
                Err(error) => return Err(failed(attempt, error)),
            },
        };
        outcomes.push(outcome);
    }
    all(context, &outcomes)
}

async fn resume(args: ResumeArgs, context: &Context) -> CliResult {
    let (requester, _) = open(&args.common, context).await?;
    let mut outcomes = Vec::new();
    for task in unfinished(&requester)? {
        let record = requester.refresh(task).await.map_err(|e| failed("look at the task", e))?;
        let ended = match record.stage {
            Stage::Recorded => match publish_recorded(&requester, task, false, context).await {
                Ok(ended) => ended,
                // Too late: the record says so now, and nothing was paid.
                Err(error) => match requester.task(task).map_err(|e| failed("look at the task", e))?.stage {
                    stage @ Stage::Abandoned { .. } => Some(Outcome { task, stage, collectable: false }),
                    _ => return Err(error),
                },
            },
            Stage::Published { .. } => None,
            stage => Some(Outcome { task, stage, collectable: false }),
        };
        outcomes.push(match ended {
            Some(outcome) => outcome,
            None => follow(&requester, task, Plan { collect: args.collect, timeout: None }).await?,
        });
    }
    all(context, &outcomes)
}

fn unfinished(requester: &Requester) -> CliResult<Vec<TaskId>> {
    let records = requester.tasks().map_err(|e| failed("read the records", e))?;
    Ok(records.into_iter().filter(|record| !record.stage.is_final()).map(|record| record.task).collect())
}

fn end(context: &Context, outcome: &Outcome) -> CliResult {
    context.output.result(&outcome.json(), outcome.text())?;
    outcome.verdict()
}

fn all(context: &Context, outcomes: &[Outcome]) -> CliResult {
    let values: Vec<_> = outcomes.iter().map(Outcome::json).collect();
    let texts: Vec<_> = outcomes.iter().map(Outcome::text).collect();
    let text = if texts.is_empty() { "nothing is open".to_owned() } else { texts.join("\n") };
    context.output.result(&values, text)
}

/// A fault of the requester, as a command reports it.
fn failed(attempted: &str, error: RequesterError) -> CliError {
    if let RequesterError::Chain(error) = error {
        return crate::chain::chain_error(attempted, error);
    }
    let advice = match &error {
        RequesterError::Unfunded { .. } => "send tokens to the address, or `zkpool request deposit`",
        RequesterError::Expired { .. } | RequesterError::NotBacked { .. } => "ask for a quote again; nothing was paid",
        RequesterError::InUse(_) => "wait for the other command, or use another --state",
        RequesterError::UnknownTask(_) => "name the directory that it was published from with --state",
        RequesterError::TooEarly { .. } => "wait with --wait",
        RequesterError::NoOffer { .. } => "look at the reasons; other terms, a later time or another --operator may do",
        RequesterError::Operator { .. } => "check --operator and that the service runs",
        _ => return CliError::coded(attempted, &error, error.code()),
    };
    CliError::coded(attempted, &error, error.code()).advise(advice)
}
