//! What a follower shows while its file goes on, comes and goes.

use super::*;
use std::fs;
use std::io::Write;

fn text(bytes: io::Result<Vec<u8>>) -> String {
    String::from_utf8(bytes.unwrap()).unwrap()
}

#[test]
fn a_follower_goes_on_where_another_one_has_stopped_also_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, "one\ntwo\n").unwrap();
    let mut first = Follower::new(path.clone(), 2, 1000);
    assert_eq!(text(first.read(1000)), "one\ntwo\n");
    let at = first.position();
    let append = |name: &str, line: &str| {
        let file = File::options().append(true).open(folder.path().join(name));
        file.unwrap().write_all(line.as_bytes()).unwrap();
    };
    append("a.log", "three\n");
    let mut next = Follower::going_on(path.clone(), at);
    assert_eq!(next.position(), at, "nothing was read yet");
    assert_eq!(text(next.read(1000)), "three\n");
    fs::rename(&path, folder.path().join("a.log.1")).unwrap();
    append("a.log.1", "four\n");
    fs::write(&path, "five\n").unwrap();
    let mut renamed = Follower::going_on(path.clone(), next.position());
    assert!(text(renamed.read(1000)).starts_with("four\n"));
    let at = next.position();
    // What is open keeps its name on some systems until it is closed.
    drop((first, next, renamed));
    fs::remove_file(folder.path().join("a.log.1")).unwrap();
    let mut gone = Follower::going_on(path.clone(), at);
    assert!(gone.read(1000).unwrap_err().to_string().contains("is gone"));
    assert_eq!(text(gone.read(1000)), "five\n");
}

#[test]
fn a_follower_begins_with_the_tail_and_goes_on_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, "one\ntwo\nthr").unwrap();
    let mut follower = Follower::new(path.clone(), 2, 1000);
    assert_eq!(text(follower.read(1000)), "two\nthr");
    assert_eq!(text(follower.read(1000)), "");
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(b"ee\nfour\n").unwrap();
    assert_eq!(text(follower.read(4)), "ee\nf");
    assert_eq!(text(follower.read(1000)), "our\n");
}

#[test]
fn a_file_that_was_emptied_is_read_anew_and_one_that_was_shortened_a_little_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, vec![b'x'; 10_000]).unwrap();
    let mut follower = Follower::new(path.clone(), 1, 100_000);
    assert_eq!(text(follower.read(100_000)).len(), 10_000);
    let mut file = File::options().append(true).open(&path).unwrap();
    file.set_len(9_900).unwrap();
    assert_eq!(text(follower.read(1000)), "");
    file.write_all(b"more\n").unwrap();
    assert_eq!(text(follower.read(1000)), "more\n");
    file.set_len(0).unwrap();
    file.write_all(b"anew\n").unwrap();
    assert_eq!(text(follower.read(1000)), "anew\n");
}

#[test]
fn a_file_that_comes_later_is_read_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let mut follower = Follower::new(path.clone(), 1, 1000);
    assert_eq!(text(follower.read(1000)), "");
    fs::write(&path, "one\ntwo\n").unwrap();
    assert_eq!(text(follower.read(1000)), "one\ntwo\n");
}

#[test]
fn a_file_that_cannot_be_read_at_first_begins_with_its_tail_once_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::create_dir(&path).unwrap();
    let mut follower = Follower::new(path.clone(), 1, 1000);
    follower.read(1000).unwrap_err();
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "one\ntwo\n").unwrap();
    assert_eq!(text(follower.read(1000)), "two\n");
}
