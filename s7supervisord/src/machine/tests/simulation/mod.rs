//! Deterministic simulation of the whole fleet: the machine with the driver's own roster and operations, clients, a
//! registry that changes, and a host on a virtual clock where everything that can go wrong does. One seed is one
//! simulation; what fails says its seed.
//!
//! - `S7_SEED=42 cargo test -p s7supervisord simulation` plays just that seed once more.
//! - `S7_SEEDS=100000 cargo test --release -p s7supervisord simulation` plays so many.
//!
//! The tests of `model` hold every step of small fleets against a reference. Here nothing is told anew: what is judged
//! is what people see from outside, over hours, with all parts together.

mod daemon;
mod dice;
mod host;
mod judge;
mod record;
mod stack;
mod story;
mod trace;

use std::panic::{AssertUnwindSafe, catch_unwind};
use trace::Trace;

/// Simulations that every run of the tests plays; some seconds without optimisation.
const SEEDS: u64 = 300;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is {text:?}, and no number")),
    )
}

/// Plays one seed; where it fails, once more with its steps written down.
fn try_seed(seed: u64) -> usize {
    catch_unwind(|| story::play(seed, &Trace::new(false))).unwrap_or_else(|why| {
        let trace = Trace::new(true);
        let again = catch_unwind(AssertUnwindSafe(|| story::play(seed, &trace)));
        let text = why.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| why.downcast_ref::<&str>().copied());
        let why = match again {
            Ok(_) => "(and did not fail when it was repeated)",
            Err(_) => text.unwrap_or("(see above)"),
        };
        panic!(
            "seed {seed} fails; its last steps:\n{}{why}\n\
             repeat it with S7_SEED={seed} cargo test -p s7supervisord simulation",
            trace.text()
        )
    })
}

#[test]
fn whatever_befalls_a_fleet_for_hours_it_keeps_its_promises_and_comes_to_what_is_wished() {
    if let Some(seed) = number("S7_SEED") {
        try_seed(seed);
        return;
    }
    let seeds = number("S7_SEEDS").unwrap_or(SEEDS);
    let steps: usize = (0..seeds).map(try_seed).sum();
    println!("{seeds} seeds, {steps} steps");
    assert!(
        steps as u64 > 100 * seeds,
        "hardly anything happens: {steps} steps"
    );
}

#[test]
fn the_same_seed_is_the_same_simulation() {
    for seed in 0..10 {
        let (once, again) = (Trace::new(true), Trace::new(true));
        assert_eq!(
            story::play(seed, &once),
            story::play(seed, &again),
            "steps of seed {seed}"
        );
        assert_eq!(once.sum(), again.sum(), "seed {seed}");
    }
}
