//! Reading the list, and looking domains up in it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mssante::{Clock, Domain};
use testkit::clock::RealClock;
use trust::{DnMatch, Revocation, TrustList, TrustRules, TrustSpace};

use super::corpus::{Corpus, DOMAINS, ENTRIES};
use crate::cpu::{median, spent};
use crate::figure::{Figure, most};
use crate::process;

const READS: usize = 25;
const HELD: u32 = 8;
const LOOKUPS: usize = 200;

/// From octets to a list in use: parsed, signature verified, indexed.
pub(super) fn read(case: &'static str) -> Result<Vec<Figure>> {
    let corpus = Corpus::new()?;
    let once = || TrustList::read(&corpus.xml, &corpus.policy, RealClock.now());
    let list = once()?;
    ensure!(list.domain_count() == DOMAINS && list.skipped_count() == 0, "the list is not read whole");
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..READS {
        let (wall, cpu) = (Instant::now(), spent()?);
        black_box(once()?);
        walls.push(wall.elapsed());
        cpus.push(spent()?.saturating_sub(cpu));
    }
    let (held, peak) = memory(once)?;
    let what = format!("{ENTRIES} entries, {DOMAINS} domains, {:.1} MB", megabytes(corpus.xml.len() as u64));
    Ok(vec![
        Figure::new(case, format!("{what}: parsed, verified, indexed"), milliseconds(median(walls)), "ms", most(150.0)),
        Figure::new(case, "the same, CPU", milliseconds(median(cpus)), "ms", None),
        Figure::new(case, "memory of a list in use", megabytes(held), "MB", None),
        Figure::new(case, "most memory while reading, beyond the octets", megabytes(peak), "MB", None),
    ])
}

/// What a list keeps, from what several keep, and what reading one takes at its peak.
fn memory<E>(once: impl Fn() -> Result<TrustList, E>) -> Result<(u64, u64)>
where
    anyhow::Error: From<E>,
{
    let lists = Vec::from([once()?]);
    let before = process::own_memory()?;
    process::forget_own_peak();
    let mut more = Vec::new();
    for _ in 0..HELD {
        more.push(once()?);
    }
    let held = process::own_memory()?.saturating_sub(before) / u64::from(HELD);
    let peak = process::own_peak()?.saturating_sub(before + held * u64::from(HELD - 1));
    black_box((lists, more));
    Ok((held, peak))
}

/// What each RCPT and MAIL asks.
pub(super) fn look_up(case: &'static str) -> Result<Vec<Figure>> {
    let corpus = Corpus::new()?;
    let list = Arc::new(TrustList::read(&corpus.xml, &corpus.policy, RealClock.now())?);
    let strangers = corpus.strangers()?;
    let clock = Arc::new(RealClock);
    let space = TrustSpace::new(TrustRules::default(), Revocation::unchecked(clock.clone()), clock);
    space.install(Arc::clone(&list), RealClock.now());
    let bound: Vec<_> =
        corpus.domains.iter().map(|domain| (domain.clone(), list.names_of(domain)[0].clone())).collect();
    let each = |what: &str, nanoseconds: f64| Figure::new(case, what, nanoseconds, "ns", most(200.0));
    Ok(vec![
        each("a listed domain", time(&corpus.domains, |domain: &Domain| list.lists(domain))),
        each("a domain that is not listed", time(&strangers, |domain| !list.lists(domain))),
        each("a domain with a name", time(&bound, |(domain, name)| list.binds(domain, name, DnMatch::Normalised))),
        // Of a list of any age a yes is believed; the age is looked at for a no.
        each(
            "a listed domain, through the trust space",
            time(&corpus.domains, |domain| space.lists(domain) == Ok(true)),
        ),
        each(
            "a domain that is not listed, through the trust space with its age",
            time(&strangers, |domain| space.lists(domain) == Ok(false)),
        ),
    ])
}

/// Nanoseconds for one of `items`; `holds` must hold for all of them.
#[expect(clippy::cast_precision_loss, reason = "some thousand items")]
fn time<T>(items: &[T], holds: impl Fn(&T) -> bool) -> f64 {
    let mut rounds = Vec::new();
    for _ in 0..LOOKUPS {
        let begun = Instant::now();
        let all = items.iter().all(|item| black_box(holds(black_box(item))));
        rounds.push(begun.elapsed());
        assert!(all, "a look-up gave the wrong answer");
    }
    median(rounds).as_secs_f64() * 1e9 / items.len() as f64
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "memory of a process")]
fn megabytes(octets: u64) -> f64 {
    octets as f64 / 1e6
}
