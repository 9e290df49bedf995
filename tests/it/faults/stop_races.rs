//! A component that ends just when it is told to.

use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::time::{Duration, Instant};

/// How often; the moments are spread evenly over the life of a run.
const ROUNDS: u32 = 100;
/// How long a run lives by itself.
const LIFE: Duration = Duration::from_millis(80);

#[test]
fn a_component_that_ends_while_it_is_stopped_stays_stopped() {
    let verbs = format!("record starts sleep {} exit 3", LIFE.as_millis());
    let sandbox = Sandbox::with(&[Server::new("brief", &verbs)
        .start_delay("1ms")
        .with("<autoStart>false</autoStart>")]);
    let daemon = sandbox.start();
    let (mut by_itself, mut by_signal, mut late) = (0, 0, 0);
    for round in 0..ROUNDS {
        let said = sandbox.ctl(&["start", "brief"]);
        let started = Instant::now();
        let pause = LIFE * round / ROUNDS;
        // Not a wait for something to happen: the moment itself is what is tried.
        while started.elapsed() < pause {
            std::hint::spin_loop();
        }
        sandbox.ctl(&["stop", "brief"]).exits(0);
        let seen = daemon.component("brief");
        if said.code != Some(0) {
            // On a busy machine a run may be over before it was found ready; the stop then met something else.
            assert!(said.stderr.contains("did not get ready"), "{said}");
            late += 1;
        }
        assert_eq!(seen["state"], "STOPPED", "round {round}: {seen}");
        assert_eq!(seen["wish"], "down", "round {round}: {seen}");
        match (&seen["last_exit"]["code"], &seen["last_exit"]["signal"]) {
            (code, _) if code == 3 => by_itself += 1,
            (_, signal) if signal == "SIGTERM" => by_signal += 1,
            _ => panic!("round {round}: neither its own end nor the stop: {seen}"),
        }
    }
    assert!(
        late < ROUNDS / 2,
        "in {late} of {ROUNDS} rounds the run was over too soon"
    );
    assert!(
        by_signal > 0,
        "the stop was never in time ({by_itself} ended by themselves)"
    );
    let before = sandbox.starts("starts").len();
    daemon.stays("brief", "STOPPED", Duration::from_millis(500));
    assert_eq!(
        sandbox.starts("starts").len(),
        before,
        "nothing starts after the last stop"
    );
}
