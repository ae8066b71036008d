//! `pli annuaire status`: what the database says; neither sources are asked nor images read.

use annuaire::DirectoryCounts;
use mssante::Clock as _;
use serde_json::{Value, json};
use store::{AnnuaireRefused, AnnuaireVersion, TrustSource};

use super::{print, version_json};
use crate::ambient::SystemClock;
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::annuaire::{Feed, Keeper, Report, Standing, as_of, asked_again, standing, visit};

/// Former versions that are shown.
const SHOWN: u32 = 10;

struct Found {
    standing: Standing,
    age: Option<time::Duration>,
    in_force: Option<AnnuaireVersion>,
    pending: Option<AnnuaireVersion>,
    refused: Option<AnnuaireRefused>,
    versions: Vec<AnnuaireVersion>,
    sources: Vec<(Feed, TrustSource)>,
}

/// Prints it; exit code 1 if there is no directory, or only a stale one.
pub(super) async fn run(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let found = visit(settings, async |keeper| find(settings, keeper).await).await?;
    if as_json {
        print::json(&found.value())?;
    } else {
        found.print()?;
    }
    match found.standing {
        Standing::Fresh => Ok(()),
        Standing::Missing => Err(Failure::Refused(
            "no directory is in force; set annuaire.url, or run `pli annuaire import FILE`".to_owned(),
        )),
        Standing::Stale => Err(Failure::Refused(
            "the directory is stale: see the last error of its source, or import a current one".to_owned(),
        )),
    }
}

async fn find(settings: &Settings, keeper: &Keeper) -> Result<Found, Failure> {
    let store = keeper.store();
    let in_force = store.annuaire_in_force().await?;
    let as_of = in_force.as_ref().map(|version| as_of(version, &Report::of(&version.report)));
    let mut sources = Vec::new();
    for feed in Feed::ALL {
        let Some(url) = feed.url(settings) else { continue };
        let all = store.sources(feed.kind()).await?;
        sources.extend(all.into_iter().filter(|source| source.url == url).map(|source| (feed, source)));
    }
    Ok(Found {
        standing: standing(as_of, settings.annuaire.stale_after, SystemClock.now()),
        age: as_of.map(|as_of| (SystemClock.now() - as_of).max(time::Duration::ZERO)),
        in_force,
        pending: store.pending_annuaire().await?,
        refused: store.last_refused_annuaire().await?,
        versions: store.annuaire_versions(SHOWN).await?,
        sources,
    })
}

impl Found {
    fn value(&self) -> Value {
        json!({
            "standing": self.standing.word(),
            "age_seconds": self.age.map(time::Duration::whole_seconds),
            "in_force": self.in_force.as_ref().map(version_json),
            "pending": self.pending.as_ref().map(version_json),
            "refused": self.refused.as_ref().map(refused_json),
            "sources": self.sources.iter().map(|source| self.source_json(source)).collect::<Vec<_>>(),
            "versions": self.versions.iter().map(version_json).collect::<Vec<_>>(),
        })
    }

    fn print(&self) -> Result<(), Failure> {
        print::facts(&self.facts(), false)?;
        if !self.sources.is_empty() {
            let header = ["source", "last asked", "next asked", "failures", "last error", "waits"];
            print::table(header, self.sources.iter().map(|source| self.source_row(source)))?;
        }
        let header = ["version", "state", "kind", "generated", "in force since", "BALs", "+", "~", "-", "rejected"];
        print::table(header, self.versions.iter().map(version_row))
    }

    fn source_row(&self, (feed, source): &(Feed, TrustSource)) -> [String; 6] {
        [
            source.url.clone(),
            optional(source.checked_at.map(print::moment)),
            print::moment(source.next_attempt),
            source.failures.to_string(),
            optional(source.last_error.clone()),
            optional(self.waits(*feed, source)),
        ]
    }

    fn source_json(&self, (feed, source): &(Feed, TrustSource)) -> Value {
        json!({
            "kind": feed.kind().word(),
            "url": source.url,
            "checked_at": source.checked_at.map(print::moment),
            "confirmed_at": source.confirmed_at.map(print::moment),
            "next_attempt": print::moment(source.next_attempt),
            "failures": source.failures,
            "last_error": source.last_error,
            "waits": self.waits(*feed, source),
        })
    }

    /// What came from there and waits for a person.
    fn waits(&self, feed: Feed, source: &TrustSource) -> Option<String> {
        let pending = self.pending.as_ref().filter(|pending| pending.source == source.url)?;
        let words = format!("version {0} waits: look at it, then run `pli annuaire acknowledge {0}`", pending.id);
        Some(match feed {
            Feed::Fhir => format!("{words}; the interface is not asked before {}", print::moment(asked_again(pending))),
            Feed::Entries | Feed::Activities => words,
        })
    }

    fn facts(&self) -> Value {
        let version = self.in_force.as_ref();
        let report = version.map(|version| Report::of(&version.report)).unwrap_or_default();
        let DirectoryCounts { nominative, organisational, applicative, cabinet, domains, structures, activities } =
            report.counts;
        let entries = report.entries.as_ref();
        json!({
            "standing": self.standing.word(),
            "age": self.age.map(|age| format!("{} h", age.whole_hours())),
            "version": version.map(|version| version.id.0),
            "generated_at": entries.and_then(|part| part.generated_at).map(print::moment),
            "confirmed_at": version.map(|version| print::moment(version.confirmed_at)),
            "from": entries.map(|part| part.source.clone()),
            "activities_from": report.activities.as_ref().map(|part| part.source.clone()),
            "bals": report.len(),
            "by_kind": { "PER": nominative, "ORG": organisational, "APP": applicative, "CAB": cabinet },
            "domains": domains,
            "structures": structures,
            "activities": activities,
            "last_import": last_import(version, &report),
            "pending": self.pending.as_ref().map(|pending| {
                format!("version {}: {}", pending.id, pending.why.as_deref().unwrap_or_default())
            }),
            "last_refused": self.refused.as_ref().map(refused_text),
        })
    }
}

fn refused_json(refused: &AnnuaireRefused) -> Value {
    json!({
        "source": refused.source,
        "refused_at": print::moment(refused.refused_at),
        "received_by": refused.received_by,
        "reason": refused.reason,
        "why": refused.why,
        "lines": refused.lines,
    })
}

fn refused_text(refused: &AnnuaireRefused) -> String {
    let AnnuaireRefused { source, refused_at, why, lines, .. } = refused;
    let lines = if *lines > 0 { "; its lines: `pli annuaire rejections --refused`" } else { "" };
    format!("{}, {source}: {why}{lines}", print::moment(*refused_at))
}

fn last_import(version: Option<&AnnuaireVersion>, report: &Report) -> Option<String> {
    let version = version?;
    Some(format!(
        "{} lines of {}: {} added, {} changed, {} removed, {} duplicates, {} doubtful, {} with a text cut, {} rejected",
        report.lines,
        version.source,
        report.added,
        report.changed,
        report.removed,
        report.duplicates,
        report.doubtful,
        report.shortened,
        report.rejected
    ))
}

fn version_row(version: &AnnuaireVersion) -> [String; 10] {
    let report = Report::of(&version.report);
    [
        version.id.to_string(),
        version.state.word().to_owned(),
        version.kind.word().to_owned(),
        optional(version.generated_at.map(print::moment)),
        optional(version.accepted_at.map(print::moment)),
        report.len().to_string(),
        report.added.to_string(),
        report.changed.to_string(),
        report.removed.to_string(),
        report.rejected.to_string(),
    ]
}

fn optional(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}
