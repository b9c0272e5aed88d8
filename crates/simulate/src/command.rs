//! `zkpool simulate`.

use crate::{
    BenchRow, Choice, Row, Scenario, SimulateArgs, bench, plot,
    report::{markdown, table},
    run,
};
use serde::Serialize;
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// What was asked for, and what it came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Runs of a pool.
    Runs {
        /// The pool.
        scenario: Scenario,
        /// What was varied.
        #[serde(skip_serializing_if = "Option::is_none")]
        varied: Option<&'static str>,
        /// The runs.
        rows: Vec<Row>,
    },
    /// Measurements of the scheduler.
    Bench(Vec<BenchRow>),
}

/// Something could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write {path}")]
pub struct SimulateError {
    /// What.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Does what was asked for. Only the plots are written; the outcome shows itself as a table.
pub fn simulate(args: &SimulateArgs) -> Result<Outcome, SimulateError> {
    if args.bench {
        return Ok(Outcome::Bench(bench(args.scenario.provers, args.scenario.jobs)));
    }
    let values: Vec<Option<f64>> = match args.sweep {
        Some(sweep) => sweep.values().iter().copied().map(Some).collect(),
        None => vec![None],
    };
    let mut runs = Vec::new();
    for value in values {
        let scenario = match (args.sweep, value) {
            (Some(sweep), Some(value)) => sweep.set(args.scenario, value),
            _ => args.scenario,
        };
        runs.extend(args.strategies.iter().map(|choice| (scenario, *choice, value)));
    }
    let rows = side_by_side(&runs);
    let varied = args.sweep.map(|sweep| sweep.name());
    if let Some(directory) = &args.plots {
        plots(directory, &rows, varied)?;
    }
    Ok(Outcome::Runs { scenario: args.scenario, varied, rows })
}

/// Plays the runs through, as many at once as there are cores.
fn side_by_side(runs: &[(Scenario, Choice, Option<f64>)]) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut rows = Vec::new();
        while let Some((place, (scenario, choice, value))) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|place| Some((place, runs.get(place)?)))
        {
            let row = Row { strategy: choice.to_string(), value: *value, figures: run(scenario, *choice) };
            rows.push((place, row));
        }
        rows
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(runs.len());
    let mut rows: Vec<(usize, Row)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let others = others.into_iter().flat_map(|other| other.join().unwrap_or_default());
        own.into_iter().chain(others).collect()
    });
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn plots(directory: &Path, rows: &[Row], varied: Option<&str>) -> Result<(), SimulateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SimulateError { path, source }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    for subject in &plot::SUBJECTS {
        let name = varied.map_or(subject.name.to_owned(), |varied| format!("{}-by-{varied}", subject.name));
        let path = directory.join(name + ".svg");
        fs::write(&path, plot::draw(subject, rows, varied)).map_err(failed(&path))?;
    }
    Ok(())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs { rows, varied, .. } => f.write_str(&table(rows, *varied)),
            Self::Bench(rows) => {
                let heading = BenchRow::HEADING.map(str::to_owned).to_vec();
                let cells = std::iter::once(heading).chain(rows.iter().map(BenchRow::cells));
                f.write_str(&markdown(&cells.collect::<Vec<_>>()))
            }
        }
    }
}
