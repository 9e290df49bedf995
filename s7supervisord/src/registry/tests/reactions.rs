//! `<readiness>`, `<memory>`, `<onFailure>` and `<match>`: what they come to, and what is refused.

use super::super::fingerprint;
use super::*;
use std::path::Path;
use std::time::Duration;

fn refused(inner: &str) -> String {
    let text = registry(&format!(
        "<server id='a'><executable>x</executable>{inner}</server>"
    ));
    let Err(failure) = load_as(Os::Linux, &text) else {
        panic!("this loads: {inner}");
    };
    errors(&failure.diagnostics).join("; ")
}

#[test]
fn readiness_is_read_as_health_is_and_stands_beside_it() {
    let a = server(
        "<health type='tcp' port='1'/>\
         <readiness type='http' url='http://127.0.0.1:2/ready' interval='5' failures='1'/>",
    );
    assert_eq!(a.health.unwrap().probe, ProbePlan::Tcp { port: 1 });
    let readiness = a.readiness.unwrap();
    let ProbePlan::Http(http) = readiness.probe else {
        panic!("{readiness:?}");
    };
    assert_eq!(http.url.to_string(), "http://127.0.0.1:2/ready");
    assert_eq!(
        (readiness.interval, readiness.failures),
        (Duration::from_secs(5), 1)
    );
    let only_port = plan(&registry(
        "<server id='a' port='7'><executable>x</executable></server>",
    ));
    assert_eq!(
        only_port.components[0].readiness, None,
        "a port alone is checked once"
    );
    assert_eq!(server("<readiness type='none'/>").readiness, None);
    assert!(refused("<readiness type='tcp'/>").contains("no port is known to check `a` at"));
    assert!(refused("<readiness/>").contains("`<readiness>` has no `type`"));
}

#[test]
fn the_checks_of_one_component_have_room_beside_each_other() {
    let both = |health: &str, readiness: &str| {
        format!("<health type='tcp' port='1' {health}/><readiness type='tcp' port='2' {readiness}/>")
    };
    server(&both("", "timeout='9'"));
    server(&both("interval='1' timeout='500ms'", "timeout='500ms'"));
    server("<readiness type='tcp' port='2' timeout='60'/>");
    let told = refused(&both("interval='1' timeout='500ms'", "timeout='30'"));
    assert_eq!(
        told,
        "`a` is checked by one at a time, and the timeouts of `<readiness>` (30s) and `<health>` (500ms) are longer than the \
         interval of `<health>` (1s)"
    );
    assert!(refused(&both("interval='1'", "interval='1'")).contains("(1s) and `<health>` (1s)"));
    let text = registry(&format!(
        "<server id='a' port='1'><executable>x</executable>{}</server>",
        "<readiness type='tcp' timeout='10'/>"
    ));
    let Err(failure) = load_as(Os::Linux, &text) else {
        panic!("a port alone is checked as well");
    };
    let found = &failure.diagnostics[0];
    assert!(
        found
            .hint
            .as_deref()
            .is_some_and(|hint| hint.contains("so that both have room"))
    );
}

#[test]
fn limits_of_memory_are_laid_over_each_other_one_by_one() {
    let text = "<supervisor><profiles><profile id='p'><executable>x</executable>\
                <memory soft='512MB' hard='1GiB'/></profile></profiles><servers>\
                <server id='a'><profile ref='p'/></server>\
                <server id='b'><profile ref='p'/><memory soft='unlimited'/></server>\
                <server id='c'><profile ref='p'/><memory hard='2GB'/></server></servers></supervisor>";
    let told: Vec<_> = plan(text).components.iter().map(|one| one.memory).collect();
    let memory = |soft, hard| MemoryPlan { soft, hard };
    assert_eq!(
        told,
        [
            memory(Some(512_000_000), Some(1 << 30)),
            memory(None, Some(1 << 30)),
            memory(Some(512_000_000), Some(2_000_000_000)),
        ]
    );
    assert_eq!(server("").memory, MemoryPlan::default());
}

#[test]
fn the_command_for_failures_is_the_components_own_else_that_for_all() {
    let text = "<supervisor><config><onFailure timeout='5'><executable>bin/tell</executable>\
                <arguments><argument>${id} failed</argument></arguments></onFailure></config>\
                <profiles><profile id='p'><onFailure><executable>bin/p</executable></onFailure></profile></profiles>\
                <servers><server id='a'><executable>x</executable></server>\
                <server id='b'><executable>x</executable><onFailure type='none'/></server>\
                <server id='c'><executable>x</executable><profile ref='p'/></server>\
                <server id='d'><executable>x</executable><profile ref='p'/>\
                <onFailure type='command' timeout='2m'><executable>/d</executable></onFailure></server>\
                </servers></supervisor>";
    let hook = |program: &str, arguments: &[&str], seconds| HookPlan {
        program: PathBuf::from(program),
        arguments: arguments.iter().map(|one| (*one).to_owned()).collect(),
        timeout: Duration::from_secs(seconds),
    };
    let told: Vec<_> = plan(text)
        .components
        .into_iter()
        .map(|one| one.on_failure)
        .collect();
    assert_eq!(
        told,
        [
            Some(hook("/s7/bin/tell", &["a failed"], 5)),
            None,
            Some(hook("/s7/bin/p", &[], 30)),
            Some(hook("/d", &[], 120)),
        ]
    );
    assert_eq!(server("").on_failure, None);
}

#[test]
fn triggers_are_put_together_in_order_and_an_event_is_told_once_a_minute() {
    let text = "<supervisor><profiles><profile id='p'><executable>x</executable>\
                <match regex='OutOf(Memory|Space)' action='restart' once='1s'/></profile></profiles><servers>\
                <server id='a'><profile ref='p'/><dump on='health-fail'/>\
                <match text=' deadlock ' action='dump'/><match text='a${2}' action='event' once='5m'/>\
                </server></servers></supervisor>";
    let trigger = |pattern, action, seconds| TriggerPlan {
        pattern,
        action,
        once: Duration::from_secs(seconds),
    };
    assert_eq!(
        plan(text).components[0].triggers,
        [
            trigger(
                TriggerPattern::Regex("OutOf(Memory|Space)".into()),
                TriggerAction::Restart,
                1
            ),
            trigger(TriggerPattern::Text(" deadlock ".into()), TriggerAction::Dump, 60),
            trigger(TriggerPattern::Text("a${2}".into()), TriggerAction::Event, 300),
        ]
    );
}

#[test]
fn what_can_not_be_meant_is_refused_with_its_reason() {
    let command = "<executable>x</executable>";
    for (inner, expected) in [
        (
            "<memory/>".to_owned(),
            "this `<memory>` has neither `soft` nor `hard`",
        ),
        ("<memory soft='1'/>".into(), "`1` is out of range"),
        ("<memory soft='half'/>".into(), "`half` is not a size"),
        (
            "<memory soft='2GB' hard='1GB'/>".into(),
            "the soft limit of the memory is not below the hard one",
        ),
        (
            "<onFailure/>".into(),
            "this `<onFailure>` has no `<executable>` for linux",
        ),
        (
            format!("<onFailure timeout='0'>{command}</onFailure>"),
            "`0` is out of range",
        ),
        (
            format!("<onFailure type='mail'>{command}</onFailure>"),
            "`mail` isn't understood",
        ),
        (
            "<match action='event'/>".into(),
            "this `<match>` has neither `text` nor `regex`",
        ),
        (
            "<match text='x' regex='x' action='event'/>".into(),
            "this `<match>` has both `text` and `regex`",
        ),
        ("<match text='x'/>".into(), "`<match>` has no `action`"),
        ("<match text='' action='event'/>".into(), "`text` is empty"),
        (
            "<match text='a&#10;b' action='event'/>".into(),
            "a line of output doesn't hold the control character '\\n'",
        ),
        (
            format!("<match text='{}' action='event'/>", "x".repeat(1025)),
            "this is longer than 1024 bytes",
        ),
        (
            "<match regex='a(b' action='event'/>".into(),
            "`a(b` can't be used: unclosed group",
        ),
        (
            "<match regex='(a)\\1' action='event'/>".into(),
            "`(a)\\1` can't be used: backreferences are not supported",
        ),
        (
            "<match regex='((\\w{50}){50}){50}' action='event'/>".into(),
            "`((\\w{50}){50}){50}` can't be used: Compiled regex exceeds size limit",
        ),
        (
            "<match text='x' action='event' once='0'/>".into(),
            "`0` is out of range",
        ),
        (
            "<match text='x' action='dump'/>".into(),
            "nothing says that this component can be asked for a dump",
        ),
        (
            "<match text='x' action='event'/>".repeat(33),
            "these are more than 32 `<match>`es",
        ),
    ] {
        let told = refused(&inner);
        assert!(told.starts_with(expected), "{inner}: {told}");
    }
}

#[test]
fn triggers_of_several_profiles_are_bounded_together() {
    let matches = "<match text='x' action='event'/>".repeat(20);
    let text = format!(
        "<supervisor><profiles><profile id='p'>{matches}</profile></profiles><servers><server id='a'>\
         <executable>x</executable><profile ref='p'/>{matches}</server></servers></supervisor>"
    );
    let failure = load_as(Os::Linux, &text).unwrap_err();
    assert_eq!(
        errors(&failure.diagnostics),
        ["these are more than 32 `<match>`es"]
    );
}

#[test]
fn a_registry_full_of_costly_expressions_is_read_in_time() {
    // Each is nearly as large as it may be, and is compiled once for the server that has it, however many instances there are.
    let one = format!(
        "<server id='s$'><executable>x</executable><instances>3</instances>{}</server>",
        "<match regex='[a-z]{700}' action='event'/>".repeat(32)
    );
    let servers: String = (0..20).map(|at| one.replace('$', &at.to_string())).collect();
    let text = registry(&servers);
    assert!(text.len() < 1 << 20);
    let begun = std::time::Instant::now();
    assert_eq!(plan(&text).components.len(), 60);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn a_command_for_failures_that_is_missing_is_warned_of_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.xml");
    std::fs::write(
        &file,
        "<supervisor><config><onFailure><executable>no/such/hook</executable></onFailure></config>\
         <servers><server id='a'><executable>bin/sh</executable></server></servers></supervisor>",
    )
    .unwrap();
    let options = LoadOptions {
        file,
        install_folder: folder.path().to_owned(),
        os: Os::current(),
        ..options(Os::Linux)
    };
    let warnings = super::super::load(&options).unwrap().warnings;
    let told = messages(&warnings);
    assert!(
        told.iter()
            .any(|one| one.contains("hook, and there is no such file")),
        "{told:?}"
    );
}

#[test]
fn none_of_it_makes_another_process() {
    let plain = server("");
    let with = server(
        "<readiness type='tcp' port='1'/><memory soft='1GB'/><match text='x' action='event'/>\
         <onFailure><executable>x</executable></onFailure>",
    );
    assert_eq!(fingerprint::of(&plain), fingerprint::of(&with));
    assert_eq!(with.run.program, Path::new("/s7/bin/a"));
}

#[test]
fn check_tells_all_of_it() {
    let text = registry(
        "<server id='a'><executable>x</executable><readiness type='tcp' port='1'/><memory soft='1GB' hard='2GB'/>\
         <onFailure><executable>tell</executable><arguments><argument>a b</argument></arguments></onFailure>\
         <match text='out of memory' action='restart'/></server>",
    );
    let options = options(Os::Linux);
    let plan = load_as(Os::Linux, &text);
    let told = super::super::check::render(&options, &plan, false);
    for line in [
        "    relied on     when port 1 answers, first asked after 1s, then every 10s for at most 300s",
        "    memory        a new run above 1000000000 bytes, never more than 2000000000 bytes",
        "    on failure    /s7/tell 'a b', for at most 30s",
        "    match         a line that holds 'out of memory' is a restart, once in 60s",
    ] {
        assert!(told.lines().any(|one| one == line), "{line}\n{told}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&super::super::check::render(&options, &plan, true)).unwrap();
    let one = &json["data"]["components"][0];
    assert_eq!(one["readiness"]["port"], 1);
    assert_eq!(one["memory"]["soft_bytes"], 1_000_000_000);
    assert_eq!(one["on_failure"]["command"][1], "a b");
    assert_eq!(
        one["matches"][0],
        serde_json::json!({"text": "out of memory", "regex": null, "action": "restart", "once_seconds": 60.0})
    );
}
