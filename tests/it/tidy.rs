//! What the tree itself promises: layering, length, no silenced lints, a test for every fault.

use crate::tree::{files_under, read, sources_under, top};

/// The lines of code, without comments, numbered from 1. A string with `//` in it counts as a comment from there on,
/// which hides at most the end of its line.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    lines.enumerate().map(|(index, line)| (index + 1, line))
}

/// Where one of `words` stands in the code under `folder`.
fn uses(folder: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources_under(folder) {
        for (number, line) in code(&text) {
            for word in words.iter().filter(|word| line.contains(*word)) {
                found.push(format!("{}:{number}: {word}", path.display()));
            }
        }
    }
    found
}

#[test]
fn the_machine_knows_no_clock_no_system_and_no_runtime() {
    let forbidden = [
        "tokio",
        "std::time::Instant",
        "SystemTime",
        "std::fs",
        "std::net",
        "std::process",
        "libc",
        "rustix",
        "log::",
        "unsafe",
        "cfg(unix",
        "cfg(windows",
        "cfg(target",
        "cfg!(",
        "println!",
        "eprintln!",
        "std::thread",
        "std::env",
    ];
    assert!(
        !sources_under("s7supervisord/src/machine").is_empty(),
        "the machine has moved"
    );
    let found: Vec<_> = uses("s7supervisord/src/machine", &forbidden)
        .into_iter()
        // Its tests read their stories from files.
        .filter(|place| !place.contains("/machine/tests/"))
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn only_the_platform_knows_which_system_it_is_on() {
    let found: Vec<_> = uses(
        "s7supervisord/src",
        &[
            "cfg(unix",
            "cfg(windows",
            "cfg(target_",
            "cfg!(unix",
            "cfg!(windows",
        ],
    )
    .into_iter()
    .filter(|place| !place.contains("/platform/"))
    .collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn bincode_is_named_in_the_codec_alone() {
    let found: Vec<_> = ["proto/src", "s7supervisord/src", "s7ctl/src"]
        .iter()
        .flat_map(|folder| uses(folder, &["bincode::"]))
        .filter(|place| !place.contains("proto/src/codec"))
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn no_source_file_is_longer_than_one_idea() {
    let long: Vec<_> = sources_under(".")
        .iter()
        .filter(|(_, text)| text.lines().count() > 450)
        .map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count()))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn no_lint_is_silenced_without_expecting_it() {
    // In two parts, so that this line isn't found.
    let silenced = [concat!("#[", "allow("), concat!("#![", "allow(")];
    assert_eq!(uses(".", &silenced), Vec::<String>::new());
}

#[test]
fn nothing_is_left_unfinished() {
    let unfinished = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[", "ignore"),
    ];
    assert_eq!(uses(".", &unfinished), Vec::<String>::new());
}

#[test]
fn no_package_registry_is_named() {
    let hosts = [
        concat!("crates", ".io"),
        concat!("deb.", "debian.org"),
        concat!("docker", ".io"),
        concat!("pypi", ".org"),
    ];
    let mut found = Vec::new();
    for path in files_under(".") {
        // Cargo itself writes the source of every package into the lock file.
        if path.file_name().is_some_and(|name| name == "Cargo.lock") {
            continue;
        }
        let text = read(&path);
        for host in hosts.iter().filter(|host| text.contains(*host)) {
            found.push(format!("{}: {host}", path.display()));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn nothing_but_the_four_packages_and_the_readme_is_visible_at_the_top() {
    let mut visible: Vec<_> = std::fs::read_dir(top())
        .expect("the top folder can be listed")
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    visible.sort();
    assert_eq!(
        visible,
        [
            "Cargo.lock",
            "Cargo.toml",
            "README.md",
            "proto",
            "s7ctl",
            "s7supervisord",
            "tests"
        ]
    );
}

#[test]
fn every_request_has_golden_bytes() {
    let source = read(&top().join("proto/src/request.rs"));
    let (_, body) = source
        .split_once("pub enum Request {")
        .expect("requests are an enum");
    let variants: Vec<_> = body
        .lines()
        .take_while(|line| *line != "}")
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .filter_map(|line| line.split(|letter: char| !letter.is_ascii_alphanumeric()).next())
        .collect();
    assert!(variants.len() >= 10, "{variants:?}");
    let files: Vec<_> = files_under("proto/golden/v1")
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .collect();
    for variant in variants {
        let mut name = String::from("request");
        for letter in variant.chars() {
            match (letter.is_ascii_uppercase(), name.len()) {
                (true, 7) => name.push('.'),
                (true, _) => name.push('-'),
                (false, _) => {}
            }
            name.push(letter.to_ascii_lowercase());
        }
        assert!(
            files.iter().any(|file| file.starts_with(&name)),
            "there is no {name}*.bin"
        );
    }
}

#[test]
fn every_test_that_the_readme_names_exists() {
    let tests: String = sources_under(".").into_iter().map(|(_, text)| text).collect();
    let readme = read(&top().join("README.md"));
    let claims: Vec<_> = readme
        .split('`')
        .filter(|word| {
            word.matches('_').count() >= 3
                && word
                    .chars()
                    .all(|letter| letter == '_' || letter.is_ascii_lowercase())
        })
        .collect();
    assert!(!claims.is_empty(), "the README names no test");
    for claim in claims {
        assert!(
            tests.contains(&format!("fn {claim}(")),
            "there is no test `{claim}`"
        );
    }
}

/// The fault matrix has the rows from 1 to this one. Each has a line in the table of `it/faults/mod.rs`.
const LAST_ROW: u32 = 56;
/// How the cell of a row begins that has no test: a reason follows.
const NOT_YET: &str = "not yet: ";

#[test]
fn every_fault_has_a_test_that_exists_or_a_reason() {
    let table = read(&top().join("tests/it/faults/mod.rs"));
    let tests: String = sources_under(".").into_iter().map(|(_, text)| text).collect();
    let mut covered = Vec::new();
    for line in table.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut cells = line.split('|').map(str::trim);
        let Some(row) = cells.next().and_then(|cell| cell.parse::<u32>().ok()) else {
            continue;
        };
        covered.push(row);
        let answer = cells.nth(1).unwrap_or_default();
        if let Some(reason) = answer.strip_prefix(NOT_YET) {
            assert!(
                reason.split(' ').count() >= 5,
                "row {row}: {reason:?} is no reason"
            );
            continue;
        }
        for name in answer.split(',').map(|name| name.trim().trim_matches('`')) {
            assert!(
                tests.contains(&format!("fn {name}(")),
                "row {row}: there is no test `{name}`"
            );
        }
    }
    let wanted: Vec<u32> = (1..=LAST_ROW).collect();
    assert_eq!(covered, wanted, "every row once, in order");
}
