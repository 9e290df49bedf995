//! What is particular about Java: its version, its dumps, its ends.

use super::servers::program;
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::is_alive;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// A JVM begins within a second on a machine that is idle.
const WARM: Duration = Duration::from_secs(60);

/// Waits, and prints what it was told to.
const WAITS: &str = r#"public class Waits {
  public static void main(String[] args) throws Exception {
    if (args.length > 0) Runtime.getRuntime().addShutdownHook(new Thread(() -> { while (true) Thread.onSpinWait(); }));
    System.out.println("ready");
    Thread.sleep(Long.MAX_VALUE);
  }
}"#;

/// Takes memory until there is none.
const HOGS: &str = r#"public class Hogs {
  public static void main(String[] args) throws Exception {
    java.util.ArrayList<byte[]> all = new java.util.ArrayList<>();
    while (true) all.add(new byte[100000]);
  }
}"#;

/// Listens for two seconds.
const LISTENS: &str = r#"public class Listens {
  public static void main(String[] args) throws Exception {
    java.net.ServerSocket socket = new java.net.ServerSocket(Integer.parseInt(args[0]), 50,
      java.net.InetAddress.getByName("127.0.0.1"));
    Thread.sleep(2000);
    socket.close();
    Thread.sleep(Long.MAX_VALUE);
  }
}"#;

/// A sandbox with a Java and these classes; `None` where there is no Java that can compile.
fn with_classes(classes: &[(&str, &str)]) -> Option<Sandbox> {
    let home = std::fs::canonicalize(program("java")?).ok()?;
    let home = home.parent()?.parent()?.to_owned();
    let javac = Some(home.join("bin/javac")).filter(|javac| javac.exists())?;
    let sandbox = Sandbox::new();
    symlink(home, sandbox.path("jre64")).expect("the sandbox is ours");
    std::fs::create_dir(sandbox.path("classes")).expect("the sandbox is ours");
    let sources: Vec<PathBuf> = classes
        .iter()
        .map(|(name, text)| {
            sandbox.write(&format!("classes/{name}.java"), text);
            sandbox.path(&format!("classes/{name}.java"))
        })
        .collect();
    let mut compile = Command::new(javac);
    sandbox.clean(&mut compile);
    if !sources.is_empty() {
        s7tests::ctl::run(compile.arg("-d").arg(sandbox.path("classes")).args(sources)).exits(0);
    }
    Some(sandbox)
}

/// A server that runs one of the classes by the built-in profile of Java.
fn server(id: &str, class: &str, options: &[&str], more: &str) -> String {
    let options: String = options
        .iter()
        .map(|option| format!("<argument>{option}</argument>"))
        .collect();
    format!(
        r#"<server id="{id}"><profile ref="Java64"/><arguments>{options}</arguments>
      <classpath><entry>classes</entry></classpath><mainClass>{class}</mainClass>{more}</server>"#
    )
}

/// Writes the registry with these servers after those of the harness.
fn write(sandbox: &Sandbox, plain: &[Server], servers: &[String]) {
    let marker = sandbox.marker();
    let (name, value) = marker.split_once('=').expect("a marker is NAME=value");
    let marked = format!(
        "<environment inherit=\"false\"><variable name=\"{name}\" value=\"{value}\"/></environment><startDelay>20ms</startDelay></server>"
    );
    let servers: String = servers
        .iter()
        .map(|server| server.replace("</server>", &marked))
        .collect();
    let document = sandbox
        .document(plain)
        .replace("  </servers>\n", &format!("{servers}  </servers>\n"));
    sandbox.write("conf/SupervisorRegistry.xml", &document);
}

/// The latest event of this kind about `id`.
fn event(sandbox: &Sandbox, id: &str, kind: &str) -> Value {
    eventually(&format!("{id} has an event {kind}"), WARM, || {
        let events = sandbox.ctl(&["--json", "events", "-n", "200", id]).json();
        let all = events["data"]["events"].as_array().cloned().unwrap_or_default();
        let found = all.iter().rev().find(|event| event["event"] == kind).cloned();
        found.ok_or_else(|| events.to_string())
    })
}

fn logs(sandbox: &Sandbox, id: &str, text: &str) {
    eventually(&format!("{id} writes {text:?}"), WARM, || {
        let log = sandbox.log_of(id);
        when(log.contains(text), || log.clone())
    });
}

fn not_here(test: &str) {
    s7tests::not_run(test, "no Java that can compile is installed");
}

#[test]
fn a_dump_is_written_on_demand_marked_and_shown_and_nobody_else_is_asked_needs_java() {
    let test = "a_dump_is_written_on_demand_marked_and_shown_and_nobody_else_is_asked_needs_java";
    let Some(sandbox) = with_classes(&[("Waits", WAITS)]) else {
        return not_here(test);
    };
    let waits = server("waits", "Waits", &["-Xmx32m", "-XX:MaxPermSize=200m"], "");
    write(&sandbox, &[Server::new("plain", "wait")], &[waits]);
    let daemon = sandbox.start();
    daemon.wait_for_within("waits", "RUNNING", WARM);
    logs(&sandbox, "waits", "ready");
    let plain = daemon.pid_of("plain");

    let said = sandbox.ctl(&["dump", "waits"]).exits(0).says("Full thread dump");
    assert!(
        said.stdout.contains("\"main\" #1") && said.stdout.contains("JNI global refs"),
        "{said}"
    );
    assert!(!said.stdout.contains("ready"), "only the dump is shown: {said}");
    let log = sandbox.log_of("waits");
    let mark = "\n[s7supervisord: dump of run 1, asked for by uid ";
    let (before, dump) = log.split_once(mark).unwrap_or_else(|| panic!("no mark in {log}"));
    assert!(
        before.contains("ready") && !before.contains("Full thread dump"),
        "{log}"
    );
    assert!(dump.contains("Full thread dump"), "{log}");

    let json = sandbox.ctl(&["--json", "dump", "waits"]).exits(0).json();
    let one = &json["data"]["components"][0];
    assert_eq!(
        (&one["outcome"], &one["run"]),
        (&"written".into(), &1.into()),
        "{json}"
    );
    let happened = event(&sandbox, "waits", "dumped");
    assert_eq!(
        (&happened["why"], &happened["from"], &happened["to"]),
        (&"asked".into(), &one["from"], &one["to"]),
        "{happened}"
    );
    let range = |name: &str| usize::try_from(one[name].as_u64().expect("a number")).expect("a file");
    let file = sandbox.log_of("waits");
    assert_eq!(
        one["text"],
        file[range("from")..range("to")],
        "the range is that of the dump"
    );

    sandbox.ctl(&["dump", "plain"]).exits(1).says("it was not asked");
    let all = sandbox.ctl(&["--json", "dump", "all"]).exits(0).json();
    assert_eq!(all["data"]["components"][0]["outcome"], "not_configured", "{all}");
    assert_eq!(daemon.pid_of("plain"), plain, "the signal would have ended it");
    assert_eq!(daemon.component("waits")["restarts"], 0);
    sandbox.ctl(&["stop", "waits"]).exits(0).says("143");
    sandbox.ctl(&["dump", "waits"]).exits(3);

    let log = sandbox.supervisor_log();
    let said = log.matches(" without -XX:MaxPermSize=200m (").count();
    assert_eq!(said, 1, "it is said once what was left out: {log}");
    let audit = sandbox.audit_log();
    assert!(audit.contains(": dump waits"), "{audit}");
}

#[test]
fn a_jvm_that_does_not_stop_writes_a_dump_before_it_is_killed_needs_java() {
    let test = "a_jvm_that_does_not_stop_writes_a_dump_before_it_is_killed_needs_java";
    let Some(sandbox) = with_classes(&[("Waits", WAITS)]) else {
        return not_here(test);
    };
    let more = "<programArguments><argument>hang</argument></programArguments><stopTimeout>2</stopTimeout>";
    write(&sandbox, &[], &[server("hangs", "Waits", &["-Xmx32m"], more)]);
    let daemon = sandbox.start();
    daemon.wait_for_within("hangs", "RUNNING", WARM);
    logs(&sandbox, "hangs", "ready");
    let began = Instant::now();
    sandbox
        .ctl(&["--timeout", "60", "stop", "hangs"])
        .exits(0)
        .says("was killed");
    assert!(began.elapsed() >= Duration::from_secs(2));
    let seen = daemon.wait_for("hangs", "STOPPED");
    assert_eq!(seen["last_exit"]["reason"], "killed_after_timeout", "{seen}");
    assert_eq!(event(&sandbox, "hangs", "dumped")["why"], "stop_timeout");
    let log = sandbox.log_of("hangs");
    assert!(
        log.contains("dump of run 1, because it does not stop in time]\n"),
        "{log}"
    );
    assert!(
        log.contains("Full thread dump") && log.contains("JNI global refs"),
        "{log}"
    );
}

#[test]
fn a_jvm_that_leaves_signals_alone_is_asked_for_no_dump_and_does_not_end_by_it_needs_java() {
    let test = "a_jvm_that_leaves_signals_alone_is_asked_for_no_dump_and_does_not_end_by_it_needs_java";
    let Some(sandbox) = with_classes(&[("Waits", WAITS)]) else {
        return not_here(test);
    };
    sandbox.write("options", "-Xrs\n");
    let file = format!("@{}", sandbox.path("options").display());
    // A shutdown hook doesn't run where the JVM doesn't hear SIGTERM either, so it is the polite stop that has to be unheard.
    let more = "<programArguments><argument>hang</argument></programArguments>\
                <stopTimeout>1</stopTimeout><stop method=\"signal\" signal=\"WINCH\"/>";
    let servers = [
        server("told", "Waits", &["-Xmx32m", "-Xrs"], more),
        server("hidden", "Waits", &["-Xmx32m", &file], more),
    ];
    write(&sandbox, &[], &servers);
    let daemon = sandbox.start();
    for id in ["told", "hidden"] {
        daemon.wait_for_within(id, "RUNNING", WARM);
        logs(&sandbox, id, "ready");
    }
    let pids = ["told", "hidden"].map(|id| daemon.pid_of(id));
    sandbox
        .ctl(&["dump", "told"])
        .exits(1)
        .says("told: SIGQUIT would end it, because of its option -Xrs; it was not asked");
    sandbox
        .ctl(&["dump", "hidden"])
        .exits(1)
        .says("hidden: SIGQUIT would end it, because its process does not hear it now; it was not asked");
    let all = sandbox.ctl(&["--json", "dump", "all"]).exits(0).json();
    assert_eq!(all["data"]["components"][1]["outcome"], "would_end", "{all}");
    assert_eq!(["told", "hidden"].map(|id| daemon.pid_of(id)), pids);
    for id in ["told", "hidden"] {
        sandbox
            .ctl(&["--timeout", "60", "stop", id])
            .exits(0)
            .says("was killed");
        let seen = daemon.wait_for(id, "STOPPED");
        let exit = &seen["last_exit"];
        assert_eq!(
            (&exit["reason"], &exit["signal"]),
            (&"killed_after_timeout".into(), &"SIGKILL".into()),
            "{seen}"
        );
        let log = sandbox.log_of(id);
        assert!(!log.contains("dump of run"), "no mark is left: {log}");
    }
    sandbox
        .ctl(&["check"])
        .exits(0)
        .says("`told` is never asked for a dump of its threads: with -Xrs the signal for that would end it");
}

#[test]
fn a_jvm_without_memory_is_shown_as_such_with_its_heap_dump_and_few_of_them_are_kept_needs_java() {
    let test = "a_jvm_without_memory_is_shown_as_such_with_its_heap_dump_and_few_of_them_are_kept_needs_java";
    let Some(sandbox) = with_classes(&[("Hogs", HOGS)]) else {
        return not_here(test);
    };
    std::fs::create_dir(sandbox.path("temp/heap-hogs")).expect("the sandbox is ours");
    for pid in 1..=7 {
        sandbox.write(&format!("temp/heap-hogs/java_pid{pid}.hprof"), "old");
        sandbox.write(&format!("logs/hs_err_hogs_{pid}.log"), "old");
        sandbox.write(&format!("logs/hs_err_hogs-2_{pid}.log"), "another one's");
    }
    write(
        &sandbox,
        &[],
        &[server(
            "hogs",
            "Hogs",
            &["-Xmx16m"],
            "<restart policy=\"never\"/>",
        )],
    );
    let daemon = sandbox.start();
    let seen = daemon.wait_for_within("hogs", "EXITED", WARM);
    assert_eq!(seen["last_exit"]["code"], 3, "{seen}");
    let found = event(&sandbox, "hogs", "found");
    let kinds: Vec<_> = found["remains"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["kind"].clone())
        .collect();
    assert_eq!(kinds, ["out_of_java_memory", "heap_dump"], "{found}");
    let file = found["remains"][1]["file"].as_str().expect("a path");
    assert!(
        std::fs::metadata(file).expect("it is there").len() > 1_000_000,
        "{file}"
    );
    sandbox
        .ctl(&["why", "hogs"])
        .exits(0)
        .says("Terminating due to java.lang.OutOfMemoryError: Java heap space")
        .says(file);

    let names = |folder: &str, start: &str| {
        let names = std::fs::read_dir(sandbox.path(folder))
            .expect("the sandbox is ours")
            .flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.starts_with(start)).count()
    };
    eventually("only the newest are kept", SOON, || {
        let kept = [
            names("temp/heap-hogs", "java_pid"),
            names("logs", "hs_err_hogs_"),
            names("logs", "hs_err_hogs-2_"),
        ];
        when(kept == [5, 5, 7], || format!("{kept:?}"))
    });
    assert!(
        std::fs::exists(file).expect("it can be asked"),
        "the newest is kept"
    );
}

#[test]
fn a_folder_with_more_in_it_than_is_looked_at_is_named_by_why_needs_java() {
    let test = "a_folder_with_more_in_it_than_is_looked_at_is_named_by_why_needs_java";
    let Some(sandbox) = with_classes(&[]) else {
        return not_here(test);
    };
    let folder = sandbox.path("temp/heap-none");
    std::fs::create_dir(&folder).expect("the sandbox is ours");
    for number in 0..=10_000 {
        std::fs::File::create(folder.join(number.to_string())).expect("the sandbox is ours");
    }
    // There is no such class, so that it ends at once.
    let never = "<restart policy=\"never\"/>";
    write(&sandbox, &[], &[server("none", "None", &["-Xmx16m"], never)]);
    let daemon = sandbox.start();
    daemon.wait_for_within("none", "EXITED", WARM);
    let found = event(&sandbox, "none", "found");
    let folder = folder.display().to_string();
    assert_eq!(
        (&found["remains"][0]["kind"], &found["remains"][0]["file"]),
        (&"more".into(), &folder.as_str().into()),
        "{found}"
    );
    sandbox
        .ctl(&["why", "none"])
        .exits(0)
        .says(&format!("more in {folder} than the 10000 entries"));
}

#[test]
fn a_jvm_with_a_debugger_is_not_restarted_for_its_health_and_that_is_said_needs_java() {
    let test = "a_jvm_with_a_debugger_is_not_restarted_for_its_health_and_that_is_said_needs_java";
    let Some(sandbox) = with_classes(&[("Listens", LISTENS)]) else {
        return not_here(test);
    };
    let [with, without] = super::servers::free_ports();
    let more = |port: u16| {
        format!(
            "<programArguments><argument>{port}</argument></programArguments>\
             <health type=\"tcp\" port=\"{port}\" interval=\"200ms\" failures=\"2\"/>"
        )
    };
    let agent = "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=127.0.0.1:0";
    let servers = [
        server("held", "Listens", &["-Xmx32m", agent], &more(with)),
        server("free", "Listens", &["-Xmx32m"], &more(without)),
    ];
    write(&sandbox, &[], &servers);
    let daemon = sandbox.start();
    let first = daemon.wait_for_within("held", "RUNNING", WARM);
    daemon.wait_until("the other one is restarted", "free", WARM, |seen| {
        seen["restarts"] == 1
    });
    let seen = daemon.wait_until("it is unhealthy", "held", WARM, |seen| {
        seen["health"] == "unhealthy"
    });
    // Whoever is given up is unhealthy and stopping at the same moment.
    assert_eq!(
        (&seen["state"], &seen["pid"], &seen["restarts"], &seen["debugged"]),
        (&"RUNNING".into(), &first["pid"], &0.into(), &true.into()),
        "{seen}"
    );
    assert_eq!(daemon.component("free")["debugged"], false);
    sandbox
        .ctl(&["check"])
        .exits(0)
        .says("a debugger can hold `held` up, so it is not restarted when its health checks fail");
    let pid = daemon.pid_of("held");
    sandbox.ctl(&["stop", "held"]).exits(0);
    assert!(!is_alive(pid));
}
