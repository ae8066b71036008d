//! The end of the audit trail as this machine saw it last, in a file that who only holds the database cannot change.
//!
//! It only ever moves along the chain that it was on. When the chain does not go on from it any more, the file stays as
//! it is, for `pli audit verify` and for whoever finds out what happened, and everybody who watches hears of it.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use store::{Followed, Store, StoreError, Witness};

/// Where this machine notes the end of the chain down.
fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("audit-end")
}

/// What this machine noted down last; none if it never did.
pub(crate) fn read(data_dir: &Path) -> Result<Option<Witness>, String> {
    let file = file(data_dir);
    match std::fs::read_to_string(&file) {
        Ok(text) => text.parse().map(Some).map_err(|why| format!("{}: {why}", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

/// Whole or not at all, also when the machine loses its power.
fn write(data_dir: &Path, end: Witness) -> Result<(), String> {
    let (file, new) = (file(data_dir), data_dir.join("audit-end.new"));
    let written = || -> io::Result<()> {
        let mut to = File::create(&new)?;
        writeln!(to, "{end}")?;
        to.sync_all()?;
        std::fs::rename(&new, &file)?;
        File::open(data_dir)?.sync_all()
    };
    written().map_err(|error| format!("{}: {error}", file.display()))
}

/// What is wrong with the audit trail, as far as this node knows; for `/readyz` and `pli status`.
#[derive(Debug, Clone, Default)]
pub(super) struct Alarm(Arc<Mutex<Option<String>>>);

impl Alarm {
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether that is news.
    fn set(&self, why: Option<String>) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *known != why;
        *known = why;
        news
    }
}

/// Looks in a row that may fail for want of a database: five minutes. Who holds the database can also see to it that
/// nobody can follow the chain.
const PATIENCE: u32 = 10;

/// Follows the chain.
pub(super) struct Observer {
    store: Store,
    data_dir: PathBuf,
    alarm: Alarm,
    /// Looks in a row that failed for want of a database.
    blind: u32,
}

/// Why the file stays as it is.
enum Stuck {
    /// The database does not answer: the next look may tell.
    Unavailable(StoreError),
    /// Somebody has to look.
    Alarming(String),
}

impl Observer {
    pub(super) fn new(store: Store, data_dir: &Path, alarm: Alarm) -> Self {
        Self { store, data_dir: data_dir.to_owned(), alarm, blind: 0 }
    }

    /// Moves the file on to what the chain has reached since, or raises the alarm.
    pub(super) async fn look(&mut self) {
        let followed = self.follow().await;
        if followed.is_err() {
            metrics::counter!("pli_audit_failures_total", "step" => "witness").increment(1);
        }
        match followed {
            Ok(()) => {
                self.blind = 0;
                if self.alarm.set(None) {
                    tracing::info!("the audit trail goes on from where this machine saw it last");
                }
            }
            Err(Stuck::Unavailable(error)) => {
                self.blind += 1;
                tracing::warn!(%error, "the end of the audit trail is not noted down; it is tried again");
                if self.blind >= PATIENCE {
                    self.raise(&format!("the audit trail could not be followed for some minutes: {error}"));
                }
            }
            Err(Stuck::Alarming(why)) => self.raise(&why),
        }
    }

    fn raise(&self, why: &str) {
        if self.alarm.set(Some(why.to_owned())) {
            tracing::error!(%why, "the audit trail cannot be relied on");
        }
    }

    async fn follow(&self) -> Result<(), Stuck> {
        let seen = self.file(read).await?;
        let followed = self.store.follow_traces(seen).await.map_err(|error| match error {
            StoreError::Unavailable(_) => Stuck::Unavailable(error),
            error => Stuck::Alarming(format!("the audit trail cannot be read: {error}; see docs/audit.md")),
        });
        match followed? {
            Followed::To(end) if Some(end) == seen => Ok(()),
            Followed::To(end) => self.file(move |data_dir| write(data_dir, end)).await,
            Followed::Lost(finding) => Err(Stuck::Alarming(format!(
                "the audit trail does not go on from where this machine saw it last ({finding}): the database was set \
                 back, or somebody wrote to it; run pli audit verify, see docs/audit.md"
            ))),
        }
    }

    /// Works on the file where it holds nobody up.
    async fn file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, String> + Send + 'static,
    ) -> Result<T, Stuck> {
        let data_dir = self.data_dir.clone();
        let done = tokio::task::spawn_blocking(move || work(&data_dir)).await;
        done.unwrap_or_else(|error| Err(error.to_string())).map_err(Stuck::Alarming)
    }
}

#[cfg(test)]
mod tests {
    use store::Event;
    use testkit::postgres::TestDatabase;

    use super::*;

    struct Machine {
        _database: TestDatabase,
        store: Store,
        observer: Observer,
    }

    impl Machine {
        async fn new(data_dir: &Path) -> Self {
            let database = TestDatabase::new().await;
            let store = database.store().await;
            let observer = Observer::new(store.clone(), data_dir, Alarm::default());
            Self { _database: database, store, observer }
        }

        /// Three lines more, and a look at them.
        async fn goes_on(&mut self) {
            let traces: Vec<_> = (0..3).map(|_| self.store.trace(Event::BalEdited)).collect();
            self.store.record(&traces).await.unwrap();
            self.store.enter_traces(&[]).await.unwrap();
            self.observer.look().await;
        }

        fn alarm(&self) -> Option<String> {
            self.observer.alarm.get()
        }
    }

    fn seen(data_dir: &Path) -> Witness {
        read(data_dir).unwrap().unwrap()
    }

    #[tokio::test]
    async fn the_file_follows_the_chain() {
        let folder = tempfile::tempdir().unwrap();
        let mut machine = Machine::new(folder.path()).await;
        for number in [3, 6, 9] {
            machine.goes_on().await;
            assert_eq!((seen(folder.path()).number, machine.alarm()), (number, None));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[tokio::test]
    async fn the_file_stays_and_the_alarm_is_raised_when_the_chain_is_another_one_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut machine = Machine::new(folder.path()).await;
        machine.goes_on().await;
        machine.goes_on().await;
        let end = seen(folder.path());
        // As good as the first chain set back: signed with the same key, shorter, then longer.
        let mut other = Machine::new(folder.path()).await;
        for _ in 0..3 {
            other.goes_on().await;
            assert_eq!(seen(folder.path()), end);
            assert!(other.alarm().unwrap().contains("pli audit verify"));
        }
        assert_eq!(other.store.verify_traces(&[end]).await.unwrap().faults, 1, "verification goes on finding it");
        std::fs::remove_file(file(folder.path())).unwrap();
        other.observer.look().await;
        assert_eq!((seen(folder.path()).number, other.alarm()), (9, None), "who knows why begins anew");
    }

    #[tokio::test]
    async fn a_database_that_lets_nobody_follow_is_an_alarm_after_some_minutes() {
        let folder = tempfile::tempdir().unwrap();
        let mut machine = Machine::new(folder.path()).await;
        machine.goes_on().await;
        machine.store.close().await;
        for look in 1..=PATIENCE {
            machine.observer.look().await;
            assert_eq!(machine.alarm().is_some(), look == PATIENCE, "{look}");
        }
        assert_eq!(seen(folder.path()).number, 3);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let mut machine = Machine::new(folder.path()).await;
        std::fs::write(file(folder.path()), "something else").unwrap();
        machine.goes_on().await;
        assert!(machine.alarm().unwrap().contains("audit-end"));
        assert_eq!(std::fs::read(file(folder.path())).unwrap(), b"something else");
    }
}
