//! Whether a binary can carry on with the state of another one: the one that runs asks the one that is to take its place,
//! which reads a copy and says what it has found (`s7supervisord check-state`).
//!
//! The copy is the record as it lies in the runtime folder. The binary is also told what the supervisor was started with, and
//! proves that it could begin so: that there is a registry to go on with, and that its folders and its log can be made. The
//! answer is one line of JSON and exit code 0; anything else is a no, and the binary that runs stays.

use super::record::{self, FORMAT, Left};
use crate::folders::prepare_folders;
use crate::registry::{LoadOptions, Os};
use crate::{Failure, daemon_log, exit, in_force};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The verb that a binary is asked with.
pub const VERB: &str = "check-state";
/// The variable that says what the supervisor that asks was started with, as JSON; a binary from before it looks at the copy
/// alone.
pub const VARIABLE: &str = "S7_STARTED_WITH";
/// The longest value of it, in bytes: the system refuses to execute anything with one of 128 KiB (execve(2)).
const LONGEST_VALUE: usize = 120 * 1024;
/// The longest copy that is read, in bytes: what the record is read up to.
const LONGEST: u64 = 64 * 1024 * 1024;
/// How much of what a program said is told, in characters.
const TOLD: usize = 500;

/// What a binary has found in the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its own version.
    pub version: String,
    /// The newest format that it reads.
    pub state: u32,
    /// Runs that aren't over.
    pub runs: usize,
    /// What people have wished by name.
    pub wishes: usize,
}

/// What a supervisor begins with. Fields that a later version adds are ignored by this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedWith {
    registry: PathBuf,
    install_folder: PathBuf,
    settings: Vec<(String, String)>,
    runtime_dir: PathBuf,
}

impl StartedWith {
    /// What a supervisor was started with that loads its registry so, and has this runtime folder.
    #[must_use]
    pub fn of(load: &LoadOptions, runtime_dir: &Path) -> Self {
        Self {
            registry: load.file.clone(),
            install_folder: load.install_folder.clone(),
            settings: load.settings.clone(),
            runtime_dir: runtime_dir.to_owned(),
        }
    }

    /// The value of [`VARIABLE`]; `None` where it can't be told so, and then the binary looks at the copy alone.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let text = serde_json::to_string(self).ok()?;
        (text.len() <= LONGEST_VALUE).then_some(text)
    }

    fn heard() -> Result<Option<Self>, Failure> {
        let Ok(text) = std::env::var(VARIABLE) else {
            return Ok(None);
        };
        let with = serde_json::from_str(&text);
        with.map(Some)
            .map_err(|error| Failure::new(exit::USAGE, format!("reading {VARIABLE}: {error}")))
    }

    /// That this binary could begin with it in place of the one that asks.
    ///
    /// # Errors
    /// Why it would end instead.
    pub fn prove(self) -> Result<(), Failure> {
        let load = LoadOptions {
            file: self.registry,
            install_folder: self.install_folder,
            settings: self.settings,
            strict: false,
            os: Os::current(),
        };
        let registry = in_force::load(&load, &self.runtime_dir, true)?;
        prepare_folders(registry.plan())?;
        let log = &registry.plan().supervisor.log;
        daemon_log::try_to_open(log).map_err(|error| {
            let what = format!("opening the log {}: {error}", log.display());
            Failure::new(exit::CANNOT_CREATE, what)
        })
    }
}

/// `check-state`: reads a copy of the state from standard input and says what is in it.
///
/// # Errors
/// It can't be read, its format is unknown, or a supervisor of this binary could not begin.
pub fn run(boot_id: &str) -> Result<u8, Failure> {
    let mut text = Vec::new();
    std::io::stdin()
        .lock()
        .take(LONGEST)
        .read_to_end(&mut text)
        .map_err(|error| Failure::new(exit::INTERNAL, format!("reading the copy of the state: {error}")))?;
    let found = look(&text, boot_id).map_err(|why| Failure::new(exit::REGISTRY, why))?;
    if let Some(with) = StartedWith::heard()? {
        with.prove()?;
    }
    let line = serde_json::to_string(&found)
        .map_err(|error| Failure::new(exit::INTERNAL, format!("saying what was found: {error}")))?;
    writeln!(std::io::stdout().lock(), "{line}")
        .map_err(|error| Failure::new(exit::INTERNAL, format!("saying what was found: {error}")))?;
    Ok(exit::OK)
}

/// What this binary finds in a copy.
///
/// # Errors
/// A newer version has written it, in a format of its own.
pub fn look(copy: &[u8], boot_id: &str) -> Result<Found, String> {
    let Left { known, wishes, .. } = record::parse(copy, boot_id).map_err(|newer| newer.to_string())?;
    Ok(Found {
        version: crate::version().to_owned(),
        state: FORMAT,
        runs: known.values().filter(|known| known.process.is_some()).count(),
        wishes: wishes.len(),
    })
}

/// What a binary has answered, which has read the same copy in which this one finds `ours`.
///
/// # Errors
/// What it said, where that isn't that it can carry on with all of it.
pub fn judge(said: &str, ended_well: bool, ended: &str, ours: &Found) -> Result<Found, String> {
    if !ended_well {
        return Err(match said {
            "" => format!("nothing, and {ended}"),
            said => format!("{} ({ended})", told(said)),
        });
    }
    let Some(found) = said
        .lines()
        .find_map(|line| serde_json::from_str::<Found>(line).ok())
    else {
        return Err(match said {
            "" => "nothing; it is no supervisor's program, or one from before upgrades".to_owned(),
            said => format!("{}, which no supervisor says", told(said)),
        });
    };
    if (found.runs, found.wishes) != (ours.runs, ours.wishes) {
        return Err(format!(
            "it sees {} runs and {} wishes where there are {} and {}",
            found.runs, found.wishes, ours.runs, ours.wishes
        ));
    }
    Ok(found)
}

/// What it said, on one line and not too long.
fn told(said: &str) -> String {
    let shown: String = said.chars().take(TOLD).collect();
    shown
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL: &[u8] = b"boot b1\nstart is 1 100 5\nstart ps 2 101 6\nend is 1\nwish ps down uid:0 5\n";

    fn ours() -> Found {
        look(JOURNAL, "b1").unwrap()
    }

    #[test]
    fn runs_that_are_not_over_and_wishes_are_counted() {
        let found = ours();
        assert_eq!((found.state, found.runs, found.wishes), (FORMAT, 1, 1));
        assert_eq!(look(JOURNAL, "b2").unwrap().runs, 0, "another boot");
        assert_eq!(look(b"", "b1").unwrap().runs, 0, "nothing has been noted");
    }

    #[test]
    fn a_format_from_the_future_is_refused() {
        let newer = crate::state::line::sealed(&format!("state {}", FORMAT + 1));
        let why = look(newer.as_bytes(), "b1").unwrap_err();
        assert!(why.contains(&format!("reads up to {FORMAT}")), "{why}");
    }

    #[test]
    fn only_a_binary_that_has_found_the_same_may_carry_on() {
        let line = |found: &Found| serde_json::to_string(found).unwrap();
        let newer = Found {
            version: "9.9.9".to_owned(),
            state: 7,
            ..ours()
        };
        assert_eq!(judge(&line(&newer), true, "exit 0", &ours()), Ok(newer.clone()));
        // What a later version says more is no reason to refuse it.
        let more = line(&newer).replace('}', ",\"more\":true}");
        assert_eq!(judge(&more, true, "exit 0", &ours()), Ok(newer.clone()));
        let fewer = Found { runs: 0, ..newer };
        let table = [
            (line(&fewer), true, "it sees 0 runs"),
            (line(&fewer), false, "exit 1"),
            (String::new(), true, "nothing"),
            (String::new(), false, "nothing, and exit 1"),
            (
                "usage:\n\u{1b}[31mfoo".to_owned(),
                false,
                "usage:  [31mfoo (exit 1)",
            ),
            ("hello".to_owned(), true, "hello, which no supervisor says"),
        ];
        for (said, well, why) in table {
            let refused = judge(&said, well, "exit 1", &ours()).unwrap_err();
            assert!(refused.contains(why), "{refused:?}");
        }
    }
}
