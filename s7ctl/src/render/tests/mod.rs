//! Fixed values as text and as JSON: every state, reason, outcome and refusal. Here are the values.

mod checks;
mod dump;
mod event;
mod explain;
mod facts;
mod given_up;
mod info;
mod operation;
mod others;
mod said;
mod screen;
mod status;

use crate::error::{CtlError, Kind};
use crate::render::clock::Clock;
use crate::render::sentence::Asked;
use crate::render::text::Page;
use crate::render::{Facts, View, json, no_supervisor, sentence, text};
use s7proto::endpoint::Endpoint;
use s7proto::name::ComponentName;
use s7proto::overview::{ComponentFact, ComponentFacts, SupervisorFact};
use s7proto::refusal::{Permission, Refusal};
use s7proto::reply::*;
use s7proto::status::*;
use serde_json::{Value, json};

/// 2026-11-22T10:31:05.250Z.
const AT_MS: i64 = 1_795_343_465_250;

fn name(text: &str) -> ComponentName {
    ComponentName::parse(text).unwrap()
}

fn page(width: Option<usize>) -> Page {
    let now = jiff::Timestamp::from_millisecond(AT_MS + 60_000).unwrap();
    Page {
        width,
        colour: false,
        clock: Clock::fixed(now, jiff::tz::TimeZone::UTC),
        shown: Vec::new(),
    }
}

fn as_text(view: &View) -> String {
    String::from_utf8(text::render(view, &page(None))).unwrap()
}

fn as_json(view: &View) -> Value {
    let text = json::render(view, &Clock::for_programs());
    assert!(
        text.ends_with("}\n") && text.lines().count() == 1,
        "one object on one line: {text}"
    );
    serde_json::from_str(&text).unwrap()
}

fn ended(exit: Exit, cause: EndCause) -> ExitReport {
    ExitReport {
        exit,
        cause,
        at_ms: AT_MS,
        lasted_us: 200_000,
    }
}

fn signal(name: &str, core: bool) -> Exit {
    Exit::Signal {
        name: name.into(),
        core,
    }
}

fn crashed() -> ExitReport {
    ended(Exit::Code(1), EndCause::Crashed)
}

fn component(id: &str, state: State) -> ComponentStatus {
    ComponentStatus {
        id: name(id),
        description: String::new(),
        tier: 1,
        wish: Wish::Up,
        state,
        health: Health::None,
        pid: None,
        run: 0,
        uptime_us: None,
        restarts: 0,
        memory_bytes: None,
        cpu_percent: None,
        last_exit: None,
        next_try_us: None,
        reason: None,
        output_dropped_bytes: 0,
    }
}

fn running(id: &str) -> ComponentStatus {
    ComponentStatus {
        description: "Image server".into(),
        health: Health::Healthy,
        pid: Some(4121),
        run: 3,
        uptime_us: Some(3_723_500_000),
        restarts: 2,
        memory_bytes: Some(512 << 20),
        cpu_percent: Some(3.25),
        last_exit: Some(ended(
            Exit::Signal {
                name: "SIGKILL".into(),
                core: false,
            },
            EndCause::Crashed,
        )),
        ..component(id, State::Running)
    }
}

fn report(components: Vec<ComponentStatus>) -> StatusReport {
    StatusReport {
        supervisor: SupervisorStatus {
            pid: 812,
            version: "0.1.0".into(),
            uptime_us: 90_250_000,
            registry: "/opt/s7/conf/SupervisorRegistry.xml".into(),
            containment: "group".into(),
            state_not_persisted: None,
        },
        components,
    }
}

fn status(components: Vec<ComponentStatus>, named: bool) -> View {
    View::Status {
        facts: Facts::default(),
        report: report(components),
        named,
    }
}

fn operation(parts: Vec<Part>) -> View {
    let asked = Asked::Change;
    View::Operation { asked, parts }
}

fn part(id: &str, outcome: Outcome) -> Part {
    Part {
        component: name(id),
        outcome,
        took_us: 310_000,
    }
}

fn spawn_failure() -> SpawnFailure {
    SpawnFailure {
        stage: SpawnStage::ChangingDirectory,
        subject: "/srv/ps".into(),
        os_error: Some(2),
        cause: "No such file or directory".into(),
        host_fault: false,
    }
}

const RUN: RunInfo = RunInfo { run: 4, pid: 4188 };
