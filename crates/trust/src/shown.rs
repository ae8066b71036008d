//! Texts of strangers in what we say to people.

/// Characters of a stranger's text that an error message bears.
const MOST: usize = 200;

/// The beginning of a text, without anything that a terminal would obey or that would make it look like another.
pub(crate) fn shown(text: &str) -> String {
    let beginning: String = text.chars().take(MOST).map(escaped).collect();
    if text.chars().nth(MOST).is_some() { beginning + "…" } else { beginning }
}

fn escaped(c: char) -> String {
    if c.is_control() || is_invisible(c) { c.escape_unicode().to_string() } else { c.to_string() }
}

/// Ends of lines, joiners, and what turns the direction of writing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A text in which no URL shows the name and the password that it holds: `https://***@host/…`.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(|c: char| "/?#\"'`<>|\\".contains(c) || c.is_whitespace()).unwrap_or(after.len());
        let (authority, then) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => shown.extend(["***@", host]),
            None => shown.push_str(authority),
        }
        rest = then;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_what_is_no_visible_character_is_escaped() {
        assert_eq!(shown("Établissement n° 1"), "Établissement n° 1");
        assert_eq!(shown("a\u{1b}[2J\nb\u{202e}c\0"), "a\\u{1b}[2J\\u{a}b\\u{202e}c\\u{0}");
        assert_eq!(shown(&"é".repeat(200)), "é".repeat(200));
        assert_eq!(shown(&"é".repeat(1_000_000)), "é".repeat(200) + "…");
    }

    #[test]
    fn names_and_passwords_in_urls_are_not_shown() {
        assert_eq!(masked("https://bob:s3@cret@a.test/x?u=b@c"), "https://***@a.test/x?u=b@c");
        assert_eq!(masked("\"https://bob@a.test\", dr@b.test"), "\"https://***@a.test\", dr@b.test");
        assert_eq!(masked("x https://a.test: no postgres://p:q@h/d"), "x https://a.test: no postgres://***@h/d");
        assert_eq!(masked("nothing"), "nothing");
    }
}
