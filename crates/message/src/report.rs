//! Delivery status notifications. `[RFC3464 2]`, `[RFC6522 3]`
//!
//! lettre builds the parts; the outermost header is written field by field, because lettre's
//! message builder checks addresses by rules of its own and refuses some that are ours.

use std::fmt::Write;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{MultiPart, MultiPartBuilder, SinglePart};
use mssante::Address;
use time::OffsetDateTime;

use crate::{date, fields, printable};

/// Octets of the original's header that are returned at most.
const MAX_RETURNED: usize = 64 * 1024;

/// One recipient that the message could not be handed to.
#[derive(Debug, Clone)]
pub struct FailedRecipient {
    /// Whom it was for.
    pub recipient: Address,
    /// ORCPT as the sender gave it. `[RFC3461 4.2]`
    pub original_recipient: Option<String>,
    /// Enhanced status code, e.g. `5.1.1`.
    pub status: String,
    /// What the other side said, or what happened, in English.
    pub diagnostic: String,
    /// What a person is told, in French.
    pub french: String,
    /// The other side's name, if we reached it.
    pub remote_mta: Option<String>,
}

/// A message that some recipients will not get.
#[derive(Debug, Clone)]
pub struct FailureReport {
    /// Our host name (Reporting-MTA, and the domain of the postmaster who writes).
    pub reporting_mta: String,
    /// To whom the report goes.
    pub to: Address,
    /// ENVID of the original transaction. `[RFC3461 4.4]`
    pub envelope_id: Option<String>,
    /// When the original was accepted.
    pub arrived_at: OffsetDateTime,
    /// When the report is written.
    pub now: OffsetDateTime,
    /// Identifier for the report's own Message-ID, unique, with or without a domain.
    pub id: String,
    /// Who did not get it.
    pub recipients: Vec<FailedRecipient>,
    /// Header block of the original, returned with the report.
    pub original_header: Vec<u8>,
}

/// The report as a message, French first, English below; without Return-Path. Its lines end
/// with CRLF and its octets are ASCII, unless `to` itself is not. `[RFC3464 2]`
pub fn failure_report(report: &FailureReport) -> Vec<u8> {
    let mut message = MultiPartBuilder::new().build();
    let header = message.headers_mut();
    for (name, value) in report.header_fields() {
        // made of our own words, parsed addresses and sanitised words only
        header.insert_raw(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value));
    }
    let original = report.returned_header();
    header.set(content_type(&format!(
        "multipart/report; report-type=delivery-status; boundary=\"{}\"",
        boundary(&report.id, &original)
    )));
    with_parts(message, report, original).formatted()
}

fn with_parts(message: MultiPart, report: &FailureReport, original: String) -> MultiPart {
    let international = report.recipients.iter().any(|r| r.recipient.needs_smtputf8());
    // `[RFC6533 4]`: these types carry what is not ASCII
    let status_type = if international { "message/global-delivery-status" } else { "message/delivery-status" };
    let header_type = if original.is_ascii() { "text/rfc822-headers" } else { "message/global-headers" };
    message
        .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(report.explanation()))
        .singlepart(SinglePart::builder().header(content_type(status_type)).body(report.status()))
        .singlepart(SinglePart::builder().header(content_type(header_type)).body(original))
}

fn content_type(text: &str) -> ContentType {
    ContentType::parse(text).expect("our own types and a boundary of letters and digits are well formed")
}

/// A boundary that does not stand in the one part that others wrote.
fn boundary(id: &str, original: &str) -> String {
    let letters = id.chars().filter(char::is_ascii_alphanumeric).take(40);
    let mut boundary: String = "pli-report-".chars().chain(letters).collect();
    while original.contains(&boundary) {
        boundary.push('x');
    }
    boundary
}

impl FailureReport {
    fn header_fields(&self) -> Vec<(HeaderName, String)> {
        let host = printable::host(&self.reporting_mta, 255);
        let mut fields = vec![
            (HeaderName::new_from_ascii_str("Date"), date::written(self.now)),
            (HeaderName::new_from_ascii_str("From"), format!("Service de messagerie <postmaster@{host}>")),
            (HeaderName::new_from_ascii_str("To"), format!("<{}>", self.to)),
            (HeaderName::new_from_ascii_str("Subject"), "Message non remis / Undelivered message".to_owned()),
            (HeaderName::new_from_ascii_str("Message-ID"), printable::message_id(&self.id, &host)),
            (HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-replied".to_owned()),
            (HeaderName::new_from_ascii_str("MIME-Version"), "1.0".to_owned()),
        ];
        if let Some(original) = self.original_id() {
            fields.insert(5, (HeaderName::new_from_ascii_str("In-Reply-To"), original));
        }
        fields
    }

    /// The original's Message-ID, if it is one.
    fn original_id(&self) -> Option<String> {
        let field = fields::fields(&self.original_header).find(|field| field.is("Message-ID"))?;
        let id = field.value();
        let plain = id.len() <= 250 && id.bytes().all(|b| b.is_ascii_graphic());
        (plain && id.starts_with('<') && id.ends_with('>')).then(|| id.into_owned())
    }

    /// The first part, for people.
    fn explanation(&self) -> String {
        let host = printable::host(&self.reporting_mta, 255);
        let mut french = String::new();
        let mut english = String::new();
        for failed in &self.recipients {
            let (why, diagnostic) = (one_line(&failed.french), one_line(&failed.diagnostic));
            let _ = write!(french, "  {}\r\n    {why}\r\n\r\n", failed.recipient);
            let _ = write!(english, "  {}\r\n    {} {diagnostic}\r\n\r\n", failed.recipient, failed.status());
        }
        let arrived = date::written(self.arrived_at);
        format!(
            "Bonjour,\r\n\r\n\
             Votre message, accepté le {arrived}, n'a pas pu être remis à :\r\n\r\n{french}\
             Ses en-têtes sont joints à ce rapport. Il ne sera plus présenté à ces destinataires.\r\n\r\n\
             Le service de messagerie {host}\r\n\r\n\
             ----\r\n\r\n\
             Your message, accepted on {arrived}, could not be delivered to:\r\n\r\n{english}\
             Its header is attached to this report. No further attempt will be made for these recipients.\r\n\r\n\
             The mail service {host}\r\n"
        )
    }

    /// The second part, for machines. `[RFC3464 2.1]`
    fn status(&self) -> String {
        let mut lines = Vec::new();
        lines.extend(self.envelope_id.as_deref().map(|id| format!("Original-Envelope-Id: {}", ascii(id, 100))));
        lines.push(format!("Reporting-MTA: dns; {}", printable::host(&self.reporting_mta, 255)));
        lines.push(format!("Arrival-Date: {}", date::written(self.arrived_at)));
        for failed in &self.recipients {
            lines.push(String::new());
            failed.status_fields(&mut lines);
        }
        lines.push(String::new());
        lines.join("\r\n")
    }

    /// The third part: the original's header, whole lines of it. `[RFC6522 4]`
    fn returned_header(&self) -> String {
        let header = self.original_header.trim_ascii_end();
        let kept = if header.len() <= MAX_RETURNED {
            header
        } else {
            let end = memchr::memrchr(b'\n', &header[..MAX_RETURNED]).unwrap_or(0);
            header[..end].trim_ascii_end()
        };
        format!("{}\r\n", String::from_utf8_lossy(kept).replace('\0', ""))
    }
}

impl FailedRecipient {
    /// The status, or the least that is known if it is not one. `[RFC3463 2]`
    fn status(&self) -> &str {
        let well_formed = self.status.split('.').count() == 3
            && self.status.split('.').all(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()));
        if well_formed { &self.status } else { "5.0.0" }
    }

    /// The fields of one recipient. `[RFC3464 2.3]`
    fn status_fields(&self, lines: &mut Vec<String>) {
        if let Some(original) = self.original_recipient.as_deref().and_then(original_recipient) {
            lines.push(format!("Original-Recipient: {original}"));
        }
        let address_type = if self.recipient.needs_smtputf8() { "utf-8" } else { "rfc822" };
        lines.push(format!("Final-Recipient: {address_type}; {}", self.recipient));
        lines.push("Action: failed".to_owned());
        lines.push(format!("Status: {}", self.status()));
        if let Some(remote) = &self.remote_mta {
            lines.push(format!("Remote-MTA: dns; {}", printable::host(remote, 255)));
        }
        let diagnostic_type = if self.remote_mta.is_some() { "smtp" } else { "x-pli" };
        lines.push(wrapped(&format!("Diagnostic-Code: {diagnostic_type}; {}", ascii(&self.diagnostic, 900))));
    }
}

/// `rfc822; a@b` for an ORCPT of `rfc822;a@b`, its encoding undone. `[RFC3464 2.3.1]`
fn original_recipient(orcpt: &str) -> Option<String> {
    let (address_type, xtext) = orcpt.split_once(';')?;
    let address = from_xtext(xtext)?;
    let printable = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    (printable(address_type) && printable(&address)).then(|| format!("{address_type}; {address}"))
}

/// Undoes the encoding in which ORCPT and ENVID travel. `[RFC3461 4]`
fn from_xtext(xtext: &str) -> Option<String> {
    let mut pieces = xtext.split('+');
    let mut octets = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (hex, rest) = piece.split_at_checked(2)?;
        octets.push(u8::from_str_radix(hex, 16).ok()?);
        octets.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(octets).ok()
}

/// `text` on one line, without control characters.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(900).collect()
}

/// `text` on one line, in printable ASCII.
fn ascii(text: &str, max: usize) -> String {
    printable::printable(&one_line(text), max)
}

/// Breaks a field's line at spaces, so that it stays below 78 columns where it can.
fn wrapped(field: &str) -> String {
    let mut out = String::new();
    let mut line_len = 0;
    for word in field.split(' ').filter(|word| !word.is_empty()) {
        if line_len > 0 && line_len + 1 + word.len() > 76 {
            out.push_str("\r\n ");
            line_len = 1;
        } else if line_len > 0 {
            out.push(' ');
            line_len += 1;
        }
        out.push_str(word);
        line_len += word.len();
    }
    out
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
