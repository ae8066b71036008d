//! The framer of command lines: CR LF ends a line and nothing else does. `[RFC5321 2.3.8]`

use bytes::{Buf, BytesMut};
use memchr::memchr;

/// Longest line that is kept: an AUTH exchange's, with its line end. `[RFC4954 4]`
const KEPT: usize = 12_288;

/// What stands before a line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line without its CR LF.
    Whole(BytesMut),
    /// It held a bare CR or LF, or shares its bytes with a line that did.
    BareLineEnding,
    /// It was longer than any command may be; its octets are gone.
    TooLong,
}

/// Cuts input into lines. The result does not depend on how the input was cut into reads.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// Octets at the front of the input that hold no LF.
    searched: usize,
    /// The line began after a bare LF: what a sloppy sender glued to a command is never a
    /// command of its own.
    tainted: bool,
    /// The front of the line was thrown away.
    overflowed: bool,
}

impl Framer {
    /// The next line, if its end has arrived. Every LF gets its answer, so that a client that
    /// ends lines with LF alone is told so instead of waiting for ever.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Option<Line> {
        let Some(offset) = memchr(b'\n', &input[self.searched..]) else {
            self.searched = input.len();
            self.shed(input);
            return None;
        };
        let mut line = input.split_to(self.searched + offset + 1);
        self.searched = 0;
        let overflowed = std::mem::take(&mut self.overflowed);
        let ended_well = line.ends_with(b"\r\n");
        let tainted = std::mem::replace(&mut self.tainted, !ended_well);
        if overflowed || line.len() > KEPT {
            return Some(Line::TooLong);
        }
        line.truncate(line.len().saturating_sub(2));
        if tainted || !ended_well || memchr(b'\r', &line).is_some() {
            return Some(Line::BareLineEnding);
        }
        Some(Line::Whole(line))
    }

    /// Throws the front of an over-long line away; its last octet stays, it may be the CR.
    fn shed(&mut self, input: &mut BytesMut) {
        if input.len() > KEPT {
            self.overflowed = true;
            input.advance(input.len() - 1);
            self.searched = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Line> {
        let (mut framer, mut input, mut lines) = (Framer::default(), BytesMut::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            lines.extend(std::iter::from_fn(|| framer.next(&mut input)));
        }
        lines
    }

    fn whole(text: &str) -> Line {
        Line::Whole(BytesMut::from(text))
    }

    #[test]
    fn a_line_ends_with_cr_lf() {
        assert_eq!(lines([b"NOOP\r\nQUIT\r\nRS".as_slice()]), [whole("NOOP"), whole("QUIT")]);
        assert_eq!(lines([b"\r\n".as_slice()]), [whole("")]);
    }

    #[test]
    fn what_follows_a_bare_lf_is_refused_up_to_the_next_line_end() {
        let bare = || Line::BareLineEnding;
        assert_eq!(
            lines([b"MAIL FROM:<a@b.fr>\nRCPT TO:<c@d.fr>\r\nNOOP\r\n".as_slice()]),
            [bare(), bare(), whole("NOOP")]
        );
        assert_eq!(lines([b"NO\rOP\r\nNOOP\r\n".as_slice()]), [bare(), whole("NOOP")]);
        assert_eq!(lines([b"NOOP\r\r\nNOOP\r\n".as_slice()]), [bare(), whole("NOOP")]);
        assert_eq!(lines([b"\n".as_slice()]), [bare()]);
    }

    #[test]
    fn an_over_long_line_is_dropped_and_the_next_one_is_read() {
        let long = vec![b'x'; 40_000];
        let mut pieces: Vec<&[u8]> = long.chunks(1000).collect();
        pieces.push(b"\r\nNOOP\r\n");
        assert_eq!(lines(pieces), [Line::TooLong, whole("NOOP")]);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_input_is_cut(
            text in "(NOOP|a b|\r|\n|\r\n|x{6200}){0,12}",
            size in 1_usize..40,
        ) {
            let at_once = lines([text.as_bytes()]);
            prop_assert_eq!(lines(text.as_bytes().chunks(size)), at_once);
        }
    }
}
