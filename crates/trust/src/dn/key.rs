//! What of a name decides first when names are compared, and under which it is looked up.

use super::place::is_place;

/// The pairs that decide, in an order that does not depend on the order in which they were
/// written. Equal exactly for the same pairs; ST and L are compared by their meaning, apart. `[MSS1 DN.MATCH]`
pub(super) fn of(pairs: &[(String, String)]) -> String {
    let mut compared: Vec<_> = pairs
        .iter()
        .filter(|(kind, _)| !is_place(kind))
        .map(|(kind, value)| (rank(kind), kind.to_ascii_lowercase(), normalised(value)))
        .collect();
    compared.sort();
    let parts: Vec<_> = compared.into_iter().map(|(_, kind, value)| format!("{kind}={value}")).collect();
    parts.join(",")
}

/// The place of a type in a key.
fn rank(kind: &str) -> usize {
    ["CN", "OU", "O", "C"].iter().position(|known| *known == kind).unwrap_or(usize::MAX)
}

/// Small letters, each run of spaces a single one and none around. Backslashes and commas are
/// escaped so that no two different names share a key.
pub(super) fn normalised(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for word in value.split(is_space).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars() {
            if matches!(c, '\\' | ',') {
                out.push('\\');
            }
            out.push(small(c));
        }
    }
    out
}

/// The spaces that are found in the published list, and what XML makes of them. Other spaces are
/// characters like any other: whoever writes them means something else.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{a0}' | '\u{202f}')
}

/// The small letter of a capital that French and its neighbours write (up to Latin Extended-A).
///
/// Unicode would fold more: the Kelvin sign to k, the Ångström sign to å. Those are other
/// characters here, as are `ſ`, the Turkish `İ` and `ı`, and accents that are written apart: a
/// name must not match one that an authority may have told from it.
pub(super) fn small(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (c, lower.next(), lower.next()) {
        ('\0'..='\u{17f}', Some(single), None) => single,
        _ => c,
    }
}

/// Whether a value is text that can be shown and written: no control characters but those that
/// count as spaces, and not the form in which a certificate's value that is no text is kept.
pub(super) fn is_text(value: &str) -> bool {
    !value.chars().any(|c| c.is_control() && !is_space(c)) && !is_hexadecimal(value)
}

fn is_hexadecimal(value: &str) -> bool {
    let digits = value.strip_prefix('#').unwrap_or_default();
    !digits.is_empty() && digits.len().is_multiple_of(2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &str) -> String {
        of(&[("CN".to_owned(), value.to_owned())])
    }

    #[test]
    fn capitals_of_french_and_its_neighbours_do_not_decide() {
        assert_eq!(key("CH D'ÉVREUX ŒUVRE ŸÇÀ ŠIBENIK"), key("ch d'évreux œuvre ÿçà šibenik"));
    }

    #[test]
    fn characters_that_unicode_folds_or_composes_are_other_characters() {
        for (one, other) in [
            ("k", "\u{212a}"),
            ("å", "\u{212b}"),
            ("s", "ſ"),
            ("i", "İ"),
            ("i", "ı"),
            ("ss", "ß"),
            ("ß", "ẞ"),
            ("é", "e\u{301}"),
            ("fi", "ﬁ"),
            ("a", "а"),
            ("a", "ａ"),
            ("ab", "a\u{200b}b"),
            ("ab", "a\u{ad}b"),
            ("ab", "\u{feff}ab"),
            ("a b", "a\u{2003}b"),
            ("ab", "a\0b"),
            ("a", "a\0"),
        ] {
            assert_ne!(key(one), key(other), "{one} {other}");
            assert_ne!(key(&one.to_uppercase()), key(other), "{one} {other}");
        }
    }

    #[test]
    fn runs_of_the_usual_spaces_are_one() {
        assert_eq!(key(" GIP \u{a0} A\t\n B\u{202f}"), "cn=gip a b");
    }

    #[test]
    fn control_characters_and_values_that_are_no_text_are_told() {
        assert!(is_text("A\tB") && is_text("#") && is_text("#1") && is_text("#zz") && is_text("n#10"));
        assert!(!is_text("a\0b") && !is_text("a\u{85}") && !is_text("\u{1b}[0m") && !is_text("#0a"));
    }
}
