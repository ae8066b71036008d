//! Letters that pli itself writes to the holder of a BAL. `[RFC3834 5]`

use lettre::message::SinglePart;
use lettre::message::header::ContentType;
use mssante::Address;
use time::OffsetDateTime;

use crate::{date, printable};

/// A letter of the service, French first, English below.
#[derive(Debug, Clone)]
pub struct ServiceLetter {
    /// Our host name, the domain of the postmaster who writes.
    pub host: String,
    /// To whom.
    pub to: Address,
    /// In ASCII.
    pub subject: &'static str,
    /// What it says; paragraphs are divided by empty lines.
    pub french: String,
    /// The same in English.
    pub english: String,
    /// When it is written.
    pub now: OffsetDateTime,
    /// Identifier for its Message-ID, unique, with or without a domain.
    pub id: String,
}

/// The letter as a message. Its lines end with CRLF and its octets are ASCII, unless `to` itself is not. It is marked as
/// generated, so that nothing answers it by itself. `[RFC3834 5]`
pub fn service_letter(letter: &ServiceLetter) -> Vec<u8> {
    let host = printable::host(&letter.host, 255);
    let header = format!(
        "Return-Path: <>\r\n\
         Date: {date}\r\n\
         From: Service de messagerie <postmaster@{host}>\r\n\
         To: <{to}>\r\n\
         Subject: {subject}\r\n\
         Message-ID: {id}\r\n\
         Auto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\n",
        date = date::written(letter.now),
        to = letter.to,
        subject = printable::printable(letter.subject, 200),
        id = printable::message_id(&letter.id, &host),
    );
    let text = format!(
        "Bonjour,\n\n{}\n\nLe service de messagerie {host}\n\n----\n\n{}\n\nThe mail service {host}\n",
        letter.french, letter.english
    );
    let body = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text.replace('\n', "\r\n"));
    [header.as_bytes(), &body.formatted()].concat()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::{HeaderBlock, Scanner};

    #[test]
    fn a_letter_of_the_service_reads_as_it_was_meant_and_is_answered_by_nobody() {
        let letter = ServiceLetter {
            host: "mail.ch.mssante.fr".into(),
            to: "secretariat@ch.mssante.fr".parse().unwrap(),
            subject: "Espace de messagerie presque plein / Mailbox nearly full",
            french: "La boîte est remplie à 92 %.".into(),
            english: "The mailbox is 92 % full.".into(),
            now: datetime!(2026-11-22 09:00 UTC),
            id: "quota.7".into(),
        };
        let octets = service_letter(&letter);
        assert!(octets.is_ascii());
        let text = String::from_utf8(octets.clone()).unwrap();
        assert!(text.contains("\r\nAuto-Submitted: auto-generated\r\n"));
        assert!(text.contains("\r\nMessage-ID: <quota.7@mail.ch.mssante.fr>\r\n"));
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        assert_eq!(HeaderBlock::parse(&octets).unwrap().from, ["postmaster@mail.ch.mssante.fr".parse().unwrap()]);
        let mut scanner = Scanner::new();
        scanner.push(&octets);
        let summary = scanner.finish();
        let body = &octets[usize::try_from(summary.root.header.len).unwrap()..];
        assert_eq!(summary.size, octets.len() as u64);
        assert!(String::from_utf8_lossy(body).contains("92 % full"));
    }
}
