//! One message for every variant that can go over the wire, with a name for its file.

use super::{long_samples, newer_samples};
use crate::name::ComponentName;
use crate::pattern::Pattern;
use crate::refusal::{Permission, Refusal};
use crate::reply::*;
use crate::request::{Request, Selection};
use crate::status::*;

pub fn requests() -> Vec<(String, Request)> {
    let named = Selection::Named(vec![name("is"), name("text-1")]);
    [
        ("status", Request::Status(Selection::All)),
        ("start", Request::Start(named.clone())),
        ("stop", Request::Stop(named.clone())),
        ("restart", Request::Restart(Selection::All)),
        (
            "reload",
            Request::Reload {
                dry_run: true,
                restart: false,
            },
        ),
        (
            "logs",
            Request::Logs {
                which: named,
                lines: 10_000,
            },
        ),
        ("check", Request::Check { strict: true }),
        ("shutdown", Request::Shutdown),
        ("restart-supervisor", Request::RestartSupervisor),
        ("version", Request::Version),
    ]
    .map(|(file, request)| (file.to_owned(), request))
    .into_iter()
    .chain(long_samples::requests())
    .chain(newer_samples::requests())
    .map(|(file, request)| (format!("request.{file}"), request))
    .collect()
}

pub fn responses() -> Vec<(String, Response)> {
    let entered = states().into_iter().map(|state| {
        let file = format!("notice.entered.{}", state.name().to_lowercase());
        let component = name("is");
        (file, Response::Notice(Notice::Entered { component, state }))
    });
    let finished = Response::Notice(Notice::Finished(part(Outcome::AlreadyDown)));
    let outcomes = outcomes().into_iter().map(|(file, outcome)| {
        let done = Done::Operation(vec![part(outcome)]);
        (format!("done.operation.{file}"), Response::Done(done))
    });
    let stages = stages().into_iter().map(|(file, stage)| {
        let outcome = Outcome::FailedSpawn(SpawnFailure {
            stage,
            ..spawn_failure()
        });
        let done = Done::Operation(vec![part(outcome)]);
        (
            format!("done.operation.failed-spawn.{file}"),
            Response::Done(done),
        )
    });
    let exits = exits().into_iter().map(|(file, report)| {
        let done = Done::Operation(vec![part(Outcome::Stopped(report))]);
        (format!("done.operation.exit.{file}"), Response::Done(done))
    });
    let refusals = refusals()
        .into_iter()
        .chain(newer_samples::refusals())
        .map(|(file, refusal)| (format!("refused.{file}"), Response::Refused(refusal)));
    let reasons = reasons().into_iter().map(|(file, reason)| {
        let component = ComponentStatus {
            reason: Some(reason),
            ..component()
        };
        let done = Done::Status(StatusReport {
            supervisor: supervisor(),
            components: vec![component],
        });
        (format!("done.status.reason.{file}"), Response::Done(done))
    });
    let notices = long_samples::notices()
        .into_iter()
        .chain(newer_samples::notices())
        .map(|(file, notice)| (format!("notice.{file}"), Response::Notice(notice)));
    let done = dones()
        .into_iter()
        .chain(long_samples::dones())
        .chain(newer_samples::dones())
        .map(|(file, done)| (format!("done.{file}"), Response::Done(done)));
    std::iter::once(("notice.finished".to_owned(), finished))
        .chain(entered)
        .chain(notices)
        .chain(done)
        .chain(outcomes)
        .chain(stages)
        .chain(exits)
        .chain(reasons)
        .chain(refusals)
        .map(|(file, response)| (format!("response.{file}"), response))
        .collect()
}

pub fn name(text: &str) -> ComponentName {
    ComponentName::parse(text).unwrap()
}

fn part(outcome: Outcome) -> Part {
    Part {
        component: name("ps"),
        outcome,
        took_us: 310_000,
    }
}

pub fn report() -> ExitReport {
    ExitReport {
        exit: Exit::Code(-1),
        cause: EndCause::Crashed,
        at_ms: 1_795_343_465_250,
        lasted_us: 200_000,
    }
}

pub fn spawn_failure() -> SpawnFailure {
    SpawnFailure {
        stage: SpawnStage::Executing,
        subject: "/srv/ps".into(),
        os_error: Some(2),
        cause: "No such file or directory".into(),
        host_fault: false,
    }
}

pub fn supervisor() -> SupervisorStatus {
    SupervisorStatus {
        pid: 812,
        version: "0.1.0".into(),
        uptime_us: 90_250_000,
        registry: "/opt/s7/conf/SupervisorRegistry.xml".into(),
        containment: "group".into(),
        state_not_persisted: None,
    }
}

pub fn component() -> ComponentStatus {
    ComponentStatus {
        id: name("ps"),
        description: "Plattform-Server für Bilder".into(),
        tier: -1,
        wish: Wish::Up,
        state: State::Running,
        health: Health::Healthy,
        pid: Some(4121),
        run: 3,
        uptime_us: Some(3_723_500_000),
        restarts: 2,
        memory_bytes: Some(536_870_912),
        cpu_percent: Some(3.25),
        last_exit: Some(report()),
        next_try_us: Some(3_800_000),
        reason: None,
        output_dropped_bytes: 70_000,
    }
}

fn states() -> Vec<State> {
    vec![
        State::Stopped,
        State::Waiting,
        State::Starting,
        State::Running,
        State::Stopping,
        State::Backoff,
        State::Exited,
        State::Fatal,
        State::Stuck,
    ]
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    let run = RunInfo { run: 4, pid: 4188 };
    vec![
        ("started", Outcome::Started(run)),
        ("already-up", Outcome::AlreadyUp(run)),
        ("completed", Outcome::Completed(report())),
        ("stopped", Outcome::Stopped(report())),
        ("already-down", Outcome::AlreadyDown),
        (
            "restarted",
            Outcome::Restarted {
                before: Some(RunInfo { run: 3, pid: 4121 }),
                after: run,
            },
        ),
        ("failed-run", Outcome::FailedRun(report())),
        ("failed-spawn", Outcome::FailedSpawn(spawn_failure())),
        ("unkillable", Outcome::Unkillable),
        ("superseded", Outcome::Superseded),
        ("refused", Outcome::Refused(Refusal::Busy)),
        ("signalled", Outcome::Signalled(run)),
        ("not-running", Outcome::NotRunning),
        ("failed", Outcome::Failed("EPERM".into())),
    ]
}

fn stages() -> Vec<(&'static str, SpawnStage)> {
    vec![
        ("looking-up-user", SpawnStage::LookingUpUser),
        ("preparing-output", SpawnStage::PreparingOutput),
        ("creating-process", SpawnStage::CreatingProcess),
        ("recording", SpawnStage::Recording),
        ("creating-session", SpawnStage::CreatingSession),
        ("setting-limits", SpawnStage::SettingLimits),
        ("setting-group", SpawnStage::SettingGroup),
        ("setting-user", SpawnStage::SettingUser),
        ("changing-directory", SpawnStage::ChangingDirectory),
        ("connecting-output", SpawnStage::ConnectingOutput),
        ("executing", SpawnStage::Executing),
        ("checking-port", SpawnStage::CheckingPort),
    ]
}

fn exits() -> Vec<(&'static str, ExitReport)> {
    let with = |exit, cause| ExitReport {
        exit,
        cause,
        ..report()
    };
    let killed = Exit::Signal {
        name: "SIGKILL".into(),
        core: true,
    };
    vec![
        ("code-crashed", with(Exit::Code(-1), EndCause::Crashed)),
        ("code-finished", with(Exit::Code(0), EndCause::Finished)),
        ("unknown-requested", with(Exit::Unknown, EndCause::Requested)),
        (
            "signal-killed-after-timeout",
            with(killed, EndCause::KilledAfterTimeout),
        ),
        ("unknown-unseen", with(Exit::Unknown, EndCause::Unseen)),
        ("code-out-of-memory", with(Exit::Code(3), EndCause::OutOfMemory)),
        ("code-hung", with(Exit::Code(143), EndCause::Hung)),
        (
            "code-too-much-memory",
            with(Exit::Code(0), EndCause::TooMuchMemory),
        ),
        (
            "code-dependency-lost",
            with(Exit::Code(0), EndCause::DependencyLost),
        ),
        ("code-not-ready", with(Exit::Code(143), EndCause::NotReady)),
        (
            "code-watchdog-missed",
            with(Exit::Code(143), EndCause::WatchdogMissed),
        ),
        ("code-in-trouble", with(Exit::Code(143), EndCause::InTrouble)),
        (
            "code-output-matched",
            with(Exit::Code(143), EndCause::OutputMatched),
        ),
    ]
}

fn refusals() -> Vec<(&'static str, Refusal)> {
    vec![
        (
            "no-such-component",
            Refusal::NoSuchComponent {
                name: name("pd"),
                similar: vec![name("ps"), name("is")],
            },
        ),
        (
            "not-permitted.observe",
            Refusal::NotPermitted {
                uid: Some(1000),
                needed: Permission::Observe,
            },
        ),
        (
            "not-permitted.control",
            Refusal::NotPermitted {
                uid: None,
                needed: Permission::Control,
            },
        ),
        (
            "dependency-down",
            Refusal::DependencyDown {
                component: name("ps"),
                dependency: name("is"),
            },
        ),
        (
            "registry-broken",
            Refusal::RegistryBroken {
                file: "/r.xml".into(),
                diagnostics: diagnostics(),
            },
        ),
        ("shutting-down", Refusal::ShuttingDown),
        ("busy", Refusal::Busy),
        ("malformed", Refusal::Malformed { detail: "d".into() }),
        ("unsupported", Refusal::Unsupported { what: "w".into() }),
        ("internal", Refusal::Internal { what: "w".into() }),
        (
            "no-match",
            Refusal::NoMatch {
                pattern: Pattern::parse("x*").unwrap(),
            },
        ),
    ]
}

pub fn diagnostics() -> Vec<Diagnostic> {
    let one = |severity, hint: Option<&str>| Diagnostic {
        severity,
        file: "/r.xml".into(),
        line: 9,
        column: 300,
        message: "unknown profile".into(),
        hint: hint.map(Into::into),
        rendered: "error: unknown profile\n --> /r.xml:9:300\n".into(),
    };
    vec![
        one(Severity::Error, Some("did you mean Java32?")),
        one(Severity::Warning, None),
    ]
}

fn reasons() -> Vec<(&'static str, Reason)> {
    let stopped = |who| Reason::StoppedBy {
        who,
        at_ms: 1_795_343_465_250,
    };
    vec![
        ("not-auto-started", Reason::NotAutoStarted),
        ("stopped-by.uid", stopped(Actor::Uid(0))),
        ("stopped-by.sid", stopped(Actor::Sid("S-1-5-18".into()))),
        ("stopped-by.supervisor", stopped(Actor::Supervisor)),
        (
            "waiting-for-tier",
            Reason::WaitingForTier {
                tier: 1,
                members: vec![name("is"), name("svg")],
            },
        ),
        ("waiting-for-dependency", Reason::WaitingForDependency(name("is"))),
        (
            "crashed",
            Reason::Crashed {
                in_a_row: 5,
                crash_loop: true,
            },
        ),
        ("spawn-failed", Reason::SpawnFailed(spawn_failure())),
        ("gave-up", Reason::GaveUp { in_a_row: 3 }),
        ("completed", Reason::Completed),
        ("unkillable", Reason::Unkillable { left: 2 }),
        ("needs-restart", Reason::NeedsRestart),
        ("removed", Reason::Removed),
        ("given-up-run", Reason::GivenUpRun(EndCause::WatchdogMissed)),
    ]
}

fn dones() -> Vec<(&'static str, Done)> {
    let health = |health, wish| ComponentStatus {
        health,
        wish,
        ..component()
    };
    let nothing = ComponentStatus {
        pid: None,
        run: 0,
        uptime_us: None,
        memory_bytes: None,
        cpu_percent: None,
        last_exit: None,
        next_try_us: None,
        ..health(Health::None, Wish::Down)
    };
    let status = StatusReport {
        supervisor: SupervisorStatus {
            state_not_persisted: Some("No space left on device".into()),
            ..supervisor()
        },
        components: vec![
            nothing,
            health(Health::Unknown, Wish::Up),
            health(Health::Healthy, Wish::Up),
            health(Health::Unhealthy, Wish::Up),
        ],
    };
    let change = |action| ReloadChange {
        component: name("ps"),
        action,
        fields: vec!["arguments".into()],
    };
    let reload = ReloadReport {
        dry_run: true,
        changes: vec![
            change(ReloadAction::AddedAndStarted),
            change(ReloadAction::Added),
            change(ReloadAction::Removed),
            change(ReloadAction::Restarted),
            change(ReloadAction::NeedsRestart),
            change(ReloadAction::Updated),
            change(ReloadAction::AppliedLive),
        ],
        warnings: diagnostics(),
        parts: vec![part(Outcome::AlreadyDown)],
    };
    let logs = vec![LogTail {
        component: name("is"),
        file: "/logs/is.log".into(),
        bytes: b"one\ntwo\xff\n".to_vec(),
        truncated: true,
        error: Some("e".into()),
    }];
    let check = CheckReport {
        registry: "/r.xml".into(),
        ok: false,
        diagnostics: diagnostics(),
        components: vec![name("is")],
    };
    let version = VersionInfo {
        version: "0.1.0".into(),
        pid: 812,
        registry: "/r.xml".into(),
    };
    vec![
        ("status", Done::Status(status)),
        ("operation", Done::Operation(vec![])),
        ("reload", Done::Reload(reload)),
        ("logs", Done::Logs(logs)),
        ("check", Done::Check(check)),
        ("shut-down", Done::ShutDown(vec![part(Outcome::AlreadyDown)])),
        ("restarting", Done::Restarting(vec![part(Outcome::Superseded)])),
        ("version", Done::Version(version)),
    ]
}
