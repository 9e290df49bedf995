//! Servers that nobody here wrote: nginx and redis in two tiers of one registry, asserted on real requests.

use rustix::process::Signal;
use s7tests::daemon::pid;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{children_of, is_alive, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The program of that name, where Debian puts it.
fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

/// A port on loopback that nobody has just now.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

/// Sends `request` and gives the whole answer, as far as it comes.
fn ask(port: u16, request: &str, enough: &str) -> Result<String, String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .map_err(|error| error.to_string())?;
    stream
        .write_all(request.as_bytes())
        .map_err(|error| error.to_string())?;
    let mut answer = String::new();
    let mut chunk = [0; 1024];
    while !answer.contains(enough) {
        match stream.read(&mut chunk).map_err(|error| error.to_string())? {
            0 => break,
            count => answer.push_str(&String::from_utf8_lossy(&chunk[..count])),
        }
    }
    if answer.contains(enough) {
        Ok(answer)
    } else {
        Err(answer)
    }
}

/// A process with all its descendants.
fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children_of(*pid).iter().map(|child| child.pid));
        next += 1;
    }
    found
}

struct Stack {
    sandbox: Sandbox,
    http: u16,
    redis: u16,
}

impl Stack {
    fn new(nginx: &Path, redis_server: &Path) -> Self {
        let sandbox = Sandbox::new();
        let (http, redis) = (free_port(), free_port());
        let folder = sandbox.folder().display().to_string();
        let user = if rustix::process::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        sandbox.write("page", "served by the stack\n");
        sandbox.write(
            "conf/nginx.conf",
            &format!(
                "daemon off; {user} worker_processes 2; pid {folder}/temp/nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/temp/body; proxy_temp_path {folder}/temp/proxy;
  fastcgi_temp_path {folder}/temp/fastcgi; uwsgi_temp_path {folder}/temp/uwsgi; scgi_temp_path {folder}/temp/scgi;
  server {{ listen 127.0.0.1:{http}; root {folder}; }}
}}
"
            ),
        );
        sandbox.write(
            "conf/redis.conf",
            &format!(
                "bind 127.0.0.1\nport {redis}\ndir {folder}/temp\ndaemonize no\nsave \"\"\nappendonly no\n"
            ),
        );
        let arguments = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let nginx_arguments = arguments(&["-e", "stderr", "-p", &folder, "-c", "conf/nginx.conf"]);
        // nginx would read conf/nginx.conf beside its prefix anyway; said in full, it is the same everywhere.
        let nginx = Server::program("web", &nginx.display().to_string(), nginx_arguments).tier(2);
        let redis_arguments = arguments(&[&format!("{folder}/conf/redis.conf")]);
        let store = Server::program("store", &redis_server.display().to_string(), redis_arguments).tier(1);
        sandbox.write_registry(&[nginx.start_delay("200ms"), store.start_delay("200ms")]);
        Self { sandbox, http, redis }
    }

    fn page(&self) -> Result<String, String> {
        let request = "GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        ask(self.http, request, "served by the stack")
    }

    fn ping(&self) -> Result<String, String> {
        ask(self.redis, "PING\r\n", "+PONG")
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
