//! Another binary in the same process, as systemd sees it: nothing has happened.

use super::crash::next_supervisor;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::systemd::Machine;

/// What of the unit is to be the same before and after.
const SAME: [&str; 5] = [
    "MainPID",
    "ActiveState",
    "InvocationID",
    "ActiveEnterTimestampMonotonic",
    "NRestarts",
];

fn seen(machine: &Machine) -> Vec<String> {
    SAME.iter().map(|name| machine.property(name)).collect()
}

/// Pid, run and containment of each component.
fn runs(machine: &Machine) -> Vec<[String; 3]> {
    let of = |id: &str| {
        let seen = machine.wait_until("it runs", id, |one| one["state"] == "RUNNING");
        ["pid", "run", "containment"].map(|what| seen[what].to_string())
    };
    ["one", "two"].map(of).into()
}

fn version(machine: &Machine) -> String {
    let said = machine.run(&["s7ctl", "--json", "status"]).exits(0);
    said.json()["supervisor"]["version"].to_string()
}

#[test]
fn an_upgrade_is_no_event_for_systemd_and_its_watchdog_is_fed_by_the_next_image_needs_systemd() {
    let test = "an_upgrade_is_no_event_for_systemd_and_its_watchdog_is_fed_by_the_next_image_needs_systemd";
    let Some(machine) = Machine::boot(
        test,
        &[Server::new("one", "wait"), Server::new("two", "wait").tier(2)],
    ) else {
        return;
    };
    machine.install(&[]);
    machine.drop_in("WatchdogSec=2");
    machine.start();
    let text = || {
        eventually("systemd is told how many run", SOON, || {
            let text = machine.property("StatusText");
            when(text == "2 of 2 running", || text.clone())
        });
    };
    let before = runs(&machine);
    text();
    let unit = seen(&machine);
    assert_eq!(unit[1], "active");
    let own = version(&machine);
    let newer = "/srv/versions/newer";
    let _ = machine
        .shell(&format!(
            "mkdir /srv/versions && cp /srv/is/bin/s7supervisord {newer}"
        ))
        .exits(0);

    for round in 0..3 {
        let _ = machine.run(&["s7ctl", "upgrade", "--binary", newer]).exits(0);
        assert_eq!(version(&machine), "\"9.9.9\"");
        assert_eq!(runs(&machine), before, "round {round}");
        eventually("systemd sees what it saw", SOON, || {
            let now = seen(&machine);
            when(now == unit, || format!("{now:?} instead of {unit:?}"))
        });
        text();
        // Three signs of life of this image, each seen by systemd.
        let mut last = machine.property("WatchdogTimestampMonotonic");
        for _ in 0..3 {
            last = eventually("a sign of life", SOON, || {
                let now = machine.property("WatchdogTimestampMonotonic");
                if now == last { Err(now) } else { Ok(now) }
            });
        }
    }
    // What can't carry on changes nothing either.
    let _ = machine
        .run(&["s7ctl", "upgrade", "--binary", "/bin/true"])
        .exits(1)
        .says("nothing has changed");
    eventually("systemd sees what it saw", SOON, || {
        let now = seen(&machine);
        when(now == unit, || format!("{now:?} instead of {unit:?}"))
    });
    assert_eq!(runs(&machine), before);

    // systemd knows only the first binary, which carries on where the newer one is killed.
    let newer = machine.main_pid();
    let _ = machine.run(&["kill", "-KILL", &newer.to_string()]).exits(0);
    next_supervisor(&machine, newer, SOON);
    assert_eq!(runs(&machine), before);
    assert_eq!(version(&machine), own);
    let _ = machine
        .run(&["systemctl", "stop", "ImageServing.service"])
        .exits(0);
    assert_eq!(machine.pids_of("fixture"), [0; 0]);
    assert_eq!(machine.property("Result"), "success");
}
