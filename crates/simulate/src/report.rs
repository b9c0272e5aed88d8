//! Figures as a table.

use crate::Figures;
use serde::Serialize;

/// A run: what was chosen, and what it came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The strategy.
    pub strategy: String,
    /// The value of what is varied, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What it came to.
    pub figures: Figures,
}

/// Millionths of an ether.
pub(crate) fn micro(wei: f64) -> f64 {
    wei / 1e12
}

type Column = (&'static str, fn(&Figures) -> String);

const COLUMNS: [Column; 14] = [
    ("cost", |f| money(f.cost_per_proof)),
    ("work", |f| money(f.work_per_proof)),
    ("penalty", |f| money(f.penalty_per_proof)),
    ("price", |f| money(f.price_per_proof)),
    ("paid", |f| money(f.paid_per_proof)),
    ("kept", |f| money(f.kept_per_proof)),
    ("on time", |f| percent(f.on_time)),
    ("never", |f| percent(f.defaulted)),
    ("used", |f| percent(f.utilisation)),
    ("in vain", |f| percent(f.wasted)),
    ("p50 s", |f| seconds(f.latency_p50)),
    ("p95 s", |f| seconds(f.latency_p95)),
    ("gini", |f| format!("{:.2}", f.income.gini)),
    ("income p10/p50/p90", |f| format!("{}/{}/{}", money(f.income.p10), money(f.income.p50), money(f.income.p90))),
];

/// The rows as Markdown: money in millionths of an ether, for each proof, and for each hour in the last column.
pub fn table(rows: &[Row], varied: Option<&str>) -> String {
    let mut heading: Vec<String> = varied.map(str::to_owned).into_iter().collect();
    heading.push("strategy".into());
    heading.extend(COLUMNS.iter().map(|(name, _)| (*name).to_owned()));
    let line = |row: &Row| {
        let mut cells: Vec<String> = row.value.map(|value| value.to_string()).into_iter().collect();
        cells.push(row.strategy.clone());
        cells.extend(COLUMNS.iter().map(|(_, cell)| cell(&row.figures)));
        cells
    };
    markdown(&std::iter::once(heading).chain(rows.iter().map(line)).collect::<Vec<_>>())
}

/// Cells in aligned columns, the first row being the heading.
pub(crate) fn markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().map(|width| format!("{}:", "-".repeat(width - 1))).collect();
    let (heading, body) = rows.split_at(rows.len().min(1));
    let lines: Vec<String> = heading.iter().chain([&rule]).chain(body).map(line).collect();
    lines.join("\n")
}

fn money(wei: f64) -> String {
    match micro(wei) {
        small if small.abs() < 100.0 => format!("{small:.2}"),
        large => format!("{large:.0}"),
    }
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

fn seconds(millis: u64) -> String {
    format!("{:.0}", millis as f64 / 1_000.0)
}
