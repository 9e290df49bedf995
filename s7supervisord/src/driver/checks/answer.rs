//! An answer to a check over HTTP/1.1, piece by piece as it comes: nothing here waits or reads.

use crate::registry::plan::HttpProbe;

/// The most bytes of a status line and its header fields. Tomcat sends at most 8 KiB unless it is told otherwise, but a
/// server of one's own may set many cookies.
const HEAD: usize = 64 * 1024;
/// Header fields of one answer: some servers send more than a hundred.
const FIELDS: usize = 256;
/// So much of a header is looked at whenever more of it comes, and what is longer with each line: whoever sends it byte by byte
/// must not have it all read again for each.
const GREETING: usize = 1024;
/// How much of a body is looked at.
pub const BODY: usize = 64 * 1024;
/// The line that says how long a chunk is: a number and what extensions there are.
const CHUNK_LINE: usize = 256;
/// Interim answers (1xx) before the one that counts; a server sends one or two.
const INTERIM: u32 = 8;

/// What has come so far.
pub struct Answer<'a> {
    wanted: &'a HttpProbe,
    /// What isn't understood yet.
    rest: Vec<u8>,
    interim: u32,
    body: Option<Body>,
}

/// What it has come to.
pub type Judged = Result<(), String>;

struct Body {
    length: Length,
    /// Without the lengths of chunks; never longer than [`BODY`].
    text: Vec<u8>,
    /// So much of it was already looked through.
    looked: usize,
}

/// How the end of a body is told (RFC 9112, 6.3).
enum Length {
    /// So many bytes are still to come.
    Bytes(u64),
    /// So many bytes of this chunk are still to come, its end of line included.
    Chunk(u64),
    /// A line that tells the length of the next chunk.
    ChunkLine,
    /// By the end of the connection.
    Connection,
}

impl<'a> Answer<'a> {
    /// Nothing has come yet.
    pub fn new(wanted: &'a HttpProbe) -> Self {
        Self {
            wanted,
            rest: Vec::new(),
            interim: 0,
            body: None,
        }
    }

    /// More has come. `None` as long as it isn't decided.
    pub fn take(&mut self, bytes: &[u8]) -> Option<Judged> {
        self.rest.extend_from_slice(bytes);
        let may_decide = self.rest.len() <= GREETING || self.rest.len() >= HEAD || bytes.contains(&b'\n');
        if self.body.is_none()
            && may_decide
            && let Some(judged) = self.head()
        {
            return Some(judged);
        }
        let wanted = self.wanted.expect.as_deref().unwrap_or_default();
        let body = self.body.as_mut()?;
        let taken = body.take(&mut self.rest);
        // What comes after the text makes no difference, however the answer is cut into pieces.
        if body.holds(wanted) {
            return Some(Ok(()));
        }
        let full = body.text.len() == BODY;
        match taken {
            Ok(ended) => (ended || full).then(|| Err(self.lacks())),
            Err(why) => Some(Err(why)),
        }
    }

    /// The connection has ended.
    pub fn end(&mut self) -> Judged {
        // Of its last line too, nothing may have been looked at.
        if self.body.is_none()
            && let Some(judged) = self.head()
        {
            return judged;
        }
        match &self.body {
            Some(Body {
                length: Length::Connection,
                ..
            }) => Err(self.lacks()),
            Some(_) => Err("the answer breaks off in its body".to_owned()),
            None if self.rest.is_empty() => Err("the connection was closed without an answer".to_owned()),
            None => Err("the answer breaks off in its header".to_owned()),
        }
    }

    fn lacks(&self) -> String {
        let wanted = self.wanted.expect.as_deref().unwrap_or_default();
        format!("the answer doesn't hold \"{wanted}\"")
    }

    /// Looks for a whole header; what it has come to, if that decides.
    fn head(&mut self) -> Option<Judged> {
        loop {
            // Empty lines before an answer mean nothing (RFC 9112, 2.2, says so of requests), however many there are.
            let blank = self.rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
            let blank = blank.count();
            self.rest.drain(..blank);
            let mut fields = [httparse::EMPTY_HEADER; FIELDS];
            let mut response = httparse::Response::new(&mut fields);
            let length = match response.parse(&self.rest[..self.rest.len().min(HEAD)]) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) if self.rest.len() < HEAD => return None,
                Ok(httparse::Status::Partial) => {
                    return Some(Err(format!("the answer's header has more than {HEAD} bytes")));
                }
                Err(httparse::Error::TooManyHeaders) => {
                    return Some(Err(format!("the answer's header has more than {FIELDS} fields")));
                }
                Err(error) => return Some(Err(format!("the answer isn't HTTP: {error}"))),
            };
            let status = response.code.unwrap_or_default();
            if (100..200).contains(&status) && status != 101 && self.interim < INTERIM {
                self.interim += 1;
                self.rest.drain(..length);
                continue;
            }
            if !self.wanted.status.contain(status) {
                let wanted = &self.wanted.status;
                return Some(Err(format!("status {status}, expected {wanted}")));
            }
            if self.wanted.expect.is_none() {
                return Some(Ok(()));
            }
            let body = Body {
                length: length_of(response.headers, status),
                text: Vec::new(),
                looked: 0,
            };
            self.rest.drain(..length);
            self.body = Some(body);
            return None;
        }
    }
}

fn length_of(fields: &[httparse::Header<'_>], status: u16) -> Length {
    let last = |name: &str| {
        let mut named = fields
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name));
        named
            .next_back()
            .and_then(|field| std::str::from_utf8(field.value).ok())
    };
    if matches!(status, 204 | 304) {
        return Length::Bytes(0);
    }
    let coding = last("transfer-encoding").and_then(|value| value.rsplit(',').next());
    if coding.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked")) {
        return Length::ChunkLine;
    }
    match last("content-length").and_then(|value| value.trim().parse().ok()) {
        Some(bytes) if coding.is_none() => Length::Bytes(bytes),
        _ => Length::Connection,
    }
}

impl Body {
    /// Takes what there is of `rest`; whether this was all.
    fn take(&mut self, rest: &mut Vec<u8>) -> Result<bool, String> {
        loop {
            let room = BODY - self.text.len();
            match &mut self.length {
                Length::Bytes(0) => return Ok(true),
                _ if rest.is_empty() || room == 0 => return Ok(false),
                Length::Connection => {
                    let taken = rest.len().min(room);
                    self.text.extend(rest.drain(..taken));
                }
                Length::Bytes(left) => {
                    let taken = rest
                        .len()
                        .min(room)
                        .min(usize::try_from(*left).unwrap_or(usize::MAX));
                    self.text.extend(rest.drain(..taken));
                    *left -= taken as u64;
                }
                // The end of line behind a chunk.
                Length::Chunk(left @ 1..=2) => {
                    rest.remove(0);
                    *left -= 1;
                    if *left == 0 {
                        self.length = Length::ChunkLine;
                    }
                }
                Length::Chunk(left) => {
                    let chunk = usize::try_from(left.saturating_sub(2)).unwrap_or(usize::MAX);
                    let taken = rest.len().min(room).min(chunk);
                    self.text.extend(rest.drain(..taken));
                    *left -= taken as u64;
                }
                Length::ChunkLine => match httparse::parse_chunk_size(rest) {
                    Ok(httparse::Status::Complete((_, 0))) => return Ok(true),
                    Ok(httparse::Status::Complete((length, bytes))) => {
                        rest.drain(..length);
                        self.length = Length::Chunk(bytes.saturating_add(2));
                    }
                    Ok(httparse::Status::Partial) if rest.len() < CHUNK_LINE => return Ok(false),
                    _ => return Err("the answer's chunks can't be told apart".to_owned()),
                },
            }
        }
    }

    fn holds(&mut self, wanted: &str) -> bool {
        let wanted = wanted.as_bytes();
        // What was looked through may end with the beginning of what is wanted.
        let from = self.looked.saturating_sub(wanted.len());
        self.looked = self.text.len();
        wanted.is_empty()
            || self.text[from..]
                .windows(wanted.len())
                .any(|found| found == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::plan::{HttpUrl, Statuses};
    use proptest::prelude::*;

    fn probe(expect: Option<&str>) -> HttpProbe {
        HttpProbe {
            url: HttpUrl::of("http://127.0.0.1/").unwrap(),
            status: Statuses::default(),
            expect: expect.map(str::to_owned),
        }
    }

    /// What `bytes` come to in pieces of `size`, and then the end of the connection.
    fn judge(expect: Option<&str>, bytes: &[u8], size: usize) -> Judged {
        let probe = probe(expect);
        let mut answer = Answer::new(&probe);
        for piece in bytes.chunks(size) {
            if let Some(judged) = answer.take(piece) {
                return judged;
            }
        }
        answer.end()
    }

    fn says(expect: Option<&str>, answer: &str, wanted: Result<(), &str>) {
        for size in [1, 2, 7, 4096] {
            let judged = judge(expect, answer.as_bytes(), size);
            assert_eq!(
                judged.as_ref().map_err(String::as_str).copied(),
                wanted,
                "{answer:?} by {size}"
            );
        }
    }

    #[test]
    fn the_status_decides_where_no_text_is_wanted() {
        says(None, "HTTP/1.1 200 OK\r\n\r\n", Ok(()));
        says(None, "HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n", Ok(()));
        says(
            None,
            "HTTP/1.1 503 Busy\r\nX: y\r\n\r\n",
            Err("status 503, expected 200-399"),
        );
        says(
            None,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            Ok(()),
        );
        says(None, "", Err("the connection was closed without an answer"));
        says(None, "\r\n\nHTTP/1.1 200 OK\n\n", Ok(()));
        says(None, "HTTP/1.1 200", Err("the answer breaks off in its header"));
        says(
            None,
            "SSH-2.0-x\r\n",
            Err("the answer isn't HTTP: invalid HTTP version"),
        );
    }

    #[test]
    fn the_text_is_found_however_the_body_is_told_from_what_follows() {
        let head = "HTTP/1.1 200 OK\r\n";
        for body in [
            "\r\nsays imageServer=1",
            "Content-Length: 18\r\n\r\nsays imageServer=1",
            "Transfer-Encoding: chunked\r\n\r\n6;x=y\r\nsays i\r\nc\r\nmageServer=1\r\n0\r\n\r\n",
        ] {
            says(Some("imageServer"), &format!("{head}{body}"), Ok(()));
        }
    }

    #[test]
    fn a_text_that_is_not_there_is_missed_as_soon_as_that_is_sure() {
        let lacks = Err("the answer doesn't hold \"imageServer\"");
        for answer in [
            "HTTP/1.1 200 OK\r\n\r\nimageServe",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nimageServer",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nimageServer",
            "HTTP/1.1 204 No\r\n\r\nimageServer",
        ] {
            says(Some("imageServer"), answer, lacks);
        }
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nimage";
        says(Some("imageServer"), cut, Err("the answer breaks off in its body"));
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
        says(
            Some("imageServer"),
            chunks,
            Err("the answer's chunks can't be told apart"),
        );
    }

    #[test]
    fn only_so_much_of_an_answer_is_kept() {
        let head = |long: usize| {
            let start = "HTTP/1.1 200 OK\r\nX: ";
            format!("{start}{}\r\n\r\n", "x".repeat(long - start.len() - 4))
        };
        says(None, &head(HEAD), Ok(()));
        says(
            None,
            &head(HEAD + 1),
            Err("the answer's header has more than 65536 bytes"),
        );
        let fields =
            |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\nok", "Set-Cookie: a=b\r\n".repeat(count));
        says(Some("ok"), &fields(FIELDS), Ok(()));
        says(
            None,
            &fields(FIELDS + 1),
            Err("the answer's header has more than 256 fields"),
        );
        let late = format!("HTTP/1.1 200 OK\r\n\r\n{}imageServer", "x".repeat(BODY - 3));
        says(
            Some("imageServer"),
            &late,
            Err("the answer doesn't hold \"imageServer\""),
        );
        let just = format!("HTTP/1.1 200 OK\r\n\r\n{}imageServer", "x".repeat(BODY - 11));
        says(Some("imageServer"), &just, Ok(()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_pieces_do_not_matter(
            tail in proptest::collection::vec(any::<u8>(), 0..300),
            chunked in any::<bool>(),
            size in 1_usize..40,
        ) {
            let head = match chunked {
                true => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n",
                false => "HTTP/1.1 200 OK\r\n",
            };
            let bytes = [head.as_bytes(), &tail].concat();
            prop_assert_eq!(judge(Some("x"), &bytes, size), judge(Some("x"), &bytes, 4096));
        }
    }
}
