//! Content as it comes over the wire: where DATA ends, what a line may hold. The defence
//! against SMTP smuggling is here and nowhere else.

use std::ops::Range;

use memchr::{memchr, memchr2, memmem};
use mssante::Refusal;

/// Most octets of a line without its CR LF. `[RFC5321 4.5.3.1.6]`
const LONGEST_LINE: usize = 998;

/// What the client announced for the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announced {
    /// BODY=8BITMIME. `[RFC6152 2]`
    pub(crate) eight_bit: bool,
    /// SMTPUTF8. `[RFC6531 3.4]`
    pub(crate) utf8: bool,
}

/// Judges content, octets cut anywhere, the same for DATA and BDAT. The first damage found
/// stays; what follows it is not looked at.
#[derive(Debug)]
pub(crate) struct LineRules {
    announced: Announced,
    limit: u64,
    size: u64,
    line: usize,
    after_cr: bool,
    in_header: bool,
    damage: Option<Refusal>,
}

impl LineRules {
    /// Rules for a message of at most `limit` octets.
    pub(crate) fn new(announced: Announced, limit: u64) -> Self {
        Self { announced, limit, size: 0, line: 0, after_cr: false, in_header: true, damage: None }
    }

    /// Looks at the next octets of content. Which damage comes first does not depend on how
    /// the content is cut.
    pub(crate) fn check(&mut self, content: &[u8]) {
        let fits = usize::try_from(self.room()).map_or(content.len(), |room| room.min(content.len()));
        self.size += content.len() as u64;
        self.check_lines(&content[..fits]);
        if fits < content.len() {
            self.damage(Refusal::MessageTooLarge);
        }
    }

    fn check_lines(&mut self, mut content: &[u8]) {
        if self.after_cr && !content.is_empty() {
            self.after_cr = false;
            content = self.second_octet_of_line_end(content);
        }
        while self.damage.is_none() && !content.is_empty() {
            content = self.check_line(content);
        }
    }

    /// Looks at one line or the part of it that is there; returns what follows.
    fn check_line<'a>(&mut self, content: &'a [u8]) -> &'a [u8] {
        let Some(end) = memchr2(b'\r', b'\n', content) else {
            self.check_text(content);
            return &[];
        };
        self.check_text(&content[..end]);
        if content[end] == b'\n' {
            self.damage(Refusal::BareLineEnding);
            return &[];
        }
        let rest = &content[end + 1..];
        if rest.is_empty() {
            self.after_cr = true;
            return rest;
        }
        self.second_octet_of_line_end(rest)
    }

    fn second_octet_of_line_end<'a>(&mut self, content: &'a [u8]) -> &'a [u8] {
        if content[0] != b'\n' {
            self.damage(Refusal::BareLineEnding);
            return &[];
        }
        if self.line == 0 {
            self.in_header = false;
        }
        self.line = 0;
        &content[1..]
    }

    fn check_text(&mut self, text: &[u8]) {
        let fits = text.len().min(LONGEST_LINE - self.line);
        self.line += fits;
        if let Some(refusal) = self.first_forbidden_octet(&text[..fits]) {
            self.damage(refusal);
        }
        if fits < text.len() {
            self.damage(Refusal::LineTooLong);
        }
    }

    /// NUL, which IMAP cannot carry, and octets above 127 where they were not announced. `[RFC5321 4.5.2]`, `[RFC3501 9]`
    fn first_forbidden_octet(&self, text: &[u8]) -> Option<Refusal> {
        let only_ascii = !self.announced.utf8 && (self.in_header || !self.announced.eight_bit);
        let nul = memchr(0, text);
        let eight_bit =
            if only_ascii && !text.is_ascii() { text.iter().position(|octet| !octet.is_ascii()) } else { None };
        match (nul, eight_bit) {
            (Some(nul), Some(eight_bit)) if eight_bit < nul => Some(Refusal::EightBitNotAnnounced),
            (Some(_), _) => Some(Refusal::NulOctet),
            (None, Some(_)) => Some(Refusal::EightBitNotAnnounced),
            (None, None) => None,
        }
    }

    /// The last octet was seen.
    pub(crate) fn finish(&mut self) {
        if self.after_cr {
            self.damage(Refusal::BareLineEnding);
        }
    }

    /// Refuses the content, if nothing was wrong with it yet.
    pub(crate) fn damage(&mut self, refusal: Refusal) {
        self.damage.get_or_insert(refusal);
    }

    /// Why the content cannot be taken.
    pub(crate) fn damaged(&self) -> Option<Refusal> {
        self.damage
    }

    /// Octets of content seen so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Octets that still fit.
    pub(crate) fn room(&self) -> u64 {
        self.limit.saturating_sub(self.size)
    }
}

/// What was found at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Octets to take off the input.
    pub(crate) consumed: usize,
    /// Which of them are content.
    pub(crate) content: Range<usize>,
    /// What was learnt.
    pub(crate) found: Found,
}

/// What a piece ends with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Content goes on.
    More,
    /// A CR that no LF follows, where the octets themselves are not content.
    BareCr,
    /// CR LF . CR LF.
    End,
}

/// Where the receiver stands between two octets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// After CR LF, or before the first octet.
    #[default]
    LineStart,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot at the start of a line and a CR.
    DotCr,
    /// Within a line.
    Line,
    /// After a CR within a line.
    Cr,
}

/// Takes DATA apart: finds its end, which is CR LF . CR LF and nothing that resembles it, and
/// removes the dots that the client put in. `[RFC5321 4.5.2]`
#[derive(Debug, Default)]
pub(crate) struct DotReader {
    at: At,
}

impl DotReader {
    /// Looks at the front of `input`, which is not empty; call again with the rest.
    pub(crate) fn take(&mut self, input: &[u8]) -> Piece {
        match (self.at, input[0]) {
            (At::LineStart, b'.') => self.swallow(At::Dot, Found::More),
            (At::Dot, b'\r') => self.swallow(At::DotCr, Found::More),
            (At::DotCr, b'\n') => self.swallow(At::LineStart, Found::End),
            (At::DotCr, _) => {
                self.at = At::Line;
                Piece { consumed: 0, content: 0..0, found: Found::BareCr }
            }
            (At::Cr, b'\n') => {
                self.at = At::LineStart;
                Piece { consumed: 1, content: 0..1, found: Found::More }
            }
            _ => self.take_lines(input),
        }
    }

    fn swallow(&mut self, next: At, found: Found) -> Piece {
        self.at = next;
        Piece { consumed: 1, content: 0..0, found }
    }

    /// Takes everything up to the next line that begins with a dot.
    fn take_lines(&mut self, input: &[u8]) -> Piece {
        if let Some(start) = memmem::find(input, b"\r\n.") {
            self.at = At::Dot;
            return Piece { consumed: start + 3, content: 0..start + 2, found: Found::More };
        }
        self.at = match input {
            [.., b'\r', b'\n'] => At::LineStart,
            [.., b'\r'] => At::Cr,
            _ => At::Line,
        };
        Piece { consumed: input.len(), content: 0..input.len(), found: Found::More }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What DATA came to: the content, what was wrong with it, and what was left in the input.
    #[derive(Debug, PartialEq)]
    struct Received {
        content: Vec<u8>,
        damage: Option<Refusal>,
        ended: bool,
        rest: Vec<u8>,
    }

    fn receive(input: &[u8], cut: usize) -> Received {
        let announced = Announced { eight_bit: true, utf8: false };
        let (mut reader, mut rules) = (DotReader::default(), LineRules::new(announced, 1 << 20));
        let mut received = Received { content: Vec::new(), damage: None, ended: false, rest: Vec::new() };
        for mut piece in input.chunks(cut) {
            while !piece.is_empty() && !received.ended {
                let found = reader.take(piece);
                rules.check(&piece[found.content.clone()]);
                received.content.extend_from_slice(&piece[found.content.clone()]);
                match found.found {
                    Found::More => {}
                    Found::BareCr => rules.damage(Refusal::BareLineEnding),
                    Found::End => received.ended = true,
                }
                piece = &piece[found.consumed..];
            }
            received.rest.extend_from_slice(piece);
        }
        received.damage = rules.damaged();
        received
    }

    /// Runs the input cut into pieces of every size; all must agree.
    fn receive_cut_anywhere(input: &[u8]) -> Received {
        let whole = receive(input, input.len());
        for cut in 1..input.len() {
            let mut part = receive(input, cut);
            if whole.damage.is_some() {
                part.content.clone_from(&whole.content);
            }
            assert_eq!(part, whole, "cut every {cut} octets");
        }
        whole
    }

    const PIECES: [&str; 6] = ["\r", "\n", ".", "\r\n", "x", "\r\n.\r\n"];

    /// Every sequence of four pieces between two lines, then a true end.
    #[test]
    fn nothing_but_cr_lf_dot_cr_lf_ends_data_in_any_combination() {
        for n in 0..PIECES.len().pow(4) {
            let middle: String = (0..4).map(|i| PIECES[n / PIECES.len().pow(i) % PIECES.len()]).collect();
            let input = format!("a{middle}MAIL FROM:<evil@x.fr>\r\n.\r\n");
            let received = receive(input.as_bytes(), input.len());
            let end = input.find("\r\n.\r\n").unwrap() + 5;
            assert!(received.ended, "{input:?}");
            assert_eq!(received.rest, input.as_bytes()[end..], "{input:?}");
            let body = input[..end - 3].replace("\r\n", "");
            let bare = body.contains(['\r', '\n']) || input[..end].contains("\r\n.\r\r");
            assert_eq!(received.damage.is_some(), bare, "{input:?}");
        }
    }

    #[test]
    fn the_known_smuggling_sequences_neither_end_data_nor_pass() {
        for sequence in [
            "\n.\n",
            "\n.\r\n",
            "\r\n.\n",
            "\r.\r",
            "\r.\r\n",
            "\r\n.\r",
            "\n.\r",
            "\r.\n",
            "\r\n\r.\r\n",
            "\r\n.\r\r\n",
            "\r\r\n.\r\r\n",
            "\n\n.\r\n",
        ] {
            let input = format!("Subject: a\r\n\r\nb{sequence}MAIL FROM:<evil@x.fr>\r\n.\r\nNOOP\r\n");
            let received = receive_cut_anywhere(input.as_bytes());
            assert_eq!(received.damage, Some(Refusal::BareLineEnding), "{sequence:?}");
            assert_eq!(received.rest, b"NOOP\r\n", "{sequence:?}");
        }
    }

    #[test]
    fn a_nul_is_refused_also_beside_a_dot() {
        for text in ["a\0b", ".\0", "\0"] {
            let received = receive_cut_anywhere(format!("Subject: a\r\n\r\n{text}\r\n.\r\nNOOP\r\n").as_bytes());
            assert_eq!((received.damage, &received.rest[..]), (Some(Refusal::NulOctet), &b"NOOP\r\n"[..]), "{text:?}");
        }
    }

    #[test]
    fn a_message_may_be_empty_and_dots_are_unstuffed() {
        assert_eq!(receive_cut_anywhere(b".\r\nQUIT\r\n").content, b"");
        let received = receive_cut_anywhere(b"..\r\n...\r\n.a\r\nb.\r\n.\r\n");
        assert_eq!(received.content, b".\r\n..\r\na\r\nb.\r\n");
        assert_eq!((received.damage, received.ended), (None, true));
    }

    #[test]
    fn a_line_has_at_most_998_octets_not_counting_the_stuffed_dot() {
        for (length, refused) in [(997, None), (998, None), (999, Some(Refusal::LineTooLong))] {
            let line = ".".repeat(length);
            assert_eq!(receive_cut_anywhere(format!("a\r\n.{line}\r\n.\r\n").as_bytes()).damage, refused);
        }
    }

    #[test]
    fn octets_above_127_need_an_announcement_and_in_the_header_another_one() {
        let header = "Subject: é\r\n\r\n".as_bytes();
        let body = "Subject: e\r\n\r\né\r\n".as_bytes();
        for (eight_bit, utf8, header_passes, body_passes) in [
            (false, false, false, false),
            (true, false, false, true),
            (true, true, true, true),
            (false, true, true, true),
        ] {
            for (content, passes) in [(header, header_passes), (body, body_passes)] {
                let mut rules = LineRules::new(Announced { eight_bit, utf8 }, 100);
                rules.check(content);
                assert_eq!(rules.damaged().is_none(), passes);
            }
        }
    }

    #[test]
    fn a_message_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
        let announced = Announced { eight_bit: false, utf8: false };
        let mut rules = LineRules::new(announced, 4);
        rules.check(b"ab\r\n");
        assert_eq!(rules.damaged(), None);
        rules.check(b"c");
        assert_eq!(rules.damaged(), Some(Refusal::MessageTooLarge));
    }

    fn stuff(content: &str) -> String {
        let stuffed: String = content
            .split_inclusive("\r\n")
            .map(|l| if l.starts_with('.') { format!(".{l}") } else { l.to_owned() })
            .collect();
        format!("{stuffed}.\r\n")
    }

    proptest! {
        #[test]
        fn what_a_client_stuffs_comes_out_as_it_was(lines in proptest::collection::vec("[.a ]{0,5}", 0..8), cut in 1_usize..30) {
            let content: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
            let received = receive(stuff(&content).as_bytes(), cut);
            prop_assert_eq!(received.content, content.as_bytes());
            prop_assert!(received.ended && received.damage.is_none());
        }

        #[test]
        fn the_end_and_the_verdict_do_not_depend_on_cuts(input in "[\r\n.a\u{0}é]{0,24}", cut in 1_usize..24) {
            let input = format!("{input}\r\n.\r\n");
            let (whole, part) = (receive(input.as_bytes(), input.len()), receive(input.as_bytes(), cut));
            prop_assert_eq!(whole.damage, part.damage);
            prop_assert_eq!(whole.rest, part.rest);
        }
    }
}
