//! Logs that are replaced or turned into something else while they are followed.

use crate::output::follow::{FAREWELL, Follower};
use std::fs::{self, File};
use std::io::{self, Write};
use std::time::{Duration, Instant};

fn text(bytes: io::Result<Vec<u8>>) -> String {
    String::from_utf8(bytes.unwrap()).unwrap()
}

/// Reads until something comes.
fn next(follower: &mut Follower) -> String {
    let begun = Instant::now();
    loop {
        let read = text(follower.read(1000));
        if !read.is_empty() {
            return read;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing comes");
        std::thread::yield_now();
    }
}

#[test]
fn a_file_that_is_renamed_is_read_on_for_as_long_as_its_writer_may_write_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, "old\n").unwrap();
    let mut follower = Follower::new(path.clone(), 10, 1000);
    assert_eq!(text(follower.read(1000)), "old\n");
    let mut old = File::options().append(true).open(&path).unwrap();
    fs::rename(&path, folder.path().join("a.old")).unwrap();
    fs::write(&path, "first\n").unwrap();
    assert_eq!(
        text(follower.read(1000)),
        "",
        "there may be more to come in the old one"
    );
    old.write_all(b"last\n").unwrap();
    assert_eq!(text(follower.read(1000)), "last\n");
    assert_eq!(next(&mut follower), "first\n");
    fs::remove_file(&path).unwrap();
    assert_eq!(text(follower.read(1000)), "");
}

#[test]
fn where_the_file_that_was_read_was_deleted_it_is_said_that_output_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, "old\n").unwrap();
    let mut follower = Follower::new(path.clone(), 10, 1000);
    assert_eq!(text(follower.read(1000)), "old\n");
    for missed in ["deleted\n", "newest\n"] {
        fs::remove_file(&path).unwrap();
        fs::write(&path, missed).unwrap();
    }
    let begun = Instant::now();
    let why = loop {
        match follower.read(1000) {
            Ok(none) => assert_eq!(
                String::from_utf8(none).unwrap(),
                "",
                "nothing is said of what is missing"
            ),
            Err(why) => break why.to_string(),
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing comes");
        std::thread::yield_now();
    };
    assert!(why.contains("output may be missing here"), "{why}");
    assert_eq!(next(&mut follower), "newest\n");
}

#[test]
fn a_file_that_gets_its_name_back_is_not_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (path, away) = (folder.path().join("a.log"), folder.path().join("away"));
    fs::write(&path, "one\n").unwrap();
    let mut follower = Follower::new(path.clone(), 10, 1000);
    assert_eq!(text(follower.read(1000)), "one\n");
    fs::rename(&path, &away).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < FAREWELL + FAREWELL / 4 {
        assert_eq!(text(follower.read(1000)), "");
        std::thread::yield_now();
    }
    fs::rename(&away, &path).unwrap();
    let mut file = File::options().append(true).open(&path).unwrap();
    assert_eq!(text(follower.read(1000)), "");
    file.write_all(b"two\n").unwrap();
    assert_eq!(next(&mut follower), "two\n");
}

#[test]
fn a_link_is_not_followed_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(folder.path().join("secret"), "secret\n").unwrap();
    std::os::unix::fs::symlink(folder.path().join("secret"), &path).unwrap();
    assert!(Follower::new(path, 10, 1000).read(1000).is_err());
}

#[test]
fn a_log_with_a_second_name_is_read_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (path, secret) = (folder.path().join("a.log"), folder.path().join("secret"));
    fs::write(&secret, "secret\n").unwrap();
    fs::hard_link(&secret, &path).unwrap();
    let why = Follower::new(path.clone(), 10, 1000)
        .read(1000)
        .unwrap_err()
        .to_string();
    assert!(why.contains("2 names"), "{why}");
    assert!(crate::output::tail::tail(&path, 10, 1000).is_err());
}
