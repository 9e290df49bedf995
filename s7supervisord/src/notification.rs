//! What a program says of itself in one datagram of sd_notify(3), read. Words that mean nothing here (`ERRNO`, `FDSTORE`,
//! and all that are to come) are passed over, as systemd does.

use crate::machine::input::NoteFrom;
use crate::registry::WATCHDOG;
use s7proto::plain::steers;
use std::time::Duration;

/// The folder below the runtime folder where runs tell of themselves.
pub const FOLDER: &str = "notify";
/// The longest datagram that is read, in bytes (systemd's own limit).
pub const LONGEST: usize = 4096;
/// Characters of a status that are kept: what fits on a few lines of a terminal.
const STATUS: usize = 256;
/// The longest time that a program may ask for: that of `startupTimeout` in the registry.
const MORE_TIME: Duration = Duration::from_secs(86_400);

/// One thing that a program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// `READY=1`.
    Ready,
    /// `RELOADING=1`: it reads its settings anew, and says `READY=1` when it has.
    Reloading,
    /// `STOPPING=1`.
    Stopping,
    /// `STATUS=`: what it is at, one line of printable characters; empty for nothing any more.
    Status(String),
    /// `WATCHDOG=1`.
    Alive,
    /// `WATCHDOG=trigger`.
    Trouble,
    /// `WATCHDOG_USEC=`: how far apart its signs of life will be; zero for not at all.
    AliveEvery(Duration),
    /// `EXTEND_TIMEOUT_USEC=`: it needs so much time from now on, to start or to stop.
    MoreTime(Duration),
    /// `MAINPID=`: which process it is about.
    MainProcess(u32),
}

/// Why a datagram is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is longer than [`LONGEST`].
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    /// It holds a NUL elsewhere than at its end.
    #[error("it holds a NUL character")]
    Nul,
}

/// What one run has said of itself so far, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SaidSoFar {
    /// What it is at; empty where it has not said.
    pub status: String,
    /// It has said that it is ready.
    pub ready: bool,
    /// It reads its settings anew.
    pub reloading: bool,
    /// It has said that it ends.
    pub stopping: bool,
    /// Which of its processes it is about, where it has said that it isn't its first one.
    pub main_process: Option<u32>,
    /// How much was not listened to: from processes that aren't its own, or not to be read.
    pub ignored: u64,
}

impl SaidSoFar {
    /// Takes up `word`, and gives what it means for the machine, if anything. Whether a process is one of the run is for
    /// whoever can look ([`Word::MainProcess`] is left alone).
    pub fn take(&mut self, word: Word) -> Option<NoteFrom> {
        match word {
            Word::Ready => {
                self.ready = true;
                self.reloading = false;
                return Some(NoteFrom::Ready);
            }
            Word::Reloading => self.reloading = true,
            Word::Stopping => {
                self.stopping = true;
                return Some(NoteFrom::Stopping);
            }
            Word::Status(text) => self.status = text,
            Word::Alive => return Some(NoteFrom::Alive),
            Word::Trouble => return Some(NoteFrom::Trouble),
            Word::AliveEvery(span) => return Some(NoteFrom::AliveEvery(span)),
            Word::MoreTime(span) => return Some(NoteFrom::MoreTime(span)),
            Word::MainProcess(_) => {}
        }
        None
    }
}

/// All that `datagram` says, in order.
///
/// # Errors
/// It isn't what sd_notify(3) sends.
pub fn read(datagram: &[u8]) -> Result<Vec<Word>, Unreadable> {
    if datagram.len() > LONGEST {
        return Err(Unreadable::TooLong);
    }
    // Some libraries send the NUL that ends their string.
    let datagram = datagram.strip_suffix(b"\0").unwrap_or(datagram);
    if datagram.contains(&0) {
        return Err(Unreadable::Nul);
    }
    Ok(datagram.split(|byte| *byte == b'\n').filter_map(word).collect())
}

fn word(line: &[u8]) -> Option<Word> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (line.get(..at)?, line.get(at + 1..)?);
    if name == b"STATUS" {
        return Some(Word::Status(printable(value)));
    }
    let value = std::str::from_utf8(value).ok()?;
    let micros = || number(value).map(Duration::from_micros);
    match (name, value) {
        (b"READY", "1") => Some(Word::Ready),
        (b"RELOADING", "1") => Some(Word::Reloading),
        (b"STOPPING", "1") => Some(Word::Stopping),
        (b"WATCHDOG", "1") => Some(Word::Alive),
        (b"WATCHDOG", "trigger") => Some(Word::Trouble),
        (b"WATCHDOG_USEC", "0") => Some(Word::AliveEvery(Duration::ZERO)),
        // What is out of the registry's own range is brought into it, so that a number gone wrong ends nothing.
        (b"WATCHDOG_USEC", _) => {
            micros().map(|span| Word::AliveEvery(span.clamp(*WATCHDOG.start(), *WATCHDOG.end())))
        }
        (b"EXTEND_TIMEOUT_USEC", _) => micros().map(|span| Word::MoreTime(span.min(MORE_TIME))),
        (b"MAINPID", _) => number(value)
            .and_then(|pid| u32::try_from(pid).ok())
            .map(Word::MainProcess),
        _ => None,
    }
}

/// Digits and nothing else; more of them than fit are none.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// A status as it can be shown: on one line, without anything that a terminal would obey.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut chars = text.trim().chars();
    let mut shown: String = chars
        .by_ref()
        .take(STATUS)
        .map(|c| if steers(c) { '\u{fffd}' } else { c })
        .collect();
    if chars.next().is_some() {
        shown.pop();
        shown.push('\u{2026}');
    }
    shown
}

/// How a run is heard that an earlier daemon has listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// By the same socket or pipe: nothing that it has said was lost.
    Unbroken,
    /// By a new one, so that what it has said meanwhile went nowhere, and what it says to the old one still does.
    Anew,
    /// Not at all.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_word_of_sd_notify_that_means_something_here_is_read() {
        let all = "READY=1\nRELOADING=1\nMONOTONIC_USEC=7\nSTOPPING=1\nSTATUS=Loading 3 of 5\nERRNO=2\nWATCHDOG=1\n\
                   WATCHDOG=trigger\nWATCHDOG_USEC=20000000\nEXTEND_TIMEOUT_USEC=5000000\nMAINPID=4711\nFDSTORE=1\nBARRIER=1";
        assert_eq!(
            read(all.as_bytes()).unwrap(),
            [
                Word::Ready,
                Word::Reloading,
                Word::Stopping,
                Word::Status("Loading 3 of 5".into()),
                Word::Alive,
                Word::Trouble,
                Word::AliveEvery(Duration::from_secs(20)),
                Word::MoreTime(Duration::from_secs(5)),
                Word::MainProcess(4711),
            ]
        );
    }

    #[test]
    fn what_is_almost_a_word_is_none() {
        for almost in [
            "",
            "READY",
            "READY=",
            "READY=0",
            "READY=1 ",
            " READY=1",
            "ready=1",
            "READY=11",
            "READY=1\r",
            "WATCHDOG=2",
            "WATCHDOG_USEC=-1",
            "WATCHDOG_USEC=+1",
            "WATCHDOG_USEC=",
            "WATCHDOG_USEC=1s",
            "WATCHDOG_USEC=99999999999999999999",
            "MAINPID=-1",
            "MAINPID=4294967296",
            "MAINPID=1e3",
            "EXTEND_TIMEOUT_USEC=\u{ff11}",
        ] {
            assert_eq!(read(almost.as_bytes()), Ok(Vec::new()), "{almost:?}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_brought_into_it() {
        let one = |text: &str| read(text.as_bytes()).unwrap().remove(0);
        assert_eq!(one("WATCHDOG_USEC=1"), Word::AliveEvery(*WATCHDOG.start()));
        assert_eq!(one("WATCHDOG_USEC=0"), Word::AliveEvery(Duration::ZERO));
        let most = format!("EXTEND_TIMEOUT_USEC={}", u64::MAX);
        assert_eq!(one(&most), Word::MoreTime(MORE_TIME));
    }

    #[test]
    fn a_nul_is_only_taken_at_the_end_and_nothing_longer_than_the_limit() {
        assert_eq!(read(b"READY=1\0"), Ok(vec![Word::Ready]));
        assert_eq!(read(b"READY=1\0\0"), Err(Unreadable::Nul));
        assert_eq!(read(b"READY=1\0STATUS=x"), Err(Unreadable::Nul));
        let long = [b'x'; LONGEST + 1];
        assert_eq!(read(&long), Err(Unreadable::TooLong));
        assert_eq!(read(&long[1..]), Ok(Vec::new()));
    }

    #[test]
    fn a_status_is_one_printable_line_of_bounded_length() {
        let status = |text: &[u8]| match read(&[b"STATUS=", text].concat()).unwrap().remove(0) {
            Word::Status(shown) => shown,
            other => panic!("{other:?}"),
        };
        assert_eq!(status(b" red \x1b[31m \xff "), "red \u{fffd}[31m \u{fffd}");
        let turned = status("a \u{202e}b\u{200b}c\u{2028}d".as_bytes());
        assert_eq!(turned, "a \u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(status(b""), "");
        let long = status("\u{e9}".repeat(300).as_bytes());
        assert_eq!(long.chars().count(), STATUS);
        assert!(long.ends_with("\u{e9}\u{2026}"), "{long}");
    }

    proptest! {
        #[test]
        fn no_datagram_comes_to_more_than_it_says(datagram in proptest::collection::vec(any::<u8>(), 0..5000)) {
            if let Ok(words) = read(&datagram) {
                prop_assert!(datagram.len() <= LONGEST);
                prop_assert!(words.len() <= datagram.split(|byte| *byte == b'\n').count());
            }
        }

        #[test]
        fn words_among_rubbish_are_found_and_bounded(lines in proptest::collection::vec(
            prop_oneof![
                Just("READY=1".to_owned()),
                any::<u64>().prop_map(|span| format!("WATCHDOG_USEC={span}")),
                any::<u64>().prop_map(|span| format!("EXTEND_TIMEOUT_USEC={span}")),
                "STATUS=[^\n\0]{0,300}",
                "[^\n\0]{0,40}",
            ], 0..12))
        {
            let datagram = lines.join("\n");
            let Ok(words) = read(datagram.as_bytes()) else {
                prop_assert!(datagram.len() > LONGEST);
                return Ok(());
            };
            let ready = |word: &&Word| **word == Word::Ready;
            prop_assert_eq!(words.iter().filter(ready).count(), lines.iter().filter(|line| *line == "READY=1").count());
            for word in &words {
                match word {
                    Word::Status(text) => prop_assert!(text.chars().count() <= STATUS && !text.chars().any(steers)),
                    Word::AliveEvery(span) => prop_assert!(span.is_zero() || WATCHDOG.contains(span)),
                    Word::MoreTime(span) => prop_assert!(*span <= MORE_TIME),
                    _ => {}
                }
            }
        }
    }
}
