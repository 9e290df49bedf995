//! What the machine was told of each run, and what it has ordered: a host that believes every word, also a lie.

use s7proto::status::Exit;
use s7supervisord::machine::input::{Event, RunId, Slot};
use std::collections::BTreeMap;

/// What the machine was told of the present run of a component, and what it has ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Creating,
    Alive { ordered_to_end: bool },
    Headless { ordered_to_end: bool },
    Over,
}

/// The present run of each component that ever had one.
#[derive(Default)]
pub struct Host(BTreeMap<Slot, (u64, Told)>);

impl Host {
    /// The number of the present or last run.
    pub fn run(&self, slot: Slot) -> u64 {
        self.0.get(&slot).map_or(0, |(run, _)| *run)
    }

    /// Whether nothing of the last run is left, as far as was told.
    pub fn is_over(&self, slot: Slot) -> bool {
        self.0.get(&slot).is_none_or(|(_, told)| *told == Told::Over)
    }

    /// What the machine is entitled to believe after it was told this.
    pub fn note(&mut self, run: RunId, event: &Event) {
        let Some((_, told)) = self.0.get_mut(&run.slot).filter(|(number, _)| *number == run.run) else {
            return;
        };
        *told = match (*told, event) {
            (Told::Creating, Event::Spawned { .. }) => Told::Alive {
                ordered_to_end: false,
            },
            (Told::Creating, Event::SpawnFailed(_)) => Told::Over,
            (Told::Alive { ordered_to_end }, Event::Exited(_)) => Told::Headless { ordered_to_end },
            (Told::Headless { .. }, Event::Emptied) => Told::Over,
            (told, _) => told,
        };
    }

    /// A run is to be created.
    pub fn spawn(&mut self, run: RunId) {
        let over = self.is_over(run.slot);
        assert_eq!(
            (self.run(run.slot) + 1, over),
            (run.run, true),
            "{run:?} is created beside another"
        );
        self.0.insert(run.slot, (run.run, Told::Creating));
    }

    /// A run is to be asked or killed.
    pub fn order_to_end(&mut self, run: RunId) {
        let present = self.0.get_mut(&run.slot).filter(|(number, _)| *number == run.run);
        match present.map(|(_, told)| told) {
            Some(Told::Alive { ordered_to_end } | Told::Headless { ordered_to_end }) => {
                *ordered_to_end = true
            }
            other => panic!("{run:?} is to end and is {other:?}"),
        }
    }

    /// What a host does next that does at once what it is told to do.
    pub fn next(&self) -> Option<(RunId, Event)> {
        self.0.iter().find_map(|(slot, (run, told))| {
            let event = match told {
                Told::Creating => Event::Spawned { pid: 9 },
                Told::Alive { ordered_to_end: true } => Event::Exited(Exit::Code(0)),
                Told::Headless { ordered_to_end: true } => Event::Emptied,
                _ => return None,
            };
            Some((
                RunId {
                    slot: *slot,
                    run: *run,
                },
                event,
            ))
        })
    }
}
