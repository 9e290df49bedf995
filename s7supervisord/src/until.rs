//! Waiting for a time that may never come.

use tokio::time::Instant;

/// Waits until then, or for ever.
pub async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
