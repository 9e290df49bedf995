//! Windows: access is decided by lists of the file system, which start from what the installer set.

use super::Untrusted;
use std::path::Path;

/// There is no root whom a registry could command: the service's own account decides what it may do.
pub(super) fn is_privileged() -> bool {
    false
}

/// The same as on Unix in form; never asked here, because no process is privileged in that sense.
pub(super) fn check_path(_path: &Path) -> Result<(), Untrusted> {
    Ok(())
}
