//! LIST with its extensions, which imap-codec does not read. `[RFC5258 6]`, `[RFC5819 4]`, `[RFC6154 2]`

use super::lexer::Lexer;

/// Patterns in one command.
const MOST_PATTERNS: usize = 100;

/// A LIST command.
#[allow(clippy::struct_excessive_bools, reason = "each is an option of the command, free of the others")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// Reference name, as on the wire.
    pub(crate) reference: Vec<u8>,
    /// Patterns, as on the wire.
    pub(crate) patterns: Vec<Vec<u8>>,
    /// Whether it uses the extended syntax.
    pub(crate) extended: bool,
    /// Only subscribed names. `[RFC5258 3.1]`
    pub(crate) select_subscribed: bool,
    /// Only folders with a special use. `[RFC6154 2]`
    pub(crate) select_special_use: bool,
    /// Also names whose children are selected. `[RFC5258 3.1]`
    pub(crate) recursive_match: bool,
    /// Say what is subscribed. `[RFC5258 3.2]`
    pub(crate) return_subscribed: bool,
    /// Answer STATUS for each name. `[RFC5819 2]`
    pub(crate) return_status: Vec<StatusItem>,
}

/// What STATUS can be asked for. `[RFC3501 6.3.10]`, `[RFC8438]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusItem {
    Messages,
    Recent,
    Size,
    UidNext,
    UidValidity,
    Unseen,
}

impl StatusItem {
    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Messages => "MESSAGES",
            Self::Recent => "RECENT",
            Self::Size => "SIZE",
            Self::UidNext => "UIDNEXT",
            Self::UidValidity => "UIDVALIDITY",
            Self::Unseen => "UNSEEN",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Messages, Self::Recent, Self::Size, Self::UidNext, Self::UidValidity, Self::Unseen]
            .into_iter()
            .find(|item| item.name() == name)
    }
}

/// Reads a whole command line.
pub(super) fn decode(lexer: &mut Lexer<'_>) -> Option<(String, List)> {
    let tag = lexer.tag()?;
    lexer.exactly(b" ")?;
    lexer.atom().filter(|verb| verb == "LIST")?;
    lexer.exactly(b" ")?;
    let mut list = List::default();
    if lexer.exactly(b"(").is_some() {
        select_options(lexer, &mut list)?;
        lexer.exactly(b" ")?;
    }
    list.reference = lexer.astring()?;
    lexer.exactly(b" ")?;
    patterns(lexer, &mut list)?;
    if lexer.exactly(b" ").is_some() {
        lexer.atom().filter(|word| word == "RETURN")?;
        lexer.exactly(b" ")?;
        return_options(lexer, &mut list)?;
    }
    lexer.exactly(b"\r\n")?;
    let conditions = list.select_subscribed || list.select_special_use;
    (lexer.is_at_end() && (conditions || !list.recursive_match)).then_some((tag, list))
}

/// After the opening parenthesis.
fn select_options(lexer: &mut Lexer<'_>, list: &mut List) -> Option<()> {
    list.extended = true;
    loop {
        if lexer.exactly(b")").is_some() {
            return Some(());
        }
        match lexer.atom()?.as_str() {
            "SUBSCRIBED" => {
                list.select_subscribed = true;
                list.return_subscribed = true;
            }
            "SPECIAL-USE" => list.select_special_use = true,
            "RECURSIVEMATCH" => list.recursive_match = true,
            // there are no remote folders
            "REMOTE" => {}
            _ => return None,
        }
        let _ = lexer.exactly(b" ");
    }
}

fn patterns(lexer: &mut Lexer<'_>, list: &mut List) -> Option<()> {
    if let Some(pattern) = lexer.list_mailbox() {
        list.patterns.push(pattern);
        return Some(());
    }
    list.extended = true;
    list.patterns = lexer.list(Lexer::list_mailbox)?;
    (!list.patterns.is_empty() && list.patterns.len() <= MOST_PATTERNS).then_some(())
}

fn return_options(lexer: &mut Lexer<'_>, list: &mut List) -> Option<()> {
    list.extended = true;
    let mut status = Vec::new();
    let options = lexer.list(|lexer| {
        let option = lexer.atom()?;
        if option == "STATUS" {
            lexer.exactly(b" ")?;
            status = lexer.list(|lexer| StatusItem::parse(&lexer.atom()?))?;
        }
        Some(option)
    })?;
    list.return_status = status;
    for option in options {
        match option.as_str() {
            "SUBSCRIBED" => list.return_subscribed = true,
            // these are told in any case
            "CHILDREN" | "SPECIAL-USE" | "STATUS" => {}
            _ => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Option<List> {
        decode(&mut Lexer::new(format!("a LIST {text}\r\n").as_bytes())).map(|(_, list)| list)
    }

    #[test]
    fn plain_list_is_not_extended() {
        let plain = List { reference: b"".to_vec(), patterns: vec![b"%".to_vec()], ..List::default() };
        assert_eq!(list("\"\" %"), Some(plain.clone()));
        assert_eq!(list("{0+}\r\n {1}\r\n%"), Some(plain));
    }

    #[test]
    fn all_options_together() {
        let all = list(
            "(SUBSCRIBED RECURSIVEMATCH) \"\" (\"INBOX\" Drafts/%) RETURN (CHILDREN special-use STATUS (MESSAGES SIZE))",
        );
        let expected = List {
            patterns: vec![b"INBOX".to_vec(), b"Drafts/%".to_vec()],
            extended: true,
            select_subscribed: true,
            recursive_match: true,
            return_subscribed: true,
            return_status: vec![StatusItem::Messages, StatusItem::Size],
            ..List::default()
        };
        assert_eq!(all, Some(expected));
    }

    #[test]
    fn what_is_not_the_grammar_is_refused() {
        for text in [
            "",
            "\"\"",
            "\"\" % x",
            "(SUBSCRIBED \"\" %",
            "(RECURSIVEMATCH) \"\" %",
            "(FOO) \"\" %",
            "\"\" () ",
            "\"\" % RETURN (STATUS)",
            "\"\" % RETURN (STATUS (FOO))",
            "\"\" % RETURN (FOO)",
        ] {
            assert_eq!(list(text), None, "{text}");
        }
    }

    #[test]
    fn empty_option_lists_are_extended_but_ask_nothing() {
        let empty = list("() \"\" * RETURN ()").unwrap();
        assert_eq!((empty.extended, empty.select_subscribed, empty.return_status.len()), (true, false, 0));
    }
}
