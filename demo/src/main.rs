//! The whole road on one machine: a local chain, two operators' services, provers and requesters as separate processes
//! that talk only over HTTP and the chain. Four tasks: one delivered, one whose provers are killed, one whose operator
//! stalls, one whose operator has signed its slot twice.
//!
//! The requester's contract is Semaphore, exactly as its authors publish it; key and witness generator are those of its
//! ceremony. A Semaphore witness is an identity's secret: whoever proves it could use it.

use clap::Parser;
use std::{process::ExitCode, time::Duration};
use zkpool_demo::actors::{Actor, Character, Operator, SLOTS, Scenery, Trusted};
use zkpool_demo::error::{Attempt, Result};
use zkpool_demo::money::{Ledger, SlotOf};
use zkpool_demo::process::Process;
use zkpool_demo::report::{BeforeAfter, Outcome, Report};
use zkpool_demo::run::Options;
use zkpool_demo::scenes::{Play, start_provers};
use zkpool_demo::semaphore::{Circuit, OnChain};
use zkpool_demo::stage::ether;
use zkpool_protocol::ProofKind;

/// Runs the whole road on this machine.
#[derive(Debug, Parser)]
#[command(name = "zkpool-demo", version)]
struct Args {
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> ExitCode {
    Args::parse().options.play(async |scenery| play(scenery).await.map(Some)).await
}

async fn play(scenery: &Scenery) -> Result<Report> {
    let (timeline, stage) = (scenery.timeline, &scenery.stage);
    let circuit = Circuit::find(&scenery.zkpool)?;
    let semaphore = OnChain::deploy(stage).await?;
    timeline.say("chain", format!("Semaphore as published, at {}", semaphore.semaphore));
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
