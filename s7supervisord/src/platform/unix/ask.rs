//! Polite ways to stop other than a signal.

use crate::registry::plan::{ComponentPlan, RunPlan};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// How long connecting and sending may take; what doesn't answer by then can't be asked this way.
const TCP_PATIENCE: Duration = Duration::from_secs(5);

/// Sends `text` to `host`:`port`; calls `failed` if that can't be done.
pub fn by_tcp(host: String, port: u16, text: String, failed: impl FnOnce() + Send + 'static) {
    tokio::spawn(async move {
        let send = async {
            // A look-up of the name happens on a thread of the runtime, never on the core loop.
            let mut stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await
        };
        let result = tokio::time::timeout(TCP_PATIENCE, send).await;
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                log::warn!("asking to stop by a text to {host}:{port}: {error}");
                failed();
            }
            Err(_) => {
                log::warn!("asking to stop by a text to {host}:{port}: no answer in time");
                failed();
            }
        }
    });
}

/// What the command that asks `component` to stop is made of: the component's own surroundings with another program.
#[must_use]
pub fn command_plan(component: &ComponentPlan, program: &Path, arguments: &[String]) -> ComponentPlan {
    let run = RunPlan {
        program: program.to_owned(),
        arguments: arguments.to_vec(),
        ..component.run.clone()
    };
    ComponentPlan {
        run,
        ..component.clone()
    }
}
