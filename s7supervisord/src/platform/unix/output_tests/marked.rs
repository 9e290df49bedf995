//! Lines of the supervisor between those of the components.

use super::*;

#[test]
fn a_mark_stands_in_the_output_of_its_run_and_in_no_other() {
    let stage = Stage::new();
    let mut first = stage.attach("ps", 1);
    let of = |run: u64| Mark::new(format!("mark of {run}"), run);
    let late = stage.capture.mark(&name("ps"), of(1)).unwrap();
    first.write_all(b"one\n").unwrap();
    eventually("the first byte behind it is there", || late.place().is_some());
    let unheard = stage.capture.mark(&name("ps"), of(1)).unwrap();
    drop(first);
    stage.drained();
    let mut second = stage.attach("ps", 2);
    second.write_all(b"two\n").unwrap();
    eventually("the second run has written", || {
        fs::read(stage.log("ps")).is_ok_and(|text| text.ends_with(b"two\n"))
    });
    assert_eq!(unheard.place(), None, "what the next run writes is not behind it");
    let known = stage.capture.mark(&name("ps"), of(2)).unwrap();
    second.write_all(b"three\n").unwrap();
    eventually("the mark of the second run has its place", || {
        known.place().is_some()
    });
    let text = fs::read_to_string(stage.log("ps")).unwrap();
    assert!(text.contains("mark of 2"), "{text}");
}
