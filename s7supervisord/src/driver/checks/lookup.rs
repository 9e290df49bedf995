//! Looking up names: one look-up for each name at a time, whoever asks for it.
//!
//! The system's resolver can't be told to give up, and where no server of names answers it takes a thread for many seconds.
//! Checks don't wait so long, so what they have begun goes on without them, and the next ones wait for the same look-up
//! instead of beginning another one.

use crate::output::failure::cause;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Names that are looked up at the same time. Each holds a thread as long as no server of names answers: so many cost some
/// memory only, leave most of the runtime's 512 threads to others, and a registry has to have more names that nobody answers for
/// than this before one that would be answered has to wait.
const AT_ONCE: usize = 32;
/// Names that are kept with their addresses: more than a registry has. Those that reloads have left behind go first.
const KEPT: usize = 1024;
/// Where the addresses that a name had are known, a new look-up has this part of a check's time to say that they have changed.
const PART: u32 = 4;

type Addresses = Result<Vec<IpAddr>, String>;
type Resolve = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Who looks names up.
#[derive(Clone)]
pub struct Lookups(Arc<Shared>);

struct Shared {
    resolve: Box<Resolve>,
    permits: Arc<Semaphore>,
    names: Mutex<HashMap<String, Name>>,
}

#[derive(Default)]
struct Name {
    /// What it had last; empty where that isn't known.
    last: Vec<IpAddr>,
    under_way: Option<watch::Receiver<Option<Addresses>>>,
}

/// A look-up that somebody has joined.
struct Joined {
    answer: watch::Receiver<Option<Addresses>>,
    last: Vec<IpAddr>,
    /// It was under way already.
    late: bool,
}

impl Default for Lookups {
    /// Asks the system.
    fn default() -> Self {
        Self::by(|name| Ok((name, 0).to_socket_addrs()?.map(|found| found.ip()).collect()))
    }
}

impl Lookups {
    /// Asks `resolve`, which may block.
    fn by(resolve: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            resolve: Box::new(resolve),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            names: Mutex::default(),
        }))
    }

    /// The addresses of `name`, after `timeout` at the latest: those that it had last, where they are known and no newer ones
    /// come in time.
    ///
    /// # Errors
    /// Why they aren't known.
    pub async fn addresses(&self, name: &str, timeout: Duration) -> Addresses {
        let Joined {
            mut answer,
            last,
            late,
        } = self.join(name);
        let wait = match (last.is_empty(), late) {
            (true, _) => timeout,
            (false, false) => timeout / PART,
            // Another check has waited for it in vain, or does so now.
            (false, true) => Duration::ZERO,
        };
        let answered = tokio::time::timeout(wait, answer.wait_for(Option::is_some)).await;
        match answered {
            Ok(Ok(answer)) => match &*answer {
                Some(addresses) => addresses.clone(),
                None => Err("nothing was answered".to_owned()),
            },
            Ok(Err(_)) => Err("the look-up broke off".to_owned()),
            Err(_) if last.is_empty() => Err(format!("no answer within {timeout:?}")),
            Err(_) => Ok(last),
        }
    }

    /// The look-up of `name` that is under way, or a new one.
    fn join(&self, name: &str) -> Joined {
        let mut names = self.names();
        if names.len() >= KEPT && !names.contains_key(name) {
            names.retain(|_, name| name.is_under_way());
        }
        let entry = names.entry(name.to_owned()).or_default();
        let last = entry.last.clone();
        if entry.is_under_way()
            && let Some(answer) = entry.under_way.clone()
        {
            return Joined {
                answer,
                last,
                late: true,
            };
        }
        let (tell, answer) = watch::channel(None);
        entry.under_way = Some(answer.clone());
        tokio::spawn(self.clone().look_up(name.to_owned(), tell));
        Joined {
            answer,
            last,
            late: false,
        }
    }

    async fn look_up(self, name: String, tell: watch::Sender<Option<Addresses>>) {
        let permit = self.0.permits.clone().acquire_owned().await;
        let (shared, asked) = (self.0.clone(), name.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let found = (shared.resolve)(&asked);
            drop(permit);
            found
        });
        let addresses = match looked.await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(cause(&error)),
            Err(broken) => Err(broken.to_string()),
        };
        if let Some(entry) = self.names().get_mut(&name) {
            entry.under_way = None;
            if let Ok(addresses) = &addresses {
                entry.last.clone_from(addresses);
            }
        }
        // Whoever still waits.
        tell.send_replace(Some(addresses));
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        // Nothing that is done under it leaves it half done.
        self.0.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Name {
    /// Whoever would answer is still there.
    fn is_under_way(&self) -> bool {
        self.under_way
            .as_ref()
            .is_some_and(|answer| answer.has_changed().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(20);

    /// A server of names that says nothing about names with "silent" in them until it is told what, and of all others at once
    /// that they are 127.0.0.1. Once `say` is dropped it refuses.
    struct Server {
        lookups: Lookups,
        asked: Arc<AtomicUsize>,
        say: mpsc::Sender<u8>,
    }

    fn address(last: u8) -> Vec<IpAddr> {
        vec![Ipv4Addr::new(127, 0, 0, last).into()]
    }

    fn server() -> Server {
        let (say, said) = mpsc::channel();
        let said = Mutex::new(said);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let lookups = Lookups::by(move |name| {
            if !name.contains("silent") {
                return Ok(address(1));
            }
            count.fetch_add(1, Ordering::SeqCst);
            let said = said.lock().unwrap().recv();
            match said.map_err(io::Error::other)? {
                0 => panic!("the resolver goes wrong"),
                last => Ok(address(last)),
            }
        });
        Server { lookups, asked, say }
    }

    impl Server {
        async fn ask(&self, name: &str, timeout: Duration) -> Addresses {
            self.lookups.addresses(name, timeout).await
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_name_that_nobody_answers_for_costs_one_look_up_and_no_other_name_anything() {
        let server = server();
        for _ in 0..AT_ONCE + 1 {
            let told = server.ask("silent.example", SHORT).await;
            assert_eq!(told, Err("no answer within 20ms".to_owned()));
        }
        assert_eq!(server.ask("myhost.example", PATIENCE).await, Ok(address(1)));
        assert_eq!(server.asked(), 1);
        // All that wait have the answer when it comes.
        let (one, other, ()) = tokio::join!(
            server.ask("silent.example", PATIENCE),
            server.ask("silent.example", PATIENCE),
            async { server.say.send(7).unwrap() }
        );
        assert_eq!((one, other), (Ok(address(7)), Ok(address(7))));
    }

    #[tokio::test]
    async fn the_addresses_that_a_name_had_are_used_until_there_are_new_ones() {
        let server = server();
        server.say.send(7).unwrap();
        assert_eq!(server.ask("silent.example", PATIENCE).await, Ok(address(7)));
        assert_eq!(server.ask("silent.example", SHORT).await, Ok(address(7)));
        // It is under way by now, and isn't waited for again.
        let again = tokio::time::timeout(PATIENCE, server.ask("silent.example", PATIENCE * 1000));
        assert_eq!(again.await, Ok(Ok(address(7))));
        assert_eq!(server.asked(), 2);
        server.say.send(8).unwrap();
        let until = tokio::time::Instant::now() + PATIENCE;
        while server.ask("silent.example", SHORT).await != Ok(address(8)) {
            assert!(tokio::time::Instant::now() < until, "the new address never came");
        }
    }

    #[tokio::test]
    async fn what_fails_is_told_and_asked_again() {
        let server = server();
        server.say.send(0).unwrap();
        let told = server.ask("silent.example", PATIENCE).await.unwrap_err();
        assert!(told.contains("panicked"), "{told}");
        server.say.send(7).unwrap();
        assert_eq!(server.ask("silent.example", PATIENCE).await, Ok(address(7)));
        let Server { lookups, asked, say } = server;
        drop(say);
        // That there is none is an answer, too: what the name had before is not in its place.
        let refused = lookups.addresses("silent.example", PATIENCE).await;
        assert_eq!(refused, Err("receiving on a closed channel".to_owned()));
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn only_so_many_threads_look_up_at_once_and_the_next_name_waits() {
        let server = server();
        let names: Vec<String> = (0..AT_ONCE).map(|number| format!("silent-{number}")).collect();
        for name in &names {
            assert!(server.ask(name, Duration::from_millis(1)).await.is_err());
        }
        assert!(server.ask("myhost.example", SHORT).await.is_err());
        let waits = server.ask("myhost.example", PATIENCE);
        let (told, ()) = tokio::join!(waits, async { server.say.send(7).unwrap() });
        assert_eq!(told, Ok(address(1)));
    }

    #[tokio::test]
    async fn names_of_registries_that_are_gone_are_not_kept_for_ever() {
        let server = server();
        assert!(server.ask("silent.example", SHORT).await.is_err());
        for number in 0..KEPT + 10 {
            assert_eq!(
                server.ask(&format!("name-{number}"), PATIENCE).await,
                Ok(address(1))
            );
        }
        let names = server.lookups.names();
        assert!(names.len() <= KEPT && names.contains_key("silent.example"));
    }
}
