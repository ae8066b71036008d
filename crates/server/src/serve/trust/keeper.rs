//! Puts lists in force: from the database, from candidates, from those that were pending.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use mssante::Clock;
use store::{ListCounts, ListId, ListOrigin, ListRecord, ListVersion, Placing, Recorded, Store, StoreError};
use tokio::sync::Mutex;
use trust::{
    InForce, ListChange, Sanity, SignaturePolicy, Standing, TrustList, TrustListError, TrustSpace, Weighed, weigh,
};

use super::crl::Loaded;
use super::source::FileWatch;
use super::view::Shown;
use super::{Acknowledgement, Candidate, Outcome, Reason, changes, policy, view};
use crate::ambient::SystemClock;
use crate::config::{ListSource, Settings};

/// Keeps the trust space of this process as the database has it, and the database as the sources have it.
pub(crate) struct Keeper {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) space: TrustSpace,
    held: Mutex<Held>,
    pub(super) file: FileWatch,
    pub(super) loaded: Loaded,
    pub(super) shown: Shown,
}

/// What this process has in force; whoever changes it holds the lock meanwhile.
#[derive(Default)]
struct Held {
    version: Option<ListId>,
    sha256: Vec<u8>,
    /// What the database has in force and cannot be used here.
    unusable: Option<Unusable>,
}

impl Held {
    fn is(&self, version: &ListVersion) -> bool {
        self.version == Some(version.id) && self.sha256 == version.sha256
    }

    /// Whether this version was tried not long ago.
    fn was_tried(&self, version: &ListVersion) -> bool {
        self.unusable.as_ref().is_some_and(|tried| tried.is(version) && tried.at.elapsed() < TRY_AGAIN)
    }

    /// The version of the database that a new one replaces, whether it can be used here or not.
    fn base(&self) -> Option<ListId> {
        self.unusable.as_ref().map(|unusable| unusable.version.id).or(self.version)
    }
}

/// A version of the database that cannot be used here: it was damaged, our files have changed, or somebody put an
/// older one back.
struct Unusable {
    version: ListVersion,
    why: String,
    at: Instant,
}

impl Unusable {
    fn is(&self, version: &ListVersion) -> bool {
        self.version.id == version.id && self.version.sha256 == version.sha256
    }

    /// Its octets cannot be compared with, but a list that replaces it has to be younger and about as long.
    fn doubt(&self, list: &TrustList, sanity: &Sanity) -> Result<Option<String>, Refused> {
        let (date, before) = (self.version.generated_at, self.version.counts.domains);
        if list.generated_at() < date {
            let error = TrustListError::Older { candidate: list.generated_at(), in_force: date };
            return Err((Reason::Older, error.to_string()));
        }
        let least = before - before.saturating_mul(sanity.max_shrink.into()) / 100;
        Ok((list.domain_count() < least)
            .then(|| format!("it has {} domains, the one in force in the database {before}", list.domain_count())))
    }
}

/// Not taken, and why.
type Refused = (Reason, String);

/// Weighing again is for the case that another node was faster.
const ATTEMPTS: usize = 5;
/// What cannot be used is tried again after so long: our files may have been mended.
const TRY_AGAIN: Duration = Duration::from_mins(5);

impl Keeper {
    /// With nothing in force yet.
    pub(crate) fn new(settings: Settings, store: Store, space: TrustSpace) -> Arc<Self> {
        Arc::new(Self {
            settings,
            store,
            space,
            held: Mutex::default(),
            file: FileWatch::default(),
            loaded: Loaded::default(),
            shown: Shown::default(),
        })
    }

    /// The source of the white list, as it is written down.
    pub(crate) fn source_name(&self) -> Option<String> {
        self.settings.trust_list.source().map(|source| match source {
            ListSource::Url(url) => url.to_owned(),
            ListSource::File(file) => file.display().to_string(),
        })
    }

    /// Where lists come into force.
    pub(crate) fn space(&self) -> &TrustSpace {
        &self.space
    }

    /// Where versions are kept.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Takes over what nodes and commands have written down: revocation lists first, the list in force, and what is
    /// shown of both.
    pub(crate) async fn take_over(&self) -> Result<(), StoreError> {
        self.load_crls().await?;
        self.load().await?;
        view::refresh(self).await
    }

    /// Puts the version in force of the database in force here. What is in the database is verified
    /// again; if it cannot be used, what is in force here stays.
    async fn load(&self) -> Result<(), StoreError> {
        let mut held = self.held.lock().await;
        self.load_into(&mut held).await
    }

    /// What could not be used is tried again: settings and files may be others now.
    pub(super) async fn try_again(&self) {
        self.held.lock().await.unusable = None;
    }

    /// Why the version in force of the database is not in force here.
    pub(crate) async fn unusable(&self) -> Option<String> {
        self.held.lock().await.unusable.as_ref().map(|unusable| unusable.why.clone())
    }

    async fn load_into(&self, held: &mut Held) -> Result<(), StoreError> {
        let Some(version) = self.store.list_in_force().await? else { return Ok(()) };
        if held.is(&version) {
            held.unusable = None;
            self.space.confirm(version.confirmed_at);
            return Ok(());
        }
        if held.was_tried(&version) {
            return Ok(());
        }
        let octets = self.store.list_octets(version.id).await?.unwrap_or_default();
        match self.not_older(self.verify_stored(&version, octets).await) {
            Ok(list) => {
                tracing::info!(
                    version = version.id.0, domains = list.domain_count(), generated_at = %list.generated_at(),
                    confirmed_at = %version.confirmed_at, "trust list of the database in force"
                );
                self.space.install(list, version.confirmed_at);
                *held = Held { version: Some(version.id), sha256: version.sha256, unusable: None };
            }
            Err((reason, why)) => {
                tracing::error!(version = version.id.0, %why, "the trust list of the database cannot be used");
                view::count_refusal(reason);
                held.unusable = Some(Unusable { version, why, at: Instant::now() });
            }
        }
        Ok(())
    }

    /// Versions never go back: an older list in the database was put there by a restore, or by somebody.
    fn not_older(&self, stored: Result<TrustList, Refused>) -> Result<TrustList, Refused> {
        let list = stored?;
        let in_force = self.space.list().map_or(list.generated_at(), |list| list.generated_at());
        if list.generated_at() < in_force {
            let error = TrustListError::Older { candidate: list.generated_at(), in_force };
            return Err((Reason::Older, error.to_string()));
        }
        Ok(list)
    }

    /// The database is not believed: signature and digest must still fit. The signer's certificate
    /// is judged as of the moment when the list came, since a list stays good when that certificate
    /// ends later; whether the list is still current is for its source to say.
    pub(crate) async fn verify_stored(&self, version: &ListVersion, octets: Vec<u8>) -> Result<TrustList, Refused> {
        let sha256: [u8; 32] = sha256(&octets);
        if sha256[..] != version.sha256[..] {
            return Err((Reason::Signature, "its octets are not those that came (SHA-256)".to_owned()));
        }
        let policy = policy::signature(&self.settings, Some(sha256)).map_err(|why| (Reason::Signature, why))?;
        let received_at = version.received_at;
        let list = read(octets, policy, received_at).await?;
        if list.generated_at() != version.generated_at {
            return Err((Reason::Format, "its date is not the one that was written down".to_owned()));
        }
        Ok(list)
    }

    /// Judges a list and puts it where it belongs.
    pub(crate) async fn consider(
        &self,
        candidate: &Candidate,
        acknowledgement: &Acknowledgement,
    ) -> Result<Outcome, StoreError> {
        let mut held = self.held.lock().await;
        let outcome = self.considered(&mut held, candidate, acknowledgement).await?;
        view::report(&outcome, &candidate.source);
        Ok(outcome)
    }

    async fn considered(
        &self,
        held: &mut Held,
        candidate: &Candidate,
        acknowledgement: &Acknowledgement,
    ) -> Result<Outcome, StoreError> {
        self.load_into(held).await?;
        let sha256 = sha256(&candidate.octets);
        if held.unusable.is_none()
            && let Some(version) = held.version.filter(|_| held.sha256 == sha256)
            && let Some(outcome) = self.confirm(held, version, candidate.confirmed_at, &candidate.source).await?
        {
            return Ok(outcome);
        }
        let policy = match policy::signature(&self.settings, candidate.sha256) {
            Ok(policy) => policy,
            Err(why) => return Ok(Outcome::Refused(Reason::Signature, why)),
        };
        let list = match self.judged(candidate.octets.clone(), policy).await {
            Ok(list) => Arc::new(list),
            Err((reason, why)) => return Ok(Outcome::Refused(reason, why)),
        };
        for _ in 0..ATTEMPTS {
            if let Some(outcome) = self.place(held, candidate, acknowledgement, &list).await? {
                return Ok(outcome);
            }
            self.load_into(held).await?;
        }
        Err(StoreError::Unavailable("other nodes replace the trust list faster than it can be weighed".to_owned()))
    }

    /// The source says that it is still this one. That does not count if the signer's certificate was revoked
    /// since: the list stays, and grows old. Nothing if another node has put another list in force meanwhile.
    async fn confirm(
        &self,
        held: &mut Held,
        version: ListId,
        at: time::OffsetDateTime,
        source: &str,
    ) -> Result<Option<Outcome>, StoreError> {
        if let Some(in_force) = self.space.in_force()
            && let Err((reason, why)) = self.judge_signer(&in_force.list).await
        {
            return Ok(Some(Outcome::Refused(reason, why)));
        }
        let ours = |current: &ListVersion| current.id == version;
        if !self.store.confirm_list(version, at).await? || !self.store.list_in_force().await?.as_ref().is_some_and(ours)
        {
            self.load_into(held).await?;
            return Ok(None);
        }
        self.withdraw_of(source).await?;
        self.load_into(held).await?;
        Ok(Some(Outcome::Confirmed(version)))
    }

    /// Withdraws the list that waits, if it came from this source; what a person handed in waits for a person.
    async fn withdraw_of(&self, source: &str) -> Result<(), StoreError> {
        let Some(pending) = self.store.pending_list().await? else { return Ok(()) };
        if pending.source == source && pending.origin != ListOrigin::Import {
            self.store.withdraw_list(pending.id, "its source went back to the list in force").await?;
        }
        Ok(())
    }

    /// What the source gave last is still what it gives, say its validators. Nothing if that is neither the list
    /// in force nor the pending one.
    pub(super) async fn confirm_unchanged(
        &self,
        sha256: &[u8],
        at: time::OffsetDateTime,
        source: &str,
    ) -> Result<Option<Outcome>, StoreError> {
        let mut held = self.held.lock().await;
        self.load_into(&mut held).await?;
        if held.unusable.is_none()
            && let Some(version) = held.version.filter(|_| held.sha256 == sha256)
        {
            let outcome = self.confirm(&mut held, version, at, source).await?;
            if let Some(outcome) = &outcome {
                view::report(outcome, source);
            }
            return Ok(outcome);
        }
        let Some(pending) = self.store.pending_list().await?.filter(|pending| pending.sha256 == sha256) else {
            return Ok(None);
        };
        self.store.confirm_list(pending.id, at).await?;
        let outcome = Outcome::Pending { version: pending.id, why: pending.why.unwrap_or_default() };
        view::report(&outcome, source);
        Ok(Some(outcome))
    }

    /// Whether these octets are worth asking about conditionally.
    pub(super) async fn knows(&self, sha256: &[u8]) -> Result<bool, StoreError> {
        let held = self.held.lock().await;
        if held.version.is_some() && held.sha256 == sha256 {
            return Ok(true);
        }
        Ok(self.store.pending_list().await?.is_some_and(|pending| pending.sha256 == sha256))
    }

    /// Signature and content by now, and the signer's standing.
    async fn judged(&self, octets: Vec<u8>, policy: SignaturePolicy) -> Result<TrustList, Refused> {
        let list = read(octets, policy, SystemClock.now()).await?;
        self.judge_signer(&list).await?;
        Ok(list)
    }

    /// Whether the certificate that signed the list was revoked. `[MSS2 ECO.1.1.6]`
    async fn judge_signer(&self, list: &TrustList) -> Result<(), Refused> {
        let Some(signer) = list.signer() else { return Ok(()) };
        let revocation = self.space.revocation();
        let standing = revocation.ask(signer, None).await;
        match revocation.verdict(&standing) {
            Ok(()) => Ok(()),
            Err(trust::CertificateFault::Revoked) => {
                Err((Reason::SignerRevoked, format!("the certificate of its signer is revoked{}", details(&standing))))
            }
            Err(fault) => Err((Reason::SignerUnknown, format!("its signer: {fault}{}", details(&standing)))),
        }
    }

    /// Weighs a judged list and writes down what follows; nothing if another node was faster.
    async fn place(
        &self,
        held: &mut Held,
        candidate: &Candidate,
        acknowledgement: &Acknowledgement,
        list: &Arc<TrustList>,
    ) -> Result<Option<Outcome>, StoreError> {
        let in_force = self.space.in_force();
        let weighed = match (&held.unusable, self.weighed(list, in_force.as_deref()).await) {
            (Some(unusable), Ok(weighed)) => self.weighed_against(unusable, list, weighed),
            (_, weighed) => weighed,
        };
        let (change, placing) = match (weighed, acknowledgement) {
            (Err((reason, why)), _) => return Ok(Some(Outcome::Refused(reason, why))),
            // The same content in other octets: the signature was made anew.
            (Ok(Weighed::Same), _) => (ListChange::default(), Placing::InForce),
            (Ok(Weighed::Take(change)), _) => (change, Placing::InForce),
            (Ok(Weighed::Acknowledge { change, why }), Acknowledgement::By(by)) => {
                (change, Placing::Acknowledged { by: by.clone(), why })
            }
            (Ok(Weighed::Acknowledge { change, why }), Acknowledgement::None) => (change, Placing::Pending { why }),
        };
        if let Placing::Pending { why } = &placing
            && let Some(pending) = self.still_pending(candidate).await?
        {
            return Ok(Some(Outcome::Pending { version: pending, why: why.clone() }));
        }
        let confirmed_at = confirmed_at(candidate, list);
        let record = record(candidate, confirmed_at, list, in_force.as_deref(), &change);
        let counts = count(&change, list.domain_count());
        let base = self.store.list_in_force().await?.map(|version| version.id);
        if base != held.base() {
            return Ok(None);
        }
        let Recorded::As(version) = self.store.record_list(record, base, placing.clone()).await? else {
            return Ok(None);
        };
        let acknowledged = match placing {
            Placing::Pending { why } => return Ok(Some(Outcome::Pending { version, why })),
            Placing::Acknowledged { why, .. } => Some(why),
            Placing::InForce => None,
        };
        self.space.install(Arc::clone(list), confirmed_at);
        *held = Held { version: Some(version), sha256: sha256(&candidate.octets).to_vec(), unusable: None };
        Ok(Some(Outcome::InForce { version, counts, acknowledged }))
    }

    /// The list of the database cannot be used here; a new one is held to what is written down of it.
    fn weighed_against(&self, unusable: &Unusable, list: &TrustList, weighed: Weighed) -> Result<Weighed, Refused> {
        let Some(why) = unusable.doubt(list, &policy::sanity(&self.settings))? else { return Ok(weighed) };
        let change = match weighed {
            Weighed::Take(change) | Weighed::Acknowledge { change, .. } => change,
            Weighed::Same => ListChange::default(),
        };
        Ok(Weighed::Acknowledge { change, why })
    }

    async fn weighed(&self, list: &Arc<TrustList>, in_force: Option<&InForce>) -> Result<Weighed, Refused> {
        let (list, in_force) = (Arc::clone(list), in_force.map(|current| Arc::clone(&current.list)));
        let sanity = policy::sanity(&self.settings);
        let now = SystemClock.now();
        blocking(move || weigh(&list, in_force.as_deref(), &sanity, now)).await
    }

    /// The same octets wait already: they are confirmed.
    async fn still_pending(&self, candidate: &Candidate) -> Result<Option<ListId>, StoreError> {
        let sha256 = sha256(&candidate.octets);
        let pending = self.store.pending_list().await?.filter(|pending| pending.sha256 == sha256);
        let Some(pending) = pending else { return Ok(None) };
        self.store.confirm_list(pending.id, candidate.confirmed_at).await?;
        Ok(Some(pending.id))
    }

    /// Puts the pending version in force because `by` says so, after all checks but that of its suspicious size.
    /// Nothing if it is not the pending one any more.
    pub(crate) async fn acknowledge(&self, pending: &ListVersion, by: &str) -> Result<Option<Outcome>, StoreError> {
        let mut held = self.held.lock().await;
        self.load_into(&mut held).await?;
        let octets = self.store.list_octets(pending.id).await?.unwrap_or_default();
        let list = match self.verify_stored(pending, octets).await {
            Ok(list) => Arc::new(list),
            Err((reason, why)) => return Ok(Some(Outcome::Refused(reason, why))),
        };
        if let Err((reason, why)) = self.judge_signer(&list).await {
            return Ok(Some(Outcome::Refused(reason, why)));
        }
        let in_force = self.space.in_force();
        let change = match self.weighed(&list, in_force.as_deref()).await {
            Ok(Weighed::Take(change) | Weighed::Acknowledge { change, .. }) => change,
            Ok(Weighed::Same) => ListChange::default(),
            Err((reason, why)) => return Ok(Some(Outcome::Refused(reason, why))),
        };
        let differences = changes(&change, in_force.as_ref().map(|current| &*current.list), &list);
        let base = self.store.list_in_force().await?.map(|version| version.id);
        let Recorded::As(version) = self.store.acknowledge_list(pending.id, base, &differences, by).await? else {
            return Ok(None);
        };
        let counts = count(&change, list.domain_count());
        self.space.install(list, pending.confirmed_at);
        *held = Held { version: Some(version), sha256: pending.sha256.clone(), unusable: None };
        Ok(Some(Outcome::InForce { version, counts, acknowledged: pending.why.clone() }))
    }
}

/// A list was current when it was made, however old the file says that it is; and never later than now.
fn confirmed_at(candidate: &Candidate, list: &TrustList) -> time::OffsetDateTime {
    candidate.confirmed_at.max(list.generated_at()).min(SystemClock.now())
}

fn record(
    candidate: &Candidate,
    confirmed_at: time::OffsetDateTime,
    list: &TrustList,
    in_force: Option<&InForce>,
    change: &ListChange,
) -> ListRecord {
    ListRecord {
        octets: candidate.octets.clone(),
        generated_at: list.generated_at(),
        confirmed_at,
        origin: candidate.origin,
        source: candidate.source.clone(),
        received_by: candidate.received_by.clone(),
        domains: list.domain_count(),
        changes: changes(change, in_force.map(|current| &*current.list), list),
    }
}

/// What is known beyond good or bad.
fn details(standing: &Standing) -> String {
    match standing {
        Standing::Good { .. } => String::new(),
        Standing::Revoked { since, source } => format!(" since {since}, says {source}"),
        Standing::Unknown { why } => format!(": {why}"),
    }
}

/// Verifies and reads octets, away from the tasks that serve.
pub(crate) async fn read(
    octets: Vec<u8>,
    policy: SignaturePolicy,
    now: time::OffsetDateTime,
) -> Result<TrustList, Refused> {
    blocking(move || TrustList::read(&octets, &policy, now)).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TrustListError> + Send + 'static,
) -> Result<T, Refused> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err((Reason::of(&error), error.to_string())),
        Err(error) => Err((Reason::Format, format!("it could not be read to its end: {error}"))),
    }
}

fn count(change: &ListChange, domains: usize) -> ListCounts {
    ListCounts { domains, added: change.added.len(), removed: change.removed.len(), renamed: change.renamed.len() }
}

pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, octets).as_ref());
    sha256
}

#[cfg(test)]
mod tests {
    use store::VersionState;
    use testkit::list::WhiteList;
    use time::OffsetDateTime;

    use super::*;

    const DATE: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn list(generated_at: OffsetDateTime, domains: usize) -> TrustList {
        let xml = (0..domains).fold(WhiteList::new(generated_at), |list, place| {
            list.with(&format!("d{place}.mssante.fr"), "CN=host,OU=1300000000,O=X,C=FR")
        });
        TrustList::read(xml.unsigned_xml().as_bytes(), &SignaturePolicy::Off, generated_at).unwrap()
    }

    /// A version of ten domains whose octets are of no use any more.
    fn unusable() -> Unusable {
        let version = ListVersion {
            id: ListId(7),
            state: VersionState::InForce,
            sha256: vec![1],
            generated_at: DATE,
            received_at: DATE,
            accepted_at: Some(DATE),
            confirmed_at: DATE,
            origin: ListOrigin::Url,
            source: "https://exemple.fr/list.xml".to_owned(),
            received_by: None,
            acknowledged: None,
            why: None,
            counts: ListCounts { domains: 10, ..ListCounts::default() },
        };
        Unusable { version, why: "damaged".to_owned(), at: Instant::now() }
    }

    #[test]
    fn a_list_that_replaces_one_of_no_use_is_still_younger_and_about_as_long() {
        let sanity = Sanity { max_shrink: 20, clock_tolerance: time::Duration::ZERO };
        let doubt = |at, domains| unusable().doubt(&list(at, domains), &sanity);
        assert_eq!(doubt(DATE + time::Duration::DAY, 8), Ok(None));
        assert_eq!(doubt(DATE, 10), Ok(None), "the same list from its source again");
        assert!(matches!(doubt(DATE + time::Duration::DAY, 7), Ok(Some(why)) if why.contains("7 domains")));
        assert!(matches!(doubt(DATE - time::Duration::SECOND, 10), Err((Reason::Older, _))));
    }

    #[test]
    fn a_version_is_known_by_its_octets_not_by_its_number_alone() {
        let Unusable { version, .. } = unusable();
        let held = |sha256: &[u8]| Held { version: Some(ListId(7)), sha256: sha256.to_vec(), unusable: None };
        assert!(held(&[1]).is(&version) && !held(&[2]).is(&version), "a restored database counts anew");
    }
}
