//! Indicators of a month with much in it.

use std::time::Instant;

use anyhow::Result;
use mssante::Clock as _;
use testkit::clock::RealClock;

use super::ground::{Ground, block_on};
use crate::figure::{Figure, most};

const BALS: usize = 2_000;
const LINES: usize = 300_000;

pub(super) fn measure(case: &'static str) -> Result<Vec<Figure>> {
    block_on(async {
        let ground = Ground::new(BALS).await?;
        ground.fill(LINES, 28).await?;
        let today = RealClock.now().date();
        let mut slowest: f64 = 0.0;
        let mut sent = 0;
        for month in [today, today - time::Duration::days(i64::from(today.day()))] {
            let begun = Instant::now();
            let indicators = ground.store.indicators(month).await?;
            slowest = slowest.max(begun.elapsed().as_secs_f64());
            sent += indicators.rows.values().map(|row| row.sent).sum::<i64>();
        }
        ground.stop().await?;
        Ok(vec![
            Figure::new(case, format!("messages of {BALS} BALs, over two months"), sent as f64, "", None),
            Figure::new(case, "indicators of a month, the slower of two", slowest * 1e3, "ms", most(1000.0)),
        ])
    })
}
