//! Every state × everything that can happen, written down in `table.txt`.
//!
//! Each block is a state, reached by driving the machine; each line what happens, the state after it with its phase, and
//! what follows. What changes nothing is named in one line at the end of the block. The lists of states and happenings
//! are chains of exhaustive matches: a new `Life`, `Phase`, `Event` or `Command` doesn't compile until it has its place.
//! `WRITE_TABLE=1` writes the file anew; what has changed in it is then to be read against the design.

use super::desk::{Desk, failure, policy};
use super::states::{STATES, WEB, Way, alter, reload, web};
use crate::machine::effect::Effect;
use crate::machine::input::{Change, Command, Event, NoteFrom, Policy, Remembered, RunId, Verdict};
use crate::machine::life::{Cause, Life, Phase, Unwell};
use crate::machine::moment::Moment;
use s7proto::status::{Actor, Exit, Health, Wish};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

/// Something that can happen to `WEB`.
#[derive(Debug, Clone)]
enum Happening {
    Event(Event),
    Timer,
    Command(Command),
    /// `Shutdown`, then `Hurry`.
    Hurry,
}

/// The happening after this one in the table. A new event or command doesn't compile until it has a place here.
fn next(after: &Happening) -> Option<Happening> {
    use Happening::{Command as C, Event as E, Timer};
    Some(match after {
        E(Event::Spawned { .. }) => E(Event::SpawnFailed(failure(false))),
        E(Event::SpawnFailed(what)) if !what.host_fault => E(Event::SpawnFailed(failure(true))),
        E(Event::SpawnFailed(_)) => E(Event::Exited(Exit::Code(0))),
        E(Event::Exited(Exit::Code(0))) => E(Event::Exited(Exit::Code(1))),
        E(Event::Exited(_)) => E(Event::Emptied),
        E(Event::Emptied) => E(Event::Survivors(2)),
        E(Event::Survivors(_)) => E(Event::CannotAsk),
        E(Event::CannotAsk) => E(Event::Noticed(NoteFrom::Ready)),
        E(Event::Noticed(note)) => match note {
            NoteFrom::Ready => E(Event::Noticed(NoteFrom::Alive)),
            NoteFrom::Alive => E(Event::Noticed(NoteFrom::AliveEvery(Duration::from_secs(5)))),
            NoteFrom::AliveEvery(_) => E(Event::Noticed(NoteFrom::MoreTime(Duration::from_secs(300)))),
            NoteFrom::MoreTime(_) => E(Event::Noticed(NoteFrom::Trouble)),
            NoteFrom::Trouble => E(Event::Noticed(NoteFrom::Stopping)),
            NoteFrom::Stopping => E(Event::Noticed(NoteFrom::Unheard)),
            NoteFrom::Unheard => E(Event::Noticed(NoteFrom::HeardAgain)),
            NoteFrom::HeardAgain => E(checked(Verdict::Well)),
        },
        E(Event::Checked { verdict, .. }) => match verdict {
            Verdict::Well => E(checked(Verdict::Ill)),
            Verdict::Ill => E(checked(Verdict::TimedOut { late: Duration::ZERO })),
            Verdict::TimedOut { .. } => E(checked(Verdict::Unsure)),
            Verdict::Unsure => E(checked(Verdict::NotMade)),
            Verdict::NotMade => E(Event::Matched),
        },
        E(Event::Matched) => E(Event::TooMuchMemory),
        E(Event::TooMuchMemory) => E(Event::KilledForMemory),
        E(Event::KilledForMemory) => E(Event::Diagnosed),
        E(Event::Diagnosed) => E(Event::OutOfMemory),
        E(Event::OutOfMemory) => Timer,
        Timer => C(Command::Boot(Vec::new(), None)),
        C(Command::Boot(_, Some(_))) => C(Command::Start(vec![WEB])),
        C(Command::Boot(remembered, None)) => match remembered[..] {
            [] => C(boot(Wish::Down)),
            [Remembered { wish: Wish::Down, .. }] => C(boot(Wish::Up)),
            _ => C(Command::Boot(Vec::new(), Some((Actor::Uid(0), 0)))),
        },
        C(Command::Start(_)) => C(Command::StartAll),
        C(Command::StartAll) => C(Command::Stop(vec![WEB])),
        C(Command::Stop(_)) => C(Command::StopAll),
        C(Command::StopAll) => C(Command::Restart(vec![WEB])),
        C(Command::Restart(_)) => C(Command::RestartAll),
        C(Command::RestartAll) => C(reload(Change::Add(web()))),
        C(Command::Reload { changes, .. }) => match changes[..] {
            [Change::Add(_)] => C(reload(Change::Remove(WEB))),
            [Change::Remove(_)] => C(alter(web())),
            [Change::Alter { needs_run: false, .. }] => C(reload(Change::Alter {
                slot: WEB,
                policy: web(),
                needs_run: true,
            })),
            _ => C(Command::Shutdown),
        },
        C(Command::Shutdown) => C(Command::Hurry),
        C(Command::Hurry) => Happening::Hurry,
        Happening::Hurry => return None,
    })
}

/// The end of a check of `WEB`'s run; its number is put in when it happens.
fn checked(verdict: Verdict) -> Event {
    Event::Checked { number: 0, verdict }
}

fn happening_in_words(happening: &Happening) -> String {
    match happening {
        Happening::Event(Event::SpawnFailed(what)) if what.host_fault => "SpawnFailed, host".to_owned(),
        Happening::Event(Event::SpawnFailed(_)) => "SpawnFailed".to_owned(),
        Happening::Event(Event::Exited(Exit::Code(code))) => format!("Exited {code}"),
        Happening::Event(Event::Noticed(note)) => format!("Noticed {}", first_word(note)),
        Happening::Event(Event::Checked { verdict, .. }) => format!("Checked {}", first_word(verdict)),
        Happening::Event(event) => first_word(event),
        Happening::Timer => "timer".to_owned(),
        Happening::Hurry => "shutdown, hurry".to_owned(),
        Happening::Command(Command::Reload { changes, .. }) => match changes[..] {
            [Change::Alter { needs_run: true, .. }] => "reload, new run".to_owned(),
            [ref change] => format!("reload, {}", first_word(change).to_lowercase()),
            _ => unreachable!("the table reloads one change at a time"),
        },
        Happening::Command(Command::Boot(_, Some(_))) => "boot, all was stopped".to_owned(),
        Happening::Command(Command::Boot(remembered, None)) => match remembered[..] {
            [Remembered { wish, .. }] => format!("boot, was wished {wish:?}").to_lowercase(),
            _ => "boot".to_owned(),
        },
        Happening::Command(command) => format!("command {}", first_word(command)),
    }
}

/// The first command of a daemon, when an earlier one has noted a wish for `WEB`.
fn boot(wish: Wish) -> Command {
    let remembered = Remembered {
        slot: WEB,
        wish,
        who: Actor::Uid(0),
        at_ms: 0,
        overruled: false,
    };
    Command::Boot(vec![remembered], None)
}

fn first_word(of: &impl std::fmt::Debug) -> String {
    let text = format!("{of:?}");
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    text[..end].to_owned()
}

/// The state of `WEB` with everything that tells it from others: the state's name, its phase, the wish and what is shown.
fn place(desk: &Desk) -> String {
    let Some(shown) = desk.state(WEB) else {
        return "forgotten".to_owned();
    };
    let component = desk.fleet.component(WEB);
    let life = match &component.life {
        Life::Stopped => "Stopped".to_owned(),
        Life::Waiting if component.parked => "Waiting for its tier".to_owned(),
        Life::Waiting => "Waiting for a dependency".to_owned(),
        Life::Spawning { overdue_at: None } => "Spawning, overdue".to_owned(),
        Life::Spawning { .. } if component.wish == Wish::Down => "Spawning, not wished".to_owned(),
        Life::Spawning { .. } => "Spawning".to_owned(),
        Life::Starting { ready_at: None } => "Starting, ready when told".to_owned(),
        Life::Starting { .. } => "Starting, ready when old enough".to_owned(),
        Life::Running { stable_at: None, .. } => "Running, row over".to_owned(),
        Life::Running { .. } => "Running".to_owned(),
        Life::Ending(ending) => {
            let cause = match ending.cause {
                Cause::Itself => "by itself",
                Cause::Asked => "as asked",
                Cause::Unwell(Unwell::Checks) => "as hung",
                Cause::Unwell(Unwell::Startup) => "as not ready",
                Cause::Unwell(Unwell::Watchdog) => "as silent",
                Cause::Unwell(Unwell::Trouble) => "in trouble",
                Cause::Unwell(Unwell::Output) => "as matched",
                Cause::TooMuchMemory => "too large",
                Cause::DependencyLost => "with its dependency",
                Cause::Unseen => "unseen",
            };
            let phase = match ending.phase {
                Phase::Asked { .. } => "asked".to_owned(),
                Phase::Diagnosing { .. } => "diagnosing".to_owned(),
                Phase::Killing { tries, .. } => format!("killing {tries}"),
                Phase::Stuck { .. } => "stuck".to_owned(),
            };
            let alone = matches!(ending.cause, Cause::Itself | Cause::Unseen);
            let gone = ending.report.is_some() && !alone;
            let gone = if gone { ", first process gone" } else { "" };
            let up = component.wish == Wish::Up && ending.cause == Cause::Asked;
            let up = if up { ", wished up" } else { "" };
            format!("Ending {cause}, {phase}{gone}{up}")
        }
        Life::Backoff { .. } => "Backoff".to_owned(),
        Life::Exited => "Exited".to_owned(),
        Life::Fatal => "Fatal".to_owned(),
    };
    let alive = matches!(component.life, Life::Starting { .. } | Life::Running { .. });
    let checks = alive && component.checks.is_under_way();
    let checks = if checks { ", check under way" } else { "" };
    let parked = component.parked && !matches!(component.life, Life::Waiting);
    let parked = if parked { " (parked)" } else { "" };
    let unwell = component.health == Health::Unhealthy;
    let unwell = if unwell { " (unhealthy)" } else { "" };
    let left = match &component.life {
        Life::Ending(ending) if ending.survivors > 0 => format!(" ({} left)", ending.survivors),
        _ => String::new(),
    };
    format!("{life}{checks}{parked}{unwell}{left} = {}", shown.name())
}

fn desk_in(way: Way) -> Desk {
    let gate = Policy {
        ready_after: None,
        ..policy()
    };
    let mut desk = Desk::new(vec![("web", web()), ("gate", gate)]);
    // For the one that a reload adds.
    desk.names.push("added".to_owned());
    way(&mut desk);
    desk
}

/// Only what is about `WEB` and about the command itself; `gate` has its own rows in its own life.
fn about_web(desk: &Desk, effects: Vec<Effect>) -> String {
    let words = desk.words(&effects);
    let ours = |word: &String| word.contains("web") || !(word.contains("gate") || word.contains("added"));
    words.into_iter().filter(ours).collect::<Vec<_>>().join("; ")
}

fn happen(desk: &mut Desk, happening: &Happening) -> Option<Vec<Effect>> {
    // Tickets from 100 on, so that those of the way there are told from the new one.
    desk.tickets = 99;
    Some(match happening {
        Happening::Event(Event::Checked { verdict, .. }) => {
            let number = desk.fleet.component(WEB).checks.begun();
            let verdict = *verdict;
            desk.report(WEB, Event::Checked { number, verdict })
        }
        Happening::Event(event) => desk.report(WEB, event.clone()),
        Happening::Timer => {
            desk.now = desk.fleet.component(WEB).deadline()?;
            desk.tick()
        }
        Happening::Command(command) => desk.order(command.clone()),
        Happening::Hurry => {
            let mut effects = desk.order(Command::Shutdown);
            effects.extend(desk.order(Command::Hurry));
            effects
        }
    })
}

fn happenings() -> Vec<Happening> {
    let first = Happening::Event(Event::Spawned { pid: 11 });
    std::iter::successors(Some(first), next).collect()
}

fn written() -> String {
    let mut table = String::new();
    for &(name, way) in STATES {
        let start = place(&desk_in(way));
        assert_eq!(start.split(" = ").next(), Some(name), "the way leads elsewhere");
        writeln!(table, "{start}").unwrap();
        let mut nothing = Vec::new();
        for happening in happenings() {
            let mut desk = desk_in(way);
            let words = happening_in_words(&happening);
            let Some(effects) = happen(&mut desk, &happening) else {
                writeln!(table, "  {words:<18} there is none").unwrap();
                continue;
            };
            let (end, effects) = (place(&desk), about_web(&desk, effects));
            if end == start && effects.is_empty() {
                nothing.push(words);
                continue;
            }
            let end = if end == start { "stays".to_owned() } else { end };
            writeln!(table, "  {words:<18} {end} | {effects}").unwrap();
        }
        writeln!(table, "  nothing            {}\n", nothing.join(", ")).unwrap();
    }
    table
}

#[test]
fn every_state_answers_everything_as_it_is_written() {
    let written = written();
    if std::env::var_os("WRITE_TABLE").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/machine/tests/table.txt");
        std::fs::write(file, &written).unwrap();
    }
    let told = include_str!("table.txt").replace("\r\n", "\n");
    for (number, (is, told)) in written.lines().zip(told.lines()).enumerate() {
        assert_eq!(
            is,
            told,
            "table.txt, line {}: left is what the machine does",
            number + 1
        );
    }
    assert_eq!(
        written.lines().count(),
        told.lines().count(),
        "table.txt has its length"
    );
}

#[test]
fn every_state_of_a_life_has_its_block() {
    /// A new state or phase doesn't compile until it has a number here, and isn't found until it has a block.
    fn number(life: &Life) -> usize {
        match life {
            Life::Stopped => 0,
            Life::Waiting => 1,
            Life::Spawning { .. } => 2,
            Life::Starting { .. } => 3,
            Life::Running { .. } => 4,
            Life::Backoff { .. } => 5,
            Life::Exited => 6,
            Life::Fatal => 7,
            Life::Ending(ending) => {
                let cause = match ending.cause {
                    Cause::Itself => 8,
                    Cause::Asked => 9,
                    Cause::Unwell(_) => 10,
                    Cause::Unseen => 11,
                    Cause::TooMuchMemory => 12,
                    Cause::DependencyLost => 13,
                };
                cause
                    + 6 * match ending.phase {
                        Phase::Asked { .. } => 0,
                        Phase::Diagnosing { .. } => 1,
                        Phase::Killing { .. } => 2,
                        Phase::Stuck { .. } => 3,
                    }
            }
        }
    }
    let found: BTreeSet<usize> = STATES
        .iter()
        .map(|(_, way)| number(&desk_in(*way).fleet.component(WEB).life))
        .collect();
    // What has ended unseen has nobody to ask, for whatever: these don't exist.
    let nobody_to_ask = [11, 17];
    let all: BTreeSet<usize> = (0..=31)
        .filter(|number| !nobody_to_ask.contains(number))
        .collect();
    assert_eq!(found, all);
}

#[test]
fn an_event_of_another_run_changes_nothing_in_any_state() {
    for &(name, way) in STATES {
        for happening in happenings() {
            let Happening::Event(event) = happening else {
                continue;
            };
            for run in [0, 2, u64::MAX] {
                let mut desk = desk_in(way);
                let before = format!("{:?}", desk.fleet);
                let effects = desk.report_of(RunId { slot: WEB, run }, event.clone());
                assert_eq!(effects, [], "{name}: {event:?} of run {run}");
                assert_eq!(
                    format!("{:?}", desk.fleet),
                    before,
                    "{name}: {event:?} of run {run}"
                );
            }
        }
    }
}

#[test]
fn a_tick_before_the_time_changes_nothing_in_any_state() {
    for &(name, way) in STATES {
        let mut desk = desk_in(way);
        if let Some(due) = desk.fleet.next_deadline() {
            desk.now = Moment::from_micros(due.as_micros() - 1).max(desk.now);
        } else {
            desk.now = desk.now + Duration::from_secs(1_000_000);
        }
        let before = format!("{:?}", desk.fleet);
        assert_eq!(desk.tick(), [], "{name}");
        assert_eq!(format!("{:?}", desk.fleet), before, "{name}");
    }
}
