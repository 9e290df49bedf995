//! The daemon as a service: under a real systemd in a machine of its own, under an init script, and under a
//! test in the place of a service manager.

mod crash;
mod init_script;
mod init_script_user;
mod install;
mod notify;
mod stop;
mod upgrade;
