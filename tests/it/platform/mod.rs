//! What needs other programs than ours.

pub mod cgroups;
mod cgroups_left;
mod demo;
mod first_process;
mod java;
mod real_servers;
pub mod servers;
mod tomcat;
