//! One file for each verb of the client, under its name.

mod audit;
mod check;
mod logs;
mod restart;
mod script;
mod shutdown;
mod start;
mod status;
mod stop;
mod version;
