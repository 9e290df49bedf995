//! The daemon, so that cargo builds it whenever the tests are built.
fn main() -> std::process::ExitCode {
    s7supervisord::main()
}
