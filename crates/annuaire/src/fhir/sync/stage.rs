//! The three searches of a synchronisation, one after the other: the interface takes one resource type at a time.

use time::format_description::well_known::Rfc3339;
use time::{Duration, UtcOffset};

use super::{Scope, SyncRules};
use crate::fhir::encoded;

/// One search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Practitioners,
    Roles,
    Organizations,
}

impl Stage {
    pub(super) fn next(self) -> Option<Self> {
        match self {
            Self::Practitioners => Some(Self::Roles),
            Self::Roles => Some(Self::Organizations),
            Self::Organizations => None,
        }
    }

    pub(super) fn resource(self) -> &'static str {
        match self {
            Self::Practitioners => "Practitioner",
            Self::Roles => "PractitionerRole",
            Self::Organizations => "Organization",
        }
    }

    /// The first page. A full synchronisation asks for what has a BAL (an address contains an `@`), as the documentation
    /// does; an incremental one for all that was updated, since a resource that lost its BAL has none to be found by.
    pub(super) fn url(self, rules: &SyncRules, scope: Scope) -> String {
        let filter = match scope {
            Scope::Full => "mailbox-mss:contains=%40".to_owned(),
            Scope::Since(time) => {
                // Whole seconds: fractions are the server's to compare.
                let time = time.to_offset(UtcOffset::UTC) - Duration::nanoseconds(i64::from(time.nanosecond()));
                format!("_lastUpdated=ge{}", encoded(&time.format(&Rfc3339).unwrap_or_default()))
            }
        };
        let included = match self {
            Self::Roles => "&_include=PractitionerRole%3Apractitioner&_include=PractitionerRole%3Aorganization",
            Self::Practitioners | Self::Organizations => "",
        };
        rules.base.at(&format!("{}?{filter}&_count={}{included}", self.resource(), rules.page_size))
    }
}
