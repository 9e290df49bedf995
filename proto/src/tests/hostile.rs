//! Input that was made to hurt.

use crate::LIMITS;
use crate::codec::{Malformed, decode, encode};
use crate::reply::Response;
use crate::request::{Request, Selection};
use std::time::{Duration, Instant};

/// A body of a variant number and a claimed length in nine bytes, and nothing behind it.
fn claims(variant: &[u8], length: u64) -> Vec<u8> {
    [variant, &[0xfd], &length.to_le_bytes()].concat()
}

/// The most that refusing anything may take; generous, because the claims below would take hours.
const AT_ONCE: Duration = Duration::from_secs(2);

#[test]
fn a_list_or_text_of_absurd_length_is_refused_at_once_without_room_for_it() {
    let begun = Instant::now();
    for length in [u64::MAX, 1 << 62, 1 << 40, u64::from(u32::MAX), 100_000] {
        // Start(Named([…])), and Start(Named(["…"])).
        let names = claims(&[1, 1], length);
        assert!(
            matches!(decode::<Request>(&names), Err(Malformed::Undecodable(_))),
            "{length}"
        );
        let name = claims(&[1, 1, 1], length);
        assert!(
            matches!(decode::<Request>(&name), Err(Malformed::Undecodable(_))),
            "{length}"
        );
        // Done(Logs([…])), Refused(Malformed { detail }), Done(Operation([…])).
        for variant in [&[1, 3][..], &[2, 6], &[1, 1]] {
            let body = claims(variant, length);
            let refused = decode::<Response>(&body);
            assert!(
                matches!(refused, Err(Malformed::Undecodable(_))),
                "{variant:?} {length}: {refused:?}"
            );
        }
    }
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

#[test]
fn the_cheapest_elements_cannot_be_claimed_by_the_billion() {
    // The smallest element of any list is a name of one byte, two bytes on the wire: a frame bounds their number. Were
    // there an element without bytes, a length alone could claim billions; this is the most that a frame can hold.
    let mut body = vec![1, 1, 0xfb];
    let count = u16::try_from((LIMITS.request_bytes - 20) / 2).unwrap();
    body.extend_from_slice(&count.to_le_bytes());
    for _ in 0..count {
        body.extend_from_slice(b"\x01a");
    }
    let begun = Instant::now();
    let Ok(Request::Start(Selection::Named(names))) = decode(&body) else {
        panic!("a full request is a request: {:?}", decode::<Request>(&body));
    };
    assert_eq!(names.len(), usize::from(count));
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

#[test]
fn a_body_of_one_repeated_byte_is_never_more_than_an_error() {
    // A recursive type would make a stack overflow of ones; the longest body is tried with every byte.
    for byte in 0..=u8::MAX {
        let body = vec![byte; LIMITS.request_bytes];
        assert!(decode::<Request>(&body).is_err(), "{byte}");
        assert!(decode::<Response>(&body).is_err(), "{byte}");
    }
}

#[test]
fn unknown_variants_bad_text_and_bad_names_are_refused() {
    for (body, why) in [
        (&[10][..], "a variant that a newer client may know"),
        (&[0xfb, 0xff, 0xff], "no variant at all"),
        (&[], "nothing"),
        (&[1, 1, 1, 2, 0xff, 0xfe], "a name that is not UTF-8"),
        (&[1, 1, 1, 2, b'.', b'.'], "a name that would leave its folder"),
        (&[1, 1, 1, 1, b'/'], "a name that is a path"),
        (&[1, 1, 1, 0], "a name without a letter"),
        (&[6, 7], "a boolean of seven"),
        (
            &[5, 0, 0xfd, 0, 0, 0, 0, 1, 0, 0, 0],
            "a number too wide for its field",
        ),
    ] {
        assert!(
            matches!(decode::<Request>(body), Err(Malformed::Undecodable(_))),
            "{why}"
        );
    }
    let mut good = Vec::new();
    encode(&Request::Check { strict: true }, &mut good).unwrap();
    assert_eq!(decode(&good), Ok(Request::Check { strict: true }));
    good.push(0);
    assert_eq!(decode::<Request>(&good), Err(Malformed::Trailing(1)));
}

#[test]
fn the_longest_answers_fit_into_their_frame() {
    use super::samples::responses;
    use crate::name::ComponentName;
    use crate::reply::{Done, LogTail};
    let tail = LogTail {
        component: ComponentName::parse(&"x".repeat(64)).unwrap(),
        file: "f".repeat(4096),
        bytes: vec![0xff; LIMITS.log_bytes],
        truncated: true,
        error: None,
    };
    let mut body = Vec::new();
    let logs = Response::Done(Done::Logs(vec![tail]));
    encode(&logs, &mut body).unwrap();
    assert!(body.len() + 8 <= LIMITS.response_bytes);
    assert_eq!(decode(&body), Ok(logs));

    let one = responses().into_iter().find_map(|(_, response)| match response {
        Response::Done(Done::Status(report)) => Some(report),
        _ => None,
    });
    let mut report = one.unwrap();
    let component = report.components.pop().unwrap();
    report.components = vec![component; 10_000];
    let mut body = Vec::new();
    let status = Response::Done(Done::Status(report));
    encode(&status, &mut body).unwrap();
    assert!(body.len() + 8 <= LIMITS.response_bytes, "{}", body.len());
    assert_eq!(
        decode(&body),
        Ok(status),
        "the decoder's own limit leaves room too"
    );
}
