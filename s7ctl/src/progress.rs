//! What a waiting person is told meanwhile, and what is still awaited when time runs out.

use crate::error::CtlError;
use crate::render::sentence::{self, Asked};
use crate::render::table::visible_lines;
use s7proto::name::ComponentName;
use s7proto::reply::Notice;
use s7proto::status::State;
use std::io::Write;

/// The notices of an operation so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// A person is looking: tell at once.
    live: bool,
    asked: Asked,
    entered: Vec<(ComponentName, State)>,
    finished: Vec<ComponentName>,
}

impl Progress {
    /// `live`: whether a person is looking.
    #[must_use]
    pub fn new(live: bool) -> Self {
        Self {
            live,
            ..Self::default()
        }
    }

    /// What the notices to come are about.
    pub fn asked(&mut self, asked: Asked) {
        self.asked = asked;
    }

    /// Takes up a notice.
    pub fn heard(&mut self, notice: &Notice) {
        match notice {
            Notice::Entered { component, state } => {
                self.entered.retain(|(known, _)| known != component);
                self.entered.push((component.clone(), *state));
                self.say(&sentence::entered(component, *state));
            }
            Notice::Finished(part) => {
                self.finished.push(part.component.clone());
                match sentence::part(part, self.asked) {
                    // The result itself: it is data, also when it is told early.
                    Ok(said) if self.live => out(&said),
                    Err(error) if self.live => tell(&error),
                    Ok(_) | Err(_) => {}
                }
            }
            // Those of streams, which are shown by those who asked for them.
            Notice::Snapshot { .. }
            | Notice::Happened(_)
            | Notice::Missed { .. }
            | Notice::Output { .. }
            | Notice::OutputUnreadable { .. }
            | Notice::OutputReaches { .. } => {}
        }
    }

    /// Says something to a person who waits.
    pub fn say(&self, text: &str) {
        if self.live {
            talk(text);
        }
    }

    /// The supervisor was replaced: what was asked for goes on there.
    pub fn replaced(&self) {
        talk("the supervisor was replaced meanwhile; waiting for what was asked");
    }

    /// The components whose result has been told already.
    #[must_use]
    pub fn shown(&self) -> &[ComponentName] {
        if self.live { &self.finished } else { &[] }
    }

    /// For the end of `timed out after 5 s`: what is still awaited, as far as it is known.
    #[must_use]
    pub fn awaited(&self) -> String {
        let awaited: Vec<String> = self
            .entered
            .iter()
            .filter(|(component, _)| !self.finished.contains(component))
            .map(|(component, state)| format!("{component} ({})", state.name()))
            .collect();
        if awaited.is_empty() {
            String::new()
        } else {
            format!(", still waiting for {}", awaited.join(", "))
        }
    }

    /// What is told about an operation that is over does not belong to the next one.
    pub fn forget(&mut self) {
        self.entered.clear();
        self.finished.clear();
    }
}

/// A line on standard output. Nobody to read it is no reason to stop waiting.
fn out(text: &str) {
    let _unread = writeln!(anstream::stdout().lock(), "{}", visible_lines(text));
}

/// A line on standard error.
pub fn talk(text: &str) {
    let _unread = writeln!(anstream::stderr().lock(), "{}", visible_lines(text));
}

/// A failure on standard error, with its hint.
pub fn tell(error: &CtlError) {
    let red = anstyle::Style::new()
        .fg_color(Some(anstyle::AnsiColor::Red.into()))
        .bold();
    let mut text = format!("{red}error:{red:#} {}\n", visible_lines(&error.to_string()));
    if let Some(hint) = &error.hint {
        text.push_str(&format!("hint: {}\n", visible_lines(hint)));
    }
    let _unread = anstream::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use s7proto::reply::{Outcome, Part};

    #[test]
    fn what_is_still_awaited_is_what_has_begun_and_not_finished() {
        let name = |text| ComponentName::parse(text).unwrap();
        let mut progress = Progress::new(false);
        assert_eq!(progress.awaited(), "");
        for (component, state) in [
            ("is", State::Stopping),
            ("ps", State::Starting),
            ("ps", State::Backoff),
        ] {
            let component = name(component);
            progress.heard(&Notice::Entered { component, state });
        }
        assert_eq!(
            progress.awaited(),
            ", still waiting for is (STOPPING), ps (BACKOFF)"
        );
        progress.heard(&Notice::Finished(Part {
            component: name("is"),
            outcome: Outcome::AlreadyDown,
            took_us: 0,
        }));
        assert_eq!(progress.awaited(), ", still waiting for ps (BACKOFF)");
        assert!(progress.shown().is_empty(), "nobody was looking");
        progress.forget();
        assert_eq!(progress.awaited(), "");
    }
}
