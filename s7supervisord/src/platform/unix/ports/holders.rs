//! Which process has a socket open: found by one pass over all processes for all sockets that are listened on.
//!
//! A pass is dear where there are many processes, and a thousand components may be held up by as many sockets. So what one has
//! found serves all who ask, and passes take half of a thread's time at most, whoever asks how often.

use super::super::census;
use super::super::stream::lock;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A pass takes no longer than this: threads that start components wait for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// A socket that no process was seen to have isn't looked for again before: mostly it is another user's.
const UNSEEN: Duration = Duration::from_secs(20);
/// So many ancestors are asked whether they have a socket open as well.
const ANCESTORS: usize = 32;

/// Who has a socket open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// This process; of several the one that the others descend from.
    Pid(u32),
    /// None that can be seen.
    Unseen,
    /// There was no time to look through all processes.
    Unknown,
}

/// What the last pass has found.
#[derive(Debug, Default)]
pub struct Holders {
    last: Mutex<Option<Pass>>,
}

#[derive(Debug)]
struct Pass {
    ended: Instant,
    took: Duration,
    /// By the sockets that were looked for; `None` where no process was seen to have it.
    found: HashMap<u64, Option<Place>>,
}

/// A descriptor of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    pid: u32,
    descriptor: u32,
}

impl Holders {
    /// Who has `inode` open. `others` are looked for as well where there has to be a pass. May wait for [`PATIENCE`], so never
    /// on the core loop.
    pub fn find(&self, inode: u64, others: impl Iterator<Item = u64>) -> Holder {
        let mut last = lock(&self.last);
        if let Some(pass) = &*last {
            match pass.found.get(&inode) {
                // It may have ended since, or handed it on.
                Some(Some(place)) if place.holds(inode) => return Holder::Pid(place.pid),
                Some(None) if pass.ended.elapsed() < UNSEEN => return Holder::Unseen,
                _ => {}
            }
            if pass.ended.elapsed() < pass.took {
                return Holder::Unknown;
            }
        }
        let wanted = others.chain([inode]).collect();
        let pass = last.insert(Pass::over(&wanted, PATIENCE));
        match pass.found.get(&inode) {
            Some(Some(place)) => Holder::Pid(place.pid),
            Some(None) => Holder::Unseen,
            None => Holder::Unknown,
        }
    }
}

impl Pass {
    fn over(wanted: &HashSet<u64>, patience: Duration) -> Self {
        let began = Instant::now();
        let mut found = HashMap::new();
        let whole = census::everyone().all(|pid| {
            sockets_of(pid).all(|(place, inode)| {
                if wanted.contains(&inode) {
                    found.entry(inode).or_insert(Some(place));
                }
                began.elapsed() < patience
            })
        });
        for (inode, place) in &mut found {
            *place = place.map(|place| place.first(*inode));
        }
        if whole {
            for inode in wanted {
                found.entry(*inode).or_insert(None);
            }
        }
        Self {
            ended: Instant::now(),
            took: began.elapsed(),
            found,
        }
    }
}

impl Place {
    /// Whether it is this socket now.
    fn holds(self, inode: u64) -> bool {
        let target = std::fs::read_link(format!("/proc/{}/fd/{}", self.pid, self.descriptor));
        target.is_ok_and(|target| socket(&target) == Some(inode))
    }

    /// The same descriptor in the eldest of a line of processes that have it, each the parent of the next: it is inherited by
    /// its number.
    fn first(mut self, inode: u64) -> Self {
        for _ in 0..ANCESTORS {
            let parent = census::stat(self.pid).map(|stat| Self {
                pid: stat.parent,
                ..self
            });
            match parent.filter(|parent| parent.holds(inode)) {
                Some(parent) => self = parent,
                None => break,
            }
        }
        self
    }
}

/// The sockets that a process has open; none where it isn't to be seen.
fn sockets_of(pid: u32) -> impl Iterator<Item = (Place, u64)> {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
    open.into_iter().flatten().flatten().filter_map(move |entry| {
        let descriptor = entry.file_name().to_str()?.parse().ok()?;
        let inode = socket(&std::fs::read_link(entry.path()).ok()?)?;
        Some((Place { pid, descriptor }, inode))
    })
}

/// `socket:[4711]`.
fn socket(target: &Path) -> Option<u64> {
    let number = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    fn listener() -> (TcpListener, u64) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(listener.as_fd()).unwrap().st_ino;
        (listener, inode)
    }

    #[test]
    fn one_pass_serves_for_all_that_are_listened_on_until_one_has_gone() {
        let ((first, one), (_second, two)) = (listener(), listener());
        let own = Holder::Pid(std::process::id());
        let holders = Holders::default();
        let ended = || lock(&holders.last).as_ref().unwrap().ended;
        let nobody = u64::MAX;
        assert_eq!(holders.find(one, [two, nobody].into_iter()), own);
        let before = ended();
        assert_eq!(holders.find(two, [].into_iter()), own);
        assert_eq!(holders.find(nobody, [].into_iter()), Holder::Unseen);
        assert_eq!(ended(), before, "one pass has answered all three");
        drop(first);
        // Not at once, where the pass took long.
        lock(&holders.last).as_mut().unwrap().took = Duration::ZERO;
        assert_eq!(holders.find(one, [].into_iter()), Holder::Unseen);
        assert!(ended() > before);
    }

    #[test]
    fn the_first_of_those_who_have_inherited_it_is_told() {
        let (listener, inode) = listener();
        rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let place = |pid| {
            let mut all = sockets_of(pid).filter(|(_, open)| *open == inode);
            all.next().map(|(place, _)| place)
        };
        let (own, inherited) = (place(std::process::id()), place(child.id()).unwrap());
        assert_eq!(own, Some(inherited.first(inode)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!inherited.holds(inode));
    }

    #[test]
    fn passes_take_half_of_the_time_at_most_and_one_that_takes_too_long_is_cut_off() {
        let (_listener, inode) = listener();
        let holders = Holders::default();
        let pass = |took| Pass {
            ended: Instant::now(),
            took,
            found: HashMap::new(),
        };
        *lock(&holders.last) = Some(pass(Duration::from_secs(3600)));
        assert_eq!(holders.find(inode, [].into_iter()), Holder::Unknown);
        *lock(&holders.last) = Some(pass(Duration::ZERO));
        let own = Holder::Pid(std::process::id());
        assert_eq!(holders.find(inode, [].into_iter()), own);
        let cut_off = Pass::over(&HashSet::from([u64::MAX]), Duration::ZERO);
        assert!(cut_off.found.is_empty(), "{cut_off:?}");
    }
}
