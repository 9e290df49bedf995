//! Linux.

mod appointments;
mod archive;
mod ask;
mod budget;
mod census;
mod cgroup;
mod cgroup_place;
mod child;
mod clone;
mod create;
mod fifo;
mod held;
mod identity;
mod inherited;
mod launch;
mod leftovers_of_service;
mod line_end;
mod locks;
pub mod log_file;
mod measure;
mod owners;
mod pace;
mod pidfd;
mod places;
mod pump;
mod recording;
mod rotate;
mod sink;
mod spawner;
mod stream;
mod sweeper;
mod turns;
mod watch;
mod words;

pub mod endpoint;
pub mod host;
pub mod leftovers;
pub mod output;
pub mod process;
pub mod service_manager;
pub mod signals;

pub use inherited::Inherited;
pub use process::{create_private, reserve};
