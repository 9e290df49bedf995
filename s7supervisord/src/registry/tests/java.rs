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
    for second in ["-Xmx2g", "-XX:MaxHeapSize=2g"] {
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
