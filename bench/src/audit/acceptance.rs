//! Acceptance with and without entering, in turns, in one run; and entering while events come at the pace asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use message::{MessageFacts, Scanner};
use mssante::ReversePath;
use store::{Acceptance, Entered, LocalDelivery, Source, Store};
use tokio::task::JoinSet;

use super::ground::{Ground, block_on, patients};
use crate::figure::{Figure, most};

/// Messages under way at once.
const AT_ONCE: usize = 20;
/// Turns of each kind.
const TURNS: usize = 4;
/// How long a turn takes.
const TURN: Duration = Duration::from_secs(5);
/// Events a second beside acceptance.
const EVENTS: usize = 2_000;
/// How often they are recorded.
const PACE: Duration = Duration::from_millis(50);

pub(super) fn measure(case: &'static str) -> Result<Vec<Figure>> {
    block_on(async {
        let ground = Arc::new(Ground::new(200).await?);
        turn(&ground, Extra::Nothing).await?;
        let (mut without, mut with, mut flooded) = (0.0, 0.0, Flood::default());
        for _ in 0..TURNS {
            without += turn(&ground, Extra::Nothing).await?.accepted;
            ground.enter().await?;
            with += turn(&ground, Extra::Entering).await?.accepted;
            let flood = turn(&ground, Extra::Flood).await?;
            flooded.add(&flood);
        }
        let turns = TURNS as f64;
        let figures = vec![
            Figure::new(case, "accepted without entering", without / turns, "/s", None),
            Figure::new(case, "accepted while lines are entered", with / turns, "/s", None),
            Figure::new(case, "without to with", without / with.max(f64::MIN_POSITIVE), "×", most(1.1)),
            Figure::new(case, "events beside acceptance, asked for 2000", flooded.events / turns, "/s", None),
            Figure::new(case, "lines entered meanwhile", flooded.entered / turns, "/s", None),
            Figure::new(case, "accepted meanwhile", flooded.accepted / turns, "/s", None),
            Figure::new(case, "left over after a turn", flooded.left / turns, "lines", most(15_000.0)),
        ];
        Arc::into_inner(ground).context("somebody still works")?.stop().await?;
        Ok(figures)
    })
}

/// What runs beside acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    Nothing,
    Entering,
    Flood,
}

/// Per second of a turn; `left` is not.
#[derive(Debug, Default)]
struct Flood {
    accepted: f64,
    events: f64,
    entered: f64,
    left: f64,
}

impl Flood {
    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.events += other.events;
        self.entered += other.entered;
        self.left += other.left;
    }
}

async fn turn(ground: &Arc<Ground>, extra: Extra) -> Result<Flood> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut acceptors = JoinSet::new();
    for number in 0..AT_ONCE {
        acceptors.spawn(accept(Arc::clone(ground), number, Arc::clone(&stop)));
    }
    let entering = (extra != Extra::Nothing).then(|| tokio::spawn(enter(ground.store.clone(), Arc::clone(&stop))));
    let events = (extra == Extra::Flood).then(|| tokio::spawn(flood(Arc::clone(ground), Arc::clone(&stop))));
    let begun = Instant::now();
    tokio::time::sleep(TURN).await;
    stop.store(true, Ordering::Release);
    let mut flood = Flood::default();
    while let Some(accepted) = acceptors.join_next().await {
        flood.accepted += accepted?? as f64;
    }
    // Each by its own clock: who enters wakes up once a second, and ends late.
    flood.accepted /= begun.elapsed().as_secs_f64();
    if let Some(events) = events {
        flood.events = events.await?? as f64 / begun.elapsed().as_secs_f64();
    }
    if let Some(entering) = entering {
        flood.entered = entering.await?? as f64 / begun.elapsed().as_secs_f64();
    }
    flood.left = ground.enter().await? as f64;
    ground.store.tidy_inbox().await?;
    Ok(flood)
}

/// Accepts one message after the other: how many.
async fn accept(ground: Arc<Ground>, number: usize, stop: Arc<AtomicBool>) -> Result<u64> {
    let letter = format!("From: <a@b.fr>\r\nSubject: {number}\r\n\r\n{}\r\n", "bonjour ".repeat(500));
    let mut accepted = 0;
    while !stop.load(Ordering::Acquire) {
        let place = number + usize::try_from(accepted)? * AT_ONCE;
        let (from, to) = (&ground.bals[place % ground.bals.len()], &ground.bals[(place * 3 + 1) % ground.bals.len()]);
        let mut scanner = Scanner::new();
        scanner.push(letter.as_bytes());
        let mut intake = ground.store.begin_intake().await?;
        intake.write(letter.as_bytes()).await?;
        let acceptance = Acceptance {
            message: intake.finish(scanner.finish()).await?,
            facts: MessageFacts::default(),
            reverse_path: ReversePath::Address(from.address.clone()),
            smtputf8: false,
            envelope_id: None,
            ret: None,
            source: Source::Submission { bal: from.id, address: "192.0.2.1".to_owned(), right: None },
            deliveries: vec![LocalDelivery { bal: to.id, recipient: to.address.clone() }],
            relays: Vec::new(),
            to_patients: None,
        };
        ground.store.accept(acceptance).await?;
        accepted += 1;
    }
    Ok(accepted)
}

/// As a serving node does: all that waits, once a second.
async fn enter(store: Store, stop: Arc<AtomicBool>) -> Result<u64> {
    let (patients, mut lines) = (patients()?, 0);
    while !stop.load(Ordering::Acquire) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        loop {
            match store.enter_traces(&patients).await? {
                Entered::Some(more) => lines += more,
                Entered::All(more) => {
                    lines += more;
                    break;
                }
                Entered::Elsewhere => break,
            }
        }
    }
    Ok(lines)
}

/// Records events at an even pace: how many.
async fn flood(ground: Arc<Ground>, stop: Arc<AtomicBool>) -> Result<u64> {
    let each = EVENTS * usize::try_from(PACE.as_millis())? / 1_000;
    let mut pace = tokio::time::interval(PACE);
    let mut events = 0;
    while !stop.load(Ordering::Acquire) {
        pace.tick().await;
        let traces: Vec<_> = (0..each).map(|number| ground.line(number, each, 1)).collect();
        ground.store.record(&traces).await?;
        events += traces.len() as u64;
    }
    Ok(events)
}
