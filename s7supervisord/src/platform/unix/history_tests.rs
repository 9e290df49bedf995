//! What has happened lies in a file that is the owner's alone, and no link leads there.

use crate::state::history::{HistoryFile, read};
use crate::state::past::Whole;
use std::io;
use std::os::unix::fs::PermissionsExt;

fn text(sequence: u64) -> String {
    let whole = Whole {
        sequence,
        ..Whole::default()
    };
    whole.text("b1")
}

#[test]
fn it_is_the_owners_alone_is_no_link_and_is_not_written_without_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = HistoryFile::new(dir.path().to_owned());
    let elsewhere = dir.path().join("elsewhere");
    std::fs::write(&elsewhere, text(3)).unwrap();
    for name in ["history", "history.new"] {
        std::os::unix::fs::symlink(&elsewhere, dir.path().join(name)).unwrap();
    }
    read(dir.path(), "b1").unwrap_err();
    file.write_anew(&text(1)).unwrap();
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), text(3), "untouched");
    let about = std::fs::symlink_metadata(file.path()).unwrap();
    assert_eq!(
        (about.is_file(), about.permissions().mode() & 0o777),
        (true, 0o600)
    );
    std::fs::remove_file(file.path()).unwrap();
    let removed = file.append("x").unwrap_err();
    assert_eq!(removed.kind(), io::ErrorKind::NotFound);
    assert!(!file.is_open());
}
