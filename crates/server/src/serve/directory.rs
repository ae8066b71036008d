//! Keeps the resolver as the store has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annuaire::{LocalTable, Resolver};
use mssante::BalId;
use store::{BalChange, BalNews, Store, StoreError};
use tokio_util::sync::CancellationToken;

/// After a reading that took a while, as many times as long belong to others: thousands of BALs may be created in a row.
const REST: u32 = 4;
/// When the database does not answer.
const TROUBLE_PAUSE: Duration = Duration::from_secs(2);
/// Everything is read again after so long, whatever was heard: sessions learn of BALs beside the notices.
const EVERYTHING: Duration = Duration::from_mins(5);

/// What was read of the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// BALs that were read this time.
    pub(super) read: usize,
    /// BALs that the resolver knows now.
    pub(super) known: usize,
}

/// Reads the BALs that somebody, here or elsewhere, has changed.
pub(super) struct Directory {
    store: Store,
    resolver: Arc<Resolver>,
    tell: Box<dyn Fn(Reading) + Send + Sync>,
    news: BalNews,
}

impl Directory {
    /// `tell` hears of every reading.
    pub(super) fn new(store: Store, resolver: Arc<Resolver>, tell: impl Fn(Reading) + Send + Sync + 'static) -> Self {
        // Taken before the first reading, so that no change falls between the two.
        let news = store.bal_news();
        Self { store, resolver, tell: Box::new(tell), news }
    }

    /// Puts all BALs of the store into the resolver.
    pub(super) async fn refresh(&self) -> Result<(), StoreError> {
        self.take_over(&BalChange::Any).await
    }

    /// Puts what changed into the resolver.
    async fn take_over(&self, change: &BalChange) -> Result<(), StoreError> {
        let read = match change {
            BalChange::Any => self.replace_all().await?,
            BalChange::Of(bals) => self.patch(&bals.iter().copied().collect::<Vec<_>>()).await?,
        };
        (self.tell)(Reading { read, known: self.resolver.known_bals() });
        Ok(())
    }

    async fn replace_all(&self) -> Result<usize, StoreError> {
        self.resolver.expect_all();
        let ways = self.store.ways().await?;
        let read = ways.bals.len();
        // Of a large operator this takes a while, and sessions have their turn meanwhile.
        let built = tokio::task::spawn_blocking(move || LocalTable::from(&ways)).await;
        let learned = self.resolver.replace_all(built.map_err(|error| StoreError::Unavailable(error.to_string()))?);
        // What sessions have learned meanwhile is younger than what was read.
        if !learned.is_empty() {
            self.patch(&learned).await?;
        }
        Ok(read)
    }

    async fn patch(&self, bals: &[BalId]) -> Result<usize, StoreError> {
        let ways = self.store.ways_of(bals.iter().copied()).await?;
        self.resolver.patch(bals, LocalTable::from(&ways));
        Ok(ways.bals.len())
    }

    /// Follows every change until `stop`. What could not be read is owed until it is.
    pub(super) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut news = self.news.clone();
        let mut owed = BalChange::default();
        let mut everything = Instant::now() + EVERYTHING;
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            if owed.is_nothing() {
                owed = tokio::select! {
                    () = stop.cancelled() => return,
                    change = news.next() => if let Some(change) = change { change } else { return },
                    () = tokio::time::sleep_until(everything.into()) => BalChange::Any,
                };
            }
            owed = owed.and(news.latest());
            let begun = Instant::now();
            if begun >= everything {
                owed = BalChange::Any;
            }
            pause = match self.take_over(&owed).await {
                Ok(()) => {
                    if owed == BalChange::Any {
                        everything = begun + EVERYTHING;
                    }
                    owed = BalChange::default();
                    begun.elapsed() * REST
                }
                Err(error) => {
                    tracing::error!(%error, "the BALs cannot be read; the resolver keeps what it knows");
                    TROUBLE_PAUSE
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use mssante::{Address, BalKind, BalState, Domain, Refusal};
    use store::NewBal;
    use testkit::postgres::TestDatabase;

    use super::*;

    const BEFORE: usize = 200;
    const CREATED: usize = 300;

    async fn create(store: &Store, name: &str) -> BalId {
        let address = Address::parse(&format!("{name}@ch.mssante.fr")).unwrap();
        store.create_bal(NewBal::new(address, BalKind::Cabinet)).await.unwrap().id
    }

    /// A node's directory and its resolver, and how many BALs it has read.
    fn node(store: &Store) -> (Arc<Directory>, Arc<Resolver>, Arc<AtomicUsize>) {
        let resolver = Arc::new(Resolver::new([Domain::parse("ch.mssante.fr").unwrap()]));
        let read = Arc::new(AtomicUsize::new(0));
        let sum = Arc::clone(&read);
        let tell = move |reading: Reading| {
            sum.fetch_add(reading.read, Ordering::Relaxed);
        };
        (Arc::new(Directory::new(store.clone(), Arc::clone(&resolver), tell)), resolver, read)
    }

    fn takes_mail(resolver: &Resolver, name: &str) -> bool {
        let address = Address::parse(&format!("{name}@ch.mssante.fr")).unwrap();
        matches!(resolver.route(&address, |_| Err(Refusal::TrustListStale)), annuaire::Route::Local(_))
    }

    #[tokio::test]
    async fn each_bal_that_is_created_is_read_and_not_all_of_them() {
        let database = TestDatabase::new().await;
        let store = database.store().await;
        // When it begins to listen it wakes everybody once.
        store.bal_changes().changed().await.unwrap();
        for n in 0..BEFORE {
            create(&store, &format!("old{n}")).await;
        }
        let (directory, resolver, read) = node(&store);
        directory.refresh().await.unwrap();
        assert_eq!(read.swap(0, Ordering::Relaxed), BEFORE);
        let mut news = directory.news.clone();
        for n in 0..CREATED {
            create(&store, &format!("new{n}")).await;
            directory.take_over(&news.next().await.unwrap()).await.unwrap();
            assert!(takes_mail(&resolver, &format!("new{n}")));
        }
        assert_eq!(read.load(Ordering::Relaxed), CREATED, "BALs read");
        assert_eq!(resolver.known_bals(), BEFORE + CREATED);
    }

    #[tokio::test]
    async fn a_node_follows_what_another_one_does_to_bals_aliases_and_forwards() {
        let database = TestDatabase::new().await;
        let (store, elsewhere) = (database.store().await, database.store().await);
        let (directory, resolver, _) = node(&store);
        directory.refresh().await.unwrap();
        let stop = CancellationToken::new();
        let following = tokio::spawn(directory.follow(stop.clone()));
        let becomes = async |name: &str, expected: bool| {
            let wait = async {
                while takes_mail(&resolver, name) != expected {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), wait).await.expect(name);
        };
        let bal = create(&elsewhere, "accueil").await;
        becomes("accueil", true).await;
        let alias = Address::parse("reception@ch.mssante.fr").unwrap();
        elsewhere.add_alias(bal, &alias).await.unwrap();
        becomes("reception", true).await;
        elsewhere.remove_alias(&alias).await.unwrap();
        becomes("reception", false).await;
        elsewhere.set_bal_state(bal, BalState::Suspended, "essai").await.unwrap();
        becomes("accueil", false).await;
        stop.cancel();
        following.await.unwrap();
    }
}
