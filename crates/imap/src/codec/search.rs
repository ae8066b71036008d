//! SEARCH, whose keys imap-codec nests less deeply than clients do. How keys are combined is read
//! here, each key by itself by imap-codec. `[RFC3501 6.4.4]`

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use imap_types::IntoStatic;
use imap_types::command::CommandBody;
use imap_types::core::{Charset, Vec1};
use imap_types::search::SearchKey;

use super::lexer::Lexer;
use super::{Body, Command};

/// Keys in one command, those that combine others not counted.
const MOST_KEYS: usize = 100;
/// Keys that may lie in one another. An OR on the right of an OR does not count: clients make
/// such a row of any number of conditions.
const DEEPEST: usize = 50;

/// Whether the line is SEARCH or UID SEARCH.
pub(super) fn is_search(bytes: &[u8]) -> bool {
    head(&mut Lexer::new(bytes)).is_some()
}

/// Reads a whole command line.
pub(super) fn decode(bytes: &[u8]) -> Option<Command> {
    let mut lexer = Lexer::new(bytes);
    let (tag, uid) = head(&mut lexer)?;
    lexer.exactly(b" ")?;
    let named = lexer.word_is("CHARSET").is_some();
    let charset = if named { Some(charset(bytes, &mut lexer)?) } else { None };
    let mut keys = Keys { bytes, lexer, left: MOST_KEYS };
    let criteria = Vec1::try_from(keys.row(b"\r\n", 0)?).ok()?;
    let body = CommandBody::Search { charset, criteria, uid };
    keys.lexer.is_at_end().then(|| Command { tag, body: Body::Base(Box::new(body)) })
}

/// The tag, and whether it is about UIDs.
fn head(lexer: &mut Lexer<'_>) -> Option<(String, bool)> {
    let tag = lexer.tag()?;
    lexer.exactly(b" ")?;
    let mut verb = lexer.atom()?;
    let uid = verb == "UID";
    if uid {
        lexer.exactly(b" ")?;
        verb = lexer.atom()?;
    }
    (verb == "SEARCH").then_some((tag, uid))
}

/// After its word.
fn charset(bytes: &[u8], lexer: &mut Lexer<'_>) -> Option<Charset<'static>> {
    lexer.exactly(b" ")?;
    let start = lexer.position();
    lexer.astring()?;
    let (charset, _) = by_itself(&[b"CHARSET ", &bytes[start..lexer.position()], b" ALL"].concat())?;
    lexer.exactly(b" ")?;
    charset
}

struct Keys<'a> {
    bytes: &'a [u8],
    lexer: Lexer<'a>,
    /// Keys that may still come.
    left: usize,
}

impl Keys<'_> {
    /// Keys divided by spaces, up to `end`.
    fn row(&mut self, end: &[u8], depth: usize) -> Option<Vec<SearchKey<'static>>> {
        let mut keys = vec![self.key(depth)?];
        while self.lexer.exactly(end).is_none() {
            self.lexer.exactly(b" ")?;
            keys.push(self.key(depth)?);
        }
        Some(keys)
    }

    fn key(&mut self, depth: usize) -> Option<SearchKey<'static>> {
        if depth > DEEPEST {
            return None;
        }
        if self.lexer.exactly(b"(").is_some() {
            return Some(SearchKey::And(Vec1::try_from(self.row(b")", depth + 1)?).ok()?));
        }
        if self.lexer.word_is("NOT").is_some() {
            self.lexer.exactly(b" ")?;
            return Some(SearchKey::Not(Box::new(self.key(depth + 1)?)));
        }
        if self.lexer.word_is("OR").is_some() {
            return self.any(depth + 1);
        }
        self.left = self.left.checked_sub(1)?;
        let start = self.lexer.position();
        self.skip_key()?;
        by_itself(&self.bytes[start..self.lexer.position()]).map(|(_, key)| key)
    }

    /// After OR: two keys, of which the second may be an OR again.
    fn any(&mut self, depth: usize) -> Option<SearchKey<'static>> {
        let mut left = Vec::new();
        loop {
            self.lexer.exactly(b" ")?;
            left.push(self.key(depth)?);
            self.lexer.exactly(b" ")?;
            if self.lexer.word_is("OR").is_none() {
                break;
            }
        }
        let last = self.key(depth)?;
        Some(left.into_iter().rev().fold(last, |right, left| SearchKey::Or(Box::new(left), Box::new(right))))
    }

    /// Goes to the end of a key that combines no others.
    fn skip_key(&mut self) -> Option<()> {
        if self.lexer.set().is_some() {
            return Some(());
        }
        let arguments = match self.lexer.atom()?.as_str() {
            "UID" => {
                self.lexer.exactly(b" ")?;
                return self.lexer.set().map(drop);
            }
            "BCC" | "BEFORE" | "BODY" | "CC" | "FROM" | "KEYWORD" | "LARGER" | "MODSEQ" | "OLDER" | "ON"
            | "SENTBEFORE" | "SENTON" | "SENTSINCE" | "SINCE" | "SMALLER" | "SUBJECT" | "TEXT" | "TO" | "UNKEYWORD"
            | "YOUNGER" => 1,
            "HEADER" => 2,
            _ => 0,
        };
        for _ in 0..arguments {
            self.lexer.exactly(b" ")?;
            self.lexer.astring()?;
        }
        Some(())
    }
}

/// What SEARCH with this text alone is, which holds one key.
fn by_itself(text: &[u8]) -> Option<(Option<Charset<'static>>, SearchKey<'static>)> {
    let line = [b"a SEARCH ", text, b"\r\n"].concat();
    let Ok(([], command)) = CommandCodec::default().decode(&line) else { return None };
    let CommandBody::Search { charset, criteria, .. } = command.body else { return None };
    let [key] = criteria.as_ref() else { return None };
    Some((charset.into_static(), key.clone().into_static()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(keys: &str) -> Option<CommandBody<'static>> {
        let command = decode(format!("a SEARCH {keys}\r\n").as_bytes())?;
        let Body::Base(body) = command.body else { panic!("LIST") };
        Some(*body)
    }

    #[test]
    fn keys_are_read_as_the_codec_reads_them() {
        for keys in [
            "ALL",
            "CHARSET utf-8 SUBJECT {2+}\r\n\u{e9}",
            "1:3,7:* UID *",
            "(SEEN SINCE 1-Feb-1994) NOT FROM \"Smith (\\\"x\\\")\"",
            "OR OR SEEN DRAFT (ON \"3-Nov-2026\" LARGER 5) HEADER Message-ID \"\"",
            "or seen not deleted UNKEYWORD $Label1 OLDER 7 modseq 5",
        ] {
            let line = format!("a UID SEARCH {keys}\r\n");
            let (_, expected) = CommandCodec::default().decode(line.as_bytes()).unwrap();
            let command = decode(line.as_bytes()).unwrap();
            assert_eq!(command.body, Body::Base(Box::new(expected.body.into_static())), "{keys}");
        }
    }

    #[test]
    fn a_row_of_alternatives_may_be_as_long_as_the_keys_allow() {
        let row = |n: usize| format!("{}SUBJECT z", "OR SUBJECT \"a\" ".repeat(n - 1));
        let Some(CommandBody::Search { criteria, .. }) = search(&row(MOST_KEYS)) else { panic!("not read") };
        let mut alternatives = 1;
        let mut key = &criteria.as_ref()[0];
        while let SearchKey::Or(_, right) = key {
            (alternatives, key) = (alternatives + 1, right);
        }
        assert_eq!(alternatives, MOST_KEYS);
        assert!(search(&row(MOST_KEYS + 1)).is_none());
    }

    #[test]
    fn keys_in_keys_end_at_a_limit() {
        for (open, close) in [("NOT ", ""), ("(", ")"), ("OR ", " SEEN")] {
            let nested = |n: usize| search(&format!("{}ALL{}", open.repeat(n), close.repeat(n)));
            assert!(nested(DEEPEST).is_some(), "{open}");
            assert!(nested(DEEPEST + 1).is_none(), "{open}");
            assert!(nested(20_000).is_none(), "{open}");
        }
    }

    #[test]
    fn what_is_not_the_grammar_is_refused() {
        for keys in
            ["", "()", "(SEEN", "SEEN)", "OR SEEN", "NOT", "SEEN  DRAFT", "SUBJECT", "XYZZY", "CHARSET utf-8", "ON x"]
        {
            assert_eq!(search(keys), None, "{keys}");
        }
    }
}
