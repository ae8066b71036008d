//! The page for auditors: the index as tables, with where each rule is held.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::citation::Citation;
use crate::index::{Index, RuleId, Status};

const HEAD: &str = "# Conformity

Written by `make index` from `index.tsv` and the citations in code and tests; `make check` fails when it is stale.
Do not edit this page. A rule is `yes` only if code or a test cites it, in the form `[RFC5321 4.5.3.2]`.

`MSS1` is the référentiel of MSSanté operators (Référentiel #1), `MSS2` that of client software (Référentiel #2). Names such as `MSS1 HOP.IN`
are ours, where the public documents give a requirement no number; `MSS2 ECO.*` are the référentiel's own.
";

/// Writes the page.
pub(crate) fn render(index: &Index, citations: &[Citation]) -> String {
    let mut page = HEAD.to_owned();
    let count = |status| index.values().filter(|rule| rule.status == status).count();
    let (yes, partial, no) = (count(Status::Yes), count(Status::Partial), count(Status::No));
    let _ = writeln!(page, "\n{} rules: {yes} yes, {partial} partial, {no} no.", index.len());
    let mut document = "";
    for (id, rule) in index {
        if id.document() != document {
            document = id.document();
            let _ = writeln!(page, "\n## {document}\n\n| section | title | status | code | tests | note |");
            let _ = writeln!(page, "|---|---|---|---|---|---|");
        }
        let (code, tests) = (places(id, citations, false), places(id, citations, true));
        let section = id.section();
        let _ = writeln!(page, "| {section} | {} | {} | {code} | {tests} | {} |", rule.title, rule.status, rule.note);
    }
    page
}

/// The files that cite a rule, without line numbers so that the page does not change with every edit.
fn places(id: &RuleId, citations: &[Citation], in_test: bool) -> String {
    let id = id.to_string();
    let files: BTreeSet<String> = citations
        .iter()
        .filter(|citation| citation.id == id && citation.in_test == in_test)
        .map(|citation| format!("`{}`", citation.file.display()))
        .collect();
    files.into_iter().collect::<Vec<_>>().join(", ")
}
