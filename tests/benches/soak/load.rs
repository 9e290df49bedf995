//! What happens meanwhile.

use s7tests::ctl;
use s7tests::random::Random;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whom clients start and stop.
const VICTIMS: [&str; 3] = ["polite", "stubborn", "leaver"];

/// The components. `generation` stands in the environment of the victims, so that a reload has something to do.
pub fn servers(generation: u64) -> Vec<Server> {
    let mut servers = vec![
        Server::new("steady", "record steady.starts wait"),
        Server::new("ticker", "tick 5").with("<log maxSize=\"4096\" maxFiles=\"5\" compress=\"true\"/>"),
        Server::new("loud", "burst 2000 100").with("<log maxSize=\"100000\" maxFiles=\"3\"/>"),
        Server::new("leaving", "fork-polite leaving.left sleep 40 exit 1").start_delay("1"),
        Server::new("failing", "sleep 20 crash SEGV").start_delay("1"),
        // A run that is good for a moment, so that its row of crashes ends with each command.
        Server::new("ending", "sleep 300 exit 1"),
    ];
    for (id, verbs) in VICTIMS
        .iter()
        .zip(["wait", "ignore TERM wait", "fork-setsid leaver.left wait"])
    {
        let victim = Server::new(id, verbs).stop_timeout("100ms");
        servers.push(victim.variable("GENERATION", &generation.to_string()));
    }
    servers
}

/// Ends the load also where something goes wrong: it would be waited for otherwise.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Comes and goes until it is over; how many commands that were. What they come to is for the tests: here nobody may mind
/// that the daemon is dead at the moment.
pub fn clients(sandbox: &Sandbox, mut random: Random, over: &AtomicBool) -> u64 {
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        let victim = random.one_of(&VICTIMS);
        let mut command = sandbox.ctl_command();
        command.args(["--timeout", "2"]);
        match random.below(12) {
            0..=1 => command.args(["start", victim]),
            2 => command.args(["stop", victim]),
            3..=4 => command.args(["restart", victim]),
            5 => command.args(["restart", "ending", "failing", "leaving"]),
            6..=7 => command.arg("status"),
            8 => command.args(["logs", "-n", "100"]),
            9 => command.args(["why", victim]),
            10 => {
                sandbox.write_registry(&servers(count));
                command.arg("reload")
            }
            _ => {
                // One that connects and goes.
                drop(UnixStream::connect(sandbox.socket()));
                command.arg("version")
            }
        };
        let _ = ctl::run(&mut command);
        count += 1;
        std::thread::sleep(Duration::from_millis(random.below(60)));
    }
    count
}
