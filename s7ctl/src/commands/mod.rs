//! Verb → file, exhaustively. Each file makes a request of the arguments and a view of the reply.

mod check;
mod dump;
mod events;
mod handed_over;
mod info;
mod logs;
mod reload;
mod restart;
mod shutdown;
mod signal;
mod start;
mod status;
mod stop;
mod upgrade;
mod version;
mod wait;
mod why;

use crate::call::{call, unexpected};
use crate::cli::{Global, Verb};
use crate::connect::{self, Daemon};
use crate::deadline::Deadline;
use crate::error::{CtlError, Kind};
use crate::launch;
use crate::progress::Progress;
use crate::render::View;
use crate::render::sentence::Asked;
use s7proto::endpoint::{Endpoint, Surroundings};
use s7proto::reply::Done;
use s7proto::request::{Request, Selection};
use s7proto::status::Wish;
use std::time::Duration;

/// How long a question may take that starts and stops nothing, where no `--timeout` says otherwise.
const QUESTION: Duration = Duration::from_secs(10);
/// Between two looks at a child.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What every verb works with.
#[derive(Debug)]
pub struct Context {
    /// Where a supervisor may be.
    candidates: Vec<Endpoint>,
    /// The one place that the caller named, by option or variable.
    named: Option<Endpoint>,
    /// Until when the caller lets us wait.
    deadline: Deadline,
    /// JSON is wanted.
    json: bool,
    /// What is told meanwhile.
    pub progress: Progress,
}

impl Context {
    /// From the options of every verb.
    ///
    /// # Errors
    /// [`Kind::Usage`] where the socket that was named can't be one.
    pub fn new(global: &Global, around: &Surroundings, live: bool) -> Result<Self, CtlError> {
        let option = global.socket.as_deref();
        let candidates = Endpoint::candidates(option, around).map_err(|error| CtlError::endpoint(&error))?;
        let is_named = option.is_some() || around.socket_variable.is_some();
        Ok(Self {
            named: candidates.first().filter(|_| is_named).cloned(),
            candidates,
            deadline: Deadline::after(global.timeout),
            json: global.json,
            progress: Progress::new(live),
        })
    }

    /// Whether standard output takes colour: a terminal does, where nobody has said NO_COLOR.
    #[must_use]
    pub fn colour(&self) -> bool {
        anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
    }

    async fn connect(&self) -> Result<Daemon, CtlError> {
        connect::open(&self.candidates, self.deadline).await
    }

    /// Asks something that is answered at once.
    async fn question(&mut self, daemon: &mut Daemon, request: &Request) -> Result<Done, CtlError> {
        let deadline = self.deadline.at_most(QUESTION);
        let answer = loop {
            match call(daemon, request, deadline, &mut self.progress).await {
                // A question can be asked again.
                Ok(Done::HandedOver) => {
                    if let Err(error) = launch::next(daemon, deadline).await {
                        break Err(error);
                    }
                }
                answer => break answer,
            }
        };
        answer.map_err(|error| {
            // Nothing was begun that could go on.
            let goes_on = error.kind == Kind::TimedOut;
            CtlError {
                hint: if goes_on {
                    Some("see the supervisor's own log".to_owned())
                } else {
                    error.hint
                },
                ..error
            }
        })
    }

    /// Asks for something that takes as long as components take, and waits for it; without `--timeout` until it is done
    /// or the connection ends.
    async fn operation(&mut self, daemon: &mut Daemon, request: &Request) -> Result<View, CtlError> {
        let asked = Asked::by(request);
        self.progress.asked(asked);
        match call(daemon, request, self.deadline, &mut self.progress).await? {
            Done::Operation(parts) => Ok(View::Operation { asked, parts }),
            Done::HandedOver => self.go_on(daemon, request).await,
            _ => Err(unexpected(daemon)),
        }
    }

    /// The supervisor was replaced while it did what was asked: the next one goes on with that, and this waits there.
    async fn go_on(&mut self, daemon: &mut Daemon, begun: &Request) -> Result<View, CtlError> {
        let Some((which, until)) = handed_over::awaited(begun) else {
            return Err(handed_over::lost_sight());
        };
        self.progress.forget();
        loop {
            if !matches!(begun, Request::Wait { .. }) {
                self.progress.replaced();
            }
            launch::next(daemon, self.deadline).await?;
            let which = match handed_over::is_of_wishes(begun) {
                true => self.wished_up(daemon).await?,
                false => which.clone(),
            };
            let wait = Request::Wait { which, until };
            let asked = Asked::by(&wait);
            self.progress.asked(asked);
            match call(daemon, &wait, self.deadline, &mut self.progress).await? {
                Done::Operation(parts) => return Ok(View::Operation { asked, parts }),
                // Once more.
                Done::HandedOver => {}
                _ => return Err(unexpected(daemon)),
            }
        }
    }

    /// Everything that is to be up.
    async fn wished_up(&mut self, daemon: &mut Daemon) -> Result<Selection, CtlError> {
        let all = Request::Status(Selection::All);
        let Done::Status(report) = self.question(daemon, &all).await? else {
            return Err(unexpected(daemon));
        };
        let up = report.components.into_iter().filter(|one| one.wish == Wish::Up);
        Ok(Selection::Named(up.map(|one| one.id).collect()))
    }
}

/// Does what the verb says.
///
/// # Errors
/// [`CtlError`] where there is nothing to show but that.
pub async fn run(verb: &Verb, context: &mut Context) -> Result<View, CtlError> {
    match verb {
        Verb::Status(targets) => status::run(targets, context).await,
        Verb::Start(targets) => start::run(targets, context).await,
        Verb::Stop(targets) => stop::run(targets, context).await,
        Verb::Restart(targets) => restart::run(targets, context).await,
        Verb::Wait(args) => wait::run(args, context).await,
        Verb::Signal(args) => signal::run(args, context).await,
        Verb::Dump(args) => dump::run(args, context).await,
        Verb::Reload(args) => reload::run(args, context).await,
        Verb::Why(targets) => why::run(targets, context).await,
        Verb::Logs(args) => logs::run(args, context).await,
        Verb::Events(args) => events::run(args, context).await,
        Verb::Info(targets) => info::run(targets, context).await,
        Verb::Check(args) => check::run(args, context).await,
        Verb::Upgrade(args) => upgrade::run(args, context).await,
        Verb::Shutdown => shutdown::run(context).await,
        Verb::Version => version::run(context).await,
    }
}
