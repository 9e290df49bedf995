//! Where cargo has put the programs under test.

use std::path::PathBuf;

/// The daemon's name in the target folder.
pub const DAEMON: &str = "daemon-under-test";
/// The client's name in the target folder.
pub const CTL: &str = "ctl-under-test";
/// The fixture's name in the target folder.
pub const FIXTURE: &str = "fixture";

/// The program of that name, beside the folder that this test binary lies in.
///
/// Not by `CARGO_BIN_EXE_…`, which a library is not given, and which is lost where the test binary is run by hand.
///
/// # Panics
/// Where it isn't there: the test binary was not built by cargo together with it.
#[must_use]
pub fn path_of(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the system knows the path of this program");
    let folder = own
        .ancestors()
        .nth(2)
        .expect("cargo puts test binaries into target/<profile>/deps");
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is missing: build the whole package, not the test alone",
        program.display()
    );
    program
}
