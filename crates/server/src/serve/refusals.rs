//! Refusals, gathered and written into the audit trail. Whoever is refused again and again, or makes up names
//! to be refused by, must neither fill the table nor keep the database busy.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mssante::{Clock, Domain};
use store::{Actor, MailRefusal, Refusee, Store};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::room::network;

/// For so long, refusals alike are one row.
const ALIKE: time::Duration = time::Duration::MINUTE;
/// Rows of different kinds within that time that one network is worth, or one of our senders; then names and domains are
/// left out.
const PER_ORIGIN: usize = 20;
/// Rows of different kinds within that time, all in all: of strangers, and as many of those who have logged in.
const KINDS: usize = 500;
/// How often rows are written.
const PACE: Duration = Duration::from_secs(1);
/// Refusals that are taken from the queue at once.
const BATCH: usize = 100;

/// The running task that writes.
pub(super) struct RefusalTraces {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl RefusalTraces {
    pub(super) fn start(queue: mpsc::Receiver<MailRefusal>, store: Store, clock: Arc<dyn Clock>) -> Self {
        let writer = Writer { queue, store, clock, gathering: Gathering::default() };
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(writer.run(stop.clone())), stop }
    }

    /// No session is left: waits until all is written.
    pub(super) async fn finish(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the writer of refusals");
        }
    }
}

struct Writer {
    queue: mpsc::Receiver<MailRefusal>,
    store: Store,
    clock: Arc<dyn Clock>,
    gathering: Gathering,
}

impl Writer {
    /// Writes until `stop`, or until nobody refuses any more; then what there still is.
    async fn run(mut self, stop: CancellationToken) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut arrived = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = pace.tick() => {
                    let rows = self.gathering.due(self.clock.now());
                    self.write(rows).await;
                }
                count = self.queue.recv_many(&mut arrived, BATCH) => {
                    if count == 0 {
                        break;
                    }
                    self.gathering.take(arrived.drain(..), self.clock.now());
                }
            }
        }
        while let Ok(refusal) = self.queue.try_recv() {
            self.gathering.take([refusal], self.clock.now());
        }
        let rows = self.gathering.end();
        self.write(rows).await;
    }

    async fn write(&self, rows: Vec<MailRefusal>) {
        if rows.is_empty() {
            return;
        }
        if let Err(error) = self.store.trace_refusals(&rows).await {
            tracing::warn!(%error, rows = rows.len(), "refusals are not in the audit trail");
            untraced("database", rows.iter().map(|row| row.count).sum());
        }
    }
}

fn untraced(why: &'static str, count: u64) {
    metrics::counter!("pli_refusals_untraced_total", "why" => why).increment(count);
}

/// What makes refusals alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    address: IpAddr,
    reason: &'static str,
    codes: Vec<&'static str>,
    refusee: Refusee,
    sender_domain: Option<Domain>,
}

/// Who answers for rows.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    /// Whoever comes from there.
    Network(IpAddr),
    /// Somebody who has logged in.
    Sender(Actor),
}

/// A kind within its minute.
#[derive(Debug)]
struct Minute {
    since: OffsetDateTime,
    /// Those that came after the row at `since`, as one.
    held: Option<MailRefusal>,
}

/// Makes rows of refusals: the first of a kind at once, those of the next minute as one when it is over. The counts of
/// all rows together are the number of refusals.
#[derive(Debug, Default)]
struct Gathering {
    minutes: HashMap<Kind, Minute>,
    ready: Vec<MailRefusal>,
}

impl Gathering {
    fn take(&mut self, refusals: impl IntoIterator<Item = MailRefusal>, now: OffsetDateTime) {
        for refusal in refusals {
            self.take_one(refusal, now);
        }
    }

    fn take_one(&mut self, refusal: MailRefusal, now: OffsetDateTime) {
        let (refusal, kind) = self.within_bounds(refusal);
        if let Some(minute) = self.minutes.get_mut(&kind) {
            let count = refusal.count + minute.held.as_ref().map_or(0, |held| held.count);
            minute.held = Some(MailRefusal { count, ..refusal });
        } else if self.alike(|known| known.is_stranger() == kind.is_stranger()) < KINDS {
            self.minutes.insert(kind, Minute { since: now, held: None });
            self.ready.push(refusal);
        } else {
            untraced("kinds", refusal.count);
        }
    }

    /// A network that comes with one name after the other is known by its address and the reasons only, and one of ours
    /// by himself.
    fn within_bounds(&self, refusal: MailRefusal) -> (MailRefusal, Kind) {
        let kind = Kind::of(&refusal);
        if self.minutes.contains_key(&kind) {
            return (refusal, kind);
        }
        let origin = kind.origin();
        if self.alike(|known| known.origin() == origin) < PER_ORIGIN {
            return (refusal, kind);
        }
        let refusee = match refusal.refusee {
            Refusee::Operator(_) | Refusee::Stranger(_) => Refusee::Stranger(None),
            sender @ Refusee::Sender(..) => sender,
        };
        let address = network(refusal.address);
        let bare =
            MailRefusal { address, refusee, sender_domain: None, certificate: None, codes: Vec::new(), ..refusal };
        let kind = Kind::of(&bare);
        (bare, kind)
    }

    /// How many rows of this minute are so.
    fn alike(&self, so: impl Fn(&Kind) -> bool) -> usize {
        self.minutes.keys().filter(|known| so(known)).count()
    }

    /// The rows to be written by now. A clock that was put back ends every minute.
    fn due(&mut self, now: OffsetDateTime) -> Vec<MailRefusal> {
        let mut rows = std::mem::take(&mut self.ready);
        self.minutes.retain(|_, minute| {
            let age = now - minute.since;
            if age < ALIKE && !age.is_negative() {
                return true;
            }
            minute.since = now;
            let held = minute.held.take();
            let goes_on = held.is_some();
            rows.extend(held);
            goes_on
        });
        rows
    }

    /// All rows, whether their minute is over or not.
    fn end(&mut self) -> Vec<MailRefusal> {
        let mut rows = std::mem::take(&mut self.ready);
        rows.extend(self.minutes.drain().filter_map(|(_, minute)| minute.held));
        rows
    }
}

impl Kind {
    fn of(refusal: &MailRefusal) -> Self {
        let MailRefusal { address, reason, codes, refusee, sender_domain, .. } = refusal.clone();
        Self { address, reason, codes, refusee, sender_domain }
    }

    fn origin(&self) -> Origin {
        match &self.refusee {
            Refusee::Sender(actor, Some(_)) => Origin::Sender(actor.clone()),
            Refusee::Operator(_) | Refusee::Stranger(_) | Refusee::Sender(_, None) => {
                Origin::Network(network(self.address))
            }
        }
    }

    fn is_stranger(&self) -> bool {
        matches!(self.origin(), Origin::Network(_))
    }
}

#[cfg(test)]
mod tests {
    use mssante::{BalId, Clock as _};
    use testkit::clock::FixedClock;
    use time::macros::datetime;

    use super::*;

    struct Bench {
        clock: FixedClock,
        gathering: Gathering,
    }

    impl Bench {
        fn new() -> Self {
            Self { clock: FixedClock::at(datetime!(2026-11-22 07:00 UTC)), gathering: Gathering::default() }
        }

        fn refuse(&mut self, address: &str, reason: &'static str, peer: &str, domain: &str) {
            let refusal = MailRefusal {
                at: self.clock.now(),
                reason,
                address: address.parse().unwrap(),
                codes: Vec::new(),
                refusee: Refusee::Stranger(Some(peer.to_owned())),
                sender_domain: Domain::parse(domain).ok(),
                certificate: Some([1; 32]),
                count: 1,
            };
            self.gathering.take([refusal], self.clock.now());
        }

        fn counts(&mut self) -> Vec<u64> {
            self.gathering.due(self.clock.now()).iter().map(|row| row.count).collect()
        }
    }

    const REASON: &str = "certificate-expired";

    #[test]
    fn refusals_alike_are_one_row_a_minute_that_counts_them() {
        let mut bench = Bench::new();
        for _ in 0..5 {
            bench.refuse("192.0.2.1", REASON, "cn=a", "a.fr");
        }
        assert_eq!(bench.counts(), [1], "the first at once");
        bench.clock.advance(time::Duration::seconds(59));
        bench.refuse("192.0.2.1", REASON, "cn=a", "a.fr");
        let last = bench.clock.now();
        assert!(bench.counts().is_empty());
        bench.clock.advance(time::Duration::seconds(1));
        let rows = bench.gathering.due(bench.clock.now());
        assert_eq!(rows.iter().map(|row| (row.count, row.at)).collect::<Vec<_>>(), [(5, last)]);
        bench.refuse("192.0.2.1", REASON, "cn=a", "a.fr");
        assert!(bench.counts().is_empty(), "the row just written has its minute, too");
        bench.clock.advance(time::Duration::minutes(1));
        assert_eq!(bench.counts(), [1]);
        bench.clock.advance(time::Duration::minutes(1));
        assert!(bench.counts().is_empty() && bench.gathering.minutes.is_empty(), "nothing is kept of who is gone");
    }

    #[test]
    fn address_reason_name_and_domain_tell_refusals_apart() {
        let mut bench = Bench::new();
        bench.refuse("192.0.2.1", REASON, "cn=a", "a.fr");
        bench.refuse("192.0.2.2", REASON, "cn=a", "a.fr");
        bench.refuse("192.0.2.1", "certificate-revoked", "cn=a", "a.fr");
        bench.refuse("192.0.2.1", REASON, "cn=b", "a.fr");
        bench.refuse("192.0.2.1", REASON, "cn=a", "b.fr");
        assert_eq!(bench.counts(), [1; 5]);
    }

    #[test]
    fn who_makes_up_names_is_known_by_its_network() {
        let mut bench = Bench::new();
        for n in 0..1000 {
            bench.refuse(&format!("2001:db8::{n:x}"), REASON, &format!("cn={n}"), &format!("d{n}.fr"));
        }
        let rows = bench.gathering.due(bench.clock.now());
        assert_eq!(rows.len(), PER_ORIGIN + 1);
        let last = rows.last().unwrap();
        assert_eq!((last.address.to_string().as_str(), &last.refusee), ("2001:db8::", &Refusee::Stranger(None)));
        bench.clock.advance(time::Duration::minutes(1));
        assert_eq!(bench.counts(), [1000 - PER_ORIGIN as u64 - 1]);
        bench.refuse("192.0.2.1", REASON, "cn=a", "a.fr");
        assert_eq!(bench.counts(), [1], "others are not concerned");
    }

    #[test]
    fn there_is_an_end_to_the_rows_of_a_minute() {
        let mut bench = Bench::new();
        for n in 0..2 * KINDS {
            bench.refuse(&format!("10.0.{}.{}", n / 256, n % 256), REASON, "cn=a", "a.fr");
        }
        assert_eq!(bench.counts().len(), KINDS);
        assert_eq!(bench.gathering.minutes.len(), KINDS);
        bench.clock.advance(time::Duration::minutes(1));
        assert!(bench.counts().is_empty());
        bench.refuse("10.9.9.9", REASON, "cn=a", "a.fr");
        assert_eq!(bench.counts(), [1]);
    }

    #[test]
    fn who_has_logged_in_is_always_named_and_strangers_take_nothing_from_him() {
        let mut bench = Bench::new();
        for n in 0..2 * KINDS {
            bench.refuse(&format!("10.0.{}.{}", n / 256, n % 256), REASON, "cn=a", "a.fr");
        }
        assert_eq!(bench.counts().len(), KINDS);
        let sender = Refusee::Sender(Actor::Bal("a@b.fr".to_owned()), Some(BalId(1)));
        for n in 0..100 {
            let refusal = MailRefusal {
                at: bench.clock.now(),
                reason: "sender-not-allowed",
                codes: Vec::new(),
                address: "10.0.0.1".parse().unwrap(),
                refusee: sender.clone(),
                sender_domain: Domain::parse(&format!("d{n}.fr")).ok(),
                certificate: None,
                count: 1,
            };
            bench.gathering.take([refusal], bench.clock.now());
        }
        let rows = bench.gathering.due(bench.clock.now());
        assert_eq!(rows.len(), PER_ORIGIN + 1);
        assert!(rows.iter().all(|row| row.refusee == sender));
        assert_eq!(rows.last().map(|row| &row.sender_domain), Some(&None));
    }

    #[test]
    fn a_clock_that_is_put_back_holds_nothing_up() {
        let mut bench = Bench::new();
        bench.refuse("192.0.2.1", REASON, "cn=a", "a.fr");
        bench.refuse("192.0.2.1", REASON, "cn=a", "a.fr");
        assert_eq!(bench.counts(), [1]);
        bench.clock.advance(time::Duration::days(-1));
        assert_eq!(bench.counts(), [1]);
    }

    #[test]
    fn at_the_end_nothing_is_left_out() {
        let mut bench = Bench::new();
        for _ in 0..3 {
            bench.refuse("192.0.2.1", REASON, "cn=a", "a.fr");
        }
        assert_eq!(bench.gathering.end().iter().map(|row| row.count).collect::<Vec<_>>(), [1, 2]);
    }
}
