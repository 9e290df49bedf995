//! What doesn't load, or with a warning, and the words for it.

use super::*;

fn failure(text: &str) -> LoadFailure {
    match load_as(Os::Linux, text) {
        Err(failure) => failure,
        Ok(_) => panic!("this loads: {text}"),
    }
}

fn refused(inner: &str) -> String {
    let text = registry(&format!(
        "<server id='a'><executable>x</executable>{inner}</server>"
    ));
    errors(&failure(&text).diagnostics).join("; ")
}

fn warned(text: &str) -> String {
    let warnings = plan(text).warnings;
    assert!(errors(&warnings).is_empty());
    messages(&warnings).join("; ")
}

#[test]
fn every_bad_value_of_a_server_is_refused_by_its_name() {
    for (inner, expected) in [
        (
            "<startPriority>one</startPriority>",
            "`one` is not a whole number",
        ),
        (
            "<startPriority>1000001</startPriority>",
            "`1000001` is out of range",
        ),
        ("<startPriority/>", "`` is not a whole number"),
        ("<startDelay>-1</startDelay>", "`-1` is out of range"),
        (
            "<startDelay>999999999999999999999</startDelay>",
            "`999999999999999999999` is out of range",
        ),
        ("<stopTimeout>1d</stopTimeout>", "`1d` is not a duration"),
        ("<instances>0</instances>", "`0` is out of range"),
        ("<instances>1001</instances>", "`1001` is out of range"),
        ("<umask>9</umask>", "`9` is not a file mode mask"),
        ("<autoStart>yes</autoStart>", "`yes` isn't understood"),
        (
            "<autoStart>SV::No</autoStart>",
            "the placeholder `SV::No` has no value",
        ),
        ("<restart policy='allways'/>", "`allways` isn't understood"),
        ("<restart maxRetries='-1'/>", "`-1` is out of range"),
        ("<restart successExitCodes='x'/>", "`x` is not a whole number"),
        ("<stop signal='TREM'/>", "`TREM` isn't understood"),
        ("<stop method='tcp'/>", "`<stop>` has no `port`"),
        ("<stop method='tcp' port='0'/>", "`0` is out of range"),
        (
            "<stop method='command'/>",
            "this `<stop>` has no `<executable>` for linux",
        ),
        ("<health/>", "`<health>` has no `type`"),
        ("<health type='tpc'/>", "`tpc` isn't understood"),
        ("<health type='tcp'/>", "no port is known to check `a` at"),
        (
            "<health type='http' url='http://h/' status='2xx'/>",
            "`2xx` is no status of an answer",
        ),
        (
            "<health type='http' url='h'/>",
            "`h` is no address that can be asked: it doesn't begin with http://",
        ),
        (
            "<health type='tcp' port='1' interval='0'/>",
            "`0` is out of range",
        ),
        ("<log maxSize='1'/>", "`1` is out of range"),
        ("<log onFull='x'/>", "`x` isn't understood"),
        (
            "<limits><limit name='files' soft='1'/></limits>",
            "`files` isn't understood",
        ),
        (
            "<limits><limit name='core'/></limits>",
            "this limit has neither `soft` nor `hard`",
        ),
        (
            "<limits><limit name='core' soft='2' hard='1'/></limits>",
            "the soft limit is above the hard one",
        ),
        (
            "<limits><limit name='core' soft='1'/><limit name='core' soft='1'/></limits>",
            "this limit is given twice",
        ),
        ("<user> </user>", "`<user>` is empty"),
        ("<user>a:b</user>", "`a:b` can't be the name of an account"),
        ("<user>a</user><user>b</user>", "`<user>` is given twice"),
        (
            "<environment><variable value='1'/></environment>",
            "`<variable>` has no `name`",
        ),
        (
            "<environment><variable name='A'/></environment>",
            "`<variable>` has no `value`",
        ),
        (
            "<environment><variable name='A=B' value='1'/></environment>",
            "`A=B` can't be the name of a variable",
        ),
        (
            "<environment><variable name='A' value='1'/><variable name='A' value='2'/></environment>",
            "the variable `A` is given twice",
        ),
        (
            "<environment><variable name='S7_RUN' value='1'/></environment>",
            "`S7_RUN` is set by the supervisor itself",
        ),
        (
            "<environment><variable name='A' value='1&#10;'/></environment>",
            "the value of a variable can't hold the control character '\\n'",
        ),
        (
            "<arguments><argument>a\tb</argument></arguments>",
            "an argument can't hold the control character '\\t'",
        ),
        (
            "<workingDirectory>a\tb</workingDirectory>",
            "this can't be the path of the working directory: a path can't hold the character '\\t'",
        ),
        (
            "<executable>y</executable>",
            "the executable for the same system is given twice",
        ),
        (
            "<mainClass>x</mainClass>",
            "`<mainClass>` is for Java, and `a` doesn't run Java",
        ),
        (
            "<profile ref='Java64'/>",
            "`a` runs Java, and nothing says what Java is to run",
        ),
        (
            "<profile ref='ImageServer64'/><profile ref='ImageServer64'/>",
            "the profile `ImageServer64` is given twice",
        ),
        ("<profile/>", "`<profile>` has no `ref`"),
        ("<dependsOn ref='b'/>", "`b` is not a component"),
        ("<dependsOn ref='a'/>", "`a` can't depend on itself"),
        ("<dependsOn ref=''/>", "`ref` is empty"),
    ] {
        let told = refused(inner);
        assert!(told.starts_with(expected), "{inner}: {told}");
    }
}

#[test]
fn every_bad_value_of_config_is_refused() {
    for (inner, expected) in [
        ("<tcpport>65536</tcpport>", "`65536` is out of range"),
        ("<tcpport>http</tcpport>", "`http` is not a whole number"),
        ("<tracelevel>0</tracelevel>", "`0` is out of range"),
        (
            "<tracestatsinterval>4</tracestatsinterval>",
            "`4` is out of range",
        ),
        (
            "<tracestatsinterval>86401</tracestatsinterval>",
            "`86401` is out of range",
        ),
        (
            "<log></log>",
            "this can't be the path of `<log>`: the path is empty",
        ),
        (
            "<log>logs/</log>",
            "this can't be the path of `<log>`: it ends like a folder",
        ),
        ("<temp>${id}</temp>", "`${id}` can't be used here"),
        ("<log>SV::lgo</log>", "the placeholder `SV::lgo` has no value"),
    ] {
        let told = failure(&format!("<supervisor><config>{inner}</config></supervisor>"));
        assert!(
            errors(&told.diagnostics)[0].starts_with(expected),
            "{inner}: {told}"
        );
    }
    let off = plan(
        "<supervisor><config><tcpport>0</tcpport><tracestatsinterval>0</tracestatsinterval></config></supervisor>",
    );
    assert_eq!(
        (off.supervisor.tcp_port, off.supervisor.stats_interval),
        (None, None)
    );
}

#[test]
fn ids_that_can_not_be_used_are_refused() {
    for (id, expected) in [
        (
            "all",
            "`all` can't be an id: on a command line it means every component",
        ),
        ("", "`id` is empty"),
        ("a b", "`a b` can't be an id: a component name can't contain ' '"),
        (
            "..",
            "`..` can't be an id: a component name can't start with a dot",
        ),
        (
            "Supervisor-2026-11-22",
            "`Supervisor-2026-11-22` can't be an id: its log would have",
        ),
    ] {
        let told = failure(&registry(&format!(
            "<server id='{id}'><executable>x</executable></server>"
        )));
        assert!(errors(&told.diagnostics)[0].starts_with(expected), "{id}: {told}");
    }
    for id in ["nul", "COM1.x"] {
        let text = registry(&format!("<server id='{id}'><executable>x</executable></server>"));
        assert!(load_as(Os::Linux, &text).is_ok());
        let told = load_as(Os::Windows, &text).unwrap_err();
        assert!(
            errors(&told.diagnostics)[0].contains("a device of Windows"),
            "{told}"
        );
    }
    let same = registry(
        "<server id='a'><executable>x</executable></server><server id='A'><executable>x</executable></server>",
    );
    assert!(load_as(Os::Linux, &same).is_ok());
    let told = load_as(Os::Windows, &same).unwrap_err();
    assert_eq!(errors(&told.diagnostics), ["the id `A` is given twice"]);
    let long = "x".repeat(63);
    let text = format!("<server id='{long}'><executable>x</executable><instances>2</instances></server>");
    assert!(errors(&failure(&registry(&text)).diagnostics)[0].contains("the generated id"));
}

#[test]
fn all_errors_come_at_once_sorted_by_place_and_nothing_follows_from_nothing() {
    let told = failure(
        "<supervisor>\n<config><tcpport>x</tcpport></config>\n<servers>\n\
         <server id='a'><profile ref='Jav64'/><startDelay>x</startDelay></server>\n\
         <server id='b'><dependsOn ref='a'/></server>\n\
         <server id='c'><executable>x</executable><dependsOn ref='b'/><dependsOn ref='a'/></server>\n\
         </servers></supervisor>",
    );
    let lines: Vec<_> = told
        .diagnostics
        .iter()
        .map(|one| (one.line, one.message.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (2, "`x` is not a whole number"),
            (4, "unknown profile `Jav64`"),
            (4, "`x` is not a duration"),
            (5, "`b` has no executable for linux"),
        ]
    );
}

#[test]
fn the_mistake_of_a_profile_is_told_once_however_many_servers_refer_to_it() {
    let server = |id: u32| format!("<server id='s{id}'><profile ref='p'/></server>");
    let servers: String = (0..50).map(server).collect();
    let text = format!(
        "<supervisor><profiles><profile id='p'><executable>x</executable><environment>\
         <variable name='=' value=''/></environment></profile></profiles><servers>{servers}</servers></supervisor>"
    );
    assert_eq!(
        errors(&failure(&text).diagnostics),
        ["`=` can't be the name of a variable"]
    );
}

#[test]
fn a_circle_of_dependencies_is_named_from_the_first_in_the_file() {
    let one = |id: &str, on: &str| {
        format!("<server id='{id}'><executable>x</executable><dependsOn ref='{on}'/></server>\n")
    };
    let text = registry(
        &[
            one("a", "b"),
            one("b", "c"),
            one("c", "b"),
            one("d", "e"),
            one("e", "d"),
        ]
        .concat(),
    );
    let told = failure(&text);
    assert_eq!(
        errors(&told.diagnostics),
        [
            "the dependencies go in a circle: b -> c -> b",
            "the dependencies go in a circle: d -> e -> d"
        ]
    );
    assert_eq!(told.diagnostics[0].line, 2);
}

#[test]
fn what_is_only_strange_is_a_warning_and_under_strict_an_error() {
    let two = |first: &str, second: &str| {
        registry(&format!(
            "<server id='a'><executable>x</executable>{first}</server>\
             <server id='b'><executable>x</executable>{second}</server>"
        ))
    };
    for (text, expected) in [
        (
            two("<startDelya>5</startDelya>", ""),
            "unknown element `<startDelya>` in `<server>`",
        ),
        (
            two("<stop sginal='TERM'/>", ""),
            "unknown attribute `sginal` of `<stop>`",
        ),
        (
            two("<stop signal='KILL'/>", ""),
            "SIGKILL leaves the component no chance to save its work",
        ),
        (
            two("<dependsOn ref='b'/>", "<startPriority>2</startPriority>"),
            "`a` (startPriority 1) depends on `b` (startPriority 2), which starts later",
        ),
        (
            two("<dependsOn ref='b'/>", "<autoStart>false</autoStart>"),
            "`a` starts by itself and depends on `b`, which does not",
        ),
        (
            two("<arguments><argument>${x}</argument></arguments>", ""),
            "`${x}` isn't known and stays as it is",
        ),
        (
            two("<arguments>x</arguments>", ""),
            "text in `<arguments>`, which only holds elements",
        ),
        (
            two("<restart>never</restart>", ""),
            "text in `<restart>`, which only has attributes",
        ),
        (
            two("<stop>INT</stop>", ""),
            "text in `<stop>`, which only has attributes",
        ),
        (
            "<supervisor/>".into(),
            "there are no `<servers>`, so there is nothing to run",
        ),
        (registry(""), "`<servers>` is empty, so there is nothing to run"),
    ] {
        assert_eq!(warned(&text), expected);
        let mut strict = options(Os::Linux);
        strict.strict = true;
        let told = load_text(text.as_bytes(), &strict, &[]).unwrap_err();
        assert_eq!(errors(&told.diagnostics), [expected]);
    }
}

#[test]
fn attributes_of_xml_itself_and_of_schemas_are_no_matter() {
    let text = "<supervisor xmlns='urn:x' xmlns:xsi='urn:y' xsi:schemaLocation='z'><servers>\
                <server id='a'><executable>x</executable></server></servers></supervisor>";
    assert_eq!(plan(text).warnings, []);
}

#[test]
fn a_file_that_is_no_registry_is_refused_by_its_root() {
    let told = failure("<project/>");
    assert_eq!(
        errors(&told.diagnostics),
        ["the root element is `<project>`, and of a registry it is `<supervisor>`"]
    );
    let files = [(PathBuf::from("p.xml"), b"<profile id='x'/>".to_vec())];
    let told = load_text(DOCUMENTED.as_bytes(), &options(Os::Linux), &files).unwrap_err();
    assert_eq!(told.diagnostics[0].file, "p.xml");
    assert!(
        told.diagnostics[0]
            .message
            .contains("of a profile file it is `<profiles>`")
    );
}

#[test]
fn the_64_bit_image_server_on_windows_is_refused_in_the_documents_words_unless_it_is_defined() {
    let mut options = options(Os::Windows);
    options.settings = vec![("SV::ImageServerMode".into(), "ImageServer64".into())];
    let told = load_text(DOCUMENTED.as_bytes(), &options, &[]).unwrap_err();
    assert_eq!(errors(&told.diagnostics), ["`is` has no executable for windows"]);
    assert!(
        told.diagnostics[0]
            .hint
            .as_ref()
            .unwrap()
            .contains("set SV::ImageServerMode to ImageServer32")
    );
    let own = b"<profiles><profile id='ImageServer64'><executable os='windows'>x.exe</executable></profile></profiles>";
    let files = [(PathBuf::from("p.xml"), own.to_vec())];
    assert!(load_text(DOCUMENTED.as_bytes(), &options, &files).is_ok());
}

#[test]
fn settings_are_checked_like_everything_else() {
    for (settings, expected) in [
        ("<setting>x</setting>", "`<setting>` has no `name`"),
        (
            "<setting name='x'>x</setting>",
            "this setting is called `x`, and names begin with `SV::`",
        ),
        (
            "<setting name='SV::log'>x</setting><setting name='SV::LogFile'>x</setting>",
            "the setting `SV::log` is given twice",
        ),
    ] {
        let told = failure(&format!(
            "<supervisor><settings>{settings}</settings></supervisor>"
        ));
        assert_eq!(errors(&told.diagnostics)[0], expected);
    }
    let text = "<supervisor><settings><setting name='SV::Mine'>x</setting></settings><servers>\
                <server id='a'><executable>x</executable></server></servers></supervisor>";
    assert_eq!(
        warned(text),
        "`SV::Mine` is given a value, and the registry doesn't use it"
    );
}

#[test]
fn what_is_wrong_with_a_server_is_told_once_for_all_its_instances() {
    let text = registry(
        "<server id='a'><instances>3</instances><health type='tcp'/></server>\
         <server id='b'><executable>x</executable><startPriority>2</startPriority><instances>3</instances></server>\
         <server id='c'><executable>x</executable><instances>3</instances><dependsOn ref='b'/></server>",
    );
    assert_eq!(
        messages(&failure(&text).diagnostics),
        [
            "`a` has no executable for linux",
            "no port is known to check `a` at",
            "`c` (startPriority 1) depends on `b` (startPriority 2), which starts later",
        ]
    );
}
