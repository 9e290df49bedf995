//! Components that say how they are, and those that no longer do.

mod commands;
mod hung;
mod load;
mod ready;
mod servers;

/// An answer of HTTP/1.1 with a body that its length tells.
fn page(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
