//! Where the daemon listens, as a value: a socket's path, or a pipe's name on Windows (DESIGN 7).

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// The variable that names the endpoint on both sides, where no option does.
pub const SOCKET_VARIABLE: &str = "S7_SOCKET";

/// The longest path of a socket in bytes: `sun_path` of Linux has 108, the last of them a NUL.
pub const MAX_SOCKET_PATH: usize = 107;

/// The longest name of a pipe in characters, its prefix included (Windows: `CreateNamedPipe`).
pub const MAX_PIPE_NAME: usize = 256;

const SYSTEM_SOCKET: &str = "/run/s7supervisord/control.sock";
const PIPE_PREFIX: &str = r"\\.\pipe\";
const DEFAULT_PIPE: &str = r"\\.\pipe\s7supervisord";
const IN_USER_FOLDER: &str = "s7supervisord/control.sock";

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A Unix socket: an absolute path of at most [`MAX_SOCKET_PATH`] bytes.
    Socket(PathBuf),
    /// A named pipe: `\\.\pipe\NAME`.
    Pipe(String),
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Nothing was given.
    #[error("the name of the control socket is empty")]
    Empty,
    /// The path doesn't fit into a socket address.
    #[error(
        "the path of the control socket is too long: {} has {length} bytes, the system takes at most \
         {MAX_SOCKET_PATH}; choose a shorter one with --socket or {SOCKET_VARIABLE}", .path.display()
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// The path is relative and the current folder can't be found out.
    #[error("cannot make {} an absolute path: {cause}", .path.display())]
    NotAbsolute {
        /// The path.
        path: PathBuf,
        /// The system's words.
        cause: String,
    },
    /// On Windows: the text is not a pipe's name.
    #[error(
        "{0:?} is not the name of a pipe; on Windows it has the form {PIPE_PREFIX}NAME, at most 256 characters"
    )]
    NotAPipe(String),
    /// Neither a runtime folder nor a home folder is known.
    #[error(
        "no folder for the control socket: neither XDG_RUNTIME_DIR nor a home folder is set; use --socket or {SOCKET_VARIABLE}"
    )]
    NoFolder,
}

/// Which kind of endpoint a system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Sockets in the file system.
    Sockets,
    /// Named pipes.
    Pipes,
}

/// Which kind this system has.
pub const FAMILY: Family = if cfg!(windows) {
    Family::Pipes
} else {
    Family::Sockets
};

/// What the defaults depend on, gathered in one place, so that they are a pure function of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// Which kind of endpoint the system has.
    pub family: Family,
    /// The value of [`SOCKET_VARIABLE`], if it is set and not empty.
    pub socket_variable: Option<OsString>,
    /// `XDG_RUNTIME_DIR`, if it is an absolute path.
    pub runtime_folder: Option<PathBuf>,
    /// `~/.local/state`, where the home folder is known.
    pub state_folder: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process and its user.
    #[must_use]
    pub fn of_this_process() -> Self {
        let folders = directories::BaseDirs::new();
        let folder = |choose: fn(&directories::BaseDirs) -> Option<&Path>| {
            folders.as_ref().and_then(choose).map(Path::to_path_buf)
        };
        Self {
            family: FAMILY,
            socket_variable: std::env::var_os(SOCKET_VARIABLE).filter(|value| !value.is_empty()),
            runtime_folder: folder(directories::BaseDirs::runtime_dir),
            state_folder: folder(directories::BaseDirs::state_dir),
        }
    }
}

impl Endpoint {
    /// Checks a text that a person gave. A relative path is taken from the current folder, now.
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong with it.
    pub fn parse(text: &OsStr) -> Result<Self, EndpointError> {
        Self::parse_for(FAMILY, text)
    }

    /// [`Endpoint::parse`] for either kind of system.
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong with it.
    pub fn parse_for(family: Family, text: &OsStr) -> Result<Self, EndpointError> {
        if text.is_empty() {
            return Err(EndpointError::Empty);
        }
        match family {
            Family::Sockets => {
                let path = PathBuf::from(text);
                // The daemon leaves the folder that it was started in, so a relative path would soon mean another file.
                let absolute = std::path::absolute(&path).map_err(|error| EndpointError::NotAbsolute {
                    path,
                    cause: error.to_string(),
                })?;
                Self::socket(absolute)
            }
            Family::Pipes => {
                let text = text.to_string_lossy();
                let name = text.strip_prefix(PIPE_PREFIX).unwrap_or_default();
                if name.is_empty() || name.contains(['\\', '\0']) || text.chars().count() > MAX_PIPE_NAME {
                    return Err(EndpointError::NotAPipe(text.into_owned()));
                }
                Ok(Self::Pipe(text.into_owned()))
            }
        }
    }

    fn socket(path: PathBuf) -> Result<Self, EndpointError> {
        let length = path.as_os_str().len();
        if length > MAX_SOCKET_PATH {
            return Err(EndpointError::TooLong { path, length });
        }
        Ok(Self::Socket(path))
    }

    /// Where the daemon listens: what the option or [`SOCKET_VARIABLE`] says, else the system's place for a
    /// `privileged` one (root, or a service), else the user's.
    ///
    /// # Errors
    /// [`EndpointError`], also where a user has no folder for it.
    pub fn of_daemon(
        option: Option<&OsStr>,
        privileged: bool,
        around: &Surroundings,
    ) -> Result<Self, EndpointError> {
        match option.or(around.socket_variable.as_deref()) {
            Some(text) => Self::parse_for(around.family, text),
            None if privileged || around.family == Family::Pipes => Ok(Self::system(around.family)),
            None => Self::user(around).unwrap_or(Err(EndpointError::NoFolder)),
        }
    }

    /// Where a client looks, the most likely first: what the option or [`SOCKET_VARIABLE`] says and nothing else,
    /// or else the user's place and then the system's.
    ///
    /// # Errors
    /// [`EndpointError`] where the option or the variable is not an endpoint.
    pub fn candidates(option: Option<&OsStr>, around: &Surroundings) -> Result<Vec<Self>, EndpointError> {
        if let Some(text) = option.or(around.socket_variable.as_deref()) {
            return Ok(vec![Self::parse_for(around.family, text)?]);
        }
        // A user's place that is unusable (too long) can't have a daemon either.
        let user = Self::user(around).and_then(Result::ok);
        Ok(user.into_iter().chain([Self::system(around.family)]).collect())
    }

    fn system(family: Family) -> Self {
        match family {
            Family::Sockets => Self::Socket(SYSTEM_SOCKET.into()),
            Family::Pipes => Self::Pipe(DEFAULT_PIPE.into()),
        }
    }

    fn user(around: &Surroundings) -> Option<Result<Self, EndpointError>> {
        if around.family == Family::Pipes {
            return None;
        }
        let folder = around.runtime_folder.as_ref().or(around.state_folder.as_ref())?;
        Some(Self::socket(folder.join(IN_USER_FOLDER)))
    }

    /// The daemon's runtime folder where no option names one: the folder of its socket. A pipe has none.
    #[must_use]
    pub fn runtime_dir(&self) -> Option<&Path> {
        match self {
            Self::Socket(path) => path.parent(),
            Self::Pipe(_) => None,
        }
    }

    /// The name as the system takes it.
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        match self {
            Self::Socket(path) => path.as_os_str(),
            Self::Pipe(name) => OsStr::new(name),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Pipe(name) => f.pad(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings {
        Surroundings {
            family: Family::Sockets,
            socket_variable: None,
            runtime_folder: Some("/run/user/7".into()),
            state_folder: Some("/home/u/.local/state".into()),
        }
    }

    fn socket(path: &str) -> Endpoint {
        Endpoint::Socket(path.into())
    }

    #[test]
    fn the_option_wins_over_the_variable_and_the_variable_over_the_defaults() {
        let around = Surroundings {
            family: Family::Pipes,
            socket_variable: Some(r"\\.\pipe\variable".into()),
            ..around()
        };
        let option = OsStr::new(r"\\.\pipe\option");
        let pipe = |name: &str| Endpoint::Pipe(format!(r"\\.\pipe\{name}"));
        assert_eq!(
            Endpoint::of_daemon(Some(option), true, &around),
            Ok(pipe("option"))
        );
        assert_eq!(
            Endpoint::candidates(Some(option), &around),
            Ok(vec![pipe("option")])
        );
        assert_eq!(Endpoint::of_daemon(None, false, &around), Ok(pipe("variable")));
        assert_eq!(Endpoint::candidates(None, &around), Ok(vec![pipe("variable")]));
    }

    #[test]
    fn root_and_users_have_places_of_their_own_and_a_client_tries_both() {
        let user = socket("/run/user/7/s7supervisord/control.sock");
        let system = socket("/run/s7supervisord/control.sock");
        assert_eq!(Endpoint::of_daemon(None, true, &around()), Ok(system.clone()));
        assert_eq!(Endpoint::of_daemon(None, false, &around()), Ok(user.clone()));
        assert_eq!(Endpoint::candidates(None, &around()), Ok(vec![user, system]));
    }

    #[test]
    fn without_a_runtime_folder_the_state_folder_is_taken_and_without_both_it_says_so() {
        let mut around = Surroundings {
            runtime_folder: None,
            ..around()
        };
        let expected = socket("/home/u/.local/state/s7supervisord/control.sock");
        assert_eq!(Endpoint::of_daemon(None, false, &around), Ok(expected));
        around.state_folder = None;
        assert_eq!(
            Endpoint::of_daemon(None, false, &around),
            Err(EndpointError::NoFolder)
        );
        assert_eq!(
            Endpoint::candidates(None, &around),
            Ok(vec![socket(SYSTEM_SOCKET)])
        );
    }

    #[test]
    fn windows_has_one_pipe() {
        let around = Surroundings {
            family: Family::Pipes,
            ..around()
        };
        let pipe = Endpoint::Pipe(r"\\.\pipe\s7supervisord".into());
        assert_eq!(Endpoint::candidates(None, &around), Ok(vec![pipe.clone()]));
        assert_eq!(Endpoint::of_daemon(None, false, &around), Ok(pipe.clone()));
        assert_eq!(pipe.runtime_dir(), None);
        let long = format!(r"\\.\pipe\{}", "x".repeat(300));
        for bad in [r"C:\x", r"\\.\pipe\", r"\\.\pipe\a\b", "name", &long] {
            let refused = Endpoint::parse_for(Family::Pipes, bad.as_ref());
            assert_eq!(refused, Err(EndpointError::NotAPipe(bad.into())));
        }
    }

    #[test]
    fn a_path_that_does_not_fit_into_a_socket_address_is_named_with_the_limit() {
        let fits = format!("/{}", "x".repeat(106));
        assert_eq!(Endpoint::socket(fits.clone().into()), Ok(socket(&fits)));
        let text = Endpoint::socket(format!("{fits}y").into())
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("xy has 108 bytes") && text.contains("at most 107"),
            "{text}"
        );
        assert_eq!(
            Endpoint::parse_for(Family::Sockets, "".as_ref()),
            Err(EndpointError::Empty)
        );
    }

    #[test]
    fn a_relative_path_is_made_absolute_and_its_folder_is_the_runtime_folder() {
        let Ok(Endpoint::Socket(path)) = Endpoint::parse_for(Family::Sockets, "s.sock".as_ref()) else {
            panic!("a socket");
        };
        assert!(path.is_absolute() && path.ends_with("s.sock"), "{path:?}");
        assert_eq!(socket("/a/b/c.sock").runtime_dir(), Some(Path::new("/a/b")));
    }
}
