//! Verifying a long chain.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::ground::{Ground, block_on};
use crate::figure::{Figure, exactly, most};

/// Lines of the chain; `PLI_BENCH_LINES` sets another number.
const LINES: usize = 1_000_000;
/// What is asked for.
const ASKED: f64 = 10_000_000.0;

pub(super) fn measure(case: &'static str) -> Result<Vec<Figure>> {
    let lines = std::env::var("PLI_BENCH_LINES").ok().and_then(|lines| lines.parse().ok()).unwrap_or(LINES);
    block_on(async {
        let ground = Ground::new(100).await?;
        let entering = ground.fill(lines, 300).await?;
        let begun = Instant::now();
        let verified = ground.store.verify_traces(&[]).await?;
        let seconds = begun.elapsed().as_secs_f64();
        ground.stop().await?;
        ensure!(verified.lines >= lines as u64, "lines are missing");
        let per_second = lines as f64 / entering.as_secs_f64();
        Ok(vec![
            Figure::new(case, "lines in the chain", verified.lines as f64, "", None),
            Figure::new(case, "entered per second, nothing else running", per_second, "/s", None),
            Figure::new(case, "faults found", verified.faults as f64, "", exactly(0.0)),
            Figure::new(case, "verify", seconds, "s", None),
            Figure::new(
                case,
                "at this pace, 10 million lines",
                seconds * ASKED / verified.lines as f64,
                "s",
                most(120.0),
            ),
        ])
    })
}
