//! The header block of a message that is coming in: collected, then judged as a whole.

use auth::SenderField;
use bytes::{Bytes, BytesMut};
use memchr::memmem;
use message::{HeaderBlock, HeaderError};
use mssante::{Address, Refusal, Right};

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

/// Whose letter it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// Anybody's: another operator hands it over.
    Anybody,
    /// That of one of our BALs.
    Bal {
        /// Its address.
        address: Address,
        /// What readers are told of who sends.
        sender: SenderField,
    },
}

/// What a message lacks and submission adds. `[RFC6409 8]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Additions {
    /// A Message-ID field.
    pub message_id: bool,
    /// A Date field.
    pub date: bool,
    /// A Sender field.
    pub sender: Option<Address>,
    /// Under which right a delegate sends this.
    pub right: Right,
}

/// Judges a header block.
///
/// A submitted message has one author, and that is the BAL that sends, not another one of the same principal. Who sends
/// on behalf of it stands in the Sender field, and is put there if he is not. `[RFC6409 8.1]` What
/// another operator hands over is his users' business: real mail has From fields that no grammar knows, and a letter is
/// not lost for them; it must only not go in circles. `[RFC6409 6.1]`, `[RFC5321 6.3]`
pub fn judge_header(header: &[u8], author: &Author) -> Result<Additions, Refusal> {
    if HeaderBlock::count_received(header) > MOST_RECEIVED {
        return Err(Refusal::MailLoop);
    }
    match author {
        Author::Anybody => Ok(Additions { message_id: false, date: false, sender: None, right: Right::SendAs }),
        Author::Bal { address, sender } => judge_author(header, address, sender),
    }
}

fn judge_author(header: &[u8], bal: &Address, sender: &SenderField) -> Result<Additions, Refusal> {
    let block = HeaderBlock::parse(header).map_err(|error| match error {
        HeaderError::From => Refusal::FromMismatch,
        HeaderError::Field(_) | HeaderError::StrayLine => Refusal::MalformedMessage,
    })?;
    let sole_author = matches!(block.from.as_slice(), [author] if author == bal);
    if !sole_author {
        return Err(Refusal::FromMismatch);
    }
    let (right, sender) = judge_sender_field(block.sender.as_ref(), bal, sender)?;
    Ok(Additions { message_id: !block.has_message_id, date: !block.has_date, sender, right })
}

/// Under which right this is sent, and the Sender field to add.
fn judge_sender_field(
    named: Option<&Address>,
    bal: &Address,
    expected: &SenderField,
) -> Result<(Right, Option<Address>), Refusal> {
    match (expected, named) {
        (SenderField::Delegate(own), None) => Ok((Right::SendOnBehalf, Some(own.clone()))),
        (SenderField::Delegate(own), Some(named)) if named == own => Ok((Right::SendOnBehalf, None)),
        // A right that he does not have is not the one that he used.
        (SenderField::BalOrDelegate { own, seen }, Some(named)) if named == own => Ok((*seen, None)),
        (SenderField::Delegate(_), Some(_)) => Err(Refusal::SenderFieldMismatch),
        (SenderField::Bal | SenderField::BalOrDelegate { .. }, Some(named)) if named != bal => {
            Err(Refusal::FromMismatch)
        }
        (SenderField::Bal | SenderField::BalOrDelegate { .. }, _) => Ok((Right::SendAs, None)),
    }
}

#[cfg(test)]
mod tests {
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
        submitted_by(header, SenderField::Bal)
    }

    fn submitted_by(header: &str, sender: SenderField) -> Result<Additions, Refusal> {
        judge_header(header.as_bytes(), &Author::Bal { address: address("a@ours.fr"), sender })
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn complete() -> Additions {
        Additions { message_id: false, date: false, sender: None, right: Right::SendAs }
    }

    #[test]
    fn a_submitted_message_has_one_author_and_sender_who_are_the_bal_that_sends() {
        let complete = submitted("From: a@ours.fr\r\nSender: A@Ours.fr\r\nDate: x\r\nMessage-ID: <1@a>\r\n\r\n");
        assert_eq!(complete, Ok(self::complete()));
        let bare = submitted("From: a@ours.fr\r\n\r\n");
        assert_eq!(bare, Ok(Additions { message_id: true, date: true, ..self::complete() }));
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

    const HEAD: &str = "From: a@ours.fr\r\nDate: x\r\nMessage-ID: <1@a>\r\n";

    #[test]
    fn rule_deleg_shown_who_sends_on_behalf_is_named_and_nobody_else() {
        let secretary = || address("s@ours.fr");
        let judge = |sender: &str| submitted_by(&format!("{HEAD}{sender}\r\n"), SenderField::Delegate(secretary()));
        let on_behalf = |sender| Ok(Additions { right: Right::SendOnBehalf, sender, ..complete() });
        assert_eq!(judge(""), on_behalf(Some(secretary())));
        assert_eq!(judge("Sender: S@ours.fr\r\n"), on_behalf(None));
        for other in ["a@ours.fr", "x@ours.fr"] {
            assert_eq!(judge(&format!("Sender: {other}\r\n")), Err(Refusal::SenderFieldMismatch), "{other}");
        }
    }

    #[test]
    fn who_sends_as_the_bal_may_show_himself_and_is_traced_under_a_right_that_he_has() {
        for seen in [Right::SendAs, Right::SendOnBehalf] {
            let sender = || SenderField::BalOrDelegate { own: address("s@ours.fr"), seen };
            let judge = |field: &str| submitted_by(&format!("{HEAD}{field}\r\n"), sender()).map(|found| found.right);
            assert_eq!(judge(""), Ok(Right::SendAs));
            assert_eq!(judge("Sender: a@ours.fr\r\n"), Ok(Right::SendAs));
            assert_eq!(judge("Sender: s@ours.fr\r\n"), Ok(seen));
            assert_eq!(judge("Sender: x@ours.fr\r\n"), Err(Refusal::FromMismatch));
        }
    }

    #[test]
    fn a_hundred_and_one_received_fields_are_a_loop() {
        let header = |n: usize| format!("{}From: a@peer.fr\r\n\r\n", "Received: x\r\n".repeat(n));
        let judge = |n| judge_header(header(n).as_bytes(), &Author::Anybody);
        assert!(judge(100).is_ok());
        assert_eq!(judge(101), Err(Refusal::MailLoop));
    }
}
