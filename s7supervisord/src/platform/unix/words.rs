//! Signals and exits, between the system's numbers and the names that people know.

use crate::registry::plan::StopSignal;
use rustix::process::{Signal, WaitIdStatus};
use s7proto::status::Exit;

/// How a process ended.
pub fn exit_of(status: &WaitIdStatus) -> Exit {
    if let Some(code) = status.exit_status() {
        return Exit::Code(code);
    }
    match status.terminating_signal() {
        Some(number) => Exit::Signal {
            name: signal_name(number),
            core: status.dumped(),
        },
        None => Exit::Unknown,
    }
}

/// The same from a number as wait(2) gives it.
pub fn exit_of_wait(status: i32) -> Exit {
    if libc::WIFEXITED(status) {
        Exit::Code(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Exit::Signal {
            name: signal_name(libc::WTERMSIG(status)),
            core: libc::WCOREDUMP(status),
        }
    } else {
        Exit::Unknown
    }
}

/// The name of a signal as people know it.
#[must_use]
pub fn signal_name(number: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let index = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1));
    match index.and_then(|index| NAMES.get(index)) {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {number}"),
    }
}

/// The signal that a client names.
pub fn asked_signal(signal: s7proto::signal::Signal) -> Signal {
    use s7proto::signal::Signal as Asked;
    match signal {
        Asked::Hup => Signal::HUP,
        Asked::Int => Signal::INT,
        Asked::Quit => Signal::QUIT,
        Asked::Abrt => Signal::ABORT,
        Asked::Kill => Signal::KILL,
        Asked::Usr1 => Signal::USR1,
        Asked::Usr2 => Signal::USR2,
        Asked::Alrm => Signal::ALARM,
        Asked::Term => Signal::TERM,
        Asked::Cont => Signal::CONT,
        Asked::Stop => Signal::STOP,
        Asked::Tstp => Signal::TSTP,
        Asked::Ttin => Signal::TTIN,
        Asked::Ttou => Signal::TTOU,
        Asked::Winch => Signal::WINCH,
    }
}

/// The signal that a registry names.
pub fn unix_signal(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Hup => Signal::HUP,
        StopSignal::Usr1 => Signal::USR1,
        StopSignal::Usr2 => Signal::USR2,
        StopSignal::Winch => Signal::WINCH,
        StopSignal::Kill => Signal::KILL,
    }
}
