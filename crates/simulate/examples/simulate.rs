//! `zkpool simulate` without the rest of the pool: `cargo run --release -p zkpool-simulate --example simulate -- --help`.
#![allow(missing_docs)]

use clap::Parser;
use zkpool_simulate::{SimulateArgs, simulate};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: SimulateArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cli = Cli::parse();
    let outcome = simulate(&cli.args)?;
    match cli.json {
        true => println!("{}", serde_json::to_string_pretty(&outcome)?),
        false => println!("{outcome}"),
    }
    Ok(())
}
