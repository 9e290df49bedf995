//! What the tests with other people's servers share: finding them, setting them up, asking them for something.

use s7tests::processes::children_of;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What nginx and Tomcat are to answer with.
pub const PAGE: &str = "served by the stack";

/// The program of that name, where Debian puts it.
pub fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

/// Ports on loopback that nobody has just now, each another one.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners: [_; COUNT] =
        std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port"));
    listeners.map(|listener| {
        let address = listener.local_addr().expect("a bound socket has an address");
        address.port()
    })
}

/// Sends `request` and gives the whole answer, as far as it comes.
pub fn ask(port: u16, request: &str, enough: &str) -> Result<String, String> {
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

/// Asks an HTTP server on this port for `/page`.
pub fn page(port: u16) -> Result<String, String> {
    let request = "GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    ask(port, request, PAGE)
}

/// Asks a redis on this port whether it is there.
pub fn ping(port: u16) -> Result<String, String> {
    ask(port, "PING\r\n", "+PONG")
}

/// A process with all its descendants.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children_of(*pid).iter().map(|child| child.pid));
        next += 1;
    }
    found
}

/// nginx as component `web`, serving the page on `port`.
pub fn nginx(sandbox: &Sandbox, program: &Path, port: u16) -> Server {
    let folder = sandbox.folder().display().to_string();
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    sandbox.write("page", &format!("{PAGE}\n"));
    sandbox.write(
        "conf/nginx.conf",
        &format!(
            "daemon off; {user} worker_processes 2; pid {folder}/temp/nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/temp/body; proxy_temp_path {folder}/temp/proxy;
  fastcgi_temp_path {folder}/temp/fastcgi; uwsgi_temp_path {folder}/temp/uwsgi; scgi_temp_path {folder}/temp/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"
        ),
    );
    // nginx would read conf/nginx.conf beside its prefix anyway; said in full, it is the same everywhere.
    let arguments = ["-e", "stderr", "-p", &folder, "-c", "conf/nginx.conf"].map(str::to_owned);
    Server::program("web", &program.display().to_string(), arguments.into()).start_delay("200ms")
}

/// redis as component `store`, answering on `port`.
pub fn redis(sandbox: &Sandbox, program: &Path, port: u16) -> Server {
    let folder = sandbox.folder().display().to_string();
    sandbox.write(
        "conf/redis.conf",
        &format!("bind 127.0.0.1\nport {port}\ndir {folder}/temp\ndaemonize no\nsave \"\"\nappendonly no\n"),
    );
    let arguments = vec![format!("{folder}/conf/redis.conf")];
    Server::program("store", &program.display().to_string(), arguments).start_delay("200ms")
}
