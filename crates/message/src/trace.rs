//! The fields that a server puts on top of a message. `[RFC5321 4.4]`

use std::net::IpAddr;

use mssante::{Address, ReversePath};
use time::OffsetDateTime;

use crate::{date, printable};

/// Longest line, without its end, that is written where it can be folded. `[RFC5322 2.1.1]`
const LINE: usize = 78;

/// Who handed the message over, for the Received field. What the client said may be
/// anything: it is made harmless when it is written.
#[derive(Debug, Clone)]
pub struct ReceivedFrom {
    /// The name that the client gave in EHLO.
    pub helo: String,
    /// Its network address, as text.
    pub peer: String,
    /// `ESMTPS`, `ESMTPSA`, `UTF8SMTPS`… `[RFC3848 1]`, `[RFC6531 4.3]`
    pub protocol: &'static str,
    /// What protected the connection, for the comment.
    pub tls: Option<TlsFacts>,
}

/// What protected a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// Protocol version, such as `TLSv1.3`.
    pub version: String,
    /// Cipher suite, by its registered name.
    pub suite: String,
    /// The common name of a client whose certificate was verified.
    pub client: Option<String>,
}

impl TlsFacts {
    /// The comment, in pieces between which lines may be folded.
    fn pieces(&self) -> Vec<String> {
        let word = |text: &str| printable::printable(text, 100).replace(['(', ')', '\\', '"'], "?");
        let start = format!("(using {} with cipher {}", word(&self.version), word(&self.suite));
        match &self.client {
            None => vec![start + ")"],
            Some(client) => vec![start + ";", format!("client CN \"{}\" verified)", word(client))],
        }
    }
}

/// What goes on top of a message that is being accepted.
#[derive(Debug, Clone)]
pub struct TraceFields {
    /// For Return-Path. `[RFC5321 4.4]`
    pub reverse_path: ReversePath,
    /// For Received: from whom.
    pub from: ReceivedFrom,
    /// For Received: our host name.
    pub by: String,
    /// For Received: our queue identifier.
    pub id: String,
    /// The moment of acceptance.
    pub at: OffsetDateTime,
    /// A Message-ID to add when the submitted message has none, with or without its
    /// brackets. `[RFC6409 8.3]`
    pub message_id: Option<String>,
    /// Whether to add a Date field. `[RFC6409 8.2]`
    pub add_date: bool,
    /// A Sender to add: who has sent on behalf of the author. `[RFC6409 8.1]`
    pub sender: Option<Address>,
}

impl TraceFields {
    /// The octets to put before the message: Return-Path, Received, then what was missing.
    pub fn render(&self) -> Vec<u8> {
        let mut fields = format!("Return-Path: {}\r\n", self.reverse_path);
        fields.push_str(&folded("Received:", &self.received()));
        if let Some(id) = &self.message_id {
            fields.push_str(&folded("Message-ID:", &[printable::message_id(id, &self.by)]));
        }
        if self.add_date {
            fields.push_str(&folded("Date:", &[date::written(self.at)]));
        }
        if let Some(sender) = &self.sender {
            fields.push_str(&folded("Sender:", &[format!("<{sender}>")]));
        }
        fields.into_bytes()
    }

    /// The pieces of Received between which lines may be folded. `[RFC5321 4.4]`
    fn received(&self) -> Vec<String> {
        let from = &self.from;
        let helo = if from.helo.is_empty() { "unknown".to_owned() } else { printable::host(&from.helo, 255) };
        let mut pieces = vec![format!("from {helo}")];
        pieces.extend(address_literal(&from.peer).map(|literal| format!("({literal})")));
        pieces.extend(from.tls.iter().flat_map(TlsFacts::pieces));
        pieces.push(format!("by {}", printable::host(&self.by, 255)));
        pieces.push(format!("with {}", from.protocol));
        pieces.push(format!("id {};", printable::dot_atom(&self.id, 100)));
        pieces.push(date::written(self.at));
        pieces
    }
}

/// `[192.0.2.1]` or `[IPv6:2001:db8::1]`. `[RFC5321 4.1.3]`
fn address_literal(peer: &str) -> Option<String> {
    Some(match peer.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    })
}

/// A field whose lines are broken between pieces, never inside one. `[RFC5322 2.2.3]`
fn folded(name: &str, pieces: &[String]) -> String {
    let mut field = name.to_owned();
    let mut line_len = name.len();
    for (n, piece) in pieces.iter().enumerate() {
        if n > 0 && line_len + 1 + piece.len() > LINE {
            field.push_str("\r\n\t");
            line_len = 1;
        } else {
            field.push(' ');
            line_len += 1;
        }
        field.push_str(piece);
        line_len += piece.len();
    }
    field.push_str("\r\n");
    field
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::HeaderBlock;

    fn trace(helo: &str, peer: &str) -> TraceFields {
        TraceFields {
            reverse_path: ReversePath::Address(Address::parse("labo@bio.mssante.fr").unwrap()),
            from: ReceivedFrom {
                helo: helo.to_owned(),
                peer: peer.to_owned(),
                protocol: "ESMTPS",
                tls: Some(TlsFacts {
                    version: "TLSv1.3".to_owned(),
                    suite: "TLS13_AES_256_GCM_SHA384".to_owned(),
                    client: None,
                }),
            },
            by: "mx.ch.mssante.fr".to_owned(),
            id: "4f2a-1".to_owned(),
            at: OffsetDateTime::from_unix_timestamp(1_763_719_205).unwrap(),
            message_id: None,
            add_date: false,
            sender: None,
        }
    }

    fn rendered(trace: &TraceFields) -> String {
        String::from_utf8(trace.render()).unwrap()
    }

    #[test]
    fn return_path_and_received_stand_on_top() {
        assert_eq!(
            rendered(&trace("mx.bio.mssante.fr", "192.0.2.7")),
            "Return-Path: <labo@bio.mssante.fr>\r\n\
             Received: from mx.bio.mssante.fr ([192.0.2.7])\r\n\
             \t(using TLSv1.3 with cipher TLS13_AES_256_GCM_SHA384) by mx.ch.mssante.fr\r\n\
             \twith ESMTPS id 4f2a-1; Fri, 21 Nov 2025 10:00:05 +0000\r\n"
        );
    }

    #[test]
    fn what_a_submission_lacks_is_added() {
        let mut trace = trace("pc", "2001:db8::1");
        trace.reverse_path = ReversePath::Null;
        trace.message_id = Some("abc".to_owned());
        trace.add_date = true;
        let fields = rendered(&trace);
        assert!(fields.starts_with("Return-Path: <>\r\nReceived: from pc ([IPv6:2001:db8::1])\r\n"), "{fields}");
        assert!(fields.ends_with("Message-ID: <abc@mx.ch.mssante.fr>\r\nDate: Fri, 21 Nov 2025 10:00:05 +0000\r\n"));
        trace.message_id = Some("<abc@ch.fr>".to_owned());
        assert!(rendered(&trace).contains("\r\nMessage-ID: <abc@ch.fr>\r\n"));
        trace.sender = Some(Address::parse("secretariat@ch.fr").unwrap());
        assert!(rendered(&trace).ends_with("\r\nSender: <secretariat@ch.fr>\r\n"));
    }

    #[test]
    fn the_verified_client_is_named_and_cannot_end_the_comment() {
        let mut trace = trace("a", "192.0.2.7");
        let tls = trace.from.tls.unwrap();
        trace.from.tls = Some(TlsFacts { client: Some("mail.bio.mssante.fr".to_owned()), ..tls.clone() });
        assert!(rendered(&trace).contains(
            "(using TLSv1.3 with cipher TLS13_AES_256_GCM_SHA384;\r\n\tclient CN \"mail.bio.mssante.fr\" verified) by "
        ));
        trace.from.tls = Some(TlsFacts { client: Some("x\") (\\é\r\nBcc: y".to_owned()), ..tls });
        assert!(rendered(&trace).contains("client CN \"x?? ?????Bcc: y\" verified)"), "{}", rendered(&trace));
    }

    #[test]
    fn mapped_and_unknown_peers() {
        assert!(rendered(&trace("a", "::ffff:192.0.2.7")).contains("([192.0.2.7])"));
        assert!(rendered(&trace("", "somewhere")).contains("Received: from unknown (using"));
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_says_adds_a_field_or_a_control_character(
            helo in "(?s).{0,100}",
            peer in "(?s).{0,20}",
            suite in "(?s).{0,40}",
            client in prop::option::of("(?s).{0,40}"),
            id in "(?s).{0,40}",
            message_id in "(?s).{0,40}",
        ) {
            let mut trace = trace(&helo, &peer);
            trace.from.tls = Some(TlsFacts { version: "TLSv1.3".to_owned(), suite, client });
            trace.id = id;
            trace.message_id = Some(message_id);
            let fields = rendered(&trace);
            let unfolded = fields.replace("\r\n\t", " ");
            prop_assert_eq!(unfolded.matches("\r\n").count(), 3);
            prop_assert!(!unfolded.replace("\r\n", "").chars().any(char::is_control));
            prop_assert!(fields.is_ascii());
            let block = HeaderBlock::parse(&[fields.as_bytes(), b"From: a@b.fr\r\n"].concat()).unwrap();
            prop_assert_eq!((block.received, block.has_message_id), (1, true));
            prop_assert!(fields.lines().all(|line| line.len() <= 140));
        }
    }
}
