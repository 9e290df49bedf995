//! The last registry that loaded, kept for a daemon that finds a broken one and components that live (DESIGN 10).
//!
//! The files themselves are kept, not what was made of them: XML is what every version understands.

use super::load::{LoadOptions, Sources, load_text_in_place};
use super::plan::Plan;
use super::source;
use crate::failpoint::{self, Point};
use crate::state::journal::open_regular;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Its name in the runtime folder. JSON, so that it can be read at 3 a.m.
const FILE: &str = "registry.kept";

/// The most that is read, in bytes: a registry and a hundred profile files of 1 MiB, escaped.
const LONGEST: u64 = 256 * 1024 * 1024;

/// What is in the file. Fields that a later version adds are ignored by this one.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// For which install folder: relative paths depend on it.
    install_folder: PathBuf,
    settings: Vec<(String, String)>,
    registry: String,
    profiles: Vec<(PathBuf, String)>,
}

/// Keeps what was loaded in `dir`, whole or not at all.
///
/// # Errors
/// It can't be written; what was kept before stays.
pub fn keep(dir: &Path, options: &LoadOptions, sources: &Sources) -> io::Result<()> {
    let text = |bytes: &[u8]| {
        // It was understood a moment ago.
        source::decode(bytes).map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad.message))
    };
    let mut profiles = Vec::new();
    for (path, bytes) in &sources.profiles {
        profiles.push((path.clone(), text(bytes)?));
    }
    let kept = Kept {
        install_folder: options.install_folder.clone(),
        settings: options.settings.clone(),
        registry: text(&sources.registry)?,
        profiles,
    };
    let json = serde_json::to_vec(&kept)?;
    let (fresh, path) = (dir.join("registry.new"), dir.join(FILE));
    let _ = std::fs::remove_file(&fresh);
    let mut file = crate::platform::create_private(&fresh)?;
    file.write_all(&json)?;
    failpoint::reach(Point::KeepBeforeRename);
    std::fs::rename(&fresh, &path)
}

/// Whether something is kept in `dir`.
#[must_use]
pub fn is_kept(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// The plan of what is kept in `dir`, if something is, and it is for the same folder and settings.
///
/// # Errors
/// It can't be read, or this version can make no plan of it.
pub fn load(dir: &Path, options: &LoadOptions) -> Result<Option<Plan>, String> {
    let path = dir.join(FILE);
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let mut json = Vec::new();
    match open_regular(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened
            .and_then(|file| file.take(LONGEST).read_to_end(&mut json))
            .map_err(|error| told(&error))?,
    };
    let kept: Kept = serde_json::from_slice(&json).map_err(|error| told(&error))?;
    if kept.install_folder != options.install_folder || kept.settings != options.settings {
        return Ok(None);
    }
    let profiles: Vec<(PathBuf, Vec<u8>)> = kept
        .profiles
        .into_iter()
        .map(|(path, text)| (path, text.into_bytes()))
        .collect();
    let plan = load_text_in_place(kept.registry.as_bytes(), options, &profiles);
    plan.map(Some).map_err(|failure| told(&failure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Os, load_with_sources};

    #[test]
    fn what_is_kept_gives_the_same_plan_when_the_files_are_gone() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        std::fs::create_dir_all(at("conf/profiles.d")).unwrap();
        let profile = r#"<profiles><profile id="Own"><executable>bin/own</executable></profile></profiles>"#;
        std::fs::write(at("conf/profiles.d/own.xml"), profile).unwrap();
        let registry =
            r#"<supervisor><servers><server id="is"><profile ref="Own"/></server></servers></supervisor>"#;
        // In sixteen bits, with a byte order mark: what is kept is the text.
        let wide: Vec<u8> = std::iter::once(0xfeff)
            .chain(registry.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        std::fs::write(at("conf/r.xml"), wide).unwrap();
        let options = LoadOptions {
            file: at("conf/r.xml"),
            install_folder: temp.path().to_owned(),
            settings: vec![],
            strict: false,
            os: Os::current(),
        };
        assert_eq!(load(temp.path(), &options), Ok(None));
        let (plan, sources) = load_with_sources(&options).unwrap();
        keep(temp.path(), &options, &sources).unwrap();
        std::fs::remove_dir_all(at("conf")).unwrap();
        let again = load(temp.path(), &options).unwrap().unwrap();
        assert_eq!(again.components, plan.components);
        assert_eq!(again.supervisor, plan.supervisor);
        let other = LoadOptions {
            settings: vec![("SV::X".into(), "1".into())],
            ..options.clone()
        };
        assert_eq!(load(temp.path(), &other), Ok(None), "other settings");
        std::fs::write(at(FILE), b"{\"half").unwrap();
        assert!(load(temp.path(), &options).unwrap_err().contains(FILE));
    }
}
