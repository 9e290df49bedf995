//! The words of the stories: events, reloads, policies and times.

use super::desk::{Desk, failure, killed_from_outside, policy};
use crate::machine::input::{
    Change, CheckPolicy, Command, Event, Fate, Legacy, Loss, NoteFrom, NotifyPolicy, Policy, Restart, Slot,
    Told, Verdict,
};
use crate::machine::moment::Moment;
use s7proto::status::{EndCause, Exit, ExitReport};
use std::time::Duration;

/// What an earlier daemon has left of a component.
pub fn legacy(run: u64, fate: &str, known: &[&str]) -> Option<Legacy> {
    let fate = match fate {
        "lives" => Fate::Lives { pid: 99, asked: None },
        "unseen" => Fate::Unseen {
            pid: 99,
            asked: false,
        },
        "unseen-asked" => Fate::Unseen { pid: 99, asked: true },
        "over" => Fate::Over,
        "exited" => Fate::Exited,
        "fatal" => Fate::Fatal,
        _ => return None,
    };
    let mut legacy = Legacy {
        run,
        restarts: 0,
        crashes: 0,
        last_exit: None,
        started: Moment::default(),
        marked: false,
        ready: false,
        missed: true,
        told: None,
        until: None,
        fate,
    };
    for word in known {
        let (name, value) = word.split_once('=')?;
        match (name, &mut legacy.fate) {
            ("since", _) => legacy.started = moment(value, Moment::default()),
            ("asked", Fate::Lives { asked, .. }) => *asked = Some(moment(value, Moment::default())),
            ("until", _) => legacy.until = Some(moment(value, Moment::default())),
            ("ready", _) => legacy.ready = value == "yes",
            ("missed", _) => legacy.missed = value == "yes",
            ("told", _) => {
                legacy.told = Some(Told {
                    notifies: value != "no",
                    watchdog: value.strip_prefix("every:").map(duration),
                });
            }
            ("crashes", _) => legacy.crashes = value.parse().ok()?,
            ("restarts", _) => legacy.restarts = value.parse().ok()?,
            ("last", _) => {
                let cause = match value {
                    "crashed" => EndCause::Crashed,
                    "finished" => EndCause::Finished,
                    "requested" => EndCause::Requested,
                    "unseen" => EndCause::Unseen,
                    _ => return None,
                };
                legacy.last_exit = Some(ExitReport {
                    exit: Exit::Code(1),
                    cause,
                    at_ms: 0,
                    lasted_us: 0,
                });
            }
            _ => return None,
        }
    }
    Some(legacy)
}

pub fn event(words: &[&str]) -> Option<Event> {
    Some(match *words {
        ["spawned"] => Event::Spawned { pid: 100 },
        ["can't", "be", "spawned"] => Event::SpawnFailed(failure(false)),
        ["meets", "a", "host", "fault"] => Event::SpawnFailed(failure(true)),
        ["exits", code] => Event::Exited(Exit::Code(code.parse().ok()?)),
        ["is", "killed"] => Event::Exited(killed_from_outside()),
        ["is", "empty"] => Event::Emptied,
        ["leaves", left] => Event::Survivors(left.parse().ok()?),
        ["can't", "be", "asked"] => Event::CannotAsk,
        ["is", "ready"] => Event::Noticed(NoteFrom::Ready),
        ["is", "matched"] => Event::Matched,
        ["is", "too-large"] => Event::TooMuchMemory,
        ["is", "diagnosed"] => Event::Diagnosed,
        ["signs"] => Event::Noticed(NoteFrom::Alive),
        ["signs", "every", span] => Event::Noticed(NoteFrom::AliveEvery(duration(span))),
        ["needs", span] => Event::Noticed(NoteFrom::MoreTime(duration(span))),
        ["says", "that", "it", "ends"] => Event::Noticed(NoteFrom::Stopping),
        ["is", "killed-for-memory"] => Event::KilledForMemory,
        ["gives", "up"] => Event::Noticed(NoteFrom::Trouble),
        ["is", "unheard"] => Event::Noticed(NoteFrom::Unheard),
        ["is", "heard", "again"] => Event::Noticed(NoteFrom::HeardAgain),
        ["answers", number] => checked(number, Verdict::Well)?,
        ["fails", number] => checked(number, Verdict::Ill)?,
        ["times-out", number, "late", late] => checked(number, Verdict::TimedOut { late: duration(late) })?,
        ["times-out", number] => checked(number, Verdict::TimedOut { late: Duration::ZERO })?,
        ["can't", "be", "checked", number] => checked(number, Verdict::Unsure)?,
        ["isn't", "checked", number] => checked(number, Verdict::NotMade)?,
        ["is", "out-of-memory"] => Event::OutOfMemory,
        _ => return None,
    })
}

fn checked(number: &str, verdict: Verdict) -> Option<Event> {
    let number = number.parse().ok()?;
    Some(Event::Checked { number, verdict })
}

/// `reload [--no-restart]: add web tier=2, remove db, run web …, alter web …`
pub fn reload(desk: &mut Desk, text: &str) -> Option<Command> {
    let (option, changes) = text.split_once(':')?;
    let changes = changes
        .split(',')
        .map(str::trim)
        .filter(|change| !change.is_empty());
    let changes: Vec<(&str, &str)> = changes
        .map(|change| change.split_once(' '))
        .collect::<Option<_>>()?;
    let first_word = |rest: &str| rest.split(' ').next().map(str::to_owned);
    let added = changes.iter().filter(|(verb, _)| *verb == "add");
    desk.names.extend(added.filter_map(|(_, rest)| first_word(rest)));
    let mut list = Vec::new();
    for (verb, rest) in changes {
        let (name, words) = rest.split_once(' ').unwrap_or((rest, ""));
        list.push(match verb {
            "add" => Change::Add(policy_of(words, &desk.names)),
            "remove" => Change::Remove(desk.slot(name)),
            "run" | "alter" => Change::Alter {
                slot: desk.slot(name),
                policy: policy_of(words, &desk.names),
                needs_run: verb == "run",
            },
            _ => return None,
        });
    }
    Some(Command::Reload {
        changes: list,
        restart: option.trim() != "--no-restart",
    })
}

pub fn policy_of(words: &str, names: &[String]) -> Policy {
    let mut policy = policy();
    let slot = |name: &str| {
        let place = names.iter().rposition(|known| known == name).unwrap();
        Slot(u32::try_from(place).unwrap())
    };
    for word in words.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("manual", _) => policy.auto_start = false,
            ("tier", tier) => policy.tier = tier.parse().unwrap(),
            ("ready", "event") => policy.ready_after = None,
            ("ready", span) => policy.ready_after = Some(duration(span)),
            ("stop", span) => policy.stop_timeout = duration(span),
            ("restart", "always") => policy.restart = Restart::Always,
            ("restart", "onFailure") => policy.restart = Restart::OnFailure,
            ("restart", "never") => policy.restart = Restart::Never,
            ("retries", limit) => policy.max_retries = limit.parse().unwrap(),
            ("success", codes) => {
                policy.success = codes.split(',').map(|code| code.parse().unwrap()).collect();
            }
            ("after", on) => policy.depends_on = on.split(',').map(slot).collect(),
            ("minds", losses) => {
                policy.on_loss = losses.split(',').map(|loss| minds(loss, slot)).collect();
                policy.depends_on = policy.on_loss.iter().map(|(on, _)| *on).collect();
            }
            ("health", numbers) => policy.health = Some(check(numbers, true)),
            ("readiness", numbers) => policy.readiness = Some(check(numbers, false)),
            ("notify", _) => {
                policy.notify = Some(NotifyPolicy {
                    startup: Duration::from_secs(90),
                    watchdog: None,
                });
            }
            ("watchdog", span) => policy.notify.as_mut().unwrap().watchdog = Some(duration(span)),
            ("startup", span) => {
                let checks = [&mut policy.health, &mut policy.readiness].into_iter().flatten();
                checks.for_each(|check| check.startup = duration(span));
                policy
                    .notify
                    .iter_mut()
                    .for_each(|notify| notify.startup = duration(span));
            }
            ("successes", count) => {
                let checks = [&mut policy.health, &mut policy.readiness].into_iter().flatten();
                checks.for_each(|check| check.successes = count.parse().unwrap());
            }
            ("asks", what) => {
                let checks = [&mut policy.health, &mut policy.readiness].into_iter().flatten();
                checks.for_each(|check| check.asks = what.parse().unwrap());
            }
            ("first", span) => policy.first_check_after = duration(span),
            ("dump", when) => {
                policy.dump_before_kill = when.contains("kill");
                policy.dump_when_hung = when.contains("hung");
            }
            other => panic!("what is {other:?}?"),
        }
    }
    if policy.health.is_some() || policy.readiness.is_some() || policy.notify.is_some() {
        policy.ready_after = None;
    }
    policy
}

/// `10s/2s/3`: interval, timeout, failures.
fn check(numbers: &str, restarts: bool) -> CheckPolicy {
    let [interval, timeout, failures] = numbers.split('/').collect::<Vec<_>>()[..] else {
        panic!("{numbers:?} are not three");
    };
    CheckPolicy {
        asks: 0,
        interval: duration(interval),
        timeout: duration(timeout),
        failures: failures.parse().unwrap(),
        successes: 1,
        startup: Duration::from_secs(60),
        restarts,
    }
}

/// `db:restart`.
fn minds(loss: &str, slot: impl Fn(&str) -> Slot) -> (Slot, Loss) {
    match loss.split_once(':') {
        Some((on, "restart")) => (slot(on), Loss::Restart),
        Some((on, "stop")) => (slot(on), Loss::Stop),
        _ => panic!("what is {loss:?}?"),
    }
}

pub fn moment(text: &str, now: Moment) -> Moment {
    match text.strip_prefix('+') {
        Some(span) => now + duration(span),
        None => Moment::default() + duration(text),
    }
}

/// `500ms`, `1.5s`, `0`.
fn duration(text: &str) -> Duration {
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    let number: f64 = number
        .parse()
        .unwrap_or_else(|_| panic!("{text:?} is no span of time"));
    Duration::from_micros((number * unit * 1e6).round() as u64)
}
