//! `<notify>`.

use super::*;
use crate::registry::check;
use crate::registry::diff::{ChangeKind, diff};
use crate::registry::fingerprint;
use std::time::Duration;

fn notify(inner: &str) -> Option<NotifyPlan> {
    server(inner).notify
}

fn with(inner: &str) -> Plan {
    plan(&registry(&format!(
        "<server id='a'><executable>x</executable>{inner}</server>"
    )))
}

fn refused(inner: &str) -> String {
    let text = format!("<server id='a'><executable>x</executable>{inner}</server>");
    match load_as(Os::Linux, &registry(&text)) {
        Err(failure) => errors(&failure.diagnostics).join("; "),
        Ok(_) => panic!("this loads: {text}"),
    }
}

#[test]
fn both_ways_to_tell_are_understood_with_their_times() {
    let seconds = Duration::from_secs;
    let plan = |by, startup_timeout, watchdog| {
        Some(NotifyPlan {
            by,
            startup_timeout,
            watchdog,
        })
    };
    assert_eq!(
        notify("<notify type='systemd' startupTimeout='90' watchdog='30s'/>"),
        plan(NotifyBy::Socket, seconds(90), Some(seconds(30)))
    );
    assert_eq!(
        notify("<notify type='descriptor' descriptor='3' startupTimeout='90'/>"),
        plan(NotifyBy::Descriptor(3), seconds(90), None)
    );
    assert_eq!(
        notify("<notify type='systemd'/>"),
        plan(NotifyBy::Socket, seconds(300), None),
        "the time is that of <health>"
    );
    assert_eq!(
        notify("<startupTimeout>20</startupTimeout><notify type='systemd'/>"),
        plan(NotifyBy::Socket, seconds(20), None)
    );
    assert_eq!(notify("<notify type='none'/>"), None);
    assert_eq!(notify(""), None);
}

#[test]
fn a_server_takes_away_what_its_profile_says_of_notifications() {
    let text = |inner: &str| {
        format!(
            "<supervisor><profiles><profile id='P'><executable>x</executable><notify type='systemd'/></profile></profiles>\
             <servers><server id='a'><profile ref='P'/>{inner}</server></servers></supervisor>"
        )
    };
    assert!(plan(&text("")).components[0].notify.is_some());
    assert!(
        plan(&text("<notify type='none'/>")).components[0]
            .notify
            .is_none()
    );
}

#[test]
fn bad_values_of_a_notification_are_refused_by_their_names() {
    for (inner, expected) in [
        ("<notify/>", "`<notify>` has no `type`"),
        ("<notify type='sytemd'/>", "`sytemd` isn't understood"),
        ("<notify type='descriptor'/>", "`<notify>` has no `descriptor`"),
        (
            "<notify type='descriptor' descriptor='2'/>",
            "`2` is out of range",
        ),
        (
            "<notify type='descriptor' descriptor='1024'/>",
            "`1024` is out of range",
        ),
        (
            "<notify type='systemd' watchdog='99ms'/>",
            "`99ms` is out of range",
        ),
        (
            "<notify type='systemd' startupTimeout='0'/>",
            "`0` is out of range",
        ),
        (
            "<notify type='systemd'/><environment><variable name='NOTIFY_SOCKET' value='/x'/></environment>",
            "`NOTIFY_SOCKET` is set by `<notify>`",
        ),
    ] {
        assert_eq!(refused(inner), expected, "{inner}");
    }
}

#[test]
fn a_watchdog_on_a_descriptor_is_warned_of_and_so_is_windows() {
    let warned = |os, inner: &str| {
        let text = format!("<server id='a'><executable>x</executable>{inner}</server>");
        let plan = plan_for(os, &registry(&text));
        let messages: Vec<String> = plan.warnings.iter().map(|one| one.message.clone()).collect();
        (messages, plan.components[0].notify)
    };
    let (messages, notify) = warned(
        Os::Linux,
        "<notify type='descriptor' descriptor='3' watchdog='1'/>",
    );
    assert_eq!(messages, ["unknown attribute `watchdog` of `<notify>`"]);
    assert_eq!(notify.unwrap().watchdog, None);
    let (messages, notify) = warned(Os::Windows, "<notify type='systemd'/>");
    assert_eq!(messages, ["`<notify>` is ignored on Windows"]);
    assert_eq!(notify, None);
}

#[test]
fn what_is_in_its_environment_needs_a_new_run_and_the_time_to_start_does_not() {
    let plain = with("<notify type='systemd' watchdog='30'/>");
    for (inner, kind) in [
        ("", ChangeKind::NeedsRun),
        ("<notify type='systemd'/>", ChangeKind::NeedsRun),
        ("<notify type='systemd' watchdog='31'/>", ChangeKind::NeedsRun),
        ("<notify type='descriptor' descriptor='3'/>", ChangeKind::NeedsRun),
        (
            "<notify type='systemd' watchdog='30' startupTimeout='7'/>",
            ChangeKind::Live,
        ),
    ] {
        let other = with(inner);
        let changes = diff(&plain, &other);
        assert_eq!(changes.len(), 1, "{inner}");
        assert_eq!(
            (changes[0].kind, &changes[0].fields[..]),
            (kind, &["notify"][..]),
            "{inner}"
        );
        let same = fingerprint::of(&plain.components[0]) == fingerprint::of(&other.components[0]);
        assert_eq!(same, kind == ChangeKind::Live, "{inner}");
    }
}

#[test]
fn a_check_says_when_it_is_ready() {
    let text = check::notify_text(&notify("<notify type='systemd' watchdog='30'/>").unwrap());
    assert_eq!(
        text,
        "when it says so by sd_notify, for at most 300s, and then a sign of life at least every 30s"
    );
    let text = check::notify_text(&notify("<notify type='descriptor' descriptor='3'/>").unwrap());
    assert_eq!(text, "when it writes a newline to descriptor 3, for at most 300s");
}

#[test]
fn a_descriptor_beyond_the_limit_of_open_files_is_refused() {
    let limited = |number: u32| {
        format!(
            "<limits><limit name='nofile' soft='64' hard='128'/></limits>\
             <notify type='descriptor' descriptor='{number}'/>"
        )
    };
    assert!(notify(&limited(63)).is_some());
    let told = refused(&limited(64));
    let wanted = "the limit `nofile` of 64 leaves no room for the descriptor 64 of `<notify>`";
    assert!(told.contains(wanted), "{told}");
}
