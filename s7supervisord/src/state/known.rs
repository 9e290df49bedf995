//! What the record knows of one component, and the words it is written in.
//!
//! `start <component> <run> <pid> <nanoseconds since boot>` and `end <component> <run>`, each followed by fields
//! `<name>=<value>`. A field that this version doesn't know is kept as it is, for the version that does.

use super::told::Told;
use crate::registry::plan::NotifyPlan;
use s7proto::name::ComponentName;
use s7proto::status::{EndCause, Exit, ExitReport};
use std::fmt::Write as _;
use std::time::Duration;

/// A process as it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its process id.
    pub pid: u32,
    /// The number that the kernel gives to this process alone (since Linux 6.9); `None` where it gives none.
    pub inode: Option<u64>,
}

/// The output pipe of a run, told from every other file as long as somebody has it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputPipe {
    /// The number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl OutputPipe {
    /// As a word without a blank: `<device>:<inode>`.
    fn word(self) -> String {
        format!("{}:{}", self.device, self.inode)
    }

    fn read(word: &str) -> Option<Self> {
        let (device, inode) = word.split_once(':')?;
        Some(Self {
            device: device.parse().ok()?,
            inode: inode.parse().ok()?,
        })
    }
}

/// Who has the output pipe of a run open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The pipe.
    pub pipe: OutputPipe,
}

/// What a run begins with, as far as the record has it.
#[derive(Debug, Clone, Copy)]
pub struct Beginning {
    /// What it is made of, as a fingerprint.
    pub made_of: u64,
    /// What it is told about telling of itself.
    pub told: Told,
    /// Where it writes.
    pub output: Option<OutputPipe>,
}

/// A run of which something may live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedRun {
    /// Whose run.
    pub component: ComponentName,
    /// Its number.
    pub run: u64,
    /// Its first process.
    pub process: Recorded,
    /// When it began, in nanoseconds since the machine's boot.
    pub began_ns: u64,
}

/// A run that was found without a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrecorded {
    /// The run, by the process of it that was found.
    pub run: StartedRun,
    /// That is its first process; else it is something that the first process has left.
    pub leads: bool,
    /// The pipe that the first process writes to, where it has no name.
    pub output: Option<OutputPipe>,
}

/// What is carried on from one run to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Starts that followed a crash.
    pub restarts: u64,
    /// Crashes in a row.
    pub crashes: u32,
    /// How the run before has ended.
    pub last_exit: Option<ExitReport>,
}

/// Why a run that is over isn't followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// Its policy says so.
    Exited,
    /// It was given up.
    Fatal,
}

/// One component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The number of the last run.
    pub run: u64,
    /// Its first process; `None` once the run is over, tree and all.
    pub process: Option<Recorded>,
    /// When it began, in nanoseconds since the machine's boot.
    pub began_ns: u64,
    /// When it was asked to end, in nanoseconds since the machine's boot.
    pub asked_ns: Option<u64>,
    /// Up to when it has asked to have time, in nanoseconds since the machine's boot: to stop where it was asked to end, else to
    /// start.
    pub until_ns: Option<u64>,
    /// It has become ready, as it or its checks have told.
    pub ready: bool,
    /// What is carried on.
    pub tally: Tally,
    /// Why there is no next one, where there is none.
    pub stays: Option<Stays>,
    /// What the run was made of, as a fingerprint ([`crate::registry::fingerprint`]).
    pub made_of: Option<u64>,
    /// What the run was told about telling of itself; `None` where an older version has begun it.
    pub told: Option<Told>,
    /// How far apart it has since said that its signs of life will be; zero for not at all.
    pub signs: Option<Duration>,
    /// Where the run writes; `None` where an older version has begun it.
    pub output: Option<OutputPipe>,
    /// Fields of a newer version.
    pub others: Vec<String>,
}

/// More starts than that have never followed a crash: at a thousand a second, in 290 million years.
const MOST_RESTARTS: u64 = u64::MAX / 2;

/// Digits of the widest u64.
pub const DIGITS: usize = 20;

/// The places of a `start` line that are filled in by the new process itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holes {
    /// Where its process id begins, [`DIGITS`] wide.
    pub pid: usize,
    /// Where the time begins, [`DIGITS`] wide.
    pub time: usize,
    /// Where its inode number begins, [`DIGITS`] wide; 0 stands for none.
    pub inode: usize,
    /// What the seal is over begins here, after the newline.
    pub from: usize,
    /// And it ends here.
    pub to: usize,
    /// Where the seal begins, [`super::line::SEAL`] wide.
    pub seal: usize,
}

/// A `start` line with holes.
#[must_use]
pub fn start_with_holes(
    component: &ComponentName,
    run: u64,
    beginning: &Beginning,
    tally: &Tally,
) -> (Vec<u8>, Holes) {
    let Beginning {
        made_of,
        told,
        output,
    } = beginning;
    let zeros = "0".repeat(DIGITS);
    let mut text = format!("\nstart {component} {run} ");
    let pid = text.len();
    let _ = write!(text, "{zeros} ");
    let time = text.len();
    let _ = write!(text, "{zeros} ino=");
    let inode = text.len();
    let _ = write!(text, "{zeros} of={made_of:x} told={}", told.word());
    if let Some(pipe) = output {
        let _ = write!(text, " out={}", pipe.word());
    }
    tally.write(&mut text);
    let to = text.len();
    text.push_str(" ~");
    let seal = text.len();
    let _ = writeln!(text, "{:0width$}", 0, width = super::line::SEAL);
    let holes = Holes {
        pid,
        time,
        inode,
        from: 1,
        to,
        seal,
    };
    (text.into_bytes(), holes)
}

/// The words of an `end` line.
#[must_use]
pub fn end_words(component: &ComponentName, run: u64, tally: &Tally, stays: Option<Stays>) -> String {
    let mut text = format!("end {component} {run}");
    tally.write(&mut text);
    match stays {
        Some(Stays::Exited) => text.push_str(" stays=exited"),
        Some(Stays::Fatal) => text.push_str(" stays=fatal"),
        None => {}
    }
    text
}

/// The words of the line that says that a run of a component that has left the registry is over, of which nothing else is known.
#[must_use]
pub fn end_of_leftover_words(over: &StartedRun) -> String {
    let mut text = end_words(&over.component, over.run, &Tally::default(), None);
    let _ = write!(text, " began={}", over.began_ns);
    text
}

/// The words of a line that says when a run was asked to end.
#[must_use]
pub fn asked_words(component: &ComponentName, run: u64, at_ns: u64) -> String {
    format!("asked {component} {run} {at_ns}")
}

/// The words of a line that says that a run has become ready. Where `startDelay` decides, there is none.
#[must_use]
pub fn ready_words(component: &ComponentName, run: u64) -> String {
    format!("ready {component} {run}")
}

/// The words of a line that says how far apart a run has said that its signs of life will be; zero for not at all.
#[must_use]
pub fn signs_words(component: &ComponentName, run: u64, apart: Duration) -> String {
    format!("signs {component} {run} {}", apart.as_micros())
}

/// The words of a line that says up to when a run has asked to have time, in nanoseconds since the machine's boot.
#[must_use]
pub fn until_words(component: &ComponentName, run: u64, at_ns: u64) -> String {
    format!("until {component} {run} {at_ns}")
}

impl Known {
    /// What the run goes by when it tells of itself: what it was told and what it has said since. Where that isn't recorded, it is
    /// taken for what the registry says now.
    #[must_use]
    pub fn goes_by(&self, registry: Option<NotifyPlan>) -> Told {
        let told = self.told.unwrap_or_else(|| Told::of(registry));
        match self.signs {
            Some(apart) => Told {
                watchdog: Some(apart).filter(|apart| !apart.is_zero()),
                ..told
            },
            None => told,
        }
    }

    /// Who has the run's output pipe open, as far as that is recorded.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        let (process, pipe) = (self.process?, self.output?);
        Some(Holder {
            pid: process.pid,
            pipe,
        })
    }

    /// The run, if it isn't over.
    #[must_use]
    pub fn started(&self, component: &ComponentName) -> Option<StartedRun> {
        Some(StartedRun {
            component: component.clone(),
            run: self.run,
            process: self.process?,
            began_ns: self.began_ns,
        })
    }

    /// The words of the lines that say all this.
    #[must_use]
    pub fn words(&self, component: &ComponentName) -> Vec<String> {
        let run = self.run;
        let mut first = match self.process {
            Some(Recorded { pid, inode }) => {
                let mut text = format!("start {component} {run} {pid} {}", self.began_ns);
                let _ = write!(text, " ino={}", inode.unwrap_or(0));
                if let Some(made_of) = self.made_of {
                    let _ = write!(text, " of={made_of:x}");
                }
                if let Some(told) = self.told {
                    let _ = write!(text, " told={}", told.word());
                }
                if let Some(pipe) = self.output {
                    let _ = write!(text, " out={}", pipe.word());
                }
                self.tally.write(&mut text);
                text
            }
            None => {
                let mut text = end_words(component, run, &self.tally, self.stays);
                let _ = write!(text, " began={}", self.began_ns);
                text
            }
        };
        for other in &self.others {
            first.push(' ');
            first.push_str(other);
        }
        let asked = self.asked_ns.filter(|_| self.process.is_some());
        let asked = asked.map(|at| asked_words(component, run, at));
        let ready = (self.ready && self.process.is_some()).then(|| ready_words(component, run));
        let signs = self.signs.filter(|_| self.process.is_some());
        let signs = signs.map(|apart| signs_words(component, run, apart));
        let until = self.until_ns.filter(|_| self.process.is_some());
        let until = until.map(|at| until_words(component, run, at));
        let later = ready.into_iter().chain(signs).chain(asked).chain(until);
        std::iter::once(first).chain(later).collect()
    }

    /// Takes in the fields of a line.
    pub(super) fn take<'a>(&mut self, fields: impl Iterator<Item = &'a str>) {
        for field in fields {
            let Some((name, value)) = field.split_once('=') else {
                self.others.push(field.to_owned());
                continue;
            };
            match name {
                "ino" => {
                    let inode = value.parse().ok().filter(|inode| *inode != 0);
                    if let Some(process) = &mut self.process {
                        process.inode = inode;
                    }
                }
                "told" if Told::read(value).is_some() => self.told = Told::read(value),
                "out" if OutputPipe::read(value).is_some() => self.output = OutputPipe::read(value),
                "of" => self.made_of = u64::from_str_radix(value, 16).ok(),
                "began" => self.began_ns = value.parse().unwrap_or(0),
                // As far as it can go on being counted.
                "restarts" => {
                    self.tally.restarts = value.parse().map_or(0, |count: u64| count.min(MOST_RESTARTS))
                }
                "crashes" => self.tally.crashes = value.parse().unwrap_or(0),
                "last" => self.tally.last_exit = read_exit(value),
                "stays" => {
                    self.stays = match value {
                        "exited" => Some(Stays::Exited),
                        "fatal" => Some(Stays::Fatal),
                        _ => None,
                    };
                }
                _ => self.others.push(field.to_owned()),
            }
        }
    }
}

impl Tally {
    fn write(&self, text: &mut String) {
        let _ = write!(text, " restarts={} crashes={}", self.restarts, self.crashes);
        if let Some(report) = &self.last_exit {
            let _ = write!(text, " last={}", exit_words(report));
        }
    }
}

/// `<exit>,<cause>,<at>,<lasted>`, without a space.
fn exit_words(report: &ExitReport) -> String {
    let exit = match &report.exit {
        Exit::Code(code) => format!("code:{code}"),
        Exit::Signal { name, core } => {
            let kind = if *core { "core" } else { "signal" };
            format!("{kind}:{}", name.replace(' ', "_"))
        }
        Exit::Unknown => "unknown:".to_owned(),
    };
    let cause = match report.cause {
        EndCause::Finished => "finished",
        EndCause::Crashed => "crashed",
        EndCause::Requested => "requested",
        EndCause::KilledAfterTimeout => "killed",
        EndCause::Unseen => "unseen",
        EndCause::OutOfMemory => "memory",
        EndCause::Hung => "hung",
        EndCause::TooMuchMemory => "too_much_memory",
        EndCause::DependencyLost => "dependency_lost",
        EndCause::NotReady => "not_ready",
        EndCause::WatchdogMissed => "watchdog_missed",
        EndCause::InTrouble => "in_trouble",
        EndCause::OutputMatched => "output_matched",
    };
    format!("{exit},{cause},{},{}", report.at_ms, report.lasted_us)
}

fn read_exit(text: &str) -> Option<ExitReport> {
    let mut words = text.split(',');
    let exit = match words.next()?.split_once(':')? {
        ("code", code) => Exit::Code(code.parse().ok()?),
        (kind @ ("signal" | "core"), name) => Exit::Signal {
            name: name.replace('_', " "),
            core: kind == "core",
        },
        ("unknown", _) => Exit::Unknown,
        _ => return None,
    };
    let cause = match words.next()? {
        "finished" => EndCause::Finished,
        "crashed" => EndCause::Crashed,
        "requested" => EndCause::Requested,
        "killed" => EndCause::KilledAfterTimeout,
        "unseen" => EndCause::Unseen,
        "memory" => EndCause::OutOfMemory,
        "hung" => EndCause::Hung,
        "too_much_memory" => EndCause::TooMuchMemory,
        "dependency_lost" => EndCause::DependencyLost,
        "not_ready" => EndCause::NotReady,
        "watchdog_missed" => EndCause::WatchdogMissed,
        "in_trouble" => EndCause::InTrouble,
        "output_matched" => EndCause::OutputMatched,
        _ => return None,
    };
    let (at_ms, lasted_us) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(ExitReport {
        exit,
        cause,
        at_ms,
        lasted_us,
    })
}
