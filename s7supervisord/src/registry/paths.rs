//! Paths as texts of one of the two systems, whichever this code itself runs on.
//!
//! The same registry must come to the same plan wherever it is checked, so `std::path`, which only knows the rules
//! of the system it was built for, is not asked. A Windows plan made on Linux holds Windows paths, not to be opened.

use std::path::{Path, PathBuf};

/// The system that a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// Linux, and whatever else has Unix paths.
    Linux,
    /// Windows.
    Windows,
}

impl Os {
    /// The system this runs on.
    #[must_use]
    pub fn current() -> Self {
        match std::env::consts::OS {
            "windows" => Self::Windows,
            _ => Self::Linux,
        }
    }

    /// Its name in `os="…"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
        }
    }

    /// What separates the entries of a class path.
    pub(super) fn list_separator(self) -> &'static str {
        match self {
            Self::Linux => ":",
            Self::Windows => ";",
        }
    }

    fn separator(self) -> char {
        match self {
            Self::Linux => '/',
            Self::Windows => '\\',
        }
    }

    fn is_separator(self, character: char) -> bool {
        character == '/' || character == self.separator()
    }
}

/// Why a text can't be a path here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathError {
    #[error("the path is empty")]
    Empty,
    #[error("a path can't hold the character {0:?}")]
    BadCharacter(char),
    #[error("this path depends on a current drive or folder, which a service doesn't have")]
    DriveRelative,
    #[error("the install folder isn't absolute")]
    BaseNotAbsolute,
}

/// An absolute path in the form of its system: no `.`, no doubled and no last separator, on Windows backslashes
/// only. `..` stays, because what it means depends on symbolic links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AbsolutePath {
    os: Os,
    text: String,
}

impl AbsolutePath {
    /// Takes `text`, which must be absolute.
    pub fn parse(os: Os, text: &str) -> Result<Self, PathError> {
        check_characters(os, text)?;
        let (root, rest) = split_root(os, text).ok_or(PathError::BaseNotAbsolute)?;
        Ok(Self::build(os, root, rest))
    }

    /// `path` itself where it is absolute, else below this one.
    pub fn resolve(&self, path: &str) -> Result<Self, PathError> {
        check_characters(self.os, path)?;
        if let Some((root, rest)) = split_root(self.os, path) {
            return Ok(Self::build(self.os, root, rest));
        }
        if self.os == Os::Windows && (path.starts_with(['/', '\\']) || path.chars().nth(1) == Some(':')) {
            return Err(PathError::DriveRelative);
        }
        Ok(Self::build(self.os, self.text.clone(), path))
    }

    /// The folder it lies in; itself where it is a root.
    pub fn parent(&self) -> Self {
        let (root, rest) = split_root(self.os, &self.text).unwrap_or_default();
        let folder = rest.rfind(self.os.separator()).map_or("", |at| &rest[..at]);
        Self::build(self.os, root, folder)
    }

    /// The name after the last separator.
    pub fn file_name(&self) -> &str {
        self.text.rsplit(self.os.separator()).next().unwrap_or_default()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As the path of the system this runs on; of use where that is the plan's own.
    pub fn to_path_buf(&self) -> PathBuf {
        PathBuf::from(&self.text)
    }

    fn build(os: Os, mut text: String, rest: &str) -> Self {
        let parts = rest.split(|c| os.is_separator(c));
        for part in parts.filter(|part| !matches!(*part, "" | ".")) {
            if !text.ends_with(os.separator()) {
                text.push(os.separator());
            }
            text.push_str(part);
        }
        Self { os, text }
    }
}

/// A path given by the user of this machine, as text.
pub(super) fn to_text(path: &Path) -> Option<&str> {
    path.to_str()
}

/// Whether the text ends as a folder's name does.
pub(super) fn names_a_folder(os: Os, text: &str) -> bool {
    text.ends_with(|c| os.is_separator(c))
        || matches!(text.rsplit(|c| os.is_separator(c)).next(), Some("." | ".."))
}

/// The root in its usual form, and what comes after it. `None` where the path isn't absolute.
fn split_root(os: Os, text: &str) -> Option<(String, &str)> {
    if os == Os::Linux {
        return text.strip_prefix('/').map(|rest| ("/".to_owned(), rest));
    }
    let bytes = text.as_bytes();
    if let [drive, b':', b'/' | b'\\', ..] = bytes
        && drive.is_ascii_alphabetic()
    {
        return Some((format!("{}:\\", char::from(*drive)), &text[3..]));
    }
    // \\server\share and \\?\…: server and share (or `?` and what it introduces) belong to the root.
    if let [b'/' | b'\\', b'/' | b'\\', ..] = bytes {
        let mut parts = text[2..].splitn(3, ['/', '\\']);
        let (server, share) = (parts.next()?, parts.next()?);
        if server.is_empty() || share.is_empty() {
            return None;
        }
        return Some((format!("\\\\{server}\\{share}"), parts.next().unwrap_or("")));
    }
    None
}

fn check_characters(os: Os, text: &str) -> Result<(), PathError> {
    if text.is_empty() {
        return Err(PathError::Empty);
    }
    let verbatim = os == Os::Windows && text.starts_with(r"\\?\");
    let name = if verbatim { &text[4..] } else { text };
    let bad =
        |c: char| c.is_control() || (os == Os::Windows && matches!(c, '<' | '>' | '"' | '|' | '?' | '*'));
    match name.chars().find(|c| bad(*c)) {
        Some(found) => Err(PathError::BadCharacter(found)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(os: Os, base: &str, path: &str) -> Result<String, PathError> {
        AbsolutePath::parse(os, base)?.resolve(path).map(|path| path.text)
    }

    #[test]
    fn relative_paths_lie_under_the_install_folder() {
        for (path, expected) in [
            ("bin/is", "/opt/s7/bin/is"),
            ("./logs//x.log", "/opt/s7/logs/x.log"),
            (".", "/opt/s7"),
            ("../x/", "/opt/s7/../x"),
            ("/usr/bin/java", "/usr/bin/java"),
            ("/", "/"),
            (r"bin\is", r"/opt/s7/bin\is"),
        ] {
            assert_eq!(resolved(Os::Linux, "/opt/s7/", path).unwrap(), expected);
        }
        for (path, expected) in [
            (r"jre64\bin\java.exe", r"C:\Program Files\S7\jre64\bin\java.exe"),
            ("./logs/x.log", r"C:\Program Files\S7\logs\x.log"),
            (".", r"C:\Program Files\S7"),
            ("d:/x", r"d:\x"),
            (r"\\host\share\x/y", r"\\host\share\x\y"),
            (r"\\?\C:\x", r"\\?\C:\x"),
        ] {
            assert_eq!(
                resolved(Os::Windows, r"C:\Program Files\S7", path).unwrap(),
                expected
            );
        }
    }

    #[test]
    fn a_path_that_depends_on_something_current_is_refused() {
        for path in ["C:x", r"\x", "/x", r"\\host"] {
            let refused = resolved(Os::Windows, r"C:\S7", path);
            assert_eq!(refused, Err(PathError::DriveRelative), "{path}");
        }
        assert_eq!(resolved(Os::Linux, "opt", "x"), Err(PathError::BaseNotAbsolute));
        assert_eq!(
            resolved(Os::Windows, "/opt", "x"),
            Err(PathError::BaseNotAbsolute)
        );
    }

    #[test]
    fn characters_that_no_path_can_hold_are_refused() {
        assert_eq!(
            resolved(Os::Linux, "/", "a\0"),
            Err(PathError::BadCharacter('\0'))
        );
        assert_eq!(resolved(Os::Linux, "/", "a?").unwrap(), "/a?");
        assert_eq!(
            resolved(Os::Windows, "C:/", "a?"),
            Err(PathError::BadCharacter('?'))
        );
        assert_eq!(resolved(Os::Linux, "/", ""), Err(PathError::Empty));
    }

    #[test]
    fn parent_and_name_are_told_apart_by_the_plans_own_separator() {
        let path = AbsolutePath::parse(Os::Windows, "C:/logs/Supervisor.log").unwrap();
        assert_eq!(
            (path.parent().as_str(), path.file_name()),
            (r"C:\logs", "Supervisor.log")
        );
        let path = AbsolutePath::parse(Os::Linux, "/x.log").unwrap();
        assert_eq!((path.parent().as_str(), path.file_name()), ("/", "x.log"));
        assert!(names_a_folder(Os::Linux, "logs/") && names_a_folder(Os::Linux, "."));
        assert!(!names_a_folder(Os::Linux, r"logs\") && names_a_folder(Os::Windows, r"logs\"));
    }
}
