//! A binary that is to take this one's place: opened once, checked, asked and executed through that one descriptor.

use super::question;
use super::trusted::{self, Distrust};
use rustix::fs::{FileType, MemfdFlags, Mode, OFlags};
use s7proto::refusal::UpgradeProblem;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// An open binary.
#[derive(Debug)]
pub struct Binary {
    file: OwnedFd,
    /// As it was asked for: the next image takes this for the path that it was started from.
    name: PathBuf,
    /// Without symbolic links.
    path: PathBuf,
}

/// How a program that was asked something has answered.
#[derive(Debug)]
pub struct Answered {
    /// What it has said on standard output and error, as far as it was heard.
    pub said: String,
    /// How it ended.
    pub status: ExitStatus,
}

/// The path that the daemon was started from, also where another file has it now. A link that it was started by is one that
/// may lead elsewhere by now.
///
/// # Errors
/// The system doesn't say.
pub fn own_path() -> io::Result<PathBuf> {
    static STARTED_AS: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = STARTED_AS.get() {
        return Ok(path.clone());
    }
    let path = match started_as() {
        Some(path) => path,
        None => executed()?,
    };
    Ok(STARTED_AS.get_or_init(|| path).clone())
}

/// The path that the caller has named it by, where that is the file that was executed. To be looked at early: both may lead
/// elsewhere later.
fn started_as() -> Option<PathBuf> {
    let name = PathBuf::from(std::env::args_os().next()?);
    // One without a slash was looked for in PATH.
    if name.parent().is_none_or(|folder| folder == Path::new("")) {
        return None;
    }
    let path = std::path::absolute(name).ok()?;
    let file = |path: &Path| rustix::fs::stat(path).map(|about| (about.st_dev, about.st_ino));
    let same = file(&path).ok()? == file(Path::new("/proc/self/exe")).ok()?;
    same.then_some(path)
}

/// What the kernel says was executed: it follows a file that is renamed, and shows no link.
fn executed() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let text = path.to_string_lossy();
    // So the kernel names a file that has no name any more.
    Ok(match text.strip_suffix(" (deleted)") {
        Some(named) => PathBuf::from(named),
        None => path,
    })
}

impl Binary {
    /// Opens `path`, which nobody but root and the daemon's own user may be able to write or replace, and which the daemon
    /// executes as who it is.
    ///
    /// # Errors
    /// It isn't to be trusted, or isn't a program.
    pub fn open_trusted(path: &Path) -> Result<Self, UpgradeProblem> {
        let unusable = |why: String| UpgradeProblem::Unusable { why };
        let own = rustix::process::geteuid().as_raw();
        let place = match trusted::walk(path, own) {
            Ok(Some(place)) => place,
            Ok(None) => return Err(unusable("there is no such file".to_owned())),
            Err(Distrust::Writable(why)) => return Err(UpgradeProblem::Untrusted { why }),
            Err(Distrust::Unknown { at, source }) => {
                return Err(unusable(format!("looking at {}: {source}", at.display())));
            }
        };
        let about = rustix::fs::fstat(&place.descriptor).map_err(|error| unusable(error.to_string()))?;
        match FileType::from_raw_mode(about.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(unusable("it is a folder".to_owned())),
            other => return Err(unusable(format!("it is not a regular file but {other:?}"))),
        }
        if about.st_mode & 0o111 == 0 {
            return Err(unusable(format!(
                "it is not executable (mode {:04o})",
                about.st_mode & 0o7777
            )));
        }
        if about.st_mode & 0o6000 != 0 {
            return Err(unusable(format!(
                "it has the set-user-ID or the set-group-ID bit (mode {:04o}), so that the supervisor could go on as another user \
                 or group; take it away: chmod ug-s {}",
                about.st_mode & 0o7777,
                place.path.display()
            )));
        }
        // The descriptor once more, to read: by its number, so that it is the same file whatever has the name now.
        let by_number = format!("/proc/self/fd/{}", place.descriptor.as_raw_fd());
        let file = rustix::fs::open(by_number, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| unusable(format!("opening it: {error}")))?;
        let mut magic = [0; 4];
        let read = rustix::io::pread(&file, &mut magic, 0).map_err(|error| unusable(error.to_string()))?;
        if magic.get(..read).unwrap_or_default() != b"\x7fELF" {
            // A script would be executed by the name of the file, which may be another one by then.
            return Err(unusable("it is not a program for this system (ELF)".to_owned()));
        }
        Ok(Self {
            file,
            name: path.to_path_buf(),
            path: place.path,
        })
    }

    /// Opens `path`, whoever can write it: it is the daemon's own, which was looked at when it began.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self {
            file,
            name: path.to_path_buf(),
            path: path.to_path_buf(),
        })
    }

    /// Where it lies, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As it was asked for.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// A command that executes it by its descriptor; the descriptor itself is closed then.
    pub(super) fn command(&self, name: OsString) -> Command {
        let mut command = Command::new(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        command.arg0(name);
        command
    }

    /// Runs it with `argument` and `input` on standard input, in an environment of little more than `variable`, and hears what
    /// it says.
    ///
    /// May take as long as `within`, so it is not for the core loop.
    ///
    /// # Errors
    /// It can't be executed, or has not ended within that time.
    pub fn ask(
        &self,
        argument: &str,
        variable: Option<(&str, &str)>,
        input: &[u8],
        within: Duration,
    ) -> Result<Answered, UpgradeProblem> {
        let unusable = |error: io::Error| UpgradeProblem::Unusable {
            why: error.to_string(),
        };
        let name = self.path.clone().into_os_string();
        let mut command = self.command(name.clone());
        command
            .arg(argument)
            .stdin(on_file(input).map_err(unusable)?)
            .env_clear()
            .envs(variable);
        for name in ["PATH", "LANG", "TZ"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let Some((said, status)) = question::ask(command, name, within).map_err(unusable)? else {
            return Err(UpgradeProblem::Silent {
                seconds: u32::try_from(within.as_secs()).unwrap_or(u32::MAX),
            });
        };
        Ok(Answered {
            said: String::from_utf8_lossy(&said).trim().to_owned(),
            status,
        })
    }
}

/// `input` as a file that is nowhere.
fn on_file(input: &[u8]) -> io::Result<Stdio> {
    let mut file = File::from(rustix::fs::memfd_create("state", MemfdFlags::CLOEXEC)?);
    file.write_all(input)?;
    file.rewind()?;
    Ok(file.into())
}
