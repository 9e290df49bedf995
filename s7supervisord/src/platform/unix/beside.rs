//! Commands beside a run: checks of it, and what is to be told somebody about it. They run as the component's user and in
//! its surroundings, each in a session of its own, and are no runs: they have no record, no lock and no log.

use super::ask;
use super::host::Told;
use super::pidfd;
use crate::machine::input::RunId;
use crate::registry::plan::ComponentPlan;
use s7proto::status::{Exit, SpawnFailure, SpawnStage};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How much of the end of its output is kept: a line or two that say why.
pub const OUTPUT: usize = 512;

/// How much of it is read in one turn of the core loop.
const TURN: usize = 16 * 1024;
/// So much is read as it comes: far more than whoever has something to say. What is beyond it is read slowly, and the pipe pushes
/// back: so a command that writes without an end costs next to nothing, and one that says much has no other end than without that
/// (a pipe that is closed would kill it, and one that nobody reads would hold it up).
const PLENTY: usize = 1024 * 1024;
/// Between two turns beyond that.
const SLOWLY: Duration = Duration::from_millis(50);
/// How long the news of an end may take on its way through the core loop.
const NEWS: Duration = Duration::from_secs(1);

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
    began: oneshot::Receiver<Result<Began, SpawnFailure>>,
    ended: oneshot::Receiver<Exit>,
    process: Option<OwnedFd>,
    pipe: Option<Receiver>,
    heard: Heard,
}

/// What runs.
pub struct Began {
    /// Its first process, so that its end is seen before anybody tells of it; `None` where there are no descriptors left.
    pub process: Option<OwnedFd>,
    /// Where its output comes from.
    pub output: OwnedFd,
}

/// What it has written so far.
#[derive(Default)]
struct Heard {
    end: Vec<u8>,
    count: usize,
    bytes: Vec<u8>,
}

impl Heard {
    /// Reads what there is, up to one turn's share; `false` where nothing more comes.
    fn read(&mut self, pipe: &Receiver) -> io::Result<bool> {
        // Most write nothing at all.
        self.bytes.resize(TURN, 0);
        let count = match pipe.try_read(&mut self.bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            read => read?,
        };
        self.count = self.count.saturating_add(count);
        let bytes = self.bytes.get(..count).unwrap_or_default();
        let last = bytes.get(count.saturating_sub(OUTPUT)..).unwrap_or_default();
        self.end.extend_from_slice(last);
        let surplus = self.end.len().saturating_sub(OUTPUT);
        self.end.drain(..surplus);
        Ok(count > 0)
    }

    /// Until the next turn.
    async fn pause(&self) {
        if self.count > PLENTY {
            sleep(SLOWLY).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

/// The host's end of a [`Beside`].
pub struct Reporter {
    /// Told once it runs or can't.
    pub began: Option<oneshot::Sender<Result<Began, SpawnFailure>>>,
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
            process: None,
            pipe: None,
            heard: Heard::default(),
        };
        (beside, reporter)
    }

    /// Waits until its program runs.
    ///
    /// # Errors
    /// It doesn't.
    pub async fn began(&mut self) -> Result<(), SpawnFailure> {
        let began = match (&mut self.began).await {
            Ok(began) => began?,
            Err(_) => return Err(given_up()),
        };
        // Without it the command runs all the same, and what it writes is lost.
        self.pipe = Receiver::from_owned_fd(began.output).ok();
        self.process = began.process;
        Ok(())
    }

    /// Waits until its first process has ended, and no longer than `until`: then it is `None`. To be called once, after
    /// [`Beside::began`].
    ///
    /// # Errors
    /// It was given up, because its run is over.
    pub async fn ended_by(&mut self, until: Instant) -> Option<Result<Ended, SpawnFailure>> {
        if let Ok(ended) = timeout_at(until, self.ended()).await {
            return Some(ended);
        }
        // The news of its end comes by way of the core loop, and where this daemon was late a timer is there before it.
        let has_ended = |process: &OwnedFd| pidfd::has_ended(process.as_fd());
        if !self.process.as_ref().is_some_and(has_ended) {
            return None;
        }
        timeout(NEWS, self.ended()).await.ok()
    }

    /// As [`Beside::ended_by`], for ever. Can be dropped before it is done without losing anything.
    async fn ended(&mut self) -> Result<Ended, SpawnFailure> {
        let exit = loop {
            let Some(pipe) = &self.pipe else {
                break (&mut self.ended).await;
            };
            tokio::select! {
                exit = &mut self.ended => break exit,
                readable = pipe.readable() => {
                    let more = readable.and_then(|()| self.heard.read(pipe));
                    if !more.unwrap_or(false) {
                        self.pipe = None;
                        continue;
                    }
                }
            }
            tokio::select! {
                exit = &mut self.ended => break exit,
                () = self.heard.pause() => {}
            }
        };
        // What was written just before the end: as much as a pipe holds. Whoever holds the pipe and lives on is about to be
        // killed, and may not keep this here until then.
        for _ in 0..64 * 1024 / TURN {
            let before = self.heard.count;
            if let Some(pipe) = &self.pipe {
                let _ = self.heard.read(pipe);
            }
            if self.heard.count == before {
                break;
            }
        }
        let exit = exit.map_err(|_| given_up())?;
        let output = std::mem::take(&mut self.heard.end);
        Ok(Ended { exit, output })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // The host knows best whether there is anything to end.
        let _ = self.tell.send(Told::GivenUp(self.number));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A command that has begun, as the host would tell it.
    async fn begun(script: &str) -> (Beside, Reporter, Child) {
        let (output, input) = io::pipe().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(input);
        let child = command.spawn().unwrap();
        drop(command);
        let (tell, _) = mpsc::unbounded_channel();
        let (mut beside, mut reporter) = Beside::new(1, tell);
        let began = Began {
            process: pidfd::open(child.id()),
            output: output.into(),
        };
        let told = reporter.began.take().unwrap().send(Ok(began));
        assert!(told.is_ok());
        beside.began().await.unwrap();
        (beside, reporter, child)
    }

    #[tokio::test]
    async fn an_end_that_came_in_time_counts_although_the_news_of_it_come_after_the_timer() {
        let (mut beside, mut reporter, mut child) = begun("echo done").await;
        child.wait().unwrap();
        tokio::spawn(async move {
            let _ = reporter.ended.take().unwrap().send(Exit::Code(0));
        });
        let long_ago = Instant::now().checked_sub(NEWS).unwrap();
        let ended = beside.ended_by(long_ago).await;
        let output = b"done\n".to_vec();
        let exit = Exit::Code(0);
        assert_eq!(ended, Some(Ok(Ended { exit, output })));
    }

    #[tokio::test]
    async fn what_writes_without_an_end_is_read_slowly_and_has_its_time_and_no_more() {
        let (mut beside, _reporter, mut child) = begun("exec yes it-goes-on").await;
        let began = Instant::now();
        let ended = beside.ended_by(began + Duration::from_secs(2)).await;
        let took = began.elapsed();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(ended, None, "it lives");
        let turns = took.as_millis() / SLOWLY.as_millis() + 2;
        let most = PLENTY + usize::try_from(turns).unwrap() * TURN;
        let heard = &beside.heard;
        assert!(
            (PLENTY..=most).contains(&heard.count),
            "{} of {most}",
            heard.count
        );
        assert_eq!(heard.end.len(), OUTPUT);
    }
}
