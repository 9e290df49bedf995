//! Linux.

mod appointments;
mod ask;
mod census;
mod child;
mod fifo;
mod identity;
mod inherited;
mod launch;
pub mod log_file;
mod pace;
mod pump;
mod sink;
mod spawner;
mod sweeper;
mod watch;

pub mod endpoint;
pub mod host;
pub mod leftovers;
pub mod output;
pub mod process;
pub mod signals;

pub use inherited::Inherited;
pub use process::reserve;
