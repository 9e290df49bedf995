//! Logs that are replaced or turned into something else while they are followed.

use crate::output::follow::Follower;
use std::fs::{self, File};
use std::io::{self, Write};

fn text(bytes: io::Result<Vec<u8>>) -> String {
    String::from_utf8(bytes.unwrap()).unwrap()
}

#[test]
fn a_file_that_is_replaced_is_read_to_its_end_and_then_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, "old\n").unwrap();
    let mut follower = Follower::new(path.clone());
    assert_eq!(text(follower.begin(10, 1000)), "old\n");
    let mut old = File::options().append(true).open(&path).unwrap();
    fs::rename(&path, folder.path().join("a.log.1")).unwrap();
    old.write_all(b"last\n").unwrap();
    fs::write(&path, "first\n").unwrap();
    assert_eq!(text(follower.read(1000)), "last\n");
    assert_eq!(text(follower.read(1000)), "first\n");
    fs::remove_file(&path).unwrap();
    assert_eq!(text(follower.read(1000)), "");
    assert_eq!(text(follower.read(1000)), "");
}

#[test]
fn a_link_is_not_followed_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(folder.path().join("secret"), "secret\n").unwrap();
    std::os::unix::fs::symlink(folder.path().join("secret"), &path).unwrap();
    assert!(Follower::new(path.clone()).begin(10, 1000).is_err());
    assert!(Follower::new(path).read(1000).is_err());
}
