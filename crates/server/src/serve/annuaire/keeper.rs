//! Puts directories in force: from the database, from files, from those that were pending.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use annuaire::{Directory, ExtractionKind};
use arc_swap::ArcSwapOption;
use mssante::{Clock as _, Domain};
use store::{
    AnnuaireId, AnnuaireKind, AnnuaireOrigin, AnnuaireRecord, AnnuaireRejection, AnnuaireVersion, Placing, Recorded,
    Store, StoreError,
};
use time::OffsetDateTime;
use tokio::sync::{Mutex, watch};

use super::import::{Base, Brought, Imported, Refusal, StopOnDrop, import};
use super::view::{self, Shown};
use super::weigh::{Weighed, weigh};
use super::{Acknowledgement, Done, Handed, Mode, Outcome, Reason, Report, Step, Watcher};
use crate::ambient::SystemClock;
use crate::config::Settings;

/// Keeps the directory of this process as the database has it, and the database as the sources have it.
pub(crate) struct Keeper {
    pub(super) settings: Settings,
    pub(super) store: Store,
    current: ArcSwapOption<InForce>,
    /// Whoever changes what is in force holds this meanwhile; look-ups do not.
    held: Mutex<Held>,
    /// Counts how often the image of the database turned out to be of no use.
    rebuild: watch::Sender<u64>,
    pub(super) shown: Shown,
}

/// A directory in force.
pub(crate) struct InForce {
    /// The row that it came from.
    pub(crate) version: AnnuaireVersion,
    /// What its import did.
    pub(crate) report: Report,
    /// Itself.
    pub(crate) directory: Arc<Directory>,
}

impl InForce {
    /// The moment for which it speaks: a source may go on naming an old file as the current one.
    pub(crate) fn as_of(&self) -> OffsetDateTime {
        as_of(&self.version, &self.report)
    }
}

/// When a version was confirmed, or, if that is earlier, when its entries were generated. An interface that has no updates
/// confirms what it said before, and names no old file.
pub(crate) fn as_of(version: &AnnuaireVersion, report: &Report) -> OffsetDateTime {
    if report.synchronised.is_some() {
        return version.confirmed_at;
    }
    let generated_at = report.entries.as_ref().and_then(|part| part.generated_at);
    generated_at.map_or(version.confirmed_at, |date| date.min(version.confirmed_at))
}

#[derive(Default)]
pub(super) struct Held {
    /// What the database has in force and cannot be used here.
    unusable: Option<Unusable>,
}

/// A version of the database whose image cannot be used here: another pli wrote it, or it was damaged.
struct Unusable {
    id: AnnuaireId,
    sha256: Vec<u8>,
    why: String,
    at: Instant,
}

impl Unusable {
    fn is(&self, version: &AnnuaireVersion) -> bool {
        self.id == version.id && self.sha256 == version.sha256
    }
}

/// Importing again is for the case that another node was faster.
const ATTEMPTS: usize = 3;
/// What cannot be used is tried again after so long.
const TRY_AGAIN: Duration = Duration::from_mins(5);

impl Keeper {
    /// With nothing in force yet.
    pub(crate) fn new(settings: Settings, store: Store) -> Arc<Self> {
        Arc::new(Self {
            settings,
            store,
            current: ArcSwapOption::empty(),
            held: Mutex::default(),
            rebuild: watch::Sender::new(0),
            shown: Shown::default(),
        })
    }

    /// Where versions are kept.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The directory in force in this process; cheap, and never waits.
    pub(crate) fn in_force(&self) -> Option<Arc<InForce>> {
        self.current.load_full()
    }

    /// The directory in force as long as it is not stale: what is older says nothing of a recipient.
    pub(crate) fn reliable(&self) -> Option<Arc<Directory>> {
        let current = self.in_force()?;
        let standing = view::standing(Some(current.as_of()), self.settings.annuaire.stale_after, SystemClock.now());
        (standing == view::Standing::Fresh).then(|| Arc::clone(&current.directory))
    }

    /// Wakes when the image of the database turned out to be of no use, and a new import would help.
    pub(super) fn rebuilds(&self) -> watch::Receiver<u64> {
        self.rebuild.subscribe()
    }

    /// Why the version in force of the database is not in force here.
    pub(crate) async fn unusable(&self) -> Option<String> {
        self.held.lock().await.unusable.as_ref().map(|unusable| unusable.why.clone())
    }

    /// Takes over what nodes and commands have written down: the directory in force, and what is shown of it.
    pub(crate) async fn take_over(&self) -> Result<(), StoreError> {
        let mut held = self.held.lock().await;
        self.load_into(&mut held).await?;
        drop(held);
        view::refresh(self).await
    }

    /// Puts the version in force of the database in force here. If its image cannot be used, what is in force here stays.
    async fn load_into(&self, held: &mut Held) -> Result<(), StoreError> {
        let mut gone = None;
        for _ in 0..ATTEMPTS {
            let Some(version) = self.store.annuaire_in_force().await? else { return Ok(()) };
            if let Some(current) = self.current.load_full().filter(|current| is_of(current, &version)) {
                held.unusable = None;
                self.install(version, Arc::clone(&current.directory));
                return Ok(());
            }
            if held.unusable.as_ref().is_some_and(|tried| tried.is(&version) && tried.at.elapsed() < TRY_AGAIN) {
                return Ok(());
            }
            match self.read(&version).await {
                Ok(Some(directory)) => {
                    tracing::info!(
                        version = version.id.0,
                        entries = directory.len(),
                        "directory of the database in force"
                    );
                    held.unusable = None;
                    self.install(version, directory);
                    return Ok(());
                }
                // Another one came into force while this one was read?
                Ok(None) => gone = Some(version),
                Err(Image::Useless(why)) => {
                    self.set_aside(held, version, why);
                    return Ok(());
                }
                Err(Image::Store(error)) => return Err(error),
            }
        }
        if let Some(version) = gone {
            self.set_aside(held, version, "its image is gone".to_owned());
        }
        Ok(())
    }

    async fn read(&self, version: &AnnuaireVersion) -> Result<Option<Arc<Directory>>, Image> {
        if version.format != Directory::FORMAT {
            return Err(Image::Useless(format!(
                "its image has format {}, this pli reads {}",
                version.format,
                Directory::FORMAT
            )));
        }
        match self.store.read_annuaire(version, |from| Directory::read_image(from)).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(directory))) => Ok(Some(Arc::new(directory))),
            Ok(Some(Err(error))) => Err(Image::Useless(error.to_string())),
            Err(error @ StoreError::Inconsistent { .. }) => Err(Image::Useless(error.to_string())),
            Err(error) => Err(Image::Store(error)),
        }
    }

    /// What cannot be used is imported again, unless a younger pli wrote it: it would not be able to use ours.
    fn set_aside(&self, held: &mut Held, version: AnnuaireVersion, why: String) {
        tracing::error!(version = version.id.0, %why, "the directory of the database cannot be used here; it is imported again");
        let again = held.unusable.as_ref().is_some_and(|before| before.is(&version));
        if !again && version.format <= Directory::FORMAT {
            self.rebuild.send_modify(|count| *count = count.wrapping_add(1));
        }
        held.unusable = Some(Unusable { id: version.id, sha256: version.sha256, why, at: Instant::now() });
    }

    fn install(&self, version: AnnuaireVersion, directory: Arc<Directory>) {
        let report = Report::of(&version.report);
        view::count_entries(&report);
        self.current.store(Some(Arc::new(InForce { version, report, directory })));
    }

    /// Imports a file, weighs what is in it, and puts it where it belongs.
    pub(super) async fn take(&self, brought: Brought, handed: &Handed, watcher: &Watcher) -> Result<Done, StoreError> {
        let brought = Arc::new(brought);
        let mut held = self.held.lock().await;
        for _ in 0..ATTEMPTS {
            self.load_into(&mut held).await?;
            let version = self.store.annuaire_in_force().await?;
            if let Some(outcome) = self.known(&mut held, version.as_ref(), &brought, handed).await? {
                return Ok(Done { outcome, rejections: Vec::new() });
            }
            let base = Arc::new(self.base(version.as_ref()));
            let mut imported = match self.imported(&brought, &base, watcher).await {
                Ok(imported) => imported,
                Err(Refusal { reason, why, rejections }) => {
                    return Ok(Done { outcome: Outcome::Refused(reason, why), rejections });
                }
            };
            let rejections = std::mem::take(&mut imported.rejections);
            let weighed = self.weighed(&imported, &base);
            if handed.mode == Mode::Try {
                return Ok(Done { outcome: tried(imported.report, weighed), rejections });
            }
            watcher(Step::Writing);
            let placing = placing(weighed, &handed.acknowledgement);
            let record = record(&imported, &rejections, handed, &brought.source, version.as_ref());
            if let Some(outcome) =
                self.place(&mut held, imported, record, version.map(|version| version.id), placing).await?
            {
                return Ok(Done { outcome, rejections });
            }
        }
        Err(StoreError::Unavailable("other nodes replace the directory faster than it can be imported".to_owned()))
    }

    /// Takes a directory that was not made from a file; `make` makes it on top of what is in force. Nothing if that is
    /// not what it was made for, or if other nodes are always faster.
    pub(super) async fn take_built(
        &self,
        make: impl FnOnce(&Base) -> Option<Imported> + Send + 'static,
        source: &str,
        handed: &Handed,
        watcher: &Watcher,
    ) -> Result<Option<Done>, StoreError> {
        let mut held = self.held.lock().await;
        self.load_into(&mut held).await?;
        let version = self.store.annuaire_in_force().await?;
        let base = Arc::new(self.base(version.as_ref()));
        let below = Arc::clone(&base);
        let built = tokio::task::spawn_blocking(move || make(&below)).await;
        let built = built.map_err(|error| StoreError::Unavailable(format!("building the directory: {error}")))?;
        let Some(mut imported) = built else { return Ok(None) };
        let rejections = std::mem::take(&mut imported.rejections);
        let weighed = self.weighed(&imported, &base);
        watcher(Step::Writing);
        let placing = placing(weighed, &handed.acknowledgement);
        let record = record(&imported, &rejections, handed, source, version.as_ref());
        let placed = self.place(&mut held, imported, record, version.map(|version| version.id), placing).await?;
        Ok(placed.map(|outcome| Done { outcome, rejections }))
    }

    fn base(&self, version: Option<&AnnuaireVersion>) -> Base {
        let our_domains: HashSet<Domain> = self.settings.operator.domains.iter().cloned().collect();
        let Some(version) = version else { return Base { our_domains, ..Base::default() } };
        let current = self.current.load_full().filter(|current| is_of(current, version));
        let directory = current.map(|current| Arc::clone(&current.directory));
        let report = Report::of_weight(&version.report);
        let unknown = report.is_none() && directory.is_none();
        let mut report = report.unwrap_or_else(|| Report::of(&version.report));
        // What is in it is surer than what was written down of it.
        if let Some(directory) = &directory {
            report.counts = directory.counts();
        }
        Base { report: Some(report), directory, unknown, our_domains }
    }

    fn weighed(&self, imported: &Imported, base: &Base) -> Weighed {
        if base.unknown {
            let why = "nobody can say what it lost: neither the directory in force nor the report of it can be read";
            return Weighed::Acknowledge(why.to_owned());
        }
        weigh(&imported.report, base.report.as_ref(), imported.kind, self.settings.annuaire.max_shrink)
    }

    async fn imported(&self, brought: &Arc<Brought>, base: &Arc<Base>, watcher: &Watcher) -> Result<Imported, Refusal> {
        let stop = Arc::new(AtomicBool::new(false));
        let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
        let (brought, base, watcher) = (Arc::clone(brought), Arc::clone(base), Arc::clone(watcher));
        let keys = self.settings.annuaire.unconfirmed_keys;
        let done = tokio::task::spawn_blocking(move || import(&brought, &base, keys, &watcher, &stop)).await;
        done.unwrap_or_else(|error| Err((Reason::Unreadable, error.to_string()).into()))
    }

    /// What becomes of octets that were imported before.
    async fn known(
        &self,
        held: &mut Held,
        version: Option<&AnnuaireVersion>,
        brought: &Brought,
        handed: &Handed,
    ) -> Result<Option<Outcome>, StoreError> {
        if let Some(version) = version.filter(|_| held.unusable.is_none()) {
            let report = Report::of(&version.report);
            let same = |part: Option<&super::Part>| part.is_some_and(|part| part.sha256 == brought.sha256);
            if same(report.entries.as_ref()) {
                if handed.mode == Mode::Take && handed.origin == AnnuaireOrigin::Url {
                    self.confirm(version.id, &brought.source, SystemClock.now()).await?;
                    self.load_into(held).await?;
                }
                return Ok(Some(Outcome::Confirmed(version.id)));
            }
            if same(report.activities.as_ref()) {
                return Ok(Some(Outcome::Confirmed(version.id)));
            }
        }
        let Some(pending) = self.pending_of(|part| part.sha256 == brought.sha256).await? else { return Ok(None) };
        match &handed.acknowledgement {
            Acknowledgement::By(by) if handed.mode == Mode::Take => self.acknowledged(held, &pending, by).await,
            _ => Ok(Some(waiting(pending))),
        }
    }

    /// The version that waits, if the file that it was made from is this one.
    pub(super) async fn pending_of(
        &self,
        is_it: impl Fn(&super::Part) -> bool,
    ) -> Result<Option<AnnuaireVersion>, StoreError> {
        let pending = self.store.pending_annuaire().await?;
        Ok(pending.filter(|pending| {
            let report = Report::of(&pending.report);
            let part = match pending.kind {
                AnnuaireKind::Activities => report.activities,
                AnnuaireKind::Extraction | AnnuaireKind::Fhir => report.entries,
            };
            part.is_some_and(|part| is_it(&part))
        }))
    }

    /// The source of the entries said at `at` that they are the current ones. What waits from there does not wait any
    /// more: its source went back. What a person handed in waits for a person.
    pub(super) async fn confirm(
        &self,
        version: AnnuaireId,
        source: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.store.confirm_annuaire(version, at).await?;
        let Some(pending) = self.store.pending_annuaire().await? else { return Ok(()) };
        if pending.source == source && pending.origin == AnnuaireOrigin::Url {
            self.store.withdraw_annuaire(pending.id, "its source went back to the directory in force").await?;
        }
        Ok(())
    }

    /// Writes a directory down; nothing if another node was faster.
    pub(super) async fn place(
        &self,
        held: &mut Held,
        imported: Imported,
        record: AnnuaireRecord,
        base: Option<AnnuaireId>,
        placing: Placing,
    ) -> Result<Option<Outcome>, StoreError> {
        let Imported { directory, report, .. } = imported;
        let written = Arc::clone(&directory);
        let write = move |to: &mut dyn std::io::Write| written.write_image(to).map_err(std::io::Error::other);
        let Recorded::As(version) = self.store.record_annuaire(record, base, placing.clone(), write).await? else {
            return Ok(None);
        };
        let report = Box::new(report);
        let acknowledged = match placing {
            Placing::Pending { why } => return Ok(Some(Outcome::Pending { version, report, why })),
            Placing::Acknowledged { why, .. } => Some(why),
            Placing::InForce => None,
        };
        // Who built it need not load it.
        match self.store.annuaire_in_force().await?.filter(|row| row.id == version) {
            Some(row) => {
                held.unusable = None;
                self.install(row, directory);
            }
            None => self.load_into(held).await?,
        }
        Ok(Some(Outcome::InForce { version, report, acknowledged }))
    }

    /// Puts the version that waits in force because `by` says so. Nothing if it does not wait any more.
    pub(crate) async fn acknowledge(&self, pending: &AnnuaireVersion, by: &str) -> Result<Option<Outcome>, StoreError> {
        let mut held = self.held.lock().await;
        self.acknowledged(&mut held, pending, by).await
    }

    async fn acknowledged(
        &self,
        held: &mut Held,
        pending: &AnnuaireVersion,
        by: &str,
    ) -> Result<Option<Outcome>, StoreError> {
        let useless = |why: String| {
            let why = format!("it cannot be put in force: {why}; import it again");
            Ok(Some(Outcome::Refused(Reason::Unreadable, why)))
        };
        let waited = match self.read(pending).await {
            Ok(Some(directory)) => directory,
            Ok(None) => return useless("its image is gone".to_owned()),
            Err(Image::Useless(why)) => return useless(why),
            Err(Image::Store(error)) => return Err(error),
        };
        self.load_into(held).await?;
        if let Some(current) = self.younger_activities(pending).await? {
            return self.acknowledged_with(held, pending, waited, &current, by).await;
        }
        let Recorded::As(version) = self.store.acknowledge_annuaire(pending.id, by).await? else { return Ok(None) };
        self.load_into(held).await?;
        let report = Box::new(Report::of(&pending.report));
        Ok(Some(Outcome::InForce { version, report, acknowledged: pending.why.clone() }))
    }
}

/// Why an image was not read.
enum Image {
    /// It is of no use here.
    Useless(String),
    /// The database does not give it.
    Store(StoreError),
}

pub(super) fn is_of(current: &InForce, version: &AnnuaireVersion) -> bool {
    // A restored database counts anew: the number alone says nothing.
    current.version.id == version.id && current.version.sha256 == version.sha256
}

/// A version that waits goes on waiting.
pub(super) fn waiting(pending: AnnuaireVersion) -> Outcome {
    Outcome::Pending {
        version: pending.id,
        report: Box::new(Report::of(&pending.report)),
        why: pending.why.unwrap_or_default(),
    }
}

fn tried(report: Report, weighed: Weighed) -> Outcome {
    let why = match weighed {
        Weighed::Take => None,
        Weighed::Acknowledge(why) => Some(why),
    };
    Outcome::Tried { report: Box::new(report), why }
}

fn placing(weighed: Weighed, acknowledgement: &Acknowledgement) -> Placing {
    match (weighed, acknowledgement) {
        (Weighed::Take, _) => Placing::InForce,
        (Weighed::Acknowledge(why), Acknowledgement::By(by)) => Placing::Acknowledged { by: by.clone(), why },
        (Weighed::Acknowledge(why), Acknowledgement::None) => Placing::Pending { why },
    }
}

fn record(
    imported: &Imported,
    rejections: &[annuaire::Rejection],
    handed: &Handed,
    source: &str,
    before: Option<&AnnuaireVersion>,
) -> AnnuaireRecord {
    let report = &imported.report;
    let (kind, part) = match imported.kind {
        ExtractionKind::Correspondence if handed.origin == AnnuaireOrigin::Api => {
            (AnnuaireKind::Fhir, report.entries.as_ref())
        }
        ExtractionKind::Correspondence => (AnnuaireKind::Extraction, report.entries.as_ref()),
        ExtractionKind::Activities => (AnnuaireKind::Activities, report.activities.as_ref()),
    };
    let generated_at = part.and_then(|part| part.generated_at);
    AnnuaireRecord {
        kind,
        origin: handed.origin,
        source: source.to_owned(),
        generated_at,
        confirmed_at: confirmed_at(kind, handed.origin, generated_at, before),
        received_by: handed.received_by.clone(),
        report: serde_json::to_value(report).unwrap_or_default(),
        rejections: rejections.iter().map(rejection).collect(),
        format: Directory::FORMAT,
    }
}

/// A URL says that what it gives is current; a file is as old as it says, and what an interface gave as old as the first
/// question. Activities say nothing of the entries.
fn confirmed_at(
    kind: AnnuaireKind,
    origin: AnnuaireOrigin,
    generated_at: Option<OffsetDateTime>,
    before: Option<&AnnuaireVersion>,
) -> OffsetDateTime {
    let now = SystemClock.now();
    match (kind, origin, before) {
        (AnnuaireKind::Activities, _, Some(before)) => before.confirmed_at,
        (_, AnnuaireOrigin::Import | AnnuaireOrigin::Api, _) if generated_at.is_some() => {
            generated_at.map_or(now, |date| date.min(now))
        }
        // Of a file without a date nobody knows how old it is: it makes nothing younger.
        (_, AnnuaireOrigin::Import, Some(before)) => before.confirmed_at,
        _ => now,
    }
}

pub(super) fn rejection(rejection: &annuaire::Rejection) -> AnnuaireRejection {
    AnnuaireRejection {
        line: rejection.line,
        reason: view::reason_word(rejection.reason),
        detail: rejection.detail.clone(),
    }
}
