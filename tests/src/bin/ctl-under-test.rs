//! The client, so that cargo builds it whenever the tests are built.
fn main() -> std::process::ExitCode {
    s7ctl::main()
}
