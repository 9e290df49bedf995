//! Where the install folder and the registry are, if nobody says (DESIGN 3, "Places").

use super::paths::Os;
use std::io;
use std::path::{Path, PathBuf};

/// The environment variable that names the install folder.
pub const INSTALL_FOLDER_VARIABLE: &str = "S7_INSTALL_FOLDER";

/// The two places that everything else follows from, both absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The install folder.
    pub install_folder: PathBuf,
    /// The registry file.
    pub registry: PathBuf,
}

/// Why the places can't be told.
#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    /// Nothing names an install folder, and the user has no home.
    #[error(
        "cannot find an install folder: {documented} does not exist, and this user has no home folder; name one with \
         --install-folder or {INSTALL_FOLDER_VARIABLE}"
    )]
    NoFolder {
        /// The documented folder.
        documented: &'static str,
    },
    /// A relative path was given, and there is no current folder to begin from.
    #[error("cannot make {} absolute: {source}; give an absolute path", path.display())]
    NotAbsolute {
        /// What was given.
        path: PathBuf,
        /// Why it can't be made absolute.
        source: io::Error,
    },
}

/// What the places are told from.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `--install-folder`.
    pub install_folder: Option<PathBuf>,
    /// The value of [`INSTALL_FOLDER_VARIABLE`]; an empty one counts as absent.
    pub install_folder_variable: Option<PathBuf>,
    /// `--registry`.
    pub registry: Option<PathBuf>,
}

impl Given {
    /// The command line's two, with the environment of this process.
    #[must_use]
    pub fn new(install_folder: Option<PathBuf>, registry: Option<PathBuf>) -> Self {
        Self {
            install_folder,
            install_folder_variable: std::env::var_os(INSTALL_FOLDER_VARIABLE).map(PathBuf::from),
            registry,
        }
    }
}

/// The install folder as it is documented.
#[must_use]
pub fn documented_install_folder(os: Os) -> &'static str {
    match os {
        Os::Linux => "/usr/local/scene7/ImageServing",
        Os::Windows => r"C:\Program Files\Scene7\ImageServing",
    }
}

/// Finds the places: what is given, else the documented folder where it exists, else the user's own. What a person
/// gives is relative to the current folder, as in every command line.
///
/// # Errors
/// [`PlacesError`] where nothing is given and nothing can be found.
pub fn find(given: &Given) -> Result<Places, PlacesError> {
    let documented = documented_install_folder(Os::current());
    let own = directories::ProjectDirs::from("", "S7", "s7supervisord");
    let own = own.map(|own| own.data_local_dir().to_path_buf());
    choose(given, documented, Path::new(documented).is_dir(), own)
}

fn choose(
    given: &Given,
    documented: &'static str,
    documented_exists: bool,
    own: Option<PathBuf>,
) -> Result<Places, PlacesError> {
    let variable = given
        .install_folder_variable
        .clone()
        .filter(|path| !path.as_os_str().is_empty());
    let install_folder = match given.install_folder.clone().or(variable) {
        Some(folder) => absolute(folder)?,
        None if documented_exists => PathBuf::from(documented),
        None => own.ok_or(PlacesError::NoFolder { documented })?,
    };
    let registry = match given.registry.clone() {
        Some(file) => absolute(file)?,
        None => install_folder.join("conf").join("SupervisorRegistry.xml"),
    };
    Ok(Places {
        install_folder,
        registry,
    })
}

fn absolute(path: PathBuf) -> Result<PathBuf, PlacesError> {
    std::path::absolute(&path).map_err(|source| PlacesError::NotAbsolute { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absolute(name: &str) -> PathBuf {
        std::path::absolute(format!("/{name}")).unwrap()
    }

    fn chosen(given: &Given, documented_exists: bool) -> Places {
        choose(given, "DOCUMENTED", documented_exists, Some(PathBuf::from("OWN"))).unwrap()
    }

    #[test]
    fn the_command_line_goes_before_the_variable_and_that_before_what_is_found() {
        let mut given = Given {
            install_folder: Some(absolute("option")),
            install_folder_variable: Some(absolute("variable")),
            registry: None,
        };
        assert_eq!(chosen(&given, true).install_folder, absolute("option"));
        given.install_folder = None;
        assert_eq!(chosen(&given, true).install_folder, absolute("variable"));
        given.install_folder_variable = Some(PathBuf::new());
        assert_eq!(chosen(&given, true).install_folder, PathBuf::from("DOCUMENTED"));
        assert_eq!(chosen(&given, false).install_folder, PathBuf::from("OWN"));
    }

    #[test]
    fn the_registry_is_in_conf_unless_a_file_is_named() {
        let mut given = Given::default();
        let expected: PathBuf = ["DOCUMENTED", "conf", "SupervisorRegistry.xml"].iter().collect();
        assert_eq!(chosen(&given, true).registry, expected);
        given.registry = Some(PathBuf::from("r.xml"));
        let expected = std::env::current_dir().unwrap().join("r.xml");
        assert_eq!(chosen(&given, true).registry, expected);
    }

    #[test]
    fn without_any_place_the_error_names_what_to_give() {
        let error = choose(&Given::default(), "DOCUMENTED", false, None).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("--install-folder or S7_INSTALL_FOLDER")
        );
    }
}
