//! What can be wrong with the form of a file, in words.

use super::{Tree, Whose};
use crate::registry::diagnostic::{Finding, Span, shown};
use quick_xml::escape::EscapeError;
use quick_xml::events::attributes::AttrError;

impl Tree<'_> {
    /// Reading can't go on at `at`.
    pub(super) fn syntax_error(&mut self, at: usize, error: &quick_xml::Error) {
        use quick_xml::Error;
        use quick_xml::errors::{IllFormedError, SyntaxError};
        let at = at.min(self.text.len());
        let finding = |length: usize, message: &str| {
            let end = self.text.ceil_char_boundary((at + length).min(self.text.len()));
            Finding::error(self.span(self.text.floor_char_boundary(at)..end), message)
        };
        let finding = match error {
            Error::Syntax(SyntaxError::UnclosedComment) => {
                finding(4, "this comment is never closed by `-->`")
            }
            Error::Syntax(SyntaxError::UnclosedCData) => finding(9, "this CDATA is never closed by `]]>`"),
            Error::Syntax(SyntaxError::UnclosedDoctype) => match self.whose {
                Whose::Ours => finding(9, "a DOCTYPE isn't accepted here"),
                Whose::Foreign => finding(9, "this DOCTYPE is never closed by `>`"),
            },
            Error::Syntax(SyntaxError::UnclosedPI | SyntaxError::UnclosedXmlDecl) => {
                finding(2, "this `<?` is never closed by `?>`")
            }
            Error::Syntax(SyntaxError::InvalidBangMarkup) => {
                finding(2, "`<!` begins neither a comment nor CDATA here")
                    .hint("write `&lt;` for a `<` in text")
            }
            Error::Syntax(
                SyntaxError::UnclosedSingleQuotedAttributeValue
                | SyntaxError::UnclosedDoubleQuotedAttributeValue,
            ) => finding(1, "a quoted value in this tag is never closed"),
            Error::Syntax(SyntaxError::UnclosedTag) => {
                finding(1, "this tag is never closed by `>`").hint("write `&lt;` for a `<` in text")
            }
            Error::IllFormed(IllFormedError::UnclosedReference) => {
                finding(1, "a bare `&`").hint("write `&amp;` for a `&` in text")
            }
            other => finding(1, &other.to_string()),
        };
        self.findings.report(finding);
    }

    /// The attributes of the element that `tag` begins can't be told apart.
    pub(super) fn attribute_error(&mut self, error: &AttrError, tag: Span) {
        let place = |position: usize| {
            // The parser counts from behind the `<`.
            let at = (tag.start + 1 + position).min(tag.end);
            let start = self.text.floor_char_boundary(at);
            self.span(start..self.text.ceil_char_boundary((start + 1).min(tag.end)).max(start))
        };
        let finding = match error {
            AttrError::ExpectedEq(at) => Finding::error(
                place(*at),
                "an attribute must be followed by `=` and a quoted value",
            )
            .hint("write `&lt;` for a `<` in text"),
            AttrError::ExpectedValue(at) => {
                Finding::error(place(*at), "`=` must be followed by a quoted value")
            }
            AttrError::UnquotedValue(at) => {
                Finding::error(place(*at), "the value of an attribute must stand in quotes")
            }
            AttrError::ExpectedQuote(at, _) => Finding::error(
                place(*at),
                "the value of an attribute is never closed by its quote",
            ),
            AttrError::Duplicated(at, _) => Finding::error(place(*at), "an attribute is given twice"),
        };
        self.findings.report(finding);
    }
}

/// This character can't stand in XML, however it is written.
pub(super) fn forbidden(at: Span, character: char) -> Finding {
    let code = u32::from(character);
    Finding::error(at, format!("the character U+{code:04X} can't stand in XML")).hint("remove it")
}

/// XML itself doesn't know this entity, and no other one is ever defined.
pub(super) fn unknown_entity(at: Span, name: &str) -> Finding {
    Finding::error(at, format!("unknown entity `&{};`", shown(name)))
        .hint("XML has only &amp; &lt; &gt; &apos; &quot; and numbers such as &#65;")
}

/// A reference in the value of an attribute can't be resolved.
pub(super) fn bad_reference(at: Span, error: &EscapeError) -> Finding {
    match error {
        EscapeError::UnrecognizedEntity(_, name) => unknown_entity(at, name),
        EscapeError::UnterminatedEntity(_) => {
            Finding::error(at, "a bare `&`").hint("write `&amp;` for a `&` in text")
        }
        EscapeError::InvalidCharRef(error) => Finding::error(at, format!("this is no character: {error}")),
        EscapeError::TooManyNestedEntities => Finding::error(at, "too many references in one value"),
    }
}
