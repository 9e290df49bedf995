//! Much happens for a long time, and nothing of it may add up.
//!
//! ```text
//! cargo bench -p s7tests --bench soak                       # a minute
//! cargo bench -p s7tests --bench soak -- --minutes 60       # an hour
//! ```
//!
//! Components crash, clients come and go, logs rotate. The time is divided into three lives of the daemon: the first ends by
//! SIGKILL, the second by an upgrade in place. Each second what the daemon holds is noted. In each life the last quarter is
//! compared with the second one: what has grown by more than the noise is a leak, and the exit code is 1.

#[cfg(unix)]
mod ledger;
#[cfg(unix)]
mod load;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use std::time::Duration;
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let minutes = match (words.next().as_deref(), words.next(), words.next()) {
        (None, ..) => Some(1.0),
        (Some("--minutes"), Some(number), None) => number.parse::<f64>().ok(),
        _ => None,
    };
    let Some(minutes) = minutes.filter(|minutes| (0.3..=100_000.0).contains(minutes)) else {
        eprintln!("soak: the one option is --minutes NUMBER, from 0.3 on");
        return std::process::ExitCode::from(2);
    };
    if soak(Duration::from_secs_f64(minutes * 60.0)) {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}

#[cfg(not(unix))]
fn main() {
    eprintln!("soak: NOT RUN: nothing is supervised on this system yet");
}

/// How many lives of the daemon the time is divided into.
#[cfg(unix)]
const LIVES: u32 = 3;

/// Whether everything stayed as it was.
#[cfg(unix)]
fn soak(span: std::time::Duration) -> bool {
    use ledger::Ledger;
    use s7tests::eventually::{SOON, eventually, when};
    use s7tests::random::Random;
    use s7tests::sandbox::Sandbox;
    use std::sync::atomic::{AtomicBool, Ordering};

    let (mut random, seed) = Random::from_environment();
    println!("{} s, S7_SEED={seed}", span.as_secs());
    let sandbox = Sandbox::with(&load::servers(0));
    let over = AtomicBool::new(false);
    let mut ledgers = Vec::new();
    let daemon = sandbox.start();
    let (daemon, counts) = std::thread::scope(|scope| {
        let clients = [random.below(u64::MAX), random.below(u64::MAX)]
            .map(Random::from_seed)
            .map(|random| scope.spawn(|| load::clients(&sandbox, random, &over)));
        let load = load::Over(&over);
        let mut daemon = daemon;
        for life in 0..LIVES {
            ledgers.push(Ledger::of(&sandbox, daemon.pid(), span / LIVES));
            match life {
                0 => {
                    daemon.kill();
                    daemon = sandbox.start();
                }
                1 => {
                    // A reload of the load may be under way, and that is not cut short.
                    eventually("an upgrade is taken", SOON, || {
                        let said = sandbox.ctl(&["upgrade"]);
                        let waits = said.stderr.contains("stopped in order");
                        assert!(said.code == Some(0) || waits, "{said}");
                        when(said.code == Some(0), || said.to_string())
                    });
                }
                _ => {}
            }
        }
        drop(load);
        let counts = clients.map(|client| client.join().ok());
        (daemon, counts)
    });
    assert!(over.load(Ordering::Relaxed));
    println!("{} commands", counts.iter().flatten().sum::<u64>());
    let starts = sandbox.starts("steady.starts").len();
    daemon.stop();
    let mut flat = starts == 1;
    if !flat {
        println!("what never crashed was started {starts} times");
    }
    // Without load nothing is shown.
    if counts.contains(&None) {
        println!("a client has broken off");
        flat = false;
    }
    for (life, ledger) in ledgers.iter().enumerate() {
        println!("life {} of the daemon, {} samples", life + 1, ledger.samples());
        for line in ledger.lines() {
            println!("  {line}");
            flat &= line.is_flat;
        }
    }
    println!("{}", if flat { "flat" } else { "GROWN" });
    flat
}
