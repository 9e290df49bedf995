//! Registries for tests: short timers, no port, everything under the sandbox.

use std::fmt::Write;

/// Where a sandbox has the fixture, relative to its install folder.
pub const FIXTURE: &str = "bin/fixture";

/// One `<server>` that runs the fixture (or another program).
#[derive(Debug, Clone)]
pub struct Server {
    id: String,
    executable: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    tier: i32,
    start_delay: String,
    stop_timeout: String,
    extra: String,
}

impl Server {
    /// The fixture as component `id`, doing `verbs` (one string, split at blanks; the fixture's own help names them).
    #[must_use]
    pub fn new(id: &str, verbs: &str) -> Self {
        let arguments = verbs.split_whitespace().map(Into::into).collect();
        Self::program(id, FIXTURE, arguments)
    }

    /// Any `executable` as component `id`.
    #[must_use]
    pub fn program(id: &str, executable: &str, arguments: Vec<String>) -> Self {
        Self {
            id: id.into(),
            executable: executable.into(),
            arguments,
            variables: Vec::new(),
            tier: 1,
            start_delay: "20ms".into(),
            stop_timeout: "5".into(),
            extra: String::new(),
        }
    }

    /// Its `startPriority`.
    #[must_use]
    pub fn tier(mut self, tier: i32) -> Self {
        self.tier = tier;
        self
    }

    /// Its `startDelay`, as written in the registry.
    #[must_use]
    pub fn start_delay(mut self, text: &str) -> Self {
        self.start_delay = text.into();
        self
    }

    /// Its `stopTimeout`, as written in the registry.
    #[must_use]
    pub fn stop_timeout(mut self, text: &str) -> Self {
        self.stop_timeout = text.into();
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Elements of any other kind, as they stand in the registry.
    #[must_use]
    pub fn with(mut self, xml: &str) -> Self {
        self.extra.push_str(xml);
        self
    }
}

/// The whole file. `marker` is a variable that every component gets, so that the harness finds what is left of it.
#[must_use]
pub fn document(servers: &[Server], marker: (&str, &str)) -> String {
    let mut xml = String::from(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<supervisor>
  <config>
    <tcpport>0</tcpport>
    <log>logs/Supervisor.log</log>
    <temp>temp</temp>
    <tracelevel>4</tracelevel>
    <tracestatsinterval>0</tracestatsinterval>
  </config>
  <servers>
"#,
    );
    for server in servers {
        write_server(&mut xml, server, marker);
    }
    xml.push_str("  </servers>\n</supervisor>\n");
    xml
}

fn write_server(xml: &mut String, server: &Server, marker: (&str, &str)) {
    let mut line = |text: String| {
        xml.push_str("    ");
        xml.push_str(&text);
        xml.push('\n');
    };
    line(format!("<server id=\"{}\">", escape(&server.id)));
    line(format!(
        "  <executable>{}</executable>",
        escape(&server.executable)
    ));
    line("  <arguments>".into());
    for argument in &server.arguments {
        line(format!("    <argument>{}</argument>", escape(argument)));
    }
    line("  </arguments>".into());
    let mut variables = String::new();
    let own = server
        .variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.chain([marker]) {
        // Writing to a string can't fail.
        let _ = write!(
            variables,
            r#"<variable name="{}" value="{}"/>"#,
            escape(name),
            escape(value)
        );
    }
    line(format!(
        "  <environment inherit=\"false\">{variables}</environment>"
    ));
    line(format!("  <startPriority>{}</startPriority>", server.tier));
    line(format!(
        "  <startDelay>{}</startDelay>",
        escape(&server.start_delay)
    ));
    line(format!(
        "  <stopTimeout>{}</stopTimeout>",
        escape(&server.stop_timeout)
    ));
    if !server.extra.is_empty() {
        line(format!("  {}", server.extra));
    }
    line("</server>".into());
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
