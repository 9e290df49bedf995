//! The facts about a component that stand beside its state, in words.

use crate::render::clock::Clock;
use crate::render::quantity::count;
use s7proto::overview::ComponentFact;

/// What is worth a few words on the line of a component; `None` for what only programs want to know.
#[must_use]
pub fn words(fact: &ComponentFact, clock: &Clock) -> Option<String> {
    Some(match fact {
        ComponentFact::Said(text) => format!("says: {text}"),
        ComponentFact::AwaitsNotice(how) => format!("has not said yet that it is ready, {how}"),
        ComponentFact::Reloading => "reads its settings anew".to_owned(),
        ComponentFact::SaysItStops => "is about to end, as it says".to_owned(),
        ComponentFact::MainProcess(pid) => format!("goes on in process {pid}, as it says"),
        ComponentFact::NoticesIgnored(number) => {
            let what = count(*number, "notification was", "notifications were");
            format!("{what} not listened to, see the supervisor's log")
        }
        ComponentFact::Debugged => {
            "can be held up by a debugger, so it is not restarted when its health checks fail".to_owned()
        }
        ComponentFact::OutputUnwritten {
            file,
            why,
            since_ms,
            waits,
        } => {
            let since = clock.in_words(*since_ms);
            let then = match waits {
                true => "it waits when its pipe is full",
                false => "what it writes is dropped and counted",
            };
            format!("its output can't be written to {file} since {since}: {why}; {then}")
        }
        ComponentFact::RunsKnownSince(_)
        | ComponentFact::Adopted
        | ComponentFact::Containment(_)
        | ComponentFact::PipeBytes(_)
        | ComponentFact::Check(_)
        | ComponentFact::MemoryLimits { .. } => return None,
    })
}
