//! `status` again and again on one connection, by a client that only sends and receives. Beside it the same number of
//! bytes to and fro between two programs on a socket.

use crate::bed::Bed;
use crate::row::{Bound, Row, median, spread};
use crate::starts::now;
use crate::status::{talker, wait_for_table};
use crate::{Options, STEADY, quiet};
use s7proto::codec::{self, Message};
use s7proto::frame::{self, Parsed};
use s7proto::hello::{HELLO_BYTES, Hello};
use s7proto::reply::{Done, Response};
use s7proto::request::{Request, Selection};
use s7proto::status::State;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the issue allows for one component, in microseconds. With more, the longer answer has its price; there the
/// field's best (`peers-measured.md`, 9) is the bound.
const BOUNDS: [(usize, f64); 3] = [(1, 100.0), (100, 1508.0), (1000, 13263.0)];

/// The measure.
///
/// # Errors
/// What could not be measured.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    let talker = talker(options)?;
    let sizes = BOUNDS
        .iter()
        .filter(|(n, _)| *n == 1 || options.sizes.contains(n));
    sizes.map(|(n, most)| row(options, &talker, *n, *most)).collect()
}

fn row(options: &Options, talker: &std::path::Path, n: usize, most: f64) -> io::Result<Row> {
    let (bed, _) = Bed::workers(&options.tools, n)?;
    std::thread::sleep(STEADY);
    wait_for_table(&bed, n)?;
    let mut client = Client::connect(&bed)?;
    let (ours, theirs) = UnixStream::pair()?;
    let mut echo = Command::new(talker)
        .arg("echo")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()?;
    let mut ours = ours;
    let (mut took, mut least) = (Vec::new(), Vec::new());
    let mut measured = Ok(());
    for _ in 0..options.rounds(3000) {
        measured = client.ask(n).and_then(|us| {
            took.push(us);
            least.push(to_and_fro(&mut ours)?);
            Ok(())
        });
        if measured.is_err() {
            break;
        }
    }
    drop(ours);
    echo.wait()?;
    measured?;
    bed.stop()?;
    quiet();
    Ok(Row {
        measure: "status query",
        n: Some(n),
        ours: median(&took)?,
        unit: "us",
        floor: Some(median(&least)?),
        bound: Bound::AtMost(most),
        note: format!("{}; floor {}", spread(&took)?, spread(&least)?),
    })
}

/// As many bytes as a question has.
fn to_and_fro(socket: &mut UnixStream) -> io::Result<f64> {
    let mut bytes = [0; 14];
    let began = now();
    socket.write_all(&bytes)?;
    socket.read_exact(&mut bytes)?;
    Ok(micros(now() - began))
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

/// One connection, without a runtime.
pub struct Client {
    stream: UnixStream,
    question: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects and greets.
    ///
    /// # Errors
    /// Nobody is there, or it isn't the daemon.
    pub fn connect(bed: &Bed) -> io::Result<Self> {
        let mut stream = UnixStream::connect(bed.socket())?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(&Hello::ours(Response::LONGEST_FRAME).encode())?;
        let mut greeting = [0; HELLO_BYTES];
        stream.read_exact(&mut greeting)?;
        Hello::decode(greeting).map_err(io::Error::other)?;
        let mut question = frame::begin(1);
        codec::encode(&Request::Status(Selection::All), &mut question).map_err(io::Error::other)?;
        frame::seal(&mut question, s7proto::LIMITS.request_bytes).map_err(io::Error::other)?;
        Ok(Self {
            stream,
            question,
            buffer: vec![0; 4 << 20],
        })
    }

    /// The microseconds from the question to the decoded answer, which has `n` components.
    ///
    /// # Errors
    /// There is no such answer.
    pub fn ask(&mut self, n: usize) -> io::Result<f64> {
        let began = now();
        let response = self.answer()?;
        let took = micros(now() - began);
        match response {
            Response::Done(Done::Status(report)) if report.components.len() == n => Ok(took),
            other => Err(io::Error::other(format!(
                "not the status of {n} components: {other:?}"
            ))),
        }
    }

    /// The process ids of those that run, where there are `n` components.
    ///
    /// # Errors
    /// There is no such answer.
    pub fn running(&mut self, n: usize) -> io::Result<BTreeSet<u32>> {
        match self.answer()? {
            Response::Done(Done::Status(report)) if report.components.len() == n => {
                let running = report.components.iter().filter(|one| one.state == State::Running);
                Ok(running.filter_map(|one| one.pid).collect())
            }
            other => Err(io::Error::other(format!(
                "not the status of {n} components: {other:?}"
            ))),
        }
    }

    fn answer(&mut self) -> io::Result<Response> {
        self.stream.write_all(&self.question)?;
        let mut length = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[length..])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            length += read;
            let parsed = frame::parse(&self.buffer[..length], s7proto::LIMITS.response_bytes);
            if let Parsed::Complete { body, .. } = parsed.map_err(io::Error::other)? {
                return codec::decode(body).map_err(io::Error::other);
            }
        }
    }
}
