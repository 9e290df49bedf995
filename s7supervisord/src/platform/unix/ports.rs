//! Who listens on a port: looked up before a component starts that is to listen there itself.
//!
//! Only `/proc` is read: connecting would disturb whoever answers.

use super::census;
use super::stream::lock;
use super::sweeper::Leaders;
use crate::registry::plan::{ComponentPlan, PortPlan};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use s7proto::name::ComponentName;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one reading of the list serves those who were to be started before it: it is there for a thousand components
/// that start together. What it says to be taken is looked at again.
const SERVES: Duration = Duration::from_millis(200);

/// The state LISTEN in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Somebody who listens where a component could not, or would be mistaken for it: on all addresses, or on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listener {
    port: u16,
    uid: u32,
    inode: u64,
    /// It listens on all addresses of IPv6, which are those of IPv4 as well unless it has said otherwise.
    all_of_6: bool,
}

/// The list of those who listen.
pub struct Ports {
    leaders: Leaders,
    instance: String,
    last: Mutex<Option<Reading>>,
}

struct Reading {
    since: Instant,
    all: Arc<Vec<Listener>>,
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
            last: Mutex::default(),
        }
    }

    /// Whether `plan`, which was to be started at `ordered`, can listen on its port.
    ///
    /// # Errors
    /// Somebody else listens there: who it is, as far as that can be seen.
    pub fn check(&self, plan: &ComponentPlan, ordered: Instant) -> Result<(), SpawnFailure> {
        let Some(known) = plan.known_port() else {
            return Ok(());
        };
        let has = |all: &[Listener]| all.iter().find(|one| one.port == known.port).cloned();
        if has(&self.listeners(ordered)).is_none() {
            return Ok(());
        }
        // The run before may just have let go of it.
        let Some(listener) = has(&self.read_again()) else {
            return Ok(());
        };
        if listener.all_of_6 && can_bind(known.port) {
            return Ok(());
        }
        let owner = self.owner(&listener);
        if is_its_own_affair(plan, &known, &owner) {
            return Ok(());
        }
        Err(SpawnFailure {
            stage: SpawnStage::CheckingPort,
            subject: known.port.to_string(),
            os_error: None,
            cause: format!("it is taken by {}", owner.words),
            host_fault: true,
        })
    }

    fn listeners(&self, ordered: Instant) -> Arc<Vec<Listener>> {
        match &*lock(&self.last) {
            Some(reading) if reading.since >= ordered && reading.since.elapsed() < SERVES => {
                return Arc::clone(&reading.all);
            }
            _ => {}
        }
        self.read_again()
    }

    fn read_again(&self) -> Arc<Vec<Listener>> {
        let mut last = lock(&self.last);
        let since = Instant::now();
        let mut all = Vec::new();
        for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
            // A kernel without IPv6 has no such file; and what can't be read says nothing against a start.
            if let Ok(file) = std::fs::File::open(file) {
                let _ = read(BufReader::new(file), &mut all);
            }
        }
        let all = Arc::new(all);
        *last = Some(Reading {
            since,
            all: Arc::clone(&all),
        });
        all
    }

    fn owner(&self, listener: &Listener) -> Owner {
        let Some(pid) = holder(listener.inode) else {
            return Owner {
                words: format!("a process of uid {} that can't be seen from here", listener.uid),
                component: None,
            };
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

/// Adds those who listen to `all`. The kernel lists them before all connections, of which there may be many.
fn read(mut lines: impl BufRead, all: &mut Vec<Listener>) -> io::Result<()> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        if fields.get(3) != Some(&LISTEN) {
            return Ok(());
        }
        all.extend(listener(&fields));
    }
}

/// `0: 0100007F:1F90 00000000:0000 0A … uid timeout inode …`; `None` where it listens on some other address.
fn listener(fields: &[&str]) -> Option<Listener> {
    let (address, port) = fields.get(1)?.split_once(':')?;
    let all_of_6 = match address {
        // All of IPv4, and 127.0.0.1, also as IPv6 has it. Words of 32 bits are in the machine's order, which is little endian on all that this runs on.
        "00000000" | "0100007F" | "0000000000000000FFFF00000100007F" => false,
        "00000000000000000000000000000000" => true,
        _ => return None,
    };
    Some(Listener {
        port: u16::from_str_radix(port, 16).ok()?,
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
        all_of_6,
    })
}

/// Whether 127.0.0.1 is free although somebody listens on all of IPv6. Nothing is listened to, so nobody notices.
fn can_bind(port: u16) -> bool {
    let bound = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .and_then(|socket| {
        // Else connections that were closed a moment ago would count.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
    });
    bound != Err(rustix::io::Errno::ADDRINUSE)
}

/// A process that has this socket open: of several the one that the others descend from, as far as that is seen.
fn holder(inode: u64) -> Option<u32> {
    let link = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?;
    let pids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holders: Vec<u32> = pids.filter(|pid| has_open(*pid, &link)).collect();
    let parent = |pid: u32| census::stat(pid).map(|stat| stat.parent);
    let first = holders
        .iter()
        .find(|pid| parent(**pid).is_none_or(|parent| !holders.contains(&parent)));
    first.or(holders.first()).copied()
}

fn has_open(pid: u32, link: &str) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    open.flatten()
        .any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == link))
}

/// A process calls itself what it likes.
fn shown(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn parsed(text: &str) -> Vec<u16> {
        let mut all = Vec::new();
        read(text.as_bytes(), &mut all).unwrap();
        all.into_iter().map(|one| one.port).collect()
    }

    #[test]
    fn those_who_listen_where_it_matters_are_read_and_no_connections() {
        let row = |local: &str, state: &str| {
            format!(
                "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  33  0 4711 1 x 100 0\n"
            )
        };
        let text = [
            "  sl  local_address rem_address   st\n".to_owned(),
            row("00000000:1F90", "0A"),
            row("0100007F:1F91", "0A"),
            row("0201A8C0:1F92", "0A"),
            row("3500007F:0035", "0A"),
            row("00000000000000000000000000000000:1F93", "0A"),
            row("0000000000000000FFFF00000100007F:1F94", "0A"),
            row("0100007F:1F95", "01"),
            row("0100007F:1F96", "0A"),
        ];
        assert_eq!(parsed(&text.concat()), [8080, 8081, 8083, 8084]);
        assert!(parsed("").is_empty());
        assert!(parsed("header\nnonsense\n").is_empty());
    }

    #[test]
    fn somebody_who_listens_is_found_with_many_connections_beside_and_gone_afterwards() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open: Vec<TcpStream> = (0..50)
            .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
            .collect();
        let ports = Ports::new(Leaders::default(), "test".to_owned());
        let find = || {
            let all = ports.read_again();
            all.iter().find(|one| one.port == port).cloned()
        };
        let found = find().expect("it listens");
        assert_eq!(found.uid, rustix::process::getuid().as_raw());
        assert_eq!(holder(found.inode), Some(std::process::id()));
        assert!(
            ports
                .owner(&found)
                .words
                .contains(&format!("pid {} (", std::process::id()))
        );
        assert!(!can_bind(port));
        drop((listener, open));
        assert_eq!(find(), None);
        assert!(can_bind(port));
    }

    #[test]
    fn instances_of_one_server_are_told_by_their_names() {
        let server = ComponentName::parse("text").unwrap();
        let all = ["text-1", "text-20", "text", "text-", "text-a", "texts-1", "x"];
        let found: Vec<_> = all.into_iter().filter(|one| is_instance(one, &server)).collect();
        assert_eq!(found, ["text-1", "text-20"]);
    }
}
