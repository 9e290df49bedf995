//! Polite ways to stop other than a signal.

use std::path::{Path, PathBuf};
use std::process::Stdio;
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

/// Runs a command; calls `failed` if it can't be run or fails.
pub fn by_command(program: &Path, arguments: &[String], failed: impl FnOnce() + Send + 'static) {
    let program: PathBuf = program.to_owned();
    let arguments = arguments.to_vec();
    tokio::task::spawn_blocking(move || {
        let status = std::process::Command::new(&program)
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => {
                log::warn!("the stop command {}: {status}", program.display());
                failed();
            }
            Err(error) => {
                log::warn!("running the stop command {}: {error}", program.display());
                failed();
            }
        }
    });
}
