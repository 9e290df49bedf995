//! From elements to typed values: what may stand where, and every value with its place.

use super::diagnostic::{Finding, Findings, Span, did_you_mean, list, shown};
use super::paths::Os;
use super::settings::Settings;
use super::tree::{Attribute, Element};
use super::values::BadValue;

/// A text with its place. Placeholders are replaced, `${…}` not yet.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// The text.
    pub value: String,
    /// Where it stands.
    pub at: Span,
    /// False where a placeholder in it has no value. That is reported, and it makes no sense to look at the text further.
    pub sound: bool,
}

/// What reading needs at every place.
pub(super) struct Reading<'a> {
    /// The system that the plan is for.
    pub os: Os,
    /// The placeholders.
    pub settings: &'a mut Settings,
    /// Where to report.
    pub findings: &'a mut Findings,
}

impl Reading<'_> {
    /// Reports elements, attributes and text that don't belong into `element`.
    pub fn shape(&mut self, element: &Element, children: &[&str], attributes: &[&str]) {
        for child in &element.children {
            if !children.contains(&child.name.as_str()) {
                let message = format!(
                    "unknown element `<{}>` in `<{}>`",
                    shown(&child.name),
                    shown(&element.name)
                );
                let hint = self.suggestion(&child.name, children, |name| format!("`<{name}>`"));
                self.findings
                    .report(Finding::warning(child.tag, message).hint(hint));
            }
        }
        for attribute in &element.attributes {
            // Attributes with a prefix, and xmlns, belong to XML itself and to other tools (schema locations).
            let name = attribute.name.as_str();
            if !attributes.contains(&name) && name != "xmlns" && !name.contains(':') {
                let message = format!(
                    "unknown attribute `{}` of `<{}>`",
                    shown(name),
                    shown(&element.name)
                );
                let hint = self.suggestion(name, attributes, |name| format!("`{name}`"));
                self.findings
                    .report(Finding::warning(attribute.name_at, message).hint(hint));
            }
        }
        if !children.is_empty() && !element.text.is_empty() {
            let message = format!("text in `<{}>`, which only holds elements", shown(&element.name));
            self.findings
                .report(Finding::warning(element.text_at, message).hint("it is ignored"));
        }
    }

    /// As [`Self::shape`] for an element that says all it has to say by attributes.
    pub fn flat(&mut self, element: &Element, attributes: &[&str]) {
        self.shape(element, &[], attributes);
        if !element.text.is_empty() {
            let message = format!("text in `<{}>`, which only has attributes", shown(&element.name));
            let known = list(attributes.iter().copied());
            let hint = format!("it is ignored; known here are {known}");
            self.findings
                .report(Finding::warning(element.text_at, message).hint(hint));
        }
    }

    fn suggestion(&self, name: &str, known: &[&str], quote: impl Fn(&str) -> String) -> String {
        let meant = match self.findings.full() {
            true => None,
            false => did_you_mean(name, known.iter().copied(), quote),
        };
        meant.unwrap_or_else(|| match known.is_empty() {
            true => "it is ignored".into(),
            false => format!("it is ignored; known here are {}", list(known.iter().copied())),
        })
    }

    /// The only child of that name. A second one is an error.
    pub fn one<'e>(&mut self, element: &'e Element, name: &str) -> Option<&'e Element> {
        let mut all = element.children.iter().filter(|child| child.name == name);
        let first = all.next()?;
        for second in all {
            self.twice(second.tag, first.tag, &format!("`<{name}>`"));
        }
        Some(first)
    }

    /// Reports that something that can stand once stands twice.
    pub fn twice(&mut self, second: Span, first: Span, what: &str) {
        self.findings.report(
            Finding::error(second, format!("{what} is given twice")).related(first, "first given here"),
        );
    }

    /// The text of the only child of that name, which can hold nothing but text.
    pub fn leaf(&mut self, element: &Element, name: &str) -> Option<Text> {
        let child = self.one(element, name)?;
        self.shape(child, &[], &[]);
        Some(self.text(child))
    }

    /// As [`Self::leaf`]; where it is empty, that is an error.
    pub fn filled_leaf(&mut self, element: &Element, name: &str) -> Option<Text> {
        let text = self.leaf(element, name)?;
        self.filled(text, &format!("`<{name}>`"))
    }

    /// `text` unless it is empty, which is an error.
    pub fn filled(&mut self, text: Text, what: &str) -> Option<Text> {
        if text.value.is_empty() {
            self.findings
                .report(Finding::error(text.at, format!("{what} is empty")));
            return None;
        }
        Some(text)
    }

    /// An element's text.
    pub fn text(&mut self, element: &Element) -> Text {
        let at = if element.text.is_empty() {
            element.tag
        } else {
            element.text_at
        };
        self.resolve(&element.text, at)
    }

    /// The trimmed value of an attribute.
    pub fn attribute(&mut self, element: &Element, name: &str) -> Option<Text> {
        let mut text = self.verbatim_attribute(element, name)?;
        let trimmed = text.value.trim();
        if trimmed.len() != text.value.len() {
            text.value = trimmed.to_owned();
        }
        Some(text)
    }

    /// The value of an attribute, blanks at its ends included.
    pub fn verbatim_attribute(&mut self, element: &Element, name: &str) -> Option<Text> {
        let Attribute { value, value_at, .. } = element
            .attributes
            .iter()
            .find(|attribute| attribute.name == name)?;
        Some(self.resolve(value, *value_at))
    }

    /// The value of an attribute that must be there and not be empty.
    pub fn required_attribute(&mut self, element: &Element, name: &str) -> Option<Text> {
        match self.attribute(element, name) {
            Some(text) => self.filled(text, &format!("`{name}`")),
            None => {
                let message = format!("`<{}>` has no `{name}`", element.name);
                self.findings.report(Finding::error(element.tag, message));
                None
            }
        }
    }

    fn resolve(&mut self, text: &str, at: Span) -> Text {
        let resolved = self.settings.resolve(text, at, self.findings);
        Text {
            at,
            sound: resolved.is_some(),
            value: resolved.unwrap_or_else(|| text.to_owned()),
        }
    }

    /// What a text means, or nothing after reporting what is wrong. `what` is named beside the marker.
    pub fn typed<T>(
        &mut self,
        text: &Text,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, BadValue>,
    ) -> Option<T> {
        if !text.sound {
            return None;
        }
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(bad) => {
                self.findings.report(
                    Finding::error(text.at, bad.message)
                        .label(format!("value of {what}"))
                        .maybe_hint(bad.hint),
                );
                None
            }
        }
    }

    /// The meaning of the only child of that name.
    pub fn typed_leaf<T>(
        &mut self,
        element: &Element,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, BadValue>,
    ) -> Option<T> {
        let text = self.leaf(element, name)?;
        self.typed(&text, &format!("`<{name}>`"), parse)
    }

    /// The meaning of an attribute.
    pub fn typed_attribute<T>(
        &mut self,
        element: &Element,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, BadValue>,
    ) -> Option<T> {
        let text = self.attribute(element, name)?;
        self.typed(&text, &format!("`{name}`"), parse)
    }
}
