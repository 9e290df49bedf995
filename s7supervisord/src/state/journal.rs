//! The record of runs: one line when a run begins, written by its own process before it executes, and one when it is over.
//!
//! Lines, not a binary format, so that they can be read at 3 a.m.:
//! `boot <boot id>`, `start <component> <run> <pid> <nanoseconds since boot>`, `end <component> <run>`, and what people
//! have wished by name ([`super::wishes`]), which holds as long as the machine runs.
//! A line that can't be understood is passed over: half a line is what a full disk leaves.

use super::wishes::{self, Wishes};
use s7proto::name::ComponentName;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Space that is reserved beforehand, in bytes: enough for some 8000 starts, so that no run goes without its record
/// because the disk has filled up meanwhile.
const RESERVED: u64 = 1024 * 1024;

/// A run that began and, as far as the journal knows, isn't over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedRun {
    /// Whose run.
    pub component: ComponentName,
    /// Its number.
    pub run: u64,
    /// Its process id.
    pub pid: u32,
    /// When it wrote its record, in nanoseconds since the machine's boot.
    pub boot_ns: u64,
}

/// What an earlier daemon has left in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// The runs that aren't over, the latest of each component.
    pub runs: Vec<StartedRun>,
    /// What people have wished by name.
    pub wishes: Wishes,
}

/// The journal, open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Option<File>,
}

impl Journal {
    /// Reads what an earlier daemon left in `dir`, if it was written since the present boot.
    ///
    /// # Errors
    /// The file is there and can't be read.
    pub fn leftovers(dir: &Path, boot_id: &str) -> io::Result<Left> {
        let mut text = Vec::new();
        match File::open(dir.join(FILE)) {
            Ok(file) => file.take(64 * RESERVED).read_to_end(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Left::default()),
            Err(error) => return Err(error),
        };
        Ok(parse(&text, boot_id))
    }

    /// Begins a new journal in `dir` with what still holds of the one before, and says why it can't be written, if so.
    ///
    /// Supervision goes on without it.
    #[must_use]
    pub fn begin(dir: &Path, boot_id: &str, left: &Left) -> (Self, Option<io::Error>) {
        let path = dir.join(FILE);
        match create(dir, &path, boot_id, left) {
            Ok(file) => (
                Self {
                    path,
                    file: Some(file),
                },
                None,
            ),
            Err(error) => (Self { path, file: None }, Some(error)),
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, for the child to append its record to.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Notes `lines`, in one write. May take as long as the disk takes.
    ///
    /// # Errors
    /// They can't be written, so the next daemon won't know them.
    pub fn note(&self, lines: &str) -> io::Result<()> {
        let mut file = self
            .file
            .as_ref()
            .ok_or_else(|| io::Error::other("there is no record"))?;
        // Lines of their own, whatever a full disk has left of the one before.
        file.write_all(format!("\n{lines}").as_bytes())
    }

    /// Notes that a run is over, tree and all.
    pub fn ended(&self, component: &ComponentName, run: u64) {
        if let Some(mut file) = self.file.as_ref() {
            // One write. If it fails, the next daemon looks for a run that isn't there, which does no harm.
            let _ = file.write_all(format!("\nend {component} {run}\n").as_bytes());
        }
    }
}

const FILE: &str = "journal";

fn create(dir: &Path, path: &Path, boot_id: &str, left: &Left) -> io::Result<File> {
    let fresh = dir.join("journal.new");
    let _ = std::fs::remove_file(&fresh);
    let mut file = File::options().append(true).create_new(true).open(&fresh)?;
    crate::platform::reserve(&file, RESERVED);
    let mut text = format!("boot {boot_id}\n");
    for StartedRun {
        component,
        run,
        pid,
        boot_ns,
    } in &left.runs
    {
        text.push_str(&format!("start {component} {run} {pid} {boot_ns}\n"));
    }
    for (component, wished) in &left.wishes {
        text.push_str(&wishes::line(component, Some(wished)));
    }
    file.write_all(text.as_bytes())?;
    std::fs::rename(&fresh, path)?;
    Ok(file)
}

/// A `start` line whose process id and time are holes of `digits` zeros, and where they begin.
#[must_use]
pub fn started_with_holes(component: &ComponentName, run: u64, digits: usize) -> (Vec<u8>, usize, usize) {
    // A line of its own, whatever a full disk has left of the one before.
    let mut text = format!("\nstart {component} {run} ").into_bytes();
    let pid_at = text.len();
    text.resize(pid_at + digits, b'0');
    text.push(b' ');
    let time_at = text.len();
    text.resize(time_at + digits, b'0');
    text.push(b'\n');
    (text, pid_at, time_at)
}

/// What was noted since the boot `boot_id` and still holds.
#[must_use]
pub fn parse(text: &[u8], boot_id: &str) -> Left {
    let mut wishes = Wishes::new();
    let mut open: HashMap<ComponentName, StartedRun> = HashMap::new();
    let mut same_boot = false;
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else {
            continue;
        };
        if let Some((kind @ ("wish" | "unwish"), rest)) = line.split_once(' ').filter(|_| same_boot) {
            wishes::take(kind, rest.split(' '), &mut wishes);
            continue;
        }
        let mut words = line.split(' ');
        match (
            words.next(),
            words.next(),
            words.next(),
            words.next(),
            words.next(),
        ) {
            (Some("boot"), Some(id), None, ..) => {
                same_boot = id == boot_id;
                open.clear();
                wishes.clear();
            }
            (Some("start"), Some(name), Some(run), Some(pid), Some(time)) if same_boot => {
                if let Some(run) = started(name, run, pid, time) {
                    // A new run is created only when nothing of the one before is left.
                    open.insert(run.component.clone(), run);
                }
            }
            (Some("end"), Some(name), Some(run), None, _) => {
                // The end of a later one too: it was not even created before this one was over.
                let over = |open: &StartedRun| run.parse().is_ok_and(|ended: u64| open.run <= ended);
                if let Ok(name) = ComponentName::parse(name)
                    && open.get(&name).is_some_and(over)
                {
                    open.remove(&name);
                }
            }
            _ => {}
        }
    }
    let mut runs: Vec<StartedRun> = open.into_values().collect();
    runs.sort_by(|a, b| a.component.cmp(&b.component));
    Left { runs, wishes }
}

fn started(name: &str, run: &str, pid: &str, time: &str) -> Option<StartedRun> {
    Some(StartedRun {
        component: ComponentName::parse(name).ok()?,
        run: run.parse().ok()?,
        pid: pid.parse().ok().filter(|pid| *pid > 1)?,
        boot_ns: time.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::wishes::Wished;
    use super::*;
    use s7proto::status::{Actor, Wish};

    fn line(component: &str, run: u64, pid: &str, time: &str) -> String {
        let (text, pid_at, time_at) = started_with_holes(&ComponentName::parse(component).unwrap(), run, 20);
        let mut text = String::from_utf8(text).unwrap();
        text.replace_range(pid_at..pid_at + 20, &format!("{pid:0>20}"));
        text.replace_range(time_at..time_at + 20, &format!("{time:0>20}"));
        text
    }

    #[test]
    fn a_run_is_left_over_until_its_end_or_its_successor_is_noted() {
        let text = format!(
            "boot b1\n{}{}{}end is 1\n{}",
            line("is", 1, "100", "5"),
            line("ps", 1, "101", "6"),
            line("svg", 1, "102", "7"),
            line("svg", 2, "103", "8"),
        );
        let left = parse(text.as_bytes(), "b1").runs;
        let pids: Vec<(String, u64, u32)> = left
            .iter()
            .map(|run| (run.component.to_string(), run.run, run.pid))
            .collect();
        assert_eq!(pids, [("ps".to_owned(), 1, 101), ("svg".to_owned(), 2, 103)]);
    }

    #[test]
    fn the_end_of_a_run_that_could_not_be_created_says_that_the_one_before_is_over() {
        let begun = format!(
            "boot b1\n{}{}",
            line("is", 4, "100", "5"),
            line("ps", 4, "101", "6")
        );
        let left = |text: String| {
            let runs = parse(text.as_bytes(), "b1").runs;
            runs.iter()
                .map(|run| (run.component.to_string(), run.run))
                .collect::<Vec<_>>()
        };
        assert_eq!(left(format!("{begun}\nend is 5\n")), [("ps".to_owned(), 4)]);
        // An end that is noted late says nothing about the next run.
        let late = format!("{begun}{}\nend is 4\nend ps 4\n", line("is", 5, "102", "7"));
        assert_eq!(left(late), [("is".to_owned(), 5)]);
    }

    #[test]
    fn records_of_another_boot_and_torn_lines_are_passed_over() {
        let text = format!(
            "boot b1\nstart svg 1 000{}start ps 1 000",
            line("is", 1, "100", "5")
        );
        let left = parse(text.as_bytes(), "b1").runs;
        assert_eq!(
            left.iter().map(|run| run.component.as_str()).collect::<Vec<_>>(),
            ["is"]
        );
        assert_eq!(parse(text.as_bytes(), "b2"), Left::default());
        assert_eq!(
            parse(
                b"\xff\xfe\nend\nstart\nstart . 1 2 3\nboot b1\nstart is 1 1 1",
                "b1"
            ),
            Left::default()
        );
    }

    #[test]
    fn the_last_wish_holds_until_it_is_taken_back_or_the_machine_boots() {
        let wished = |wish, who| Wished { wish, who, at_ms: -5 };
        let name = |text| ComponentName::parse(text).unwrap();
        let down = wished(Wish::Down, Actor::Uid(1000));
        let text = [
            "boot b1\n".to_owned(),
            wishes::line(&name("is"), Some(&wished(Wish::Up, Actor::Supervisor))),
            wishes::line(&name("is"), Some(&down)),
            wishes::line(&name("ps"), Some(&down)),
            wishes::line(
                &name("svg"),
                Some(&wished(Wish::Up, Actor::Sid("S-1-5-18".to_owned()))),
            ),
            wishes::line(&name("ps"), None),
            "wish svg sideways uid:0 1\nwish svg down\nwish svg down uid:x 1\nwish . down uid:0 1\nunwish\n"
                .to_owned(),
        ]
        .concat();
        let expected = Wishes::from([
            (name("is"), down),
            (name("svg"), wished(Wish::Up, Actor::Sid("S-1-5-18".to_owned()))),
        ]);
        assert_eq!(parse(text.as_bytes(), "b1").wishes, expected);
        assert_eq!(parse(text.as_bytes(), "b2").wishes, Wishes::new());
        let dir = tempfile::tempdir().unwrap();
        let left = Left {
            runs: Vec::new(),
            wishes: expected.clone(),
        };
        let (journal, fault) = Journal::begin(dir.path(), "b1", &left);
        assert!(fault.is_none());
        journal.note(&wishes::line(&name("is"), None)).unwrap();
        let kept = Journal::leftovers(dir.path(), "b1").unwrap().wishes;
        assert_eq!(
            kept.keys().map(ComponentName::as_str).collect::<Vec<_>>(),
            ["svg"]
        );
    }
}
