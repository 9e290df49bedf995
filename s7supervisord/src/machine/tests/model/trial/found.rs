//! Trials that were found by chance, each with a name.

use super::{Act, Trial};
use crate::machine::input::{Loss, Policy, Slot};
use crate::machine::tests::desk::policy;
use std::time::Duration;

/// It depends on the first one, is to be stopped after it, is wished up again before its turn, and runs on.
#[test]
fn who_runs_on_through_a_stop_of_everything_minds_the_next_loss() {
    let minds = |on_loss: Vec<(Slot, Loss)>| Policy {
        tier: 0,
        ready_after: None,
        stop_timeout: Duration::ZERO,
        depends_on: on_loss.iter().map(|(on, _)| *on).collect(),
        on_loss,
        ..policy()
    };
    let first = Policy {
        tier: 1,
        ..minds(Vec::new())
    };
    let trial = Trial {
        policies: vec![first, minds(vec![(Slot(0), Loss::Restart)])],
        manners: Vec::new(),
        acts: vec![
            Act::Start(vec![0]),
            Act::Pass(23),
            Act::Restart(vec![1]),
            Act::StopAll,
            Act::StartAll,
            Act::Pass(46),
            Act::Stop(vec![0]),
        ],
        seed: 0,
        punctual: false,
    };
    trial.play();
}
