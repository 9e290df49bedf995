//! What follows from each command for what is wished, for the order of tiers, and for when it has to be answered.

use super::{Judge, is_ready};
use crate::machine::input::{Change, Command, Policy, Slot, Ticket};
use crate::machine::tests::simulation::daemon::Daemon;
use crate::machine::tests::simulation::host::Host;
use crate::machine::tests::simulation::stack::MOST_PATIENCE;
use s7proto::status::{State, Wish};
use std::collections::BTreeSet;
use std::time::Duration;

impl Judge {
    pub(super) fn command(
        &mut self,
        daemon: &Daemon,
        host: &Host,
        ticket: Option<Ticket>,
        command: &Command,
    ) {
        let stops = matches!(
            command,
            Command::Stop(_) | Command::StopAll | Command::Shutdown | Command::Hurry
        );
        if self.shutting_down && !stops {
            return;
        }
        if !stops && !matches!(command, Command::Boot(..)) {
            self.starts.clear();
            self.at_rest.clear();
        }
        let state = |slot: Slot| {
            daemon
                .fleet
                .view(slot, host.now)
                .map(|view| (view.state, view.wish))
        };
        let known: Vec<Slot> = daemon.fleet.slots().collect();
        let depends = |slot| {
            daemon
                .roster
                .plan(slot)
                .is_none_or(|plan| !plan.depends_on.is_empty())
        };
        let auto = |slot: &Slot| daemon.roster.plan(*slot).is_some_and(|plan| plan.auto_start);
        // Patience (what is ending already may have it of an older registry), three attempts to kill, a spawn that
        // hangs; and some time for the host to do it.
        let one_stop = MOST_PATIENCE + Duration::from_secs(30 + 15 + 30);
        match command {
            Command::Start(slots) | Command::Restart(slots) => {
                for slot in slots {
                    // Whether it was refused is seen by what comes out.
                    self.wishes.remove(slot);
                    self.ordered.remove(slot);
                    self.sequence.retain(|run, _| run.slot != *slot);
                }
            }
            Command::Stop(slots) => {
                self.wish_down(slots);
                self.due
                    .extend(ticket.map(|ticket| (ticket, self.awake + one_stop)));
            }
            Command::StopAll | Command::Shutdown => {
                self.shutting_down |= matches!(command, Command::Shutdown);
                self.wish_down(&known);
                self.sequence.clear();
                known.iter().for_each(|slot| self.queue(daemon, host, *slot));
                let tiers: BTreeSet<i32> = self.sequence.values().copied().collect();
                let all = one_stop * u32::try_from(tiers.len() + 1).unwrap();
                self.due.extend(ticket.map(|ticket| (ticket, self.awake + all)));
            }
            Command::StartAll => {
                let there = |slot: &Slot| auto(slot) && !self.removed.contains(slot);
                let targets: Vec<Slot> = known.into_iter().filter(there).collect();
                self.start_in_tiers(daemon, host, &targets);
            }
            Command::Boot(remembered, all_down) => {
                let all_down = all_down.as_ref().map(|(_, since)| *since);
                self.boot(daemon, host, remembered, all_down);
            }
            Command::RestartAll => {
                self.sequence.clear();
                known.iter().for_each(|slot| self.queue(daemon, host, *slot));
                for slot in known {
                    if self.removed.contains(&slot) {
                        continue;
                    }
                    let up = state(slot).is_some_and(|(_, wish)| wish == Wish::Up);
                    if auto(&slot) || up {
                        self.wishes.insert(slot, Wish::Up);
                        self.order(slot, depends(slot));
                    }
                }
            }
            Command::Reload { changes, restart } => self.reload(daemon, host, changes, *restart),
            Command::Hurry => self.hurry |= self.shutting_down,
        }
    }

    pub(super) fn start_in_tiers(&mut self, daemon: &Daemon, host: &Host, targets: &[Slot]) {
        for &slot in targets {
            self.wishes.insert(slot, Wish::Up);
            let state = daemon.fleet.view(slot, host.now).map(|view| view.state);
            if matches!(state, Some(State::Starting | State::Running)) {
                self.sequence.retain(|run, _| run.slot != slot);
            }
            // Nobody waits for what is ending, so its tier may open before it has ended.
            self.ordered.remove(&slot);
            // What waits for its turn in a row, or stays as it is, waits for no tier.
            let waits = matches!(
                state,
                Some(State::Backoff | State::Exited | State::Fatal) if self.inherited.contains_key(&slot)
            );
            if host.of(slot).is_none() && !waits {
                let plan = daemon.roster.plan(slot);
                self.order(slot, plan.is_none_or(|plan| !plan.depends_on.is_empty()));
            }
        }
    }

    fn reload(&mut self, daemon: &Daemon, host: &Host, changes: &[Change], restart: bool) {
        // Those that it doesn't touch are waited for only where they were before.
        let views = || {
            daemon
                .fleet
                .slots()
                .filter_map(|slot| daemon.fleet.view(slot, host.now))
        };
        if self.sequence.is_empty() && !views().any(|view| view.parked) {
            let late = views().filter(|view| view.wish == Wish::Up && !is_ready(view));
            self.excused.extend(late.map(|view| view.slot));
        }
        for change in changes {
            if let Change::Alter {
                slot,
                needs_run: true,
                ..
            } = change
                && restart
            {
                self.excused.remove(slot);
            }
        }
        let mut next = daemon.fleet.next_slot();
        for change in changes {
            match change {
                Change::Add(policy) => {
                    self.added(next, policy);
                    next = Slot(next.0 + 1);
                }
                Change::Remove(slot) => {
                    self.queue(daemon, host, *slot);
                    self.wish_down(&[*slot]);
                    self.removed.insert(*slot);
                }
                Change::Alter {
                    slot,
                    policy,
                    needs_run,
                } => {
                    let view = daemon.fleet.view(*slot, host.now);
                    let up = view.is_some_and(|view| view.wish == Wish::Up);
                    if !policy.depends_on.is_empty() {
                        self.ordered.remove(slot);
                    }
                    if self.removed.remove(slot) {
                        self.added(*slot, policy);
                    } else if *needs_run && restart && up {
                        if let Some((run, _)) = host.of(*slot) {
                            self.sequence.insert(run, policy.tier);
                        }
                        self.order(*slot, !policy.depends_on.is_empty());
                    }
                }
            }
        }
    }

    fn added(&mut self, slot: Slot, policy: &Policy) {
        let wish = if policy.auto_start { Wish::Up } else { Wish::Down };
        self.wishes.insert(slot, wish);
        if policy.auto_start {
            self.order(slot, !policy.depends_on.is_empty());
        }
    }

    /// It waits for its tier. Of what also depends on others nobody can say from outside when its tier has opened.
    fn order(&mut self, slot: Slot, depends: bool) {
        if !depends && !self.out_of_reach.contains(&slot) {
            self.ordered.insert(slot);
        }
    }

    pub(super) fn wish_down(&mut self, slots: &[Slot]) {
        for slot in slots {
            self.wishes.insert(*slot, Wish::Down);
            self.ordered.remove(slot);
        }
    }

    pub(super) fn queue(&mut self, daemon: &Daemon, host: &Host, slot: Slot) {
        if let (Some(view), Some((run, _))) = (daemon.fleet.view(slot, host.now), host.of(slot)) {
            self.sequence.insert(run, view.tier);
        }
    }
}
