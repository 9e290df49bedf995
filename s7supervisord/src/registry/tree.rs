//! From text to a tree of elements in which everything knows its place. No meaning yet, only form.

mod faults;

use super::diagnostic::{Finding, Findings, Span, shown};
use faults::{bad_reference, forbidden, unknown_entity};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::ops::Range;

/// How deep elements may be nested (DESIGN 3). The registry itself needs seven levels.
pub const MAX_DEPTH: usize = 32;

/// How many attributes an element may have. The registry's have at most ten, and finding one that is given twice
/// takes time that grows with the square of their number.
const MAX_ATTRIBUTES: usize = 64;

/// One element.
#[derive(Debug)]
pub(super) struct Element {
    /// Its name.
    pub name: String,
    /// Its opening tag.
    pub tag: Span,
    /// Its attributes in order, names once.
    pub attributes: Vec<Attribute>,
    /// The elements in it.
    pub children: Vec<Element>,
    /// All text directly in it, trimmed.
    pub text: String,
    /// Where the text stands; an empty place after the opening tag where there is none.
    pub text_at: Span,
}

/// One attribute.
#[derive(Debug)]
pub(super) struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value, references resolved, not trimmed.
    pub value: String,
    /// Where the name stands.
    pub name_at: Span,
    /// Where the value stands, without quotes.
    pub value_at: Span,
}

/// Reads `text`, the source number `source`. `None` where its form is so wrong that its meaning can't be told.
pub(super) fn parse(source: usize, text: &str, findings: &mut Findings) -> Option<Element> {
    parse_of(Whose::Ours, source, text, findings)
}

/// As [`parse`], of a file of another program: a DOCTYPE is passed over, and what it defines is unknown all the same.
pub(super) fn parse_foreign(source: usize, text: &str, findings: &mut Findings) -> Option<Element> {
    parse_of(Whose::Foreign, source, text, findings)
}

/// Who says what may be in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Foreign,
}

fn parse_of(whose: Whose, source: usize, text: &str, findings: &mut Findings) -> Option<Element> {
    let mut tree = Tree {
        whose,
        source,
        text,
        open: Vec::new(),
        root: None,
        sound: true,
        findings,
    };
    tree.check_characters();
    let finished = tree.read();
    match (finished, tree.sound) {
        (Some(()), true) => tree.root,
        _ => None,
    }
}

struct Tree<'a> {
    whose: Whose,
    source: usize,
    text: &'a str,
    open: Vec<Element>,
    root: Option<Element>,
    /// False once an element was closed by guessing: what is in what is then not sure.
    sound: bool,
    findings: &'a mut Findings,
}

impl Tree<'_> {
    /// `None` where reading can't go on.
    fn read(&mut self) -> Option<()> {
        let text = self.text;
        let mut reader = Reader::from_str(text);
        // End tags are compared here, where both places are known.
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        loop {
            let start = offset(reader.buffer_position());
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => {
                    self.syntax_error(offset(reader.error_position()), &error);
                    return None;
                }
            };
            let at = self.span(start..offset(reader.buffer_position()));
            match event {
                Event::Start(tag) => self.start(&tag, at)?,
                Event::Empty(tag) => {
                    self.start(&tag, at)?;
                    self.close();
                }
                Event::End(tag) => self.end(tag.name().0, at)?,
                Event::Text(piece) => self.add_text(&piece.xml10_content(), at)?,
                Event::CData(piece) => self.add_text(&piece.xml10_content(), at)?,
                Event::GeneralRef(reference) => self.reference(&reference, at)?,
                Event::DocType(_) if self.whose == Whose::Foreign => {}
                Event::DocType(_) => {
                    self.findings.report(
                        Finding::error(at, "a DOCTYPE isn't accepted here")
                            .hint("remove it; entities and external files are never read"),
                    );
                    return None;
                }
                Event::Eof => return self.end_of_file(at.start),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span {
            source: self.source,
            start: range.start,
            end: range.end,
        }
    }

    /// XML 1.0 has no control characters but tab and the line ends, and the parser doesn't look for them.
    fn check_characters(&mut self) {
        let all = self.text.char_indices().filter(|(_, c)| is_forbidden(*c));
        for (at, found) in all.take(10) {
            let at = self.span(at..at + found.len_utf8());
            self.findings.report(forbidden(at, found));
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>, at: Span) -> Option<()> {
        let name = tag.name().0;
        if !is_name(name) {
            let end = at.start + 1 + name.len();
            self.findings.report(
                Finding::error(
                    self.span(at.start..end.min(at.end)),
                    "`<` isn't followed by a name",
                )
                .hint("write `&lt;` for a `<` in text"),
            );
            return None;
        }
        if let (Some(root), true) = (&self.root, self.open.is_empty()) {
            let finding = Finding::error(at, format!("a second root element `<{}>`", shown(name)))
                .related(root.tag, "the first one")
                .hint("a file holds one root element");
            self.findings.report(finding);
            return None;
        }
        if self.open.len() >= MAX_DEPTH {
            self.findings.report(Finding::error(
                at,
                format!("elements are nested deeper than {MAX_DEPTH} levels here"),
            ));
            return None;
        }
        let attributes = self.attributes(tag, at)?;
        self.open.push(Element {
            name: name.to_owned(),
            tag: at,
            attributes,
            children: Vec::new(),
            text: String::new(),
            text_at: self.span(at.end..at.end),
        });
        Some(())
    }

    fn attributes(&mut self, tag: &BytesStart<'_>, at: Span) -> Option<Vec<Attribute>> {
        let mut all: Vec<Attribute> = Vec::new();
        let mut attributes = tag.attributes();
        attributes.with_checks(false);
        for attribute in attributes {
            if all.len() >= MAX_ATTRIBUTES {
                let message = format!("this element has more than {MAX_ATTRIBUTES} attributes");
                self.findings.report(Finding::error(at, message));
                return None;
            }
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => {
                    self.attribute_error(&error, at);
                    return None;
                }
            };
            let name = attribute.key.0;
            let name_at = self.within(name, at);
            let value_at = self.within(&attribute.value, at);
            let value = match attribute.normalized_value(XmlVersion::Implicit1_0) {
                Ok(value) => {
                    if let Some(code) = value.chars().find(|c| is_forbidden(*c)) {
                        self.findings.report(forbidden(value_at, code));
                    }
                    value.into_owned()
                }
                Err(error) => {
                    self.findings.report(match error {
                        quick_xml::Error::Escape(error) => bad_reference(value_at, &error),
                        other => Finding::error(value_at, other.to_string()),
                    });
                    String::new()
                }
            };
            if let Some(first) = all.iter().find(|first| first.name == name) {
                let finding =
                    Finding::error(name_at, format!("the attribute `{}` is given twice", shown(name)))
                        .related(first.name_at, "first given here");
                self.findings.report(finding);
                continue;
            }
            all.push(Attribute {
                name: name.to_owned(),
                value,
                name_at,
                value_at,
            });
        }
        Some(all)
    }

    /// The place of `part`, which is a piece of the text itself; `tag` where it isn't.
    fn within(&self, part: &str, tag: Span) -> Span {
        let start = part.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        if start >= tag.start && start.saturating_add(part.len()) <= tag.end {
            self.span(start..start + part.len())
        } else {
            tag
        }
    }

    fn end(&mut self, name: &str, at: Span) -> Option<()> {
        let Some(open) = self.open.last() else {
            self.findings.report(Finding::error(
                at,
                format!("`</{}>` closes nothing: no element is open here", shown(name)),
            ));
            return None;
        };
        if open.name != name {
            let message = format!("expected `</{}>`, found `</{}>`", shown(&open.name), shown(name));
            self.findings
                .report(Finding::error(at, message).related(open.tag, "opened here"));
            self.sound = false;
            // Either this one's end tag is misspelled, or it is missing and the tag closes one further out.
            if let Some(depth) = self.open.iter().rposition(|open| open.name == name) {
                while self.open.len() > depth + 1 {
                    self.close();
                }
            }
        }
        self.close();
        Some(())
    }

    fn close(&mut self) {
        let Some(mut element) = self.open.pop() else {
            return;
        };
        let trimmed = element.text.trim();
        if trimmed.len() != element.text.len() {
            element.text = trimmed.to_owned();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn add_text(&mut self, piece: &str, at: Span) -> Option<()> {
        let blank = piece.trim().is_empty();
        let Some(element) = self.open.last_mut() else {
            if blank {
                return Some(());
            }
            let raw = &self.text[at.start..at.end];
            let start = at.start + (raw.len() - raw.trim_start().len());
            let message = match (&self.root, self.whose) {
                (Some(root), _) => format!("text after the root element `<{}>`", shown(&root.name)),
                (None, Whose::Ours) => "text before the root element `<supervisor>`".to_owned(),
                (None, Whose::Foreign) => "text before the root element".to_owned(),
            };
            let end = start + raw.trim().len();
            self.findings.report(
                Finding::error(self.span(start..end), message).hint("remove it, or make it a comment"),
            );
            return None;
        };
        element.text.push_str(piece);
        if !blank {
            let raw = &self.text[at.start..at.end];
            let start = at.start + (raw.len() - raw.trim_start().len());
            let end = at.start + raw.trim_end().len();
            if element.text_at.start == element.text_at.end {
                element.text_at.start = start;
            }
            element.text_at.end = end;
        }
        Some(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>, at: Span) -> Option<()> {
        let finding = match reference.resolve_char_ref() {
            Ok(Some(character)) if is_forbidden(character) => forbidden(at, character),
            Ok(Some(character)) => return self.add_text(character.encode_utf8(&mut [0; 4]), at),
            Ok(None) => {
                let name: &str = reference;
                match quick_xml::escape::resolve_predefined_entity(name) {
                    Some(text) => return self.add_text(text, at),
                    None => unknown_entity(at, name),
                }
            }
            Err(error) => Finding::error(at, format!("this is no character: {error}")),
        };
        self.findings.report(finding);
        Some(())
    }

    fn end_of_file(&mut self, end: usize) -> Option<()> {
        let end = self.span(end..end);
        if let Some(open) = self.open.last() {
            self.findings.report(
                Finding::error(
                    end,
                    format!("the file ends, and `<{}>` is never closed", shown(&open.name)),
                )
                .related(open.tag, "opened here"),
            );
            return None;
        }
        if self.root.is_none() {
            let start = self.span(0..0);
            self.findings.report(
                Finding::error(start, "the file holds no element").hint("it begins with `<supervisor>`"),
            );
            return None;
        }
        Some(())
    }
}

fn offset(position: u64) -> usize {
    // A position in a text that is in memory.
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn is_name(text: &str) -> bool {
    text.chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | ':'))
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.') || !c.is_ascii())
}

fn is_forbidden(c: char) -> bool {
    (c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
}
