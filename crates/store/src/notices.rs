//! Who has to know of a change: sessions of this process at once, other nodes by one coalesced
//! notification channel.
//!
//! NOTIFY in a transaction makes all commits of the database queue up behind one lock, so it is never used in
//! one that stores messages: a task of its own sends what has gathered, at most every [`PAUSE`]. Changes of BALs,
//! of the trust space and of the directory are rare, and made by short-lived processes too: their notice is part of their transaction.

mod bals;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mssante::{BalId, Random};
use sqlx::postgres::PgListener;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::landing::{Landing, Placed};
use crate::{FolderId, Modseq};

pub use bals::{BalChange, BalNews};

/// Least time between two notifications to other nodes.
const PAUSE: Duration = Duration::from_millis(50);
/// Time between two attempts to listen again.
const RETRY: Duration = Duration::from_secs(1);
const FOLDER_CHANNEL: &str = "pli_folder";
const BAL_CHANNEL: &str = "pli_bal";
const TRUST_CHANNEL: &str = "pli_trust";
const ANNUAIRE_CHANNEL: &str = "pli_annuaire";
/// PostgreSQL refuses payloads of 8,000 octets and more.
const PAYLOAD_LIMIT: usize = 7_900;
/// In the place of what changed: whoever hears it looks for himself.
const ALL: &str = "all";
/// BALs that one notice names: with 19 digits each they stay below [`PAYLOAD_LIMIT`].
const MOST_NAMED: usize = 380;

/// The watchers of this process and the way to the other nodes.
pub(crate) struct Notices {
    folders: Mutex<HashMap<FolderId, watch::Sender<Modseq>>>,
    bals: watch::Sender<u64>,
    changed_bals: watch::Sender<bals::Log>,
    trust: watch::Sender<u64>,
    annuaire: watch::Sender<u64>,
    queue: watch::Sender<u64>,
    outgoing: mpsc::UnboundedSender<(FolderId, Modseq)>,
    /// Tells our own notices from those of other nodes.
    node: String,
}

impl Notices {
    /// The watchers, and what [`send_out`] sends.
    pub(crate) fn new(random: &dyn Random) -> (Arc<Self>, Outgoing) {
        let mut node = [0; 8];
        random.fill(&mut node);
        let (outgoing, receiver) = mpsc::unbounded_channel();
        let notices = Self {
            folders: Mutex::default(),
            bals: watch::Sender::new(0),
            changed_bals: watch::Sender::new(bals::Log::default()),
            trust: watch::Sender::new(0),
            annuaire: watch::Sender::new(0),
            queue: watch::Sender::new(0),
            outgoing,
            node: format!("{:016x}", u64::from_be_bytes(node)),
        };
        (Arc::new(notices), Outgoing(receiver))
    }

    pub(crate) fn watch_folder(&self, folder: FolderId) -> watch::Receiver<Modseq> {
        self.lock().entry(folder).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    pub(crate) fn watch_bals(&self) -> watch::Receiver<u64> {
        self.bals.subscribe()
    }

    pub(crate) fn bal_news(&self) -> BalNews {
        BalNews::of(&self.changed_bals)
    }

    pub(crate) fn watch_trust(&self) -> watch::Receiver<u64> {
        self.trust.subscribe()
    }

    pub(crate) fn watch_annuaire(&self) -> watch::Receiver<u64> {
        self.annuaire.subscribe()
    }

    pub(crate) fn watch_queue(&self) -> watch::Receiver<u64> {
        self.queue.subscribe()
    }

    /// A committed change of a folder, made by this process.
    pub(crate) fn folder_changed(&self, folder: FolderId, modseq: Modseq) {
        self.wake(folder, modseq);
        // Fails only when the store is closed, and then nobody is left to tell.
        let _ = self.outgoing.send((folder, modseq));
    }

    /// Tells other nodes, when the transaction is committed, that a BAL was created or changed.
    pub(crate) async fn announce_bal(&self, bal: BalId, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.announce_bals(&[bal], connection).await
    }

    /// The same for several; of very many nobody is told which.
    pub(crate) async fn announce_bals(&self, bals: &[BalId], connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let named = if bals.len() > MOST_NAMED {
            ALL.to_owned()
        } else {
            bals.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        self.announce(BAL_CHANNEL, &named, connection).await
    }

    /// Tells other nodes, when the transaction is committed, that lists or their sources changed.
    pub(crate) async fn announce_trust(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.announce(TRUST_CHANNEL, ALL, connection).await
    }

    /// Tells other nodes, when the transaction is committed, that the directory or its sources changed.
    pub(crate) async fn announce_annuaire(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.announce(ANNUAIRE_CHANNEL, ALL, connection).await
    }

    async fn announce(&self, channel: &str, what: &str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(channel)
            .bind(format!("{} {what}", self.node))
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Lists or their sources were changed by this process; the transaction is committed.
    pub(crate) fn trust_changed(&self) {
        bump(&self.trust);
    }

    /// The directory or its sources were changed by this process; the transaction is committed.
    pub(crate) fn annuaire_changed(&self) {
        bump(&self.annuaire);
    }

    /// A BAL was created or changed by this process; the transaction is committed.
    pub(crate) fn bal_changed(&self, bal: BalId) {
        self.bals_changed(&[bal]);
    }

    /// The same for several.
    pub(crate) fn bals_changed(&self, bals: &[BalId]) {
        self.wake_bals(BalChange::Of(bals.iter().copied().collect()));
    }

    /// Entries were added to the queue by this process.
    pub(crate) fn queue_grew(&self) {
        bump(&self.queue);
    }

    /// A landing is committed: its chunks stay, its folders and the queue have news.
    pub(crate) fn landed(&self, landing: Landing, placed: &[Placed]) {
        for place in placed {
            self.folder_changed(place.folder, place.modseq);
        }
        if !landing.relays.is_empty() {
            self.queue_grew();
        }
        landing.message.keep();
    }

    /// Forgets the folders that nobody watches any more.
    pub(crate) fn prune(&self) {
        self.lock().retain(|_, sender| sender.receiver_count() > 0);
    }

    fn wake(&self, folder: FolderId, modseq: Modseq) {
        let mut folders = self.lock();
        let Some(sender) = folders.get(&folder) else { return };
        if sender.receiver_count() == 0 {
            folders.remove(&folder);
            return;
        }
        sender.send_modify(|latest| *latest = modseq.max(*latest));
    }

    /// Notices may have been lost: everybody looks for himself.
    fn wake_all(&self) {
        for sender in self.lock().values() {
            sender.send_modify(|_| ());
        }
        self.wake_bals(BalChange::Any);
        bump(&self.trust);
        bump(&self.annuaire);
        bump(&self.queue);
    }

    fn wake_bals(&self, change: BalChange) {
        bals::note(&self.changed_bals, change);
        bump(&self.bals);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<FolderId, watch::Sender<Modseq>>> {
        // The map is whole at every moment, so a panic elsewhere does not spoil it.
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What another node said on a channel.
    fn hear(&self, channel: &str, payload: &str) {
        let Some((node, what)) = payload.split_once(' ') else { return };
        if node == self.node {
            return;
        }
        match channel {
            BAL_CHANNEL => self.wake_bals(named_bals(what)),
            TRUST_CHANNEL => bump(&self.trust),
            ANNUAIRE_CHANNEL => bump(&self.annuaire),
            _ => self.hear_of_folders(what),
        }
    }

    fn hear_of_folders(&self, folders: &str) {
        for notice in folders.split_ascii_whitespace() {
            let Some((folder, modseq)) = notice.split_once(':') else { continue };
            if let (Ok(folder), Ok(modseq)) = (folder.parse(), modseq.parse()) {
                self.wake(FolderId(folder), modseq);
            }
        }
    }
}

/// The numbers in a notice; a word that is none stands for all.
fn named_bals(what: &str) -> BalChange {
    let numbers: Result<_, _> = what.split_ascii_whitespace().map(|number| number.parse().map(BalId)).collect();
    numbers.map_or(BalChange::Any, BalChange::Of)
}

fn bump(counter: &watch::Sender<u64>) {
    counter.send_modify(|count| *count = count.wrapping_add(1));
}

/// What waits to be told to other nodes.
pub(crate) struct Outgoing(mpsc::UnboundedReceiver<(FolderId, Modseq)>);

impl Outgoing {
    /// Waits for something to tell and takes all that is there; `None` when nothing can come any more.
    async fn next(&mut self, node: &str) -> Option<Vec<String>> {
        let mut taken = Vec::new();
        if self.0.recv_many(&mut taken, 10_000).await == 0 {
            return None;
        }
        let mut folders = BTreeMap::new();
        for (folder, modseq) in taken {
            let latest = folders.entry(folder.0).or_insert(modseq);
            *latest = modseq.max(*latest);
        }
        Some(folder_payloads(node, &folders))
    }
}

/// `node folder:modseq folder:modseq …`, as many as it takes.
fn folder_payloads(node: &str, folders: &BTreeMap<i64, Modseq>) -> Vec<String> {
    let mut payloads = Vec::new();
    let mut payload = node.to_owned();
    for (folder, modseq) in folders {
        if payload.len() > PAYLOAD_LIMIT - 45 {
            payloads.push(std::mem::replace(&mut payload, node.to_owned()));
        }
        write!(payload, " {folder}:{modseq}").expect("writing to a String cannot fail");
    }
    if payload.len() > node.len() {
        payloads.push(payload);
    }
    payloads
}

/// Sends what this process changed to the other nodes, until the store is closed and all is told.
pub(crate) async fn send_out(pool: PgPool, notices: Arc<Notices>, mut outgoing: Outgoing, closed: CancellationToken) {
    loop {
        let payloads = tokio::select! {
            biased;
            payloads = outgoing.next(&notices.node) => payloads,
            () = closed.cancelled() => return,
        };
        let Some(payloads) = payloads else { return };
        let sent = sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload")
            .bind(FOLDER_CHANNEL)
            .bind(payloads)
            .execute(&pool)
            .await;
        if let Err(error) = sent {
            // Nothing is lost for good: a node that loses its connection looks for itself.
            warn!(%error, "other nodes could not be notified");
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = closed.cancelled() => {}
        }
    }
}

/// Hears what other nodes changed, until the store is closed.
pub(crate) async fn listen(pool: PgPool, notices: Arc<Notices>, closed: CancellationToken) {
    while !closed.is_cancelled() {
        tokio::select! {
            result = listen_once(&pool, &notices) => {
                if let Err(error) = result && !closed.is_cancelled() {
                    debug!(%error, "the notification channel was lost");
                }
            }
            () = closed.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = closed.cancelled() => return,
        }
    }
}

async fn listen_once(pool: &PgPool, notices: &Notices) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all([FOLDER_CHANNEL, BAL_CHANNEL, TRUST_CHANNEL, ANNUAIRE_CHANNEL]).await?;
    notices.wake_all();
    loop {
        match listener.try_recv().await? {
            Some(notice) => notices.hear(notice.channel(), notice.payload()),
            None => notices.wake_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0);
        }
    }

    #[test]
    fn a_watcher_wakes_at_a_change_of_its_folder_only() {
        let (notices, _outgoing) = Notices::new(&Zeros);
        let mut one = notices.watch_folder(FolderId(1));
        let two = notices.watch_folder(FolderId(2));
        notices.folder_changed(FolderId(1), 7);
        assert!(one.has_changed().unwrap() && !two.has_changed().unwrap());
        assert_eq!(*one.borrow_and_update(), 7);
    }

    #[test]
    fn folders_that_nobody_watches_are_forgotten() {
        let (notices, _outgoing) = Notices::new(&Zeros);
        drop(notices.watch_folder(FolderId(1)));
        drop(notices.watch_folder(FolderId(2)));
        notices.folder_changed(FolderId(1), 2);
        assert_eq!(notices.lock().len(), 1);
        notices.prune();
        assert!(notices.lock().is_empty());
    }

    #[test]
    fn notices_of_other_nodes_wake_and_our_own_do_not() {
        let (notices, _outgoing) = Notices::new(&Zeros);
        let folder = notices.watch_folder(FolderId(5));
        notices.hear(FOLDER_CHANNEL, "0000000000000000 5:9");
        assert!(!folder.has_changed().unwrap());
        notices.hear(FOLDER_CHANNEL, "0000000000000001 4:1 5:9 nonsense 6:x");
        assert!(folder.has_changed().unwrap());
    }

    #[test]
    fn a_notice_of_bals_says_which_and_a_lost_connection_means_any() {
        let (notices, _outgoing) = Notices::new(&Zeros);
        let (mut news, changes) = (notices.bal_news(), notices.watch_bals());
        notices.bal_changed(BalId(3));
        notices.hear(BAL_CHANNEL, "0000000000000001 4");
        notices.hear(BAL_CHANNEL, "0000000000000000 5");
        assert!(changes.has_changed().unwrap());
        assert_eq!(news.latest(), BalChange::Of([BalId(3), BalId(4)].into()), "our own are not heard twice");
        for lost in [Notices::wake_all, |notices: &Notices| notices.hear(BAL_CHANNEL, "01 all")] {
            lost(&notices);
            assert_eq!(news.latest(), BalChange::Any);
        }
    }

    #[test]
    fn payloads_stay_below_the_limit_of_postgresql() {
        let folders: BTreeMap<i64, Modseq> = (0..3_000).map(|n| (i64::MAX - n, u64::MAX)).collect();
        let payloads = folder_payloads("0123456789abcdef", &folders);
        assert!(payloads.iter().all(|payload| payload.len() < 8_000));
        assert_eq!(payloads.iter().map(|payload| payload.split(' ').count() - 1).sum::<usize>(), 3_000);
    }

    #[tokio::test]
    async fn many_changes_of_a_folder_become_one_notice() {
        let (notices, mut outgoing) = Notices::new(&Zeros);
        for modseq in 1..=9 {
            notices.folder_changed(FolderId(3), modseq);
        }
        assert_eq!(outgoing.next("n").await.unwrap(), ["n 3:9"]);
    }
}
