//! What `<health>` and `<readiness>` come to: what is done, how often, and what counts as an answer.

use super::values::{BadValue, bad, integer, shown};
// What addresses look like, and nothing that reaches a network.
use core::net::Ipv6Addr;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// `<health>` or `<readiness>`, with every default filled in (Kubernetes' numbers, reliability A2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthPlan {
    /// What is done.
    pub probe: ProbePlan,
    /// From one probe to the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    pub failures: u32,
    /// Successes in a row that make it healthy.
    pub successes: u32,
    /// How long the first success may take.
    pub startup_timeout: Duration,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProbePlan {
    /// Connects to a port on loopback.
    Tcp {
        /// The port.
        port: u16,
    },
    /// Asks for a page.
    Http(HttpProbe),
    /// Runs a command.
    Exec {
        /// The program, absolute.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// `type="http"`: what is asked, and what has to come.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpProbe {
    /// The address.
    pub url: HttpUrl,
    /// The status that the answer must have.
    pub status: Statuses,
    /// A text that the answer must hold.
    pub expect: Option<String>,
}

/// An `http://` address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: String,
    /// The port; 80 where none is written.
    pub port: u16,
    /// Path and query, as they are asked for.
    pub target: String,
    text: String,
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl HttpUrl {
    /// The address that is written so; `None` where it is none.
    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Option<Self> {
        http_url(text).ok()
    }

    /// What the `Host` header says (RFC 9112, 3.2): the authority as it is written.
    #[must_use]
    pub fn authority(&self) -> &str {
        let rest = self.text.strip_prefix(HTTP).unwrap_or(&self.text);
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    }
}

/// Codes of RFC 9110: single ones and ranges.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Statuses(Vec<(u16, u16)>);

impl Default for Statuses {
    /// 200 to 399, as Kubernetes takes it: redirects aren't followed, and count as an answer.
    fn default() -> Self {
        Self(vec![(200, 399)])
    }
}

impl Statuses {
    /// Whether `status` is one of them.
    #[must_use]
    pub fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (from, to)) in self.0.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            match from == to {
                true => write!(f, "{blank}{from}")?,
                false => write!(f, "{blank}{from}-{to}")?,
            }
        }
        Ok(())
    }
}

const HTTP: &str = "http://";
/// More of them in one attribute is a mistake; each is looked at for every answer.
const MOST_STATUSES: usize = 32;

/// The longest name that can be looked up, and the longest part of it (RFC 1035, 2.3.4).
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;
const EXAMPLE: &str = "write it as http://127.0.0.1:8080/path";
const BRACKETS: &str = "an IPv6 address stands in brackets: http://[::1]:8080/path";

/// An `http://` address: host, port where it isn't 80, path. What can't be asked at all is refused here, where it is written,
/// and not found out by a check that never succeeds.
pub(super) fn http_url(text: &str) -> Result<HttpUrl, BadValue> {
    parts_of(text).or_else(|Refused(why, hint)| {
        bad(
            format!("`{}` is no address that can be asked: {why}", shown(text)),
            hint,
        )
    })
}

/// Why an address is none, and what can be done.
struct Refused(String, &'static str);

fn refuse<T>(why: impl Into<String>, hint: &'static str) -> Result<T, Refused> {
    Err(Refused(why.into(), hint))
}

fn parts_of(text: &str) -> Result<HttpUrl, Refused> {
    let Some(rest) = text.strip_prefix(HTTP) else {
        let is_tls = text
            .get(..8)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        return match is_tls {
            true => refuse(
                "checks don't speak TLS",
                "give an http:// address, or use type=\"exec\" with a program that speaks it",
            ),
            false => refuse("it doesn't begin with http://", EXAMPLE),
        };
    };
    if let Some(found) = text.chars().find(|c| !c.is_ascii_graphic()) {
        let code = u32::from(found);
        return refuse(
            format!("it holds the character U+{code:04X}, which can't be sent like that"),
            "write its UTF-8 bytes in the path as %20 and so on, and a host in its ASCII form (xn--...)",
        );
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return refuse("it has a user in it, and checks don't log in", EXAMPLE);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => in_brackets(inside)?,
        None => (named(authority)?, authority.split_once(':').map(|(_, port)| port)),
    };
    let port = port.unwrap_or("80");
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let Some(port) = port.parse().ok().filter(|port: &u16| digits && *port > 0) else {
        return refuse("its port isn't a number from 1 to 65535", EXAMPLE);
    };
    // What follows a `#` is never sent.
    let path = path.split('#').next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(HttpUrl {
        host: host.to_owned(),
        port,
        target: format!("{slash}{path}"),
        text: text.to_owned(),
    })
}

/// The IPv6 address and the port of what follows a `[`.
fn in_brackets(inside: &str) -> Result<(&str, Option<&str>), Refused> {
    let Some((host, behind)) = inside.split_once(']') else {
        return refuse("its `[` is never closed by `]`", BRACKETS);
    };
    if host.parse::<Ipv6Addr>().is_err() {
        return refuse(format!("`{}` is no IPv6 address", shown(host)), BRACKETS);
    }
    match (behind.is_empty(), behind.strip_prefix(':')) {
        (true, _) => Ok((host, None)),
        (false, Some(port)) => Ok((host, Some(port))),
        (false, None) => refuse("only `:` and a port can stand behind the `]`", BRACKETS),
    }
}

/// The name or the IPv4 address of an authority without brackets.
fn named(authority: &str) -> Result<&str, Refused> {
    let host = authority.split(':').next().unwrap_or_default();
    if authority.matches(':').count() > 1 {
        return refuse("it has more than one `:` before its path", BRACKETS);
    }
    if host.is_empty() {
        return refuse("it has no host", EXAMPLE);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if let Some(found) = host.chars().find(|c| !allowed(*c)) {
        let hint = if matches!(found, '[' | ']') {
            BRACKETS
        } else {
            EXAMPLE
        };
        return refuse(format!("no host has a `{found}` in it"), hint);
    }
    // A full stop may stand at the end: the name is whole then, and isn't looked for in the domains of this machine.
    let name = host.strip_suffix('.').unwrap_or(host);
    let mut labels = name.split('.');
    if name.len() > LONGEST_NAME || labels.any(|label| label.is_empty() || label.len() > LONGEST_LABEL) {
        return refuse("its host has a part that is empty or too long", EXAMPLE);
    }
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = name.split('.').count();
    let too_large = |label: &str| label.parse::<u8>().is_err();
    // Fewer than four are one of the old ways to write an address, which the system still understands.
    if name.split('.').all(is_number) && (numbers > 4 || numbers == 4 && name.split('.').any(too_large)) {
        return refuse("an IPv4 address has four numbers from 0 to 255", EXAMPLE);
    }
    Ok(host)
}

/// Codes and ranges of them, with blanks or commas between: `200`, `200-204 301`.
pub(super) fn statuses(text: &str) -> Result<Statuses, BadValue> {
    let hint = "write codes from 200 to 599 and ranges of them, such as 200-399 or 200 401";
    let one = |text: &str| integer(text, &(200..=599)).map(|code| u16::try_from(code).unwrap_or_default());
    let mut found = Vec::new();
    for word in text.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty()) {
        let (from, to) = word.split_once('-').unwrap_or((word, word));
        match (one(from), one(to)) {
            (Ok(from), Ok(to)) if from <= to => found.push((from, to)),
            _ => return bad(format!("`{}` is no status of an answer", shown(word)), hint),
        }
    }
    if found.is_empty() || found.len() > MOST_STATUSES {
        return bad(format!("there are {} statuses here", found.len()), hint);
    }
    Ok(Statuses(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_shown_as_it_was_written() {
        for (text, host, port, target) in [
            (
                "http://127.0.0.1:8080/is/image?a=b",
                "127.0.0.1",
                8080,
                "/is/image?a=b",
            ),
            ("http://[::1]:81", "::1", 81, "/"),
            ("http://[::1]/", "::1", 80, "/"),
            ("http://localhost?x#y", "localhost", 80, "/?x"),
            ("http://h#y", "h", 80, "/"),
            ("http://My_host-1.example.:8080/", "My_host-1.example.", 8080, "/"),
            ("http://127.1/", "127.1", 80, "/"),
            (
                "http://[::ffff:127.0.0.1]:8080/a:b@c[d]",
                "::ffff:127.0.0.1",
                8080,
                "/a:b@c[d]",
            ),
        ] {
            let url = http_url(text).unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.target.as_str()),
                (host, port, target)
            );
            assert_eq!(url.to_string(), text);
        }
        assert_eq!(http_url("http://[::1]:81/a").unwrap().authority(), "[::1]:81");
    }

    #[test]
    fn what_can_never_be_asked_is_refused_with_why_and_a_hint() {
        let long = format!("http://{}/", "x".repeat(64));
        for (text, why, hint) in [
            ("h", "doesn't begin with http://", "http://127.0.0.1"),
            ("http:/h/", "doesn't begin with http://", "http://127.0.0.1"),
            ("https://h/", "TLS", "exec"),
            ("HTTPS://h/", "TLS", "exec"),
            ("http://", "no host", "http://127.0.0.1"),
            ("http:///x", "no host", "http://127.0.0.1"),
            ("http://:80/", "no host", "http://127.0.0.1"),
            ("http://?x", "no host", "http://127.0.0.1"),
            ("http://u@h/", "a user", "http://127.0.0.1"),
            ("http://u:p@h:80/", "a user", "http://127.0.0.1"),
            ("http://u:p@[::1]/", "a user", "http://127.0.0.1"),
            ("http://h:0/", "1 to 65535", "http://127.0.0.1"),
            ("http://h:/", "1 to 65535", "http://127.0.0.1"),
            ("http://h:x/", "1 to 65535", "http://127.0.0.1"),
            ("http://h:+80/", "1 to 65535", "http://127.0.0.1"),
            ("http://h:65536/", "1 to 65535", "http://127.0.0.1"),
            ("http://h/a b", "U+0020", "%20"),
            ("http://h/\u{e9}", "U+00E9", "xn--"),
            ("http://h\u{f6}st/", "U+00F6", "xn--"),
            ("http://h/\u{1b}", "U+001B", "%20"),
            ("http://[::1", "never closed", "in brackets"),
            ("http://[::1/x]", "never closed", "in brackets"),
            ("http://[foo]:80/", "`foo` is no IPv6", "in brackets"),
            ("http://[127.0.0.1]/", "no IPv6", "in brackets"),
            ("http://[fe80::1%25eth0]/", "no IPv6", "in brackets"),
            ("http://[]/", "no IPv6", "in brackets"),
            ("http://[::1]80/", "behind the `]`", "in brackets"),
            ("http://[::1]:0/", "1 to 65535", "http://127.0.0.1"),
            ("http://h]/", "no host has a `]`", "in brackets"),
            ("http://h[/", "no host has a `[`", "in brackets"),
            ("http://a:b:80/", "more than one `:`", "in brackets"),
            ("http://fe80::1/x", "more than one `:`", "in brackets"),
            ("http://a%20b/", "no host has a `%`", "http://127.0.0.1"),
            ("http://a\\b/", "no host has a `\\`", "http://127.0.0.1"),
            ("http://a..b/", "empty or too long", "http://127.0.0.1"),
            ("http://./", "empty or too long", "http://127.0.0.1"),
            (long.as_str(), "empty or too long", "http://127.0.0.1"),
            ("http://256.0.0.1/", "four numbers", "http://127.0.0.1"),
            ("http://1.2.3.4.5/", "four numbers", "http://127.0.0.1"),
        ] {
            let refused = http_url(text).unwrap_err();
            let told = (
                refused.message.as_str(),
                refused.hint.as_deref().unwrap_or_default(),
            );
            assert!(told.0.contains(why) && told.1.contains(hint), "{text}: {told:?}");
        }
    }

    #[test]
    fn statuses_are_codes_and_ranges() {
        let some = statuses("200-204, 301 401").unwrap();
        assert_eq!(some.to_string(), "200-204 301 401");
        assert!(some.contain(204) && some.contain(301) && !some.contain(205) && !some.contain(300));
        assert!(Statuses::default().contain(399) && !Statuses::default().contain(400));
        for bad in [
            "",
            "abc",
            "100",
            "600",
            "300-200",
            "200-",
            "2000",
            &"200 ".repeat(33),
        ] {
            assert!(statuses(bad).is_err(), "{bad}");
        }
    }
}
