//! Cuts the client's octets into commands before anything is parsed, within limits that are
//! checked on declared sizes, never on what was already allocated. `[RFC3501 4.3]`

use bytes::{Buf, BytesMut};

use crate::codec;

/// How much a client may send for one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Octets of all its lines together.
    pub(crate) line: usize,
    /// Octets of all its literals together, the message of APPEND excepted.
    pub(crate) literal: u64,
}

impl Bounds {
    /// For whom we do not know yet.
    pub(crate) const BEFORE_LOGIN: Self = Self { line: 8 * 1024, literal: 4 * 1024 };
    /// For whom has logged in.
    pub(crate) const AFTER_LOGIN: Self = Self { line: 64 * 1024, literal: 64 * 1024 };
}

/// What a literal's head announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Literal {
    /// Octets that follow.
    pub(crate) length: u64,
    /// Whether the client waits for our continuation. `[RFC7888 4]`
    pub(crate) synchronising: bool,
}

/// The next thing that the client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Nothing complete yet.
    Incomplete,
    /// A whole command, its literals inside, CRLF at the end.
    Command(Vec<u8>),
    /// The client waits for leave to send a literal.
    Continue,
    /// APPEND up to its message, which comes next and is not the framer's to hold.
    Message {
        /// The command without the literal's head.
        head: Vec<u8>,
        /// What follows.
        literal: Literal,
    },
    /// A command that is not taken; the framer is at the start of the next one.
    Refused {
        /// Its tag, if it has one.
        tag: Option<String>,
        /// Why.
        why: &'static str,
    },
    /// The client sends more than it may: the connection has to end.
    Flood(&'static str),
}

/// The octets that came in, and the command that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    input: BytesMut,
    /// Octets of `input` that hold no line feed.
    searched: usize,
    command: Vec<u8>,
    lines: usize,
    literals: u64,
    literal_left: usize,
}

impl Framer {
    /// Takes octets from the network.
    #[cfg(test)]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Where the network puts octets.
    pub(crate) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.input.is_empty() && self.command.is_empty()
    }

    /// Gives memory back; for when the client is silent.
    pub(crate) fn release(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        if self.command.is_empty() {
            self.command = Vec::new();
        }
    }

    /// The next frame.
    pub(crate) fn next(&mut self, bounds: Bounds) -> Frame {
        loop {
            if !self.take_literal() {
                return Frame::Incomplete;
            }
            let line = match self.take_line(bounds.line) {
                Ok(Some(line)) => line,
                Ok(None) => return Frame::Incomplete,
                Err(flood) => return flood,
            };
            if !line.ends_with(b"\r\n") {
                self.command.extend_from_slice(&line);
                return self.refuse("a line ends with CR LF");
            }
            let Some((at, literal)) = literal_at_end(&line) else {
                self.command.extend_from_slice(&line);
                return Frame::Command(self.take_command());
            };
            if let Some(frame) = self.literal_announced(&line, at, literal, bounds) {
                return frame;
            }
        }
    }

    /// The next line as it is, without its line end; for answers to our challenges.
    pub(crate) fn next_line(&mut self, bounds: Bounds) -> Result<Option<Vec<u8>>, &'static str> {
        match self.take_line(bounds.line) {
            Ok(line) => {
                self.lines = 0;
                Ok(line.map(|line| line.trim_ascii_end().to_vec()))
            }
            Err(_) => Err("line too long"),
        }
    }

    /// Takes up to `max` octets of a message that [`Frame::Message`] announced.
    pub(crate) fn take_message(&mut self, max: u64) -> BytesMut {
        let n = usize::try_from(max).unwrap_or(usize::MAX).min(self.input.len());
        self.searched = 0;
        self.input.split_to(n)
    }

    /// Moves what is there of a literal; whether it is complete.
    fn take_literal(&mut self) -> bool {
        let n = self.literal_left.min(self.input.len());
        self.command.extend_from_slice(&self.input[..n]);
        self.input.advance(n);
        self.literal_left -= n;
        self.literal_left == 0
    }

    /// The next line with its line feed.
    fn take_line(&mut self, most: usize) -> Result<Option<BytesMut>, Frame> {
        let found = memchr::memchr(b'\n', &self.input[self.searched..]).map(|at| self.searched + at + 1);
        if self.lines + found.unwrap_or(self.input.len()) > most {
            return Err(Frame::Flood("command line too long"));
        }
        let Some(end) = found else {
            self.searched = self.input.len();
            return Ok(None);
        };
        self.searched = 0;
        self.lines += end;
        Ok(Some(self.input.split_to(end)))
    }

    /// What to do with a literal at the end of a line; nothing to report if it is simply read.
    fn literal_announced(&mut self, line: &[u8], at: usize, literal: Literal, bounds: Bounds) -> Option<Frame> {
        self.command.extend_from_slice(&line[..at]);
        if codec::message_follows(&self.command) {
            return Some(Frame::Message { head: self.take_command(), literal });
        }
        self.literals = self.literals.saturating_add(literal.length);
        if self.literals > bounds.literal {
            // Octets that are on their way already cannot be told from commands. `[RFC7888 4]`
            let refused = self.refuse("literal too long");
            return Some(if literal.synchronising { refused } else { Frame::Flood("literal too long") });
        }
        self.command.extend_from_slice(&line[at..]);
        self.literal_left = usize::try_from(literal.length).unwrap_or(usize::MAX);
        literal.synchronising.then_some(Frame::Continue)
    }

    fn refuse(&mut self, why: &'static str) -> Frame {
        let command = self.take_command();
        Frame::Refused { tag: codec::tag_of(&command), why }
    }

    fn take_command(&mut self) -> Vec<u8> {
        self.lines = 0;
        self.literals = 0;
        std::mem::take(&mut self.command)
    }
}

/// The head of a literal at the end of `line`, and where it begins. `[RFC3501 4.3]`, `[RFC7888 3]`
fn literal_at_end(line: &[u8]) -> Option<(usize, Literal)> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let (inner, synchronising) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, false),
        None => (inner, true),
    };
    let at = memchr::memrchr(b'{', inner)?;
    let digits = &inner[at + 1..];
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length = digits.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
    Some((at, Literal { length, synchronising }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const B: Bounds = Bounds { line: 64, literal: 16 };

    fn framer(bytes: &[u8]) -> Framer {
        let mut framer = Framer::default();
        framer.push(bytes);
        framer
    }

    fn command(bytes: &[u8]) -> Frame {
        Frame::Command(bytes.to_vec())
    }

    #[test]
    fn pipelined_commands_come_one_by_one() {
        let mut framer = framer(b"a NOOP\r\nb NOOP\r\nc NO");
        assert_eq!(framer.next(B), command(b"a NOOP\r\n"));
        assert_eq!(framer.next(B), command(b"b NOOP\r\n"));
        assert_eq!(framer.next(B), Frame::Incomplete);
        framer.push(b"OP\r\n");
        assert_eq!(framer.next(B), command(b"c NOOP\r\n"));
        assert!(framer.is_empty());
    }

    #[test]
    fn a_synchronising_literal_asks_for_a_continuation() {
        let mut framer = framer(b"a LOGIN {3}\r\n");
        assert_eq!(framer.next(B), Frame::Continue);
        framer.push(b"bob {4+}\r\nhush\r\n");
        assert_eq!(framer.next(B), command(b"a LOGIN {3}\r\nbob {4+}\r\nhush\r\n"));
    }

    #[test]
    fn a_line_over_the_limit_is_a_flood_before_its_end_is_seen() {
        assert_eq!(framer(&[b'x'; 65]).next(B), Frame::Flood("command line too long"));
    }

    #[test]
    fn a_literal_is_refused_by_its_declared_size() {
        let mut sync = framer(b"a LOGIN {17}\r\nb NOOP\r\n");
        assert_eq!(sync.next(B), Frame::Refused { tag: Some("a".into()), why: "literal too long" });
        assert_eq!(sync.next(B), command(b"b NOOP\r\n"));
        assert_eq!(framer(b"a LOGIN {999999999999+}\r\n").next(B), Frame::Flood("literal too long"));
    }

    #[test]
    fn many_small_literals_do_not_pass_the_limit_together() {
        let mut framer = framer(b"a X {9+}\r\n123456789 {9+}\r\n");
        assert_eq!(framer.next(B), Frame::Flood("literal too long"));
    }

    #[test]
    fn a_bare_line_feed_is_refused() {
        let mut framer = framer(b"a NOOP\nb NOOP\r\n");
        assert_eq!(framer.next(B), Frame::Refused { tag: Some("a".into()), why: "a line ends with CR LF" });
        assert_eq!(framer.next(B), command(b"b NOOP\r\n"));
    }

    #[test]
    fn the_message_of_append_is_not_held() {
        let mut framer = framer(b"a APPEND {5+}\r\nDraft (\\Seen) {4000000}\r\nFrom:");
        let literal = Literal { length: 4_000_000, synchronising: true };
        assert_eq!(framer.next(B), Frame::Message { head: b"a APPEND {5+}\r\nDraft (\\Seen) ".to_vec(), literal });
        assert_eq!(&framer.take_message(3)[..], b"Fro");
        assert_eq!(&framer.take_message(100)[..], b"m:");
    }

    proptest! {
        #[test]
        fn cutting_the_octets_anywhere_changes_nothing(cuts in proptest::collection::vec(1_usize..9, 1..40)) {
            let all = b"a LOGIN {3+}\r\nbob \"x\"\r\nb NOOP\r\nc APPEND x {9+}\r\n";
            let (mut framer, mut frames, mut rest, mut cuts) = (Framer::default(), vec![], &all[..], cuts.into_iter().cycle());
            while !rest.is_empty() {
                let n = cuts.next().unwrap_or(1).min(rest.len());
                framer.push(&rest[..n]);
                rest = &rest[n..];
                loop {
                    match framer.next(B) {
                        Frame::Incomplete => break,
                        frame => frames.push(frame),
                    }
                }
            }
            prop_assert_eq!(frames.len(), 3);
            prop_assert_eq!(&frames[0], &command(b"a LOGIN {3+}\r\nbob \"x\"\r\n"));
        }
    }
}
