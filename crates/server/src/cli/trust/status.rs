//! `pli trust status`: what the database says; the sources are not asked.

use ::trust::ListStanding;
use serde_json::{Value, json};
use store::{ListVersion, SourceKind, TrustSource};

use super::{print, version_json};
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::trust::{Keeper, Reach, visit};

/// Former versions that are shown.
const SHOWN: u32 = 10;

struct Found {
    standing: ListStanding,
    unusable: Option<String>,
    in_force: Option<ListVersion>,
    pending: Option<ListVersion>,
    versions: Vec<ListVersion>,
    source: String,
    list: Option<TrustSource>,
    crls: Vec<TrustSource>,
}

/// Prints it; exit code 1 if no list is in force that peers are judged by.
pub(super) async fn run(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let found = visit(settings, Reach::Database, find).await?;
    if as_json {
        print::json(&found.value())?;
    } else {
        found.print()?;
    }
    match found.standing {
        ListStanding::Fresh | ListStanding::Stale => Ok(()),
        ListStanding::Missing => Err(Failure::Refused("no trust list is in force; `pli trust refresh`".to_owned())),
        ListStanding::Expired => Err(Failure::Refused(
            "the trust list has expired: mail of other operators is refused temporarily, mail to them waits; \
             see the last error of its source, or hand in a current list with `pli trust import`"
                .to_owned(),
        )),
    }
}

async fn find(keeper: &std::sync::Arc<Keeper>) -> Result<Found, Failure> {
    let store = keeper.store();
    let source = keeper.source_name().unwrap_or_default();
    let list = store.sources(SourceKind::List).await?.into_iter().find(|list| list.url == source);
    Ok(Found {
        standing: keeper.space().standing(),
        unusable: keeper.unusable().await,
        in_force: store.list_in_force().await?,
        pending: store.pending_list().await?,
        versions: store.list_versions(SHOWN).await?,
        source,
        list,
        crls: store.sources(SourceKind::Crl).await?,
    })
}

impl Found {
    fn value(&self) -> Value {
        json!({
            "standing": self.standing.word(),
            "unusable": self.unusable,
            "in_force": self.in_force.as_ref().map(version_json),
            "pending": self.pending.as_ref().map(version_json),
            "source": self.list.as_ref().map_or_else(|| json!({ "url": self.source }), source_json),
            "revocation_lists": self.crls.iter().map(source_json).collect::<Vec<_>>(),
            "versions": self.versions.iter().map(version_json).collect::<Vec<_>>(),
        })
    }

    fn print(&self) -> Result<(), Failure> {
        let version = self.in_force.as_ref();
        let list = self.list.as_ref();
        let facts = json!({
            "standing": self.standing.word(),
            "version": version.map(|version| version.id.0),
            "generated_at": version.map(|version| print::moment(version.generated_at)),
            "confirmed_at": version.map(|version| print::moment(version.confirmed_at)),
            "domains": version.map(|version| version.counts.domains),
            "cannot_be_used": self.unusable,
            "pending": self.pending.as_ref().map(|pending| {
                format!("version {}: {}", pending.id, pending.why.as_deref().unwrap_or_default())
            }),
            "source": self.source,
            "last_asked_at": list.and_then(|list| list.checked_at).map(print::moment),
            "next_asked_at": list.map(|list| print::moment(list.next_attempt)),
            "failures": list.map(|list| list.failures),
            "last_error": list.and_then(|list| list.last_error.clone()),
        });
        print::facts(&facts, false)?;
        if !self.crls.is_empty() {
            let header = ["revocation list", "ends", "next asked", "failures", "last error"];
            print::table(header, self.crls.iter().map(crl_row))?;
        }
        let header = ["version", "state", "generated", "in force since", "domains", "+", "-", "~", "source"];
        print::table(header, self.versions.iter().map(version_row))
    }
}

fn crl_row(source: &TrustSource) -> [String; 5] {
    [
        source.url.clone(),
        optional(source.next_update.map(print::moment)),
        print::moment(source.next_attempt),
        source.failures.to_string(),
        optional(source.last_error.clone()),
    ]
}

fn version_row(version: &ListVersion) -> [String; 9] {
    [
        version.id.to_string(),
        version.state.word().to_owned(),
        print::moment(version.generated_at),
        optional(version.accepted_at.map(print::moment)),
        version.counts.domains.to_string(),
        version.counts.added.to_string(),
        version.counts.removed.to_string(),
        version.counts.renamed.to_string(),
        version.source.clone(),
    ]
}

fn optional(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn source_json(source: &TrustSource) -> Value {
    json!({
        "url": source.url,
        "checked_at": source.checked_at.map(print::moment),
        "confirmed_at": source.confirmed_at.map(print::moment),
        "next_attempt": print::moment(source.next_attempt),
        "failures": source.failures,
        "last_error": source.last_error,
        "next_update": source.next_update.map(print::moment),
    })
}
