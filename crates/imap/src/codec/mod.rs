//! Commands as the session sees them: imap-codec's, and those that it cannot read.
//!
//! This is the only place that knows imap-codec. What it lacks is read here by hand
//! (extended LIST, [`list`]; the nesting of SEARCH, [`search`]) or bent into what it takes (quoted strings with octets above 127).

pub(crate) mod fields;
mod lexer;
pub(crate) mod list;
mod search;

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use imap_types::IntoStatic;
use imap_types::command::CommandBody;
use imap_types::datetime::DateTime;
use imap_types::extensions::binary::LiteralOrLiteral8;
use imap_types::flag::Flag;
use imap_types::mailbox::Mailbox;

use lexer::Lexer;
pub(crate) use list::{List, StatusItem};

/// A command with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// What the client calls it.
    pub(crate) tag: String,
    /// What it wants.
    pub(crate) body: Body,
}

/// What a client can want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// As imap-codec reads it.
    Base(Box<CommandBody<'static>>),
    /// LIST, plain or extended. `[RFC5258 3]`
    List(List),
}

impl Body {
    /// The command's name for metrics: one of a fixed set.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Base(body) => body.name(),
            Self::List(_) => "LIST",
        }
    }
}

/// APPEND without its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppendHead {
    /// The command's tag.
    pub(crate) tag: String,
    /// Into which folder.
    pub(crate) mailbox: Mailbox<'static>,
    /// With which flags.
    pub(crate) flags: Vec<Flag<'static>>,
    /// With which INTERNALDATE.
    pub(crate) date: Option<DateTime>,
}

/// Octets that are no command that we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undecodable {
    /// The tag, where one can be made out.
    pub(crate) tag: Option<String>,
    /// Whether the verb is one of ours, so that its arguments are at fault.
    pub(crate) known_verb: bool,
    /// Whether it is the first line of an HTTP request.
    pub(crate) http: bool,
}

/// Reads a whole command.
pub(crate) fn decode(bytes: &[u8]) -> Result<Command, Undecodable> {
    if verb_of(bytes).is_some_and(|verb| verb.eq_ignore_ascii_case(b"LIST")) {
        let mut lexer = Lexer::new(bytes);
        return list::decode(&mut lexer)
            .map(|(tag, list)| Command { tag, body: Body::List(list) })
            .ok_or_else(|| undecodable(bytes));
    }
    let bytes = &*without_eight_bit_quotes(bytes);
    let bytes = &*with_quoted_login(bytes);
    if search::is_search(bytes) {
        return search::decode(bytes).ok_or_else(|| undecodable(bytes));
    }
    match CommandCodec::default().decode(bytes) {
        Ok(([], command)) => {
            let tag = command.tag.inner().to_owned();
            Ok(Command { tag, body: Body::Base(Box::new(command.body.into_static())) })
        }
        _ => Err(undecodable(bytes)),
    }
}

/// Whether `head`, up to the head of a literal, is APPEND up to its message.
pub(crate) fn message_follows(head: &[u8]) -> bool {
    verb_of(head).is_some_and(|verb| verb.eq_ignore_ascii_case(b"APPEND")) && decode_append(head).is_some()
}

/// Reads APPEND up to its message.
pub(crate) fn decode_append(head: &[u8]) -> Option<AppendHead> {
    let whole = [head, b"{0+}\r\n\r\n"].concat();
    let command = decode(&whole).ok()?;
    let Body::Base(body) = command.body else { return None };
    match *body {
        CommandBody::Append { mailbox, flags, date, message: LiteralOrLiteral8::Literal(_) } => {
            Some(AppendHead { tag: command.tag, mailbox, flags, date })
        }
        _ => None,
    }
}

/// The tag that `bytes` begin with.
pub(crate) fn tag_of(bytes: &[u8]) -> Option<String> {
    let tag = Lexer::new(bytes).tag()?;
    (tag.len() <= 64).then_some(tag)
}

const VERBS: &str = " CAPABILITY NOOP LOGOUT STARTTLS AUTHENTICATE LOGIN SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE \
                     UNSUBSCRIBE LIST LSUB STATUS APPEND CHECK CLOSE UNSELECT EXPUNGE SEARCH FETCH STORE COPY MOVE UID \
                     IDLE ENABLE ID NAMESPACE ";

fn undecodable(bytes: &[u8]) -> Undecodable {
    let verb = verb_of(bytes).and_then(|verb| std::str::from_utf8(verb).ok()).unwrap_or_default();
    let known_verb = !verb.is_empty() && VERBS.contains(&format!(" {} ", verb.to_ascii_uppercase()));
    let http = [&b"GET "[..], b"POST ", b"HEAD ", b"PUT ", b"OPTIONS "].iter().any(|verb| bytes.starts_with(verb));
    Undecodable { tag: tag_of(bytes), known_verb, http }
}

/// The second word.
fn verb_of(bytes: &[u8]) -> Option<&[u8]> {
    bytes.split(|b| matches!(b, b' ' | b'\r')).nth(1)
}

/// Clients send passwords and names with accents in quoted strings, which hold seven bits only;
/// such a string is turned into the literal that it should have been. `[RFC3501 4.3]`
fn without_eight_bit_quotes(bytes: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if bytes.is_ascii() {
        return bytes.into();
    }
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut lexer = Lexer::new(bytes);
    while !lexer.is_at_end() {
        let start = lexer.position();
        match lexer.string() {
            Some(text) if bytes[start] == b'"' && !text.is_ascii() => {
                out.extend_from_slice(format!("{{{}+}}\r\n", text.len()).as_bytes());
                out.extend_from_slice(&text);
            }
            Some(_) => out.extend_from_slice(&bytes[start..lexer.position()]),
            None => {
                out.push(bytes[start]);
                lexer.skip_one();
            }
        }
    }
    out.into()
}

/// Python's imaplib and others send the login as it was typed; `*`, by which delegates name a BAL, may not stand in an
/// atom and is taken all the same. `[RFC3501 9]`
fn with_quoted_login(bytes: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let quoted = || {
        let mut words = bytes.splitn(4, |octet| *octet == b' ');
        let (tag, verb, login, rest) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let bare =
            login.contains(&b'*') && !login.iter().any(|octet| matches!(octet, b'"' | b'{' | b'\\' | b'\r' | b'\n'));
        let is_login = verb.eq_ignore_ascii_case(b"LOGIN") && bare;
        is_login.then(|| [tag, b" ", verb, b" \"", login, b"\" ", rest].concat())
    };
    quoted().map_or(bytes.into(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use imap_types::core::AString;
    use proptest::prelude::*;

    fn base(bytes: &[u8]) -> CommandBody<'static> {
        match decode(bytes).unwrap().body {
            Body::Base(body) => *body,
            Body::List(_) => panic!("LIST"),
        }
    }

    #[test]
    fn a_login_with_a_star_needs_no_quotes() {
        let CommandBody::Login { username, .. } = base(b"a login martin*team@b.fr \"p*w\"\r\n") else {
            panic!("LOGIN")
        };
        assert_eq!(username, AString::try_from("martin*team@b.fr").unwrap());
        assert_eq!(base(b"a LOGIN \"m*t@b.fr\" pw\r\n"), base(b"a LOGIN m*t@b.fr pw\r\n"));
        assert!(decode(b"a SELECT m*t\r\n").is_err());
    }

    #[test]
    fn commands_of_the_base_protocol_are_read() {
        assert_eq!(base(b"a NOOP\r\n"), CommandBody::Noop);
        assert_eq!(base(b"a uid fetch 1:* (FLAGS BODY.PEEK[1.MIME]<0.10>)\r\n").name(), "FETCH");
        assert_eq!(base(b"a ID NIL\r\n"), CommandBody::Id { parameters: None });
    }

    #[test]
    fn a_quoted_password_with_an_accent_is_taken() {
        let CommandBody::Login { password, .. } = base("a LOGIN bob \"p\u{e9}\\\"x\"\r\n".as_bytes()) else { panic!() };
        let password: &AString<'_> = password.declassify();
        assert_eq!(password.as_ref(), "p\u{e9}\"x".as_bytes());
    }

    #[test]
    fn append_is_known_before_its_message() {
        assert!(message_follows(b"a APPEND Sent (\\Seen) \"17-Jul-1996 02:44:25 -0700\" "));
        assert!(message_follows(b"a append {4+}\r\nSent "));
        assert!(!message_follows(b"a APPEND "));
        assert!(!message_follows(b"a LOGIN bob "));
    }

    #[test]
    fn what_cannot_be_read_says_whose_fault_it_is() {
        let wrong = |tag: &str, known_verb, http| Undecodable { tag: Some(tag.into()), known_verb, http };
        assert_eq!(decode(b"a FETCH\r\n"), Err(wrong("a", true, false)));
        assert_eq!(decode(b"a XYZZY\r\n"), Err(wrong("a", false, false)));
        assert_eq!(decode(b"GET / HTTP/1.1\r\n"), Err(wrong("GET", false, true)));
        assert_eq!(decode(b"\r\n"), Err(Undecodable { tag: None, known_verb: false, http: false }));
    }

    #[test]
    fn nested_search_keys_end_at_a_limit() {
        let nested = [b"a SEARCH ".to_vec(), b"NOT ".repeat(50_000), b"ALL\r\n".to_vec()].concat();
        assert!(decode(&nested).is_err());
        let nested = [b"a SEARCH ".to_vec(), b"(".repeat(50_000), b"ALL\r\n".to_vec()].concat();
        assert!(decode(&nested).is_err());
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let whole = [b"a ".to_vec(), bytes, b"\r\n".to_vec()].concat();
            if let Ok(command) = decode(&whole) {
                prop_assert_eq!(command.tag, "a");
            }
        }

        #[test]
        fn no_command_like_text_makes_it_panic(text in "(UID )?(FETCH|SEARCH|LIST|STORE|STATUS|APPEND|ID|ENABLE) [ -~]{0,60}") {
            if let Ok(command) = decode(format!("a {text}\r\n").as_bytes()) {
                prop_assert_eq!(command.tag, "a");
            }
        }
    }
}
