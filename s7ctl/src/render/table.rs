//! Columns for people: as wide as their content, the last one wrapped by words where a terminal has an end.

use anstyle::Style;
use s7proto::plain::steers;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Below this many columns the last cell goes below its row instead of beside it.
const NARROWEST: usize = 24;
const GAP: usize = 2;

/// One cell: plain text, and how it looks where there is colour.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    width: usize,
    style: Style,
}

impl Cell {
    /// Text without a style. Control characters are made visible: what is shown must not steer a terminal.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::styled(text, Style::new())
    }

    /// Text with a style.
    #[must_use]
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        let text = visible(text.as_ref());
        let width = if text.is_ascii() { text.len() } else { text.width() };
        Self { text, width, style }
    }
}

/// Text without characters that steer a terminal. The daemon keeps them out as well, but it may be another one than it seems.
#[must_use]
pub fn visible(text: &str) -> String {
    // Most of it, and a table of a thousand rows has nine thousand cells.
    if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(' '),
            c if steers(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// Several lines, each of them [`visible`].
#[must_use]
pub fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// Text that takes `width` columns at most; where some had to go, it ends with an ellipsis.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut columns = 1;
    let fits = |c: &char| {
        columns += c.width().unwrap_or(0);
        columns <= width
    };
    let mut shown: String = text.chars().take_while(fits).collect();
    shown.push('\u{2026}');
    shown
}

/// The rows as lines. `width` is that of the terminal; without one nothing is wrapped, so that a row is a line.
#[must_use]
pub fn render(rows: &[Vec<Cell>], width: Option<usize>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.saturating_sub(1))
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.width)
                .max()
                .unwrap_or(0)
        })
        .collect();
    let indent: usize = widths.iter().map(|width| width + GAP).sum();
    let mut out = String::new();
    for row in rows {
        row_into(&mut out, row, &widths, indent, width);
    }
    out
}

fn row_into(out: &mut String, row: &[Cell], widths: &[usize], indent: usize, width: Option<usize>) {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        push(&mut line, cell, &cell.text);
        blanks(&mut line, width + GAP - cell.width);
    }
    let last = row.get(widths.len());
    let room = width.map(|width| width.saturating_sub(indent));
    match (last, room) {
        (Some(last), None) => push(&mut line, last, &last.text),
        (Some(last), Some(room)) if last.width <= room => push(&mut line, last, &last.text),
        (Some(last), Some(room)) => {
            // Beside the other columns where that leaves lines worth reading, else below them.
            let (beside, indent, room) = if room >= NARROWEST {
                (true, indent, room)
            } else {
                (
                    false,
                    4,
                    width.unwrap_or(usize::MAX).saturating_sub(4).max(NARROWEST),
                )
            };
            for (at, text) in wrap(&last.text, room).into_iter().enumerate() {
                if at > 0 || !beside {
                    end(out, &mut line);
                    blanks(&mut line, indent);
                }
                push(&mut line, last, &text);
            }
        }
        (None, _) => {}
    }
    end(out, &mut line);
}

fn push(line: &mut String, cell: &Cell, text: &str) {
    let style = cell.style;
    if style.is_plain() {
        line.push_str(text);
    } else {
        line.push_str(&format!("{style}{text}{style:#}"));
    }
}

fn blanks(line: &mut String, mut count: usize) {
    const SOME: &str = "                                ";
    while count > 0 {
        let now = count.min(SOME.len());
        line.push_str(SOME.get(..now).unwrap_or_default());
        count -= now;
    }
}

fn end(out: &mut String, line: &mut String) {
    out.push_str(line.trim_end());
    out.push('\n');
    line.clear();
}

/// Lines of at most `room` columns, broken between words; a word that is longer stays whole, so that it can be copied.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstyle::AnsiColor;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<Cell>> {
        rows.iter()
            .map(|row| row.iter().map(Cell::new).collect())
            .collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let text = render(
            &rows(&[&["A", "BB", "C"], &["größer", "1", ""], &["日本", "", "x y"]]),
            None,
        );
        assert_eq!(text, "A       BB  C\ngrößer  1\n日本        x y\n");
    }

    #[test]
    fn without_a_terminal_a_row_is_a_line_however_long() {
        let long = "word ".repeat(200);
        let text = render(&rows(&[&["a", &long], &["b", "c"]]), None);
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn in_a_terminal_the_last_column_is_wrapped_beside_or_below_the_others() {
        let table = rows(&[&["name", "eins zwei drei vier fünf sechs"], &["x", "kurz"]]);
        assert_eq!(
            render(&table, Some(30)),
            "name  eins zwei drei vier fünf\n      sechs\nx     kurz\n"
        );
        let narrow = rows(&[&["a-long-name", "eins zwei drei vier fünf sechs"]]);
        assert_eq!(
            render(&narrow, Some(30)),
            "a-long-name\n    eins zwei drei vier fünf\n    sechs\n"
        );
    }

    #[test]
    fn colour_takes_up_no_room_and_control_characters_do_not_reach_the_terminal() {
        let red = Style::new().fg_color(Some(AnsiColor::Red.into()));
        let table = vec![
            vec![Cell::styled("a", red), Cell::new("b")],
            vec![Cell::new("cc"), Cell::new("\u{1b}[2J\u{202e}\u{200b}\n")],
        ];
        assert_eq!(
            render(&table, None),
            "\u{1b}[31ma\u{1b}[0m   b\ncc  \\u{1b}[2J\\u{202e}\\u{200b}\n"
        );
    }
}
