//! The daemon as a service: under a real systemd in a machine of its own, and under init scripts.

mod crash;
mod init_script;
mod install;
mod stop;
