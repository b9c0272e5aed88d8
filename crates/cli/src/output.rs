//! Data goes to standard output, everything else to standard error.

use crate::error::{CliError, CliResult};
use serde::Serialize;
use std::{
    fmt::Display,
    io::{self, Write},
};

/// How a command shows what it found.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// JSON in place of text.
    pub json: bool,
}

impl Output {
    /// The command's result: JSON if that is asked for, otherwise `text`.
    pub fn result(self, value: &impl Serialize, text: impl Display) -> CliResult {
        if self.json { self.data(value) } else { write_line(&text) }
    }

    /// Data that has no other form than JSON.
    pub fn data(self, value: &impl Serialize) -> CliResult {
        let text = serde_json::to_string_pretty(value).map_err(failed)?;
        write_line(&text)
    }

    /// A remark for whoever watches.
    pub fn note(self, text: impl Display) {
        let _ = writeln!(io::stderr(), "{text}");
    }
}

fn write_line(text: &impl Display) -> CliResult {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => Ok(()),
        // Whoever read has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: impl Display) -> CliError {
    CliError::file("write the result to standard output", error)
}

/// Rows of text in aligned columns, the first row being the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|i| rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".into(), "bb".into()], vec!["ccc".into(), "d".into()]];
        assert_eq!(table(&rows), "a    bb\nccc  d");
        assert_eq!(table(&[]), "");
    }
}
