//! `pli annuaire search`.

use annuaire::{Answers, Extent, Hit, Query};
use clap::Args;
use mssante::BalKind;
use serde_json::{Value, json};

use super::{entry, print};
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::annuaire::visit;

/// Whom to look for.
#[derive(Debug, Args)]
pub(in crate::cli) struct Search {
    /// Words in any order; accents and capitals do not matter, a typing mistake or a missing end neither.
    #[arg(required = true, value_name = "WORDS")]
    words: Vec<String>,
    /// BALs of this kind only: PER, ORG, APP, CAB.
    #[arg(long)]
    kind: Option<BalKind>,
    /// Most answers.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

impl Search {
    /// Prints the answers, best first; exit code 1 if there is none.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        if !self.words.iter().any(|word| word.contains(char::is_alphanumeric)) {
            return Err(Failure::Usage(
                "there is nothing to look for; give parts of a name, a profession, a town or a structure, as in \
                 `pli annuaire search \"perin medecin aulnay\"`"
                    .to_owned(),
            ));
        }
        let query = Query { words: self.words.join(" "), kind: self.kind, limit: self.limit.into() };
        let (answers, has_directory) = visit(settings, async |keeper| {
            keeper.take_over().await?;
            let lookup = keeper.lookup(self.kind).await?;
            Ok((lookup.search(&query), lookup.has_directory()))
        })
        .await?;
        if !has_directory {
            eprintln!("warning: no directory is in force, only our own BALs were looked at; see `pli annuaire status`");
        }
        let Answers { hits, extent } = answers;
        if as_json {
            print::json(&json!({ "extent": extent, "answers": hits.iter().map(value).collect::<Vec<_>>() }))?;
        } else if !hits.is_empty() {
            print::table(
                ["name", "profession", "structure and town", "address", "kind", "match"],
                hits.iter().map(row),
            )?;
            hint(hits.len(), extent).map_or(Ok(()), |hint| print::line(&hint))?;
        }
        if hits.is_empty() {
            return Err(Failure::Refused(format!(
                "nobody was found by \"{}\"; try fewer words, or other parts of the name or the town{}",
                query.words,
                if query.kind.is_some() { ", or leave --kind out" } else { "" }
            )));
        }
        Ok(())
    }
}

/// What else there may be.
fn hint(count: usize, extent: Extent) -> Option<String> {
    match extent {
        Extent::Whole => None,
        Extent::Limited => Some(format!("the best {count} of more; --limit or a further word shows others")),
        Extent::Partial => Some(format!(
            "at least {count}: the words are found in so much that not all of it was looked at; a further word helps"
        )),
    }
}

fn row(hit: &Hit) -> [String; 6] {
    let found = &hit.entry;
    [
        entry::name(found),
        entry::profession(found),
        entry::place(found),
        found.address.to_string(),
        found.kind.code().to_owned(),
        if hit.found.is_approximate() { "approximate".to_owned() } else { String::new() },
    ]
}

fn value(hit: &Hit) -> Value {
    json!({ "entry": hit.entry, "score": hit.score, "found": hit.found, "approximate": hit.found.is_approximate() })
}
