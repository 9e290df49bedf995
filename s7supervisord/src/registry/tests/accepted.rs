//! What loads, and to what.

use super::*;
use std::path::Path;
use std::time::Duration;

fn arguments(component: &ComponentPlan) -> Vec<&str> {
    component.run.arguments.iter().map(String::as_str).collect()
}

#[test]
fn the_documented_file_loads_unchanged_with_its_three_servers_in_two_tiers() {
    let plan = plan(DOCUMENTED);
    assert_eq!(plan.warnings, []);
    let told: Vec<_> = plan
        .components
        .iter()
        .map(|one| (one.id.as_str(), one.tier, one.description.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("is", 1, "Image Server"),
            ("svg", 1, "SVG Renderer"),
            ("ps", 2, "[!DNL Platform Server]")
        ]
    );
    for component in &plan.components {
        assert_eq!(component.start_delay, Duration::from_secs(5));
        assert_eq!(component.stop_timeout, Duration::from_secs(60));
        assert!(component.auto_start && component.depends_on.is_empty());
    }
    let supervisor = plan.supervisor;
    assert_eq!(supervisor.log, Path::new("/s7/logs/Supervisor.log"));
    assert_eq!(supervisor.logs_folder, Path::new("/s7/logs"));
    assert_eq!(supervisor.temp, Path::new("/s7/temp"));
    assert_eq!(supervisor.trace_level, 2);
    assert_eq!(supervisor.stats_interval, Some(Duration::from_secs(600)));
    assert_eq!(supervisor.tcp_port, Some(9910));
}

#[test]
fn placeholders_and_the_literals_in_their_place_come_to_the_same_plan() {
    assert_eq!(plan(DOCUMENTED), plan(LITERALS));
}

#[test]
fn a_java_server_runs_java_with_its_arguments_before_the_main_class() {
    let plan = plan(DOCUMENTED);
    let ps = &plan.components[2];
    assert_eq!(ps.run.program, Path::new("/s7/jre/bin/java"));
    assert_eq!(
        arguments(ps),
        [
            "-Djava.awt.headless=true",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:+HeapDumpOnOutOfMemoryError",
            "-XX:HeapDumpPath=/s7/temp/heap-ps",
            "-XX:ErrorFile=/s7/logs/hs_err_ps_%p.log",
            "-Dcom.sun.management.jmxremote.host=127.0.0.1",
            "-Dcom.sun.management.jmxremote.authenticate=false",
            "-Dcom.sun.management.jmxremote.ssl=false",
            "-Dcatalina.home=/s7/tomcat",
            "-Dcatalina.base=/s7",
            "-Djava.io.tmpdir=/s7/temp",
            "-Xmx512m",
            "-XX:MaxPermSize=200m",
            "-Dcom.sun.management.jmxremote.port=9999",
            "-classpath",
            "/s7/tomcat/bin/bootstrap.jar:/s7/tomcat/bin/tomcat-juli.jar",
            "org.apache.catalina.startup.Bootstrap",
            "start",
        ]
    );
    assert_eq!(ps.restart.success, [0, 130, 143]);
    assert_eq!(ps.stop, StopPlan::Signal(StopSignal::Term));
    // What depends on Java's version is kept apart and left as it is, until the version is known.
    let java = ps.java.as_ref().unwrap();
    assert_eq!((java.options, java.only_from.as_slice()), (14, &[(1, 8)][..]));
    let dropped: Vec<_> = java
        .drop
        .iter()
        .map(|drop| (drop.pattern.as_str(), drop.from))
        .collect();
    assert_eq!(dropped, [("-XX:MaxPermSize=*", 8), ("-XX:PermSize=*", 8)]);
    assert!(java.heap_dumps.as_ref().is_some_and(|dumps| dumps.is_own));
    assert_eq!(java.error_file.as_deref(), Some("/s7/logs/hs_err_ps_%p.log"));
    assert!(ps.dump.by_signal && !plan.components[0].dump.by_signal);
    assert_eq!(plan.components[0].java, None);
    assert_eq!(plan.components[0].restart.success, [0]);
}

#[test]
fn the_documented_servers_are_checked_at_their_documented_ports() {
    let plan = plan(DOCUMENTED);
    let probes: Vec<_> = plan
        .components
        .iter()
        .map(|one| &one.health.as_ref().unwrap().probe)
        .collect();
    assert_eq!(probes[0], &ProbePlan::Tcp { port: 27345 });
    assert_eq!(probes[1], &ProbePlan::Tcp { port: 27346 });
    let expect = Some("imageServer".to_owned());
    let url = "http://127.0.0.1:8080/is/image".to_owned();
    let ProbePlan::Http(http) = probes[2] else {
        panic!("{:?}", probes[2])
    };
    assert_eq!((http.url.to_string(), http.expect.clone()), (url, expect));
    let health = plan.components[2].health.as_ref().unwrap();
    assert_eq!(health.interval, Duration::from_secs(15));
    assert_eq!(health.timeout, Duration::from_secs(10));
    assert_eq!((health.failures, health.successes), (4, 1));
    assert_eq!(health.startup_timeout, Duration::from_secs(180));
}

#[test]
fn on_windows_the_documented_file_comes_to_windows_paths_and_the_32_bit_image_server() {
    let plan = plan_for(Os::Windows, DOCUMENTED);
    let programs: Vec<_> = plan
        .components
        .iter()
        .map(|one| one.run.program.to_str().unwrap())
        .collect();
    assert_eq!(
        programs,
        [
            r"C:\Program Files\S7\bin\ImageServer.exe",
            r"C:\Program Files\S7\jre\bin\java.exe",
            r"C:\Program Files\S7\jre\bin\java.exe",
        ]
    );
    assert!(arguments(&plan.components[2]).contains(
        &r"C:\Program Files\S7\tomcat\bin\bootstrap.jar;C:\Program Files\S7\tomcat\bin\tomcat-juli.jar"
    ));
    assert_eq!(
        plan.components[0].log.file,
        Path::new(r"C:\Program Files\S7\logs\is.log")
    );
}

#[test]
fn the_example_of_the_design_loads_whole() {
    let plan = plan(DESIGN);
    assert_eq!(plan.warnings, []);
    let ids: Vec<_> = plan.components.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["is", "text-1", "text-2", "text-3"]);
    let second = &plan.components[2];
    let (server, instance) = second.instance_of.as_ref().unwrap();
    assert_eq!((server.as_str(), *instance), ("text", 2));
    assert_eq!(second.description, "Text renderer");
    let limit = LimitPlan {
        resource: Resource::Nofile,
        soft: Some(4096),
        hard: Some(8192),
    };
    assert_eq!(
        second.run,
        RunPlan {
            program: PathBuf::from("/s7/bin64/TextServer"),
            arguments: vec!["--port=27342".into()],
            inherit_environment: Some(false),
            environment: vec![("LC_ALL".into(), "C.UTF-8".into())],
            working_directory: PathBuf::from("/s7"),
            user: Some("s7".into()),
            group: Some("s7".into()),
            umask: 0o022,
            limits: vec![limit],
        }
    );
    assert_eq!(second.depends_on[0].on.as_str(), "is");
    assert_eq!(
        second.health.as_ref().unwrap().probe,
        ProbePlan::Tcp { port: 27347 }
    );
    assert_eq!(second.log.file, Path::new("/s7/logs/text-2.log"));
}

#[test]
fn a_server_that_says_nothing_gets_the_defaults_of_the_design() {
    let server = server("");
    assert_eq!(server.instance_of, None);
    assert_eq!((server.tier, server.auto_start), (1, true));
    assert_eq!(server.start_delay, Duration::from_secs(1));
    assert_eq!(server.stop_timeout, Duration::from_secs(60));
    assert_eq!(
        server.restart,
        RestartPlan {
            policy: RestartPolicy::Always,
            max_retries: 0,
            success: vec![0],
        }
    );
    assert_eq!(server.run.umask, 0o022);
    assert_eq!(server.run.working_directory, Path::new("/s7"));
    assert_eq!(server.health, None);
    let log = server.log;
    assert_eq!((log.max_size, log.max_files, log.max_days), (50_000_000, 10, 10));
    assert_eq!((log.compress, log.on_full), (false, OnFull::Drop));
}

#[test]
fn every_way_to_stop_is_understood() {
    for (stop, expected) in [
        ("<stop/>", StopPlan::Signal(StopSignal::Term)),
        ("<stop signal='SIGUSR1'/>", StopPlan::Signal(StopSignal::Usr1)),
        ("<stop method='console'/>", StopPlan::Console),
        (
            "<stop method='tcp' port='8005'/>",
            StopPlan::Tcp {
                host: "127.0.0.1".into(),
                port: 8005,
                text: "SHUTDOWN".into(),
            },
        ),
        (
            "<stop method='command'><executable>bin/stop</executable>\
             <arguments><argument>${id}</argument></arguments></stop>",
            StopPlan::Command {
                program: PathBuf::from("/s7/bin/stop"),
                arguments: vec!["a".into()],
            },
        ),
    ] {
        assert_eq!(server(stop).stop, expected, "{stop}");
    }
}

#[test]
fn every_kind_of_health_is_understood_with_kubernetes_defaults() {
    let health = server("<health type='exec'><executable>/bin/true</executable></health>")
        .health
        .unwrap();
    let program = PathBuf::from("/bin/true");
    assert_eq!(
        health,
        HealthPlan {
            probe: ProbePlan::Exec {
                program,
                arguments: Vec::new(),
            },
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            failures: 3,
            successes: 1,
            startup_timeout: Duration::from_secs(300),
        }
    );
    assert_eq!(server("<health type='none'/>").health, None);
    let one = plan(&registry(
        "<server id='a' port='80${instance}'><executable>x</executable></server>",
    ));
    let probe = &one.components[0].health.as_ref().unwrap().probe;
    assert_eq!(probe, &ProbePlan::Tcp { port: 801 }, "a port alone is enough");
}

#[test]
fn limits_name_one_or_both_bounds() {
    let server = server(
        "<limits><limit name='core' hard='unlimited'/><limit name='as' soft='1GiB'/>\
         <limit name='nproc' soft='5' hard='unlimited'/></limits>",
    );
    let limits: Vec<_> = server
        .run
        .limits
        .iter()
        .map(|one| (one.resource, one.soft, one.hard))
        .collect();
    assert_eq!(
        limits,
        [
            (Resource::Core, None, None),
            (Resource::As, Some(1 << 30), Some(1 << 30)),
            (Resource::Nproc, Some(5), None),
        ]
    );
}

#[test]
fn profiles_are_laid_over_each_other_in_order_and_the_server_comes_last() {
    let text = "<supervisor><profiles>
        <profile id='one'>
          <executable>bin/one</executable>
          <arguments><argument>1</argument></arguments>
          <environment inherit='true'><variable name='A' value='1'/><variable name='B' value='1'/></environment>
          <restart policy='never' successExitCodes='7'/><stopTimeout>1</stopTimeout><startDelay>1</startDelay>
          <limits><limit name='core' soft='1'/></limits><log maxFiles='1' maxDays='1'/>
        </profile>
        <profile id='two'>
          <executable os='windows'>bin\\two.exe</executable>
          <arguments><argument>2</argument></arguments>
          <environment><variable name='B' value='2'/></environment>
          <stopTimeout>2</stopTimeout><limits><limit name='core' soft='2'/></limits><log maxDays='2'/>
        </profile>
      </profiles><servers><server id='a'>
        <profile ref='one'/><profile ref='two'/>
        <arguments><argument>3</argument></arguments>
        <environment><variable name='C' value='3'/><variable name='A' value='3'/></environment>
        <restart policy='onFailure'/><startDelay>3</startDelay>
      </server></servers></supervisor>";
    let a = &plan(text).components[0];
    assert_eq!(a.run.program, Path::new("/s7/bin/one"));
    assert_eq!(arguments(a), ["1", "2", "3"]);
    assert_eq!(a.run.inherit_environment, Some(true));
    let environment: Vec<_> = a
        .run
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(environment, [("A", "3"), ("B", "2"), ("C", "3")]);
    assert_eq!(
        (a.restart.policy, a.restart.success.as_slice()),
        (RestartPolicy::OnFailure, &[7][..])
    );
    assert_eq!((a.stop_timeout.as_secs(), a.start_delay.as_secs()), (2, 3));
    assert_eq!(a.run.limits[0].soft, Some(2));
    assert_eq!((a.log.max_files, a.log.max_days), (1, 2));
    let a = &plan_for(Os::Windows, text).components[0];
    assert_eq!(
        a.run.program.to_str().unwrap(),
        r"C:\Program Files\S7\bin\two.exe"
    );
}

#[test]
fn a_profile_in_the_registry_goes_before_one_in_a_file_and_that_before_a_built_in_one() {
    let servers = "<servers><server id='a'><profile ref='ImageServer64'/></server></servers>";
    let in_registry = "<profiles><profile id='ImageServer64'><executable>r</executable></profile></profiles>";
    let in_file = in_registry.replace(">r<", ">f<");
    let files = [(PathBuf::from("p.xml"), in_file.into_bytes())];
    let program = |text: String, files: &[(PathBuf, Vec<u8>)]| {
        let plan = load_text(text.as_bytes(), &options(Os::Linux), files).unwrap();
        plan.components[0].run.program.clone()
    };
    let plain = format!("<supervisor>{servers}</supervisor>");
    let own = format!("<supervisor>{servers}{in_registry}</supervisor>");
    assert_eq!(program(own, &files), Path::new("/s7/r"));
    assert_eq!(program(plain.clone(), &files), Path::new("/s7/f"));
    assert_eq!(program(plain, &[]), Path::new("/s7/bin64/ImageServer"));
}

#[test]
fn of_several_values_for_a_placeholder_the_command_line_wins_then_the_registry_then_the_default() {
    let text = "<supervisor><settings><setting name='SV::temp'>two</setting></settings></supervisor>";
    let temp = |text: &str, settings: &[(&str, &str)]| {
        let mut options = options(Os::Linux);
        options.settings = settings
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        load_text(text.as_bytes(), &options, &[]).unwrap().supervisor.temp
    };
    assert_eq!(temp(text, &[("SV::TempDirectory", "one")]), Path::new("/s7/one"));
    assert_eq!(temp(text, &[]), Path::new("/s7/two"));
    assert_eq!(temp("<supervisor/>", &[]), Path::new("/s7/temp"));
}

#[test]
fn a_placeholder_in_a_comment_is_no_matter() {
    let text =
        registry("<!-- SV::Nonsense --><server id='a'><executable>x<!-- SV::No --></executable></server>");
    assert_eq!(plan(&text).warnings, []);
}

#[test]
fn utf_16_with_a_mark_loads_to_the_same_plan() {
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(DOCUMENTED.encode_utf16().flat_map(u16::to_le_bytes));
    let loaded = load_text(&bytes, &options(Os::Linux), &[]).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(loaded, plan(DOCUMENTED));
}

#[test]
fn a_dependency_on_a_server_with_instances_is_one_on_each_of_them() {
    let text = registry(
        "<server id='a'><executable>x</executable><dependsOn ref='t' onLoss='restart'/></server>\
         <server id='b'><executable>x</executable><dependsOn ref='t-2' onLoss='stop'/></server>\
         <server id='t'><executable>x</executable><instances>2</instances></server>",
    );
    let plan = plan(&text);
    let on = |index: usize| -> Vec<_> {
        let all = plan.components[index].depends_on.iter();
        all.map(|one| (one.on.as_str(), one.on_loss)).collect()
    };
    assert_eq!(on(0), [("t-1", OnLoss::Restart), ("t-2", OnLoss::Restart)]);
    assert_eq!(on(1), [("t-2", OnLoss::Stop)]);
}

#[test]
fn components_of_the_same_priority_keep_the_order_of_the_file() {
    let one = |id: &str| format!("<server id='{id}'><executable>x</executable></server>");
    let plan = plan(&registry(&[one("z"), one("a"), one("m")].concat()));
    let ids: Vec<_> = plan.components.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["z", "a", "m"]);
}

#[test]
fn an_http_check_may_say_which_statuses_are_an_answer() {
    let plan = plan(&registry(
        "<server id='a'><executable>x</executable>\
         <health type='http' url='http://[::1]:81/${id}' status='200-204 401' expect=' a b '/></server>",
    ));
    let ProbePlan::Http(http) = &plan.components[0].health.as_ref().unwrap().probe else {
        panic!("{plan:?}")
    };
    assert_eq!((http.url.host.as_str(), http.url.target.as_str()), ("::1", "/a"));
    assert_eq!(http.status.to_string(), "200-204 401");
    assert_eq!(http.expect.as_deref(), Some(" a b "));
}
