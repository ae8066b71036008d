//! The messages: incompressible as PDF and ZIP attachments are, each with an identifier of its own.

use std::fmt::Write as _;

use bytes::Bytes;

/// The header field that carries the identifier.
pub(crate) const ID_FIELD: &str = "X-Pli-Bench";

const LINE: usize = 76;

/// The part of a case's messages that is the same in all, made once: base64 lines, CRLF, the final dot.
pub(crate) struct Content {
    body: Bytes,
}

impl Content {
    /// For messages of about `size` octets.
    pub(crate) fn new(size: usize) -> Self {
        const HEADER: usize = 290;
        let wanted = size.saturating_sub(HEADER);
        let mut body = Vec::with_capacity(wanted + 5);
        let mut numbers = XorShift(0x9E37_79B9_7F4A_7C15);
        while body.len() + LINE + 2 <= wanted {
            body.extend((0..LINE).map(|_| numbers.base64_letter()));
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b".\r\n");
        Self { body: body.into() }
    }

    /// The header of one message, its blank line included.
    pub(crate) fn header(id: &str, from: &str, to: &str) -> String {
        let mut text = String::new();
        let _ = write!(
            text,
            "From: <{from}>\r\nTo: <{to}>\r\nSubject: Compte rendu {id}\r\nDate: Mon, 02 Nov 2026 08:00:00 +0100\r\n\
             Message-ID: <{id}@bench.test>\r\n{ID_FIELD}: {id}\r\nMIME-Version: 1.0\r\n\
             Content-Type: application/pdf; name=\"compte-rendu.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        );
        text
    }

    /// Everything after the header, final dot included.
    pub(crate) fn body(&self) -> Bytes {
        self.body.clone()
    }
}

/// Noise that is the same in every run.
struct XorShift(u64);

impl XorShift {
    fn base64_letter(&mut self) -> u8 {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        LETTERS[usize::from(self.0.to_le_bytes()[3] & 63)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_about_the_wanted_size_and_strict_line_ends() {
        for size in [4000, 50_000] {
            let body = Content::new(size).body();
            let whole = Content::header("id-1", "a@b.fr", "c@d.fr").len() + body.len();
            assert!(whole.abs_diff(size) < 200, "{whole} for {size}");
            assert!(body.ends_with(b"\r\n.\r\n"));
            assert!(body.split(|byte| *byte == b'\n').rev().skip(1).all(|line| line.ends_with(b"\r")));
        }
    }
}
