//! A check by a command: its exit code tells, and the end of its output says why.

use super::probe::Result;
use crate::machine::input::Verdict;
use crate::platform::beside::{Beside, Ended};
use s7proto::status::{Exit, SpawnFailure};
use std::time::Duration;
use tokio::time::Instant;

/// How much of its output is told.
const SHOWN: usize = 200;

/// Waits for the command. Its time counts from the moment that its program runs: what this machine takes to create a process
/// isn't the component's fault. It ends with this future.
pub async fn wait(mut command: Beside, what: &str, timeout: Duration) -> Result {
    if let Err(failure) = command.began().await {
        return cannot(what, &failure);
    }
    let until = Instant::now() + timeout;
    match command.ended_by(until).await {
        Some(Ok(ended)) => judge(what, &ended),
        Some(Err(failure)) => cannot(what, &failure),
        None => Result {
            verdict: Verdict::TimedOut {
                late: Instant::now().saturating_duration_since(until),
            },
            detail: format!("{what}: not done within {timeout:?}"),
        },
    }
}

/// That it can't be run is nothing that the component has done.
fn cannot(what: &str, failure: &SpawnFailure) -> Result {
    Result::unsure(format!("{what}: {failure}"))
}

fn judge(what: &str, ended: &Ended) -> Result {
    if ended.exit == Exit::Code(0) {
        return Result::well();
    }
    let text = String::from_utf8_lossy(&ended.output);
    let text: Vec<char> = text.trim().chars().collect();
    let end: String = text[text.len().saturating_sub(SHOWN)..].iter().collect();
    let colon = if end.is_empty() { "" } else { ": " };
    Result::ill(format!("{what} {}{colon}{end}", ended.exit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_its_code_and_the_end_of_what_was_written() {
        let ended = |code, output: &str| Ended {
            exit: Exit::Code(code),
            output: output.into(),
        };
        assert_eq!(judge("probe", &ended(0, "x")), Result::well());
        let ill = judge("probe", &ended(3, "\nno answer\n"));
        assert_eq!(ill, Result::ill("probe exited with code 3: no answer".to_owned()));
        let long = judge("probe", &ended(3, &"ä".repeat(300)));
        assert!(
            long.detail.ends_with(&format!(": {}", "ä".repeat(SHOWN))),
            "{long:?}"
        );
    }
}
