//! The registry: from the bytes of `SupervisorRegistry.xml` to a [`plan::Plan`], or to all that is wrong with it.
//!
//! bytes → `source` → text → `tree` → elements → `reading`, `layer` → what is written, typed → `profiles`, `server`,
//! `component`, `dependencies` → [`plan::Plan`]. Findings go to `diagnostic` from everywhere. Only [`load`],
//! `neighbours`, [`kept`], [`places`] and [`trust`] touch files.

pub mod check;
mod component;
mod dependencies;
mod diagnostic;
pub mod diff;
mod elements;
pub mod fingerprint;
mod health;
pub mod java;
pub mod kept;
mod layer;
mod load;
mod neighbours;
mod notify;
mod paths;
pub mod places;
pub mod plan;
mod port;
mod profiles;
mod reactions;
mod reading;
mod server;
mod settings;
mod source;
mod supervisor;
mod tree;
pub mod trust;
mod values;

pub use load::{
    LoadFailure, LoadFailureKind, LoadOptions, Sources, failure, load, load_text, load_trusted,
    load_with_sources, profile_folder,
};
pub(crate) use notify::WATCHDOG;
pub use paths::Os;
pub use reactions::compile_trigger;

#[cfg(test)]
mod tests;
