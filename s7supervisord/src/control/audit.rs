//! Who has asked for what, and what came of it: two lines in the audit log for each command that changes something.

use super::call::verb;
use crate::daemon_log::AUDIT;
use crate::platform::peer::Peer;
use s7proto::refusal::{Refusal, UpgradeProblem};
use s7proto::reply::{Done, Outcome, Part, Reply};
use s7proto::request::{Request, Selection};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A command that was written down and has no result yet.
#[derive(Debug)]
pub struct Entry {
    number: u64,
    since: Instant,
    ended: bool,
}

/// Whether `request` changes something, so that it is to be written down.
#[must_use]
pub fn changes(request: &Request) -> bool {
    match request {
        Request::Start(_)
        | Request::Stop(_)
        | Request::Restart(_)
        | Request::Shutdown
        | Request::RestartSupervisor
        | Request::Upgrade { .. }
        | Request::Signal { .. }
        | Request::Dump(_) => true,
        Request::Reload { dry_run, .. } => !dry_run,
        Request::Status(_)
        | Request::Overview(_)
        | Request::LogsFrom { .. }
        | Request::FollowFrom(_)
        | Request::EventsFrom { .. }
        | Request::Logs { .. }
        | Request::Check { .. }
        | Request::Version
        | Request::Wait { .. }
        | Request::Follow { .. }
        | Request::Why(_)
        | Request::Story(_)
        | Request::Events { .. }
        | Request::Info(_) => false,
    }
}

impl Entry {
    /// Writes down that `peer` asks for `request`, if that changes something.
    #[must_use]
    pub fn begin(peer: &Peer, request: &Request) -> Option<Self> {
        changes(request).then(|| Self::of(peer, &words(request)))
    }

    fn of(peer: &Peer, what: &str) -> Self {
        /// Ties the result to the command.
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        log::info!(target: AUDIT, "#{number} {peer}: {what}");
        Self {
            number,
            since: Instant::now(),
            ended: false,
        }
    }

    /// Writes down what came of it.
    pub fn end(mut self, reply: &Reply) {
        self.ended = true;
        let took = self.since.elapsed().as_secs_f64();
        log::info!(target: AUDIT, "#{} after {took:.3} s: {}", self.number, result(reply));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.ended {
            log::warn!(target: AUDIT, "#{}: the supervisor ended before it was done", self.number);
        }
    }
}

/// Refusals in one second that are written down each by itself.
const REFUSALS: u32 = 20;

/// Refusals of the present second, so that nobody fills the disk by asking for what is forbidden.
#[derive(Debug, Default)]
struct Refusals {
    since: Option<Instant>,
    told: u32,
    untold: u64,
}

impl Refusals {
    /// One more: how many of an earlier second were only counted, and whether this one is to be told by itself.
    fn add(&mut self, now: Instant) -> (u64, bool) {
        let over = |since: Instant| now.duration_since(since) >= Duration::from_secs(1);
        let mut untold = 0;
        if self.since.is_none_or(over) {
            untold = self.untold;
            *self = Self {
                since: Some(now),
                ..Self::default()
            };
        }
        let told = self.told < REFUSALS;
        if told {
            self.told += 1;
        } else {
            self.untold += 1;
        }
        (untold, told)
    }
}

/// Writes down that `peer` was refused `request`, whatever it was; says whether that was written, or is only counted because
/// there were many.
pub fn refused(peer: &Peer, request: &Request) -> bool {
    static REFUSED: Mutex<Option<Refusals>> = Mutex::new(None);
    let mut refusals = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    let (untold, told) = refusals.get_or_insert_default().add(Instant::now());
    if untold > 0 {
        log::warn!(target: AUDIT, "{untold} more requests were not permitted");
    }
    if told {
        log::warn!(target: AUDIT, "{peer}: not permitted: {}", words(request));
    }
    told
}

/// Writes down what the daemon was told by a signal.
pub fn signalled(what: &str) {
    log::info!(target: AUDIT, "signal to the supervisor: {what}");
}

/// The request in one line: `restart ps web-*`.
fn words(request: &Request) -> String {
    let mut text = verb(request).to_owned();
    let which = match request {
        Request::Start(which) | Request::Stop(which) | Request::Restart(which) | Request::Dump(which) => {
            Some(which)
        }
        Request::Signal { which, signal } => {
            let _ = write!(text, " {signal}");
            Some(which)
        }
        Request::Reload { dry_run, restart } => {
            text.push_str(if *dry_run { " (dry run)" } else { "" });
            text.push_str(if *restart { "" } else { " without restarts" });
            None
        }
        Request::Logs { which, .. }
        | Request::Follow { which, .. }
        | Request::Wait { which, .. }
        | Request::Why(which)
        | Request::Story(which)
        | Request::Info(which)
        | Request::Status(which)
        | Request::Overview(which)
        | Request::LogsFrom { which, .. }
        | Request::Events { which, .. }
        | Request::EventsFrom { which, .. } => Some(which),
        Request::Upgrade { binary } => {
            if let Some(binary) = binary {
                let _ = write!(text, " to {binary:?}");
            }
            None
        }
        Request::Check { .. }
        | Request::Shutdown
        | Request::RestartSupervisor
        | Request::FollowFrom(_)
        | Request::Version => None,
    };
    for name in which.map(named).unwrap_or_default() {
        text.push(' ');
        text.push_str(&name);
    }
    text
}

/// The names of a selection as they were given.
#[must_use]
pub fn named(which: &Selection) -> Vec<String> {
    match which {
        Selection::All => vec!["all".to_owned()],
        Selection::Named(names) => names.iter().map(ToString::to_string).collect(),
        Selection::Matching(patterns) => patterns.iter().map(ToString::to_string).collect(),
    }
}

fn result(reply: &Reply) -> String {
    match reply {
        Ok(Done::Operation(parts) | Done::ShutDown(parts) | Done::Restarting(parts)) => {
            of_parts("done", parts)
        }
        Ok(Done::Reload(report)) => of_parts(&format!("{} changed", report.changes.len()), &report.parts),
        Ok(_) => "done".to_owned(),
        Err(refusal) => format!("refused: {}", why(refusal)),
    }
}

/// `done, ps restarted as pid 7`, or `failed (done), …` where some of it did not come to what was asked.
fn of_parts(head: &str, parts: &[Part]) -> String {
    let failed = parts.iter().any(|part| !part.outcome.is_success());
    let mut text = if failed {
        format!("failed ({head})")
    } else {
        head.to_owned()
    };
    for part in parts {
        let _ = write!(text, ", {} {}", part.component, outcome(&part.outcome));
    }
    text
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Started(run) => format!("started as pid {}", run.pid),
        Outcome::AlreadyUp(_) => "was up".to_owned(),
        Outcome::Completed(report) | Outcome::Stopped(report) => report.exit.to_string(),
        Outcome::AlreadyDown => "was down".to_owned(),
        Outcome::Restarted { after, .. } => format!("restarted as pid {}", after.pid),
        Outcome::FailedRun(report) => format!("failed: {}", report.exit),
        Outcome::FailedSpawn(failure) => format!("failed: {failure}"),
        Outcome::Unkillable => "can't be killed".to_owned(),
        Outcome::Superseded => "superseded".to_owned(),
        Outcome::Refused(refusal) => format!("refused: {}", why(refusal)),
        Outcome::Signalled(run) => format!("signalled as pid {}", run.pid),
        Outcome::NotRunning => "not running".to_owned(),
        Outcome::Failed(why) => format!("failed: {why}"),
    }
}

fn why(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NoSuchComponent { name, .. } => format!("no component {name}"),
        Refusal::NoMatch { pattern } => format!("nothing matches {pattern}"),
        Refusal::NotPermitted { .. } => "not permitted".to_owned(),
        Refusal::DependencyDown { dependency, .. } => format!("{dependency}, which it depends on, is down"),
        Refusal::RegistryBroken { diagnostics, .. } => {
            format!("the registry can't be loaded, {} findings", diagnostics.len())
        }
        Refusal::ShuttingDown => "everything is being stopped".to_owned(),
        Refusal::Busy => "too much is going on".to_owned(),
        Refusal::Malformed { detail } => format!("not understood: {detail}"),
        Refusal::Unsupported { what } | Refusal::Internal { what } => what.clone(),
        Refusal::CannotUpgrade { binary, problem } => format!("{binary:?} {}", cannot_upgrade(problem)),
    }
}

/// To follow the name of a binary: why it takes nobody's place.
#[must_use]
pub fn cannot_upgrade(problem: &UpgradeProblem) -> String {
    match problem {
        UpgradeProblem::Unusable { why }
        | UpgradeProblem::Untrusted { why }
        | UpgradeProblem::NotNow { why } => format!("does not take over: {why}"),
        UpgradeProblem::CannotCarryOn { said } => format!("can't carry on: {said}"),
        UpgradeProblem::Silent { seconds } => format!("has said nothing within {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s7proto::name::ComponentName;
    use s7proto::pattern::Pattern;
    use s7proto::signal::Signal;

    fn name(text: &str) -> ComponentName {
        ComponentName::parse(text).unwrap()
    }

    #[test]
    fn a_command_is_one_line_with_everything_that_was_named() {
        let some = Selection::Named(vec![name("is"), name("ps")]);
        let wild = Selection::Matching(vec![Pattern::parse("w-*").unwrap()]);
        let table = [
            (Request::Start(some), "start is ps"),
            (Request::Stop(Selection::All), "stop all"),
            (
                Request::Signal {
                    which: wild,
                    signal: Signal::Hup,
                },
                "signal SIGHUP w-*",
            ),
            (
                Request::Reload {
                    dry_run: false,
                    restart: false,
                },
                "reload without restarts",
            ),
            (Request::Shutdown, "shutdown"),
        ];
        for (request, line) in table {
            assert!(changes(&request), "{line}");
            assert_eq!(words(&request), line);
        }
        assert!(!changes(&Request::Status(Selection::All)));
        let dry_run = Request::Reload {
            dry_run: true,
            restart: true,
        };
        assert!(!changes(&dry_run));
    }

    #[test]
    fn a_result_names_each_component_and_a_refusal_its_reason() {
        let part = |component, outcome| Part {
            component: name(component),
            outcome,
            took_us: 0,
        };
        let refused = Outcome::Refused(Refusal::DependencyDown {
            component: name("ps"),
            dependency: name("is"),
        });
        let parts = vec![part("is", Outcome::AlreadyDown), part("ps", refused)];
        assert_eq!(
            result(&Ok(Done::Operation(parts))),
            "failed (done), is was down, ps refused: is, which it depends on, is down"
        );
        assert_eq!(result(&Err(Refusal::Busy)), "refused: too much is going on");
    }

    #[test]
    fn of_many_refusals_in_a_second_some_are_told_and_the_others_counted() {
        let begun = Instant::now();
        let mut refusals = Refusals::default();
        let first: Vec<(u64, bool)> = (0..REFUSALS + 5).map(|_| refusals.add(begun)).collect();
        assert_eq!(first.iter().filter(|(_, told)| *told).count(), 20);
        assert!(first.iter().all(|(untold, _)| *untold == 0));
        assert_eq!(refusals.add(begun + Duration::from_millis(999)), (0, false));
        assert_eq!(refusals.add(begun + Duration::from_secs(1)), (6, true));
        assert_eq!(refusals.add(begun + Duration::from_secs(9)), (0, true));
    }
}
