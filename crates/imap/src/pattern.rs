//! LIST patterns: `*` crosses levels, `%` does not. `[RFC3501 6.3.8]`

use crate::names::{INBOX, SEPARATOR};

/// A pattern longer than this matches nothing.
const LONGEST: usize = 1024;

/// Whether `pattern` covers the whole of `name`. Linear in both: a client cannot make it slow.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    if pattern.len() > LONGEST {
        return false;
    }
    covers(pattern, name) || (name == INBOX && covers(&pattern.to_ascii_uppercase(), name))
}

/// Runs all ways through the pattern at once: `reached[i]` says that its first `i` characters
/// cover what was read so far.
fn covers(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    skip_wildcards(&pattern, &mut reached);
    for c in name.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (i, p) in pattern.iter().enumerate().filter(|(i, _)| reached[*i]) {
            match p {
                '*' => next[i] = true,
                '%' => next[i] |= c != SEPARATOR,
                p if *p == c => next[i + 1] = true,
                _ => {}
            }
        }
        reached = next;
        skip_wildcards(&pattern, &mut reached);
    }
    reached[pattern.len()]
}

/// A wildcard also covers nothing.
fn skip_wildcards(pattern: &[char], reached: &mut [bool]) {
    for (i, p) in pattern.iter().enumerate() {
        if reached[i] && matches!(p, '*' | '%') {
            reached[i + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_stays_on_its_level_and_star_does_not() {
        for (pattern, name, covered) in [
            ("*", "a/b/c", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a/%/c", "a/b/c", true),
            ("a*c", "a/b/c", true),
            ("*b*", "a/b/c", true),
            ("a", "ab", false),
            ("", "", true),
            ("%%", "ab", true),
            ("*%", "a/b", true),
        ] {
            assert_eq!(matches(pattern, name), covered, "{pattern} {name}");
        }
    }

    #[test]
    fn inbox_is_matched_in_any_case() {
        assert!(matches("inbox", "INBOX"));
        assert!(matches("In%", "INBOX"));
        assert!(!matches("sent", "Sent"));
    }

    #[test]
    fn many_stars_end_soon() {
        let pattern = "*a".repeat(300);
        let name = "a".repeat(299);
        assert!(!matches(&pattern, &name));
    }
}
