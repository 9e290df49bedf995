//! The registry as a whole: what loads, and to what; what doesn't, and with which words.

mod accepted;
mod files;
mod form;
mod hostile;
mod java;
mod notify;
mod reactions;
mod refused;
mod words;

use super::plan::*;
use super::{LoadFailure, LoadOptions, Os, load_text};
use s7proto::reply::{Diagnostic, Severity};
use std::path::PathBuf;

const DOCUMENTED: &str = include_str!("../fixtures/documented.xml");
const LITERALS: &str = include_str!("../fixtures/documented-literals.xml");
const DESIGN: &str = include_str!("../fixtures/design.xml");

fn options(os: Os) -> LoadOptions {
    LoadOptions {
        file: PathBuf::from("r.xml"),
        install_folder: PathBuf::from(match os {
            Os::Linux => "/s7",
            Os::Windows => r"C:\Program Files\S7",
        }),
        settings: Vec::new(),
        strict: false,
        os,
    }
}

fn load_as(os: Os, text: &str) -> Result<Plan, LoadFailure> {
    load_text(text.as_bytes(), &options(os), &[])
}

fn plan_for(os: Os, text: &str) -> Plan {
    load_as(os, text).unwrap_or_else(|failure| panic!("{failure}"))
}

fn plan(text: &str) -> Plan {
    plan_for(Os::Linux, text)
}

fn registry(servers: &str) -> String {
    format!("<supervisor><servers>{servers}</servers></supervisor>")
}

/// The only component of a server with this in it, and an executable.
fn server(inner: &str) -> ComponentPlan {
    let text = registry(&format!(
        "<server id='a'><executable>bin/a</executable>{inner}</server>"
    ));
    let plan = plan(&text);
    assert_eq!(plan.warnings, [], "{inner}");
    plan.components.into_iter().next().unwrap()
}

fn errors(diagnostics: &[Diagnostic]) -> Vec<&str> {
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error);
    errors.map(|one| one.message.as_str()).collect()
}

fn messages(diagnostics: &[Diagnostic]) -> Vec<&str> {
    diagnostics.iter().map(|one| one.message.as_str()).collect()
}
