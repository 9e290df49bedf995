//! Servers that nobody here wrote: nginx and redis in two tiers of one registry, asserted on real requests.

use super::servers::{self, free_ports, page, ping, program, tree};
use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{is_alive, send};
use s7tests::sandbox::Sandbox;
use std::net::TcpStream;
use std::path::Path;

struct Stack {
    sandbox: Sandbox,
    http: u16,
    redis: u16,
}

impl Stack {
    fn new(nginx: &Path, redis_server: &Path) -> Self {
        let sandbox = Sandbox::new();
        let [http, redis] = free_ports();
        sandbox.write_registry(&[
            servers::nginx(&sandbox, nginx, http).tier(2),
            servers::redis(&sandbox, redis_server, redis).tier(1),
        ]);
        Self { sandbox, http, redis }
    }

    fn page(&self) -> Result<String, String> {
        page(self.http)
    }

    fn ping(&self) -> Result<String, String> {
        ping(self.redis)
    }

    fn serves(&self) {
        eventually("nginx serves the page", SOON, || self.page());
        eventually("redis answers", SOON, || self.ping());
    }
}

#[test]
fn nginx_and_redis_are_started_in_order_served_killed_and_served_again_needs_both() {
    let test = "nginx_and_redis_are_started_in_order_served_killed_and_served_again_needs_both";
    let (Some(nginx), Some(redis)) = (program("nginx"), program("redis-server")) else {
        return s7tests::not_run(test, "nginx or redis-server is not installed");
    };
    let stack = Stack::new(&nginx, &redis);
    let daemon = stack.sandbox.start();
    daemon.wait_for("web", "RUNNING");
    let began = |id: &str| {
        s7tests::processes::process(daemon.pid_of(id))
            .expect("it lives")
            .started
    };
    assert!(began("web") >= began("store"), "the store is of an earlier tier");
    stack.serves();

    for id in ["web", "store"] {
        let before = daemon.pid_of(id);
        let family = tree(before);
        assert!(
            id == "store" || family.len() >= 3,
            "nginx has workers: {family:?}"
        );
        send(before, Signal::KILL);
        let after = daemon.wait_until("it is back", id, SOON, |seen| {
            seen["state"] == "RUNNING" && seen["pid"] != before && seen["restarts"] == 1
        });
        assert_eq!(after["last_exit"]["signal"], "SIGKILL");
        let left: Vec<_> = family.iter().filter(|pid| is_alive(**pid)).collect();
        assert!(left.is_empty(), "of the run before these are left: {left:?}");
        stack.serves();
    }

    // The daemon dies, and nobody who asks for a page or a ping notices.
    let pids = ["web", "store"].map(|id| daemon.pid_of(id));
    daemon.kill();
    stack.page().expect("nginx serves without the daemon");
    stack.ping().expect("redis answers without the daemon");
    let daemon = stack.sandbox.start();
    for (id, before) in ["web", "store"].into_iter().zip(pids) {
        let after = pid(&daemon.wait_for(id, "RUNNING")).expect("it runs");
        assert!(
            after == before || !is_alive(before),
            "{id}: {before} runs beside its successor {after}"
        );
    }
    stack.serves();

    let family: Vec<_> = ["web", "store"]
        .into_iter()
        .flat_map(|id| tree(daemon.pid_of(id)))
        .collect();
    stack.sandbox.ctl(&["stop", "all"]).exits(0);
    let left: Vec<_> = family.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "after the stop these are left: {left:?}");
    for port in [stack.http, stack.redis] {
        eventually("the port is free", SOON, || {
            let connected = TcpStream::connect(("127.0.0.1", port)).is_ok();
            when(!connected, || format!("somebody answers on {port}"))
        });
    }
    stack.sandbox.ctl(&["start", "all"]).exits(0);
    stack.serves();
    daemon.stop();
    assert!(
        stack.page().is_err() && stack.ping().is_err(),
        "nobody serves any more"
    );
}
