//! The simulator says the same each time, its books are balanced, and it shows what is known of each strategy.
#![allow(missing_docs, clippy::unwrap_used)]

use clap::Parser;
use proptest::prelude::*;
use zkpool_simulate::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: SimulateArgs,
}

fn args(words: &str) -> SimulateArgs {
    Cli::try_parse_from(std::iter::once("simulate").chain(words.split_whitespace())).unwrap().args
}

fn figures(words: &str, choice: &str) -> Figures {
    run(&args(words).scenario, choice.parse().unwrap())
}

#[test]
fn the_same_arguments_give_the_same_figures_and_another_seed_others() {
    let small = "--provers 20 --jobs 300 --trace bursty";
    assert_eq!(figures(small, "assign"), figures(small, "assign"));
    assert_ne!(figures(small, "assign"), figures(&format!("{small} --seed 2"), "assign"));
}

#[test]
fn where_nothing_goes_wrong_assignment_wastes_nothing_and_a_race_half() {
    let ideal = "--provers 40 --jobs 1000 --failures 0 --liars 0 --load 0.4 --slack 10";
    let (assign, race) = (figures(ideal, "assign"), figures(ideal, "race:2"));
    assert!(assign.on_time == 1.0 && assign.wasted < 0.01, "{assign:?}");
    assert!(race.on_time > 0.99 && race.wasted > 0.3, "{race:?}");
    assert!(race.work_per_proof > 1.5 * assign.work_per_proof, "{race:?}");
    assert!(race.price_per_proof > 1.9 * assign.price_per_proof);
}

#[test]
fn bids_find_who_works_for_least() {
    let ideal = "--provers 40 --jobs 1000 --failures 0 --liars 0 --load 0.4 --slack 10";
    let (assign, compete) = (figures(ideal, "assign"), figures(ideal, "compete"));
    assert!(compete.paid_per_proof < assign.paid_per_proof, "{compete:?}");
    assert!(compete.latency_p50 > assign.latency_p50, "who is cheap is not who is quick");
}

#[test]
fn a_race_is_chosen_where_the_penalty_is_worth_it() {
    let mild = "--provers 20 --jobs 200 --failures 0.1 --penalty 2";
    assert_eq!(figures(mild, "suited"), figures(mild, "assign"));
    let hard = "--provers 20 --jobs 200 --failures 0.1 --penalty 1000";
    assert!(figures(hard, "suited").leases > figures(hard, "assign").leases * 3 / 2);
}

#[test]
fn a_command_draws_and_tells() {
    let directory = std::env::temp_dir().join(format!("zkpool-simulate-{}", std::process::id()));
    let words = format!("--provers 5 --jobs 20 --strategies assign,race --sweep load --plots {}", directory.display());
    let outcome = simulate(&args(&words)).unwrap();
    assert_eq!(outcome.to_string().lines().count(), 2 + 14);
    let json = serde_json::to_value(&outcome).unwrap();
    assert_eq!(json["runs"]["rows"][13]["strategy"], "race:2");
    let drawn = std::fs::read_dir(&directory).unwrap().count();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(drawn, 6);
    assert_eq!(simulate(&args("--bench --provers 10 --jobs 50")).unwrap().to_string().lines().count(), 3);
}

#[test]
fn nonsense_is_refused() {
    for wrong in ["--strategies race:1", "--strategies auction", "--load 0", "--failures 1", "--provers 1"] {
        assert!(Cli::try_parse_from(std::iter::once("simulate").chain(wrong.split_whitespace())).is_err(), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the pool and the strategy: every job ends, delivered or not, nobody is paid more than was taken for it, and
    /// nothing is worked twice over.
    #[test]
    fn every_job_ends_and_the_books_are_balanced(
        provers in 2u32..30, jobs in 1u32..150, load in 0.1f64..2.0, failures in 0.0f64..0.6, liars in 0.0f64..0.6,
        trace in 0usize..4, choice in 0usize..4, seed in any::<u64>(),
    ) {
        let trace = [Trace::Steady, Trace::Bursty, Trace::Flash, Trace::Heavy][trace];
        let choice = ["assign", "compete", "race:3", "suited"][choice];
        let scenario = Scenario { provers, jobs, trace, load, failures, liars, seed, ..args("").scenario };
        let figures = run(&scenario, choice.parse().unwrap());
        let never = (figures.defaulted * f64::from(jobs)).round() as u32;
        prop_assert_eq!(figures.delivered + never, jobs);
        prop_assert!(figures.on_time <= f64::from(figures.delivered) / f64::from(jobs) + 1e-9);
        prop_assert!(figures.paid_per_proof <= figures.price_per_proof);
        prop_assert!((0.0..=1.0 + 1e-9).contains(&figures.wasted));
        prop_assert!(figures.utilisation <= 1.1, "{}", figures.utilisation);
        prop_assert!((0.0..=1.0).contains(&figures.income.gini));
    }
}
