//! The form of the text, before any meaning.

use super::super::diagnostic::Findings;
use super::super::source::Source;
use super::super::tree::{Element, MAX_DEPTH, parse};

fn parse_all(text: &str) -> (Option<Element>, Vec<(u32, u32, String)>) {
    let mut findings = Findings::new(false);
    let tree = parse(0, text, &mut findings);
    let sources = [Source {
        name: "r.xml".into(),
        text: text.into(),
    }];
    let all = findings.finish(&sources, "r.xml");
    let all = all.into_iter().map(|d| (d.line, d.column, d.message));
    (tree, all.collect())
}

fn refused(text: &str) -> Vec<(u32, u32, String)> {
    let (_, found) = parse_all(text);
    assert!(!found.is_empty(), "{text:?} is accepted");
    found
}

#[test]
fn text_is_trimmed_and_put_together_from_references_cdata_and_pieces_between_comments() {
    let text = "<a>\n  one &amp; &#116;wo<!-- SV::x --><![CDATA[ <three>]]>  </a>\n";
    let (tree, found) = parse_all(text);
    let tree = tree.unwrap();
    assert_eq!(found, []);
    assert_eq!(tree.text, "one & two <three>");
    let place = &text[tree.text_at.start..tree.text_at.end];
    assert!(place.starts_with("one") && place.ends_with("]]>"), "{place:?}");
}

#[test]
fn attributes_know_the_places_of_their_names_and_values() {
    let text = "<a  x = 'u &lt; v' yy=\"\"/>";
    let tree = parse_all(text).0.unwrap();
    let all = tree.attributes.iter();
    let all: Vec<_> = all
        .map(|a| {
            let name = &text[a.name_at.start..a.name_at.end];
            (name, a.value.as_str(), &text[a.value_at.start..a.value_at.end])
        })
        .collect();
    assert_eq!(all, [("x", "u < v", "u &lt; v"), ("yy", "", "")]);
}

#[test]
fn every_kind_of_bad_form_is_refused_at_its_place() {
    for (text, line, column, message) in [
        ("", 1, 1, "the file holds no element"),
        ("<a>\n <b></c>\n</a>", 2, 5, "expected `</b>`, found `</c>`"),
        ("<a><b></a>", 1, 7, "expected `</b>`, found `</a>`"),
        ("<a></a>\n<b/>", 2, 1, "a second root element `<b>`"),
        ("<a/></a>", 1, 5, "`</a>` closes nothing: no element is open here"),
        ("hello <a/>", 1, 1, "text before the root element `<supervisor>`"),
        ("<a/> hello", 1, 6, "text after the root element `<a>`"),
        ("<a><b>", 1, 7, "the file ends, and `<b>` is never closed"),
        ("<a", 1, 1, "this tag is never closed by `>`"),
        ("<a>x < y</a>", 1, 6, "`<` isn't followed by a name"),
        ("<a>x & y</a>", 1, 6, "a bare `&`"),
        ("<a>&nbsp;</a>", 1, 4, "unknown entity `&nbsp;`"),
        ("<a x='&nbsp;'/>", 1, 7, "unknown entity `&nbsp;`"),
        ("<a x='1' x='2'/>", 1, 10, "the attribute `x` is given twice"),
        ("<a x=1/>", 1, 6, "the value of an attribute must stand in quotes"),
        (
            "<a x/>",
            1,
            5,
            "an attribute must be followed by `=` and a quoted value",
        ),
        ("<a x='1/>", 1, 1, "a quoted value in this tag is never closed"),
        ("<a>\u{1}</a>", 1, 4, "the character U+0001 can't stand in XML"),
        ("<a><!-- </a>", 1, 4, "this comment is never closed by `-->`"),
        ("<a><![CDATA[ </a>", 1, 4, "this CDATA is never closed by `]]>`"),
        ("<!DOCTYPE a><a/>", 1, 1, "a DOCTYPE isn't accepted here"),
    ] {
        assert_eq!(refused(text)[0], (line, column, message.to_owned()), "{text:?}");
    }
    assert!(refused("<a>&#0;</a>")[0].2.contains("character"));
    assert!(refused("<a x='&#1;'/>")[0].2.contains("character"));
}

#[test]
fn all_mismatched_tags_are_told_at_once() {
    let found = refused("<a><b><c></b><d></e></a>");
    let messages: Vec<_> = found.iter().map(|(_, _, message)| message.as_str()).collect();
    assert_eq!(
        messages,
        ["expected `</c>`, found `</b>`", "expected `</d>`, found `</e>`"]
    );
}

#[test]
fn depth_32_is_read_and_depth_33_is_refused() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(parse_all(&nested(MAX_DEPTH)).0.is_some());
    let found = refused(&nested(MAX_DEPTH + 1));
    assert_eq!(
        found,
        [(1, 97, "elements are nested deeper than 32 levels here".to_owned())]
    );
}
