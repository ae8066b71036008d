//! Time and randomness as parameters, so that every rule can be tested at any moment.

use time::OffsetDateTime;

/// Where a component reads the time from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// Where a component takes unpredictable bytes from.
pub trait Random: Send + Sync + 'static {
    /// Fills `buffer` with bytes fit for keys and identifiers.
    fn fill(&self, buffer: &mut [u8]);
}
