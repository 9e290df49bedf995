//! Whether the fuzz targets hold for everything that was ever found interesting: each file of the corpus and of the
//! regressions goes through its target, in the same code that the fuzzers run.

use crate::tree::{files_under, sources_under, top};
use s7tests::fuzz::allocations::{Counting, most};
use s7tests::fuzz::{TARGETS, Target};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

#[global_allocator]
static COUNTING: Counting = Counting;

/// The files of a target, in order.
fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let folder = format!("tests/fuzz/{kind}/{target}");
    if top().join(&folder).is_dir() {
        files_under(&folder)
    } else {
        Vec::new()
    }
}

/// Replays every file of `target`; every one that fails is told by its name.
fn replay(target: &str) {
    let run: Target = TARGETS
        .into_iter()
        .find(|(name, _)| *name == target)
        .map(|(_, run)| run)
        .expect("the target exists");
    let corpus = inputs("corpus", target);
    assert!(
        corpus.len() >= 10,
        "the corpus of {target} is missing: {corpus:?}"
    );
    let mut failed = Vec::new();
    for path in corpus.into_iter().chain(inputs("regressions", target)) {
        let data =
            std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        if catch_unwind(AssertUnwindSafe(|| run(&data))).is_err() {
            failed.push(path);
        }
    }
    assert_eq!(failed, Vec::<PathBuf>::new(), "broken by");
}

#[test]
fn frames_of_the_corpus_are_decoded_the_same_in_all_pieces_and_within_bounds() {
    replay("frame");
}

#[test]
fn requests_of_the_corpus_get_one_answer_each_whatever_happens_meanwhile() {
    replay("request");
}

#[test]
fn registries_of_the_corpus_load_twice_the_same_or_say_where_they_are_wrong() {
    replay("registry");
}

#[test]
fn command_lines_of_the_corpus_are_understood_or_refused_with_exit_code_2() {
    replay("command_line");
}

#[test]
fn every_target_has_a_fuzzer_and_a_test_that_replays_it() {
    let here = include_str!("fuzz.rs");
    let manifest = include_str!("../fuzz/Cargo.toml");
    for (target, _) in TARGETS {
        assert!(here.contains(&format!("    replay(\"{target}\");")), "{target}");
        assert!(
            manifest.contains(&format!("path = \"targets/{target}.rs\"")),
            "{target}"
        );
    }
    let found: Vec<_> = sources_under("tests/fuzz/targets");
    assert_eq!(found.len(), TARGETS.len());
    let corpus = files_under("tests/fuzz/corpus");
    let bytes: u64 = corpus
        .iter()
        .filter_map(|path| path.metadata().ok())
        .map(|file| file.len())
        .sum();
    assert!(
        bytes < 300 * 1024,
        "the corpus has grown to {bytes} bytes; keep only what covers more (.ci/fuzz --minimise)"
    );
}

#[test]
fn the_allocator_that_the_frame_target_asks_counts() {
    let (kept, held) = most(|| {
        drop(vec![1u8; 1 << 20]);
        vec![1u8; 1 << 10]
    });
    let expected = 1 << 20..(1 << 20) + (1 << 16);
    assert!(expected.contains(&held), "{held}");
    assert_eq!(kept.len(), 1 << 10);
}

/// [`s7supervisord::registry::load_text`] is given everything in memory, so a fuzzer can't reach a file through it.
#[test]
fn loading_a_registry_from_memory_reaches_no_file() {
    let mut found = Vec::new();
    for (path, text) in sources_under("s7supervisord/src/registry") {
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        let in_tests = path.components().any(|part| part.as_os_str() == "tests");
        let may = in_tests
            || ["load", "source", "places", "check", "kept"].contains(&name.as_str())
            || name.starts_with("trust");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in [
            "std::fs",
            "fs::",
            "File::",
            "std::net",
            "env::var",
            "std::process",
        ] {
            if !may
                && code
                    .lines()
                    .any(|line| !line.trim_start().starts_with("//") && line.contains(word))
            {
                found.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}
