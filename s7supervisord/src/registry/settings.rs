//! Placeholders: `SV::Name` anywhere in a text, and after them `${…}`.

use super::diagnostic::{Finding, Findings, Span, did_you_mean, list, shown};
use super::paths::Os;
use super::tree::Element;
use s7proto::reply::Severity;
use std::collections::BTreeMap;

const PREFIX: &str = "SV::";

/// Older documented names and what they are called now.
const ALIASES: [(&str, &str); 2] = [("LogFile", "log"), ("TempDirectory", "temp")];

/// What every `SV::Name` stands for.
#[derive(Debug)]
pub(super) struct Settings {
    values: BTreeMap<String, Setting>,
}

#[derive(Debug)]
struct Setting {
    value: String,
    origin: Origin,
    used: bool,
}

/// Where a value comes from; the later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Default,
    Registry(Span),
    CommandLine,
}

impl Settings {
    /// The defaults of DESIGN 3, and above them what `--set` gives.
    pub fn new(os: Os, set: &[(String, String)], findings: &mut Findings) -> Self {
        // The 64-bit image server is documented not to start on Windows, and can't on a 32-bit system.
        let mode = match os {
            Os::Linux if usize::BITS >= 64 => "ImageServer64",
            Os::Linux | Os::Windows => "ImageServer32",
        };
        let defaults = [
            ("log", "logs/Supervisor.log"),
            ("temp", "temp"),
            ("tracelevel", "2"),
            ("PsHeapSize", "512m"),
            ("SvgHeapSize", "200m"),
            ("ImageServerMode", mode),
        ];
        let mut settings = Self {
            values: BTreeMap::new(),
        };
        for (name, value) in defaults {
            settings.put(name, value.to_owned(), Origin::Default);
        }
        for (name, value) in set {
            let place = || format!("--set {}={}", shown(name), shown(value));
            match checked(name, value) {
                Ok(name) => settings.put(name, value.clone(), Origin::CommandLine),
                Err(what) => findings.report(
                    Finding::new(Severity::Error, None, format!("`{}`: {what}", place()))
                        .hint("write it as --set SV::Name=value"),
                ),
            }
        }
        settings
    }

    /// Takes up the `<setting>`s of a `<settings>` element.
    pub fn read(&mut self, element: &Element, findings: &mut Findings) {
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        for setting in element.children.iter().filter(|child| child.name == "setting") {
            let Some(name) = setting
                .attributes
                .iter()
                .find(|attribute| attribute.name == "name")
            else {
                findings.report(
                    Finding::error(setting.tag, "`<setting>` has no `name`")
                        .hint("write it as <setting name=\"SV::Name\">value</setting>"),
                );
                continue;
            };
            match checked(name.value.trim(), &setting.text) {
                Ok(short) => {
                    if let Some(first) = seen.insert(short.to_owned(), name.value_at) {
                        findings.report(
                            Finding::error(
                                name.value_at,
                                format!("the setting `{PREFIX}{short}` is given twice"),
                            )
                            .related(first, "first given here"),
                        );
                    }
                    self.put(short, setting.text.clone(), Origin::Registry(name.value_at));
                }
                Err(what) => findings.report(Finding::error(name.value_at, format!("this setting {what}"))),
            }
        }
    }

    fn put(&mut self, name: &str, value: String, origin: Origin) {
        let setting = Setting {
            value,
            origin,
            used: false,
        };
        match self.values.get_mut(name) {
            Some(old) if old.origin > origin => {}
            Some(old) => *old = setting,
            None => {
                self.values.insert(name.to_owned(), setting);
            }
        }
    }

    /// Puts values in the place of placeholders, in one pass. `None` where one has no value; that is then reported.
    pub fn resolve(&mut self, text: &str, at: Span, findings: &mut Findings) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut sound = true;
        while let Some(start) = rest.find(PREFIX) {
            out.push_str(&rest[..start]);
            let after = &rest[start + PREFIX.len()..];
            let end = after
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(after.len());
            let (name, further) = after.split_at(end);
            rest = further;
            match self.values.get_mut(current_name(name)) {
                Some(setting) => {
                    setting.used = true;
                    out.push_str(&setting.value);
                }
                None => {
                    sound = false;
                    findings.report(self.unresolved(name, at));
                }
            }
        }
        out.push_str(rest);
        sound.then_some(out)
    }

    fn unresolved(&self, name: &str, at: Span) -> Finding {
        let known = || self.values.keys().map(String::as_str);
        let hint = did_you_mean(name, known(), |name| format!("`{PREFIX}{name}`"));
        let full = format!("{PREFIX}{}", shown(name));
        Finding::error(at, format!("the placeholder `{full}` has no value")).hint(hint.unwrap_or_else(|| {
            format!(
                "give it one by --set {full}=value or <setting name=\"{full}\">; known are {}",
                list(known())
            )
        }))
    }

    /// Warns of values that were given and stand nowhere, because giving them has then no effect.
    pub fn report_unused(&self, findings: &mut Findings) {
        for (name, setting) in self.values.iter().filter(|(_, setting)| !setting.used) {
            let message = format!("`{PREFIX}{name}` is given a value, and the registry doesn't use it");
            let hint = format!("write `{PREFIX}{name}` where the value is to stand");
            match setting.origin {
                Origin::Default => {}
                Origin::Registry(at) => findings.report(Finding::warning(at, message).hint(hint)),
                Origin::CommandLine => {
                    findings.report(Finding::new(Severity::Warning, None, message).hint(hint));
                }
            }
        }
    }
}

fn current_name(name: &str) -> &str {
    ALIASES
        .iter()
        .find(|(old, _)| *old == name)
        .map_or(name, |(_, new)| new)
}

/// The name without `SV::`, if name and value can be used.
fn checked<'a>(name: &'a str, value: &str) -> Result<&'a str, String> {
    let Some(short) = name.strip_prefix(PREFIX) else {
        return Err(format!(
            "is called `{}`, and names begin with `{PREFIX}`",
            shown(name)
        ));
    };
    let good = short.starts_with(|c: char| c.is_ascii_alphabetic())
        && short.chars().all(|c| c.is_ascii_alphanumeric());
    if !good {
        return Err(format!(
            "is called `{}`, and after `{PREFIX}` come letters and digits, a letter first",
            shown(name)
        ));
    }
    // Placeholders are replaced in one pass, so this one would reach a command line.
    if value.contains(PREFIX) {
        return Err(format!(
            "has a value with `{PREFIX}` in it, which isn't looked up again"
        ));
    }
    if value.chars().any(char::is_control) {
        return Err("has a value with control characters".into());
    }
    Ok(current_name(short))
}

/// What `${name}` stands for; `None` where it isn't known at this place.
pub(super) type Variables<'a> = [(&'static str, Option<&'a str>)];

/// Replaces `${name}` in one pass. An unknown one stays as it is, because it may be meant for the program itself.
pub(super) fn expand(text: &str, at: Span, variables: &Variables<'_>, findings: &mut Findings) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let Some(end) = after.find('}') else {
            rest = &rest[start..];
            break;
        };
        let name = &after[..end];
        rest = &after[end + 1..];
        match variables.iter().find(|(known, _)| *known == name) {
            Some((_, Some(value))) => out.push_str(value),
            Some((_, None)) => {
                findings.report(Finding::error(at, format!("`${{{name}}}` can't be used here")))
            }
            None => {
                out.push_str("${");
                out.push_str(name);
                out.push('}');
                let known = || variables.iter().map(|(known, _)| *known);
                let hint = did_you_mean(name, known(), |name| format!("`${{{name}}}`"));
                findings.report(
                    Finding::warning(
                        at,
                        format!("`${{{}}}` isn't known and stays as it is", shown(name)),
                    )
                    .hint(hint.unwrap_or_else(|| format!("known are {}", list(known())))),
                );
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Span = Span {
        source: 0,
        start: 0,
        end: 0,
    };

    fn settings(set: &[(&str, &str)]) -> (Settings, Findings) {
        let set: Vec<_> = set
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let mut findings = Findings::new(false);
        let settings = Settings::new(Os::Linux, &set, &mut findings);
        (settings, findings)
    }

    fn told(findings: Findings) -> Vec<(String, String)> {
        let all = findings.finish(&[], "r.xml").into_iter();
        all.map(|d| (d.message, d.hint.unwrap_or_default())).collect()
    }

    #[test]
    fn placeholders_are_replaced_anywhere_and_once() {
        let (mut settings, mut findings) = settings(&[("SV::X", "${id}"), ("SV::LogFile", "x.log")]);
        let mut resolve = |text: &str| settings.resolve(text, AT, &mut findings).unwrap();
        assert_eq!(resolve("-XmxSV::PsHeapSize"), "-Xmx512m");
        assert_eq!(resolve("SV::X/SV::X-SV::temp"), "${id}/${id}-temp");
        assert_eq!(resolve("SV::log SV::LogFile"), "x.log x.log");
        assert_eq!(resolve("SV: :log S V::"), "SV: :log S V::");
        assert_eq!(told(findings), []);
    }

    #[test]
    fn an_unresolved_placeholder_says_what_was_probably_meant() {
        let (mut settings, mut findings) = settings(&[]);
        assert_eq!(settings.resolve("-XmxSV::PsHeepSize", AT, &mut findings), None);
        assert_eq!(settings.resolve("SV::", AT, &mut findings), None);
        let told = told(findings);
        assert_eq!(told[0].0, "the placeholder `SV::PsHeepSize` has no value");
        assert_eq!(told[0].1, "did you mean `SV::PsHeapSize`?");
        assert_eq!(told[1].0, "the placeholder `SV::` has no value");
    }

    #[test]
    fn settings_that_can_not_be_used_are_refused() {
        for (name, value, what) in [
            ("X", "1", "names begin with"),
            ("SV::", "1", "a letter first"),
            ("SV::a_b", "1", "a letter first"),
            ("SV::a", "SV::b", "looked up again"),
            ("SV::a", "\u{1b}", "control characters"),
        ] {
            let told = told(settings(&[(name, value)]).1);
            assert!(told[0].0.contains(what), "{told:?}");
        }
    }

    #[test]
    fn a_value_that_stands_nowhere_is_warned_of() {
        let (settings, mut findings) = settings(&[("SV::temp", "x")]);
        settings.report_unused(&mut findings);
        assert_eq!(
            told(findings)[0].0,
            "`SV::temp` is given a value, and the registry doesn't use it"
        );
    }

    #[test]
    fn variables_are_replaced_once_and_unknown_ones_stay_with_a_warning() {
        let variables = [
            ("id", Some("${instance}")),
            ("instance", Some("2")),
            ("temp", None),
        ];
        let mut findings = Findings::new(false);
        let text = expand("a${id}-${instance}${instanse}${x", AT, &variables, &mut findings);
        assert_eq!(text, "a${instance}-2${instanse}${x");
        expand("${temp}", AT, &variables, &mut findings);
        let told = told(findings);
        assert_eq!(told[0].1, "did you mean `${instance}`?");
        assert_eq!(told[1].0, "`${temp}` can't be used here");
    }
}
