//! Replies: code, enhanced code, text; written in one place.

use std::borrow::Cow;

use mssante::Refusal;

/// A one-line reply. `[RFC5321 4.2]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    code: u16,
    /// None where RFC 2034 forbids one: greeting, EHLO, 3yz. `[RFC2034 3]`
    enhanced: Option<&'static str>,
    text: Cow<'static, str>,
}

impl Reply {
    pub(crate) const fn new(code: u16, enhanced: &'static str, text: &'static str) -> Self {
        Self { code, enhanced: Some(enhanced), text: Cow::Borrowed(text) }
    }

    pub(crate) fn with_text(code: u16, enhanced: &'static str, text: String) -> Self {
        Self { code, enhanced: Some(enhanced), text: Cow::Owned(text) }
    }

    pub(crate) fn bare(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: None, text: text.into() }
    }

    /// Whether it refuses for good.
    pub(crate) fn is_permanent_failure(&self) -> bool {
        self.code >= 500
    }

    pub(crate) fn write_to(&self, output: &mut Vec<u8>) {
        let line = match self.enhanced {
            Some(enhanced) => format!("{} {enhanced} {}\r\n", self.code, self.text),
            None => format!("{} {}\r\n", self.code, self.text),
        };
        output.extend_from_slice(line.as_bytes());
    }
}

/// A refusal with what is to be said beyond its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined {
    /// Why.
    pub refusal: Refusal,
    /// What exactly, in words for developers of the sending software; empty if there is nothing to add.
    pub codes: Vec<&'static str>,
}

impl From<Refusal> for Declined {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, codes: Vec::new() }
    }
}

impl From<Declined> for Reply {
    fn from(Declined { refusal, codes }: Declined) -> Self {
        if codes.is_empty() {
            return refusal.into();
        }
        let row = refusal.row();
        Self::with_text(row.code, row.enhanced, format!("{}: {}", row.english, codes.join(", ")))
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let row = refusal.row();
        Self::new(row.code, row.enhanced, row.english)
    }
}

/// Writes the lines of a 250 reply to EHLO. `[RFC5321 4.1.1.1]`
pub(crate) fn write_multi_line(code: u16, lines: &[String], output: &mut Vec<u8>) {
    for (i, line) in lines.iter().enumerate() {
        let separator = if i + 1 == lines.len() { ' ' } else { '-' };
        output.extend_from_slice(format!("{code}{separator}{line}\r\n").as_bytes());
    }
}

pub(crate) const BARE_LINE_ENDING: Reply = Reply::new(500, "5.5.2", "bare CR or LF; a command ends with CR LF");
pub(crate) const LINE_TOO_LONG: Reply = Reply::new(500, "5.5.6", "command line too long");
pub(crate) const NOT_TEXT: Reply = Reply::new(500, "5.5.2", "control characters or invalid UTF-8 in a command");
pub(crate) const UNKNOWN_COMMAND: Reply = Reply::new(500, "5.5.1", "unknown command");
pub(crate) const NOT_IMPLEMENTED: Reply = Reply::new(502, "5.5.1", "command not implemented");
pub(crate) const GREET_FIRST: Reply = Reply::new(503, "5.5.1", "send EHLO first");
pub(crate) const OUT_OF_ORDER: Reply = Reply::new(503, "5.5.1", "bad sequence of commands");
pub(crate) const NO_RECIPIENT: Reply = Reply::new(554, "5.5.1", "no valid recipients");
pub(crate) const OK: Reply = Reply::new(250, "2.0.0", "OK");
pub(crate) const SENDER_OK: Reply = Reply::new(250, "2.1.0", "sender OK");
pub(crate) const RECIPIENT_OK: Reply = Reply::new(250, "2.1.5", "recipient OK");
pub(crate) const BYE: Reply = Reply::new(221, "2.0.0", "bye");
pub(crate) const CANNOT_VERIFY: Reply = Reply::new(252, "2.5.0", "cannot verify, but RCPT will tell");
pub(crate) const HELP: Reply =
    Reply::new(214, "2.0.0", "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT; see RFC 5321");
pub(crate) const READY_FOR_TLS: Reply = Reply::new(220, "2.0.0", "ready to start TLS");
pub(crate) const TLS_ALREADY: Reply = Reply::new(503, "5.5.1", "TLS is active already");
pub(crate) const LOGGED_IN: Reply = Reply::new(235, "2.7.0", "authentication successful");
pub(crate) const AUTH_UNAVAILABLE: Reply =
    Reply::new(454, "4.7.0", "authentication is not possible at the moment; try again later");
pub(crate) const AUTH_CANCELLED: Reply = Reply::new(501, "5.7.0", "authentication cancelled");
pub(crate) const AUTH_MALFORMED: Reply = Reply::new(501, "5.5.2", "malformed authentication data");
pub(crate) const AUTH_MECHANISM: Reply = Reply::new(504, "5.5.4", "this mechanism is not offered here");
pub(crate) const TOO_MANY_ERRORS: Reply = Reply::new(421, "4.7.0", "too many errors; closing");
pub(crate) const TOO_MANY_COMMANDS: Reply = Reply::new(421, "4.7.0", "too many commands without a message; closing");
pub(crate) const TOO_MANY_MESSAGES: Reply = Reply::new(421, "4.7.0", "enough messages for one session; connect again");
pub(crate) const TOO_MUCH_DATA: Reply = Reply::new(421, "4.3.4", "far too much data; closing");
pub(crate) const NOT_SMTP: Reply = Reply::new(421, "4.7.0", "this is not a web server; closing");
pub(crate) const CHUNK_SIZE: Reply =
    Reply::new(501, "5.5.4", "BDAT needs a size; closing, the rest cannot be told apart");
pub(crate) const SHUTTING_DOWN: Reply = Reply::new(421, "4.3.2", "shutting down; connect again");
pub(crate) const TIMED_OUT: Reply = Reply::new(421, "4.4.2", "waited too long; closing");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_written_with_both_codes() {
        let mut output = Vec::new();
        Reply::from(Refusal::UnknownRecipient).write_to(&mut output);
        assert!(output.starts_with(b"550 5.1.1 "));
        assert!(output.ends_with(b"\r\n"));
    }

    #[test]
    fn codes_stand_behind_the_text_of_a_refusal() {
        let mut output = Vec::new();
        let declined = Declined { refusal: Refusal::XdmInvalid, codes: vec!["hash-mismatch"] };
        Reply::from(declined).write_to(&mut output);
        assert_eq!(output, b"550 5.6.0 the archive IHE_XDM.ZIP is not valid: hash-mismatch\r\n");
        assert_eq!(Reply::from(Declined::from(Refusal::MailLoop)), Reply::from(Refusal::MailLoop));
    }

    #[test]
    fn only_the_last_line_of_a_long_reply_has_a_space_after_the_code() {
        let mut output = Vec::new();
        write_multi_line(250, &["host".to_owned(), "SIZE 1".to_owned()], &mut output);
        assert_eq!(output, b"250-host\r\n250 SIZE 1\r\n");
    }
}
