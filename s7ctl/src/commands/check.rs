//! `s7ctl check`: a file with the caller's rights, or the supervisor's own registry.

use super::Context;
use crate::call::unexpected;
use crate::cli::CheckArgs;
use crate::error::{CtlError, Kind};
use crate::launch;
use crate::render::View;
use s7proto::reply::Done;
use s7proto::request::Request;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

pub async fn run(args: &CheckArgs, context: &mut Context) -> Result<View, CtlError> {
    if let Some(file) = &args.file {
        return by_program(file, args.strict, context).await;
    }
    let mut daemon = context.connect().await?;
    let strict = args.strict;
    match context.question(&mut daemon, &Request::Check { strict }).await? {
        Done::Check(report) => Ok(View::Check(report)),
        _ => Err(unexpected(&daemon)),
    }
}

/// The registry has one reader, the supervisor's program: it says everything itself.
async fn by_program(file: &Path, strict: bool, context: &Context) -> Result<View, CtlError> {
    let program = launch::program()?;
    let mut command = Command::new(&program);
    command
        .arg("check")
        .args(strict.then_some("--strict"))
        .args(context.json.then_some("--json"));
    // Behind "--", so that a file's name is never taken for an option.
    command.arg("--").arg(file).stdin(Stdio::null());
    let cannot = |error| {
        let message = format!("cannot check {}: running {}", file.display(), program.display());
        CtlError::new(Kind::Failed, message).because(error)
    };
    if context.json {
        command.stdout(Stdio::piped());
    }
    let mut child = command.spawn().map_err(cannot)?;
    // Read beside the waiting: what it says may be more than a pipe holds.
    let said = child.stdout.take().map(|mut out| {
        std::thread::spawn(move || {
            let mut said = Vec::new();
            out.read_to_end(&mut said).map(|_| said)
        })
    });
    let deadline = context.deadline.at_most(super::QUESTION);
    loop {
        if let Some(status) = child.try_wait().map_err(cannot)? {
            let code = exit(status.code());
            if let Some(said) = said {
                let said = said.join().unwrap_or_else(|_| Ok(Vec::new())).map_err(cannot)?;
                std::io::stdout()
                    .write_all(&with_exit(said, code))
                    .map_err(cannot)?;
            }
            return Ok(View::Passed(code));
        }
        if deadline.passed() {
            // It only reads, so it can be ended at any moment.
            child.kill().map_err(cannot)?;
            child.wait().map_err(cannot)?;
            let within = crate::render::quantity::seconds(deadline.within());
            let message = format!("checking {} took longer than {within}", file.display());
            return Err(CtlError::new(Kind::TimedOut, message).hint("give it more time with --timeout"));
        }
        tokio::time::sleep(super::LOOK_AGAIN).await;
    }
}

/// The same JSON with our exit code in it; what isn't JSON stays as it is.
fn with_exit(said: Vec<u8>, code: u8) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(&said) else {
        return said;
    };
    if let Some(exit) = value.pointer_mut("/error/exit") {
        *exit = code.into();
    }
    format!("{value}\n").into_bytes()
}

/// The supervisor's exit codes (DESIGN 10) as ours (DESIGN 8).
fn exit(code: Option<i32>) -> u8 {
    match code {
        Some(0) => 0,
        Some(64) => 2,
        Some(77) => 5,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_in_the_json_is_the_clients_own() {
        let said = br#"{"schema":1,"ok":false,"data":null,"error":{"code":"registry_broken","exit":78}}"#;
        let value: serde_json::Value = serde_json::from_slice(&with_exit(said.to_vec(), 1)).unwrap();
        assert_eq!(value["error"]["exit"], 1);
        assert_eq!(value["error"]["code"], "registry_broken");
        assert_eq!(with_exit(b"no json".to_vec(), 1), b"no json");
    }

    #[test]
    fn a_broken_registry_is_1_and_the_others_keep_their_meaning() {
        let codes = [Some(0), Some(78), Some(64), Some(77), Some(70), None];
        assert_eq!(codes.map(exit), [0, 1, 2, 5, 1, 1]);
    }
}
