//! The content as it goes over the wire: dots doubled at line starts, ended by a dot. `[RFC5321 4.5.2]`

use memchr::memchr;

/// Doubles leading dots, whatever the cuts. A bare CR or LF that might still be in the content
/// becomes a line end, so that no receiver can see an end of content inside it. `[RFC5321 2.3.8]`
#[derive(Debug)]
pub(super) struct DotStuffer {
    last: Before,
    eight_bit: EightBit,
}

/// What came before the next octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    LineEnd,
    CarriageReturn,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EightBit {
    Seen,
    NotSeen,
}

impl Default for DotStuffer {
    fn default() -> Self {
        Self { last: Before::LineEnd, eight_bit: EightBit::NotSeen }
    }
}

impl DotStuffer {
    /// Appends the wire form of `bytes` to `wire`.
    pub(super) fn push(&mut self, mut bytes: &[u8], wire: &mut Vec<u8>) {
        if self.eight_bit == EightBit::NotSeen && !bytes.is_ascii() {
            self.eight_bit = EightBit::Seen;
        }
        wire.reserve(bytes.len() + bytes.len() / 64 + 8);
        while let Some((&first, rest)) = bytes.split_first() {
            match (self.last, first) {
                (Before::CarriageReturn, b'\n') => {
                    wire.push(b'\n');
                    self.last = Before::LineEnd;
                    bytes = rest;
                }
                (Before::CarriageReturn, _) => {
                    wire.push(b'\n');
                    self.last = Before::LineEnd;
                }
                (_, b'\n') => {
                    wire.extend_from_slice(b"\r\n");
                    self.last = Before::LineEnd;
                    bytes = rest;
                }
                (_, b'\r') => {
                    wire.push(b'\r');
                    self.last = Before::CarriageReturn;
                    bytes = rest;
                }
                (before, _) => {
                    if before == Before::LineEnd && first == b'.' {
                        wire.push(b'.');
                    }
                    bytes = self.copy_within_line(bytes, wire);
                }
            }
        }
    }

    /// Copies up to the next CR or LF and returns what follows.
    fn copy_within_line<'a>(&mut self, bytes: &'a [u8], wire: &mut Vec<u8>) -> &'a [u8] {
        let line = &bytes[..memchr(b'\n', bytes).unwrap_or(bytes.len())];
        let (text, _) = line.split_at(memchr(b'\r', line).unwrap_or(line.len()));
        wire.extend_from_slice(text);
        self.last = Before::Other;
        &bytes[text.len()..]
    }

    /// Whether an octet above 127 was among those pushed.
    pub(super) fn saw_eight_bit(&self) -> bool {
        self.eight_bit == EightBit::Seen
    }

    /// Appends the end of the content.
    pub(super) fn finish(self, wire: &mut Vec<u8>) {
        wire.extend_from_slice(match self.last {
            Before::LineEnd => b".\r\n",
            Before::CarriageReturn => b"\n.\r\n",
            Before::Other => b"\r\n.\r\n",
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stuff(pieces: &[&[u8]]) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut stuffer = DotStuffer::default();
        for piece in pieces {
            stuffer.push(piece, &mut wire);
        }
        stuffer.finish(&mut wire);
        wire
    }

    #[test]
    fn dots_at_line_starts_are_doubled() {
        assert_eq!(stuff(&[b".a\r\nb.\r\n..\r\n"]), b"..a\r\nb.\r\n...\r\n.\r\n");
        assert_eq!(stuff(&[b""]), b".\r\n");
        assert_eq!(stuff(&[b"a"]), b"a\r\n.\r\n");
    }

    #[test]
    fn stray_line_ends_never_reach_the_peer() {
        assert_eq!(stuff(&[b"a\n.\nb\r.\rc"]), b"a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(bytes in "[.a\r\n]{0,30}", cut in 0usize..30) {
            let bytes = bytes.as_bytes();
            let (one, two) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(stuff(&[one, two]), stuff(&[bytes]));
        }

        #[test]
        fn the_end_of_content_stands_only_at_the_end(bytes in "[.a\r\n]{0,30}") {
            let wire = stuff(&[bytes.as_bytes()]);
            let ends: Vec<_> = memchr::memmem::find_iter(&[b"\r\n", &wire[..]].concat(), b"\r\n.\r\n").collect();
            prop_assert_eq!(ends, vec![wire.len() - 3]);
            prop_assert!(!wire.windows(2).any(|w| w[1] == b'\n' && w[0] != b'\r'));
        }

        #[test]
        fn clean_content_comes_back_when_the_dots_are_taken_off(lines in proptest::collection::vec("[.a]{0,4}", 0..8)) {
            let content = lines.join("\r\n") + "\r\n";
            let wire = String::from_utf8(stuff(&[content.as_bytes()])).unwrap();
            let body = wire.strip_suffix(".\r\n").unwrap();
            let back: String = body.split_inclusive("\r\n").map(|l| l.strip_prefix('.').unwrap_or(l)).collect();
            prop_assert_eq!(back, content);
        }
    }
}
