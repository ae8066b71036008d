//! The time that this thread has computed, the kernel's share included; waiting does not count,
//! and neither do other programs on the machine.

use std::time::Duration;

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};

/// So far.
pub(crate) fn spent() -> Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?))
}

/// The middle one of some samples.
pub(crate) fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}
