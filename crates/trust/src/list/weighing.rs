//! Whether a list that is well signed may replace the one in force.

use time::{Duration, OffsetDateTime};

use super::{ListChange, TrustList, TrustListError};

/// What a new list may not do without somebody's acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sanity {
    /// Lose more than so many hundredths of the domains in force.
    pub max_shrink: u8,
    /// How far its date may lie ahead of our clock.
    pub clock_tolerance: Duration,
}

/// What to do with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weighed {
    /// It is the one in force.
    Same,
    /// It may replace the one in force.
    Take(ListChange),
    /// Only if a person says so.
    Acknowledge {
        /// What would change.
        change: ListChange,
        /// Why it is suspicious.
        why: String,
    },
}

/// Weighs a list against the one in force.
pub fn weigh(
    candidate: &TrustList,
    in_force: Option<&TrustList>,
    sanity: &Sanity,
    now: OffsetDateTime,
) -> Result<Weighed, TrustListError> {
    let _ = (candidate, in_force, sanity, now);
    todo!("list")
}
