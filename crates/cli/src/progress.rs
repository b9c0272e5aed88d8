//! Progress for whoever watches: a line that moves on a terminal, lines elsewhere.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::HashMap,
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use zkpool_protocol::JobId;
use zkpool_prover::{Event, LogObserver, Observer};

/// Whether somebody watches on a terminal.
pub fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// A step that takes a while: a spinner on a terminal, a line elsewhere.
#[derive(Debug)]
pub struct Step {
    bar: Option<ProgressBar>,
}

impl Step {
    /// Begins.
    pub fn begin(text: &str) -> Self {
        if !on_terminal() {
            eprintln!("{text}");
            return Self { bar: None };
        }
        let bar = ProgressBar::new_spinner().with_message(text.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar: Some(bar) }
    }

    /// Says what it is at.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => eprintln!("{text}"),
        }
    }

    /// Leaves a line behind and goes on.
    pub fn leave(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Ends without a trace.
    pub fn end(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows an agent's jobs as bars.
#[derive(Debug, Default)]
pub struct JobBars {
    all: MultiProgress,
    jobs: Mutex<HashMap<JobId, ProgressBar>>,
}

impl JobBars {
    fn line(&self, text: &str) {
        let _ = self.all.println(text);
    }

    fn bar(&self, job: JobId) -> ProgressBar {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let bar = self.all.add(ProgressBar::new(1000));
            if let Ok(style) = ProgressStyle::with_template("  {prefix} {bar:30} {percent:>3}% {msg} [{elapsed}]") {
                bar.set_style(style);
            }
            bar.set_prefix(short(job));
            bar
        };
        jobs.entry(job).or_insert_with(make).clone()
    }

    fn close(&self, job: JobId) {
        if let Some(bar) = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&job) {
            bar.finish_and_clear();
        }
    }
}

impl Observer for JobBars {
    fn on(&self, event: &Event) {
        match event {
            Event::Benchmarked { kind, units_per_second, measured_now } => {
                let how = if *measured_now { "measured" } else { "measured earlier" };
                self.line(&format!("{kind}: {units_per_second:.0} units/s ({how})"));
            }
            Event::Joined { operator, prover, excluded_for: None } => {
                self.line(&format!("joined {operator} as {prover}; waiting for jobs"));
            }
            Event::Joined { operator, excluded_for: Some(time), .. } => {
                self.line(&format!("joined {operator}, but excluded for {} s after misses", time.as_secs()));
            }
            Event::OperatorTrouble { error, code, retry_in, .. } => {
                self.line(&format!("{error} [{code}]; trying again in {:.1} s", retry_in.as_secs_f64()));
            }
            Event::Claimed { job, units, .. } => self.bar(*job).set_message(format!("claimed, {units} units")),
            Event::Resumed { job, .. } => self.bar(*job).set_message("going on"),
            Event::Progress { job, stage, fraction } => {
                let bar = self.bar(*job);
                bar.set_position((f64::from(*fraction) * 1000.0) as u64);
                bar.set_message(stage.clone());
            }
            Event::Proven { job, took } => {
                self.line(&format!("{} proven in {:.2} s", short(*job), took.as_secs_f64()));
            }
            Event::Returned { job } => {
                self.close(*job);
                self.line(&format!("{} accepted", short(*job)));
            }
            Event::Earned { job, token, amount, total } => {
                self.line(&format!("{} earned {amount} of {token}; {total} in this tranche", short(*job)));
            }
            Event::Withheld { job, operator, reason } => {
                self.close(*job);
                self.line(&format!("{} NOT PAID by {operator}: {reason}", short(*job)));
            }
            Event::Forfeited { operator, tranche, token, amount } => {
                self.line(&format!(
                    "lost: {amount} of {token}, as {operator} has taken tranche {tranche} back before it was claimed"
                ));
            }
            Event::Lost { job, reason } => {
                self.close(*job);
                self.line(&format!("{} lost: {reason}", short(*job)));
            }
            Event::Failed { job, code, message } => {
                self.close(*job);
                self.line(&format!("{} given up: {message} [{code}]", short(*job)));
            }
            Event::Stopping { jobs, grace } => {
                self.line(&format!(
                    "stopping: waiting up to {} s for {jobs} job(s); interrupt again to stop at once",
                    grace.as_secs()
                ));
            }
            other => LogObserver.on(other),
        }
    }
}

/// A job's name, short enough for a line.
fn short(job: JobId) -> String {
    let text = job.to_string();
    let index = text.rsplit_once('-').map_or("", |(_, index)| index);
    format!("{}…-{index}", &text[..10])
}
