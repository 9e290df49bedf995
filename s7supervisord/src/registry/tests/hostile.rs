//! Files that were broken by accident, or made to do harm.

use super::*;
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn errors_of(bytes: &[u8]) -> Vec<Diagnostic> {
    match load_text(bytes, &options(Os::Linux), &[]) {
        Ok(_) => panic!("this loads"),
        Err(failure) => {
            assert!(!errors(&failure.diagnostics).is_empty());
            failure.diagnostics
        }
    }
}

/// The place must be in the text, or at its end, or (0, 0) for the whole file.
fn check_place(diagnostic: &Diagnostic, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    let (line, column) = (diagnostic.line as usize, diagnostic.column as usize);
    if (line, column) == (0, 0) {
        return;
    }
    assert!((1..=lines.len()).contains(&line), "{diagnostic:?}");
    assert!(
        (1..=lines[line - 1].chars().count() + 1).contains(&column),
        "{diagnostic:?}"
    );
    assert!(
        diagnostic
            .rendered
            .starts_with(&format!("r.xml:{line}:{column}: ")),
        "{diagnostic:?}"
    );
}

#[test]
fn an_entity_bomb_is_refused_at_its_doctype_at_once() {
    let mut text = String::from("<!DOCTYPE supervisor [<!ENTITY a0 'ha'>\n");
    for level in 1..30 {
        let before = level - 1;
        text.push_str(&format!(
            "<!ENTITY a{level} '&a{before};&a{before};&a{before};&a{before};'>\n"
        ));
    }
    text.push_str("]><supervisor>&a29;</supervisor>");
    let began = Instant::now();
    let told = errors_of(text.as_bytes());
    assert_eq!(messages(&told), ["a DOCTYPE isn't accepted here"]);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn an_external_entity_and_a_dtd_are_refused_and_never_read() {
    for text in [
        "<!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><supervisor>&x;</supervisor>",
        "<!DOCTYPE supervisor SYSTEM 'http://127.0.0.1/s.dtd'><supervisor/>",
        "<!DOCTYPE supervisor [<!ATTLIST server id CDATA 'x'>]><supervisor/>",
    ] {
        let told = errors_of(text.as_bytes());
        assert_eq!(messages(&told), ["a DOCTYPE isn't accepted here"]);
    }
    let told = errors_of(b"<supervisor>&x;</supervisor>");
    assert_eq!(errors(&told), ["unknown entity `&x;`"]);
}

#[test]
fn depth_33_is_refused() {
    let text = format!("<supervisor>{}", "<a>".repeat(100_000));
    let told = errors_of(text.as_bytes());
    assert_eq!(
        messages(&told),
        ["elements are nested deeper than 32 levels here"]
    );
}

#[test]
fn bytes_that_are_no_utf_8_are_refused_at_their_place() {
    let told = errors_of(b"<supervisor>\n  <a>\xff</a></supervisor>");
    assert_eq!((told[0].line, told[0].column), (2, 6));
    assert_eq!(told[0].message, "the byte 0xff here isn't UTF-8");
}

#[test]
fn a_file_of_more_than_a_mebibyte_is_refused() {
    let told = errors_of(&vec![b'<'; 1 << 21]);
    assert_eq!(messages(&told), ["the file has more than 1048576 bytes (1 MiB)"]);
}

#[test]
fn a_half_written_file_is_refused_wherever_it_ends() {
    // Behind the end tag of the root only the last newline is missing, and that is a whole file.
    let whole = DOCUMENTED.trim_end().len();
    for end in 0..whole {
        let part = &DOCUMENTED.as_bytes()[..end];
        for diagnostic in errors_of(part) {
            check_place(&diagnostic, &DOCUMENTED[..end]);
        }
    }
    assert!(load_as(Os::Linux, &DOCUMENTED[..whole]).is_ok());
}

#[test]
fn many_mistakes_and_many_instances_stay_bounded_in_time_and_memory() {
    let began = Instant::now();
    let servers: String = (0..8000)
        .map(|id| format!("<server id='{id}' x=''><profile ref='p{id}'/><y/></server>"))
        .collect();
    let told = errors_of(registry(&servers).as_bytes());
    assert!(told.len() <= 202, "{}", told.len());
    let size: usize = told.iter().map(|one| one.rendered.len()).sum();
    assert!(size < 1 << 20, "{size}");

    let argument = format!("<argument>{}</argument>", "x".repeat(900_000));
    let inner =
        format!("<executable>x</executable><arguments>{argument}</arguments><instances>1000</instances>");
    let told = errors_of(registry(&format!("<server id='a'>{inner}</server>")).as_bytes());
    assert!(
        told[0].message.contains("too many or too large together"),
        "{}",
        told[0].message
    );

    let server = |id: usize| {
        format!("<server id='s{id}'><executable>x</executable><instances>1000</instances></server>")
    };
    let servers: String = (0..11).map(server).collect();
    let told = errors_of(registry(&servers).as_bytes());
    assert!(
        told[0].message.contains("too many or too large together"),
        "{}",
        told[0].message
    );
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn dependencies_that_multiply_are_bounded() {
    let ids = ["a", "b", "c", "d"];
    let servers: String = ids
        .iter()
        .enumerate()
        .map(|(at, id)| {
            let on: String = ids[..at]
                .iter()
                .map(|on| format!("<dependsOn ref='{on}'/>"))
                .collect();
            format!("<server id='{id}'><executable>x</executable><instances>1000</instances>{on}</server>")
        })
        .collect();
    let told = errors_of(registry(&servers).as_bytes());
    assert_eq!(
        errors(&told),
        ["with this one there are more than 100000 dependencies"]
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = load_text(&bytes, &options(Os::Linux), &[]);
        let _ = load_text(&bytes, &options(Os::Windows), &[(PathBuf::from("p.xml"), bytes.clone())]);
    }

    #[test]
    fn arbitrary_xml_like_text_never_panics_and_every_error_lies_in_the_file(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("<supervisor>"), Just("</supervisor>"), Just("<servers>"), Just("</servers>"), Just("<server id='a'>"),
                Just("<server id='b' port='1'>"), Just("</server>"), Just("<executable>"), Just("</executable>"),
                Just("<profile ref='Java64'/>"), Just("<profile ref='SVG'/>"), Just("<instances>"), Just("</instances>"),
                Just("<dependsOn ref='a'/>"), Just("<dependsOn ref='b'/>"), Just("<health type='tcp'/>"), Just("SV::log"),
                Just("SV::"), Just("${id}"), Just("${"), Just("3"), Just("ü"), Just("\n"), Just("&amp;"), Just("&#x0;"),
                Just("<![CDATA["), Just("]]>"), Just("<!--"), Just("-->"), Just("<?x?>"), Just("'"), Just("<"), Just("/>"),
            ],
            0..40,
        )
    ) {
        let text = pieces.concat();
        for os in [Os::Linux, Os::Windows] {
            let told = match load_as(os, &text) {
                Ok(plan) => plan.warnings,
                Err(failure) => failure.diagnostics,
            };
            for diagnostic in &told {
                check_place(diagnostic, &text);
            }
        }
    }

    #[test]
    fn an_arbitrary_mutation_of_the_documented_file_never_panics_and_every_error_lies_in_the_file(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 1..4)
    ) {
        let mut bytes = DOCUMENTED.as_bytes().to_vec();
        for (index, edit, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = index.index(bytes.len());
            match edit {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        let told = match load_text(&bytes, &options(Os::Linux), &[]) {
            Ok(plan) => plan.warnings,
            Err(failure) => {
                prop_assert!(!errors(&failure.diagnostics).is_empty());
                failure.diagnostics
            }
        };
        // A byte order mark, which isn't part of the text, can't come from so few edits.
        let text = String::from_utf8_lossy(&bytes);
        for diagnostic in &told {
            check_place(diagnostic, &text);
        }
    }
}
