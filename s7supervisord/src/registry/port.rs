//! Where a component listens, as far as its plan says.

use super::plan::{ComponentPlan, HealthPlan, HttpUrl, ProbePlan};

/// A port that a component listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortPlan {
    /// Which.
    pub port: u16,
    /// The registry says so in words (`<server port>`); otherwise it is where the component is checked, which may be at
    /// another one that passes the question on.
    pub is_said: bool,
}

impl ComponentPlan {
    /// The port that it listens on: the one that the registry says, else the one on this machine where its checks ask.
    #[must_use]
    pub fn known_port(&self) -> Option<PortPlan> {
        if let Some(port) = self.port {
            return Some(PortPlan { port, is_said: true });
        }
        let checks = [&self.health, &self.readiness].into_iter().flatten();
        let port = checks.into_iter().find_map(asked_at)?;
        Some(PortPlan { port, is_said: false })
    }
}

fn asked_at(check: &HealthPlan) -> Option<u16> {
    match &check.probe {
        ProbePlan::Tcp { port } => Some(*port),
        ProbePlan::Http(http) => on_this_machine(&http.url),
        ProbePlan::Exec { .. } => None,
    }
}

fn on_this_machine(url: &HttpUrl) -> Option<u16> {
    matches!(url.host.as_str(), "127.0.0.1" | "localhost" | "::1").then_some(url.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_the_port_where_it_is_of_this_machine() {
        let port = |url: &str| on_this_machine(&HttpUrl::of(url).unwrap());
        assert_eq!(port("http://127.0.0.1:8080/is/image"), Some(8080));
        assert_eq!(port("http://localhost/?x"), Some(80));
        assert_eq!(port("http://[::1]:81/"), Some(81));
        assert_eq!(port("http://elsewhere:8080/"), None);
    }
}
