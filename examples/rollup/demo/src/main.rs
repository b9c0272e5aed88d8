//! `zkpool-demo-rollup`: signed transfers, batches, and for each batch three proofs by different machines, final together.

use clap::Parser;
use std::{process::ExitCode, time::Duration};
use zkpool_demo::{
    actors::{Actor, Scenery, start_prover},
    error::{Attempt, DemoError, Result},
    process::Process,
    run::Options,
};
use zkpool_demo_rollup::{
    cast::{Cast, Plot, circuit},
    node::RollupNode,
    summary::{BatchReport, Summary, counted, simulated},
    told::{Names, Told},
    users::Users,
};

/// Sends transfers to a rollup, and has each of its batches proven by a circuit, a zkVM and a (simulated) enclave at once.
#[derive(Debug, Parser)]
#[command(name = "zkpool-demo-rollup", version)]
struct Args {
    /// Batches to go through
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    batches: u32,
    /// Send nothing: leave the page open for you until Ctrl-C
    #[arg(long)]
    page: bool,
    /// Machines that prove the zkVM's leg, each with a share of this one
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    zkvm_provers: u8,
    /// Minutes that a batch may take
    #[arg(long, default_value_t = 45, value_name = "MINUTES")]
    bound: u64,
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    args.options.play(async |scenery| play(scenery, &args).await).await
}

async fn play(scenery: &Scenery, args: &Args) -> Result<Option<Summary>> {
    let timeline = scenery.timeline;
    let circuit = circuit(scenery).await?;
    let mut users = Users::new()?;
    let sequencer = Actor::new("sequencer");
    let mut cast = Cast::gather(scenery, Plot { circuit, users: &users, sequencer: &sequencer, zkvm: true }).await?;

    // No owner works on two legs of a bundle: each kind has provers, with keys, of its own.
    let (snark, enclave) = (Actor::new("circuit prover"), Actor::new("enclave prover"));
    let zkvm: Vec<Actor> = (1..=args.zkvm_provers).map(|n| Actor::new(&format!("zkvm prover {n}"))).collect();
    let mut others = cast.attest(scenery)?;
    others.push(cast.start_circuit(scenery, &snark)?);
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(zkvm.len())).to_string();
    for prover in &zkvm {
        let options = ["--kinds", "risc0-composite", "--memory", "2GiB", "--threads", &threads];
        others.push(start_prover(scenery, prover, &cast.operator, &options)?);
    }
    let held = cast.register_enclave(scenery, &enclave).await?;
    others.push(cast.start_enclave(scenery, &enclave, &held)?);
    let present = 2 + u32::from(args.zkvm_provers);
    cast.operator.ready(scenery, &mut cast.service, present).await?;
    let text = format!("serves at {}, {present} provers there, slots open", cast.operator.url);
    timeline.say("operator", text);
    let mut node = RollupNode::start(scenery, &cast, &sequencer, &users, args.page).await?;
    timeline.say("node", format!("takes transfers at {}/transfers, its page is at {}", node.url, node.url));
    if args.page {
        println!("\nOpen {} and send. Ctrl-C stops everything.", node.url);
        std::future::pending::<()>().await;
    }

    let ledger = cast.ledger(scenery, &sequencer);
    let before = ledger.count(&scenery.stage).await?;
    let names = Names::of([&snark, &enclave].into_iter().chain(&zkvm).chain(&cast.members));
    let mut views = Vec::new();
    for batch in 0..args.batches {
        timeline.title(&format!("Batch {batch}"));
        for sent in users.send(scenery, &node).await? {
            timeline
                .say("users", format!("account {} sends {} to account {}, signed", sent.from, sent.amount, sent.to));
        }
        let mut alive: Vec<&mut Process> = others.iter_mut().collect();
        alive.push(&mut cast.service);
        let bound = Duration::from_secs(60 * args.bound);
        views.push(node.finished(scenery, batch, bound, &mut alive, &mut Told::new(&names)).await?);
    }
    let state = node.state(scenery).await.attempt("asking the node")?;
    let policy = &state["policy"];
    let (root, finalised) = cast.ground.root(&scenery.stage).await?;
    let (simulated, ground) = (simulated(policy), cast.ground.clone());
    let batches: Vec<BatchReport> = views.iter().map(|view| BatchReport::of(policy, view, &names)).collect();

    timeline.title("Stopping");
    others.extend([node.process, cast.service]);
    for process in others {
        let name = process.name().to_owned();
        let status = process.stop(Duration::from_secs(120)).attempt(format!("stopping {name}"))?;
        timeline.say(&name, format!("stopped ({status})"));
    }
    let (balances, mut faults) = counted(before, ledger.count(&scenery.stage).await?);
    let conserved = faults.is_empty();
    for batch in batches.iter().filter(|batch| batch.stage != "final") {
        faults.push(format!("batch {} is {}", batch.batch, batch.stage));
    }
    if finalised != args.batches {
        faults.push(format!("{finalised} batches are final, {} were made", args.batches));
    }
    if root != users.root() {
        faults.push(format!("the contract's root is {root}, the users find {}", users.root()));
    }
    if simulated.is_empty() {
        return Err(DemoError::new("reading who must agree", "nothing says that the enclave is simulated"));
    }
    Ok(Some(Summary {
        ok: faults.is_empty(),
        conserved,
        faults,
        simulated,
        chain_id: scenery.stage.domain.chain_id,
        pool: scenery.stage.domain.pool,
        rollup: ground.rollup,
        verifier: ground.verifier,
        root,
        finalised,
        batches,
        balances,
        seconds: timeline.seconds(),
    }))
}
