//! The streaming MIME scanner: octets in, [`Summary`] out, memory bounded by the headers.
//!
//! One pass, no recursion. Open parts lie on a stack; a boundary line of any of them closes
//! all that lie above. In a body only lines that begin with a hyphen are looked at, and only
//! while a boundary is waited for.

use std::mem;

use memchr::memmem::Finder;

use crate::mime::{self, Fallback, MAX_BOUNDARY};
use crate::{Content, Envelope, Part, Span, Summary, date, envelope};

/// Parts that may lie in one another; deeper ones are not looked into.
pub(crate) const MAX_DEPTH: usize = 32;
/// Parts in a message; the last one swallows what would have been more.
const MAX_PARTS: usize = 1_000;
/// Octets of the message's own header that are read for fields. The rules read the whole header
/// where a message is taken in; this is only what IMAP shows of it.
const MAX_TOP_HEADER: usize = 96 * 1024;
/// Octets of a part's header that are read for fields.
const MAX_PART_HEADER: usize = 64 * 1024;
/// Octets of all headers together that are read for fields: bounds the summary's size, and IMAP
/// holds the summaries of many messages at once.
const MAX_HEADERS: usize = 128 * 1024;
/// Addresses in all envelopes together.
const MAX_ADDRESSES: usize = 4_000;
/// A boundary line: hyphens, boundary, hyphens, padding, line end.
const MAX_BOUNDARY_LINE: usize = MAX_BOUNDARY + 262;

/// Reads a message piece by piece.
#[derive(Debug)]
pub struct Scanner {
    position: Position,
    line: Line,
    /// Where the line began that is being read.
    line_start: u64,
    /// The line so far, while it may still be a boundary line.
    candidate: Vec<u8>,
    /// Finds the lines of a body that begin with a hyphen.
    hyphen_line: Finder<'static>,
    /// Whether the innermost part's header is being read.
    in_header: bool,
    header: KeptHeader,
    /// Parts that have begun and not ended, the message itself first.
    open: Vec<Open>,
    /// How many of them wait for a boundary line.
    waiting: usize,
    /// How many parts have begun.
    parts: usize,
    /// Addresses that may still be taken into envelopes.
    addresses: usize,
    envelope: Envelope,
    /// Whether the envelope holds all that the header says of its texts.
    says_all: bool,
    root: Part,
}

/// What the line is that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Its first octet has not come yet.
    Fresh,
    /// It may be a boundary line.
    Candidate,
    /// It is not one.
    Other,
}

/// How far the message has been read.
#[derive(Debug, Default)]
struct Position {
    /// Octets read.
    offset: u64,
    /// Line feeds read.
    lines: u64,
    /// Length of the last line end: 1 or 2, 0 before the first.
    line_end: u8,
    last: u8,
}

impl Position {
    fn advance(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        let before = match bytes {
            [.., before, b'\n'] => Some(*before),
            [b'\n'] => Some(self.last),
            _ => None,
        };
        if let Some(before) = before {
            self.line_end = if before == b'\r' { 2 } else { 1 };
        }
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    /// Where a body ends whose boundary line begins here: the line end before it belongs to
    /// the boundary. `[RFC2046 5.1.1]`
    fn before_boundary(&self) -> End {
        let line_end = u64::from(self.line_end);
        End { offset: self.offset - line_end, lines: self.lines - line_end.min(1) }
    }

    fn end(&self) -> End {
        End { offset: self.offset, lines: self.lines }
    }
}

/// Where a body ends, and how many line feeds stand before that in the message.
#[derive(Debug, Clone, Copy)]
struct End {
    offset: u64,
    lines: u64,
}

/// What is kept of the header that is being read.
#[derive(Debug)]
struct KeptHeader {
    octets: Vec<u8>,
    /// How many octets may still be kept of this header.
    room: usize,
    /// How many octets may still be kept of this and all later ones.
    budget: usize,
    cut: bool,
}

impl KeptHeader {
    fn begin(&mut self, cap: usize) {
        self.octets.clear();
        self.room = cap.min(self.budget);
        self.cut = false;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let fitting = bytes.len().min(self.room);
        self.octets.extend_from_slice(&bytes[..fitting]);
        self.room -= fitting;
        self.budget -= fitting;
        self.cut |= fitting < bytes.len();
    }

    /// The header as far as it was kept, without a field that was cut.
    fn whole_fields(&self) -> &[u8] {
        if !self.cut {
            return &self.octets;
        }
        let end = memchr::memrchr_iter(b'\n', &self.octets)
            .map(|line_end| line_end + 1)
            .find(|&next| matches!(self.octets.get(next), Some(octet) if !matches!(octet, b' ' | b'\t')));
        &self.octets[..end.unwrap_or(0)]
    }
}

/// A part that has not ended.
#[derive(Debug)]
struct Open {
    part: Part,
    /// Line feeds in the message before the body.
    lines_before: u64,
    inside: Inside,
}

/// What has been found in an open part so far.
#[derive(Debug)]
enum Inside {
    Leaf,
    Multipart {
        boundary: Vec<u8>,
        /// Whether the boundary is still waited for: not after the closing one.
        waits: bool,
        parts: Vec<Part>,
    },
    Message {
        envelope: Box<Envelope>,
        root: Option<Box<Part>>,
    },
}

impl Open {
    fn at(offset: u64) -> Self {
        let part = Part { header: Span { start: offset, len: 0 }, ..Part::default() };
        Self { part, lines_before: 0, inside: Inside::Leaf }
    }

    /// The boundary, if it is still waited for.
    fn awaited(&self) -> Option<&[u8]> {
        match &self.inside {
            Inside::Multipart { boundary, waits: true, .. } => Some(boundary),
            _ => None,
        }
    }

    fn close(self, end: End) -> Part {
        let mut part = self.part;
        part.body.len = end.offset.saturating_sub(part.body.start);
        part.lines = end.lines.saturating_sub(self.lines_before);
        part.content = match self.inside {
            Inside::Leaf => Content::Leaf,
            Inside::Multipart { parts, .. } if parts.is_empty() => {
                Content::Multipart(vec![empty_text(part.body.end())])
            }
            Inside::Multipart { parts, .. } => Content::Multipart(parts),
            Inside::Message { envelope, root } => Content::Message { envelope, root: root.unwrap_or_default() },
        };
        part
    }
}

/// Stands in a multipart without parts: IMAP cannot express one.
fn empty_text(offset: u64) -> Part {
    let nowhere = Span { start: offset, len: 0 };
    Part { header: nowhere, body: nowhere, ..mime::describe(&[], Fallback::Text) }
}

impl Default for Scanner {
    fn default() -> Self {
        let mut header = KeptHeader { octets: Vec::new(), room: 0, budget: MAX_HEADERS, cut: false };
        header.begin(MAX_TOP_HEADER);
        Self {
            position: Position::default(),
            line: Line::Fresh,
            line_start: 0,
            candidate: Vec::new(),
            hyphen_line: Finder::new(b"\n-"),
            in_header: true,
            header,
            open: vec![Open::at(0)],
            waiting: 0,
            parts: 1,
            addresses: MAX_ADDRESSES,
            envelope: Envelope::default(),
            says_all: false,
            root: Part::default(),
        }
    }
}

impl Scanner {
    /// A scanner at the first octet of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next octets, cut anywhere.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(&first) = bytes.first() {
            let taken = match self.line {
                Line::Fresh => {
                    self.line = if self.waiting > 0 && first == b'-' { Line::Candidate } else { Line::Other };
                    0
                }
                Line::Candidate => self.take_candidate(bytes),
                Line::Other if self.in_header => self.take_header(bytes),
                Line::Other => self.take_body(bytes),
            };
            bytes = &bytes[taken..];
        }
    }

    /// The message has ended.
    pub fn finish(mut self) -> Summary {
        if !self.candidate.is_empty() {
            self.end_candidate();
        }
        self.end_headers();
        let end = self.position.end();
        self.close_above(0, end);
        let sent_at = self.envelope.date.as_deref().and_then(date::read);
        Summary { size: end.offset, root: self.root, envelope: self.envelope, sent_at, says_all: self.says_all }
    }

    /// Header octets up to the end of the line.
    fn take_header(&mut self, bytes: &[u8]) -> usize {
        let len = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
        let bytes = &bytes[..len];
        self.header.keep(bytes);
        self.position.advance(bytes);
        if bytes.ends_with(b"\n") {
            let line_len = self.position.offset - self.line_start;
            self.begin_line();
            if line_len == u64::from(self.position.line_end) {
                self.end_header();
            }
        }
        len
    }

    /// Body octets up to the next line that may be a boundary line.
    fn take_body(&mut self, bytes: &[u8]) -> usize {
        if self.waiting == 0 {
            self.position.advance(bytes);
            return bytes.len();
        }
        let hyphen_line = self.hyphen_line.find(bytes).map(|end| end + 1);
        let len = hyphen_line.unwrap_or(bytes.len());
        self.position.advance(&bytes[..len]);
        if bytes[..len].ends_with(b"\n") {
            self.begin_line();
        }
        len
    }

    fn begin_line(&mut self) {
        self.line = Line::Fresh;
        self.line_start = self.position.offset;
    }

    /// Octets of a line that may be a boundary line, up to its end or until it cannot be one.
    fn take_candidate(&mut self, bytes: &[u8]) -> usize {
        let room = MAX_BOUNDARY_LINE - self.candidate.len();
        let bytes = &bytes[..bytes.len().min(room)];
        let len = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
        self.candidate.extend_from_slice(&bytes[..len]);
        let hopeless = self.candidate.len() == MAX_BOUNDARY_LINE || self.candidate.get(1).is_some_and(|&b| b != b'-');
        if hopeless || self.candidate.ends_with(b"\n") {
            self.end_candidate();
        }
        len
    }

    /// Decides what the line is whose octets were held back.
    fn end_candidate(&mut self) {
        let line = mem::take(&mut self.candidate);
        match self.boundary_of(&line) {
            Some((owner, true)) => self.close_multipart(owner, &line),
            Some((owner, false)) if self.parts < MAX_PARTS => self.next_part(owner, &line),
            Some(_) => {
                self.stop_waiting();
                self.settle(&line);
            }
            None => self.settle(&line),
        }
        if line.ends_with(b"\n") {
            self.begin_line();
        } else {
            self.line = Line::Other;
        }
        self.candidate = line;
        self.candidate.clear();
    }

    /// The line is an ordinary one.
    fn settle(&mut self, line: &[u8]) {
        if self.in_header {
            self.header.keep(line);
        }
        self.position.advance(line);
    }

    /// Whose boundary line this is, and whether it is the closing one. The innermost part
    /// comes first; the whole line has to match, so that one boundary may begin like another.
    fn boundary_of(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        self.open.iter().enumerate().rev().find_map(|(owner, open)| match text.strip_prefix(open.awaited()?)? {
            b"" => Some((owner, false)),
            b"--" => Some((owner, true)),
            _ => None,
        })
    }

    fn close_multipart(&mut self, owner: usize, line: &[u8]) {
        self.end_parts_inside(owner);
        self.position.advance(line);
        if let Inside::Multipart { waits, .. } = &mut self.open[owner].inside {
            *waits = false;
            self.waiting -= 1;
        }
    }

    fn next_part(&mut self, owner: usize, line: &[u8]) {
        self.end_parts_inside(owner);
        self.position.advance(line);
        self.begin_part(MAX_PART_HEADER);
    }

    fn end_parts_inside(&mut self, owner: usize) {
        self.end_headers();
        let end = self.position.before_boundary();
        self.close_above(owner + 1, end);
    }

    /// Too many parts: the open ones take the rest as it comes.
    fn stop_waiting(&mut self) {
        for open in &mut self.open {
            if let Inside::Multipart { waits, .. } = &mut open.inside {
                *waits = false;
            }
        }
        self.waiting = 0;
    }

    fn begin_part(&mut self, header_cap: usize) {
        self.parts += 1;
        self.open.push(Open::at(self.position.offset));
        self.header.begin(header_cap);
        self.in_header = true;
    }

    /// Ends a header that has no empty line, and those that begin where it ends.
    fn end_headers(&mut self) {
        while self.in_header {
            self.end_header();
        }
    }

    /// The innermost part's header is complete: what follows is what it announces.
    fn end_header(&mut self) {
        self.in_header = false;
        let Some(mut open) = self.open.pop() else { return };
        let header = self.header.whole_fields();
        let start = open.part.header.start;
        open.part = mime::describe(header, self.fallback());
        open.part.header = Span { start, len: self.position.offset - start };
        open.part.body.start = self.position.offset;
        open.lines_before = self.position.lines;
        self.take_envelope();
        open.inside = self.inside_of(&mut open.part);
        self.waiting += usize::from(open.awaited().is_some());
        let holds_message = matches!(open.inside, Inside::Message { .. });
        self.open.push(open);
        if holds_message {
            self.begin_part(MAX_PART_HEADER);
        }
    }

    /// What a part is whose header does not say so; the part itself is off the stack.
    fn fallback(&self) -> Fallback {
        match self.open.last() {
            Some(Open { part, inside: Inside::Multipart { .. }, .. }) if part.subtype == "digest" => Fallback::Message,
            _ => Fallback::Text,
        }
    }

    /// Takes the envelope out of the header of a message; the message is off the stack.
    fn take_envelope(&mut self) {
        let header = self.header.whole_fields();
        match self.open.last_mut() {
            None => {
                let once;
                (self.envelope, once) = envelope::read(header, &mut self.addresses);
                self.says_all = once && !self.header.cut;
            }
            Some(Open { inside: Inside::Message { envelope, .. }, .. }) => {
                (**envelope, _) = envelope::read(header, &mut self.addresses);
            }
            Some(_) => {}
        }
    }

    /// What to look for in a part. One that lies too deep becomes opaque, in its type too,
    /// so that a multipart always has parts and a message/rfc822 always has a message.
    fn inside_of(&self, part: &mut Part) -> Inside {
        if part.media_type != "multipart" && !part.is_message() {
            return Inside::Leaf;
        }
        if self.open.len() + 1 >= MAX_DEPTH || self.parts >= MAX_PARTS {
            part.make_opaque();
            return Inside::Leaf;
        }
        if part.is_message() {
            return Inside::Message { envelope: Box::default(), root: None };
        }
        let boundary = mime::boundary(part);
        Inside::Multipart { waits: boundary.is_some(), boundary: boundary.unwrap_or_default(), parts: Vec::new() }
    }

    /// Closes the innermost parts until `remaining` are open.
    fn close_above(&mut self, remaining: usize, end: End) {
        while self.open.len() > remaining {
            let Some(open) = self.open.pop() else { return };
            self.waiting -= usize::from(open.awaited().is_some());
            let part = open.close(end);
            match self.open.last_mut().map(|parent| &mut parent.inside) {
                Some(Inside::Multipart { parts, .. }) => parts.push(part),
                Some(Inside::Message { root, .. }) => *root = Some(Box::new(part)),
                Some(Inside::Leaf) | None => self.root = part,
            }
        }
    }
}

#[cfg(test)]
mod tests;
