//! The README's console blocks are run as they stand, and what they show must be what comes.
//!
//! A block is one shell. A line that begins with `$ ` is a command; the lines below it are what it says, on standard
//! output and standard error. Numbers stand for any number, `ms` for `s` too, a run of blanks for any run of blanks, `…` for anything in
//! a line, and a line of `…` alone for any lines. A block of XML whose first line is a comment `<!-- file: PATH -->`
//! is written to that file first.

use crate::tree::{read, top};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::processes::{self, send};
use s7tests::sandbox::Sandbox;
use std::io::Read;
use std::process::{Command, Stdio};

/// The fenced blocks of a language, in order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(opened)) => inside = Some((opened.trim() == language, String::new())),
            (Some((wanted, block)), Some(_)) => {
                if *wanted {
                    found.push(std::mem::take(block));
                }
                inside = None;
            }
            (Some((_, block)), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// The commands of a block, each with the lines that it shows.
fn commands(block: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push((command.into(), Vec::new()));
        } else if let Some((command, shown)) = found.last_mut() {
            // A backslash at the end of a command continues it, as in the shell.
            if shown.is_empty() && command.ends_with('\\') {
                command.push('\n');
                command.push_str(line);
            } else {
                shown.push(line.into());
            }
        }
    }
    found
}

/// A line with every number as `0` and every run of blanks as one.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut letters = line.trim_end().chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() {
            // A fraction belongs to its number, as in "1.5 s".
            while letters
                .next_if(|next| next.is_ascii_digit() || *next == '.')
                .is_some()
            {}
            text.push('0');
        } else if letter == ' ' {
            while letters.next_if_eq(&' ').is_some() {}
            text.push(' ');
        } else {
            text.push(letter);
        }
    }
    // A busy machine takes a second for what is shown as milliseconds.
    text.replace("0 ms", "0 s")
}

/// Whether one line is as documented.
fn line_fits(documented: &str, said: &str) -> bool {
    let documented = plain(documented).replace("...", "…");
    let said = plain(said);
    let mut rest = said.as_str();
    let parts: Vec<&str> = documented.split('…').collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let at = match (index, last) {
            (0, true) => return rest == *part,
            (0, false) => rest.starts_with(part).then_some(0),
            (_, true) => return rest.ends_with(part),
            (_, false) => rest.find(part),
        };
        let Some(at) = at else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// Whether what was said is as documented.
fn fits(documented: &[String], said: &[String]) -> bool {
    match documented.split_first() {
        None => said.is_empty(),
        Some((line, others)) if matches!(line.trim(), "…" | "...") => {
            (0..=said.len()).any(|skipped| fits(others, &said[skipped..]))
        }
        Some((line, others)) => {
            said.first().is_some_and(|first| line_fits(line, first)) && fits(others, &said[1..])
        }
    }
}

/// Between the output of one command and the next.
const MARK: &str = "--- next command ---";

/// Runs a block in one shell, and gives what each command said.
fn run(sandbox: &Sandbox, block: &[(String, Vec<String>)]) -> Vec<Vec<String>> {
    let mut script = String::from("exec 2>&1\n");
    for (command, _) in block {
        script.push_str(&format!("{command}\nprintf '%s\\n' '{MARK}'\n"));
    }
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(script);
    sandbox.clean(&mut shell);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", sandbox.path("bin").display());
    shell
        .env("PATH", path)
        .env("XDG_RUNTIME_DIR", sandbox.path("run"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut shell = processes::spawn(&mut shell);
    let mut out = shell.stdout.take().expect("standard output is a pipe");
    // What the block has in the background holds the pipe open, so the last mark ends the reading, not its end.
    let mut said = Vec::new();
    let mut chunk = [0; 4096];
    while String::from_utf8_lossy(&said).matches(MARK).count() < block.len() {
        match out.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => said.extend_from_slice(&chunk[..count]),
        }
    }
    shell.wait().expect("the shell is our child");
    processes::forget(&shell);
    let said = String::from_utf8_lossy(&said).into_owned();
    said.split(&format!("{MARK}\n"))
        .take(block.len())
        .map(|part| part.lines().map(Into::into).collect())
        .collect()
}

/// Stops the daemons that a block has left, and asserts that they leave nothing.
fn end(sandbox: &Sandbox) {
    for process in sandbox
        .processes()
        .iter()
        .filter(|process| process.name.starts_with("s7supervisord"))
    {
        send(process.pid, rustix::process::Signal::TERM);
    }
    eventually("the daemons of the README have ended", SOON, || {
        processes::reap_adopted();
        let left = sandbox.processes();
        when(left.is_empty(), || format!("{left:?}"))
    });
}

#[test]
fn every_console_block_of_the_readme_shows_what_really_comes() {
    let readme = read(&top().join("README.md"));
    let sandbox = Sandbox::new();
    sandbox.install();
    for block in blocks(&readme, "xml") {
        let first = block.lines().next().unwrap_or_default();
        if let Some(path) = first
            .strip_prefix("<!-- file: ")
            .and_then(|rest| rest.strip_suffix(" -->"))
        {
            std::fs::create_dir_all(sandbox.path(path).parent().expect("a file has a folder")).expect("ours");
            sandbox.write(path, block.split_once('\n').map_or("", |(_, rest)| rest));
        }
    }
    let blocks = blocks(&readme, "console");
    assert!(!blocks.is_empty(), "the README has no console block");
    for block in blocks {
        let block = commands(&block);
        let said = run(&sandbox, &block);
        end(&sandbox);
        for ((command, documented), said) in block.iter().zip(&said) {
            assert!(
                fits(documented, said),
                "`{command}` in the README shows\n{}\nbut says\n{}",
                documented.join("\n"),
                said.join("\n")
            );
        }
        assert_eq!(
            said.len(),
            block.len(),
            "the shell ended before the block: {said:?}"
        );
    }
}

#[test]
fn what_is_shown_fits_only_what_was_said() {
    let lines = |text: &str| text.lines().map(String::from).collect::<Vec<_>>();
    let shown = lines("is  RUNNING pid 12  1.5 s\n…\nps … ready");
    assert!(fits(
        &shown,
        &lines("is RUNNING   pid 4711 22 s\nx\ny\nps is ready")
    ));
    assert!(fits(
        &shown,
        &lines("is RUNNING pid 1 2 s\nps  ready\nps was not ready")
    ));
    assert!(!fits(&shown, &lines("is STOPPED pid 1 2 s\nps is ready")));
    assert!(!fits(&shown, &lines("is RUNNING pid 1 2 s\nps is dead")));
    assert!(!fits(&shown, &lines("is RUNNING pid 1 2 s\nps is ready\nmore")));
    assert_eq!(
        commands("$ a\n1\n$ b \\\n  c\n2\n")[1],
        ("b \\\n  c".into(), vec!["2".into()])
    );
    assert_eq!(
        blocks("x\n```console\n$ a\n```\n```sh\nno\n```\n", "console"),
        ["$ a\n"]
    );
}
