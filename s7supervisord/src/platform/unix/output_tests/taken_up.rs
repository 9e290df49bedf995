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
    assert!(stage.reattach("is", 3));
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
    assert!(stage.reattach("ps", 7));
    eventually("the pipe is gone", || !stage.fifo("ps", 7).exists());
    assert!(!stage.reattach("ps", 8));
}

#[test]
fn pipes_of_runs_that_nobody_knows_are_removed_and_others_stay() {
    let stage = Stage::new();
    let mut known = stage.attach("is", 1);
    let unknown = stage.attach("old", 5);
    let stage = stage.next_daemon();
    assert!(stage.reattach("is", 1));
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
    assert!(stage.reattach("is", 1));
    assert_eq!(stage.capture.pipe_bytes(&name("is")), Some(128 * 1024));
    drop(out);
    stage.drained();
    eventually("it is gone", || stage.capture.pipe_bytes(&name("is")).is_none());
}

fn holder(pid: u32, out: &File) -> Option<Holder> {
    let pipe = fifo::identity(out.as_fd()).unwrap();
    Some(Holder { pid, pipe })
}

#[test]
fn a_pipe_without_a_name_is_found_where_its_process_has_it_and_nothing_else_is() {
    let stage = Stage::new();
    let out = stage.attach("is", 1);
    let script = "echo before; read go; echo after";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(out.try_clone().unwrap())
        .spawn()
        .unwrap();
    eventually("the first line is there", || holds(&stage.log("is"), b"before\n"));
    fs::remove_file(stage.fifo("is", 1)).unwrap();
    let stage = stage.next_daemon();
    let reattach = |holder| stage.capture.reattach(&name("is"), 1, &stage.plan("is"), holder);
    assert!(!reattach(None).unwrap(), "nobody says where");
    // Another FIFO than that of the run: what this process has for its input.
    let (_, other) = std::io::pipe().unwrap();
    let other = File::from(OwnedFd::from(other));
    assert!(!reattach(holder(child.id(), &other)).unwrap());
    assert!(!reattach(holder(std::process::id(), &out)).unwrap());
    assert!(reattach(holder(child.id(), &out)).unwrap());
    drop(out);
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(child.wait().unwrap().success());
    stage.drained();
    assert!(holds(&stage.log("is"), b"before\nafter\n"));
    eventually("it is done with", || {
        stage.capture.pipe_bytes(&name("is")).is_none()
    });
}

#[test]
fn a_pipe_that_cannot_have_a_name_has_none_until_names_can_be_given_again() {
    let stage = Stage::new();
    stage.capture.try_a_name().unwrap();
    let folder = stage.fifo("is", 1).parent().unwrap().to_owned();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "it was only tried");
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "something else").unwrap();
    stage.capture.try_a_name().unwrap_err();
    let attach = |run| stage.capture.attach(&name("is"), run, None, &stage.plan("is"));
    let mut first = attach(1).unwrap();
    assert!(first.take_unnamed().is_some());
    let mut out = File::from(OwnedFd::from(first));
    out.write_all(b"one\n").unwrap();
    drop(out);
    stage.drained();
    assert!(holds(&stage.log("is"), b"one\n"));
    fs::remove_file(&folder).unwrap();
    stage.capture.try_a_name().unwrap();
    assert!(attach(2).unwrap().take_unnamed().is_none());
}
