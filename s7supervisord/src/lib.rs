//! `s7supervisord`: the daemon.
//!
//! A **command** comes in through `control`, `machine` decides, `driver` acts on the **process** through `platform`,
//! the **event** goes back to `machine`, and `control` carries the **reply** out.

pub mod machine;
pub mod registry;
