//! The service of another user where there is no systemd: root obeys nothing that lies in that user's folder.

use rustix::process::{Pid, PidfdFlags, Signal, geteuid};
use s7tests::ctl::{self, Output};
use s7tests::processes::{self, is_alive, send};
use s7tests::programs;
use s7tests::sandbox::Sandbox;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::Command;

/// Everybody's number of the user without rights.
const NOBODY: u32 = 65_534;

fn run(sandbox: &Sandbox, program: &str, words: &[&str]) -> Output {
    let mut command = Command::new(sandbox.path(program));
    sandbox.clean(&mut command);
    ctl::run(command.args(words))
}

/// A line of the record, as the daemon seals it.
fn sealed(words: &str) -> String {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = words.bytes().fold(0x811c_9dc5, step);
    format!("\n{words} ~{hash:08x}\n")
}

/// A record that says that `pid` is a run of the supervisor.
fn forged(pid: u32) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux has one");
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).expect("it lives");
    let inode = rustix::fs::fstat(pidfd).expect("it is open").st_ino;
    let pid = pid.as_raw_nonzero();
    let started = format!(
        "start x 1 {pid} {}000000000 ino={inode} restarts=0 crashes=0",
        now.tv_sec + 1
    );
    ["state 2", &format!("boot {}", boot.trim()), &started]
        .map(sealed)
        .concat()
}

#[test]
fn root_changes_and_ends_nothing_that_the_user_of_a_service_could_not_needs_root() {
    let test = "root_changes_and_ends_nothing_that_the_user_of_a_service_could_not_needs_root";
    if !geteuid().is_root() {
        return s7tests::not_run(test, "acting for another user needs root");
    }
    let sandbox = Sandbox::new();
    fs::set_permissions(sandbox.folder(), fs::Permissions::from_mode(0o755)).expect("the sandbox is ours");
    let _ = fs::create_dir_all(sandbox.path("bin"));
    sandbox.copy_program(&programs::path_of(programs::DAEMON), "bin/sd");
    fs::create_dir_all(sandbox.path("root/etc/init.d")).expect("the sandbox is ours");
    let path = |relative: &str| sandbox.path(relative).display().to_string();
    let (root, folder, socket) = (path("root"), path(""), path("run/control.sock"));
    let places = ["--root", &root, "--install-folder", &folder, "--socket", &socket];
    let install = [&["service", "install", "--user", "nobody"][..], &places].concat();
    run(&sandbox, "bin/sd", &install).exits(0);
    let run_folder = sandbox.path("run");
    fs::create_dir_all(&run_folder).expect("the sandbox is ours");
    chown(&run_folder, Some(NOBODY), Some(NOBODY)).expect("we are root");
    sandbox.write("victim", "precious");
    fs::set_permissions(sandbox.path("victim"), fs::Permissions::from_mode(0o600)).expect("it is ours");
    // Links from the folder to what the user can't reach.
    for link in ["stop-requested", "lock"] {
        symlink(sandbox.path("victim"), run_folder.join(link)).expect("the sandbox is ours");
        let _ = run(&sandbox, "root/etc/init.d/imageserving", &["stop"]);
        let _ = run(
            &sandbox,
            "bin/sd",
            &["service", "reap", "--runtime-dir", &path("run")],
        );
        assert_eq!(sandbox.read("victim"), "precious", "{link}");
        for file in ["lock", "stop-requested"] {
            let _ = fs::remove_file(run_folder.join(file));
        }
    }
    // A record of a process that isn't the user's.
    let mut roots = processes::spawn(sandbox.program(programs::FIXTURE).args(["wait"]));
    sandbox.write("run/journal", &forged(roots.id()));
    sandbox.write("run/stop-requested", "");
    for file in ["run/journal", "run/stop-requested"] {
        chown(sandbox.path(file), Some(NOBODY), Some(NOBODY)).expect("we are root");
    }
    let said = run(
        &sandbox,
        "bin/sd",
        &["service", "reap", "--runtime-dir", &path("run")],
    );
    assert!(is_alive(roots.id()), "{said}");
    send(roots.id(), Signal::KILL);
    roots.wait().expect("it is our child");
    processes::forget(&roots);
    // And afterwards the user's supervisor can still begin.
    let lock = fs::metadata(run_folder.join("lock")).expect("it was taken");
    assert_eq!(lock.uid(), NOBODY);
    // Where nobody has put anything there, a stop is one.
    for file in ["journal", "stop-requested"] {
        let _ = fs::remove_file(run_folder.join(file));
    }
    let _ = run(&sandbox, "root/etc/init.d/imageserving", &["stop"])
        .exits(0)
        .says("does not run");
    assert!(!run_folder.join("stop-requested").exists(), "it was reaped");
}
