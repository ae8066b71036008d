//! Local parts as they compare: without regard to case, nearly always ASCII.

use std::cmp::Ordering;

use super::texts::hash_of;

/// Most octets of a local part. `[RFC5321 4.5.3.1]`
const MOST: usize = 64;

/// A local part in lower case; on the stack if it is ASCII.
pub(super) enum Folded {
    Ascii([u8; MOST], usize),
    Other(String),
}

impl Folded {
    pub(super) fn new(local: &str) -> Self {
        let mut octets = [0; MOST];
        match octets.get_mut(..local.len()) {
            Some(start) if local.is_ascii() => {
                start.copy_from_slice(local.as_bytes());
                start.make_ascii_lowercase();
                Self::Ascii(octets, local.len())
            }
            _ => Self::Other(local.to_lowercase()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Ascii(octets, length) => str::from_utf8(&octets[..*length]).unwrap_or(""),
            Self::Other(text) => text,
        }
    }
}

/// Whether a local part as it was written is the one that was folded.
pub(super) fn is_same_local(written: &str, folded: &str) -> bool {
    written == folded
        || if written.is_ascii() { written.eq_ignore_ascii_case(folded) } else { written.to_lowercase() == folded }
}

pub(super) fn hash_local(domain: u32, folded: &str) -> u64 {
    hash_of(&(domain, folded))
}

/// The order of local parts by their folded forms.
pub(super) fn compare_locals(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.bytes().map(|b| b.to_ascii_lowercase()).cmp(b.bytes().map(|b| b.to_ascii_lowercase()));
    }
    a.to_lowercase().cmp(&b.to_lowercase())
}

/// The first eight octets of the folded form, which decide most comparisons.
pub(super) fn beginning(local: &str) -> u64 {
    let folded = Folded::new(local);
    let mut octets = [0; 8];
    for (to, from) in octets.iter_mut().zip(folded.as_str().bytes()) {
        *to = from;
    }
    u64::from_be_bytes(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comparisons_agree_with_the_folded_forms(a in "[a-cA-CéÉß.]{0,5}", b in "[a-cA-CéÉß.]{0,5}") {
            prop_assert_eq!(compare_locals(&a, &b), a.to_lowercase().cmp(&b.to_lowercase()));
            prop_assert_eq!(is_same_local(&a, Folded::new(&b).as_str()), a.to_lowercase() == b.to_lowercase());
            if beginning(&a) < beginning(&b) {
                prop_assert_eq!(compare_locals(&a, &b), Ordering::Less);
            }
        }
    }
}
