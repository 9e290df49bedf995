//! Loading: the files, then everything above them without touching a file.

use super::diagnostic::{Finding, Findings, Span};
use super::neighbours::{Files, Neighbours};
use super::paths::{AbsolutePath, Os, to_text};
use super::plan::Plan;
use super::profiles::{BUILT_IN, Profiles};
use super::reading::Reading;
use super::settings::Settings;
use super::source::{self, Source};
use super::{dependencies, server, supervisor, tree};
use s7proto::reply::{Diagnostic, Severity};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The most files in `conf/profiles.d`.
const MAX_PROFILE_FILES: usize = 100;

/// What to load, and how.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The registry file.
    pub file: PathBuf,
    /// The install folder, absolute.
    pub install_folder: PathBuf,
    /// `--set SV::Name=value`; wins over everything in the registry.
    pub settings: Vec<(String, String)>,
    /// Whether warnings are errors.
    pub strict: bool,
    /// The system that the plan is for.
    pub os: Os,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadFailure {
    /// Everything that was found, sorted by place, warnings too.
    pub diagnostics: Vec<Diagnostic>,
    /// The registry file.
    pub file: PathBuf,
    /// Whether it could not be read at all.
    pub kind: LoadFailureKind,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadFailureKind {
    /// A file could not be read.
    Unreadable,
    /// What is in it can't be used.
    Invalid,
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.diagnostics {
            writeln!(f, "{}", diagnostic.rendered)?;
        }
        let errors = self
            .diagnostics
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .count();
        let noun = if errors == 1 { "error" } else { "errors" };
        write!(
            f,
            "cannot load the registry {}: {errors} {noun}",
            self.file.display()
        )
    }
}

impl std::error::Error for LoadFailure {}

/// Reads the registry and the profiles in `conf/profiles.d` of the install folder, and makes a plan of them.
///
/// # Errors
/// [`LoadFailure`] has all that is wrong. Nothing is started, created or changed either way.
pub fn load(options: &LoadOptions) -> Result<Plan, LoadFailure> {
    load_with_sources(options).map(|(plan, _)| plan)
}

/// What a plan was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The bytes of the registry.
    pub registry: Vec<u8>,
    /// The profile files, in order.
    pub profiles: Vec<(PathBuf, Vec<u8>)>,
}

/// As [`load`], with the files as they were read.
///
/// # Errors
/// As [`load`].
pub fn load_with_sources(options: &LoadOptions) -> Result<(Plan, Sources), LoadFailure> {
    let bytes = match source::read(&options.file) {
        Ok(bytes) => bytes,
        Err(error) => return Err(unreadable(options, &options.file, "the registry", &error)),
    };
    let profile_files = read_profile_files(options)?;
    // The file system can only be asked about the plan's programs where it is the plan's own.
    let here = options.os == Os::current();
    let neighbours = neighbours(options);
    let is_there = |path: &Path| !here || path.is_file();
    let plan = assemble(&bytes, options, &profile_files, (&is_there, neighbours))?;
    let sources = Sources {
        registry: bytes,
        profiles: profile_files,
    };
    Ok((plan, sources))
}

/// A failure about the whole file.
#[must_use]
pub fn failure(options: &LoadOptions, message: String) -> LoadFailure {
    let file = options.file.display().to_string();
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        rendered: format!("{file}: {message}"),
        file,
        line: 0,
        column: 0,
        message,
        hint: None,
    };
    LoadFailure {
        diagnostics: vec![diagnostic],
        file: options.file.clone(),
        kind: LoadFailureKind::Invalid,
    }
}

/// Loads the registry for a daemon: if nobody can have written it who must not, and its components can be who they are to
/// be.
///
/// # Errors
/// As [`load`], or who else could write it, or which component can't be its user.
pub fn load_trusted(options: &LoadOptions) -> Result<(Plan, Sources), LoadFailure> {
    super::trust::check_obeyed(&options.file, &options.install_folder)
        .map_err(|why| failure(options, why.to_string()))?;
    let loaded = load_with_sources(options)?;
    check_users(&loaded.0).map_err(|why| failure(options, why))?;
    Ok(loaded)
}

/// Whether each component can be the user that it is to be: a daemon of root can become any, another one none but its own.
fn check_users(plan: &Plan) -> Result<(), String> {
    let stranger = plan.components.iter().find_map(|component| {
        let user = component.run.user.as_deref()?;
        (!crate::platform::process::can_become(user)).then_some((&component.id, user))
    });
    match stranger {
        None => Ok(()),
        Some((component, user)) => Err(format!(
            "`{component}` has <user>{user}</user>, and this supervisor can't become another user; run it as root, or \
             take the <user> away"
        )),
    }
}

/// Makes a plan of a registry in memory: no file is read, and none is looked for.
///
/// # Errors
/// [`LoadFailure`] has all that is wrong.
pub fn load_text(
    text: &[u8],
    options: &LoadOptions,
    profile_files: &[(PathBuf, Vec<u8>)],
) -> Result<Plan, LoadFailure> {
    assemble(text, options, profile_files, (&|_| true, Files::default()))
}

/// As [`load_text`], with the ports that the files of other programs in the install folder have.
///
/// # Errors
/// [`LoadFailure`] has all that is wrong.
pub fn load_text_in_place(
    text: &[u8],
    options: &LoadOptions,
    profile_files: &[(PathBuf, Vec<u8>)],
) -> Result<Plan, LoadFailure> {
    assemble(text, options, profile_files, (&|_| true, neighbours(options)))
}

/// These can only be looked for where the file system is the plan's own.
fn neighbours(options: &LoadOptions) -> Files {
    match options.os == Os::current() {
        true => Files::read(&options.install_folder),
        false => Files::default(),
    }
}

fn read_profile_files(options: &LoadOptions) -> Result<Vec<(PathBuf, Vec<u8>)>, LoadFailure> {
    let folder = profile_folder(&options.install_folder);
    let failed = |path: &Path, error: &io::Error| unreadable(options, path, "a profile file", error);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(options, &folder, "the profile folder", &error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(&folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            paths.push(path);
        }
        if paths.len() > MAX_PROFILE_FILES {
            let error = io::Error::other(format!("there are more than {MAX_PROFILE_FILES} of them"));
            return Err(failed(&folder, &error));
        }
    }
    paths.sort();
    let read = |path: PathBuf| match source::read(&path) {
        Ok(bytes) => Ok((path, bytes)),
        Err(error) => Err(failed(&path, &error)),
    };
    paths.into_iter().map(read).collect()
}

/// The folder that profiles are read from besides the registry.
#[must_use]
pub fn profile_folder(install_folder: &Path) -> PathBuf {
    install_folder.join("conf").join("profiles.d")
}

fn unreadable(options: &LoadOptions, path: &Path, what: &str, error: &io::Error) -> LoadFailure {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            Some("name it with --registry, or the install folder with --install-folder")
        }
        io::ErrorKind::PermissionDenied => Some("let the user that runs this read it"),
        _ => None,
    };
    let mut findings = Findings::new(false);
    let finding = Finding::new(Severity::Error, None, format!("cannot read {what}: {error}"));
    findings.report(finding.maybe_hint(hint.map(str::to_owned)));
    LoadFailure {
        diagnostics: findings.finish(&[], &path.display().to_string()),
        file: options.file.clone(),
        kind: LoadFailureKind::Unreadable,
    }
}

/// What is known of the file system: whether a file is there, and what says where the neighbours listen.
type Beside<'a> = (&'a dyn Fn(&Path) -> bool, Files);

fn assemble(
    text: &[u8],
    options: &LoadOptions,
    profile_files: &[(PathBuf, Vec<u8>)],
    beside: Beside<'_>,
) -> Result<Plan, LoadFailure> {
    let mut findings = Findings::new(options.strict);
    let mut sources = Vec::new();
    let plan = read_all(text, options, profile_files, beside, &mut sources, &mut findings);
    let failed = findings.any_error();
    let diagnostics = findings.finish(&sources, &options.file.display().to_string());
    match plan {
        Some(plan) if !failed => Ok(Plan {
            warnings: diagnostics,
            ..plan
        }),
        _ => Err(LoadFailure {
            diagnostics,
            file: options.file.clone(),
            kind: LoadFailureKind::Invalid,
        }),
    }
}

/// Adds a source and reads its form.
fn read_tree(
    name: String,
    bytes: &[u8],
    sources: &mut Vec<Source>,
    findings: &mut Findings,
) -> Option<tree::Element> {
    let index = sources.len();
    match source::decode(bytes) {
        Ok(text) => {
            let element = tree::parse(index, &text, findings);
            sources.push(Source { name, text });
            element
        }
        Err(bad) => {
            let at = Span {
                source: index,
                start: bad.at.start,
                end: bad.at.end,
            };
            findings.report(Finding::error(at, bad.message).hint(bad.hint));
            sources.push(Source {
                name,
                text: bad.readable,
            });
            None
        }
    }
}

fn read_all(
    text: &[u8],
    options: &LoadOptions,
    profile_files: &[(PathBuf, Vec<u8>)],
    beside: Beside<'_>,
    sources: &mut Vec<Source>,
    findings: &mut Findings,
) -> Option<Plan> {
    let os = options.os;
    let (is_there, neighbours) = beside;
    let root = read_tree(options.file.display().to_string(), text, sources, findings);
    let mut profile_trees = Vec::new();
    for (path, bytes) in profile_files {
        profile_trees.extend(read_tree(path.display().to_string(), bytes, sources, findings));
    }
    let built_in = read_tree(
        "(built-in profiles)".into(),
        BUILT_IN.as_bytes(),
        sources,
        findings,
    );

    let install = to_text(&options.install_folder).map(|text| AbsolutePath::parse(os, text));
    let install = match install {
        Some(Ok(path)) => Some(path),
        bad => {
            let why = match bad {
                Some(Err(error)) => error.to_string(),
                _ => "its name isn't Unicode text".into(),
            };
            let message = format!(
                "the install folder {:?} can't be used: {why}",
                options.install_folder
            );
            findings.report(
                Finding::new(Severity::Error, None, message)
                    .hint("give an absolute path with --install-folder"),
            );
            None
        }
    };
    let mut settings = Settings::new(os, &options.settings, findings);
    let root = root?;
    if root.name != "supervisor" {
        let message = format!(
            "the root element is `<{}>`, and of a registry it is `<supervisor>`",
            super::diagnostic::shown(&root.name)
        );
        findings.report(Finding::error(root.tag, message).hint("is this the right file?"));
        return None;
    }
    if let Some(element) = root.children.iter().find(|child| child.name == "settings") {
        settings.read(element, findings);
    }
    let neighbours = Neighbours::of(&neighbours, sources, findings);
    let mut reading = Reading {
        os,
        settings: &mut settings,
        findings,
    };
    reading.shape(&root, &["config", "settings", "profiles", "servers"], &[]);
    shape_settings(&root, &mut reading);
    let profiles = read_profiles(&root, &profile_trees, built_in.as_ref(), &mut reading);
    let (supervisor, folders, for_all) = supervisor::read(&root, install?, neighbours, &mut reading);
    let mut servers = server::read(&root, &profiles, &folders, &for_all, &mut reading);
    dependencies::resolve(&mut servers, reading.findings);
    settings.report_unused(findings);
    for (path, at, id) in &servers.programs {
        if !is_there(path) {
            let message = format!("`{id}` needs {}, and there is no such file", path.display());
            findings
                .report(Finding::warning(*at, message).hint("until it is there, the component can't start"));
        }
    }
    Some(Plan {
        file: options.file.clone(),
        install_folder: folders.install.to_path_buf(),
        supervisor,
        components: servers.components,
        warnings: Vec::new(),
    })
}

fn shape_settings(root: &tree::Element, reading: &mut Reading<'_>) {
    let Some(settings) = reading.one(root, "settings") else {
        return;
    };
    reading.shape(settings, &["setting"], &[]);
    for setting in settings.children.iter().filter(|child| child.name == "setting") {
        reading.shape(setting, &[], &["name"]);
    }
}

fn read_profiles(
    root: &tree::Element,
    files: &[tree::Element],
    built_in: Option<&tree::Element>,
    reading: &mut Reading<'_>,
) -> Profiles {
    let mut profiles = Profiles::default();
    if let Some(element) = reading.one(root, "profiles") {
        profiles.read(element, 0, reading);
    }
    for element in files {
        if element.name == "profiles" {
            profiles.read(element, 1, reading);
        } else {
            let message = format!(
                "the root element is `<{}>`, and of a profile file it is `<profiles>`",
                super::diagnostic::shown(&element.name)
            );
            reading.findings.report(Finding::error(element.tag, message));
        }
    }
    if let Some(element) = built_in {
        profiles.read(element, 2, reading);
    }
    profiles
}
