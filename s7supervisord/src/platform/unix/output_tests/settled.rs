//! Reading a log right after the run that has written it.

use super::*;
use crate::platform::os::fifo;
use std::os::unix::fs::OpenOptionsExt;

#[test]
fn who_waits_for_the_last_words_of_a_run_that_is_over_finds_them_in_the_file() {
    let stage = Stage::new();
    let words = vec![b'x'; 900_000];
    for run in 1..=50 {
        let mut out = stage.attach("is", run);
        // A reader of the test's own sees when the last writer is gone: what another test is just starting holds one until it
        // executes.
        let reader = fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(stage.fifo("is", run))
            .unwrap();
        out.write_all(&words).unwrap();
        drop(out);
        eventually("nobody can write any more", || {
            fifo::has_no_writer(reader.as_fd())
        });
        stage.capture.settle(&[name("is")], LONG);
        let length = fs::metadata(stage.log("is")).unwrap().len();
        assert_eq!(length, run * words.len() as u64);
    }
    // Who still writes is waited for by nobody.
    let mut out = stage.attach("is", 51);
    out.write_all(b"more").unwrap();
    let began = Instant::now();
    stage.capture.settle(&[name("is")], LONG);
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
}
