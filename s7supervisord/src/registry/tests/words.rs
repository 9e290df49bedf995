//! Findings as people see them, letter by letter.

use super::*;

fn failure(text: &str) -> LoadFailure {
    load_as(Os::Linux, text).unwrap_err()
}

/// The whole text for the five findings that people meet most.
#[test]
fn findings_are_rendered_with_place_line_marker_and_hint() {
    let told = failure(
        "<supervisor>\n  <servers>\n    <server id=\"text\">\n      <executable>bin/t</executable>\n      \
         <startDelya>5</startDelya>\n      <startPriority>one</startPriority>\n      <instances>2</instances>\n    \
         </server>\n    <server id=\"text-1\">\n      <profile ref=\"Jav32\"/>\n    </server>\n  </servers>\n\
         </supervisor>\n",
    );
    let expected = "\
r.xml:5:7: warning: unknown element `<startDelya>` in `<server>`
  |
5 |       <startDelya>5</startDelya>
  |       ^^^^^^^^^^^^
  |
  = help: did you mean `<startDelay>`?

r.xml:6:22: `one` is not a whole number
  |
6 |       <startPriority>one</startPriority>
  |                      ^^^ value of `<startPriority>`
  |
  = help: write a number from -1000000 to 1000000

r.xml:9:17: the id `text-1` is given twice
  |
3 |     <server id=\"text\">
  |                 ---- first made here by `<instances>` of `text`
...
9 |     <server id=\"text-1\">
  |                 ^^^^^^
  |
  = help: give every component an id of its own

r.xml:10:21: unknown profile `Jav32`
   |
10 |       <profile ref=\"Jav32\"/>
   |                     ^^^^^
   |
   = help: did you mean `Java32`? known are ImageServer32, ImageServer64, Java32, Java64, PlatformServer, SVG, Tomcat

cannot load the registry r.xml: 3 errors";
    assert_eq!(told.to_string(), expected);
    let told = failure("<supervisor>\n  <servers>\n    <server id=\"a\">\n  </servers>\n</supervisor>\n");
    let expected = "\
r.xml:4:3: expected `</server>`, found `</servers>`
  |
3 |     <server id=\"a\">
  |     --------------- opened here
4 |   </servers>
  |   ^^^^^^^^^^

cannot load the registry r.xml: 1 error";
    assert_eq!(told.to_string(), expected);
}

#[test]
fn the_same_profile_twice_is_refused_with_both_places_even_in_two_files() {
    let one = b"<profiles><profile id='x'/></profiles>".to_vec();
    let files = [
        (PathBuf::from("a.xml"), one.clone()),
        (PathBuf::from("b.xml"), one),
    ];
    let told = load_text(DOCUMENTED.as_bytes(), &options(Os::Linux), &files).unwrap_err();
    assert_eq!(
        told.diagnostics[0].rendered,
        "b.xml:1:24: the profile `x` is given twice\n  \
         |\n1 | <profiles><profile id='x'/></profiles>\n  \
         |                        ^\n  \
         |\n ::: a.xml:1:24\n  \
         |\n1 | <profiles><profile id='x'/></profiles>\n  \
         |                        - first given here\n"
    );
}
