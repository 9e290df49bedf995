//! Servers that nobody here wrote, and that no longer answer.

use crate::platform::servers::{self, PAGE, free_ports, page, ping, program, tree};
use rustix::process::Signal;
use s7tests::eventually::{SOON, eventually};
use s7tests::processes::send;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;

#[test]
fn a_stopped_nginx_is_caught_by_its_check_needs_nginx() {
    let test = "a_stopped_nginx_is_caught_by_its_check_needs_nginx";
    let Some(nginx) = program("nginx") else {
        return s7tests::not_run(test, "nginx is not installed");
    };
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    let health = format!(
        "<health type=\"http\" url=\"http://127.0.0.1:{port}/page\" expect=\"{PAGE}\" \
         interval=\"200ms\" timeout=\"500ms\" failures=\"2\"/>"
    );
    sandbox.write_registry(&[servers::nginx(&sandbox, &nginx, port).with(&health)]);
    let daemon = sandbox.start();
    daemon.wait_for("web", "RUNNING");
    page(port).expect("what is ready serves");
    let before = daemon.pid_of("web");
    for pid in tree(before) {
        send(pid, Signal::STOP);
    }
    let after = daemon.wait_until("another run serves", "web", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != before
    });
    assert_eq!(
        (&after["restarts"], &after["last_exit"]["reason"]),
        (&1.into(), &"hung".into())
    );
    page(port).expect("it serves again");
}

#[test]
fn a_redis_that_sleeps_is_caught_by_a_command_needs_redis() {
    let test = "a_redis_that_sleeps_is_caught_by_a_command_needs_redis";
    let (Some(redis), Some(cli)) = (program("redis-server"), program("redis-cli")) else {
        return s7tests::not_run(test, "redis is not installed");
    };
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    let health = format!(
        "<health type=\"exec\" interval=\"200ms\" timeout=\"2\" failures=\"2\"><executable>{}</executable>\
         <arguments><argument>-p</argument><argument>{port}</argument><argument>PING</argument></arguments></health>",
        cli.display()
    );
    let folder = sandbox.folder().display().to_string();
    sandbox.write(
        "conf/redis.conf",
        &format!("bind 127.0.0.1\nport {port}\ndir {folder}/temp\nsave \"\"\nenable-debug-command yes\n"),
    );
    let arguments = vec![format!("{folder}/conf/redis.conf")];
    let store = Server::program("store", &redis.display().to_string(), arguments);
    sandbox.write_registry(&[store.with(&health).stop_timeout("1")]);
    let daemon = sandbox.start();
    daemon.wait_for("store", "RUNNING");
    ping(port).expect("what is ready answers");
    let before = daemon.pid_of("store");
    // It answers nobody meanwhile, and nobody waits for it here.
    let asleep = servers::ask(port, "DEBUG SLEEP 60\r\n", "anything");
    assert!(asleep.is_err(), "{asleep:?}");
    daemon.wait_until("another run answers", "store", SOON, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != before && seen["restarts"] == 1
    });
    eventually("it answers again", SOON, || ping(port));
}
