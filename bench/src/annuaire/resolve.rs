//! Looking addresses up, one by one and in no order, so that nothing is near at hand.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mssante::Address;

use super::corpus::{Chance, Corpus, known_addresses, unknown_addresses};
use crate::figure::{Figure, most};
use crate::latency::Percentiles;

const LOOKUPS: usize = 200_000;

pub(super) fn measure(case: &'static str) -> Result<Vec<Figure>> {
    let directory = Corpus::new()?.import()?;
    let known = known_addresses(&directory);
    let unknown = unknown_addresses(&known)?;
    ensure!(known.iter().all(|address| directory.contains(address)), "a known address is not found");
    let found = unknown.iter().filter(|address| directory.contains(address)).count();
    ensure!(found == 0, "{found} unknown addresses are found");
    let contains = |address: &Address| directory.contains(address);
    let mut figures = Vec::new();
    for (what, addresses) in [("a known address", &known), ("an unknown address", &unknown)] {
        let Percentiles { p50, p99, .. } = time(addresses, contains);
        figures.push(Figure::new(case, format!("{what}: p50"), p50 * 1e6, "ns", None));
        figures.push(Figure::new(case, format!("{what}: p99"), p99 * 1e6, "ns", most(2000.0)));
    }
    let Percentiles { p50, p99, .. } = time(&known, |address| directory.get(address));
    figures.push(Figure::new(case, "the whole entry: p50", p50 * 1e6, "ns", None));
    figures.push(Figure::new(case, "the whole entry: p99", p99 * 1e6, "ns", None));
    Ok(figures)
}

/// How long `look_up` takes for addresses by chance.
fn time<T>(addresses: &[Address], look_up: impl Fn(&Address) -> T) -> Percentiles {
    let mut chance = Chance::new(99);
    Percentiles::of((0..LOOKUPS).map(|_| one(chance.pick(addresses), &look_up)).collect())
}

fn one<T>(address: &Address, look_up: impl Fn(&Address) -> T) -> Duration {
    let begun = Instant::now();
    black_box(look_up(black_box(address)));
    begun.elapsed()
}

/// The same until `is_over`, for the case that refreshes.
pub(super) fn time_until(
    look_up: impl Fn(&Address) -> bool,
    known: &[Address],
    is_over: impl Fn() -> bool,
) -> Percentiles {
    let mut chance = Chance::new(7);
    let mut samples = Vec::with_capacity(1 << 20);
    while !is_over() && samples.len() < 50_000_000 {
        for _ in 0..1000 {
            samples.push(one(chance.pick(known), &look_up));
        }
    }
    Percentiles::of(samples)
}
