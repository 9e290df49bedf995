//! The wall clock is set, forward and back.

use rustix::process::Signal;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::send;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::process::Command;
use std::time::{Duration, Instant};

/// Shifts the wall clock, and only that, by the seconds in the file that `S7_TEST_CLOCK` names.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long shift(void) {
  char text[32];
  const char *name = getenv("S7_TEST_CLOCK");
  int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  long count = file < 0 ? 0 : read(file, text, sizeof text - 1);
  if (file >= 0) close(file);
  text[count > 0 ? count : 0] = 0;
  return atol(text);
}
int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += shift();
  return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *where) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (where) *where = now.tv_sec;
  return now.tv_sec;
}
"#;

#[test]
fn a_wall_clock_that_is_set_moves_no_timer_and_no_uptime_needs_cc() {
    let test = "a_wall_clock_that_is_set_moves_no_timer_and_no_uptime_needs_cc";
    let sandbox = Sandbox::with(&[
        Server::new("steady", "record starts wait"),
        Server::new("slow", "record slow-starts wait").start_delay("6"),
        Server::new("stubborn", "ignore TERM wait").stop_timeout("4"),
        Server::new("crashing", "record crashes sleep 20 exit 1"),
    ]);
    sandbox.write("shim.c", SHIM);
    sandbox.write("shift", "0\n");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
    compiler.arg(sandbox.path("shim.so")).arg(sandbox.path("shim.c"));
    match compiler.status() {
        Err(error) => return s7tests::not_run(test, &format!("there is no cc: {error}")),
        Ok(status) => assert!(status.success(), "the shim doesn't compile"),
    }
    let mut command = sandbox.daemon_command();
    command
        .env("LD_PRELOAD", sandbox.path("shim.so"))
        .env("S7_TEST_CLOCK", sandbox.path("shift"));
    let daemon = Daemon::spawn(&sandbox, command);
    daemon.wait_until_it_answers();
    let began = Instant::now();
    daemon.wait_for("steady", "RUNNING");
    daemon.wait_for("slow", "STARTING");
    daemon.wait_until("it is tried every few seconds", "crashing", SOON * 2, |seen| {
        seen["next_try_seconds"].as_f64().is_some_and(|next| next > 3.0)
    });
    for (days, shift) in [("a day on", "86400\n"), ("a day back", "-86400\n")] {
        let before = daemon.wait_until("it waits for its next try", "crashing", SOON * 5, |seen| {
            seen["next_try_seconds"].as_f64().is_some_and(|next| next > 3.0)
        });
        let tries = sandbox.starts("crashes").len();
        let jumped = Instant::now();
        sandbox.write("shift", shift);
        eventually("the daemon has the other day", SOON, || {
            // What it logs has the date of its clock.
            daemon.signal(Signal::USR1);
            let logs: Vec<_> = std::fs::read_dir(sandbox.path("logs"))
                .expect("the sandbox is ours")
                .flatten()
                .map(|entry| entry.file_name())
                .filter(|name| name.to_string_lossy().starts_with("Supervisor-20"))
                .collect();
            when(logs.len() >= if shift.starts_with('-') { 3 } else { 2 }, || {
                format!("{logs:?}")
            })
        });
        let after = daemon.component("crashing");
        let (first, then) = (&before["next_try_seconds"], &after["next_try_seconds"]);
        let passed = jumped.elapsed().as_secs_f64();
        let expected = first.as_f64().expect("it waited") - passed;
        if expected > 1.0 {
            let left = then.as_f64().unwrap_or(0.0);
            assert!(
                (left - expected).abs() < 1.0,
                "{days}: {expected} s were left of the wait, and it says {after}"
            );
            assert_eq!(sandbox.starts("crashes").len(), tries, "{days}: tried too early");
        }
        let steady = daemon.component("steady");
        let uptime = steady["uptime_seconds"].as_f64().expect("it runs");
        assert!(
            uptime > 0.0 && uptime < began.elapsed().as_secs_f64() + 5.0,
            "{days}: {steady}"
        );
        assert_eq!(
            (&steady["state"], &steady["restarts"]),
            (&"RUNNING".into(), &0.into())
        );
    }
    let slow = daemon.wait_for("slow", "RUNNING");
    assert!(
        began.elapsed() >= Duration::from_secs(5),
        "ready long before its time: {slow}"
    );
    // A grace period lasts as long as it should, while the clock goes back and forth.
    let stopping = Instant::now();
    let client = s7tests::ctl::start(sandbox.ctl_command().args(["stop", "stubborn"]));
    daemon.wait_for("stubborn", "STOPPING");
    sandbox.write("shift", "86400\n");
    let said = s7tests::ctl::finish(client, "stop stubborn".into()).exits(0);
    let took = stopping.elapsed();
    assert!(
        took > Duration::from_millis(3800) && took < Duration::from_secs(24),
        "four seconds of grace became {took:?}: {said}"
    );
    assert_eq!(sandbox.starts("starts").len(), 1);
    assert_eq!(sandbox.starts("slow-starts").len(), 1);
    let before = pid(&daemon.component("steady")).expect("it runs");
    send(before, Signal::KILL);
    daemon.wait_until("a crash is answered at once", "steady", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != before
    });
}
