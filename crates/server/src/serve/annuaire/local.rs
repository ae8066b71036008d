//! Looking somebody up: our own BALs as the store has them, everybody else as the directory does.
//!
//! What the directory says of an address of ours counts only as far as the store has that BAL, is silent on the matter,
//! and does not keep it off the directories (liste rouge). `[MSS1 ANN.LOCAL]`

use std::collections::HashSet;
use std::sync::Arc;

use annuaire::{Answers, Directory, DirectoryBuilder, Entry, Extent, Paperless, Person, Query, Structure};
use mssante::{Address, BalKind, Domain, Listing, PersonId, Shown};
use store::{BalRecord, StoreError};

use super::Keeper;

/// What can be looked up, at one moment.
pub(crate) struct Lookup {
    directory: Option<Arc<Directory>>,
    local: Directory,
    our_domains: HashSet<Domain>,
}

impl Keeper {
    /// What is known of one address. `[MSS1 ANN.UNLISTED]`
    pub(crate) async fn look_up(&self, address: &Address) -> Result<Option<Entry>, StoreError> {
        let imported = self.in_force().and_then(|current| current.directory.get(address));
        if !self.settings.operator.domains.contains(address.domain()) {
            return Ok(imported);
        }
        let bal = self.store().bal(address).await?.filter(shows);
        Ok(bal.map(|bal| completed(entry(&bal), imported)))
    }

    /// Everything of this kind, or of all, that is in force by now.
    pub(crate) async fn lookup(&self, kind: Option<BalKind>) -> Result<Lookup, StoreError> {
        let directory = self.in_force().map(|current| Arc::clone(&current.directory));
        let bals = self.store().listed_bals(kind).await?;
        Ok(Lookup::new(directory, &bals, self.settings.operator.domains.iter().cloned().collect()))
    }
}

impl Lookup {
    /// `bals` are those of ours that show in directories.
    fn new(directory: Option<Arc<Directory>>, bals: &[BalRecord], our_domains: HashSet<Domain>) -> Self {
        let mut local = DirectoryBuilder::new();
        for bal in bals {
            let imported = directory.as_ref().and_then(|directory| directory.get(&bal.address));
            local.put(&completed(entry(bal), imported));
        }
        Self { directory, local: local.finish(), our_domains }
    }

    /// The best answers, best first.
    pub(crate) fn search(&self, query: &Query) -> Answers {
        let Answers { mut hits, mut extent } = self.local.search(query, &HashSet::new());
        if let Some(others) = self.directory.as_ref().map(|directory| directory.search(query, &self.our_domains)) {
            hits.extend(others.hits);
            extent = extent.max(others.extent);
        }
        if hits.len() > query.limit {
            extent = extent.max(Extent::Limited);
        }
        hits.sort_by(|a, b| (a.found, -a.score).partial_cmp(&(b.found, -b.score)).unwrap_or(std::cmp::Ordering::Equal));
        hits.truncate(query.limit);
        Answers { hits, extent }
    }

    /// Whether a directory is in force, or only our own BALs can be found.
    pub(crate) fn has_directory(&self) -> bool {
        self.directory.is_some()
    }
}

/// Whether one of ours shows in directories.
fn shows(bal: &BalRecord) -> bool {
    bal.state.row().shown == Shown::Published && bal.listing == Listing::Listed
}

fn entry(bal: &BalRecord) -> Entry {
    let person = bal.holder.as_ref().map(|rpps| Person {
        id: Some(PersonId::Rpps(*rpps)),
        family_name: bal.display_name.clone().unwrap_or_default(),
        ..Person::default()
    });
    let name = bal.display_name.as_ref().filter(|_| person.is_none());
    let said: Vec<&str> =
        [name, bal.service.as_ref(), bal.description.as_ref()].into_iter().flatten().map(String::as_str).collect();
    Entry {
        address: bal.address.clone(),
        kind: bal.kind,
        service: said.join(", "),
        person,
        structure: bal.structure.clone().map(|id| Structure { id: Some(id), ..Structure::default() }),
        paperless: Paperless::NotSaid,
        others: Vec::new(),
        carrier: None,
    }
}

/// What the directory adds to our own word.
fn completed(ours: Entry, imported: Option<Entry>) -> Entry {
    let Some(imported) = imported.filter(|imported| imported.kind == ours.kind) else { return ours };
    let same_person = match (&ours.person, &imported.person) {
        (Some(ours), Some(theirs)) => ours.id == theirs.id,
        (None, _) => true,
        (Some(_), None) => false,
    };
    let same_structure = match (&ours.structure, &imported.structure) {
        (Some(ours), Some(theirs)) => ours.id == theirs.id,
        (None, _) => true,
        (Some(_), None) => false,
    };
    Entry {
        person: if same_person { imported.person } else { ours.person },
        structure: if same_structure { imported.structure } else { ours.structure },
        service: if ours.service.is_empty() { imported.service } else { ours.service },
        paperless: imported.paperless,
        carrier: None,
        ..ours
    }
}
