//! The header block of a message that is coming in: collected, then judged as a whole.

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use message::{HeaderBlock, HeaderError};
use mssante::{Refusal, ReversePath};

use crate::Role;

/// Most octets of a header block.
const LARGEST: usize = 256 * 1024;

/// Most Received fields before a message is taken for a loop. `[RFC5321 6.3]`
const MOST_RECEIVED: usize = 100;

/// Collects octets up to the empty line.
#[derive(Debug, Default)]
pub struct HeaderCollector {
    bytes: BytesMut,
}

/// What the collector holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Collected {
    /// Not the whole header block yet.
    Part,
    /// The header block with its empty line, and the octets after it.
    Whole {
        /// The header block.
        header: Bytes,
        /// What came after it.
        rest: Bytes,
    },
}

impl HeaderCollector {
    /// Takes the next octets; not to be called again once the header is whole.
    pub fn push(&mut self, content: &Bytes) -> Result<Collected, Refusal> {
        let searched = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(content);
        let end = if self.bytes.starts_with(b"\r\n") {
            Some(2)
        } else {
            memmem::find(&self.bytes[searched..], b"\r\n\r\n").map(|at| searched + at + 4)
        };
        if end.unwrap_or(self.bytes.len()) > LARGEST {
            return Err(Refusal::MalformedMessage);
        }
        Ok(end.map_or(Collected::Part, |end| {
            let header = self.bytes.split_to(end).freeze();
            Collected::Whole { header, rest: self.bytes.split().freeze() }
        }))
    }

    /// The message has ended without an empty line: all of it is header.
    pub fn finish(&mut self) -> Bytes {
        self.bytes.split().freeze()
    }
}

/// What a message lacks and submission adds. `[RFC6409 8]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Additions {
    /// A Message-ID field.
    pub message_id: bool,
    /// A Date field.
    pub date: bool,
}

/// Judges a header block; `sender` is the envelope's, from whom the principal was found to be allowed to send.
///
/// A submitted message has one author, and that is the BAL that sends, not another one of the same principal. What
/// another operator hands over is his users' business: real mail has From fields that no grammar knows, and a letter is
/// not lost for them; it must only not go in circles. `[RFC6409 6.1]`, `[RFC5321 6.3]`
pub fn judge_header(header: &[u8], role: Role, sender: &ReversePath) -> Result<Additions, Refusal> {
    if HeaderBlock::count_received(header) > MOST_RECEIVED {
        return Err(Refusal::MailLoop);
    }
    match role {
        Role::Hop => Ok(Additions { message_id: false, date: false }),
        Role::Submission => judge_author(header, sender),
    }
}

fn judge_author(header: &[u8], sender: &ReversePath) -> Result<Additions, Refusal> {
    let block = HeaderBlock::parse(header).map_err(|error| match error {
        HeaderError::From => Refusal::FromMismatch,
        HeaderError::Field(_) | HeaderError::StrayLine => Refusal::MalformedMessage,
    })?;
    let bal = sender.address().ok_or(Refusal::FromMismatch)?;
    let sole_author = matches!(block.from.as_slice(), [author] if author == bal);
    if !sole_author || block.sender.is_some_and(|named| named != *bal) {
        return Err(Refusal::FromMismatch);
    }
    Ok(Additions { message_id: !block.has_message_id, date: !block.has_date })
}

#[cfg(test)]
mod tests {
    use mssante::Address;

    use super::*;

    fn collect(content: &'static [u8], cut: usize) -> (Bytes, Vec<u8>) {
        let mut collector = HeaderCollector::default();
        let mut pieces = content.chunks(cut);
        while let Some(piece) = pieces.next() {
            if let Collected::Whole { header, rest } = collector.push(&Bytes::from_static(piece)).unwrap() {
                return (header, [rest.to_vec(), pieces.flatten().copied().collect()].concat());
            }
        }
        (collector.finish(), Vec::new())
    }

    #[test]
    fn the_header_ends_with_the_empty_line_however_the_octets_are_cut() {
        for cut in 1..20 {
            let (header, rest) = collect(b"A: b\r\nC: d\r\n\r\nbody\r\n\r\nx", cut);
            assert_eq!((&header[..], &rest[..]), (&b"A: b\r\nC: d\r\n\r\n"[..], &b"body\r\n\r\nx"[..]), "{cut}");
            assert_eq!(collect(b"A: b\r\n", cut).0, "A: b\r\n");
            let (header, rest) = collect(b"\r\nbody", cut);
            assert_eq!((&header[..], &rest[..]), (&b"\r\n"[..], &b"body"[..]));
        }
    }

    #[test]
    fn a_header_without_end_is_refused_before_it_fills_the_memory() {
        let mut collector = HeaderCollector::default();
        let line = Bytes::from(format!("A: {}\r\n", "x".repeat(900)));
        let refusal = std::iter::repeat_with(|| collector.push(&line)).take(1000).find_map(Result::err);
        assert_eq!(refusal, Some(Refusal::MalformedMessage));
    }

    fn submitted(header: &str) -> Result<Additions, Refusal> {
        let sender = ReversePath::Address(Address::parse("a@ours.fr").unwrap());
        judge_header(header.as_bytes(), Role::Submission, &sender)
    }

    #[test]
    fn a_submitted_message_has_one_author_and_sender_who_are_the_bal_that_sends() {
        let complete = submitted("From: a@ours.fr\r\nSender: A@Ours.fr\r\nDate: x\r\nMessage-ID: <1@a>\r\n\r\n");
        assert_eq!(complete, Ok(Additions { message_id: false, date: false }));
        assert_eq!(submitted("From: a@ours.fr\r\n\r\n"), Ok(Additions { message_id: true, date: true }));
        for header in [
            "From: a@other.fr\r\n\r\n",
            "From: b@ours.fr\r\n\r\n",
            "From: a@ours.fr\r\nSender: b@ours.fr\r\n\r\n",
            "From: a@ours.fr, b@ours.fr\r\n\r\n",
            "From: a@ours.fr\r\nSender: a@other.fr\r\n\r\n",
            "From: a@ours.fr\r\nFrom: a@ours.fr\r\n\r\n",
            "Subject: a\r\n\r\n",
        ] {
            assert_eq!(submitted(header), Err(Refusal::FromMismatch), "{header}");
        }
    }

    #[test]
    fn a_hundred_and_one_received_fields_are_a_loop() {
        let header = |n: usize| format!("{}From: a@peer.fr\r\n\r\n", "Received: x\r\n".repeat(n));
        let judge = |n| judge_header(header(n).as_bytes(), Role::Hop, &ReversePath::Null);
        assert!(judge(100).is_ok());
        assert_eq!(judge(101), Err(Refusal::MailLoop));
    }
}
