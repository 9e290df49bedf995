//! The daemon, so that cargo builds it whenever the tests are built. A copy of it with `newer` in its name goes by another
//! version: one build for tests of what one version hands over to another.
fn main() -> std::process::ExitCode {
    let own = std::env::current_exe().unwrap_or_default();
    let name = own.file_name().unwrap_or_default().to_string_lossy();
    if name.contains("newer") {
        s7supervisord::main_as("9.9.9")
    } else {
        s7supervisord::main()
    }
}
