//! Events: as a list, and one by one as they happen.

use super::status::{Component, Supervisor, component, supervisor};
use super::{LastExit, last_exit, print, reason_code};
use crate::render::clock::{Clock, rfc3339};
use crate::render::event::words;
use s7proto::event::{DumpReason, Event, Happening, Remains};
use s7proto::status::{Actor, StatusReport};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Events {
    events: Vec<Happened>,
}

pub(super) fn events(events: &[Event], clock: &Clock) -> Events {
    Events {
        events: events.iter().map(|event| of(event, clock)).collect(),
    }
}

/// One event. `event` names its kind and decides which fields come behind the first ones.
#[derive(Serialize)]
pub(super) struct Happened {
    sequence: u64,
    at: Option<String>,
    component: Option<String>,
    #[serde(flatten)]
    what: What,
    message: String,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum What {
    Entered {
        state: &'static str,
        run: Option<u64>,
        pid: Option<u32>,
        reason_code: Option<&'static str>,
    },
    Ended {
        run: u64,
        exit: LastExit,
    },
    Asked {
        who: Who,
        verb: String,
        about: Vec<String>,
    },
    Signalled {
        signal: &'static str,
        who: Who,
        run: u64,
    },
    RegistryLoaded {
        changed: u32,
    },
    RegistryRefused {
        errors: u32,
    },
    TierForced {
        tier: i32,
        laggards: Vec<String>,
    },
    Forgotten {},
    LeftOver {
        run: u64,
        gone: bool,
    },
    Health {
        healthy: bool,
        /// Null where it is well, or where an older supervisor doesn't say.
        run: Option<u64>,
        detail: Option<String>,
    },
    Adopted {
        run: u64,
        pid: u32,
    },
    TookOver {
        replaced: Option<String>,
        adopted: u32,
    },
    RegistryStale {
        errors: u32,
    },
    Matched {
        run: u64,
        action: &'static str,
        line: String,
        times: u64,
    },
    Dumped {
        run: u64,
        file: String,
        from: u64,
        to: u64,
        why: &'static str,
        who: Option<Who>,
    },
    Found {
        run: u64,
        remains: Vec<Remain>,
    },
}

#[derive(Serialize)]
struct Remain {
    kind: &'static str,
    file: Option<String>,
    bytes: Option<u64>,
    line: Option<String>,
}

fn remain(remains: &Remains) -> Remain {
    let of_file = |kind, file: &String, bytes: &u64| Remain {
        kind,
        file: Some(file.clone()),
        bytes: Some(*bytes),
        line: None,
    };
    match remains {
        Remains::OutOfJavaMemory(line) => Remain {
            kind: "out_of_java_memory",
            file: None,
            bytes: None,
            line: Some(line.clone()),
        },
        Remains::HeapDump { file, bytes } => of_file("heap_dump", file, bytes),
        Remains::ErrorReport { file, bytes } => of_file("error_report", file, bytes),
        Remains::More { folder, .. } => Remain {
            kind: "more",
            file: Some(folder.clone()),
            bytes: None,
            line: None,
        },
    }
}

fn dump_reason(why: &DumpReason) -> (&'static str, Option<Who>) {
    match why {
        DumpReason::AskedBy(actor) => ("asked", Some(who(actor))),
        DumpReason::StopTimeout => ("stop_timeout", None),
        DumpReason::Hung => ("hung", None),
        DumpReason::Output => ("output", None),
    }
}

/// Both null: the supervisor itself.
#[derive(Serialize)]
struct Who {
    uid: Option<u32>,
    sid: Option<String>,
}

fn who(actor: &Actor) -> Who {
    let (uid, sid) = match actor {
        Actor::Uid(uid) => (Some(*uid), None),
        Actor::Sid(sid) => (None, Some(sid.clone())),
        Actor::Supervisor => (None, None),
    };
    Who { uid, sid }
}

pub(super) fn of(event: &Event, clock: &Clock) -> Happened {
    let what = match &event.what {
        Happening::Entered {
            state,
            run,
            pid,
            reason,
        } => What::Entered {
            state: state.name(),
            run: (*run > 0).then_some(*run),
            pid: *pid,
            reason_code: reason.as_ref().map(reason_code),
        },
        Happening::Ended { run, report } => What::Ended {
            run: *run,
            exit: last_exit(report),
        },
        Happening::Asked {
            who: actor,
            verb,
            about,
        } => What::Asked {
            who: who(actor),
            verb: verb.clone(),
            about: about.clone(),
        },
        Happening::Signalled {
            signal,
            who: actor,
            run,
        } => What::Signalled {
            signal: signal.name(),
            who: who(actor),
            run: *run,
        },
        Happening::RegistryLoaded { changed } => What::RegistryLoaded { changed: *changed },
        Happening::RegistryRefused { errors } => What::RegistryRefused { errors: *errors },
        Happening::TierForced { tier, laggards } => What::TierForced {
            tier: *tier,
            laggards: laggards.iter().map(ToString::to_string).collect(),
        },
        Happening::Forgotten => What::Forgotten {},
        Happening::LeftOver { run, gone } => What::LeftOver {
            run: *run,
            gone: *gone,
        },
        Happening::Health(healthy) => What::Health {
            healthy: *healthy,
            run: None,
            detail: None,
        },
        Happening::Unresponsive { run, detail } => What::Health {
            healthy: false,
            run: Some(*run),
            detail: Some(detail.clone()),
        },
        Happening::Adopted { run, pid } => What::Adopted { run: *run, pid: *pid },
        Happening::TookOver { replaced, adopted } => What::TookOver {
            replaced: replaced.clone(),
            adopted: *adopted,
        },
        Happening::RegistryStale { errors } => What::RegistryStale { errors: *errors },
        Happening::Matched {
            run,
            action,
            line,
            times,
        } => What::Matched {
            run: *run,
            action: action.name(),
            line: line.clone(),
            times: *times,
        },
        Happening::Dumped {
            run,
            file,
            from,
            to,
            why,
        } => {
            let (why, who) = dump_reason(why);
            What::Dumped {
                run: *run,
                file: file.clone(),
                from: *from,
                to: *to,
                why,
                who,
            }
        }
        Happening::Found { run, remains } => What::Found {
            run: *run,
            remains: remains.iter().map(remain).collect(),
        },
    };
    Happened {
        sequence: event.sequence,
        at: rfc3339(event.at_ms),
        component: event.component.as_ref().map(ToString::to_string),
        what,
        message: words(event, clock),
    }
}

/// One event of a stream, as an object and a newline.
#[must_use]
pub fn happened(event: &Event, clock: &Clock) -> String {
    print(&of(event, clock))
}

/// What is, at the beginning of a stream: every event with a greater number than `sequence` changes it.
#[must_use]
pub fn snapshot(sequence: u64, report: &StatusReport, clock: &Clock) -> String {
    #[derive(Serialize)]
    struct Snapshot {
        event: &'static str,
        sequence: u64,
        supervisor: Supervisor,
        components: Vec<Component>,
    }
    print(&Snapshot {
        event: "snapshot",
        sequence,
        supervisor: supervisor(&report.supervisor, &[]),
        components: report
            .components
            .iter()
            .map(|one| component(one, None, clock))
            .collect(),
    })
}

/// So many events were passed over here.
#[must_use]
pub fn missed(events: u64) -> String {
    #[derive(Serialize)]
    struct Missed {
        event: &'static str,
        events: u64,
    }
    print(&Missed {
        event: "missed",
        events,
    })
}
