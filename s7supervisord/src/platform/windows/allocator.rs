//! How the system's allocator keeps memory that nothing uses at the moment.

/// There is nothing to be said: the process has one heap, whatever thread asks, and large pieces are mapped for themselves.
pub fn keep_little() {}
