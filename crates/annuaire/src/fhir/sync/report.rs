//! What a synchronisation came to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use super::{Scope, Stage};
use crate::RejectionReason;
use crate::fhir::resource::Bundle;

/// More results than announced are believed up to a tenth and this many: the directory changes while it is read.
const SLACK: u64 = 1_000;
/// So many fewer than announced may come.
const FEW: u64 = 10;
/// Pages without a result in a row that still say that there is more.
const EMPTY_PAGES: u32 = 20;

/// Why a synchronisation is of no use; what is in force stays.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SyncFault {
    /// The key is not accepted. Asking again does not help.
    #[error(
        "the national directory does not accept our key (status {status}{}); check annuaire.fhir.key_file: it holds \
         the ESANTE-API-KEY of portal.api.esante.gouv.fr, and the subscription there must be accepted",
        .words.as_ref().map(|words| format!(": {words}")).unwrap_or_default()
    )]
    Key {
        /// 401 or 403.
        status: u16,
        /// What it said.
        words: Option<String>,
    },
    /// It refused, gave nonsense or nothing too often in a row.
    #[error("the national directory cannot be asked for now: {why}")]
    Unavailable {
        /// What happened last.
        why: String,
        /// What it answered last, if it did.
        turned_away: Option<TurnedAway>,
    },
    /// It does not take the search.
    #[error("the national directory refuses the search: {0}")]
    Refused(String),
    /// It never ends.
    #[error("the national directory does not come to an end: {0}")]
    Endless(String),
    /// It ends before what it announced has come.
    #[error("the national directory ends too early: {0}")]
    Short(String),
    /// So much was updated that a full synchronisation takes less.
    #[error("more than {most} {resource} were updated: everything is to be asked for")]
    ManyUpdates {
        /// Of which type.
        resource: &'static str,
        /// So many are still asked for one by one.
        most: u64,
    },
    /// The next page is somewhere else.
    #[error("the national directory leads elsewhere for the next page, which is not followed: {0}")]
    Elsewhere(String),
}

/// An answer that says "not now".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnedAway {
    /// HTTP status: 408, 425, 429 or 5xx.
    pub status: u16,
    /// How long the interface asks to be left alone. `[RFC9110 10.2.3]`
    pub retry_after: Option<Duration>,
}

/// What was asked, and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReport {
    /// When it began: the next incremental one asks from here.
    #[serde(with = "time::serde::rfc3339")]
    pub begun_at: OffsetDateTime,
    /// From when on updates were asked for; none for everything.
    #[serde(with = "time::serde::rfc3339::option")]
    pub since: Option<OffsetDateTime>,
    /// Calls, also those that failed.
    pub calls: u64,
    /// Calls that were made again.
    pub retries: u64,
    /// Answers 429 and 5xx.
    pub refusals: u64,
    /// Pages.
    pub pages: u64,
    /// Resources that carry BALs, or did.
    pub resources: u64,
    /// BALs.
    pub entries: u64,
    /// BALs on the liste rouge, which are left out.
    pub unlisted: u64,
    /// Professionals with a number that is none: they count as ones without.
    #[serde(default)]
    pub doubtful: u64,
    /// Resources with a text that was cut because it was longer than any name.
    #[serde(default)]
    pub shortened: u64,
    /// What is of no use, by reason.
    pub rejected: BTreeMap<RejectionReason, u64>,
    #[serde(skip)]
    announced: Option<(Stage, u64)>,
    #[serde(skip)]
    total: Option<u64>,
    #[serde(skip)]
    of_stage: u64,
    #[serde(skip)]
    again: u64,
    #[serde(skip)]
    empty_pages: u32,
}

impl SyncReport {
    pub(super) fn new(scope: Scope, now: OffsetDateTime) -> Self {
        let since = match scope {
            Scope::Full => None,
            Scope::Since(time) => Some(time),
        };
        Self {
            begun_at: now,
            since,
            calls: 0,
            retries: 0,
            refusals: 0,
            pages: 0,
            resources: 0,
            entries: 0,
            unlisted: 0,
            doubtful: 0,
            shortened: 0,
            rejected: BTreeMap::new(),
            announced: None,
            total: None,
            of_stage: 0,
            again: 0,
            empty_pages: 0,
        }
    }

    /// How many were rejected.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Whether a stage that has no further page brought what it announced at first, up to a hundredth: the directory
    /// changes while it is read.
    pub(super) fn check_complete(&self, stage: Stage) -> Result<(), SyncFault> {
        let Some(announced) = self.total.filter(|_| self.announced.is_some_and(|(of, _)| of == stage)) else {
            return Ok(());
        };
        let came = self.of_stage - self.again.min(self.of_stage);
        if came + announced / 100 + FEW >= announced {
            return Ok(());
        }
        Err(SyncFault::Short(format!("{announced} {} were announced, {came} came", stage.resource())))
    }

    /// Whether so much was updated that it is better to ask for everything: updates are of all resources, and only one
    /// in ten carries a BAL.
    pub(super) fn check_updates(&self, stage: Stage, most: u64) -> Result<(), SyncFault> {
        let announced = self.total.filter(|_| self.since.is_some()).unwrap_or_default();
        if self.since.is_some() && announced.max(self.of_stage) > most {
            return Err(SyncFault::ManyUpdates { resource: stage.resource(), most });
        }
        Ok(())
    }

    /// Whether a page still fits to what its stage announced at first. `again` of its results came before.
    pub(super) fn count_announced(&mut self, stage: Stage, bundle: &Bundle, again: u64) -> Result<(), SyncFault> {
        if self.announced.is_none_or(|(of, _)| of != stage) {
            self.announced = Some((stage, bundle.total.unwrap_or(u64::MAX)));
            self.total = bundle.total;
            (self.of_stage, self.again, self.empty_pages) = (0, 0, 0);
        }
        let results = bundle.entry.iter().filter(|entry| !entry.is_included()).count() as u64;
        self.of_stage += results;
        self.again += again;
        self.empty_pages = if results == 0 { self.empty_pages + 1 } else { 0 };
        let announced = self.announced.map_or(u64::MAX, |(_, total)| total);
        if self.of_stage > announced.saturating_add(announced / 10).saturating_add(SLACK) {
            return Err(SyncFault::Endless(format!("{announced} {} were announced, more came", stage.resource())));
        }
        if self.again > (self.of_stage / 10).saturating_add(SLACK) {
            return Err(SyncFault::Endless(format!(
                "{} of {} {} came again",
                self.again,
                self.of_stage,
                stage.resource()
            )));
        }
        if self.empty_pages > EMPTY_PAGES {
            return Err(SyncFault::Endless(format!("{EMPTY_PAGES} pages without a result, and more to come")));
        }
        Ok(())
    }
}
