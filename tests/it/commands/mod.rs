//! One file for each verb of the client, under its name.

mod audit;
mod check;
mod events;
mod follow;
mod globs;
mod info;
mod logs;
mod restart;
mod script;
mod shutdown;
mod signal;
mod start;
mod status;
mod stop;
mod version;
mod wait;
mod why;
