//! Revocation lists: fetched by one node, kept in the database, used by all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mssante::Clock;
use store::{Due, SourceAnswer, SourceClaim, SourceKind, StoreError};
use time::OffsetDateTime;
use tokio::task::JoinSet;
use trust::{CrlError, CrlFacts, FetchError, Fetched, Validators, schedule};

use super::source::validators;
use super::{Keeper, view};
use crate::ambient::{SystemClock, SystemRandom};
use crate::config::RevocationCheck;

/// The largest that was seen had 5 MB.
const MAX_OCTETS: usize = 64 * 1024 * 1024;
/// Fetched at once.
pub(super) const AT_ONCE: usize = 8;

/// Which versions of the database are in use here.
#[derive(Default)]
pub(super) struct Loaded(Mutex<HashMap<String, i64>>);

/// What asking for a revocation list came to.
#[derive(Debug)]
pub(crate) struct CrlAsked {
    /// Its URL.
    pub(crate) url: String,
    /// The list in use, or why it was not replaced.
    pub(crate) result: Result<Option<CrlFacts>, String>,
}

impl Keeper {
    /// Whether revocation lists are of any use.
    pub(super) fn checks_revocation(&self) -> bool {
        self.settings.revocation.check == RevocationCheck::Required
    }

    /// Takes what other nodes, or this one before it was started, have fetched. All of it: a peer may come back to
    /// this node for the first time.
    pub(super) async fn load_crls(&self) -> Result<(), StoreError> {
        if !self.checks_revocation() {
            return Ok(());
        }
        for source in self.store.sources(SourceKind::Crl).await? {
            if source.version != self.loaded.version(&source.url) {
                self.load_crl(&source.url).await?;
            } else if let Some(why) = &source.last_error {
                // Nobody has to wait for it, whoever found that out.
                self.space.revocation().missed(&source.url, why);
            }
        }
        Ok(())
    }

    async fn load_crl(&self, url: &str) -> Result<(), StoreError> {
        let Some((version, octets)) = self.store.revocation_list(url).await? else { return Ok(()) };
        match self.space.revocation().restore(url, octets).await {
            // Our clock is behind: it becomes usable by itself.
            Err(error @ CrlError::NotYetValid(_)) => {
                tracing::warn!(url, %error, "a revocation list of the database cannot be used yet");
                return Ok(());
            }
            Err(error) => tracing::warn!(url, %error, "a revocation list of the database is not used"),
            Ok(_) => {}
        }
        self.loaded.loaded(url, version);
        Ok(())
    }

    /// Claims lists that are due, whichever node wanted them lately. A list that only a peer of last week named is not
    /// asked for until such a peer comes again.
    pub(super) async fn claim_crls(&self, due: Due, limit: usize) -> Result<Vec<SourceClaim>, StoreError> {
        if !self.checks_revocation() || limit == 0 {
            return Ok(Vec::new());
        }
        self.store.want_sources(SourceKind::Crl, &self.space.revocation().wanted()).await?;
        let urls = self.store.wanted_sources(SourceKind::Crl).await?;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        self.store.claim_sources(SourceKind::Crl, &urls, due, limit, self.lease()).await
    }

    /// Asks for every list that is wanted, now.
    pub(crate) async fn refresh_crls(self: &Arc<Self>) -> Result<Vec<CrlAsked>, StoreError> {
        let mut waiting = self.claim_crls(Due::Now, usize::MAX).await?;
        let (mut running, mut asked) = (JoinSet::new(), Vec::new());
        loop {
            while running.len() < AT_ONCE
                && let Some(claim) = waiting.pop()
            {
                let keeper = Arc::clone(self);
                running.spawn(async move { keeper.ask_crl(&claim).await });
            }
            match running.join_next().await {
                Some(Ok(done)) => asked.push(done?),
                Some(Err(error)) => tracing::error!(%error, "asking for a revocation list broke off"),
                None => return Ok(asked),
            }
        }
    }

    /// Fetches one list, puts it in use and settles the claim.
    pub(super) async fn ask_crl(&self, claim: &SourceClaim) -> Result<CrlAsked, StoreError> {
        let held = self.space.revocation().lists().into_iter().find(|list| list.url == claim.url);
        let (answer, next, result) = match self.fetch_crl(claim, held.is_some()).await {
            Ok(Some((octets, validators, facts))) => {
                let answer = SourceAnswer::New {
                    octets,
                    etag: validators.etag,
                    last_modified: validators.last_modified,
                    next_update: Some(facts.next_update),
                };
                (answer, self.before_end(Some(&facts)), Ok(Some(facts)))
            }
            Ok(None) => (SourceAnswer::Same, self.before_end(held.as_ref()), Ok(held)),
            Err(error) => {
                let next = self.after_failure(claim, held.as_ref(), &error);
                view::source_failed(SourceKind::Crl, &claim.url, &error.to_string());
                self.space.revocation().missed(&claim.url, &error.to_string());
                (SourceAnswer::Failed { why: error.to_string() }, next, Err(error.to_string()))
            }
        };
        self.store.settle_source(claim, &answer, next).await?;
        Ok(CrlAsked { url: claim.url.clone(), result })
    }

    /// New octets that are in use already; nothing if the server has nothing new.
    async fn fetch_crl(
        &self,
        claim: &SourceClaim,
        held: bool,
    ) -> Result<Option<(Vec<u8>, Validators, CrlFacts)>, FetchError> {
        let known = if held { validators(claim) } else { Validators::default() };
        let fetcher = super::fetcher(&self.settings)?;
        match fetcher.get(&claim.url, &known, MAX_OCTETS).await? {
            Fetched::NotModified => Ok(None),
            Fetched::Body { octets, validators } => {
                let facts = self
                    .offer(&claim.url, octets.clone())
                    .await
                    .map_err(|error| FetchError::Connection { url: claim.url.clone(), why: error.to_string() })?;
                tracing::info!(
                    url = claim.url, issuer = facts.issuer, revoked = facts.revoked, next_update = %facts.next_update,
                    "revocation list in use"
                );
                Ok(Some((octets, validators, facts)))
            }
        }
    }

    async fn offer(&self, url: &str, octets: Vec<u8>) -> Result<CrlFacts, CrlError> {
        let (revocation, url) = (Arc::clone(self.space.revocation()), url.to_owned());
        tokio::task::spawn_blocking(move || revocation.offer(&url, &octets))
            .await
            .unwrap_or_else(|error| Err(CrlError::Format(format!("it could not be read to its end: {error}"))))
    }

    fn before_end(&self, list: Option<&CrlFacts>) -> OffsetDateTime {
        let (now, interval) = (SystemClock.now(), self.settings.revocation.crl_refresh);
        match list {
            Some(list) => schedule::before_end(now, list.this_update, list.next_update, interval, &SystemRandom),
            None => schedule::after_success(now, interval, &SystemRandom),
        }
    }

    fn after_failure(&self, claim: &SourceClaim, held: Option<&CrlFacts>, error: &FetchError) -> OffsetDateTime {
        let (now, interval) = (SystemClock.now(), self.settings.revocation.crl_refresh);
        let interval = held.map_or(interval, |list| schedule::while_it_lasts(now, list.next_update, interval));
        schedule::after_failure(now, interval, claim.failures.saturating_add(1), error, &SystemRandom)
    }
}

impl Loaded {
    fn version(&self, url: &str) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(url).copied().unwrap_or(0)
    }

    fn loaded(&self, url: &str, version: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(url.to_owned(), version);
    }

    /// Everything is to be loaded again, since other authorities are believed.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
