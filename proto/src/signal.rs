//! The signals that a client may have sent, by their names: numbers differ from system to system.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One signal. Variants are only ever appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of signal(7)")]
pub enum Signal {
    Hup,
    Int,
    Quit,
    Abrt,
    Kill,
    Usr1,
    Usr2,
    Alrm,
    Term,
    Cont,
    Stop,
    Tstp,
    Ttin,
    Ttou,
    Winch,
}

/// A text that names no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no signal {text:?}; known are {}", names())]
pub struct UnknownSignal {
    /// The text.
    pub text: String,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 15] = [
        Self::Hup,
        Self::Int,
        Self::Quit,
        Self::Abrt,
        Self::Kill,
        Self::Usr1,
        Self::Usr2,
        Self::Alrm,
        Self::Term,
        Self::Cont,
        Self::Stop,
        Self::Tstp,
        Self::Ttin,
        Self::Ttou,
        Self::Winch,
    ];

    /// The name of signal(7), "SIGHUP".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hup => "SIGHUP",
            Self::Int => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Abrt => "SIGABRT",
            Self::Kill => "SIGKILL",
            Self::Usr1 => "SIGUSR1",
            Self::Usr2 => "SIGUSR2",
            Self::Alrm => "SIGALRM",
            Self::Term => "SIGTERM",
            Self::Cont => "SIGCONT",
            Self::Stop => "SIGSTOP",
            Self::Tstp => "SIGTSTP",
            Self::Ttin => "SIGTTIN",
            Self::Ttou => "SIGTTOU",
            Self::Winch => "SIGWINCH",
        }
    }
}

/// With or without SIG, in any case, or by the number that POSIX has given to some (kill(1): 1, 2, 3, 6, 9, 14, 15).
impl std::str::FromStr for Signal {
    type Err = UnknownSignal;
    fn from_str(text: &str) -> Result<Self, UnknownSignal> {
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        let by_number = match bare {
            "1" => Some(Self::Hup),
            "2" => Some(Self::Int),
            "3" => Some(Self::Quit),
            "6" => Some(Self::Abrt),
            "9" => Some(Self::Kill),
            "14" => Some(Self::Alrm),
            "15" => Some(Self::Term),
            _ => None,
        };
        let by_name = || {
            Self::ALL
                .into_iter()
                .find(|signal| signal.name().strip_prefix("SIG") == Some(bare))
        };
        by_number.or_else(by_name).ok_or_else(|| UnknownSignal {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn names() -> String {
    let names: Vec<_> = Signal::ALL
        .into_iter()
        .filter_map(|signal| signal.name().strip_prefix("SIG"))
        .collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_known_by_name_and_by_its_posix_number() {
        for text in ["HUP", "SIGHUP", "sighup", "hup", "1"] {
            assert_eq!(text.parse(), Ok(Signal::Hup), "{text}");
        }
        for signal in Signal::ALL {
            assert_eq!(signal.name().parse(), Ok(signal));
        }
        for text in ["", "SIG", "HUPP", "0", "10", "-9", "SIGSIGHUP"] {
            let why = text.parse::<Signal>().unwrap_err().to_string();
            assert!(why.contains("known are HUP INT"), "{why}");
        }
    }
}
