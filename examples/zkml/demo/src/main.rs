//! `zkpool-demo-zkml`: digits drawn, proven by three machines in pieces, answered on chain.

use alloy::primitives::U256;
use clap::Parser;
use rand::{SeedableRng, rngs::StdRng};
use std::{process::ExitCode, time::Duration};
use zkpool_demo::{
    actors::{Actor, Scenery, start_prover},
    error::{Attempt, DemoError, Result},
    process::Process,
    run::Options,
};
use zkpool_demo_zkml::{
    cast::Cast,
    customer::{Asked, Drawn},
    ground::Ground,
    parties::Application,
    summary::{Summary, provers, steps, text},
};
use zkpool_protocol::ProofKind;

/// Draws digits, has a pool of machines prove which they are, and ends with the answer in a contract.
#[derive(Debug, Parser)]
#[command(name = "zkpool-demo-zkml", version)]
struct Args {
    /// Make a succinct receipt: a lift for each segment and joins, each about a minute on two cores
    #[arg(long)]
    succinct: bool,
    /// Digits to draw (more of them, more segments)
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    digits: u8,
    /// Draw on the page, with headless Chromium (packages chromium and chromium-driver)
    #[arg(long, conflicts_with = "page")]
    browser: bool,
    /// Draw nothing: leave the page open for you until Ctrl-C
    #[arg(long)]
    page: bool,
    /// Minutes that the answer may take
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
    let kind = if args.succinct { ProofKind::Risc0Succinct } else { ProofKind::Risc0Composite };
    let workers = ["prover 1", "prover 2", "prover 3"].map(Actor::new);
    let owner = Actor::new("application");

    let mut cast = Cast::gather(scenery, kind).await?;
    let mut others = cast.attest(scenery, &cast.members)?;
    // Each has a third of the machine, and memory for segments of 2^17 cycles.
    let threads =
        std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(workers.len())).to_string();
    for worker in &workers {
        let options = ["--memory", "2GiB", "--threads", &threads];
        others.push(start_prover(scenery, worker, &cast.operator, &options)?);
    }
    cast.operator.ready(scenery, &mut cast.service, 3).await?;
    let Cast { ground, operator, service, .. } = cast;
    others.push(service);
    timeline.say("operator", format!("serves at {}, three provers there, slots open", operator.url));
    let mut application = Application::start(scenery, &ground, &owner, &operator, kind).await?;
    timeline.say("page", format!("open at {}", application.url));

    if args.page {
        println!("\nOpen {} and draw. Ctrl-C stops everything.", application.url);
        std::future::pending::<()>().await;
    }
    timeline.title("A question");
    let drawn = Drawn::afresh(usize::from(args.digits), &mut StdRng::from_entropy());
    timeline.say("customer", format!("draws {:?}", drawn.digits));
    let bound = Duration::from_secs(60 * args.bound);
    let asked = if args.browser {
        application.ask_in_browser(scenery, &drawn, bound, &scenery.dir).await?
    } else {
        let mut alive: Vec<&mut Process> = others.iter_mut().collect();
        application.ask(scenery, &drawn, bound, &mut alive, &mut |_| {}).await?
    };
    let mut summary = summarise(scenery, &ground, kind, &drawn, asked, args.browser).await?;

    timeline.title("Stopping");
    others.push(application.process);
    for process in others {
        let name = process.name().to_owned();
        let status = process.stop(Duration::from_secs(120)).attempt(format!("stopping {name}"))?;
        timeline.say(&name, format!("stopped ({status})"));
    }
    summary.seconds = timeline.seconds();
    Ok(Some(summary))
}

/// Holds what the page was told against what the contract says, and against the network itself.
async fn summarise(
    scenery: &Scenery,
    ground: &Ground,
    kind: ProofKind,
    drawn: &Drawn,
    asked: Asked,
    by_hand: bool,
) -> Result<Summary> {
    let view = &asked.view;
    if view["stage"] != "delivered" {
        return Err(DemoError::new("having digits proven", text(&view["error"])));
    }
    let question = text(&view["question"]);
    let classes = ground.classes(&scenery.stage, question.parse::<U256>().attempt("reading the question")?).await?;
    let told: Vec<u64> =
        view["delivery"]["classes"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64).collect();
    let mut faults = Vec::new();
    if told != classes.iter().map(|class| u64::from(*class)).collect::<Vec<_>>() {
        faults.push(format!("the page was told {told:?}, the contract says {classes:?}"));
    }
    // What a browser draws is not pixel for pixel what would be drawn here.
    if !by_hand && classes != drawn.classes() {
        faults.push(format!("the network says {:?}, the contract {classes:?}", drawn.classes()));
    }
    if classes.len() != drawn.digits.len() {
        faults.push(format!("{} digits were drawn, {} answered", drawn.digits.len(), classes.len()));
    }
    Ok(Summary {
        ok: faults.is_empty(),
        faults,
        drawn: drawn.digits.clone(),
        classes,
        receipt: kind.as_str(),
        oracle: ground.oracle,
        committee: ground.committee,
        question,
        task: text(&view["task"]),
        price: format!("{} {}", text(&view["offer"]["price"]), text(&view["offer"]["token"])),
        transaction: text(&view["delivery"]["transaction"]),
        gas: view["delivery"]["gas"].as_u64().unwrap_or_default(),
        steps: steps(view),
        provers: provers(view),
        answer_seconds: asked.seconds,
        seconds: scenery.timeline.seconds(),
    })
}
