//! The registry: from the bytes of `SupervisorRegistry.xml` to a [`plan::Plan`], or to all that is wrong with it.

pub mod plan;
