//! What happens beside requests, read from two bytes each.

use super::registries::plans;
use s7proto::status::{Exit, SpawnFailure, SpawnStage};
use s7supervisord::machine::input::{Event, NoteFrom, Verdict};
use std::time::Duration;

/// What happens beside requests.
#[derive(Debug)]
pub enum Happening {
    /// An event of the run that is `ago` runs before the present one of this component; 255 is the one to come.
    Event { slot: u32, ago: u8, event: Event },
    /// So much time passes, and no timer is looked at meanwhile.
    Leap(Duration),
    /// Timers are served until this has passed.
    Pass(Duration),
    /// The registry on the disk is another one.
    Write(usize),
    /// The supervisor itself is asked to stop, once more.
    Signal,
}

impl Happening {
    /// Seven bits for what, and a byte for the rest.
    pub fn read(kind: u8, rest: u8) -> Self {
        let (slot, ago) = (
            u32::from(rest & 0x0f),
            [0, 0, 0, 0, 0, 0, 1, 255][usize::from(rest >> 5)],
        );
        let event = match kind & 0x0f {
            0 => Event::Spawned {
                pid: u32::from(rest) + 1,
            },
            1 => Event::SpawnFailed(failure(true)),
            2 => Event::SpawnFailed(failure(false)),
            3 => Event::Exited(Exit::Code(i32::from(kind >> 4) - 1)),
            4 => Event::Exited(Exit::Signal {
                name: "SIGKILL".to_owned(),
                core: false,
            }),
            5 => Event::Emptied,
            6 => Event::Survivors(u32::from(kind >> 4)),
            7 => Event::CannotAsk,
            8 => Event::Noticed(NoteFrom::Ready),
            9 => Event::Checked {
                number: u64::from(kind >> 5),
                verdict: if kind & 0x10 == 0 {
                    Verdict::Well
                } else {
                    Verdict::Ill
                },
            },
            10 => Event::Matched,
            11 => return Self::Leap(Duration::from_millis(u64::from(rest) << (kind >> 3 & 0x0e))),
            12 | 13 => return Self::Pass(Duration::from_millis(u64::from(rest) << (kind >> 3 & 0x0e))),
            14 => return Self::Write(usize::from(rest) % plans().len()),
            _ => return Self::Signal,
        };
        Self::Event { slot, ago, event }
    }
}

fn failure(host_fault: bool) -> SpawnFailure {
    SpawnFailure {
        stage: SpawnStage::Executing,
        subject: "/s7/bin/x".to_owned(),
        os_error: Some(11),
        cause: "pretended".to_owned(),
        host_fault,
    }
}
