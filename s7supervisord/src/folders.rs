//! The folders that a daemon needs before it begins.

use crate::platform::endpoint;
use crate::registry::plan::Plan;
use crate::{Failure, exit};
use s7proto::endpoint::Endpoint;
use std::path::{Path, PathBuf};

/// Where the daemon keeps what the next one has to find.
///
/// # Errors
/// None is known, or its path makes no sense.
pub fn runtime_folder(option: Option<PathBuf>, endpoint: &Endpoint) -> Result<PathBuf, Failure> {
    let folder = option
        .or_else(|| endpoint.runtime_dir().map(Path::to_owned))
        .ok_or_else(|| {
            Failure::new(
                exit::USAGE,
                "no runtime folder is known; name one with --runtime-dir",
            )
        })?;
    std::path::absolute(&folder)
        .map_err(|error| Failure::new(exit::USAGE, format!("{}: {error}", folder.display())))
}

/// Makes it, and the folder of the socket; its path without symbolic links.
///
/// # Errors
/// It can't be made, or isn't the daemon's own.
pub fn prepare_runtime_dir(folder: &Path, endpoint: &Endpoint) -> Result<PathBuf, Failure> {
    let mut needed = vec![folder];
    needed.extend(endpoint.runtime_dir().filter(|of_socket| *of_socket != folder));
    for folder in needed {
        endpoint::prepare_folder(folder).map_err(|error| {
            let code = if error.kind() == std::io::ErrorKind::PermissionDenied {
                exit::PERMISSION
            } else {
                exit::CANNOT_CREATE
            };
            Failure::new(
                code,
                format!("preparing the runtime folder {}: {error}", folder.display()),
            )
        })?;
    }
    // Without symbolic links: processes are told by the files that they hold open, and the kernel names those so.
    std::fs::canonicalize(folder).map_err(|error| {
        Failure::new(
            exit::CANNOT_CREATE,
            format!("finding the runtime folder {}: {error}", folder.display()),
        )
    })
}

/// Makes the folders for the log and for intermediate data.
///
/// # Errors
/// One can't be made.
pub fn prepare_folders(plan: &Plan) -> Result<(), Failure> {
    for (what, folder) in [
        ("log", &plan.supervisor.logs_folder),
        ("temp", &plan.supervisor.temp),
    ] {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::new(
                exit::CANNOT_CREATE,
                format!("creating the {what} folder {}: {error}", folder.display()),
            )
        })?;
    }
    Ok(())
}
