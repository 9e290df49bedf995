//! Commands beside a run: checks of it, and what is to be told somebody about it. They run as the component's user and in
//! its surroundings, each in a session of its own, and are no runs: they have no record, no lock and no log.

use super::ask;
use super::host::Told;
use crate::machine::input::RunId;
use crate::registry::plan::ComponentPlan;
use s7proto::status::{Exit, SpawnFailure, SpawnStage};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{mpsc, oneshot};

/// How much of the end of its output is kept: a line or two that say why.
pub const OUTPUT: usize = 512;

/// A command that is wanted.
pub struct Errand {
    /// The run that it is about.
    pub run: RunId,
    /// Whether it ends with that run.
    pub ends_with_run: bool,
    /// The component's plan with the command in place of its program.
    pub plan: Arc<ComponentPlan>,
}

impl Errand {
    /// `program` in the surroundings of `component`, which ends with the run.
    #[must_use]
    pub fn check(run: RunId, component: &ComponentPlan, program: &Path, arguments: &[String]) -> Self {
        Self {
            run,
            ends_with_run: true,
            plan: Arc::new(ask::command_plan(component, program, arguments)),
        }
    }

    /// A command and its arguments in the surroundings of `component`, with `variables` over its own. It goes on when the
    /// run is over.
    #[must_use]
    pub fn told(
        run: RunId,
        component: &ComponentPlan,
        (program, arguments): (&Path, &[String]),
        variables: Vec<(String, String)>,
    ) -> Self {
        let mut plan = ask::command_plan(component, program, arguments);
        let is_told = |name: &str| variables.iter().any(|(own, _)| own == name);
        plan.run.environment.retain(|(name, _)| !is_told(name));
        plan.run.environment.extend(variables);
        Self {
            run,
            ends_with_run: false,
            plan: Arc::new(plan),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its first process.
    pub exit: Exit,
    /// The end of what it has written, at most [`OUTPUT`] bytes.
    pub output: Vec<u8>,
}

/// A command that was ordered. Dropped, it ends: its first process and all that this has made.
pub struct Beside {
    number: u64,
    tell: mpsc::UnboundedSender<Told>,
    began: oneshot::Receiver<Result<OwnedFd, SpawnFailure>>,
    ended: oneshot::Receiver<Exit>,
    pipe: Option<Receiver>,
}

/// The host's end of a [`Beside`].
pub struct Reporter {
    /// Told once it runs or can't, with the pipe that its output comes from.
    pub began: Option<oneshot::Sender<Result<OwnedFd, SpawnFailure>>>,
    /// Told how it ended.
    pub ended: Option<oneshot::Sender<Exit>>,
}

impl Beside {
    /// Both ends.
    pub(super) fn new(number: u64, tell: mpsc::UnboundedSender<Told>) -> (Self, Reporter) {
        let ((told_began, began), (told_ended, ended)) = (oneshot::channel(), oneshot::channel());
        let reporter = Reporter {
            began: Some(told_began),
            ended: Some(told_ended),
        };
        let beside = Self {
            number,
            tell,
            began,
            ended,
            pipe: None,
        };
        (beside, reporter)
    }

    /// Waits until its program runs.
    ///
    /// # Errors
    /// It doesn't.
    pub async fn began(&mut self) -> Result<(), SpawnFailure> {
        let pipe = match (&mut self.began).await {
            Ok(began) => began?,
            Err(_) => return Err(given_up()),
        };
        // Without it the command runs all the same, and what it writes is lost.
        self.pipe = Receiver::from_owned_fd(pipe).ok();
        Ok(())
    }

    /// Waits until its first process has ended. To be called once, after [`Beside::began`].
    ///
    /// # Errors
    /// It was given up, because its run is over.
    pub async fn ended(&mut self) -> Result<Ended, SpawnFailure> {
        let mut output = Vec::new();
        let mut bytes = [0; OUTPUT];
        let exit = loop {
            let Some(pipe) = &self.pipe else {
                break (&mut self.ended).await;
            };
            tokio::select! {
                exit = &mut self.ended => break exit,
                readable = pipe.readable() => {
                    let read = readable.and_then(|()| pipe.try_read(&mut bytes));
                    match read {
                        Ok(count @ 1..) => keep_end(&mut output, &bytes[..count]),
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        Ok(0) | Err(_) => self.pipe = None,
                    }
                }
            }
        };
        // What was written just before the end. Whoever holds the pipe and lives on is about to be killed, and may not keep
        // this here until then.
        for _ in 0..128 {
            match self.pipe.as_ref().map(|pipe| pipe.try_read(&mut bytes)) {
                Some(Ok(count @ 1..)) => keep_end(&mut output, &bytes[..count]),
                _ => break,
            }
        }
        let exit = exit.map_err(|_| given_up())?;
        Ok(Ended { exit, output })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // The host knows best whether there is anything to end.
        let _ = self.tell.send(Told::GivenUp(self.number));
    }
}

fn keep_end(output: &mut Vec<u8>, bytes: &[u8]) {
    output.extend_from_slice(bytes);
    let surplus = output.len().saturating_sub(OUTPUT);
    output.drain(..surplus);
}

fn given_up() -> SpawnFailure {
    SpawnFailure {
        stage: SpawnStage::CreatingProcess,
        subject: "a command beside the run".to_owned(),
        os_error: None,
        cause: "the run is over".to_owned(),
        host_fault: true,
    }
}
