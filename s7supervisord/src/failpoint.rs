//! Places where a test has the daemon die, so that what a next one makes of it can be seen.
//!
//! In a debug build the variable [`VARIABLE`] names one of them: `journal.before-rename` ends the daemon by SIGKILL the first
//! time it gets there, `journal.before-rename:3` the third time; `loop=hang` and `loop=panic` hang or panic instead. A release
//! build knows no such variable, and [`reach`] is nothing at all in it.

use crate::platform::process;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Which place, and what comes of it: see the module. It concerns this daemon alone and is taken out of its environment.
pub const VARIABLE: &str = "S7_FAIL_AT";

macro_rules! points {
    ($($point:ident $name:literal $place:literal,)*) => {
        /// A place. The tests have a scenario for each (`it/faults/fail_points.rs`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $(#[doc = $place] $point,)*
        }

        impl Point {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$point),*];

            /// What [`VARIABLE`] calls it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$point => $name,)* }
            }
        }
    };
}

points! {
    SpawnPrepare "spawn.prepare" "A run is ordered; nothing is made for it yet.",
    SpawnBeforeClone "spawn.before-clone" "Its pipe, lock and cgroup are there, its process is not.",
    ChildBegins "child.begins" "The process is there and has done nothing at all.",
    ChildBeforeRecord "child.before-record" "The process is there and has not recorded itself.",
    ChildAfterRecord "child.after-record" "It has, and still holds all descriptors of the daemon.",
    ChildBeforeExec "child.before-exec" "Everything is done but the program itself.",
    SpawnAfterClone "spawn.after-clone" "The program runs, and the core loop doesn't know.",
    RecordEnd "record.end" "A run is over, tree and all, and that isn't recorded.",
    RecordBeforeNote "record.before-note" "A thread is about to note the end of a run or that it was asked.",
    RecordAfterNote "record.after-note" "It has.",
    RecordWish "record.wish" "What was wished isn't noted yet.",
    RecordWished "record.wished" "It is noted, and nobody was told.",
    JournalBeforeRename "journal.before-rename" "The journal was written anew and doesn't have its name yet.",
    JournalAfterRename "journal.after-rename" "It has its name, and the daemon still writes to the one before.",
    StopBeforeAsk "stop.before-ask" "A run is to be asked to end.",
    StopRecorded "stop.recorded" "That it is asked is on its way into the journal; the signal is not sent.",
    StopAfterAsk "stop.after-ask" "It was asked.",
    StopBeforeKill "stop.before-kill" "A tree is to be killed.",
    SweepBefore "sweep.before" "What a run has left is to be looked for.",
    LeftoversBefore "leftovers.before" "What a run of an earlier daemon has left is to be looked for.",
    ReloadBeforeApply "reload.before-apply" "The registry was read and compared.",
    ReloadAfterApply "reload.after-apply" "The machine knows the changes; they are not carried out, and the registry isn't kept.",
    KeepBeforeRename "keep.before-rename" "The registry that loaded is written and doesn't have its name yet.",
    AdoptEach "adopt.each" "One run of an earlier daemon was adopted.",
    AdoptDone "adopt.done" "All were that are recorded.",
    BootBefore "boot.before" "Those without a record are known as well; nothing is started yet.",
    RotateBefore "rotate.before" "A log is full; nothing is renamed yet.",
    RotateShifted "rotate.shifted" "The old files have moved on by one; the log itself has not.",
    RotateAfter "rotate.after" "The log has its old name, and there is no new one.",
    PackBeforeRename "pack.before-rename" "An old log is compressed; the result doesn't have its name yet.",
    PackAfterRename "pack.after-rename" "It has, and the plain one is there as well.",
    UpgradeBeforeExec "upgrade.before-exec" "Everything is ready for another image.",
    UpgradeAfterExec "upgrade.after-exec" "It has begun, and has done nothing yet.",
    Loop "loop" "The core loop, before each of its steps.",
    Client "client" "A client has greeted.",
}

/// The armed point by its place in [`Point::ALL`], and one more; 0 for none.
static ARMED: AtomicU32 = AtomicU32::new(0);
/// How many times it is still reached until it counts.
static LEFT: AtomicU32 = AtomicU32::new(0);
/// What comes of it: the number of a [`Manner`].
static MANNER: AtomicU8 = AtomicU8::new(0);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Kill,
    Hang,
    Panic,
}

const MANNERS: [Manner; 3] = [Manner::Kill, Manner::Hang, Manner::Panic];

/// Takes [`VARIABLE`] out of the environment and arms what it names. To be called from `main` before there is a second thread.
///
/// # Errors
/// There is no such place.
pub fn arm() -> Result<(), String> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let Some(text) = std::env::var_os(VARIABLE) else {
        return Ok(());
    };
    // SAFETY: the caller's promise: there is no other thread that could read the environment.
    unsafe { std::env::remove_var(VARIABLE) };
    let text = text.to_string_lossy();
    let (point, manner, left) = parse(&text).ok_or_else(|| format!("{VARIABLE}: there is no {text:?}"))?;
    LEFT.store(left, Ordering::Relaxed);
    MANNER.store(manner as u8, Ordering::Relaxed);
    ARMED.store(number_of(point), Ordering::Release);
    Ok(())
}

/// The variable for the next image: only where it is to die itself, since what was meant for one image is over with it.
#[must_use]
pub fn for_next_image() -> Option<(&'static str, &'static str)> {
    let point = Point::UpgradeAfterExec;
    let armed = cfg!(debug_assertions) && ARMED.load(Ordering::Acquire) == number_of(point);
    armed.then(|| (VARIABLE, point.name()))
}

fn parse(text: &str) -> Option<(Point, Manner, u32)> {
    let (text, left) = match text.split_once(':') {
        Some((text, left)) => (text, left.parse().ok().filter(|left| *left > 0)?),
        None => (text, 1),
    };
    let (name, manner) = match text.split_once('=') {
        None => (text, Manner::Kill),
        Some((name, "hang")) => (name, Manner::Hang),
        Some((name, "panic")) => (name, Manner::Panic),
        Some(_) => return None,
    };
    let point = Point::ALL.iter().find(|point| point.name() == name)?;
    Some((*point, manner, left))
}

const fn number_of(point: Point) -> u32 {
    point as u32 + 1
}

/// Here is `point`. Comes back unless it is the one that was armed.
///
/// # Panics
/// Where a test has asked for that.
#[inline]
pub fn reach(point: Point) {
    if !is_due(point) {
        return;
    }
    match MANNERS.get(usize::from(MANNER.load(Ordering::Relaxed))) {
        None | Some(Manner::Kill) => process::end_at_once(),
        Some(Manner::Hang) => loop {
            std::thread::park();
        },
        Some(Manner::Panic) => panic!("{VARIABLE} asks for a panic at {}", point.name()),
    }
}

/// Whether the daemon is to die here: for a new process that has not executed yet, and may only look at numbers.
#[inline]
#[must_use]
pub fn is_due(point: Point) -> bool {
    cfg!(debug_assertions)
        && ARMED.load(Ordering::Acquire) == number_of(point)
        && LEFT.fetch_sub(1, Ordering::Relaxed) == 1
}

/// Whether whoever gets to the place that is due is to hang there.
#[inline]
#[must_use]
pub fn hangs() -> bool {
    MANNER.load(Ordering::Relaxed) == Manner::Hang as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_armed_by_its_name_its_count_and_its_manner() {
        assert_eq!(
            parse("spawn.prepare"),
            Some((Point::SpawnPrepare, Manner::Kill, 1))
        );
        assert_eq!(parse("adopt.each:7"), Some((Point::AdoptEach, Manner::Kill, 7)));
        assert_eq!(parse("loop=hang:2"), Some((Point::Loop, Manner::Hang, 2)));
        assert_eq!(parse("client=panic"), Some((Point::Client, Manner::Panic, 1)));
        for unknown in ["", "spawn", "loop=sing", "loop:0", "loop:x", "loop=hang=panic"] {
            assert_eq!(parse(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn every_point_has_a_name_of_its_own() {
        for (place, point) in Point::ALL.iter().enumerate() {
            let named = Point::ALL.iter().position(|other| other.name() == point.name());
            assert_eq!(named, Some(place), "{point:?}");
            assert_eq!(number_of(*point) as usize, place + 1);
        }
    }
}
