//! The systemd unit (DESIGN 10, reliability E5).

use super::Daemon;
use std::fmt::Write as _;

/// Its name.
pub const NAME: &str = "ImageServing.service";
/// Where it lies. `/etc` is for what the machine's administrator installs (systemd.unit(5)).
pub const FILE: &str = "etc/systemd/system/ImageServing.service";
/// Where an administrator adds to it; never written or removed by this program.
pub const DROP_INS: &str = "etc/systemd/system/ImageServing.service.d";

/// The first systemd that has `DelegateSubgroup=` (its news for version 254). Older ones warn about what they don't know.
const HAS_SUBGROUP: u32 = 254;

/// Why a line of the unit is as it is, where that isn't plain from systemd's manual.
const HEAD: &str = "\
# Scene7 Image Serving as a service of systemd, written by `s7supervisord service install`.
# To change something, add a drop-in (systemctl edit ImageServing.service): a changed unit is not overwritten.
";

const SERVICE: &str = "\
# Ready means: it listens, and the start of the components was ordered. Whether all of them run is for `s7ctl status`.
Type=notify
NotifyAccess=main
TimeoutStartSec=120
";

const RESTART: &str = "\
# Whatever ends it but a requested stop (0), it comes back at once and goes on with the components that run. The other
# codes need a person: command line (64), endpoint taken (69), permission (77), registry (78).
Restart=always
RestartSec=200ms
RestartPreventExitStatus=0 64 69 77 78
WatchdogSec=30
TimeoutAbortSec=10
";

const STOP: &str = "\
# A stop in order may take longer than this: the supervisor asks for more time as long as it goes on.
TimeoutStopSec=90
# Components outlive a crash of the supervisor. What they leave after a requested stop is ended by ExecStopPost; after a
# crash, that does nothing.
KillMode=process
";

const LIMITS: &str = "\
# One component that runs out of memory is not all of them. Components get a score of 0.
OOMScoreAdjust=-900
OOMPolicy=continue
Delegate=yes
TasksMax=infinity
# The supervisor raises its own soft limit; components get this one.
LimitNOFILE=1024:524288
IgnoreSIGPIPE=no
# The next supervisor finds here what runs.
RuntimeDirectory=s7supervisord
RuntimeDirectoryMode=0711
RuntimeDirectoryPreserve=yes
";

/// The unit's text for a systemd of this version (`None`: it doesn't say).
#[must_use]
pub fn text(daemon: &Daemon, version: Option<u32>) -> String {
    let mut text = format!(
        "{HEAD}\n[Unit]\nDescription=Scene7 Image Serving\nWants=network-online.target\n\
         After=network-online.target remote-fs.target nss-user-lookup.target\nStartLimitIntervalSec=0\n\n[Service]\n{SERVICE}"
    );
    // Writing to a String can't fail.
    let _ = writeln!(text, "ExecStart={}", line(daemon.run()));
    text.push_str("ExecReload=/bin/kill -HUP $MAINPID\n");
    let _ = writeln!(text, "ExecStopPost={}", line(daemon.reap()));
    text.push_str(RESTART);
    text.push_str(STOP);
    text.push_str(LIMITS);
    if version.is_some_and(|version| version >= HAS_SUBGROUP) {
        text.push_str("DelegateSubgroup=daemon\n");
    }
    if let Some(user) = &daemon.user {
        let _ = writeln!(text, "User={}", specifiers(user));
    }
    text.push_str("\n[Install]\nWantedBy=multi-user.target\n");
    text
}

fn line(words: Vec<String>) -> String {
    words.iter().map(|text| word(text)).collect::<Vec<_>>().join(" ")
}

/// One word of a command line (systemd.service(5), "COMMAND LINES"): quoted where it needs to be, `%` and `$` taken
/// literally.
fn word(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-+:=,@".contains(char);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for char in specifiers(text).chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '$' => quoted.push_str("$$"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::super::tests::daemon;
    use super::*;

    #[test]
    fn words_are_quoted_where_systemd_would_read_them_otherwise() {
        for (plain, written) in [
            ("/opt/s7/bin", "/opt/s7/bin"),
            ("SV::Heap=512m", "SV::Heap=512m"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("100%", "\"100%%\""),
            ("$HOME", "\"$$HOME\""),
            (r#"say "\""#, r#""say \"\\\"""#),
            ("a\nExecStart=/bin/evil", "\"a\\nExecStart=/bin/evil\""),
            ("; rm", "\"; rm\""),
        ] {
            assert_eq!(word(plain), written);
        }
    }

    #[test]
    fn only_a_systemd_that_knows_sub_groups_reads_of_them() {
        let of = |version| text(&daemon(), version);
        for version in [None, Some(252), Some(253)] {
            assert!(!of(version).contains("DelegateSubgroup"));
        }
        assert!(of(Some(254)).contains("\nDelegateSubgroup=daemon\n"));
    }

    #[test]
    fn the_unit_runs_and_cleans_up_the_daemon_with_its_options() {
        let mut daemon = daemon();
        daemon.user = Some("s7".to_owned());
        let text = text(&daemon, None);
        for line in [
            "ExecStart=\"/opt/my s7/s7supervisord\" run --install-folder /srv/is --set SV::PsHeapSize=1g --socket \
             /srv/run/c.sock",
            "ExecStopPost=\"/opt/my s7/s7supervisord\" service reap --runtime-dir /srv/run",
            "User=s7",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
        }
    }
}
