//! Looking addresses up while another directory is built and put in place of the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annuaire::Directory;
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use mssante::Address;

use super::corpus::{Corpus, known_addresses};
use super::resolve::time_until;
use crate::figure::{Figure, most};
use crate::latency::Percentiles;

/// How long look-ups are timed without a refresh.
const QUIET: Duration = Duration::from_secs(3);

pub(super) fn measure(case: &'static str) -> Result<Vec<Figure>> {
    let corpus = Corpus::new()?;
    let in_force = ArcSwap::from_pointee(corpus.import()?);
    let known = known_addresses(&in_force.load());
    let look_up = |address: &Address| in_force.load().contains(address);
    let begun = Instant::now();
    let quiet = time_until(look_up, &known, || begun.elapsed() > QUIET);
    let busy = while_refreshing(&corpus, &in_force, &known)?;
    let ratio = busy.p99 / quiet.p99.max(f64::MIN_POSITIVE);
    Ok(vec![
        Figure::new(case, "look-up without a refresh: p99", quiet.p99 * 1e6, "ns", most(2000.0)),
        Figure::new(case, "look-up during a refresh: p99", busy.p99 * 1e6, "ns", most(2000.0)),
        Figure::new(case, "during to without, p99", ratio, "×", most(2.0)),
        Figure::new(case, "during to without, p50", busy.p50 / quiet.p50.max(f64::MIN_POSITIVE), "×", None),
    ])
}

/// Times look-ups on this thread as long as another one imports and swaps.
fn while_refreshing(corpus: &Corpus, in_force: &ArcSwap<Directory>, known: &[Address]) -> Result<Percentiles> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let refresh = scope.spawn(|| {
            let swapped = corpus.import().map(|newer| in_force.store(Arc::new(newer)));
            over.store(true, Ordering::Release);
            swapped
        });
        let look_up = |address: &Address| in_force.load().contains(address);
        let times = time_until(look_up, known, || over.load(Ordering::Acquire));
        refresh.join().ok().context("the refresh ended badly")??;
        Ok(times)
    })
}
