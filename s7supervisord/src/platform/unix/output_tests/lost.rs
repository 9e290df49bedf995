//! What was dropped, under the daemons that come after.

use super::*;

/// Begins with a folder in place of the log, and waits until all that was written is dropped.
fn drop_some(stage: &Stage, bytes: usize) -> File {
    fs::create_dir(stage.log("is")).unwrap();
    let mut out = stage.attach("is", 1);
    out.write_all(&vec![b'x'; bytes]).unwrap();
    eventually("it is dropped", || dropped(stage) == bytes as u64);
    out
}

fn dropped(stage: &Stage) -> u64 {
    stage.capture.dropped_bytes(&name("is"))
}

/// Puts a file in the place of the folder.
fn mend(stage: &Stage) {
    let file = stage.temp.path().join("file");
    fs::write(&file, "").unwrap();
    let (here, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
    rustix::fs::renameat_with(here, &file, here, stage.log("is"), flags).unwrap();
}

/// The next image takes over from this one.
fn next_image(stage: Stage) -> Stage {
    let handed = stage.capture.hand_over().unwrap();
    let stage = stage.next_daemon();
    stage.capture.go_on_from(handed);
    stage
}

fn text(stage: &Stage) -> String {
    fs::read_to_string(stage.log("is")).unwrap_or_default()
}

#[test]
fn what_was_dropped_is_counted_and_marked_across_images_as_under_one() {
    let stage = Stage::new();
    let mut out = drop_some(&stage, 1000);
    let since = stage.capture.unwritten(&name("is")).unwrap().since_ms;
    // Also across one that takes nothing up.
    let stage = next_image(next_image(stage));
    assert_eq!(dropped(&stage), 1000, "before anything is taken up");
    assert!(stage.reattach("is", 1));
    let unwritten = stage.capture.unwritten(&name("is")).unwrap();
    assert_eq!((dropped(&stage), unwritten.since_ms), (1000, since));
    out.write_all(&[b'y'; 500]).unwrap();
    eventually("what comes is dropped on", || dropped(&stage) == 1500);
    mend(&stage);
    eventually("the log tells of it", || text(&stage).contains("dropped"));
    out.write_all(b"again\n").unwrap();
    drop(out);
    stage.drained();
    assert_eq!(
        text(&stage),
        "[s7supervisord: 1500 bytes of output dropped: it is a folder; remove it or choose another log]\nagain\n"
    );
    let stage = next_image(stage);
    let _out = stage.attach("is", 2);
    assert_eq!(dropped(&stage), 1500);
    assert_eq!(text(&stage).matches("dropped").count(), 1, "it is told of once");
}

#[test]
fn what_a_killed_daemon_has_dropped_is_marked_once_as_of_an_unknown_number() {
    let stage = Stage::new();
    let mut out = drop_some(&stage, 1000);
    let stage = stage.next_daemon();
    mend(&stage);
    assert!(stage.reattach("is", 1));
    eventually("the log tells of it", || text(&stage).contains("dropped"));
    out.write_all(b"again\n").unwrap();
    eventually("output is logged", || text(&stage).contains("again"));
    let stage = stage.next_daemon();
    assert!(stage.reattach("is", 1));
    out.write_all(b"and again\n").unwrap();
    drop(out);
    stage.drained();
    assert_eq!(
        text(&stage),
        "[s7supervisord: an unknown number of bytes of output dropped: it is a folder; remove it or choose another log]\nagain\nand again\n"
    );
    let out = stage.temp.path().join("out");
    assert_eq!(fs::read_dir(out).unwrap().count(), 0, "the note is taken back");
}

#[test]
fn what_was_dropped_is_marked_in_the_new_file_where_somebody_chooses_another_log() {
    let stage = Stage::new();
    let mut out = drop_some(&stage, 1000);
    stage.capture.follow(&name("is"), &stage.plan("other"));
    out.write_all(b"again\n").unwrap();
    drop(out);
    stage.drained();
    assert_eq!(
        fs::read_to_string(stage.log("other")).unwrap(),
        "[s7supervisord: 1000 bytes of output dropped: it is a folder; remove it or choose another log]\nagain\n"
    );
}

#[test]
fn output_rests_while_another_image_is_executed_and_moves_again_where_none_comes() {
    let stage = Stage::new();
    let mut out = stage.attach("is", 1);
    out.write_all(b"before\n").unwrap();
    eventually("it is logged", || text(&stage) == "before\n");
    let handed = stage.capture.hand_over().unwrap();
    out.write_all(b"after\n").unwrap();
    // As many turns as there would be time for.
    thread::sleep(Duration::from_millis(300));
    assert_eq!(text(&stage), "before\n");
    stage.capture.go_on();
    eventually("it is logged as well", || text(&stage) == "before\nafter\n");
    let mut said = String::new();
    (&handed).read_to_string(&mut said).unwrap();
    assert_eq!(said, "", "nothing was lost");
}

#[test]
fn a_note_that_cannot_be_read_says_that_something_is_missing_all_the_same() {
    let stage = Stage::new();
    fs::write(stage.temp.path().join("out/is.lost"), [0xff; 100]).unwrap();
    let mut out = stage.attach("is", 1);
    out.write_all(b"first\n").unwrap();
    drop(out);
    stage.drained();
    assert_eq!(
        text(&stage),
        "[s7supervisord: an unknown number of bytes of output dropped: it could not be written under an earlier supervisor]\nfirst\n"
    );
}
