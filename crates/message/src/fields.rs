//! Header fields as they stand in the octets: cut at line ends that no blank follows.

use std::borrow::Cow;

/// One header field. `[RFC5322 2.2]`
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// What stands before the colon, without the blanks that obsolete syntax allows there.
    pub(crate) name: &'a [u8],
    /// What stands behind the colon, still folded, with its last line end.
    raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// Whether this is the field `name`; names compare without regard to case.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value unfolded, without blanks around it; what is not UTF-8 is replaced, NUL is
    /// left out (IMAP cannot carry it). `[RFC5322 2.2.3]`
    pub(crate) fn value(&self) -> Cow<'a, str> {
        let value = self.raw.trim_ascii();
        if memchr::memchr3(b'\r', b'\n', 0, value).is_none() {
            return String::from_utf8_lossy(value);
        }
        let unfolded: Vec<u8> = value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n' | 0)).collect();
        Cow::Owned(String::from_utf8_lossy(&unfolded).into_owned())
    }

    /// The octets behind the colon, still folded.
    pub(crate) fn raw(&self) -> &'a [u8] {
        self.raw
    }
}

/// What stands in a header block.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Item<'a> {
    /// A field.
    Field(Field<'a>),
    /// Lines that are neither a field nor the continuation of one.
    Stray,
}

/// Walks the items of a header block up to its empty line or its end.
#[derive(Debug, Clone)]
pub(crate) struct Items<'a> {
    rest: &'a [u8],
}

/// The items of `block`.
pub(crate) fn items(block: &[u8]) -> Items<'_> {
    Items { rest: block }
}

/// The fields of `block`, stray lines passed over.
pub(crate) fn fields(block: &[u8]) -> impl Iterator<Item = Field<'_>> {
    items(block).filter_map(|item| match item {
        Item::Field(field) => Some(field),
        Item::Stray => None,
    })
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.rest.is_empty() || self.rest.starts_with(b"\r\n") || self.rest.starts_with(b"\n") {
            return None;
        }
        let (lines, rest) = self.rest.split_at(folded_len(self.rest));
        self.rest = rest;
        Some(read_item(lines))
    }
}

/// Octets up to the first line end that no blank follows.
fn folded_len(block: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', block)
        .map(|end| end + 1)
        .find(|&next| !matches!(block.get(next), Some(b' ' | b'\t')))
        .unwrap_or(block.len())
}

fn read_item(lines: &[u8]) -> Item<'_> {
    let Some(colon) = memchr::memchr(b':', lines) else { return Item::Stray };
    let name = lines[..colon].trim_ascii_end();
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return Item::Stray;
    }
    Item::Field(Field { name, raw: &lines[colon + 1..] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(block: &str) -> Vec<(String, String)> {
        fields(block.as_bytes())
            .map(|f| (String::from_utf8_lossy(f.name).into_owned(), f.value().into_owned()))
            .collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn folded_values_are_unfolded_and_trimmed() {
        assert_eq!(listed("A: b\r\n c\r\n\td \r\nE:\r\n f\r\n"), [pair("A", "b c\td"), pair("E", "f")]);
    }

    #[test]
    fn the_empty_line_ends_the_block() {
        assert_eq!(listed("A: 1\r\n\r\nB: 2\r\n"), [pair("A", "1")]);
        assert_eq!(listed("\r\nB: 2\r\n"), []);
        assert_eq!(listed("A: 1\n\nB: 2"), [pair("A", "1")]);
    }

    #[test]
    fn a_blank_before_the_colon_does_not_hide_a_field() {
        assert_eq!(listed("From : a\r\n"), [pair("From", "a")]);
    }

    #[test]
    fn lines_without_a_name_are_stray() {
        let strays = |block: &str| items(block.as_bytes()).filter(|i| matches!(i, Item::Stray)).count();
        assert_eq!(strays("A: 1\r\nno field\r\nB: 2\r\n"), 1);
        assert_eq!(strays(" continuation of nothing: x\r\nB: 2\r\n"), 1);
        assert_eq!(strays("two words: x\r\n: y\r\n"), 2);
    }
}
