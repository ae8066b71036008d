//! Looking addresses up, one by one and in no order, so that nothing is near at hand.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annuaire::{Directory, Forward, LocalBal, LocalTable, PeerRecipients, Resolver, ResolverRules, Route, Standing};
use anyhow::{Result, ensure};
use mssante::{Address, BalId, BalKind, BalState, Domain, ForwardCopy};

use super::corpus::{Chance, Corpus, known_addresses, unknown_addresses};
use crate::figure::{Figure, most};
use crate::latency::Percentiles;

const LOOKUPS: usize = 200_000;
/// BALs of this operator.
const OUR_BALS: i64 = 10_000;

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
    figures.extend(routes(case, directory, &known, &unknown)?);
    Ok(figures)
}

/// The resolver as the server asks it: with the directory, with our own BALs, and with a trust list that says yes.
fn routes(case: &'static str, directory: Directory, known: &[Address], unknown: &[Address]) -> Result<Vec<Figure>> {
    let (resolver, ours) = resolver(directory)?;
    let route = |address: &Address| resolver.route(address, |_| Ok(true));
    ensure!(ours.iter().all(|address| matches!(route(address), Route::Local(_))), "one of our BALs is not found");
    ensure!(
        known.iter().all(|address| matches!(route(address), Route::Peer(_, Standing::Known))),
        "a peer is not found"
    );
    let kinds = [("a BAL of ours", ours.as_slice()), ("a known peer", known), ("an unknown peer", unknown)];
    let figures = kinds.into_iter().flat_map(|(what, addresses)| {
        let Percentiles { p50, p99, .. } = time(addresses, route);
        [
            Figure::new(case, format!("route of {what}: p50"), p50 * 1e6, "ns", None),
            Figure::new(case, format!("route of {what}: p99"), p99 * 1e6, "ns", most(2000.0)),
        ]
    });
    Ok(figures.collect())
}

/// One with so many BALs of ours, every tenth of which hands its mail on, and all rules on.
fn resolver(directory: Directory) -> Result<(Resolver, Vec<Address>)> {
    let domain = Domain::parse("hopital-du-banc.mssante.fr")?;
    let resolver = Resolver::with_rules(ResolverRules {
        our_domains: [domain.clone()].into(),
        patient_domains: [Domain::parse("patient.mssante.fr")?].into(),
        peer_recipients: PeerRecipients::Enforce,
    });
    let mut table = LocalTable::default();
    let mut ours = Vec::new();
    for id in 1..=OUR_BALS {
        let address = Address::from_parts(&format!("service.numero{id}"), &domain)?;
        let bal = LocalBal {
            id: BalId(id),
            kind: BalKind::Organisational,
            state: BalState::Active,
            replies: mssante::Replies::Accept,
        };
        table.put(&address, bal);
        if id % 10 == 0 {
            table.forward(bal.id, Forward { target: BalId(id - 1), copy: ForwardCopy::Keep });
        }
        ours.push(address);
    }
    resolver.replace_all(table);
    resolver.rely_on(Some(Arc::new(directory)));
    Ok((resolver, ours))
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
