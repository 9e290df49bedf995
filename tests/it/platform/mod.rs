//! What needs other programs than ours.

mod demo;
mod real_servers;
mod servers;
mod tomcat;
