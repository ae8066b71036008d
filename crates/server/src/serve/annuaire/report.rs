//! What an import did, as the database keeps it with the version.

use std::collections::BTreeMap;

use annuaire::{Change, Changes, DirectoryCounts, Rejection, RejectionReason};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Synchronised;

/// The report of an import. Counts are of lines unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    /// Where its entries come from.
    pub(crate) entries: Option<Part>,
    /// Where the activities come from that complete them.
    pub(crate) activities: Option<Part>,
    /// What is in the directory now.
    pub(crate) counts: DirectoryCounts,
    /// Lines without the header.
    pub(crate) lines: u64,
    /// Addresses that came more than once.
    pub(crate) duplicates: u64,
    /// Lines with an identifier whose key is doubtful: taken.
    pub(crate) doubtful: u64,
    /// Lines with a text that was cut because it was longer than any name: taken.
    pub(crate) shortened: u64,
    /// Lines that were passed over.
    pub(crate) rejected: u64,
    /// The same by reason.
    pub(crate) rejections: BTreeMap<RejectionReason, u64>,
    /// Entries that came, against the directory before.
    pub(crate) added: u64,
    /// Entries that say something else.
    pub(crate) changed: u64,
    /// Entries that went.
    pub(crate) removed: u64,
    /// The first few of them.
    pub(crate) examples: Vec<Change>,
    /// How it was asked for, if it is by the interface of the national directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) synchronised: Option<Synchronised>,
    /// How long reading and building took.
    pub(crate) seconds: f64,
}

/// A file that a directory was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// URL or path.
    pub(crate) source: String,
    /// When it was generated, by the name of the text in it.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(crate) generated_at: Option<OffsetDateTime>,
    /// The date in the name that its source gave it: a HEAD request tells that of the next one.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(crate) named_at: Option<OffsetDateTime>,
    /// SHA-256 of its octets, hexadecimal.
    pub(crate) sha256: String,
}

impl Report {
    /// BALs of all kinds.
    pub(crate) fn len(&self) -> u64 {
        let DirectoryCounts { nominative, organisational, applicative, cabinet, .. } = self.counts;
        nominative + organisational + applicative + cabinet
    }

    /// Counts a line that was passed over.
    pub(super) fn reject(&mut self, rejection: &Rejection) {
        self.rejected += 1;
        *self.rejections.entry(rejection.reason).or_default() += 1;
    }

    /// Takes over what changed.
    pub(super) fn changed(&mut self, changes: Changes) {
        Changes { added: self.added, changed: self.changed, removed: self.removed, examples: self.examples } = changes;
    }

    /// The report of a version, if it says how much is in it: against less nothing can be weighed.
    pub(super) fn of_weight(value: &serde_json::Value) -> Option<Self> {
        Self::deserialize(value).ok().filter(|report| report.len() > 0)
    }

    /// The report of a version; one that an older pli wrote may say less.
    pub(crate) fn of(value: &serde_json::Value) -> Self {
        Self::deserialize(value).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_back_from_the_database_and_what_it_lacks_is_nothing() {
        let part = Part { source: "a".into(), generated_at: None, named_at: None, sha256: "00".into() };
        let mut report = Report { entries: Some(part), lines: 3, ..Report::default() };
        report.reject(&Rejection { line: 2, reason: RejectionReason::TooLong, detail: String::new() });
        assert_eq!(Report::of(&serde_json::to_value(&report).unwrap()), report);
        assert_eq!(Report::of(&serde_json::json!({ "lines": 3 })).lines, 3);
    }

    #[test]
    fn a_report_that_does_not_say_how_much_there_was_weighs_nothing() {
        for unreadable in
            [serde_json::json!({ "counts": 22 }), serde_json::json!({ "lines": 3 }), serde_json::json!(null)]
        {
            assert_eq!(Report::of_weight(&unreadable), None, "{unreadable}");
        }
    }
}
