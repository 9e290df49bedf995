//! Noticing that nobody reads any more, also while there is nothing to write: the system does not tell, the next write
//! fails.

/// Never ends here.
pub async fn reader_gone() {
    std::future::pending().await
}
