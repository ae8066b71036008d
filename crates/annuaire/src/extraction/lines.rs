//! Lines of a text that may be long, torn or endless.

use std::io::{BufRead, BufReader};

use super::ExtractionError;
use super::source::Bounded;

/// Most octets of a line, its end not counted; the longest real ones have some 600.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// By LF or CRLF.
    Newline,
    /// By the end of the file.
    File,
}

/// A line without its end.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: u64,
    /// At most [`MAX_LINE`] octets; none of a longer line.
    pub(super) octets: Option<&'a [u8]>,
    pub(super) ending: Ending,
}

impl Line<'_> {
    pub(super) fn is_blank(&self) -> bool {
        self.octets.is_some_and(<[u8]>::is_empty)
    }
}

/// Reads line by line into one buffer.
pub(super) struct Lines<'a> {
    text: BufReader<Bounded<'a>>,
    line: Vec<u8>,
    number: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: Bounded<'a>) -> Self {
        Self { text: BufReader::with_capacity(256 * 1024, text), line: Vec::new(), number: 0 }
    }

    /// The next line; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, ExtractionError> {
        self.number += 1;
        self.line.clear();
        let mut length = 0;
        let ending = loop {
            let number = self.number;
            let chunk = match self.text.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) => return Err(self.text.get_ref().explain(error, number)),
            };
            if chunk.is_empty() {
                break Ending::File;
            }
            let end = memchr::memchr(b'\n', chunk);
            let part = &chunk[..end.unwrap_or(chunk.len())];
            length += part.len();
            // One octet more than a line may have is room for its CR.
            if length <= MAX_LINE + 1 {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.text.consume(used);
            if end.is_some() {
                break Ending::Newline;
            }
        };
        if ending == Ending::File && length == 0 {
            return Ok(None);
        }
        Ok(Some(self.line(length, ending)))
    }

    fn line(&self, length: usize, ending: Ending) -> Line<'_> {
        let whole = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let fits = length <= MAX_LINE + 1 && whole.len() <= MAX_LINE;
        Line { number: self.number, octets: fits.then_some(whole), ending }
    }
}
