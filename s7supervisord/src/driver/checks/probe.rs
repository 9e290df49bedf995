//! What is asked of a component over the network, and what came of it in words.
//!
//! Only what the component does counts against it: what the prober lacks itself (descriptors, ports, a look-up of a name) is
//! [`Verdict::Unsure`] (reliability 0.8).

use super::answer::Answer;
use super::lookup::Lookups;
use crate::machine::input::Verdict;
use crate::output::failure::cause;
use crate::registry::plan::{HttpProbe, HttpUrl};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// One for the whole daemon: components that are checked by the same name share what is found.
static LOOKUPS: LazyLock<Lookups> = LazyLock::new(Lookups::default);

/// What a check has come to, and in words what was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Result {
    /// What the machine is told.
    pub verdict: Verdict,
    /// What was wrong; empty for [`Verdict::Well`].
    pub detail: String,
}

impl Result {
    /// As it should be.
    pub fn well() -> Self {
        Self {
            verdict: Verdict::Well,
            detail: String::new(),
        }
    }

    /// Not as it should be.
    pub fn ill(detail: String) -> Self {
        Self {
            verdict: Verdict::Ill,
            detail,
        }
    }

    /// The prober's own trouble.
    pub fn unsure(detail: String) -> Self {
        Self {
            verdict: Verdict::Unsure,
            detail,
        }
    }

    /// No answer by `until`, which was `timeout` after it was asked.
    pub fn timed_out(what: &str, timeout: Duration, until: Instant) -> Self {
        Self {
            verdict: Verdict::TimedOut {
                late: Instant::now().saturating_duration_since(until),
            },
            detail: format!("{what}: no answer within {timeout:?}"),
        }
    }
}

/// Connects to `port` on loopback. Some servers listen by IPv4 only and some by IPv6 only.
pub async fn tcp(port: u16, timeout: Duration) -> Result {
    match connect(&loopback(port), timeout).await {
        Ok(_) => Result::well(),
        Err(result) => result,
    }
}

/// Asks for a page. Connecting may take `timeout`, and so may the answer from the moment that the request was sent: what
/// this daemon itself was late to begin isn't taken from the component's time.
pub async fn http(probe: &HttpProbe, timeout: Duration) -> Result {
    let url = &probe.url;
    let addresses = match addresses(url, timeout).await {
        Ok(addresses) => addresses,
        Err(result) => return result,
    };
    let mut stream = match connect(&addresses, timeout).await {
        Ok(stream) => stream,
        Err(result) => return result,
    };
    let what = format!("GET {url}");
    let until = Instant::now() + timeout;
    match timeout_at(until, ask(&mut stream, probe)).await {
        Ok(Ok(())) => Result::well(),
        Ok(Err(why)) => Result::ill(format!("{what}: {why}")),
        Err(_) => Result::timed_out(&what, timeout, until),
    }
}

async fn ask(stream: &mut TcpStream, probe: &HttpProbe) -> std::result::Result<(), String> {
    let url = &probe.url;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: s7supervisord/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.target,
        url.authority(),
        env!("CARGO_PKG_VERSION"),
    );
    let failed = |doing: &str, error: &io::Error| format!("{doing}: {}", cause(error));
    if let Err(error) = stream.write_all(request.as_bytes()).await {
        return Err(failed("sending the request", &error));
    }
    let mut answer = Answer::new(probe);
    // On the heap: a thousand of these may wait at the same time, and few of them have more to read than this.
    let mut bytes = vec![0; 4096];
    loop {
        match stream.read(&mut bytes).await {
            Ok(0) => return answer.end(),
            Ok(count) => {
                if let Some(judged) = answer.take(&bytes[..count]) {
                    return judged;
                }
            }
            Err(error) => return Err(failed("reading the answer", &error)),
        }
    }
}

fn loopback(port: u16) -> [SocketAddr; 2] {
    [
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
        SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port),
    ]
}

/// Where an address leads. Only a name that isn't `localhost` is looked up.
async fn addresses(url: &HttpUrl, timeout: Duration) -> std::result::Result<Vec<SocketAddr>, Result> {
    if let Ok(address) = url.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, url.port)]);
    }
    if url.host.eq_ignore_ascii_case("localhost") {
        return Ok(loopback(url.port).into());
    }
    match LOOKUPS.addresses(&url.host, timeout).await {
        Ok(found) => Ok(found
            .into_iter()
            .map(|address| SocketAddr::new(address, url.port))
            .collect()),
        Err(why) => Err(Result::unsure(format!("looking up {}: {why}", url.host))),
    }
}

/// Connects to the first of `addresses` that takes it; the first one's failure is told.
async fn connect(addresses: &[SocketAddr], timeout: Duration) -> std::result::Result<TcpStream, Result> {
    let until = Instant::now() + timeout;
    let mut first = None;
    for address in addresses {
        let what = format!("connecting to {address}");
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) if !is_connected_to_itself(&stream, address) => return Ok(stream),
            Ok(Ok(_)) => {
                first.get_or_insert_with(|| Result::ill(format!("{what}: nobody listens there")));
            }
            Ok(Err(error)) => {
                let detail = format!("{what}: {}", cause(&error));
                let result = match is_own_trouble(&error) {
                    true => Result::unsure(detail),
                    false => Result::ill(detail),
                };
                first.get_or_insert(result);
            }
            Err(_) => return Err(first.unwrap_or_else(|| Result::timed_out(&what, timeout, until))),
        }
    }
    Err(first.unwrap_or_else(|| Result::unsure("the name has no address".to_owned())))
}

/// Where nobody listens on a port that the system gives to clients, a connection to it may by chance come from that very
/// port, and then the kernel connects it to itself.
fn is_connected_to_itself(stream: &TcpStream, address: &SocketAddr) -> bool {
    stream.local_addr().is_ok_and(|own| own == *address)
}

/// What this process or the machine lacks, which no component can help.
pub fn is_own_trouble(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    error
        .raw_os_error()
        .is_some_and(crate::platform::process::is_want)
        || matches!(
            error.kind(),
            Kind::PermissionDenied | Kind::AddrNotAvailable | Kind::OutOfMemory | Kind::Interrupted
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::plan::Statuses;
    use tokio::net::TcpListener;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn listener(host: &str) -> (TcpListener, u16) {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    fn page(url: &str) -> HttpProbe {
        HttpProbe {
            url: HttpUrl::of(url).unwrap(),
            status: Statuses::default(),
            expect: None,
        }
    }

    #[tokio::test]
    async fn a_port_answers_by_either_family_and_says_where_nobody_listens() {
        let (four, port) = listener("127.0.0.1").await;
        assert_eq!(tcp(port, PATIENCE).await, Result::well());
        drop(four);
        let refused = format!("connecting to 127.0.0.1:{port}: Connection refused");
        // Systems differ in whether a full stop comes after it.
        let told = tcp(port, PATIENCE).await;
        assert!(
            told.verdict == Verdict::Ill && told.detail.starts_with(&refused),
            "{told:?}"
        );
        match TcpListener::bind(("::1", 0)).await {
            Ok(six) => {
                let port = six.local_addr().unwrap().port();
                assert_eq!(tcp(port, PATIENCE).await, Result::well());
            }
            Err(error) => eprintln!("this machine has no IPv6 ({error}): only IPv4 was tested"),
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_has_its_time_and_no_more() {
        let (_silent, port) = listener("127.0.0.1").await;
        let timeout = Duration::from_millis(50);
        let probe = page(&format!("http://localhost:{port}/x"));
        let result = http(&probe, timeout).await;
        assert!(matches!(result.verdict, Verdict::TimedOut { .. }), "{result:?}");
        let wanted = format!("GET http://localhost:{port}/x: no answer within 50ms");
        assert_eq!(result.detail, wanted);
    }

    #[tokio::test]
    async fn how_late_a_timeout_was_noticed_is_told() {
        let late = Duration::from_secs(5);
        let until = Instant::now().checked_sub(late).unwrap();
        let result = Result::timed_out("x", PATIENCE, until);
        assert!(
            matches!(result.verdict, Verdict::TimedOut { late: told } if told >= late),
            "{result:?}"
        );
    }

    #[tokio::test]
    async fn the_request_is_what_a_server_of_names_needs() {
        let (server, port) = listener("127.0.0.1").await;
        let asked = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        });
        let probe = page(&format!("http://127.0.0.1:{port}?a=b#c"));
        assert_eq!(http(&probe, PATIENCE).await, Result::well());
        let asked = asked.await.unwrap();
        let wanted = format!("GET /?a=b HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
        assert!(
            asked.starts_with(&wanted) && asked.ends_with("Connection: close\r\n\r\n"),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_the_probers_own_trouble() {
        let result = http(&page("http://no-such-name.invalid/"), PATIENCE).await;
        assert_eq!(result.verdict, Verdict::Unsure, "{result:?}");
        assert!(
            result.detail.starts_with("looking up no-such-name.invalid: "),
            "{result:?}"
        );
        assert!(is_own_trouble(&io::ErrorKind::AddrNotAvailable.into()));
        assert!(!is_own_trouble(&io::ErrorKind::ConnectionRefused.into()));
    }
}
