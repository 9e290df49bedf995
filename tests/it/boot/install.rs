//! Installing, booting, updating, removing.

use s7tests::eventually::{SOON, eventually, when};
use s7tests::registry::Server;
use s7tests::systemd::Machine;

const UNIT: &str = "/etc/systemd/system/ImageServing.service";

#[test]
fn an_installed_service_is_verified_starts_at_boot_and_leaves_nothing_when_it_is_uninstalled_needs_systemd() {
    let test = "an_installed_service_is_verified_starts_at_boot_and_leaves_nothing_when_it_is_uninstalled_needs_systemd";
    let Some(mut machine) = Machine::boot(test, &[Server::new("one", "wait")]) else {
        return;
    };
    let _ = machine
        .run(&[
            "s7supervisord",
            "service",
            "install",
            "--install-folder",
            "/srv/is",
            "--dry-run",
        ])
        .exits(0)
        .says("would write /etc/systemd/system/ImageServing.service");
    assert!(!machine.has(UNIT), "a dry run writes nothing");

    machine.install(&[]);
    let verified = machine
        .run(&["systemd-analyze", "verify", "ImageServing.service"])
        .exits(0);
    assert_eq!((verified.stdout.as_str(), verified.stderr.as_str()), ("", ""));
    let shown = machine.run(&["s7supervisord", "service", "show", "--install-folder", "/srv/is"]);
    assert_eq!(shown.exits(0).stdout, machine.read(UNIT));
    machine.install(&[]).says("is as it should be");

    machine.reboot();
    machine.wait_until_running("one");
    eventually("systemd is told how many run", SOON, || {
        let said = machine.run(&["s7supervisord", "service", "status"]).exits(0);
        when(said.stdout.contains("Status: \"1 of 1 running\""), || {
            said.to_string()
        })
    });

    let _ = machine.run(&["s7supervisord", "service", "uninstall"]).exits(0);
    for gone in [
        UNIT,
        "/etc/systemd/system/multi-user.target.wants/ImageServing.service",
        "/run/s7supervisord",
    ] {
        assert!(!machine.has(gone), "{gone} is left");
    }
    for name in ["s7supervisord", "fixture"] {
        assert_eq!(machine.pids_of(name), [0; 0], "{name} is left");
    }
    // LSB: there is no such service.
    let _ = machine.run(&["s7supervisord", "service", "status"]).exits(4);
    let _ = machine
        .run(&["s7supervisord", "service", "uninstall"])
        .exits(0)
        .says("not installed");
    let _ = machine
        .run(&["s7supervisord", "service", "start"])
        .exits(70)
        .says("s7supervisord service install");
}

#[test]
fn a_unit_that_an_administrator_has_edited_is_left_alone_needs_systemd() {
    let test = "a_unit_that_an_administrator_has_edited_is_left_alone_needs_systemd";
    let Some(machine) = Machine::boot(test, &[Server::new("one", "wait")]) else {
        return;
    };
    machine.install(&[]);
    let edited = machine.read(UNIT).replace("WatchdogSec=30", "WatchdogSec=60");
    machine.write(UNIT, &edited);
    machine.drop_in("Nice=5");
    let again = [
        "s7supervisord",
        "service",
        "install",
        "--install-folder",
        "/srv/is",
    ];
    let _ = machine.run(&again).exits(77).says("was edited by somebody");
    let _ = machine
        .run(&["s7supervisord", "service", "uninstall"])
        .exits(77)
        .says("--force");
    assert_eq!(machine.read(UNIT), edited);
    // It works all the same.
    machine.start();
    machine.wait_until_running("one");

    machine.install(&["--force"]).says("drop-ins");
    assert_eq!(machine.read(&format!("{UNIT}.s7-kept")), edited);
    assert!(machine.read(UNIT).contains("WatchdogSec=30"));
    // What this program has written itself is replaced without being told.
    machine
        .install(&["--control-group", "root"])
        .says("service restart");
    assert!(machine.read(UNIT).contains("--control-group root"));
    let _ = machine
        .run(&["s7supervisord", "service", "uninstall"])
        .exits(0)
        .says("are yours and stay");
    assert!(machine.has("/etc/systemd/system/ImageServing.service.d/test.conf"));
}

#[test]
fn a_service_of_another_user_listens_in_its_own_runtime_folder_and_becomes_nobody_else_needs_systemd() {
    let test =
        "a_service_of_another_user_listens_in_its_own_runtime_folder_and_becomes_nobody_else_needs_systemd";
    let Some(machine) = Machine::boot(test, &[Server::new("one", "wait")]) else {
        return;
    };
    let _ = machine
        .shell("useradd --system images && mkdir -p /srv/is/logs /srv/is/temp && chown images /srv/is/logs /srv/is/temp")
        .exits(0);
    machine.install(&["--user", "images"]);
    // Written by hand, a unit without --socket means the same.
    machine.drop_in("ExecStart=\nExecStart=/srv/is/bin/s7supervisord run --install-folder /srv/is");
    machine.start();
    machine.wait_until_running("one");
    let owner = machine.shell("ps -o user= -p $(pgrep -x fixture)").exits(0);
    assert_eq!(owner.stdout.trim(), "images");
    assert!(machine.has("/run/s7supervisord/control.sock"));
    let _ = machine.run(&["s7supervisord", "service", "stop"]).exits(0);

    machine.write_registry(&[Server::new("one", "wait").with("<user>root</user>")]);
    let _ = machine.run(&["s7supervisord", "service", "start"]).exits(70);
    eventually("the refusal is told", SOON, || {
        let journal = machine.journal();
        when(journal.contains("can't become another user"), || journal.clone())
    });
    assert_eq!(machine.property("ExecMainStatus"), "78");
    // It is not tried again and again: only a person can mend it.
    assert_eq!(machine.property("ActiveState"), "failed");
}
