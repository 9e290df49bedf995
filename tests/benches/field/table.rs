//! Measuring all that was asked for, and showing it.

use crate::Options;
use crate::row::Row;
use std::io;

/// A name, and what measures it.
pub type Measure = (&'static str, fn(&Options) -> io::Result<Vec<Row>>);

const HEAD: [&str; 8] = [
    "measure", "N", "ours", "floor", "ratio", "bound", "verdict", "how",
];

/// Takes the measures and prints the table.
///
/// # Errors
/// One of them could not be taken; the others are shown first.
pub fn make(options: &Options, measures: &[Measure]) -> io::Result<()> {
    let asked = |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    let (mut lines, mut rows, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (name, measure) in measures.iter().filter(|(name, _)| asked(name)) {
        eprintln!("field: measuring {name}, load {}", load());
        let measured = measure(options).and_then(|rows| {
            if rows.is_empty() {
                return Err(io::Error::other("no figure came of it"));
            }
            let cells = rows.iter().map(Row::cells).collect::<io::Result<Vec<_>>>()?;
            Ok((rows, cells))
        });
        match measured {
            Ok((measured, cells)) => {
                rows.extend(measured);
                lines.extend(cells);
            }
            Err(error) => failed.push(format!("{name} could not be measured: {error}")),
        }
    }
    print(&lines);
    if let Some(file) = &options.json {
        write_json(file, &rows)?;
    }
    if failed.is_empty() && !lines.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(failed.join("\n")))
}

/// What the machine has to do beside this.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn print(lines: &[[String; 8]]) {
    let head = HEAD.map(str::to_owned);
    let width = |column: usize| {
        let cells = lines
            .iter()
            .chain([&head])
            .map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let show = |line: &[String; 8]| {
        let cells = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                let width = *width;
                // Numbers to the right, words to the left.
                if (1..=4).contains(&column) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
        println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
    };
    show(&head);
    let rules = widths.iter().map(|width| "-".repeat(width + 2));
    println!("|{}|", rules.collect::<Vec<_>>().join("|"));
    lines.iter().for_each(show);
}

fn write_json(file: &std::path::Path, rows: &[Row]) -> io::Result<()> {
    let rows = rows.iter().map(|row| {
        Ok(serde_json::json!({
            "measure": row.measure, "n": row.n, "ours": row.ours, "unit": row.unit, "floor": row.floor,
            "bound": format!("{:?}", row.bound), "kept": row.is_kept()?, "note": row.note,
        }))
    });
    let rows = rows.collect::<io::Result<Vec<_>>>()?;
    std::fs::write(file, serde_json::to_string_pretty(&rows)?)
}
