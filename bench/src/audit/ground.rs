//! A database with BALs, and ways to fill its trail.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use mssante::{Address, BalKind, Clock, Domain, Random};
use serde_json::json;
use store::{
    BalRecord, Cluster, DatabaseSettings, Entered, Event, KeyRing, MessageId, NewBal, Store, StoreParts, Trace,
};
use tempfile::TempDir;
use testkit::clock::{RealClock, TestRandom};
use time::OffsetDateTime;

/// Lines that are recorded in one statement while a trail is made.
const AT_ONCE: usize = 5_000;

/// Everything; dropped without stopping, the cluster ends with its folder at the end of the process.
pub(super) struct Ground {
    pub(super) store: Store,
    pub(super) bals: Vec<BalRecord>,
    cluster: Cluster,
    _folder: TempDir,
}

impl Ground {
    /// With so many BALs.
    pub(super) async fn new(bals: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("pli-bench-audit-").tempdir_in("/tmp")?;
        open_to_pass(&folder)?;
        let cluster = Cluster::start(folder.path()).await?;
        let ring = format!("key bench {}\nactive bench\n", "5a".repeat(32));
        let Ok(ring) = KeyRing::parse(&ring) else { bail!("a key ring that is none") };
        let random: Arc<dyn Random> = Arc::new(TestRandom::seeded(5));
        let parts = StoreParts { keyring: Arc::new(ring), clock: Arc::new(RealClock), random };
        let store = Store::open(&DatabaseSettings { url: cluster.url(), connections: 12 }, parts).await?;
        let mut made = Vec::with_capacity(bals);
        for number in 0..bals {
            let address = Address::parse(&format!("bal{number}@bench.mssante.fr"))?;
            made.push(store.create_bal(NewBal::new(address, BalKind::Cabinet)).await?);
        }
        let ground = Self { store, bals: made, cluster, _folder: folder };
        ground.enter().await?;
        Ok(ground)
    }

    /// Enters all that waits: how many lines.
    pub(super) async fn enter(&self) -> Result<u64> {
        let patients = patients()?;
        let mut lines = 0;
        loop {
            match self.store.enter_traces(&patients).await? {
                Entered::Some(more) => lines += more,
                Entered::All(more) => return Ok(lines + more),
                Entered::Elsewhere => bail!("nobody else enters here"),
            }
        }
    }

    /// Records lines as acceptances and hand-overs leave them, spread over `days` before now, and enters them; how long
    /// the entering alone took.
    pub(super) async fn fill(&self, lines: usize, days: u32) -> Result<std::time::Duration> {
        let mut entering = std::time::Duration::ZERO;
        for start in (0..lines).step_by(AT_ONCE) {
            let end = (start + AT_ONCE).min(lines);
            let traces: Vec<_> = (start..end).map(|number| self.line(number, lines, days)).collect();
            self.store.record(&traces).await?;
            let begun = Instant::now();
            self.enter().await?;
            entering += begun.elapsed();
            if (start / AT_ONCE).is_multiple_of(10) {
                self.store.tidy_inbox().await?;
            }
        }
        Ok(entering)
    }

    /// A line; of each three, two are acceptances.
    pub(super) fn line(&self, number: usize, of: usize, days: u32) -> Trace {
        let back = time::Duration::days(i64::from(days)) * (of - number) as f64 / of as f64;
        let at: OffsetDateTime = RealClock.now() - back;
        let sender = &self.bals[number * 7 % self.bals.len()];
        let receiver = &self.bals[number * 13 % self.bals.len()];
        let message = MessageId(i64::try_from(number).unwrap_or(i64::MAX));
        if number % 3 == 2 {
            let detail = json!({ "recipient": "secretariat@clinique.mssante.fr", "reply": "250 2.0.0 accepted",
                "hop": { "address": "192.0.2.10", "dn_match": "strict", "tls": "TLSv1.3 TLS13_AES_256_GCM_SHA384" } });
            return Trace::new(at, Event::RelayHandedOver).of_message(message).with_peer("mx.clinique.fr").with(detail);
        }
        let detail = json!({ "from": sender.address, "size": 40_000 + number % 1_000, "local": [receiver.address],
            "bals": [receiver.id], "remote": [], "source": { "submission": "192.0.2.77" },
            "facts": { "xdm": number.is_multiple_of(2), "cda": 1, "ins": "O", "nil": format!("NIL-{}", number % 40) } });
        Trace::new(at, Event::MessageAccepted).of_message(message).of_bal(sender.id).with(detail)
    }

    /// The end.
    pub(super) async fn stop(self) -> Result<()> {
        self.store.close().await;
        Ok(self.cluster.stop().await?)
    }
}

/// The cluster's account has to get through.
fn open_to_pass(folder: &TempDir) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?)
}

pub(super) fn patients() -> Result<Vec<Domain>> {
    Ok(vec![Domain::parse("patient.mssante.fr")?])
}

/// Waits for a case in a runtime of its own.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}
