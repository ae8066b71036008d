//! Sets of message numbers and UIDs. `[RFC3501 9]`

use std::fmt::Write;

use imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};

/// A resolved set: ascending ranges that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// The set with `*` standing for `largest`.
    pub(crate) fn resolve(set: &SequenceSet, largest: u32) -> Self {
        let value = |bound: &SeqOrUid| match bound {
            SeqOrUid::Value(n) => n.get(),
            SeqOrUid::Asterisk => largest,
        };
        let mut ranges: Vec<(u32, u32)> = set
            .0
            .as_ref()
            .iter()
            .map(|sequence| match sequence {
                Sequence::Single(a) => (value(a), value(a)),
                Sequence::Range(a, b) => (value(a).min(value(b)), value(a).max(value(b))),
            })
            .collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(open) if first <= open.1.saturating_add(1) => open.1 = open.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// The ranges, first and last included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.0.iter().copied()
    }

    /// Whether `n` is in it.
    pub(crate) fn contains(&self, n: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= n);
        after > 0 && n <= self.0[after - 1].1
    }
}

/// Whether a set of message numbers speaks only of messages that are there. `[RFC3501 7.1]`
pub(crate) fn numbers_exist(set: &SequenceSet, exists: u32) -> bool {
    let there = |bound: &SeqOrUid| match bound {
        SeqOrUid::Value(n) => n.get() <= exists,
        SeqOrUid::Asterisk => exists > 0,
    };
    set.0.as_ref().iter().all(|sequence| match sequence {
        Sequence::Single(a) => there(a),
        Sequence::Range(a, b) => there(a) && there(b),
    })
}

/// UIDs as the set that COPYUID carries: order kept, runs drawn together. `[RFC4315 3]`
pub(crate) fn uid_set(uids: &[u32]) -> String {
    let mut text = String::new();
    let mut rest = uids;
    while let Some(&first) = rest.first() {
        let run = rest.iter().zip(first..=u32::MAX).take_while(|(uid, expected)| **uid == *expected).count();
        let separator = if text.is_empty() { "" } else { "," };
        // writing to a String cannot fail
        let _ = match run {
            1 => write!(text, "{separator}{first}"),
            _ => write!(text, "{separator}{first}:{}", rest[run - 1]),
        };
        rest = &rest[run..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(text: &str, largest: u32) -> Ranges {
        Ranges::resolve(&text.parse().unwrap(), largest)
    }

    #[test]
    fn ranges_are_sorted_and_merged() {
        assert_eq!(ranges("5,1:3,2:4,9", 10), Ranges(vec![(1, 5), (9, 9)]));
        assert_eq!(ranges("4:2", 10), Ranges(vec![(2, 4)]));
    }

    #[test]
    fn a_range_to_the_last_uid_always_holds_the_last_uid() {
        assert!(ranges("559:*", 100).contains(100));
        assert!(!ranges("559:*", 100).contains(99));
    }

    #[test]
    fn numbers_beyond_the_last_message_are_told_apart() {
        assert!(numbers_exist(&"1:*".parse().unwrap(), 1));
        assert!(!numbers_exist(&"1:*".parse().unwrap(), 0));
        assert!(!numbers_exist(&"3".parse().unwrap(), 2));
    }

    #[test]
    fn runs_are_drawn_together_and_order_is_kept() {
        assert_eq!(uid_set(&[1, 2, 3, 7, 5, 6]), "1:3,7,5:6");
        assert_eq!(uid_set(&[u32::MAX]), "4294967295");
        assert_eq!(uid_set(&[]), "");
    }

    proptest! {
        #[test]
        fn a_set_holds_what_its_parts_hold(parts in proptest::collection::vec((1_u32..60, 1_u32..60), 1..8), n in 0_u32..70) {
            let text = parts.iter().map(|(a, b)| format!("{a}:{b}")).collect::<Vec<_>>().join(",");
            let expected = parts.iter().any(|(a, b)| (*a.min(b)..=*a.max(b)).contains(&n));
            prop_assert_eq!(ranges(&text, 60).contains(n), expected);
        }
    }
}
