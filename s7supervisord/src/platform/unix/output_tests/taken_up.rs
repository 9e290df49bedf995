//! Output that an earlier daemon began to capture.

use super::*;

#[test]
fn what_is_written_while_no_daemon_lives_is_in_the_log_of_the_next() {
    let stage = Stage::new();
    let mut out = stage.attach("is", 3);
    out.write_all(b"before\n").unwrap();
    eventually("the first line is there", || holds(&stage.log("is"), b"before\n"));
    let stage = stage.next_daemon();
    out.write_all(b"meanwhile\n").unwrap();
    assert!(stage.capture.reattach(&name("is"), 3, &stage.plan("is")).unwrap());
    out.write_all(b"after\n").unwrap();
    drop(out);
    stage.drained();
    assert!(holds(&stage.log("is"), b"before\nmeanwhile\nafter\n"));
    eventually("the pipe is gone", || !stage.fifo("is", 3).exists());
}

#[test]
fn a_pipe_that_nobody_writes_to_any_more_is_ended_and_removed() {
    let stage = Stage::new();
    drop(stage.attach("is", 1));
    let stage = stage.next_daemon();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        stage.fifo("ps", 7),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert!(stage.capture.reattach(&name("ps"), 7, &stage.plan("ps")).unwrap());
    eventually("the pipe is gone", || !stage.fifo("ps", 7).exists());
    assert!(!stage.capture.reattach(&name("ps"), 8, &stage.plan("ps")).unwrap());
}

#[test]
fn pipes_of_runs_that_nobody_knows_are_removed_and_others_stay() {
    let stage = Stage::new();
    let mut known = stage.attach("is", 1);
    let unknown = stage.attach("old", 5);
    let stage = stage.next_daemon();
    assert!(stage.capture.reattach(&name("is"), 1, &stage.plan("is")).unwrap());
    stage.capture.remove_strays().unwrap();
    assert!(stage.fifo("is", 1).exists());
    assert!(!stage.fifo("old", 5).exists());
    known.write_all(b"on\n").unwrap();
    eventually("the known one goes on", || holds(&stage.log("is"), b"on\n"));
    drop(unknown);
}

#[test]
fn the_size_of_a_pipe_is_known_and_the_same_to_the_next_daemon() {
    let stage = Stage::new();
    assert_eq!(stage.capture.pipe_bytes(&name("is")), None);
    let out = stage.attach("is", 1);
    let size = rustix::pipe::fcntl_getpipe_size(&out).unwrap();
    assert_eq!(stage.capture.pipe_bytes(&name("is")), Some(size as u64));
    rustix::pipe::fcntl_setpipe_size(&out, 128 * 1024).unwrap();
    let stage = stage.next_daemon();
    assert!(stage.capture.reattach(&name("is"), 1, &stage.plan("is")).unwrap());
    assert_eq!(stage.capture.pipe_bytes(&name("is")), Some(128 * 1024));
    drop(out);
    stage.drained();
    eventually("it is gone", || stage.capture.pipe_bytes(&name("is")).is_none());
}
