//! Replies of the peer, read with bounds on lines and octets.

use std::fmt;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{ClientError, Phase};

/// Longest reply line that is taken, with its CRLF. Longer than `[RFC5321 4.5.3.1]` asks for.
const LINE_LIMIT: usize = 2048;
/// Most lines of one reply.
const LINES_LIMIT: usize = 100;

/// One reply, of one or more lines. `[RFC5321 4.2]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    #[cfg(test)]
    pub(super) fn new(code: u16, lines: &[&str]) -> Self {
        Self { code, lines: lines.iter().map(|&line| line.to_owned()).collect() }
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The text of each line, without code and CRLF; printable ASCII and UTF-8 only.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The enhanced status code that the peer gave, or the general one of the reply's class. `[RFC2034 3]`
    pub fn status(&self) -> String {
        let first = self.lines.first().and_then(|line| line.split_ascii_whitespace().next()).unwrap_or_default();
        let numbers: Vec<_> = first.split('.').collect();
        let shaped = numbers.len() == 3
            && numbers.iter().all(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
            && matches!(numbers[0], "2" | "4" | "5");
        if shaped { first.to_owned() } else { format!("{}.0.0", self.code / 100) }
    }

    /// Itself if it is positive, an error otherwise.
    pub(super) fn into_result(self) -> Result<Self, Self> {
        if (200..300).contains(&self.code) { Ok(self) } else { Err(self) }
    }

    /// Itself if it has this code.
    pub(super) fn require(self, phase: Phase, code: u16) -> Result<Self, ClientError> {
        if self.code == code { Ok(self) } else { Err(ClientError::Refused(phase, self)) }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

/// Cuts the peer's octets into replies.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    unread: Vec<u8>,
}

impl ReplyReader {
    /// Whether octets are waiting that no reply was made of yet.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// The next reply. The caller sets the time-out.
    pub(super) async fn read(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        phase: Phase,
    ) -> Result<Reply, ClientError> {
        let mut lines = Vec::new();
        loop {
            let line = self.line(from, phase).await?;
            let (code, last, text) = split(&line)?;
            lines.push(text);
            if last == Last::Yes {
                return Ok(Reply { code, lines });
            }
            if lines.len() >= LINES_LIMIT {
                return Err(ClientError::Protocol(format!("a reply of more than {LINES_LIMIT} lines")));
            }
        }
    }

    async fn line(&mut self, from: &mut (impl AsyncRead + Unpin), phase: Phase) -> Result<Vec<u8>, ClientError> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.unread) {
                let mut line: Vec<_> = self.unread.drain(..=end).collect();
                line.pop();
                line.pop_if(|b| *b == b'\r');
                return Ok(line);
            }
            if self.unread.len() >= LINE_LIMIT {
                return Err(ClientError::Protocol(format!("a reply line of more than {LINE_LIMIT} octets")));
            }
            let read = from.read_buf(&mut self.unread).await.map_err(|error| ClientError::Io(phase, error))?;
            if read == 0 {
                return Err(ClientError::Io(phase, std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Last {
    Yes,
    No,
}

/// `250-text`, `250 text` or `250`.
fn split(line: &[u8]) -> Result<(u16, Last, String), ClientError> {
    let broken = || ClientError::Protocol("a line that is not an SMTP reply".to_owned());
    let (digits, rest) = line.split_at_checked(3).ok_or_else(broken)?;
    let code = std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).ok_or_else(broken)?;
    if !(200..600).contains(&code) {
        return Err(broken());
    }
    let last = match rest.first() {
        None | Some(b' ') => Last::Yes,
        Some(b'-') => Last::No,
        Some(_) => return Err(broken()),
    };
    let text = String::from_utf8_lossy(rest.get(1..).unwrap_or_default());
    Ok((code, last, text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Reply, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(ReplyReader::default().read(&mut &bytes[..], Phase::Ehlo))
    }

    #[test]
    fn several_lines_are_one_reply() {
        let reply = read(b"250-mail.example\r\n250-PIPELINING\r\n250 SIZE 10\r\n").unwrap();
        assert_eq!(reply, Reply::new(250, &["mail.example", "PIPELINING", "SIZE 10"]));
    }

    #[test]
    fn a_status_is_taken_from_the_text_or_from_the_class() {
        assert_eq!(read(b"550 5.1.1 no such BAL\r\n").unwrap().status(), "5.1.1");
        assert_eq!(read(b"451 later\r\n").unwrap().status(), "4.0.0");
        assert_eq!(read(b"550\r\n").unwrap().status(), "5.0.0");
    }

    #[test]
    fn what_never_ends_is_given_up() {
        assert!(matches!(read(&[b'2'; 5000]), Err(ClientError::Protocol(_))));
        assert!(matches!(read(&b"250-x\r\n".repeat(600)), Err(ClientError::Protocol(_))));
    }

    #[test]
    fn nonsense_is_no_reply() {
        for bytes in [&b"hello\r\n"[..], b"999 x\r\n", b"25\r\n", b"250_x\r\n", b"\r\n"] {
            assert!(matches!(read(bytes), Err(ClientError::Protocol(_))), "{bytes:?}");
        }
        assert!(matches!(read(b"250 cut"), Err(ClientError::Io(..))));
    }

    proptest! {
        #[test]
        fn no_octets_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
