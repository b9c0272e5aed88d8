//! `zkpool-bench-zkml`: what the pool costs on top of RISC Zero's own prover, in one run on one machine. Runs with and
//! without the pool take turns, so that whatever else the machine does hits both.

mod plain;
mod pooled;

use clap::{Parser, Subcommand};
use plain::Took;
use pooled::{Pool, Pooled};
use rand::{SeedableRng, rngs::StdRng};
use serde::Serialize;
use std::process::ExitCode;
use zkpool_demo::{
    actors::Scenery,
    error::{DemoError, Result},
    run::{Options, Summary},
};
use zkpool_demo_zkml::customer::Drawn;

/// Measures proving through the pool against proving without it.
#[derive(Debug, Parser)]
#[command(name = "zkpool-bench-zkml", version, args_conflicts_with_subcommands = true)]
struct Args {
    /// Rounds; each proves the same digits once with and once without the pool
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Digits of a job: the more, the more segments
    #[arg(long, default_value_t = 2)]
    digits: u8,
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// A process of this benchmark: RISC Zero's own prover
    #[command(hide = true)]
    Plain(plain::Plain),
}

/// One kind of comparison.
#[derive(Debug, Default, Serialize)]
struct Comparison {
    with_the_pool: Vec<Pooled>,
    without: Vec<Vec<Took>>,
    /// Of the medians of CPU time: with the pool by without.
    cpu_ratio: f64,
    /// Of the medians of the times from the first segment taken to the receipt: without by with the pool.
    throughput_ratio: f64,
}

/// The figures.
#[derive(Debug, Serialize)]
struct Figures {
    /// One prover with the whole machine, one process without the pool.
    one: Comparison,
    /// Two provers pinned to a core each, two processes pinned alike.
    two: Comparison,
    /// Milliseconds from a prover's death to its segment being with another one.
    recovery_ms: u64,
}

impl Summary for Figures {
    fn ok(&self) -> bool {
        true
    }

    fn print(&self) {
        for (name, comparison) in [("one prover", &self.one), ("two pinned provers", &self.two)] {
            let cpu = comparison.cpu_ratio;
            println!("{name}: CPU with/without {cpu:.3}, throughput with/without {:.3}", comparison.throughput_ratio);
            for pooled in &comparison.with_the_pool {
                println!("  with     {pooled:?}");
            }
            for took in &comparison.without {
                println!("  without  {took:?}");
            }
        }
        println!("from a prover's death to its segment being with another: {} ms", self.recovery_ms);
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match &args.part {
        Some(Part::Plain(part)) => match plain::prove(part) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        None => args.options.play(async |scenery| measure(scenery, &args).await.map(Some)).await,
    }
}

async fn measure(scenery: &Scenery, args: &Args) -> Result<Figures> {
    let mut pool = Pool::open(scenery).await?;
    let mut rng = StdRng::from_entropy();
    let (mut one, mut two) = (Comparison::default(), Comparison::default());
    for _ in 0..args.rounds {
        let drawn = Drawn::afresh(usize::from(args.digits), &mut rng);
        for (provers, comparison) in [(1, &mut one), (2, &mut two)] {
            let pooled = pool.prove(scenery, &drawn, provers).await?;
            comparison.without.push(plain::run(&scenery.dir, &drawn, pooled::LIMIT, provers).await?);
            comparison.with_the_pool.push(pooled);
        }
    }
    let drawn = Drawn::afresh(usize::from(args.digits), &mut rng);
    let recovery_ms = pool.recover(scenery, &drawn).await?;
    pool.close()?;
    Ok(Figures { one: one.compared()?, two: two.compared()?, recovery_ms })
}

impl Comparison {
    fn compared(mut self) -> Result<Self> {
        let longest = |took: &Vec<Took>| took.iter().map(|took| took.seconds).fold(0.0, f64::max);
        let cpu = |took: &Vec<Took>| took.iter().map(|took| took.cpu_seconds).sum::<f64>();
        let with = |of: fn(&Pooled) -> f64| median(self.with_the_pool.iter().map(of).collect());
        self.cpu_ratio = with(|pooled| pooled.cpu_seconds())? / median(self.without.iter().map(cpu).collect())?;
        self.throughput_ratio =
            median(self.without.iter().map(longest).collect())? / with(|pooled| pooled.receipt_seconds)?;
        Ok(self)
    }
}

fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().ok_or_else(|| DemoError::new("measuring", "there is nothing"))
}
