//! What `<health>` and `<readiness>` come to: what is done, how often, and what counts as an answer.

use super::values::{BadValue, bad, integer, shown};
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

/// An `http://` address: host, port where it isn't 80, path.
pub(super) fn http_url(text: &str) -> Result<HttpUrl, BadValue> {
    let refuse = |why: &str| {
        bad(
            format!("`{}` is no address that can be asked: {why}", shown(text)),
            "write it as http://127.0.0.1:8080/path",
        )
    };
    let Some(rest) = text.strip_prefix(HTTP) else {
        return refuse("it doesn't begin with http://");
    };
    if text
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || !c.is_ascii())
    {
        return refuse("it holds characters that must be escaped");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, "80"),
    };
    if host.is_empty() || host.contains('@') {
        return refuse("it has no host, or a user in it");
    }
    let Ok(port) = integer(port, &(1..=65535)).map(|port| u16::try_from(port).unwrap_or(u16::MAX)) else {
        return refuse("its port isn't a number from 1 to 65535");
    };
    // What follows a `#` is never sent.
    let path = path.split('#').next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Ok(HttpUrl {
        host: bare.unwrap_or(host).to_owned(),
        port,
        target: format!("{slash}{path}"),
        text: text.to_owned(),
    })
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
        ] {
            let url = http_url(text).unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.target.as_str()),
                (host, port, target)
            );
            assert_eq!(url.to_string(), text);
        }
        assert_eq!(http_url("http://[::1]:81/a").unwrap().authority(), "[::1]:81");
        for bad in [
            "https://h/",
            "http://",
            "http://h:0/",
            "http://h:x/",
            "http://h/a b",
            "http://u@h/",
            "h",
        ] {
            assert!(http_url(bad).is_err(), "{bad}");
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
