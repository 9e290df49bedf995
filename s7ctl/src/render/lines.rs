//! The output of components as it comes: of one as its bytes, of several as whole lines behind their names.

use anstyle::{AnsiColor, Style};
use s7proto::name::ComponentName;
use serde::Serialize;
use std::collections::BTreeMap;

/// A line that is longer is shown in pieces of this many bytes, so that a component without newlines takes up no more.
const LONGEST: usize = 64 * 1024;

/// One for each component in turn, and none of those that mean something.
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
];

/// What the output of each component is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One component: what it wrote, byte for byte.
    Bytes,
    /// `text-1 | line`.
    Prefixed,
    /// An object for each line.
    Json,
}

/// See the module.
#[derive(Debug)]
pub struct Lines {
    form: Form,
    colour: bool,
    /// In the order of their colours.
    known: Vec<ComponentName>,
    /// The beginnings of lines whose ends have not come yet.
    partial: BTreeMap<ComponentName, Vec<u8>>,
    /// [`Form::Bytes`]: the last byte was no newline.
    open: bool,
}

impl Lines {
    /// For the output of `names`.
    #[must_use]
    pub fn new(names: Vec<ComponentName>, json: bool, colour: bool) -> Self {
        Self {
            form: match (json, names.len()) {
                (true, _) => Form::Json,
                (false, 0 | 1) => Form::Bytes,
                (false, _) => Form::Prefixed,
            },
            colour,
            known: names,
            partial: BTreeMap::new(),
            open: false,
        }
    }

    /// What is to be shown when a component has written `bytes`.
    #[must_use]
    pub fn take(&mut self, component: &ComponentName, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        if !self.known.contains(component) {
            self.known.push(component.clone());
            // A second one has come by a reload: from now on each line needs a name.
            if self.form == Form::Bytes && self.known.len() > 1 {
                self.form = Form::Prefixed;
                out.extend(std::mem::take(&mut self.open).then_some(b'\n'));
            }
        }
        if self.form == Form::Bytes {
            self.open = bytes.last().map_or(self.open, |last| *last != b'\n');
            out.extend_from_slice(bytes);
            return out;
        }
        let mut kept = self.partial.remove(component).unwrap_or_default();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            kept.extend_from_slice(piece);
            if kept.last() == Some(&b'\n') {
                kept.pop();
                self.line(component, &kept, &mut out);
                kept.clear();
            }
            while kept.len() >= LONGEST {
                let rest = kept.split_off(LONGEST);
                self.line(component, &kept, &mut out);
                kept = rest;
            }
        }
        if !kept.is_empty() {
            self.partial.insert(component.clone(), kept);
        }
        out
    }

    /// What is left when nothing more comes: lines without an end.
    #[must_use]
    pub fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for (component, kept) in std::mem::take(&mut self.partial) {
            self.line(&component, &kept, &mut out);
        }
        out
    }

    /// What is to be shown of output that can't be read; `None` where that is not part of the data.
    #[must_use]
    pub fn unreadable(&self, component: &ComponentName, why: &str) -> Option<Vec<u8>> {
        (self.form == Form::Json).then(|| json(component, None, Some(why)))
    }

    fn line(&self, component: &ComponentName, line: &[u8], out: &mut Vec<u8>) {
        if self.form == Form::Json {
            out.extend(json(component, Some(line), None));
            return;
        }
        let at = self.known.iter().position(|known| known == component);
        let style = match at.and_then(|at| COLOURS.get(at % COLOURS.len())) {
            Some(colour) if self.colour => Style::new().fg_color(Some((*colour).into())),
            _ => Style::new(),
        };
        let widths = self.known.iter().map(|name| name.as_str().len());
        let width = widths.max().unwrap_or(0);
        out.extend_from_slice(format!("{style}{component:width$} |{style:#} ").as_bytes());
        out.extend_from_slice(line);
        out.push(b'\n');
    }
}

/// One line of output as a program gets it.
#[derive(Serialize)]
struct Line<'a> {
    component: &'a str,
    /// Without its newline; null where nothing could be read.
    line: Option<&'a str>,
    /// Something in it was not UTF-8 and is U+FFFD here.
    lossy: bool,
    /// Why nothing can be read at the moment.
    error: Option<&'a str>,
}

fn json(component: &ComponentName, line: Option<&[u8]>, error: Option<&str>) -> Vec<u8> {
    let text = line.map(String::from_utf8_lossy);
    let object = Line {
        component: component.as_str(),
        line: text.as_deref(),
        lossy: matches!(text, Some(std::borrow::Cow::Owned(_))),
        error,
    };
    super::json::print(&object).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ComponentName {
        ComponentName::parse(text).unwrap()
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_output_of_one_component_is_its_bytes() {
        let mut lines = Lines::new(vec![name("is")], false, true);
        assert_eq!(lines.take(&name("is"), b"a\xff\x1b[3"), b"a\xff\x1b[3");
        assert_eq!(lines.take(&name("is"), b"\r\n\0"), b"\r\n\0");
        assert_eq!(lines.end(), b"");
    }

    #[test]
    fn lines_of_several_are_whole_and_stand_behind_their_names() {
        let mut lines = Lines::new(vec![name("is"), name("text-1")], false, false);
        assert_eq!(text(lines.take(&name("is"), b"one\ntw")), "is     | one\n");
        assert_eq!(
            text(lines.take(&name("text-1"), b"\nx\n")),
            "text-1 | \ntext-1 | x\n"
        );
        assert_eq!(text(lines.take(&name("is"), b"")), "");
        assert_eq!(text(lines.take(&name("is"), b"o\nrest")), "is     | two\n");
        assert_eq!(text(lines.end()), "is     | rest\n");
        assert_eq!(text(lines.end()), "");
    }

    #[test]
    fn a_line_that_never_ends_is_shown_in_pieces_and_nothing_of_it_is_lost() {
        let mut lines = Lines::new(vec![name("a"), name("b")], false, false);
        let mut shown = String::new();
        for _ in 0..3 {
            shown += &text(lines.take(&name("a"), "x".repeat(40_000).as_bytes()));
            let kept: usize = lines.partial.values().map(Vec::len).sum();
            assert!(kept < LONGEST, "{kept}");
        }
        shown += &text(lines.end());
        let lengths: Vec<_> = shown.lines().map(|line| line.len() - "a | ".len()).collect();
        assert_eq!(lengths, [LONGEST, 120_000 - LONGEST]);
    }

    #[test]
    fn a_second_component_that_comes_later_gives_names_to_both() {
        let mut lines = Lines::new(vec![name("is")], false, false);
        assert_eq!(text(lines.take(&name("is"), b"half")), "half");
        assert_eq!(text(lines.take(&name("new"), b"x\n")), "\nnew | x\n");
        assert_eq!(text(lines.take(&name("is"), b"y\n")), "is  | y\n");
    }

    #[test]
    fn as_json_each_line_is_an_object_that_says_whether_something_was_replaced() {
        let mut lines = Lines::new(vec![name("is")], true, false);
        let out = text(lines.take(&name("is"), b"a \"b\"\n\xff\nrest"))
            + &text(lines.unreadable(&name("is"), "gone").unwrap())
            + &text(lines.end());
        let objects: Vec<serde_json::Value> = out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let object = |line: Option<&str>, lossy: bool, error: Option<&str>| serde_json::json!({"component": "is", "line": line, "lossy": lossy, "error": error});
        assert_eq!(
            objects,
            [
                object(Some("a \"b\""), false, None),
                object(Some("\u{fffd}"), true, None),
                object(None, false, Some("gone")),
                object(Some("rest"), false, None),
            ]
        );
    }

    #[test]
    fn colour_is_only_on_the_name() {
        let mut lines = Lines::new(vec![name("a"), name("b")], false, true);
        assert_eq!(text(lines.take(&name("b"), b"x\n")), "\u{1b}[35mb |\u{1b}[0m x\n");
    }
}
