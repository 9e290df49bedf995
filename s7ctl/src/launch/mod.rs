//! Starting the supervisor itself, detached, and waiting until it answers; and finding its program.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

use crate::connect::{self, Daemon};
use crate::deadline::Deadline;
use crate::error::{CtlError, Kind};
use crate::render::quantity;
use s7proto::endpoint::Endpoint;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The variable that names the supervisor's program.
pub const PROGRAM_VARIABLE: &str = "S7_SUPERVISORD";
/// The variable that names the install folder. The supervisor leaves the current folder, so it is made absolute.
const INSTALL_FOLDER_VARIABLE: &str = "S7_INSTALL_FOLDER";
/// Tells the supervisor that nobody reads its standard error once it answers, so that it needn't write its log there too.
const DETACHED_VARIABLE: &str = "S7_DETACHED";
/// How long a supervisor may take until it answers, where no `--timeout` says otherwise.
pub const UNTIL_IT_ANSWERS: Duration = Duration::from_secs(30);
/// Between two looks whether it answers. Each costs a few microseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How much of what it said before it ended is shown, in bytes.
const TAIL: u64 = 4096;

/// The supervisor's program: [`PROGRAM_VARIABLE`], else the one beside this program.
///
/// # Errors
/// [`Kind::Failed`] where there is none.
pub fn program() -> Result<PathBuf, CtlError> {
    if let Some(named) = std::env::var_os(PROGRAM_VARIABLE).filter(|value| !value.is_empty()) {
        return std::path::absolute(&named).map_err(|error| {
            let message = format!("cannot find the program that {PROGRAM_VARIABLE} names");
            CtlError::new(Kind::Failed, message).because(error)
        });
    }
    let name = format!("s7supervisord{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().map_err(|error| {
        CtlError::new(Kind::Failed, "cannot find out where s7ctl itself lies").because(error)
    })?;
    let beside = own.with_file_name(name);
    if beside.is_file() {
        return Ok(beside);
    }
    let message = format!(
        "the supervisor's program is missing: there is no {}",
        beside.display()
    );
    let hint = format!("install it beside s7ctl, or name it with {PROGRAM_VARIABLE}");
    Err(CtlError::new(Kind::Failed, message).hint(hint))
}

/// Starts the supervisor and waits until it answers at one of `candidates`. `socket` is passed on where it was given.
///
/// # Errors
/// [`CtlError`] where it can't be started, ends before it answers, or does not answer until `deadline`.
pub async fn supervisor(
    socket: Option<&Endpoint>,
    candidates: &[Endpoint],
    deadline: Deadline,
) -> Result<Daemon, CtlError> {
    let deadline = deadline.at_most(UNTIL_IT_ANSWERS);
    // Whoever names the supervisor that is meant doesn't mean the machine's own.
    let names_one = [PROGRAM_VARIABLE, INSTALL_FOLDER_VARIABLE].map(std::env::var_os);
    if socket.is_none()
        && names_one.iter().all(Option::is_none)
        && let Some(command) = os::service()
    {
        return by_service_manager(command, candidates, deadline).await;
    }
    let program = program()?;
    let cannot = |error: io::Error| {
        let message = format!("cannot start the supervisor {}", program.display());
        CtlError::new(Kind::Failed, message).because(error)
    };
    // A file without a name, not a pipe: when s7ctl has gone the supervisor must still be able to write.
    let said = tempfile::tempfile().map_err(cannot)?;
    let mut command = Command::new(&program);
    command.arg("run");
    if let Some(socket) = socket {
        command.arg("--socket").arg(socket.as_os_str());
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said.try_clone().map_err(cannot)?);
    if let Some(folder) = std::env::var_os(INSTALL_FOLDER_VARIABLE).filter(|value| !value.is_empty()) {
        command.env(
            INSTALL_FOLDER_VARIABLE,
            std::path::absolute(folder).map_err(cannot)?,
        );
    }
    command.env(DETACHED_VARIABLE, "1");
    os::detach(&mut command);
    let mut child = command.spawn().map_err(cannot)?;
    let late = format!(
        "the supervisor was started (pid {}) but does not answer",
        child.id()
    );
    let ended = |status: ExitStatus| {
        // Another one was faster and is still on its way to answering.
        let waits = status.code() == Some(ANOTHER_IS_THERE) && !deadline.passed();
        (!waits).then(|| ended_early(status, &said))
    };
    let hint = "it goes on starting; see: s7ctl status";
    answer(candidates, deadline, Some((&mut child, &ended)), (&late, hint)).await
}

/// Has the service manager start the supervisor, and waits until it answers.
async fn by_service_manager(
    mut command: Command,
    candidates: &[Endpoint],
    deadline: Deadline,
) -> Result<Daemon, CtlError> {
    let cannot = |error: io::Error| {
        CtlError::new(
            Kind::Failed,
            "cannot have the service manager start the supervisor",
        )
        .because(error)
    };
    let said = tempfile::tempfile().map_err(cannot)?;
    command
        .stdin(Stdio::null())
        .stdout(said.try_clone().map_err(cannot)?)
        .stderr(said.try_clone().map_err(cannot)?);
    let mut child = command.spawn().map_err(cannot)?;
    let hint = "see: s7supervisord service status";
    let ended = |status: ExitStatus| {
        (!status.success()).then(|| {
            let said = tail(&said).unwrap_or_default();
            let message = format!("the service manager could not start the supervisor. It said:\n{said}");
            CtlError::new(Kind::Failed, message).hint(hint)
        })
    };
    let late = "the service was started but does not answer";
    answer(candidates, deadline, Some((&mut child, &ended)), (late, hint)).await
}

/// Connects to the supervisor that has taken the place of `daemon`.
///
/// # Errors
/// [`Kind::TimedOut`] where it does not answer until `deadline`.
pub async fn next(daemon: &mut Daemon, deadline: Deadline) -> Result<(), CtlError> {
    let place = [daemon.endpoint.clone()];
    *daemon = reconnect(&place, "the supervisor was replaced", deadline).await?;
    Ok(())
}

/// Connects again to a supervisor that is starting anew, after `what`.
///
/// # Errors
/// [`Kind::TimedOut`] where it does not answer until `deadline`.
pub async fn reconnect(candidates: &[Endpoint], what: &str, deadline: Deadline) -> Result<Daemon, CtlError> {
    let deadline = deadline.at_most(UNTIL_IT_ANSWERS);
    let late = format!("{what}, but the next one does not answer");
    let hint = "see its own log; s7ctl start brings it up";
    answer(candidates, deadline, None, (&late, hint)).await
}

/// What the end of a process means that was to bring the supervisor up; `None` where it may come all the same.
type Ended<'a> = &'a dyn Fn(ExitStatus) -> Option<CtlError>;

/// Connects to a supervisor that is on its way, as soon as it answers. `starting` is the process that brings it up; `late` is
/// the beginning of the sentence that is said where it doesn't answer in time, and a hint.
async fn answer(
    candidates: &[Endpoint],
    deadline: Deadline,
    mut starting: Option<(&mut Child, Ended<'_>)>,
    late: (&str, &str),
) -> Result<Daemon, CtlError> {
    loop {
        // Its end is looked at before the connection: another supervisor may have been faster, and then that one answers.
        let over = starting.as_mut().and_then(|(child, ended)| {
            let status = child.try_wait().unwrap_or(None)?;
            Some((status, *ended))
        });
        let error = match connect::open(candidates, deadline).await {
            Ok(daemon) => return Ok(daemon),
            Err(error) => error,
        };
        if let Some(why) = over.and_then(|(status, ended)| ended(status)) {
            return Err(why);
        }
        match error.kind {
            // It has made its socket and not come to listen, or not come to greet.
            Kind::NoSupervisor | Kind::Connection => {}
            _ => return Err(error),
        }
        if deadline.passed() {
            let within = quantity::seconds(deadline.within());
            let message = format!("{} within {within}", late.0);
            return Err(CtlError::new(Kind::TimedOut, message).because(error).hint(late.1));
        }
        tokio::time::sleep(LOOK_AGAIN.min(deadline.remaining())).await;
    }
}

/// The exit code of a supervisor that finds its endpoint taken (DESIGN 10).
const ANOTHER_IS_THERE: i32 = 69;

fn ended_early(status: ExitStatus, said: &File) -> CtlError {
    let how = match status.code() {
        Some(code) => format!("it ended with exit code {code} ({})", meaning(code)),
        None => format!("it ended: {status}"),
    };
    let said = tail(said).unwrap_or_else(|error| format!("(what it said cannot be read: {error})"));
    let message = if said.is_empty() {
        format!("the supervisor did not start: {how}, without a word")
    } else {
        format!("the supervisor did not start: {how}. It said:\n{said}")
    };
    let kind = match status.code() {
        Some(64) => Kind::Usage,
        Some(77) => Kind::NotPermitted,
        Some(78) => Kind::RegistryBroken,
        _ => Kind::Failed,
    };
    CtlError::new(kind, message)
}

/// The supervisor's exit codes (DESIGN 10).
#[must_use]
pub fn meaning(code: i32) -> &'static str {
    match code {
        0 => "it was asked to stop",
        64 => "its command line makes no sense",
        69 => "another supervisor holds its endpoint",
        70 => "an error within itself",
        73 => "it cannot create its log, its temporary files or its socket",
        77 => "it lacks a permission, or does not trust a file that others can write",
        78 => "its registry cannot be loaded",
        _ => "not one of its own exit codes",
    }
}

/// The last lines, from the beginning of a line.
fn tail(mut said: &File) -> io::Result<String> {
    let length = said.metadata()?.len();
    let from = length.saturating_sub(TAIL);
    said.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    said.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = match text.split_once('\n') {
        Some((_torn, rest)) if from > 0 => rest,
        _ => &text,
    };
    Ok(whole.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_tail_is_whole_lines_of_what_was_said_last() {
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(tail(&file).unwrap(), "");
        writeln!(file, "first\nsecond").unwrap();
        assert_eq!(tail(&file).unwrap(), "first\nsecond");
        for line in 0..1000 {
            writeln!(file, "line {line}").unwrap();
        }
        let text = tail(&file).unwrap();
        assert!(text.starts_with("line ") && text.ends_with("line 999"), "{text}");
        assert!(text.len() as u64 <= TAIL);
    }

    #[test]
    fn every_exit_code_of_the_supervisor_has_a_meaning_of_its_own() {
        let codes = [0, 64, 69, 70, 73, 77, 78, 1];
        let meanings: std::collections::HashSet<_> = codes.map(meaning).into();
        assert_eq!(meanings.len(), codes.len());
    }
}
