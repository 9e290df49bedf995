//! `s7ctl shutdown`: everything is stopped, and then the supervisor ends.

use super::Context;
use crate::call::{call, unexpected, wait_for_end};
use crate::error::{CtlError, Kind};
use crate::render::View;
use crate::render::sentence::Asked;
use s7proto::reply::Done;
use s7proto::request::Request;
use std::time::Duration;

/// How long the supervisor may take to end once everything is stopped.
pub const UNTIL_IT_ENDS: Duration = Duration::from_secs(30);

pub async fn run(context: &mut Context) -> Result<View, CtlError> {
    let mut daemon = context.connect().await?;
    let answer = call(
        &mut daemon,
        &Request::Shutdown,
        context.deadline,
        &mut context.progress,
    );
    let done = match answer.await {
        // Somebody was faster; what was asked for is about to be so.
        Err(error) if error.kind == Kind::ShuttingDown => {
            wait_for_end(&mut daemon, context.deadline.at_most(UNTIL_IT_ENDS)).await?;
            return Ok(View::NothingToStop(context.candidates.clone()));
        }
        answer => answer?,
    };
    match done {
        Done::ShutDown(parts) => {
            // It ends also where something could not be killed: that stays, and is said.
            wait_for_end(&mut daemon, context.deadline.at_most(UNTIL_IT_ENDS)).await?;
            context.progress.say("the supervisor has ended");
            Ok(View::Operation {
                asked: Asked::Change,
                parts,
            })
        }
        _ => Err(unexpected(&daemon)),
    }
}
