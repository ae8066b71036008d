//! `pli trust diff`.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use mssante::Domain;
use serde_json::json;
use store::{DomainChange, DomainChangeKind, ListId, ListVersion, Store};

use super::{change_json, print, print_changes};
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::trust::{Reach, visit};

/// Which versions.
#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// A version, as `pli trust status` numbers them; the pending one without it, or the one in force if none waits.
    #[arg(value_name = "VERSION")]
    number: Option<i64>,
    /// A later version: everything that changed after the first one up to this one.
    later: Option<i64>,
}

/// Versions that may lie between the two.
const MOST_VERSIONS: u32 = 10_000;

impl Diff {
    /// Prints the changes, in the order of domains.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let (what, changes) = visit(settings, Reach::Database, async |keeper| self.find(keeper.store()).await).await?;
        if as_json {
            let changes: Vec<_> = changes.iter().map(change_json).collect();
            return print::json(&json!({ "what": what, "changes": changes }));
        }
        print::line(&what)?;
        print_changes(&changes)
    }

    async fn find(&self, store: &Store) -> Result<(String, Vec<DomainChange>), Failure> {
        if let (Some(from), Some(to)) = (self.number, self.later) {
            let what = format!("from version {from} to version {to}");
            return Ok((what, between(store, known(store, from).await?.id, known(store, to).await?.id).await?));
        }
        let version = match self.number {
            Some(version) => known(store, version).await?,
            None => match store.pending_list().await? {
                Some(pending) => pending,
                None => store.list_in_force().await?.ok_or_else(|| {
                    Failure::Refused("no trust list was ever in force; `pli trust refresh`".to_owned())
                })?,
            },
        };
        Ok((headline(&version), store.list_changes(version.id).await?))
    }
}

fn headline(version: &ListVersion) -> String {
    let counts = version.counts;
    let why = version.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!(
        "version {}, {}{why}: {} domains added, {} removed, {} with other names",
        version.id,
        version.state.word(),
        counts.added,
        counts.removed,
        counts.renamed
    )
}

async fn known(store: &Store, version: i64) -> Result<ListVersion, Failure> {
    let found = store.list_version(ListId(version)).await?;
    found.ok_or_else(|| Failure::Refused(format!("version {version} is not known; see `pli trust status`")))
}

/// What versions that came into force after `from`, up to `to`, changed all in all.
async fn between(store: &Store, from: ListId, to: ListId) -> Result<Vec<DomainChange>, Failure> {
    if to < from {
        return Err(Failure::Refused("the second version is older than the first; exchange them".to_owned()));
    }
    let mut versions = store.list_versions(MOST_VERSIONS).await?;
    versions.retain(|version| version.accepted_at.is_some() && version.id > from && version.id <= to);
    let mut sum = Sum::default();
    for version in versions.iter().rev() {
        for change in store.list_changes(version.id).await? {
            sum.add(change);
        }
    }
    Ok(sum.into_changes())
}

/// Changes one after the other, as one.
#[derive(Default)]
struct Sum(BTreeMap<Domain, Net>);

struct Net {
    first: DomainChangeKind,
    last: DomainChangeKind,
    came: BTreeSet<String>,
    went: BTreeSet<String>,
}

impl Sum {
    fn add(&mut self, change: DomainChange) {
        let net = self.0.entry(change.domain).or_insert(Net {
            first: change.kind,
            last: change.kind,
            came: BTreeSet::new(),
            went: BTreeSet::new(),
        });
        net.last = change.kind;
        for name in change.names_removed {
            if !net.came.remove(&name) {
                net.went.insert(name);
            }
        }
        for name in change.names_added {
            if !net.went.remove(&name) {
                net.came.insert(name);
            }
        }
    }

    fn into_changes(self) -> Vec<DomainChange> {
        self.0.into_iter().filter_map(|(domain, net)| net.into_change(domain)).collect()
    }
}

impl Net {
    fn into_change(self, domain: Domain) -> Option<DomainChange> {
        let was_there = self.first != DomainChangeKind::Added;
        let is_there = self.last != DomainChangeKind::Removed;
        let kind = match (was_there, is_there) {
            (false, true) => DomainChangeKind::Added,
            (true, false) => DomainChangeKind::Removed,
            (true, true) if !self.came.is_empty() || !self.went.is_empty() => DomainChangeKind::Renamed,
            (true, true) | (false, false) => return None,
        };
        let texts = |names: BTreeSet<String>| names.into_iter().collect();
        Some(DomainChange { domain, kind, names_added: texts(self.came), names_removed: texts(self.went) })
    }
}

#[cfg(test)]
mod tests {
    use super::DomainChangeKind::{Added, Removed, Renamed};
    use super::*;

    fn change(kind: DomainChangeKind, came: &[&str], went: &[&str]) -> DomainChange {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let domain = Domain::parse("a.mssante.fr").unwrap();
        DomainChange { domain, kind, names_added: texts(came), names_removed: texts(went) }
    }

    fn sum(changes: &[DomainChange]) -> Vec<DomainChange> {
        let mut sum = Sum::default();
        for change in changes {
            sum.add(change.clone());
        }
        sum.into_changes()
    }

    #[test]
    fn changes_one_after_the_other_add_up() {
        let (added, removed) = (change(Added, &["CN=a"], &[]), change(Removed, &[], &["CN=a"]));
        assert_eq!(sum(&[added.clone(), removed.clone()]), [], "it came and went");
        assert_eq!(sum(&[removed.clone(), added.clone()]), [], "it went and came back as it was");
        let renamed = change(Renamed, &["CN=b"], &["CN=a"]);
        assert_eq!(sum(&[added, renamed.clone()]), [change(Added, &["CN=b"], &[])]);
        assert_eq!(sum(&[renamed.clone(), change(Renamed, &["CN=a"], &["CN=b"])]), []);
        assert_eq!(sum(&[renamed, change(Removed, &[], &["CN=b"])]), [removed]);
    }
}
