//! The list of those who listen, as the kernel has it.

use super::super::stream::lock;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The state LISTEN in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Somebody who listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where; an IPv4 address that is written as one of IPv6 is one of IPv4.
    pub address: IpAddr,
    /// Where.
    pub port: u16,
    /// Whose socket it is.
    pub uid: u32,
    /// Which socket it is.
    pub inode: u64,
}

impl Listener {
    /// Whether a component can't listen there, or this one would be mistaken for it: on all addresses, or on this machine's
    /// own, of either family.
    #[must_use]
    pub fn is_in_the_way(&self) -> bool {
        self.address.is_unspecified() || self.address.is_loopback()
    }
}

/// Everybody who listens.
#[derive(Debug)]
pub struct Listing {
    since: Instant,
    until: Instant,
    all: Vec<Listener>,
}

impl Listing {
    fn read() -> Self {
        let since = Instant::now();
        let mut all = Vec::new();
        for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
            // A kernel without IPv6 has no such file; and what can't be read says nothing against a start.
            if let Ok(file) = std::fs::File::open(file) {
                let _ = read(BufReader::new(file), &mut all);
            }
        }
        let until = Instant::now();
        Self { since, until, all }
    }

    /// Those who listen on a port.
    pub fn at(&self, port: u16) -> impl Iterator<Item = &Listener> {
        self.all.iter().filter(move |one| one.port == port)
    }

    /// The sockets of all.
    pub fn inodes(&self) -> impl Iterator<Item = u64> {
        self.all.iter().map(|one| one.inode)
    }
}

/// The last list, which serves many who ask at the same time.
#[derive(Debug, Default)]
pub struct Listings {
    last: Mutex<Option<Arc<Listing>>>,
}

impl Listings {
    /// A list that was begun after `ordered` and is no older than `age`. However many ask, it is read once in that time.
    pub fn get(&self, ordered: Instant, age: Duration) -> Arc<Listing> {
        let mut last = lock(&self.last);
        match &*last {
            Some(listing) if listing.since >= ordered && listing.until.elapsed() < age => Arc::clone(listing),
            _ => Arc::clone(last.insert(Arc::new(Listing::read()))),
        }
    }
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

/// `0: 0100007F:1F90 00000000:0000 0A … uid timeout inode …`.
fn listener(fields: &[&str]) -> Option<Listener> {
    let (words, port) = fields.get(1)?.split_once(':')?;
    Some(Listener {
        address: address(words)?,
        port: u16::from_str_radix(port, 16).ok()?,
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// Words of 32 bits, each written as a number in the machine's own order.
fn address(words: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let number = u32::from_str_radix(words.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(number.to_ne_bytes())
    };
    match words.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let bytes = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            let six = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            Some(IpAddr::from(six).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<Listener> {
        let mut all = Vec::new();
        read(text.as_bytes(), &mut all).unwrap();
        all
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn those_who_listen_are_read_with_their_addresses_and_no_connections() {
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
            row("00000000000000000000000001000000:1F95", "0A"),
            row("B80D0120000000000000000002000000:1F96", "0A"),
            row("0000000000000000FFFF00000201A8C0:1F97", "0A"),
            row("0100007F:1F98", "01"),
            row("0100007F:1F99", "0A"),
        ];
        let all = parsed(&text.concat());
        assert!(
            all.iter().all(|one| (one.uid, one.inode) == (33, 4711)),
            "{all:?}"
        );
        let all: Vec<_> = all
            .iter()
            .map(|one| (one.address.to_string(), one.port, one.is_in_the_way()))
            .collect();
        let wanted = [
            ("0.0.0.0", 8080, true),
            ("127.0.0.1", 8081, true),
            ("192.168.1.2", 8082, false),
            ("127.0.0.53", 53, true),
            ("::", 8083, true),
            ("127.0.0.1", 8084, true),
            ("::1", 8085, true),
            ("2001:db8::2", 8086, false),
            ("192.168.1.2", 8087, false),
        ];
        assert_eq!(
            all,
            wanted.map(|(address, port, is)| (address.to_owned(), port, is))
        );
        assert!(parsed("").is_empty());
        assert!(parsed("header\nnonsense\n").is_empty());
        let strange = ["0:0", "0100007F0100007F:1", "ééééé000:1", "0100007G:1"];
        assert!(
            strange
                .iter()
                .all(|local| parsed(&format!("header\n{}", row(local, "0A"))).is_empty())
        );
    }

    #[test]
    fn one_reading_serves_all_who_ask_at_the_same_time_and_nobody_who_asks_later() {
        let (listings, ordered) = (Listings::default(), Instant::now());
        let hour = Duration::from_secs(3600);
        let first = listings.get(ordered, hour);
        let threads: Vec<_> = std::thread::scope(|scope| {
            let asking = (0..8).map(|_| scope.spawn(|| listings.get(ordered, hour)));
            let asking: Vec<_> = asking.collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(threads.iter().all(|one| Arc::ptr_eq(one, &first)));
        let later = listings.get(Instant::now(), hour);
        assert!(!Arc::ptr_eq(&later, &first));
        assert!(!Arc::ptr_eq(&listings.get(ordered, Duration::ZERO), &later));
    }
}
