//! The daemon's program.

fn main() -> std::process::ExitCode {
    s7supervisord::main()
}
