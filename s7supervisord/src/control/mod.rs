//! Where a **command** comes in and the **reply** goes out.

pub mod audit;
pub mod call;
pub mod connection;
pub mod listen;
pub mod place;
pub mod reception;
