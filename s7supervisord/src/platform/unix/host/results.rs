//! What the threads tell, as events.

use super::{Host, Told};
use crate::machine::input::{Event, RunId};
use crate::platform::os::held::Origin;
use crate::platform::os::order::Spawned;
use crate::platform::os::sweeper::Swept;

impl Host {
    pub(super) fn heard(&mut self, facts: Vec<Told>) -> Vec<(RunId, Event)> {
        let mut events = Vec::with_capacity(facts.len());
        for fact in facts {
            events.push(match fact {
                Told::Spawned(Spawned::Yes {
                    run,
                    pid,
                    pidfd,
                    component,
                    record,
                    unrecorded,
                    unmade,
                    cgroup,
                    channel,
                    passage,
                }) => {
                    if let Some(why) = unrecorded {
                        self.recording.has_missed(run, &component, &why);
                    }
                    if let Some(why) = unmade {
                        self.recording.is_lost(why);
                    }
                    self.coming.remove(&run.slot);
                    self.spawner.is_over(run);
                    self.add(run, component, (pid, Some(pidfd)), Origin::Own, (record, cgroup));
                    drop(passage);
                    if let Some(channel) = channel {
                        self.listen(run, channel);
                    }
                    (run, Event::Spawned { pid })
                }
                Told::Spawned(Spawned::Unrecorded(why)) => {
                    self.recording.has_failed(&why);
                    continue;
                }
                Told::Spawned(Spawned::Recorded(recorded)) => {
                    self.recording.is_done(recorded);
                    continue;
                }
                Told::Spawned(Spawned::No { run, failure }) => {
                    self.coming.remove(&run.slot);
                    self.spawner.is_over(run);
                    (run, Event::SpawnFailed(failure))
                }
                Told::Spawned(Spawned::Errand { number, made }) => {
                    self.errand_made(number, made);
                    continue;
                }
                Told::Spawned(Spawned::ErrandKilled(number)) => {
                    self.errand_killed(number);
                    continue;
                }
                Told::Spawned(Spawned::Signs(noted)) => {
                    self.signs_noted(noted);
                    continue;
                }
                Told::Spawned(Spawned::Names(gone)) => {
                    events.extend(self.named(gone));
                    continue;
                }
                Told::GivenUp(number) => {
                    self.give_up(number);
                    continue;
                }
                Told::Spawned(Spawned::Asking { run, command }) => match self.asking(run, command) {
                    Some(event) => (run, event),
                    None => continue,
                },
                Told::Swept(Swept::Empty(run)) => (run, Event::Emptied),
                Told::Swept(Swept::Alone(run)) => {
                    self.gone.push(run);
                    continue;
                }
                Told::Swept(Swept::Survivors(run, left)) => (run, Event::Survivors(left)),
                Told::CannotAsk(run) => (run, Event::CannotAsk),
            });
        }
        events
    }
}
