//! Names of folders: levels divided by `/`, INBOX in any case. `[RFC3501 5.1]`

use crate::StoreError;

/// Longest name in octets.
const LIMIT: usize = 1_000;

/// A name as it is stored. INBOX is spelt so, also as the top of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FolderName(String);

impl FolderName {
    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() || text.split('/').any(str::is_empty) {
            return Err(StoreError::FolderRefused("a folder name has no empty level"));
        }
        if text.len() > LIMIT {
            return Err(StoreError::FolderRefused("the folder name is too long"));
        }
        if text.chars().any(char::is_control) {
            return Err(StoreError::FolderRefused("a folder name has no control characters"));
        }
        let (top, below) = text.split_at(text.find('/').unwrap_or(text.len()));
        Ok(Self(if top.eq_ignore_ascii_case("INBOX") { format!("INBOX{below}") } else { text.to_owned() }))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }

    /// Whether it lies below the other one.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The names above it, the top first.
    pub(super) fn above(&self) -> Vec<&str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FolderName {
        FolderName::parse(text).unwrap()
    }

    #[test]
    fn inbox_is_inbox_in_any_case() {
        assert!(name("inBox").is_inbox());
        assert_eq!(name("inbox/Patients").as_str(), "INBOX/Patients");
        assert_eq!(name("inboxes").as_str(), "inboxes");
    }

    #[test]
    fn a_divider_at_the_end_is_only_a_hint() {
        assert_eq!(name("Archive/2026/").as_str(), "Archive/2026");
    }

    #[test]
    fn names_without_a_proper_level_are_refused() {
        for text in ["", "/", "/a", "a//b", "a\r\nb", "a\0"] {
            assert!(FolderName::parse(text).is_err(), "{text:?}");
        }
        assert!(FolderName::parse(&"x".repeat(1_001)).is_err());
    }

    #[test]
    fn what_is_above_and_below_goes_by_levels() {
        assert_eq!(name("a/b/c").above(), ["a", "a/b"]);
        assert!(name("a/b").is_below(&name("a")) && !name("ab").is_below(&name("a")));
    }
}
