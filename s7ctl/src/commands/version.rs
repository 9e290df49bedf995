//! `s7ctl version`

use super::Context;
use crate::call::unexpected;
use crate::error::{CtlError, Kind};
use crate::render::View;
use s7proto::reply::Done;
use s7proto::request::Request;

pub async fn run(context: &mut Context) -> Result<View, CtlError> {
    let mut daemon = match context.connect().await {
        Ok(daemon) => daemon,
        // Our own version is known all the same.
        Err(error) if error.kind == Kind::NoSupervisor => return Ok(View::Version(None)),
        Err(error) => return Err(error),
    };
    match context.question(&mut daemon, &Request::Version).await? {
        Done::Version(info) => Ok(View::Version(Some(info))),
        _ => Err(unexpected(&daemon)),
    }
}
