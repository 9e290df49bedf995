//! Who listens on a port: looked up before a component starts that is to listen there itself.
//!
//! On which address it will isn't known. Who listens on all addresses or on one of this machine's own would keep most
//! components from it, or be mistaken for them by a check, and holds the start up. Who listens on another address keeps from it
//! only those who want that address or all; he is named once a run has crashed.
//!
//! Only `/proc` is read: connecting would disturb whoever answers.

mod holders;
mod listing;

use super::census;
use super::sweeper::Leaders;
use crate::registry::plan::{ComponentPlan, PortPlan};
use holders::{Holder, Holders};
use listing::{Listener, Listing, Listings};
use s7proto::name::ComponentName;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How long one reading of the list serves those who were to be started before it: it is there for a thousand components
/// that start together. What it says to be taken is looked at again.
const SERVES: Duration = Duration::from_millis(200);
/// The same for the second look, so that a thousand components whose ports are taken don't read it a thousand times.
const SERVES_AGAIN: Duration = Duration::from_millis(20);
/// Sockets that listen on one port and are looked at; there are more where each of many workers has one.
const SOCKETS: usize = 16;

/// The list of those who listen.
pub struct Ports {
    leaders: Leaders,
    instance: String,
    listings: Listings,
    holders: Holders,
}

/// Who has a port.
#[derive(Debug, PartialEq, Eq)]
struct Owner {
    words: String,
    component: Option<String>,
}

impl Ports {
    /// Nothing is read yet. `leaders` and `instance` tell this supervisor's components from others.
    pub fn new(leaders: Leaders, instance: String) -> Self {
        Self {
            leaders,
            instance,
            listings: Listings::default(),
            holders: Holders::default(),
        }
    }

    /// Whether `plan`, which was to be started at `ordered` after so many crashes in a row, can listen on its port. Who may be
    /// the reason of those is only logged.
    ///
    /// # Errors
    /// Somebody else listens there: who it is, as far as that can be seen.
    pub fn check(&self, plan: &ComponentPlan, ordered: Instant, crashes: u32) -> Result<(), SpawnFailure> {
        let Some(known) = plan.known_port() else {
            return Ok(());
        };
        let matters = |one: &&Listener| one.is_in_the_way() || crashes > 0;
        let listing = self.listings.get(ordered, SERVES);
        if !listing.at(known.port).any(|one| matters(&one)) {
            return Ok(());
        }
        // The run before may just have let go of it.
        let listing = self.listings.get(ordered, SERVES_AGAIN);
        let (in_the_way, elsewhere): (Vec<_>, Vec<_>) = listing
            .at(known.port)
            .filter(matters)
            .partition(|one| one.is_in_the_way());
        let stranger = |all: Vec<&Listener>| {
            let mut all = all.into_iter().take(SOCKETS);
            all.find_map(|one| {
                let owner = self.owner(one, &listing);
                (!is_its_own_affair(plan, &known, &owner)).then_some((one.address, owner))
            })
        };
        if let Some((address, owner)) = stranger(in_the_way) {
            return Err(SpawnFailure {
                stage: SpawnStage::CheckingPort,
                subject: known.port.to_string(),
                os_error: None,
                cause: format!("it is taken by {}, on {address}", owner.words),
                host_fault: true,
            });
        }
        if let Some((address, owner)) = stranger(elsewhere) {
            log::warn!(
                "{}: port {} of {address} is held by {}, which may be why it crashes: nobody else can listen there, or on all addresses",
                plan.id,
                known.port,
                owner.words
            );
        }
        Ok(())
    }

    fn owner(&self, listener: &Listener, listing: &Listing) -> Owner {
        let nobody = |why: &str| Owner {
            words: format!("a process of uid {} that {why}", listener.uid),
            component: None,
        };
        let pid = match self.holders.find(listener.inode, listing.inodes()) {
            Holder::Pid(pid) => pid,
            Holder::Unseen => return nobody("can't be seen from here"),
            Holder::Unknown => return nobody("could not be looked for yet"),
        };
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let component = self.component_of(pid);
        let mut words = format!("pid {pid} ({})", shown(name.trim_end()));
        if let Some(component) = &component {
            words.push_str(&format!(", which belongs to the component {component}"));
        }
        Owner { words, component }
    }

    /// Whose a process is: by its session, which is that of the run's first process, or else by its environment.
    fn component_of(&self, pid: u32) -> Option<String> {
        let session = census::stat(pid)?.session;
        let leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        let leader = leaders.get(&session).map(|leader| leader.component.to_string());
        drop(leaders);
        leader.or_else(|| Some(census::marker(pid, &self.instance)?.component))
    }
}

/// Whether it is no wonder that this one listens there.
fn is_its_own_affair(plan: &ComponentPlan, known: &PortPlan, owner: &Owner) -> bool {
    let Some(component) = &owner.component else {
        return false;
    };
    // A check may ask another component, such as the one in front of this one; only the registry's own word is certain.
    !known.is_said
        || plan
            .instance_of
            .as_ref()
            .is_some_and(|(server, _)| is_instance(component, server))
}

/// Instances of one server can share a port (SO_REUSEPORT).
fn is_instance(component: &str, server: &ComponentName) -> bool {
    let number = component
        .strip_prefix(server.as_str())
        .and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A process calls itself what it likes.
fn shown(name: &str) -> String {
    s7proto::plain::plain(name, '?')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn somebody_who_listens_is_found_with_many_connections_beside_and_gone_afterwards() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open: Vec<TcpStream> = (0..50)
            .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
            .collect();
        let ports = Ports::new(Leaders::default(), "test".to_owned());
        let find = || {
            let listing = ports.listings.get(Instant::now(), SERVES);
            let found = listing.at(port).next().cloned();
            found.map(|found| (ports.owner(&found, &listing), found))
        };
        let (owner, found) = find().expect("it listens");
        assert_eq!(found.uid, rustix::process::getuid().as_raw());
        let own = format!("pid {} (", std::process::id());
        assert!(owner.words.starts_with(&own), "{owner:?}");
        drop((listener, open));
        assert_eq!(find(), None);
    }

    #[test]
    fn instances_of_one_server_are_told_by_their_names() {
        let server = ComponentName::parse("text").unwrap();
        let all = ["text-1", "text-20", "text", "text-", "text-a", "texts-1", "x"];
        let found: Vec<_> = all.into_iter().filter(|one| is_instance(one, &server)).collect();
        assert_eq!(found, ["text-1", "text-20"]);
    }
}
