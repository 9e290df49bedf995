//! What a run needs: the compiled worker and floor, the programs under test, a folder.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// See the module.
#[derive(Debug)]
pub struct Tools {
    folder: TempDir,
    /// A file system without a disk, as `/run` is where the daemon's runtime folder lies by default.
    memory: Option<PathBuf>,
}

impl Tools {
    /// Compiles the worker and the floor. `runtime` is where runtime folders are made; where it isn't given, `/dev/shm`
    /// if it is there.
    ///
    /// # Errors
    /// There is no C compiler, or it finds fault.
    pub fn make(runtime: Option<PathBuf>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("s7f-").tempdir()?;
        let shm = PathBuf::from("/dev/shm");
        let tools = Self {
            folder,
            memory: runtime.or_else(|| shm.is_dir().then_some(shm)),
        };
        for (name, text) in [
            ("worker", include_str!("worker.c")),
            ("floor", include_str!("floor.c")),
        ] {
            tools.compile(name, text)?;
        }
        Ok(tools)
    }

    /// Compiles a program of ours.
    ///
    /// # Errors
    /// There is no C compiler, or it finds fault.
    pub fn compile(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let program = self.path(name);
        let source = self.path(&format!("{name}.c"));
        std::fs::write(&source, text)?;
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-static", "-o"]).arg(&program).arg(&source);
        let output = cc.output().map_err(|error| {
            io::Error::other(format!(
                "running cc ({error}): the floor and the worker are C programs"
            ))
        })?;
        if output.status.success() {
            return Ok(program);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("compiling {name}: {said}")))
    }

    /// A file in the run's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program that says when it begins and waits.
    pub fn worker(&self) -> PathBuf {
        self.path("worker")
    }

    /// A fresh folder on the disk. It stays until the end of the run: ext4 gives the inode of a deleted file to nobody for
    /// some seconds, and looks for another one so long that the next thousand files would cost a multiple.
    ///
    /// # Errors
    /// It can't be made.
    pub fn fresh_folder(&self) -> io::Result<PathBuf> {
        let made = tempfile::Builder::new()
            .prefix("b")
            .tempdir_in(self.folder.path())?;
        Ok(made.keep())
    }

    /// A fresh folder for a daemon's runtime files.
    ///
    /// # Errors
    /// It can't be made.
    pub fn fresh_runtime(&self) -> io::Result<TempDir> {
        let place: &Path = self.memory.as_deref().unwrap_or(self.folder.path());
        tempfile::Builder::new().prefix("s7f-").tempdir_in(place)
    }
}
