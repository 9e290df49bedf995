//! The registries that lie on the pretended disk, one after the other.

use s7supervisord::registry::plan::Plan;
use s7supervisord::registry::{LoadOptions, Os, load_text};
use std::sync::OnceLock;

/// Registries that follow each other: names come and go, tiers, dependencies and policies change.
const REGISTRIES: [&str; 4] = [
    "<server id='is'></server>
     <server id='svg'><dependsOn ref='is'/></server>
     <server id='ps'><startPriority>2</startPriority><dependsOn ref='svg'/></server>
     <server id='t'><instances>3</instances><startDelay>0</startDelay></server>
     <server id='job'><restart policy='never'/><autoStart>false</autoStart></server>",
    "<server id='is'><stopTimeout>1</stopTimeout></server>
     <server id='svg'><arguments><argument>x</argument></arguments></server>
     <server id='ps'><dependsOn ref='is'/></server>
     <server id='t'><instances>2</instances></server>
     <server id='new'><restart policy='onFailure' maxRetries='2'/></server>",
    "<server id='ps'><startPriority>3</startPriority><dependsOn ref='svg'/></server>
     <server id='svg'><startPriority>2</startPriority></server>",
    "",
];

/// What they load to.
pub fn plans() -> &'static [Plan] {
    static PLANS: OnceLock<Vec<Plan>> = OnceLock::new();
    PLANS.get_or_init(|| REGISTRIES.iter().map(|servers| plan(servers)).collect())
}

fn plan(servers: &str) -> Plan {
    let options = LoadOptions {
        file: "r.xml".into(),
        install_folder: "/s7".into(),
        settings: Vec::new(),
        strict: false,
        os: Os::Linux,
    };
    let servers = servers.replace("</server>", "<executable>bin/x</executable></server>");
    let text = format!("<supervisor><servers>{servers}</servers></supervisor>");
    load_text(text.as_bytes(), &options, &[]).unwrap_or_else(|failure| panic!("{failure}"))
}
