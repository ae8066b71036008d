//! The annuaire alone, without a server: what it costs to import it, to resolve addresses, to search, and to do so while
//! it is refreshed.

mod activities;
mod corpus;
mod import;
mod refresh;
mod resolve;
mod search;

use crate::micro::Micro;

const fn case(name: &'static str, run: fn(&'static str) -> anyhow::Result<Vec<crate::figure::Figure>>) -> Micro {
    Micro { part: "annuaire", name, run }
}

/// What is measured. The import comes first: it measures memory, which the others use.
pub(crate) const CASES: [Micro; 5] = [
    case("annuaire-import", import::measure),
    case("annuaire-resolve", resolve::measure),
    case("annuaire-search", search::measure),
    case("annuaire-refresh", refresh::measure),
    case("annuaire-activities", activities::measure),
];
