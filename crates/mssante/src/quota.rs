//! How much a BAL may hold. `[MSS1 BAL.QUOTA]`

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{BalKind, Refusal, Rule, Verdict};

/// A number of octets, as people write it: `500 MiB`, `2 GiB`, `26214400`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Size(pub u64);

/// Units, the largest first.
const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// What was written is no size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is not a size; write octets, or a whole number of KiB, MiB, GiB, TiB such as \"2 GiB\"")]
pub struct SizeError(pub String);

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim();
        let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor);
        let factor = if unit.is_empty() { Some(1) } else { factor };
        let octets = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        // What PostgreSQL counts with.
        let octets = octets.filter(|octets| i64::try_from(*octets).is_ok());
        octets.map(Self).ok_or_else(|| SizeError(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((name, factor)) => write!(f, "{} {name}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// In a file a text or a number.
impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a size such as \"2 GiB\", or a number of octets")]
        enum Written {
            Octets(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Octets(octets) => Ok(Self(octets)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// What one BAL may hold, beside what its kind may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QuotaChoice {
    /// As much as its kind.
    #[default]
    Default,
    /// As much as there is room for.
    Unlimited,
    /// This much.
    Limit(Size),
}

impl fmt::Display for QuotaChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Unlimited => f.write_str("none"),
            Self::Limit(size) => size.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for QuotaChoice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for QuotaChoice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for QuotaChoice {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        match text {
            "default" => Ok(Self::Default),
            "none" => Ok(Self::Unlimited),
            size => match size.parse()? {
                Size(0) => Ok(Self::Unlimited),
                size => Ok(Self::Limit(size)),
            },
        }
    }
}

/// What BALs of each kind may hold; 0 is as much as there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// PER.
    pub nominative: Size,
    /// ORG.
    pub organisational: Size,
    /// APP.
    pub applicative: Size,
    /// CAB.
    pub cabinet: Size,
}

/// From this share of its quota on, in percent, a BAL is warned.
const WARNED_FROM: u64 = 90;
/// Below this share, in percent, it may be warned again.
const CALM_BELOW: u64 = 80;

impl Quotas {
    /// No quotas at all.
    pub const NONE: Self =
        Self { nominative: Size(0), organisational: Size(0), applicative: Size(0), cabinet: Size(0) };

    /// The quota of a BAL, if it has one.
    pub fn limit(&self, kind: BalKind, choice: QuotaChoice) -> Option<Size> {
        let of_kind = match kind {
            BalKind::Nominative => self.nominative,
            BalKind::Organisational => self.organisational,
            BalKind::Applicative => self.applicative,
            BalKind::Cabinet => self.cabinet,
        };
        match choice {
            QuotaChoice::Default => Some(of_kind).filter(|size| size.0 > 0),
            QuotaChoice::Unlimited => None,
            QuotaChoice::Limit(size) => Some(size),
        }
    }
}

impl Size {
    /// Whether there is room for `more` octets beside the `used` ones, `self` being the quota. `[MSS1 BAL.QUOTA]`
    pub fn has_room(self, used: u64, more: u64) -> Verdict {
        // Without an announced size a message has at least one octet.
        if used.saturating_add(more.max(1)) <= self.0 { Ok(()) } else { Err(Refusal::QuotaExceeded) }
    }

    /// From how many octets on the BAL is warned.
    pub fn warned_from(self) -> u64 {
        share(self.0, WARNED_FROM)
    }

    /// Below how many octets it may be warned again.
    pub fn calm_below(self) -> u64 {
        share(self.0, CALM_BELOW)
    }
}

fn share(whole: u64, percent: u64) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(percent) / 100).unwrap_or(u64::MAX)
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "QUOTA.FULL",
        says: "a BAL that has no room left refuses mail for now; the sender tries again, and nothing is lost",
        french: "Une BAL sans place refuse le courrier pour le moment ; l'expéditeur réessaie, rien n'est perdu.",
        source: "ours",
    },
    Rule {
        id: "QUOTA.WARNING",
        says: "a BAL that is 90 % full is told once by a letter in its INBOX; again only after it was below 80 %",
        french: "Une BAL remplie à 90 % est avertie une fois par un message dans sa boîte de réception ; de nouveau seulement \
                 après être passée sous 80 %.",
        source: "ours",
    },
    Rule {
        id: "QUOTA.OWN",
        says: "reports and warnings that pli itself writes are delivered into a full BAL all the same",
        french: "Les rapports et avertissements écrits par pli sont remis même à une BAL pleine.",
        source: "ours",
    },
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_written_with_units_or_as_octets() {
        for (text, octets) in
            [("0", 0), ("26214400", 26_214_400), ("2 GiB", 2 << 30), ("5gib", 5 << 30), ("1 KiB", 1024)]
        {
            assert_eq!(text.parse(), Ok(Size(octets)), "{text}");
        }
        for wrong in ["", "GiB", "2 GB", "-1", "1.5 GiB", "9000000 TiB", "2 GiB GiB", "２ GiB"] {
            assert_eq!(wrong.parse::<Size>(), Err(SizeError(wrong.to_owned())));
        }
        assert_eq!((Size(2 << 30).to_string(), Size(1025).to_string()), ("2 GiB".to_owned(), "1025".to_owned()));
    }

    #[test]
    fn the_choice_of_a_bal_comes_before_that_of_its_kind() {
        let quotas = Quotas { nominative: Size(100), ..Quotas::NONE };
        assert_eq!(quotas.limit(BalKind::Nominative, QuotaChoice::Default), Some(Size(100)));
        assert_eq!(quotas.limit(BalKind::Nominative, QuotaChoice::Unlimited), None);
        assert_eq!(quotas.limit(BalKind::Cabinet, QuotaChoice::Default), None);
        assert_eq!(quotas.limit(BalKind::Cabinet, "7 KiB".parse().unwrap()), Some(Size(7 << 10)));
        assert_eq!("0".parse(), Ok(QuotaChoice::Unlimited));
    }

    #[test]
    fn rule_quota_full_refuses_for_now() {
        let quota = Size(100);
        assert_eq!(quota.has_room(90, 10), Ok(()));
        assert_eq!(quota.has_room(90, 11), Err(Refusal::QuotaExceeded));
        assert_eq!(quota.has_room(100, 0), Err(Refusal::QuotaExceeded));
        assert_eq!(quota.has_room(u64::MAX, u64::MAX), Err(Refusal::QuotaExceeded));
        assert_eq!(Refusal::QuotaExceeded.permanence(), crate::Permanence::Temporary);
    }

    #[test]
    fn the_warning_comes_at_ninety_percent_and_may_come_again_below_eighty() {
        assert_eq!((Size(1000).warned_from(), Size(1000).calm_below()), (900, 800));
        assert_eq!(Size(u64::MAX).warned_from(), u64::MAX / 10 * 9 + 4);
    }

    proptest! {
        #[test]
        fn every_size_reads_back_as_itself(octets in 0..=i64::MAX.unsigned_abs()) {
            prop_assert_eq!(Size(octets).to_string().parse(), Ok(Size(octets)));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,20}") {
            let _ = text.parse::<QuotaChoice>();
        }
    }
}
