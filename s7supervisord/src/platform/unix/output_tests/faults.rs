//! Logs that can't be written, and logs that others lay hands on.

use super::*;
use std::os::unix::fs::symlink;

#[test]
fn a_log_that_is_cut_goes_on_from_its_start_without_a_hole() {
    let stage = Stage::new();
    let mut out = stage.attach("is", 1);
    out.write_all(&[b'a'; 5000]).unwrap();
    eventually("the first part is there", || {
        holds(&stage.log("is"), &[b'a'; 5000])
    });
    File::options()
        .write(true)
        .open(stage.log("is"))
        .unwrap()
        .set_len(0)
        .unwrap();
    out.write_all(b"again\n").unwrap();
    drop(out);
    stage.drained();
    assert!(holds(&stage.log("is"), b"again\n"));
}

#[test]
fn a_log_that_is_renamed_or_deleted_is_opened_anew_by_its_name() {
    let stage = Stage::new();
    let mut out = stage.attach("is", 1);
    out.write_all(b"old\n").unwrap();
    eventually("the first line is there", || holds(&stage.log("is"), b"old\n"));
    fs::rename(stage.log("is"), stage.log("is.1")).unwrap();
    eventually("a new file gets the lines", || {
        out.write_all(b"new\n").unwrap();
        fs::read(stage.log("is")).is_ok_and(|bytes| bytes.starts_with(b"new\n"))
    });
    fs::remove_dir_all(stage.temp.path().join("logs")).unwrap();
    eventually("the folder is made again", || {
        out.write_all(b"new\n").unwrap();
        fs::read(stage.log("is")).is_ok_and(|bytes| bytes.starts_with(b"new\n"))
    });
}

#[test]
fn links_and_folders_in_place_of_a_log_are_never_written_and_the_component_runs_on() {
    let stage = Stage::new();
    let targets = ["linked softly", "linked hard"].map(|target| stage.temp.path().join(target));
    for target in &targets {
        fs::write(target, "untouched").unwrap();
    }
    symlink(&targets[0], stage.log("symlink")).unwrap();
    fs::hard_link(&targets[1], stage.log("hardlink")).unwrap();
    fs::create_dir(stage.log("folder")).unwrap();
    for id in ["symlink", "hardlink", "folder"] {
        let mut out = stage.attach(id, 1);
        // More than any pipe holds: this only returns when the bytes are taken away.
        out.write_all(&vec![b'x'; 3 << 20]).unwrap();
        drop(out);
        stage.drained();
        assert_eq!(stage.capture.dropped_bytes(&name(id)), 3 << 20, "{id}");
    }
    for target in &targets {
        assert!(holds(target, b"untouched"), "{}", target.display());
    }
}

#[test]
fn dropping_starts_only_after_a_second_and_is_marked_when_the_log_is_back() {
    let stage = Stage::new();
    fs::create_dir(stage.log("is")).unwrap();
    let start = Instant::now();
    let mut out = stage.attach("is", 1);
    out.write_all(b"lost half a line").unwrap();
    eventually("the line is dropped", || {
        stage.capture.dropped_bytes(&name("is")) == 16
    });
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "dropped after {:?}",
        start.elapsed()
    );
    // At once: in between, the log would be made anew, and what is then in it be cut.
    let file = stage.log("there-before");
    fs::write(&file, "before").unwrap();
    let here = rustix::fs::CWD;
    rustix::fs::renameat_with(
        here,
        &file,
        here,
        stage.log("is"),
        rustix::fs::RenameFlags::EXCHANGE,
    )
    .unwrap();
    eventually("lines arrive again", || {
        out.write_all(b".\n").unwrap();
        fs::read(stage.log("is")).is_ok_and(|bytes| bytes.ends_with(b".\n"))
    });
    drop(out);
    stage.drained();
    let text = fs::read_to_string(stage.log("is")).unwrap();
    let dropped = stage.capture.dropped_bytes(&name("is"));
    let marker = format!("before\n[s7supervisord: {dropped} bytes of output dropped: it is a folder;");
    assert!(
        text.starts_with(&marker) && text.matches("dropped").count() == 1,
        "{text}"
    );
}

#[test]
fn each_outage_is_marked_with_its_own_bytes() {
    let stage = Stage::new();
    let mut out = stage.attach("is", 1);
    let mut before = 0;
    for _ in 0..2 {
        let _ = fs::remove_file(stage.log("is"));
        fs::create_dir(stage.log("is")).unwrap();
        eventually("output is dropped", || {
            // Up to the next check of the name, lines still go to the deleted file.
            out.write_all(b"lost\n").unwrap();
            stage.capture.dropped_bytes(&name("is")) > before
        });
        fs::remove_dir(stage.log("is")).unwrap();
        eventually("output is logged again", || {
            out.write_all(b"back\n").unwrap();
            fs::read(stage.log("is")).is_ok_and(|bytes| bytes.ends_with(b"back\n"))
        });
        let dropped = stage.capture.dropped_bytes(&name("is"));
        let text = fs::read_to_string(stage.log("is")).unwrap();
        let marker = format!(
            "[s7supervisord: {} bytes of output dropped: it is a folder",
            dropped - before
        );
        assert!(text.starts_with(&marker), "{text}");
        before = dropped;
    }
}

#[test]
fn what_was_dropped_up_to_the_end_of_a_run_is_marked_if_it_can_be() {
    let stage = Stage::new();
    fs::create_dir(stage.log("is")).unwrap();
    let mut out = stage.attach("is", 1);
    out.write_all(b"lost").unwrap();
    eventually("it is dropped", || stage.capture.dropped_bytes(&name("is")) == 4);
    fs::remove_dir(stage.log("is")).unwrap();
    drop(out);
    stage.drained();
    let text = fs::read_to_string(stage.log("is")).unwrap();
    assert!(
        text.starts_with("[s7supervisord: 4 bytes of output dropped: "),
        "{text}"
    );
}

#[test]
fn a_full_disk_makes_a_component_wait_that_asked_for_it() {
    let stage = Stage::new();
    fs::create_dir(stage.log("is")).unwrap();
    let plan = LogPlan {
        on_full: OnFull::Block,
        ..stage.plan("is")
    };
    let mut out = stage.attach_to("is", 1, &plan);
    let sent = vec![b'x'; 3 << 20];
    let expected = sent.clone();
    let writer = thread::spawn(move || out.write_all(&sent));
    // Longer than the patience of `drop`, so that a drop would show.
    thread::sleep(Duration::from_millis(2500));
    assert!(!writer.is_finished(), "3 MiB can't be in a pipe");
    assert_eq!(stage.capture.dropped_bytes(&name("is")), 0);
    fs::remove_dir(stage.log("is")).unwrap();
    writer.join().unwrap().unwrap();
    stage.drained();
    assert!(holds(&stage.log("is"), &expected));
}

#[test]
fn whose_output_can_not_be_written_is_told_until_it_can_also_when_nothing_comes() {
    let stage = Stage::new();
    let mut outs = Vec::new();
    for (id, on_full) in [("waits", OnFull::Block), ("drops", OnFull::Drop)] {
        fs::create_dir(stage.log(id)).unwrap();
        let plan = LogPlan {
            on_full,
            ..stage.plan(id)
        };
        let mut out = stage.attach_to(id, 1, &plan);
        let told = stage.capture.unwritten(&name(id)).unwrap();
        assert_eq!(
            (&told.file, told.waits),
            (&stage.log(id), on_full == OnFull::Block)
        );
        assert!(told.why.contains("it is a folder"), "{told:?}");
        out.write_all(b"line\n").unwrap();
        outs.push(out);
    }
    eventually("one of them drops", || {
        stage.capture.dropped_bytes(&name("drops")) == 5
    });
    for id in ["waits", "drops"] {
        assert!(stage.capture.unwritten(&name(id)).is_some(), "{id}");
        fs::remove_dir(stage.log(id)).unwrap();
        eventually("nothing is wrong any more", || {
            stage.capture.unwritten(&name(id)).is_none()
        });
    }
    assert!(holds(&stage.log("waits"), b"line\n"), "nothing of it is lost");
    let marked = fs::read_to_string(stage.log("drops")).unwrap();
    assert!(marked.contains("5 bytes of output dropped"), "{marked}");
}
