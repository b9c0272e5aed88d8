//! The whole road on one machine: a local chain, two operators' services, provers and requesters as separate processes
//! that talk only over HTTP and the chain. Four tasks: one delivered, one whose provers are killed, one whose operator
//! stalls, one whose operator has signed its slot twice.
//!
//! The requester's contract is Semaphore, exactly as its authors publish it; key and witness generator are those of its
//! ceremony. A Semaphore witness is an identity's secret: whoever proves it could use it.

use clap::Parser;
use std::{path::PathBuf, process::ExitCode, time::Duration};
use zkpool_demo::actors::{Actor, Character, Operator, SLOTS, Scenery, Trusted};
use zkpool_demo::error::{Attempt, DemoError, Result};
use zkpool_demo::money::{Ledger, SlotOf};
use zkpool_demo::process::Process;
use zkpool_demo::report::{BeforeAfter, Outcome, Report, Timeline};
use zkpool_demo::scenes::{Play, start_provers};
use zkpool_demo::semaphore::{Circuit, OnChain};
use zkpool_demo::stage::{Stage, ether};
use zkpool_protocol::ProofKind;

/// Runs the whole road on this machine.
#[derive(Debug, Parser)]
#[command(name = "zkpool-demo", version)]
struct Args {
    /// Write the summary as JSON to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep data and logs in this directory (default: a temporary one that is removed)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The zkpool binary (default: the one beside this program)
    #[arg(long, value_name = "FILE")]
    zkpool: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let played = tokio::select! {
        played = run(&args) => played,
        _ = interrupted() => Err(DemoError::new("running the demo", "it was interrupted; everything is stopped")),
    };
    match played {
        Ok(report) => {
            report.print();
            if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("\nthe demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Dropping what runs kills the processes: nothing is left.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
        }
        _ => std::future::pending().await,
    }
}

async fn run(args: &Args) -> Result<Report> {
    let timeline = Timeline::begin();
    let temporary = tempfile::tempdir().attempt("making a directory")?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir).attempt(format!("making {}", dir.display()))?;
    let dir = dir.canonicalize().attempt("finding the directory")?;
    let zkpool = match &args.zkpool {
        Some(path) => path.clone(),
        None => std::env::current_exe().attempt("finding this program")?.with_file_name("zkpool"),
    };
    timeline.title("Setting up");
    let circuit = Circuit::find(&zkpool)?;
    let stage = Stage::set().await?;
    timeline.say("chain", format!("anvil at {}, ZKPool at {}", stage.anvil.url(), stage.domain.pool));
    let semaphore = OnChain::deploy(&stage).await?;
    timeline.say("chain", format!("Semaphore as published, at {}", semaphore.semaphore));
    let scenery = Scenery { zkpool, dir, stage, timeline };
    let report = play(&scenery, circuit, semaphore).await?;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report).attempt("writing the summary")?;
        std::fs::write(path, text).attempt(format!("writing {}", path.display()))?;
    }
    Ok(report)
}

async fn play(scenery: &Scenery, circuit: Circuit, semaphore: OnChain) -> Result<Report> {
    let (timeline, stage) = (scenery.timeline, &scenery.stage);
    let cheap = Character::plain("operator A");
    let dear = Character { premium_bps: 100, ..Character::plain("operator B") };
    let (kind, program) = (ProofKind::Groth16Bn254, circuit.manifest.id());
    let trusted = [Trusted { verifier: semaphore.verifier, kind, program }];
    let (a, b) = (Operator::new(scenery, &cheap, &trusted)?, Operator::new(scenery, &dear, &trusted)?);
    let [requester, other, crook] = ["requester", "requester 2", "operator C"].map(Actor::new);
    let provers = ["prover 1", "prover 2"].map(Actor::new);
    let helper = [Actor::new("prover 3")];

    let member = circuit.member(&scenery.dir)?;
    let group = semaphore.group(stage, &member).await?;
    timeline.say("requester", "is a member of a Semaphore group; whoever proves its signal sees its identity's secret");
    for party in [&a.owner, &b.owner, &requester, &other, &crook] {
        stage.fund(party.address(), ether(100)).await?;
    }
    for hot in [&a.hot, &b.hot] {
        stage.anvil.set_ether(hot.address(), ether(10)).await.attempt("funding a signer")?;
    }
    let ledger = Ledger {
        parties: [&a.owner, &b.owner, &crook, &requester, &other].map(|p| (p.name.clone(), p.address())).into(),
        tokens: vec![("WETH".into(), stage.weth), ("TEST".into(), stage.token)],
        slots: [&a.owner, &b.owner, &crook]
            .iter()
            .flat_map(|owner| [stage.weth, stage.token].map(|token| (owner.address(), token)))
            .flat_map(|(operator, token)| (0..SLOTS).map(move |index| SlotOf { operator, token, index }))
            .collect(),
    };
    let before = ledger.count(stage).await?;

    stage.mine_by_the_second().await?;
    let (mut serving_a, mut serving_b) = (a.serve(scenery)?, b.serve(scenery)?);
    let mut working = start_provers(scenery, &provers, &a)?;
    let mut helping = start_provers(scenery, &helper, &b)?;
    for (operator, process, agents) in [(&a, &mut serving_a, 2), (&b, &mut serving_b, 1)] {
        operator.ready(scenery, process, agents).await?;
        timeline.say(&operator.owner.name, format!("serves at {}, {agents} prover(s) there, slots open", operator.url));
    }

    // A firm quote is signed only for a payer that has the money.
    for (party, token) in [(&requester, stage.weth), (&requester, stage.token), (&other, stage.weth)] {
        let token = token.to_string();
        scenery.run(party, &["request", "deposit", "1ether", "--token", &token], Duration::from_secs(60)).await?;
    }

    let play = Play { scenery, circuit, semaphore, member, group, requester };
    let mut tasks = Vec::new();
    {
        let mut all: Vec<&mut Process> = [&mut serving_a, &mut serving_b].into_iter().collect();
        all.extend(working.iter_mut().chain(&mut helping));
        tasks.push(play.delivered(&[&a, &b], &mut all).await?);
    }
    tasks.push(play.defaulted(&a, working).await?);
    let working = start_provers(scenery, &provers, &a)?;
    a.ready(scenery, &mut serving_a, 2).await?;
    tasks.push(play.rescued((&a, &mut serving_a), (&b, &mut serving_b)).await?);
    tasks.extend(play.dishonoured(&crook, &other).await?);

    timeline.title("Everybody takes home what is theirs");
    for (party, group) in
        [(&play.requester, "request"), (&other, "request"), (&a.owner, "operator"), (&b.owner, "operator")]
    {
        withdraw(scenery, party, group).await?;
    }
    for process in working.into_iter().chain(helping).chain([serving_a, serving_b]) {
        let name = process.name().to_owned();
        let status = process.stop(Duration::from_secs(90)).attempt(format!("stopping {name}"))?;
        timeline.say(&name, format!("stopped ({status})"));
    }
    let after = ledger.count(stage).await?;
    let mut faults = after.conserved_since(&before);
    let conserved = faults.is_empty();
    let expected = [Outcome::Done, Outcome::Defaulted, Outcome::Rescued, Outcome::Dishonoured, Outcome::Defaulted];
    if tasks.iter().map(|task| task.outcome).ne(expected) {
        faults.push("a task ended otherwise than it should".into());
    }
    Ok(Report {
        ok: faults.is_empty(),
        conserved,
        faults,
        chain_id: stage.domain.chain_id,
        pool: stage.domain.pool,
        tasks,
        balances: BeforeAfter { before, after },
        seconds: timeline.seconds(),
    })
}

/// Moves what a party has in the pool to its wallet.
async fn withdraw(scenery: &Scenery, party: &Actor, group: &str) -> Result<()> {
    let view = scenery.stage.view();
    for (symbol, token) in [("WETH", scenery.stage.weth), ("TEST", scenery.stage.token)] {
        let balance = view.balance(token, party.address()).await.attempt("reading a balance")?;
        if balance.is_zero() {
            continue;
        }
        let (balance, token) = (balance.to_string(), token.to_string());
        scenery.run(party, &[group, "withdraw", &balance, "--token", &token], Duration::from_secs(60)).await?;
        scenery.timeline.say(&party.name, format!("withdrew its {symbol}"));
    }
    Ok(())
}
