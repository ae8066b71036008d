//! Refusals of hops, gathered and written into the audit trail. Whoever is refused again and again, or makes up names
//! to be refused by, must neither fill the table nor keep the database busy.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mssante::{Clock, Domain};
use store::{HopClient, HopRefusal, Store};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::room::network;

/// For so long, refusals alike are one row.
const ALIKE: time::Duration = time::Duration::MINUTE;
/// Rows of different kinds within that time that one network is worth; then names and domains are left out.
const PER_NETWORK: usize = 20;
/// Rows of different kinds within that time, all in all.
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
    pub(super) fn start(queue: mpsc::Receiver<HopRefusal>, store: Store, clock: Arc<dyn Clock>) -> Self {
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
    queue: mpsc::Receiver<HopRefusal>,
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

    async fn write(&self, rows: Vec<HopRefusal>) {
        if rows.is_empty() {
            return;
        }
        if let Err(error) = self.store.trace_hop_refusals(&rows).await {
            tracing::warn!(%error, rows = rows.len(), "refusals of hops are not in the audit trail");
            untraced("database", rows.iter().map(|row| row.count).sum());
        }
    }
}

fn untraced(why: &'static str, count: u64) {
    metrics::counter!("pli_hop_refusals_untraced_total", "why" => why).increment(count);
}

/// What makes refusals alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    address: IpAddr,
    reason: &'static str,
    client: HopClient,
    peer: Option<String>,
    sender_domain: Option<Domain>,
}

/// A kind within its minute.
#[derive(Debug)]
struct Minute {
    since: OffsetDateTime,
    /// Those that came after the row at `since`, as one.
    held: Option<HopRefusal>,
}

/// Makes rows of refusals: the first of a kind at once, those of the next minute as one when it is over. The counts of
/// all rows together are the number of refusals.
#[derive(Debug, Default)]
struct Gathering {
    minutes: HashMap<Kind, Minute>,
    ready: Vec<HopRefusal>,
}

impl Gathering {
    fn take(&mut self, refusals: impl IntoIterator<Item = HopRefusal>, now: OffsetDateTime) {
        for refusal in refusals {
            self.take_one(refusal, now);
        }
    }

    fn take_one(&mut self, refusal: HopRefusal, now: OffsetDateTime) {
        let (refusal, kind) = self.within_bounds(refusal);
        if let Some(minute) = self.minutes.get_mut(&kind) {
            let count = refusal.count + minute.held.as_ref().map_or(0, |held| held.count);
            minute.held = Some(HopRefusal { count, ..refusal });
        } else if self.minutes.len() < KINDS {
            self.minutes.insert(kind, Minute { since: now, held: None });
            self.ready.push(refusal);
        } else {
            untraced("kinds", refusal.count);
        }
    }

    /// A network that comes with one name after the other is known by its address and the reasons only.
    fn within_bounds(&self, refusal: HopRefusal) -> (HopRefusal, Kind) {
        let kind = Kind::of(&refusal);
        if self.minutes.contains_key(&kind) {
            return (refusal, kind);
        }
        let network = network(refusal.address);
        if self.minutes.keys().filter(|known| known.network() == network).count() < PER_NETWORK {
            return (refusal, kind);
        }
        let refusal = HopRefusal {
            address: network,
            client: HopClient::Stranger,
            peer: None,
            sender_domain: None,
            certificate: None,
            ..refusal
        };
        let kind = Kind::of(&refusal);
        (refusal, kind)
    }

    /// The rows to be written by now. A clock that was put back ends every minute.
    fn due(&mut self, now: OffsetDateTime) -> Vec<HopRefusal> {
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
    fn end(&mut self) -> Vec<HopRefusal> {
        let mut rows = std::mem::take(&mut self.ready);
        rows.extend(self.minutes.drain().filter_map(|(_, minute)| minute.held));
        rows
    }
}

impl Kind {
    fn of(refusal: &HopRefusal) -> Self {
        let HopRefusal { address, reason, client, peer, sender_domain, .. } = refusal.clone();
        Self { address, reason, client, peer, sender_domain }
    }

    fn network(&self) -> IpAddr {
        network(self.address)
    }
}

#[cfg(test)]
mod tests {
    use mssante::Clock as _;
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
            let refusal = HopRefusal {
                at: self.clock.now(),
                reason,
                address: address.parse().unwrap(),
                client: HopClient::Stranger,
                peer: Some(peer.to_owned()),
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
        assert_eq!(rows.len(), PER_NETWORK + 1);
        let last = rows.last().unwrap();
        assert_eq!((last.address.to_string().as_str(), &last.peer, &last.sender_domain), ("2001:db8::", &None, &None));
        bench.clock.advance(time::Duration::minutes(1));
        assert_eq!(bench.counts(), [1000 - PER_NETWORK as u64 - 1]);
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
