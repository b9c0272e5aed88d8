//! Figures as SVG: bars side by side, or lines over what is varied.

use crate::{Figures, Row, report::micro};
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Told apart without colours as well: lines differ in their marks.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// A figure that is drawn.
pub(crate) struct Subject {
    /// The file's name, without its end.
    pub(crate) name: &'static str,
    title: &'static str,
    value: fn(&Figures) -> f64,
}

/// What is drawn of every run.
pub(crate) const SUBJECTS: [Subject; 6] = [
    Subject { name: "cost", title: "Cost of a proof, penalties included (µETH)", value: |f| micro(f.cost_per_proof) },
    Subject { name: "paid", title: "Paid to provers for a proof (µETH)", value: |f| micro(f.paid_per_proof) },
    Subject { name: "on-time", title: "On time (%)", value: |f| f.on_time * 100.0 },
    Subject { name: "utilisation", title: "Provers' time used (%)", value: |f| f.utilisation * 100.0 },
    Subject { name: "latency", title: "95 % are there within (s)", value: |f| f.latency_p95 as f64 / 1_000.0 },
    Subject { name: "gini", title: "Gini coefficient of provers' income", value: |f| f.income.gini },
];

/// A picture of one figure of all rows.
pub(crate) fn draw(subject: &Subject, rows: &[Row], varied: Option<&str>) -> String {
    let highest = rows.iter().map(|row| (subject.value)(&row.figures)).fold(0.0, f64::max);
    let step = step(highest);
    let top = (highest / step).ceil().max(1.0) * step;
    let y = |value: f64| HEIGHT - BOTTOM - (value / top).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    text(&mut svg, LEFT, 22.0, "start", subject.title);
    let mut at = 0.0;
    while at <= top * 1.001 {
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{1:.1}\" y2=\"{0:.1}\" stroke=\"#ddd\"/>",
            y(at),
            WIDTH - RIGHT
        );
        text(&mut svg, LEFT - 8.0, y(at) + 4.0, "end", &short(at));
        at += step;
    }
    match varied {
        Some(name) => lines(&mut svg, subject, rows, name, y),
        None => bars(&mut svg, subject, rows, y),
    }
    svg + "</svg>\n"
}

fn bars(svg: &mut String, subject: &Subject, rows: &[Row], y: impl Fn(f64) -> f64) {
    let room = (WIDTH - LEFT - RIGHT) / rows.len().max(1) as f64;
    for (place, row) in rows.iter().enumerate() {
        let (value, x) = ((subject.value)(&row.figures), LEFT + room * place as f64);
        let (colour, bottom) = (COLOURS[place % COLOURS.len()], HEIGHT - BOTTOM);
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            x + room * 0.15,
            y(value),
            room * 0.7,
            bottom - y(value)
        );
        text(svg, x + room / 2.0, y(value) - 5.0, "middle", &short(value));
        text(svg, x + room / 2.0, bottom + 18.0, "middle", &row.strategy);
    }
}

fn lines(svg: &mut String, subject: &Subject, rows: &[Row], varied: &str, y: impl Fn(f64) -> f64) {
    let mut values: Vec<f64> = rows.iter().filter_map(|row| row.value).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let room = (WIDTH - LEFT - RIGHT) / values.len().max(2).saturating_sub(1) as f64;
    // Evenly spaced: what is varied goes over orders of magnitude.
    let x = |value: f64| LEFT + room * values.iter().position(|other| *other == value).unwrap_or_default() as f64;
    for value in &values {
        text(svg, x(*value), HEIGHT - BOTTOM + 18.0, "middle", &value.to_string());
    }
    text(svg, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0, "middle", varied);
    let mut strategies: Vec<&str> = Vec::new();
    for row in rows {
        if !strategies.contains(&row.strategy.as_str()) {
            strategies.push(&row.strategy);
        }
    }
    for (place, strategy) in strategies.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let of = rows.iter().filter(|row| row.strategy == *strategy);
        let points: Vec<(f64, f64)> =
            of.filter_map(|row| Some((x(row.value?), y((subject.value)(&row.figures))))).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        points.iter().for_each(|(x, y)| mark(svg, place, *x, *y, colour));
        let legend = TOP + 10.0 + 18.0 * place as f64;
        mark(svg, place, WIDTH - RIGHT + 20.0, legend, colour);
        text(svg, WIDTH - RIGHT + 30.0, legend + 4.0, "start", strategy);
    }
}

fn mark(svg: &mut String, place: usize, x: f64, y: f64, colour: &str) {
    let _ = match place % 3 {
        0 => writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"),
        1 => writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\" fill=\"{colour}\"/>",
            x - 4.0,
            y - 4.0
        ),
        _ => writeln!(svg, "<path d=\"M{:.1} {:.1} l5 9 h-10 z\" fill=\"{colour}\"/>", x, y - 5.0),
    };
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

/// A round step that makes four to ten of what is to be shown.
fn step(highest: f64) -> f64 {
    let raw = (highest / 5.0).max(1e-9);
    let power = 10_f64.powf(raw.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * power >= raw);
    times.unwrap_or(10.0) * power
}

fn short(value: f64) -> String {
    if value >= 100.0 || value == 0.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_bar_or_a_mark_for_every_run() {
        let row = |strategy: &str, value| {
            let figures = Figures { on_time: 0.5, ..Figures::default() };
            Row { strategy: strategy.into(), value, figures }
        };
        let bars = draw(&SUBJECTS[2], &[row("assign", None), row("race:2", None)], None);
        assert_eq!(bars.matches("<rect x").count(), 2);
        let lines = draw(&SUBJECTS[2], &[row("assign", Some(1.0)), row("assign", Some(2.0))], Some("load"));
        assert_eq!((lines.matches("<polyline").count(), lines.matches("<circle").count()), (1, 3));
        assert_eq!([step(99.0), step(0.9), step(7.0)], [20.0, 0.2, 2.0]);
    }
}
