//! How a component is set up, and what the supervisor says of itself.

use super::*;
use s7proto::explain::{ComponentInfo, InfoReport, SupervisorInfo};

fn info(components: Vec<ComponentInfo>) -> View {
    View::Info(Box::new(InfoReport {
        supervisor: SupervisorInfo {
            status: report(vec![]).supervisor,
            protocol: (1, 1),
            install_folder: "/opt/s7".into(),
            runtime_dir: "/run/s7supervisord".into(),
            endpoint: "/run/s7supervisord/control.sock".into(),
            log: "/opt/s7/logs/Supervisor.log".into(),
            audit_log: "/opt/s7/logs/Supervisor-audit.log".into(),
            temp: "/opt/s7/temp".into(),
            trace_level: 2,
            stats_interval_us: Some(60_000_000),
            components: 3,
            last_event: 812,
        },
        components,
    }))
}

fn settings() -> ComponentInfo {
    ComponentInfo {
        id: name("text-2"),
        instance_of: Some((name("text"), 2)),
        description: "Text renderer".into(),
        command: vec![
            "/opt/s7/bin/text".into(),
            "--title".into(),
            "it's two".into(),
            String::new(),
        ],
        working_directory: "/opt/s7".into(),
        inherit_environment: true,
        environment: vec![("LC_ALL".into(), "C.UTF-8".into())],
        user: Some("s7".into()),
        group: None,
        umask: 0o27,
        limits: vec![("nofile".into(), Some(4096), None)],
        auto_start: true,
        tier: 2,
        start_delay_us: 5_000_000,
        stop_timeout_us: 60_000_000,
        restart_policy: "onFailure".into(),
        max_retries: 3,
        success_exit_codes: vec![0, 143],
        stop: "SIGTERM".into(),
        health: None,
        depends_on: vec![(name("is"), "restart".into())],
        log_file: "/opt/s7/logs/text-2.log".into(),
        pids: vec![4121, 4122],
    }
}

#[test]
fn info_of_a_component_is_all_that_the_registry_says_with_everything_filled_in() {
    let view = info(vec![settings()]);
    assert_eq!(
        as_text(&view),
        "\
text-2
  description    Text renderer
  instance       2 of text
  command        /opt/s7/bin/text --title 'it'\\''s two' ''
  folder         /opt/s7
  user           s7
  group          the user's
  umask          027
  limit          nofile 4096, at most unlimited
  environment    what the supervisor has, and:
  variable       LC_ALL=C.UTF-8
  start          by itself, tier 2, startDelay 5.00 s
  restart        onFailure, given up after 3 crashes in a row
  success codes  0 143
  stop           SIGTERM, killed after 1m 00s
  health         not checked
  depends on     is, when that is lost: restart
  log            /opt/s7/logs/text-2.log
  processes      4121 4122
"
    );
    let json = as_json(&view);
    let one = &json["data"]["components"][0];
    assert_eq!(
        (&one["instance_of"], &one["instance"]),
        (&json!("text"), &json!(2))
    );
    assert_eq!(one["command"][2], "it's two");
    assert_eq!(
        one["limits"],
        json!([{"name": "nofile", "soft": 4096, "hard": null}])
    );
    assert_eq!(
        one["environment"],
        json!([{"name": "LC_ALL", "value": "C.UTF-8"}])
    );
    assert_eq!(one["depends_on"], json!([{"id": "is", "on_loss": "restart"}]));
    assert_eq!(
        (&one["umask"], &one["start_delay_seconds"]),
        (&json!("0027"), &json!(5.0))
    );
    assert_eq!((&one["group"], &one["health"]), (&Value::Null, &Value::Null));
}

#[test]
fn info_without_a_component_is_about_the_supervisor() {
    let view = info(vec![]);
    let text = as_text(&view);
    for line in [
        "supervisor",
        "  version         0.1.0",
        "  protocol        1.1",
        "  pid             812, up 1m 30s",
        "  endpoint        /run/s7supervisord/control.sock",
        "  audit log       /opt/s7/logs/Supervisor-audit.log",
        "  statistics      every 1m 00s",
        "  last event      812",
    ] {
        assert!(
            text.lines().any(|one| one == line),
            "{line:?} is missing in {text}"
        );
    }
    let supervisor = &as_json(&view)["data"]["supervisor"];
    assert_eq!(
        (&supervisor["protocol"], &supervisor["stats_interval_seconds"]),
        (&json!("1.1"), &json!(60.0))
    );
    assert_eq!(as_json(&view)["data"]["components"], json!([]));
}
