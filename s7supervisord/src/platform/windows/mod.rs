//! Windows, so far: everything that is pure runs here, and the daemon refuses to supervise with one clear sentence.

pub mod log_file;

pub mod allocator;
pub mod beside;
pub mod binary;
pub mod endpoint;
pub mod host;
pub mod leftovers;
pub mod output;
pub mod process;
pub mod remains;
pub mod removals;
pub mod service_manager;
pub mod signals;

pub use process::{HandedOver, Inherited, Socket, create_private, is_at, is_removed, private, reserve};
