//! The rule index against the citations.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::citation::{self, Scan};
use crate::index::{self, Index, RuleId, Status};
use crate::page;

const PAGE: &str = "docs/conformity/README.md";

/// Fails on a citation that is not in the index, a `yes` that nothing cites, a loose form, or a stale page.
pub(crate) fn check(root: &Path) -> Result<String> {
    let (index, scan) = load(root)?;
    let written = fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    if written != page::render(&index, &scan.citations) {
        bail!("{PAGE} is stale: run `make index` and commit it");
    }
    Ok(summary(&index, &scan))
}

/// Checks, and writes the page.
pub(crate) fn write(root: &Path) -> Result<String> {
    let (index, scan) = load(root)?;
    fs::write(root.join(PAGE), page::render(&index, &scan.citations)).context(PAGE)?;
    Ok(summary(&index, &scan))
}

fn load(root: &Path) -> Result<(Index, Scan)> {
    let index = index::read(&root.join("docs/conformity/index.tsv"))?;
    let scan = citation::scan_tree(root)?;
    let faults = faults(&index, &scan);
    if !faults.is_empty() {
        bail!("the rule index does not hold:\n  {}", faults.join("\n  "));
    }
    Ok((index, scan))
}

fn faults(index: &Index, scan: &Scan) -> Vec<String> {
    let loose = scan.malformed.iter().map(|place| format!("{place} is not in the form [RFC5321 4.5.3.2]"));
    let unknown =
        scan.citations.iter().filter(|citation| !index.contains_key(&RuleId::new(&citation.id))).map(|citation| {
            format!("{}:{}: [{}] is not in the index", citation.file.display(), citation.line, citation.id)
        });
    let cited: BTreeSet<RuleId> = scan.citations.iter().map(|citation| RuleId::new(&citation.id)).collect();
    let uncited = index
        .iter()
        .filter(|(id, rule)| rule.status == Status::Yes && !cited.contains(id))
        .map(|(id, _)| format!("index: `{id}` is `yes` but neither code nor test cites it"));
    loose.chain(unknown).chain(uncited).collect()
}

fn summary(index: &Index, scan: &Scan) -> String {
    format!("rule index: {} rules, {} citations", index.len(), scan.citations.len())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::citation::Citation;
    use crate::index::Rule;

    fn rule(status: Status) -> Rule {
        Rule { title: "title".to_owned(), status, note: "note".to_owned() }
    }

    fn cited(id: &str) -> Scan {
        let citation = Citation { id: id.to_owned(), file: PathBuf::from("a.rs"), line: 7, in_test: false };
        Scan { citations: vec![citation], malformed: Vec::new() }
    }

    #[test]
    fn a_citation_outside_the_index_is_a_fault() {
        assert_eq!(faults(&Index::new(), &cited("RFC1 1")), ["a.rs:7: [RFC1 1] is not in the index"]);
    }

    #[test]
    fn a_yes_that_nothing_cites_is_a_fault() {
        let index =
            Index::from([(RuleId::new("RFC1 1"), rule(Status::Yes)), (RuleId::new("RFC1 2"), rule(Status::No))]);
        assert_eq!(faults(&index, &Scan::default()), ["index: `RFC1 1` is `yes` but neither code nor test cites it"]);
        assert!(faults(&index, &cited("RFC1 1")).is_empty());
    }

    #[test]
    fn the_page_names_code_and_tests_apart() {
        let index = Index::from([(RuleId::new("RFC1 1"), rule(Status::Yes))]);
        let mut scan = cited("RFC1 1");
        scan.citations.push(Citation { file: PathBuf::from("tests/b.rs"), in_test: true, ..scan.citations[0].clone() });
        let page = page::render(&index, &scan.citations);
        assert!(page.contains("| 1 | title | yes | `a.rs` | `tests/b.rs` | note |"), "{page}");
    }
}
