//! What is particular about the options of a Java.

use super::*;

#[test]
fn two_sizes_of_one_java_heap_are_refused_with_both_places_and_a_debugger_is_warned_of() {
    let java = |arguments: &str| {
        registry(&format!(
            "<server id='a'><profile ref='Java64'/><mainClass>M</mainClass>\
             <arguments>{arguments}</arguments></server>"
        ))
    };
    for second in ["-Xmx2g", "-mx2g", "-XX:MaxHeapSize=2g"] {
        let text = java(&format!(
            "<argument>-Xmx1g</argument><argument>{second}</argument>"
        ));
        let Err(failure) = load_as(Os::Linux, &text) else {
            panic!("this loads: {text}");
        };
        assert_eq!(
            errors(&failure.diagnostics),
            ["the size of the heap (`-Xmx`) is given twice"]
        );
        assert!(failure.diagnostics[0].rendered.contains("first given here"));
    }
    assert!(
        plan(&java("<argument>-Xmx1g</argument><argument>-Xms1g</argument>"))
            .warnings
            .iter()
            .all(|one| !one.message.contains("heap"))
    );
    let warnings = plan(&java("<argument>-agentlib:jdwp=server=y</argument>")).warnings;
    let said = messages(&warnings).join("; ");
    assert!(said.contains("a debugger can hold `a` up"), "{said}");
    let warnings = plan(&java("<argument>-Xrs</argument>")).warnings;
    let said = messages(&warnings).join("; ");
    assert!(
        said.contains("`a` is never asked for a dump of its threads: with -Xrs"),
        "{said}"
    );
}

#[test]
fn options_that_come_by_variables_count_as_those_of_the_command_line() {
    let java = |arguments: &str, (name, value): (&str, &str)| {
        plan(&registry(&format!(
            "<server id='a'><profile ref='Java64'/><mainClass>M</mainClass>\
             <arguments>{arguments}</arguments>\
             <environment><variable name='{name}' value=\"{value}\"/></environment></server>"
        )))
    };
    for name in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"] {
        let plan = java("", (name, "-Dx=1 '-agentlib:jdwp=server=y'"));
        assert!(plan.components[0].java.as_ref().unwrap().debugger, "{name}");
        let said = messages(&plan.warnings).join("; ");
        assert!(said.contains("a debugger can hold `a` up"), "{said}");
        for (own, other) in [("-Xmx1g", "-Xmx2g"), ("-mx1g", "-Xmx2g"), ("-Xmx1g", "-mx2g")] {
            let plan = java(&format!("<argument>{own}</argument>"), (name, other));
            let twice =
                format!("the size of the heap (`-Xmx`) of `a` is given twice, once of them in {name}");
            assert!(
                messages(&plan.warnings).contains(&twice.as_str()),
                "{own} {other}"
            );
        }
    }
    let plan = java("<argument>-Xmx1g</argument>", ("OTHER", "-Xmx2g -Xdebug"));
    assert!(!plan.components[0].java.as_ref().unwrap().debugger);
    let said = messages(&plan.warnings).join("; ");
    assert!(!said.contains("heap") && !said.contains("debugger"), "{said}");
}

#[test]
fn the_crash_report_of_a_java_of_another_user_goes_where_that_user_can_write() {
    let report = |more: &str| {
        let plan = plan(&registry(&format!(
            "<server id='a'><profile ref='Java64'/><mainClass>M</mainClass>{more}</server>"
        )));
        let java = &plan.components[0];
        let option = |argument: &&String| argument.starts_with("-XX:ErrorFile=");
        let last = java.run.arguments.iter().rev().find(option).cloned().unwrap();
        let file = java.java.as_ref().unwrap().error_file.clone().unwrap();
        assert_eq!(last, format!("-XX:ErrorFile={file}"));
        // The same place, in whatever way the system writes it.
        file.replace('\\', "/")
    };
    assert_eq!(report(""), "/s7/logs/hs_err_a_%p.log");
    assert_eq!(report("<user>s7</user>"), "/s7/temp/heap-a/hs_err_a_%p.log");
    let own = "<user>s7</user><arguments><argument>-XX:ErrorFile=/var/mine_%p.log</argument></arguments>";
    assert_eq!(report(own), "/var/mine_%p.log");
    let elsewhere = "<user>s7</user><arguments><argument>-XX:HeapDumpPath=/dumps</argument></arguments>";
    assert_eq!(
        report(elsewhere),
        "/s7/logs/hs_err_a_%p.log",
        "there is no folder of its own"
    );
}
