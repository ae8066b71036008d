//! The header of a message that is being taken in: what the rules need of it.

use mssante::Address;
use thiserror::Error;

use crate::address_list::{self, AddressList};
use crate::fields::{self, Field, Item};

/// More authors than any letter has; a longer From field is refused.
const MAX_AUTHORS: usize = 100;

/// Why a header block is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// No From field, or several. `[RFC5322 3.6]`
    #[error("exactly one From field is needed")]
    From,
    /// A field that holds addresses cannot be read, or can be read in more than one way.
    #[error("the {0} field cannot be read")]
    Field(&'static str),
    /// A line is neither a field nor the continuation of one: readers disagree on where such
    /// a header ends, and so on who the author is. `[RFC5322 2.2]`
    #[error("a line of the header is not a header field")]
    StrayLine,
}

/// Where replies are to go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ReplyTo {
    /// Nothing is said: to the author.
    #[default]
    Author,
    /// To these, at least one.
    Addresses(Vec<Address>),
    /// The field cannot be read in one way only, or there are several.
    Unreadable,
}

/// What submission and the hop check in the header block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderBlock {
    /// The authors, at least one. `[RFC5322 3.6.2]`
    pub from: Vec<Address>,
    /// The Sender field.
    pub sender: Option<Address>,
    /// Whether there is a Message-ID field.
    pub has_message_id: bool,
    /// Whether there is a Date field.
    pub has_date: bool,
    /// How many Received fields. `[RFC5321 6.3]`
    pub received: usize,
}

impl HeaderBlock {
    /// Reads the header block `bytes` (with or without the empty line at its end; what stands
    /// behind that line is not looked at). The authors are bound to the BAL that sends, so
    /// that every ambiguity about them is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut block = Self { from: Vec::new(), sender: None, has_message_id: false, has_date: false, received: 0 };
        for item in fields::items(bytes) {
            match item {
                Item::Field(field) => block.take(&field)?,
                Item::Stray => return Err(HeaderError::StrayLine),
            }
        }
        if block.from.is_empty() { Err(HeaderError::From) } else { Ok(block) }
    }

    /// How many Received fields the header block has, whatever else stands in it. `[RFC5321 6.3]`
    pub fn count_received(bytes: &[u8]) -> usize {
        fields::items(bytes).filter(|item| matches!(item, Item::Field(field) if field.is("Received"))).count()
    }

    /// Where replies are to go. `[RFC5322 3.6.2]`
    pub fn reply_to(bytes: &[u8]) -> ReplyTo {
        let mut found = ReplyTo::Author;
        for item in fields::items(bytes) {
            let Item::Field(field) = item else { continue };
            if field.is("Reply-To") {
                found = match (found, mailboxes(&field)) {
                    (ReplyTo::Author, Some(addresses)) => ReplyTo::Addresses(addresses),
                    _ => ReplyTo::Unreadable,
                };
            }
        }
        found
    }

    fn take(&mut self, field: &Field<'_>) -> Result<(), HeaderError> {
        if field.is("Received") {
            self.received += 1;
        } else if field.is("From") {
            if !self.from.is_empty() {
                return Err(HeaderError::From);
            }
            self.from = mailboxes(field).ok_or(HeaderError::Field("From"))?;
        } else if field.is("Sender") {
            let unreadable = HeaderError::Field("Sender");
            let one: [Address; 1] =
                mailboxes(field).and_then(|all| all.try_into().ok()).ok_or_else(|| unreadable.clone())?;
            let [sender] = one;
            if self.sender.replace(sender).is_some() {
                return Err(unreadable);
            }
        }
        self.has_message_id |= field.is("Message-ID");
        self.has_date |= field.is("Date");
        Ok(())
    }
}

/// The mailboxes of a field, one or more; `None` unless they can be read in one way only.
pub(crate) fn mailboxes(field: &Field<'_>) -> Option<Vec<Address>> {
    let AddressList { entries, clean } = address_list::read(&field.value(), MAX_AUTHORS);
    if !clean || entries.is_empty() || !is_well_folded(field.raw()) {
        return None;
    }
    entries
        .into_iter()
        .map(|entry| {
            // quoted whatever it is: Address drops quotes that are not needed
            let local = entry.mailbox?.replace('\\', "\\\\").replace('"', "\\\"");
            Address::parse(&format!("\"{local}\"@{}", entry.host?)).ok()
        })
        .collect()
}

/// Whether there is no control character but tabs and line ends before a blank or the end.
fn is_well_folded(raw: &[u8]) -> bool {
    let text = raw.strip_suffix(b"\n").map_or(raw, |line| line.strip_suffix(b"\r").unwrap_or(line));
    text.iter().enumerate().all(|(at, &octet)| match octet {
        b'\t' | b'\n' => true, // the field would have ended here if no blank followed
        b'\r' => text.get(at + 1) == Some(&b'\n'),
        octet => !octet.is_ascii_control(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn authors(header: &str) -> Result<Vec<String>, HeaderError> {
        HeaderBlock::parse(header.as_bytes()).map(|b| b.from.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_the_rules_need_is_read() {
        let block = HeaderBlock::parse(
            b"Received: from a\r\n by b\r\nreceived: from c\r\nFrom: Jean Dupont\r\n <jean.dupont@ch.mssante.fr>\r\n\
              Sender: secretariat@ch.mssante.fr\r\nMessage-Id: <1@ch>\r\nDATE: x\r\n\r\nFrom: body@x.fr\r\n",
        )
        .unwrap();
        assert_eq!(block.from, [Address::parse("jean.dupont@ch.mssante.fr").unwrap()]);
        assert_eq!(block.sender, Some(Address::parse("secretariat@ch.mssante.fr").unwrap()));
        assert!(block.has_message_id && block.has_date);
        assert_eq!(block.received, 2);
    }

    #[test]
    fn received_fields_are_counted_in_a_header_that_is_otherwise_unreadable() {
        let header = b"Received: a\r\nstray\r\nFrom: Jean [CHU] a@x.fr b@x.fr\r\nRECEIVED: b\r\n\r\nReceived: c\r\n";
        assert!(HeaderBlock::parse(header).is_err());
        assert_eq!(HeaderBlock::count_received(header), 2);
    }

    #[test]
    fn where_replies_go_is_read_or_found_unreadable() {
        let read = |header: &str| HeaderBlock::reply_to(header.as_bytes());
        assert_eq!(read("From: a@x.fr\r\n\r\nReply-To: body@x.fr\r\n"), ReplyTo::Author);
        let one = ReplyTo::Addresses(vec![Address::parse("b@x.fr").unwrap()]);
        assert_eq!(read("From: a@x.fr\r\nReply-To: B <b@x.fr>\r\n"), one);
        for odd in ["Reply-To: nobody\r\n", "Reply-To:\r\n", "Reply-To: b@x.fr\r\nReply-To: c@x.fr\r\n"] {
            assert_eq!(read(odd), ReplyTo::Unreadable, "{odd}");
        }
    }

    #[test]
    fn several_authors_and_quoted_local_parts() {
        assert_eq!(authors("From: A <a@x.fr>, \"b c\"@x.fr\r\n").unwrap(), ["a@x.fr", "\"b c\"@x.fr"]);
        assert_eq!(authors("From: \"a\\\"b\"@x.fr\r\n").unwrap(), ["\"a\\\"b\"@x.fr"]);
    }

    #[test]
    fn a_message_without_exactly_one_from_is_refused() {
        assert_eq!(authors("To: a@x.fr\r\n\r\n"), Err(HeaderError::From));
        assert_eq!(authors(""), Err(HeaderError::From));
        assert_eq!(authors("From: a@x.fr\r\nFrom: b@x.fr\r\n"), Err(HeaderError::From));
        assert_eq!(authors("From: a@x.fr\r\nfrom : b@x.fr\r\n"), Err(HeaderError::From));
    }

    #[test]
    fn a_from_that_can_be_read_in_two_ways_is_refused() {
        for value in [
            "",
            "a@x.fr <b@x.fr>",
            "a@x.fr b@x.fr",
            "Jean b@x.fr",
            "group: a@x.fr;",
            "a..b@x.fr",
            "a@x.fr,\r b@x.fr",
            "a@x.fr\0",
            "\"open <a@x.fr>",
            "a@x.fr (open",
            "<@y.fr:a@x.fr>",
            "a@[127.0.0.1]",
            "a @x.fr",
            "a@ x.fr",
            "<a@x.fr",
            "a@x.fr>",
            "a@x.fr; b@x.fr",
            "\"a\\",
        ] {
            assert_eq!(authors(&format!("From: {value}\r\n")), Err(HeaderError::Field("From")), "{value:?}");
        }
    }

    #[test]
    fn a_sender_is_one_mailbox() {
        for senders in ["Sender: a@x.fr, b@x.fr\r\n", "Sender: a@x.fr\r\nSender: a@x.fr\r\n", "Sender:\r\n"] {
            assert_eq!(authors(&format!("From: a@x.fr\r\n{senders}")), Err(HeaderError::Field("Sender")));
        }
    }

    #[test]
    fn stray_lines_are_refused() {
        assert_eq!(authors("From: a@x.fr\r\nno field\r\n\r\n"), Err(HeaderError::StrayLine));
        assert_eq!(authors(" From: a@x.fr\r\n"), Err(HeaderError::StrayLine));
    }

    proptest! {
        #[test]
        fn no_octets_make_the_parser_fail_otherwise_than_by_an_error(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = HeaderBlock::parse(&octets);
            let _ = HeaderBlock::parse(&[b"From: ".as_slice(), &octets].concat());
        }
    }
}
