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
}
