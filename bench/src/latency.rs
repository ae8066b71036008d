//! Latencies of a case.

use std::time::Duration;

use serde::Serialize;

/// Percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

impl Percentiles {
    /// Of these samples; all zero if there are none.
    pub(crate) fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self { p50: at(&samples, 50), p95: at(&samples, 95), p99: at(&samples, 99) }
    }
}

/// The smallest sample that is not exceeded by `percent` of all.
fn at(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map_or(0.0, |sample| sample.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let found = Percentiles::of(samples);
        assert!(close(found.p50, 50.0) && close(found.p95, 95.0) && close(found.p99, 99.0), "{found:?}");
        assert!(close(at(&[Duration::from_millis(3)], 99), 3.0));
        assert!(close(at(&[], 50), 0.0));
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 0.001
    }
}
