//! `s7ctl`: the client of `s7supervisord`.
fn main() -> std::process::ExitCode {
    s7ctl::main()
}
