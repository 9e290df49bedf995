//! Every answer of this version can be read by the versions before.

use super::samples::responses;
use crate::codec::{decode, encode};
use crate::older::response_for;
use crate::reply::Response;
use std::path::PathBuf;

/// The variants that a client of 1.1 knows are those whose numbers its frozen bytes hold; so what it is sent must not hold a
/// greater one. That is seen by what a newer variant becomes: something that is in no sample of 1.2 alone.
#[test]
fn what_an_older_client_is_sent_holds_nothing_that_it_does_not_know() {
    let newer = [
        "overview",
        "upgrading",
        "handed-over",
        "adopted",
        "took-over",
        "registry-stale",
        "unresponsive",
        "cannot-upgrade",
        "not-permitted.own",
        "unseen",
        "out-of-memory",
        "code-hung",
        "too-much-memory",
        "dependency-lost",
        "not-ready",
        "watchdog-missed",
        "in-trouble",
        "output-matched",
        "done.story",
        "happened.matched",
        "checking-port",
        "dumped",
        "found",
        "output-reaches",
        "given-up-run",
    ];
    let mut replaced = 0;
    for (file, response) in responses() {
        let is_newer = newer.iter().any(|name| file.contains(name));
        assert_eq!(
            response_for(2, response.clone()),
            Some(response.clone()),
            "{file}"
        );
        let older = response_for(1, response.clone());
        assert_eq!(
            older.as_ref() != Some(&response),
            is_newer,
            "{file} became {older:?}"
        );
        replaced += usize::from(is_newer);
        if let Some(older) = older {
            let text = format!("{older:?}");
            for word in [
                "Unseen",
                "OutOfMemory",
                "Hung",
                "TooMuchMemory",
                "DependencyLost",
                "NotReady",
                "WatchdogMissed",
                "InTrouble",
                "OutputMatched",
                "Own",
                "CannotUpgrade",
                "HandedOver",
                "Adopted",
                "Stale",
                "Unresponsive",
                "Matched",
                "CheckingPort",
                "Dumped",
                "GivenUpRun",
            ] {
                assert!(!text.contains(word), "{file}: {text}");
            }
            let mut bytes = Vec::new();
            encode(&older, &mut bytes).unwrap();
            assert_eq!(decode::<Response>(&bytes).unwrap(), older, "{file}");
        }
    }
    assert!(replaced >= newer.len(), "each kind has a sample");
}

/// The frozen bytes of 1.0 and 1.1 are a version's own words: this version still reads them all.
#[test]
fn the_bytes_of_older_versions_are_still_read() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    let mut read = 0;
    for (file, response) in responses() {
        let bytes = std::fs::read(folder.join(format!("{file}.bin"))).unwrap();
        // Behind the length and the id of the frame.
        assert_eq!(decode::<Response>(&bytes[12..]).unwrap(), response, "{file}");
        read += 1;
    }
    assert!(read > 80, "{read}");
}
