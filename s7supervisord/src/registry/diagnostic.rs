//! Findings: collected while reading, then sorted by place and rendered, all at once.

use super::source::Source;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use s7proto::plain::steers;
use s7proto::reply::{Diagnostic, Severity};
use std::collections::HashSet;
use std::ops::Range;

/// The most errors, and the most warnings, that are kept; beyond them only their number is told. A file of a
/// mebibyte can hold very many, and a reply frame can't (4 MiB).
const MAX_FINDINGS: usize = 100;
/// A line up to this many bytes is shown whole; of a longer one only the part around the place.
const MAX_LINE: usize = 400;
/// Names longer than this are cut in messages.
const MAX_SHOWN: usize = 80;

/// A place: bytes of one of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Span {
    /// Index into the sources.
    pub source: usize,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// One finding before it is rendered.
#[derive(Debug)]
pub(super) struct Finding {
    severity: Severity,
    at: Option<Span>,
    message: String,
    label: Option<String>,
    related: Option<(Span, String)>,
    hint: Option<String>,
}

impl Finding {
    /// Something that keeps the registry from loading.
    pub fn error(at: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, Some(at), message.into())
    }

    /// Something to be looked at.
    pub fn warning(at: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, Some(at), message.into())
    }

    /// About the whole, without a place.
    pub fn new(severity: Severity, at: Option<Span>, message: String) -> Self {
        Self {
            severity,
            at,
            message,
            label: None,
            related: None,
            hint: None,
        }
    }

    /// Words beside the marker.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// A second place, and words beside its marker.
    pub fn related(mut self, at: Span, label: impl Into<String>) -> Self {
        self.related = Some((at, label.into()));
        self
    }

    /// What can be done.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What can be done, where something is known.
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub(super) struct Findings {
    strict: bool,
    kept: Vec<Finding>,
    // A profile's mistake is found again by every server that refers to it, and is worth one finding.
    seen: HashSet<(Option<Span>, String)>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    /// With `strict`, warnings count as errors.
    pub fn new(strict: bool) -> Self {
        Self {
            strict,
            ..Self::default()
        }
    }

    /// Takes one more.
    pub fn report(&mut self, mut finding: Finding) {
        if self.strict {
            finding.severity = Severity::Error;
        }
        let count = match finding.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if *count >= MAX_FINDINGS {
            *count += 1;
            return;
        }
        if self.seen.insert((finding.at, finding.message.clone())) {
            *count += 1;
            self.kept.push(finding);
        }
    }

    /// Whether there is an error among them.
    pub fn any_error(&self) -> bool {
        self.errors > 0
    }

    /// The last error, at which reading has stopped where it didn't come to the end.
    pub fn last_error(&self) -> Option<(Option<Span>, &str)> {
        let mut errors = self.kept.iter().rev();
        let last = errors.find(|finding| finding.severity == Severity::Error)?;
        Some((last.at, &last.message))
    }

    /// Whether further findings would not be shown, so that looking for them in detail isn't worth the time.
    pub fn full(&self) -> bool {
        self.errors >= MAX_FINDINGS || self.warnings >= MAX_FINDINGS
    }

    /// Whether further errors would not be shown.
    pub fn enough_errors(&self) -> bool {
        self.errors >= MAX_FINDINGS
    }

    /// Sorted by place and rendered. `file` stands for findings without a place.
    pub fn finish(mut self, sources: &[Source], file: &str) -> Vec<Diagnostic> {
        self.kept.sort_by_key(|finding| finding.at);
        let mut all: Vec<Diagnostic> = self.kept.iter().map(|one| render(one, sources, file)).collect();
        for (count, severity, what) in [
            (self.errors, Severity::Error, "errors"),
            (self.warnings, Severity::Warning, "warnings"),
        ] {
            if count > MAX_FINDINGS {
                let message = format!("{} more {what} are not shown", count - MAX_FINDINGS);
                all.push(render(&Finding::new(severity, None, message), sources, file));
            }
        }
        all
    }
}

fn render(finding: &Finding, sources: &[Source], file: &str) -> Diagnostic {
    let source = finding
        .at
        .and_then(|at| sources.get(at.source).map(|source| (at, source)));
    let (line, column) = source.map_or((0, 0), |(at, source)| source.place(at.start));
    let file = source.map_or(file, |(_, source)| source.name.as_str());
    let place = if line == 0 {
        file.to_owned()
    } else {
        format!("{file}:{line}:{column}")
    };
    let kind = match finding.severity {
        Severity::Error => "",
        Severity::Warning => "warning: ",
    };
    let mut rendered = format!("{place}: {kind}{}\n", finding.message);
    let mut group = Group::with_level(match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    });
    for snippet in snippets(finding, sources) {
        group = group.element(snippet);
    }
    if let Some(hint) = &finding.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    if !group.is_empty() {
        rendered.push_str(&Renderer::plain().render(&[group]));
        rendered.push('\n');
    }
    Diagnostic {
        severity: finding.severity,
        file: file.to_owned(),
        line,
        column,
        message: finding.message.clone(),
        hint: finding.hint.clone(),
        rendered,
    }
}

/// The source lines with their markers: one piece where both places are in the same source, else two.
fn snippets<'a>(
    finding: &'a Finding,
    sources: &'a [Source],
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let Some((at, source)) = finding
        .at
        .and_then(|at| sources.get(at.source).map(|source| (at, source)))
    else {
        return Vec::new();
    };
    let label = finding.label.as_deref();
    let primary = |range| annotate(AnnotationKind::Primary, range, label);
    let Some((other, words)) = &finding.related else {
        let cut = excerpt(source, &[at]);
        return vec![cut.snippet().annotation(primary(cut.ranges[0].clone()))];
    };
    let context = |range| annotate(AnnotationKind::Context, range, Some(words));
    if other.source == at.source {
        let cut = excerpt(source, &[at, *other]);
        if let [first, second] = cut.ranges.as_slice() {
            return vec![
                cut.snippet()
                    .annotation(primary(first.clone()))
                    .annotation(context(second.clone())),
            ];
        }
    }
    let cut = excerpt(source, &[at]);
    let mut all = vec![cut.snippet().annotation(primary(cut.ranges[0].clone()))];
    if let Some(source) = sources.get(other.source) {
        let cut = excerpt(source, &[*other]);
        all.push(
            cut.snippet()
                .path(source.name.as_str())
                .annotation(context(cut.ranges[0].clone())),
        );
    }
    all
}

fn annotate<'a>(
    kind: AnnotationKind,
    range: Range<usize>,
    label: Option<&'a str>,
) -> annotate_snippets::Annotation<'a> {
    match label {
        Some(label) => kind.span(range).label(label),
        None => kind.span(range),
    }
}

/// Part of a source, and the places in it.
struct Excerpt<'a> {
    text: &'a str,
    first_line: usize,
    ranges: Vec<Range<usize>>,
}

impl<'a> Excerpt<'a> {
    fn snippet(&self) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        Snippet::source(self.text).line_start(self.first_line)
    }
}

/// The lines that `spans` begin on, each marker kept to its first line. Where a line is very long only the part
/// around the first place is taken, and only that place (the numbers before the colon still tell the true one).
fn excerpt<'a>(source: &'a Source, spans: &[Span]) -> Excerpt<'a> {
    let text = source.text.as_str();
    let lines: Vec<(Range<usize>, Range<usize>)> = spans
        .iter()
        .map(|span| {
            let start = text.floor_char_boundary(span.start);
            let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
            let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
            let end = text.floor_char_boundary(span.end).clamp(start, line_end);
            (line_start..line_end, start..end)
        })
        .collect();
    let from = lines.iter().map(|(line, _)| line.start).min().unwrap_or(0);
    let to = lines.iter().map(|(line, _)| line.end).max().unwrap_or(text.len());
    let too_long = lines.iter().any(|(line, _)| line.len() > MAX_LINE);
    let (from, to, marks): (usize, usize, Vec<Range<usize>>) = match lines.first() {
        Some((line, mark)) if too_long => {
            let from = text.ceil_char_boundary(mark.start.saturating_sub(MAX_LINE / 2).max(line.start));
            let to = text.floor_char_boundary((mark.start + MAX_LINE / 2).min(line.end));
            (from, to, std::iter::once(mark.start..mark.end.min(to)).collect())
        }
        _ => (from, to, lines.into_iter().map(|(_, mark)| mark).collect()),
    };
    Excerpt {
        text: &text[from..to],
        first_line: text[..from].bytes().filter(|b| *b == b'\n').count() + 1,
        ranges: marks
            .iter()
            .map(|mark| mark.start - from..mark.end - from)
            .collect(),
    }
}

/// `text` for a message: control characters escaped, cut where it is very long.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == MAX_SHOWN {
            out.push('…');
            break;
        }
        if steers(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// "did you mean …?" where one of `known` is near to `text`.
pub(super) fn did_you_mean<'a>(
    text: &str,
    known: impl IntoIterator<Item = &'a str>,
    quote: impl Fn(&str) -> String,
) -> Option<String> {
    nearest(text, known).map(|name| format!("did you mean {}?", quote(name)))
}

/// The one of `known` that `text` was most likely meant to be: equal but for case, or at most one mistake in three
/// characters. A thousand candidates are looked at.
fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer texts are no misspelled name, and comparing them would take time that grows with their square.
    if text.is_empty() || text.len() > 64 {
        return None;
    }
    let lower = text.to_lowercase();
    known
        .into_iter()
        .take(1000)
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `a, b, c` for a hint; at most twenty are named.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut out = names.by_ref().take(20).collect::<Vec<_>>().join(", ");
    if names.next().is_some() {
        out.push_str(", …");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            name: "r.xml".into(),
            text: text.into(),
        }
    }

    fn span(start: usize, end: usize) -> Span {
        Span {
            source: 0,
            start,
            end,
        }
    }

    #[test]
    fn findings_come_sorted_by_place_each_once() {
        let mut findings = Findings::new(false);
        findings.report(Finding::error(span(5, 6), "second"));
        findings.report(Finding::warning(span(0, 1), "first"));
        findings.report(Finding::error(span(5, 6), "second"));
        let all = findings.finish(&[source("a\nb\nc\n")], "r.xml");
        let lines: Vec<_> = all.iter().map(|d| (d.line, d.message.as_str())).collect();
        assert_eq!(lines, [(1, "first"), (3, "second")]);
    }

    #[test]
    fn beyond_a_hundred_only_the_number_is_told() {
        let mut findings = Findings::new(false);
        for index in 0..150 {
            findings.report(Finding::error(span(0, 1), format!("number {index}")));
        }
        findings.report(Finding::warning(span(0, 1), "a warning still finds its place"));
        let all = findings.finish(&[source("a")], "r.xml");
        assert_eq!(all.len(), 102);
        assert_eq!(all[101].rendered, "r.xml: 50 more errors are not shown\n");
        assert_eq!(all[100].severity, Severity::Warning);
    }

    #[test]
    fn of_a_very_long_line_only_the_part_around_the_place_is_shown() {
        let text = format!("<a>{}x{}</a>", "ü".repeat(5000), "y".repeat(5000));
        let mut findings = Findings::new(false);
        findings.report(Finding::error(span(10_003, 10_004), "here").related(span(0, 3), "there"));
        let all = findings.finish(&[source(&text)], "r.xml");
        assert_eq!((all[0].line, all[0].column), (1, 5004));
        assert!(all[0].rendered.len() < 2000, "{}", all[0].rendered.len());
        assert!(all[0].rendered.starts_with("r.xml:1:5004: here\n"));
    }

    #[test]
    fn control_characters_never_reach_a_message() {
        assert_eq!(shown("a\u{1b}[31m\u{202e}"), "a\\u{1b}[31m\\u{202e}");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), MAX_SHOWN + 1);
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["startDelay", "stopTimeout", "log"];
        assert_eq!(nearest("startDelya", known), Some("startDelay"));
        assert_eq!(nearest("STARTDELAY", known), Some("startDelay"));
        assert_eq!(nearest("lgo", known), Some("log"));
        assert_eq!(nearest("xyz", known), None);
        assert_eq!(nearest(&"x".repeat(65), known), None);
    }
}
