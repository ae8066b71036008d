//! Cases that measure a part of pli by itself, without a server.

use anyhow::Result;

use crate::figure::Figure;
use crate::{annuaire, audit, provisioning, rules, trust, xdm};

/// A case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Micro {
    /// Selects all cases of a part.
    pub(crate) part: &'static str,
    /// Shown, and selected by.
    pub(crate) name: &'static str,
    /// Measures, in the thread that calls it.
    pub(crate) run: fn(&'static str) -> Result<Vec<Figure>>,
}

/// The cases whose names contain one of `words` or that belong to a part of this name; all of them without any word.
pub(crate) fn select(words: &[String]) -> Vec<Micro> {
    let wanted = |micro: &Micro| {
        words.is_empty() || words.iter().any(|word| word == micro.part || micro.name.contains(word.as_str()))
    };
    trust::CASES
        .into_iter()
        .chain(annuaire::CASES)
        .chain(xdm::CASES)
        .chain(audit::CASES)
        .chain(rules::CASES)
        .chain(provisioning::CASES)
        .filter(wanted)
        .collect()
}
