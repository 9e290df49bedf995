//! Tomcat on a JVM, run as the documents have it: by a Java profile, the platform server's and Tomcat's, without a script
//! in between, and with the documented arguments.

use super::servers::{self, PAGE, free_ports, page, ping, program, tree};
use rustix::process::Signal;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{eventually, when};
use s7tests::processes::{is_alive, send};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use serde_json::Value;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A JVM with Tomcat on it needs some two seconds on a machine that is idle.
const WARM: Duration = Duration::from_secs(90);

/// Where Debian has Tomcat.
const TOMCAT: &str = "/usr/share/tomcat10";

/// The home of the Java that Debian has for it, and Tomcat's own; `None` where either isn't installed.
fn java_and_tomcat() -> Option<(PathBuf, PathBuf)> {
    let java = std::fs::canonicalize(program("java")?).ok()?;
    let home = java.parent()?.parent()?.to_owned();
    let tomcat = PathBuf::from(TOMCAT);
    (home.join("bin/java").exists() && tomcat.join("bin/bootstrap.jar").exists()).then_some((home, tomcat))
}

/// What Tomcat finds in its base: a connector on `port`, and one page.
fn make_base(sandbox: &Sandbox, port: u16) {
    // What conf/server.xml calls the shutdown port would let anybody on this machine end it; -1 closes it.
    sandbox.write(
        "conf/server.xml",
        &format!(
            r#"<Server port="-1">
  <Service name="Catalina">
    <Connector port="{port}" address="127.0.0.1" protocol="HTTP/1.1"/>
    <Engine name="Catalina" defaultHost="localhost">
      <Host name="localhost" appBase="webapps" autoDeploy="false"/>
    </Engine>
  </Service>
</Server>
"#
        ),
    );
    sandbox.write(
        "conf/web.xml",
        r#"<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0" metadata-complete="true">
  <servlet>
    <servlet-name>default</servlet-name>
    <servlet-class>org.apache.catalina.servlets.DefaultServlet</servlet-class>
  </servlet>
  <servlet-mapping><servlet-name>default</servlet-name><url-pattern>/</url-pattern></servlet-mapping>
</web-app>
"#,
    );
    std::fs::create_dir_all(sandbox.path("webapps/ROOT")).expect("the sandbox is ours");
    sandbox.write("webapps/ROOT/page", &format!("{PAGE}\n"));
}

/// The documented server `ps`, with `profiles` and the ports of this test.
fn platform_server(sandbox: &Sandbox, profiles: &[&str], http: u16, jmx: u16) -> String {
    let marker = sandbox.marker();
    let (name, value) = marker.split_once('=').expect("a marker is NAME=value");
    let references: String = profiles
        .iter()
        .map(|profile| format!("<profile ref=\"{profile}\"/>"))
        .collect();
    format!(
        r#"<server id="ps">
      <description>Platform Server</description>
      {references}
      <arguments>
        <argument>-XmxSV::PsHeapSize</argument>
        <argument>-XX:MaxPermSize=200m</argument>
        <argument>-Dcom.sun.management.jmxremote.port={jmx}</argument>
      </arguments>
      <environment inherit="false"><variable name="{name}" value="{value}"/></environment>
      <health type="http" url="http://127.0.0.1:{http}/page" expect="{PAGE}"/>
      <startPriority>2</startPriority>
      <startDelay>200ms</startDelay>
      <stopTimeout>60</stopTimeout>
    </server>"#
    )
}

/// Puts elements into the harness's registry: `settings` before the servers, and one more server.
fn extended(registry: &str, settings: &str, server: &str) -> String {
    let (before, servers) = registry
        .split_once("  <servers>\n")
        .expect("every registry has servers");
    format!("{before}  {settings}\n  <servers>\n    {server}\n{servers}")
}

/// Waits until a run of `id` other than `before` is RUNNING, and gives it.
fn back(daemon: &Daemon<'_>, id: &str, before: u32) -> Value {
    daemon.wait_until(&format!("{id} is back"), id, WARM, |seen| {
        seen["state"] == "RUNNING" && seen["pid"] != before
    })
}

/// The addresses that somebody listens on at this port, as the kernel writes them.
fn listeners(file: &str, port: u16) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let rows = text
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listens = rows.filter(|row| row.get(3) == Some(&"0A"));
    listens
        .filter_map(|row| {
            let (address, at) = row.get(1)?.split_once(':')?;
            (u16::from_str_radix(at, 16) == Ok(port)).then(|| address.to_owned())
        })
        .collect()
}

fn nothing_left_of(family: &[u32]) {
    let left: Vec<_> = family.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "of the run before these are left: {left:?}");
}

#[test]
fn tomcat_by_the_documented_profiles_serves_is_killed_and_serves_again_needs_tomcat() {
    let test = "tomcat_by_the_documented_profiles_serves_is_killed_and_serves_again_needs_tomcat";
    let Some((java, tomcat)) = java_and_tomcat() else {
        return s7tests::not_run(test, "Java or tomcat10 is not installed");
    };
    let sandbox = Sandbox::new();
    let [http, jmx] = free_ports();
    make_base(&sandbox, http);
    // The install folder as the built-in profiles expect it.
    symlink(java, sandbox.path("jre")).expect("the sandbox is ours");
    symlink(tomcat, sandbox.path("tomcat")).expect("the sandbox is ours");
    let server = platform_server(&sandbox, &["Java32", "PlatformServer", "Tomcat"], http, jmx);
    let settings = r#"<settings><setting name="SV::PsHeapSize">96m</setting></settings>"#;
    sandbox.write(
        "conf/SupervisorRegistry.xml",
        &extended(&sandbox.document(&[]), settings, &server),
    );
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for_within("ps", "RUNNING", WARM)).expect("it runs");
    eventually("Tomcat serves the page", WARM, || page(http));
    let command = std::fs::read_to_string(format!("/proc/{first}/cmdline")).expect("it lives");
    assert!(
        command.contains("\0-Xmx96m\0"),
        "the setting is used: {command:?}"
    );
    assert!(
        !command.contains("MaxPermSize"),
        "a Java of today ends at once when it sees it: {command:?}"
    );
    let open_to_all: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|file| listeners(file, jmx))
        .filter(|address| address.chars().all(|digit| digit == '0'))
        .collect();
    assert!(open_to_all.is_empty(), "JMX is for this machine only");
    let parent = s7tests::processes::process(first).map(|java| java.parent);
    assert_eq!(parent, Some(daemon.pid()), "nobody stands between");

    let family = tree(first);
    send(first, Signal::KILL);
    let seen = back(&daemon, "ps", first);
    assert_eq!(
        (&seen["last_exit"]["signal"], &seen["restarts"]),
        (&"SIGKILL".into(), &1.into()),
        "{seen}"
    );
    nothing_left_of(&family);
    eventually("Tomcat serves again", WARM, || page(http));

    let family = tree(pid(&seen).expect("it runs"));
    let said = sandbox.ctl(&["--json", "stop", "ps"]).exits(0);
    let seen = daemon.wait_for("ps", "STOPPED");
    assert_eq!(seen["last_exit"]["code"], 143, "{seen} after {said}");
    nothing_left_of(&family);
    assert!(
        TcpStream::connect(("127.0.0.1", http)).is_err(),
        "the port is free again"
    );
}

#[test]
fn the_exit_of_a_jvm_that_was_asked_to_end_is_no_crash_needs_tomcat() {
    let test = "the_exit_of_a_jvm_that_was_asked_to_end_is_no_crash_needs_tomcat";
    let Some((java, tomcat)) = java_and_tomcat() else {
        return s7tests::not_run(test, "Java or tomcat10 is not installed");
    };
    let sandbox = Sandbox::new();
    let [http, jmx] = free_ports();
    make_base(&sandbox, http);
    symlink(java, sandbox.path("jre64")).expect("the sandbox is ours");
    symlink(tomcat, sandbox.path("tomcat")).expect("the sandbox is ours");
    let server = platform_server(&sandbox, &["Java64", "PlatformServer", "Tomcat"], http, jmx)
        .replace("</server>", "<restart policy=\"onFailure\"/></server>");
    sandbox.write(
        "conf/SupervisorRegistry.xml",
        &extended(&sandbox.document(&[]), "", &server),
    );
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for_within("ps", "RUNNING", WARM)).expect("it runs");
    eventually("Tomcat serves the page", WARM, || page(http));
    send(first, Signal::TERM);
    let seen = daemon.wait_for_within("ps", "EXITED", WARM);
    assert_eq!(
        (&seen["last_exit"]["code"], &seen["restarts"]),
        (&143.into(), &0.into()),
        "{seen}"
    );
    sandbox.ctl(&["status"]).exits(0);
}

#[test]
fn a_tomcat_that_no_longer_answers_is_found_by_its_check_and_replaced_with_a_dump_of_its_threads_needs_tomcat()
 {
    let test = "a_tomcat_that_no_longer_answers_is_found_by_its_check_and_replaced_with_a_dump_of_its_threads_needs_tomcat";
    let Some((java, tomcat)) = java_and_tomcat() else {
        return s7tests::not_run(test, "Java or tomcat10 is not installed");
    };
    let sandbox = Sandbox::new();
    let [http, jmx] = free_ports();
    make_base(&sandbox, http);
    symlink(java, sandbox.path("jre64")).expect("the sandbox is ours");
    symlink(tomcat, sandbox.path("tomcat")).expect("the sandbox is ours");
    let numbers = "<health interval=\"1\" timeout=\"1\" failures=\"3\" ";
    let server = platform_server(&sandbox, &["Java64", "PlatformServer", "Tomcat"], http, jmx)
        .replace("<health ", numbers);
    sandbox.write(
        "conf/SupervisorRegistry.xml",
        &extended(&sandbox.document(&[]), "", &server),
    );
    let daemon = sandbox.start();
    let first = pid(&daemon.wait_for_within("ps", "RUNNING", WARM)).expect("it runs");
    // Its port still takes connections then, which would be enough for a check of the port alone.
    send(first, Signal::STOP);
    let seen = back(&daemon, "ps", first);
    assert_eq!(
        (
            &seen["last_exit"]["reason"],
            &seen["last_exit"]["code"],
            &seen["restarts"]
        ),
        (&"hung".into(), &143.into(), &1.into()),
        "{seen}"
    );
    eventually("Tomcat serves again", WARM, || page(http));
    let log = sandbox.log_of("ps");
    let mark = "[s7supervisord: dump of run 1, because it failed its checks]\n";
    assert!(log.contains(mark) && log.contains("Full thread dump"), "{log}");
    sandbox
        .ctl(&["events", "-n", "100", "ps"])
        .exits(0)
        .says("run 1 has written a dump of itself, because it failed its checks");
}

/// Everything of the three servers, under one registry.
struct Stack {
    sandbox: Sandbox,
    ports: [u16; 3],
}

impl Stack {
    /// Tomcat as a site would have it that keeps Java and Tomcat where the distribution put them: two profiles in
    /// `conf/profiles.d`.
    fn new(nginx: &Path, redis: &Path, java: &Path, tomcat: &Path) -> Self {
        let sandbox = Sandbox::new();
        let [web, store, ps, jmx] = free_ports();
        make_base(&sandbox, ps);
        std::fs::create_dir(sandbox.path("conf/profiles.d")).expect("the sandbox is ours");
        let (java, tomcat) = (java.display(), tomcat.display());
        sandbox.write(
            "conf/profiles.d/debian.xml",
            &format!(
                r#"<profiles>
  <profile id="DebianJava" kind="java">
    <executable>{java}/bin/java</executable>
    <vmArguments>
      <argument>-Djava.awt.headless=true</argument>
      <argument>-Dcom.sun.management.jmxremote.host=127.0.0.1</argument>
      <argument>-Dcom.sun.management.jmxremote.authenticate=false</argument>
      <argument>-Dcom.sun.management.jmxremote.ssl=false</argument>
    </vmArguments>
    <dropArguments match="-XX:MaxPermSize=*" javaFrom="8"/>
    <exit success="0 143"/>
  </profile>
  <profile id="DebianTomcat">
    <vmArguments>
      <argument>-Dcatalina.home={tomcat}</argument>
      <argument>-Dcatalina.base=${{install_folder}}</argument>
      <argument>-Djava.io.tmpdir=${{temp}}</argument>
    </vmArguments>
    <classpath>
      <entry>{tomcat}/bin/bootstrap.jar</entry>
      <entry>{tomcat}/bin/tomcat-juli.jar</entry>
    </classpath>
    <mainClass>org.apache.catalina.startup.Bootstrap</mainClass>
    <programArguments><argument>start</argument></programArguments>
  </profile>
</profiles>
"#
            ),
        );
        let servers: [Server; 2] = [
            servers::redis(&sandbox, redis, store).tier(1),
            servers::nginx(&sandbox, nginx, web).tier(3),
        ];
        let ps_server = platform_server(
            &sandbox,
            &["DebianJava", "PlatformServer", "DebianTomcat"],
            ps,
            jmx,
        );
        let settings = r#"<settings><setting name="SV::PsHeapSize">96m</setting></settings>"#;
        sandbox.write(
            "conf/SupervisorRegistry.xml",
            &extended(&sandbox.document(&servers), settings, &ps_server),
        );
        Self {
            sandbox,
            ports: [web, store, ps],
        }
    }

    fn serves(&self) {
        let [web, store, ps] = self.ports;
        eventually("redis answers", WARM, || ping(store));
        eventually("Tomcat serves the page", WARM, || page(ps));
        eventually("nginx serves the page", WARM, || page(web));
    }
}

#[test]
fn tomcat_nginx_and_redis_come_back_whatever_ends_them_needs_all_three() {
    let test = "tomcat_nginx_and_redis_come_back_whatever_ends_them_needs_all_three";
    let (Some(nginx), Some(redis), Some((java, tomcat))) =
        (program("nginx"), program("redis-server"), java_and_tomcat())
    else {
        return s7tests::not_run(test, "nginx, redis-server, Java or tomcat10 is not installed");
    };
    let stack = Stack::new(&nginx, &redis, &java, &tomcat);
    let daemon = stack.sandbox.start();
    daemon.wait_for_within("web", "RUNNING", WARM);
    stack.serves();
    // What each of them ends with when it is asked to.
    for (id, polite) in [("store", 0), ("ps", 143), ("web", 0)] {
        for (way, signal) in [("SIGKILL", Signal::KILL), ("SIGTERM", Signal::TERM)] {
            let before = daemon.pid_of(id);
            let family = tree(before);
            send(before, signal);
            let seen = back(&daemon, id, before);
            let exit = &seen["last_exit"];
            let fits = if signal == Signal::KILL {
                exit["signal"] == way
            } else {
                exit["code"] == polite
            };
            assert!(fits, "{way} from outside: {seen}");
            nothing_left_of(&family);
            stack.serves();
        }

        let before = daemon.pid_of(id);
        let family = tree(before);
        for member in &family {
            send(*member, Signal::STOP);
        }
        stack.sandbox.ctl(&["--timeout", "60", "stop", id]).exits(0);
        let seen = daemon.wait_for(id, "STOPPED");
        assert_eq!(
            seen["last_exit"]["code"], polite,
            "woken to hear that it is to stop: {seen}"
        );
        nothing_left_of(&family);
        stack.sandbox.ctl(&["--timeout", "60", "start", id]).exits(0);
        stack.serves();
    }
    let families: Vec<_> = ["web", "ps", "store"]
        .into_iter()
        .flat_map(|id| tree(daemon.pid_of(id)))
        .collect();
    daemon.stop();
    nothing_left_of(&families);
    for port in stack.ports {
        eventually("the port is free", WARM, || {
            let connected = TcpStream::connect(("127.0.0.1", port)).is_ok();
            when(!connected, || format!("somebody answers on {port}"))
        });
    }
}
