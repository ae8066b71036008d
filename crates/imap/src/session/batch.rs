//! How many messages are dealt with at once: so many that the store is not asked for each of
//! them, so few that what is held of them stays small.

use std::ops::Range;

/// Messages whose summaries are read at once.
const MOST: usize = 32;
/// A summary is made of at most this much of a message; see `message::Scanner`.
const LARGEST_SUMMARY: u64 = 128 * 1024;
/// Octets of messages, each counted to [`LARGEST_SUMMARY`], whose summaries are read at once.
const SUMMARIES: u64 = 2 * 1024 * 1024;

/// Cuts messages of these sizes into batches whose summaries may be held together.
pub(super) fn batches(sizes: &[u64]) -> Vec<Range<usize>> {
    let most: Vec<u64> = sizes.iter().map(|size| (*size).min(LARGEST_SUMMARY)).collect();
    batches_within(&most, SUMMARIES)
}

/// Cuts a list of lengths into batches of at most [`MOST`] and of at most `octets` together;
/// what is longer by itself is a batch of its own.
pub(super) fn batches_within(lengths: &[u64], octets: u64) -> Vec<Range<usize>> {
    let (mut batches, mut start, mut held) = (Vec::new(), 0, 0_u64);
    for (at, length) in lengths.iter().enumerate() {
        if at > start && (at - start == MOST || held.saturating_add(*length) > octets) {
            batches.push(start..at);
            (start, held) = (at, 0);
        }
        held = held.saturating_add(*length);
    }
    if start < lengths.len() {
        batches.push(start..lengths.len());
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn large_messages_make_smaller_batches() {
        let lengths = |sizes: &[u64]| batches(sizes).iter().map(Range::len).collect::<Vec<_>>();
        assert_eq!(lengths(&[100; 80]), [32, 32, 16]);
        assert_eq!(lengths(&[25_000_000; 40]), [16, 16, 8]);
        assert_eq!(lengths(&[]), [0; 0]);
    }

    proptest! {
        #[test]
        fn batches_are_bounded_and_leave_nothing_out(lengths in proptest::collection::vec(0_u64..100, 0..200)) {
            let batches = batches_within(&lengths, 150);
            let all: Vec<usize> = batches.iter().cloned().flatten().collect();
            prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                prop_assert!((1..=MOST).contains(&batch.len()));
                prop_assert!(lengths[batch].iter().sum::<u64>() <= 150);
            }
        }
    }
}
