//! Loading from files, and `check`.

use super::super::{LoadFailureKind, check, load};
use super::*;
use std::fs;
use std::path::Path;

/// An install folder with this registry in it.
fn installed(text: &str) -> (tempfile::TempDir, LoadOptions) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("conf")).unwrap();
    let file = folder.path().join("conf").join("SupervisorRegistry.xml");
    fs::write(&file, text).unwrap();
    let options = LoadOptions {
        file,
        install_folder: folder.path().to_path_buf(),
        settings: Vec::new(),
        strict: false,
        os: Os::current(),
    };
    (folder, options)
}

fn checked(options: &LoadOptions, json: bool) -> (u8, String) {
    let mut out = Vec::new();
    let code = check::run(options, json, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn a_missing_executable_is_a_warning_at_what_brings_it_and_under_strict_an_error() {
    let (folder, mut options) = installed(&registry(
        "<server id='a'><profile ref='Java64'/><profile ref='SVG'/></server>\n\
         <server id='b'><executable>there</executable></server>",
    ));
    fs::write(folder.path().join("there"), "").unwrap();
    let plan = load(&options).unwrap();
    assert_eq!(plan.warnings.len(), 1);
    let warning = &plan.warnings[0];
    assert!(warning.message.starts_with("`a` needs "), "{}", warning.message);
    assert!(
        warning.message.ends_with(", and there is no such file"),
        "{}",
        warning.message
    );
    assert!(
        warning.rendered.contains("<profile ref='Java64'/>"),
        "{}",
        warning.rendered
    );
    options.strict = true;
    assert_eq!(errors(&load(&options).unwrap_err().diagnostics).len(), 1);
}

#[test]
fn profiles_are_read_from_conf_profiles_d_in_the_order_of_their_names() {
    let (folder, options) = installed(&registry("<server id='a'><profile ref='own'/></server>"));
    let profiles = folder.path().join("conf").join("profiles.d");
    fs::create_dir(&profiles).unwrap();
    fs::write(profiles.join("x.txt"), "not read").unwrap();
    fs::write(
        profiles.join("b.xml"),
        "<profiles><profile id='own'><executable>own</executable></profile></profiles>",
    )
    .unwrap();
    fs::write(profiles.join("a.xml"), "<profiles/>").unwrap();
    let plan = load(&options).unwrap();
    assert_eq!(plan.components[0].run.program, folder.path().join("own"));
    fs::write(profiles.join("c.xml"), "<profiles><profile id='own'/></profiles>").unwrap();
    let told = load(&options).unwrap_err();
    assert!(
        told.to_string()
            .contains("c.xml:1:24: the profile `own` is given twice"),
        "{told}"
    );
    fs::create_dir(profiles.join("d.xml")).unwrap();
    let told = load(&options).unwrap_err();
    assert_eq!(told.kind, LoadFailureKind::Unreadable);
    assert!(told.to_string().contains("it isn't a regular file"), "{told}");
}

#[test]
fn a_registry_that_is_not_there_or_no_file_is_unreadable_and_says_what_to_do() {
    let (folder, mut options) = installed("");
    options.file = folder.path().join("none.xml");
    let told = load(&options).unwrap_err();
    assert_eq!(told.kind, LoadFailureKind::Unreadable);
    assert!(
        told.to_string().contains("none.xml: cannot read the registry: "),
        "{told}"
    );
    assert!(told.to_string().contains("--registry"), "{told}");
    options.file = folder.path().to_path_buf();
    assert_eq!(load(&options).unwrap_err().kind, LoadFailureKind::Unreadable);
}

#[test]
fn of_a_file_of_100_mb_only_the_first_mebibyte_is_read() {
    let (_folder, options) = installed("<supervisor/>");
    let file = fs::OpenOptions::new().write(true).open(&options.file).unwrap();
    file.set_len(100_000_000).unwrap();
    let bytes = super::super::source::read(&options.file).unwrap();
    assert_eq!(bytes.len(), super::super::source::MAX_BYTES + 1);
    let told = load(&options).unwrap_err();
    assert_eq!(
        errors(&told.diagnostics),
        ["the file has more than 1048576 bytes (1 MiB)"]
    );
    assert_eq!(told.kind, LoadFailureKind::Invalid);
}

#[test]
fn an_install_folder_that_is_not_absolute_is_refused() {
    let mut options = options(Os::Linux);
    options.install_folder = PathBuf::from("relative");
    let told = load_text(DOCUMENTED.as_bytes(), &options, &[]).unwrap_err();
    assert_eq!(
        errors(&told.diagnostics),
        ["the install folder \"relative\" can't be used: the install folder isn't absolute"]
    );
}

#[test]
fn check_prints_every_command_line_and_timer_and_leaves_no_trace() {
    let (folder, options) = installed(DESIGN);
    let (code, text) = checked(&options, false);
    assert_eq!(code, 0, "{text}");
    let program = folder.path().join("bin64").join("TextServer");
    let quote = if program.to_str().unwrap().contains(['~', ' ']) {
        "'"
    } else {
        ""
    };
    for expected in [
        &format!(
            "    command       {quote}{}{quote} --port=27342\n",
            program.display()
        ),
        "startPriority 1\n",
        "  text-2  (Text renderer)\n",
        "    environment   LC_ALL=C.UTF-8\n",
        "    user          s7\n",
        "    limit         nofile soft 4096 hard 8192\n",
        "    restart       always, success is 0\n",
        "    stop          SIGTERM, then killed after 60s\n",
        "    depends on    is\n",
        "    ready         when port 27347 answers, first asked after 5s, then every 10s for at most 300s\n",
        "there is no such file",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|one| one.unwrap().file_name())
        .collect();
    assert_eq!(left, ["conf"]);
}

#[test]
fn check_as_json_has_the_envelope_and_every_resolved_value() {
    let (_folder, options) = installed(DESIGN);
    let (code, text) = checked(&options, true);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &value["schema"], &value["ok"]),
        (0, &1.into(), &true.into())
    );
    assert!(value["error"].is_null() && value.as_object().unwrap().contains_key("error"));
    let components = value["data"]["components"].as_array().unwrap();
    let text = &components[2];
    assert_eq!(text["id"], "text-2");
    assert_eq!((&text["server"], &text["instance"]), (&"text".into(), &2.into()));
    assert_eq!(text["command"][1], "--port=27342");
    assert_eq!(text["environment"][0]["name"], "LC_ALL");
    assert_eq!(text["stop_timeout_seconds"], 60.0);
    assert_eq!(text["health"]["type"], "tcp");
    assert_eq!(text["stop"]["signal"], "SIGTERM");
    assert!(components[0]["server"].is_null());
    assert_eq!(value["data"]["diagnostics"][0]["severity"], "warning");
}

#[test]
fn check_of_a_broken_registry_ends_with_78_and_all_findings_in_both_forms() {
    let (_folder, options) = installed(
        "<supervisor>\n<config><tcpport>x</tcpport><tracelevel>9</tracelevel></config>\n</supervisor>",
    );
    let (code, text) = checked(&options, false);
    assert_eq!(code, 78);
    assert!(text.contains(":2:18: `x` is not a whole number\n"), "{text}");
    assert!(text.contains(":2:41: `9` is out of range\n"), "{text}");
    assert!(text.ends_with("SupervisorRegistry.xml: 2 errors\n"), "{text}");
    let (code, text) = checked(&options, true);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &value["ok"]), (78, &false.into()));
    assert_eq!(value["error"]["exit"], 78);
    assert!(
        value["error"]["message"]
            .as_str()
            .unwrap()
            .ends_with(": 2 errors")
    );
    let diagnostics = value["data"]["diagnostics"].as_array().unwrap();
    let errors: Vec<_> = diagnostics
        .iter()
        .filter(|one| one["severity"] == "error")
        .collect();
    assert_eq!(errors.len(), 2);
    assert_eq!(
        (&errors[0]["line"], &errors[0]["column"]),
        (&2.into(), &18.into())
    );
}

#[test]
fn components_are_shown_by_tier_and_then_in_the_order_of_the_file() {
    let one = |id: &str, tier: i32| {
        format!("<server id='{id}'><executable>x</executable><startPriority>{tier}</startPriority></server>")
    };
    let (_folder, options) = installed(&registry(
        &[one("z", 2), one("y", -1), one("x", 2), one("w", 1)].concat(),
    ));
    let (_, text) = checked(&options, true);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ids = value["data"]["components"].as_array().unwrap().iter();
    let ids: Vec<_> = ids.map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["y", "w", "z", "x"]);
    assert!(Path::new(value["data"]["registry"].as_str().unwrap()).is_absolute());
}

#[test]
fn the_documented_components_are_checked_where_the_files_beside_the_registry_say() {
    let (folder, options) = installed(DOCUMENTED);
    let conf = folder.path().join("conf");
    let write = |name: &str, text: &str| fs::write(conf.join(name), text).unwrap();
    write(
        "ImageServerRegistry.xml",
        "<imageserverregistry><TcpPort> 28345 </TcpPort><SVGTcpPort> 28346 </SVGTcpPort></imageserverregistry>",
    );
    write(
        "server.xml",
        "<Server><Service name='Catalina'><Connector port='8090' protocol='HTTP/1.1'/></Service></Server>",
    );
    let (code, told) = checked(&options, false);
    assert_eq!(code, 0, "{told}");
    for text in [
        "when port 28345 answers",
        "when port 28346 answers",
        "when http://127.0.0.1:8090/is/image answers",
    ] {
        assert!(told.contains(text), "{text:?} is missing in {told}");
    }
    assert!(!told.contains("is assumed"), "{told}");
    // What can't be understood is nobody's error, but told.
    write("server.xml", "<Server><Service>");
    let (code, told) = checked(&options, false);
    assert_eq!(code, 0, "{told}");
    for text in [
        "when http://127.0.0.1:8080/is/image answers",
        "server.xml:1:18: warning: the file ends, and `<Service>` is never closed; 127.0.0.1:8080 is assumed for the \
         platform server\n",
        "correct it, or say in the registry where the component is checked",
    ] {
        assert!(told.contains(text), "{text:?} is missing in {told}");
    }
}
