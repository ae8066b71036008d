//! Two names side by side, for people: which attributes are the same and which are not.

use super::place::{self, Places};
use super::{DistinguishedName, key};

/// How an attribute of a listed name compares with that of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeOutcome {
    /// Every character.
    Same,
    /// After case and spaces were normalised.
    SameNormalised,
    /// The same place (ST, L) in another spelling; not the same where names are compared strictly.
    SamePlace,
    /// A place (ST, L) that one name does not have, which does not count unless names are compared strictly.
    Unsaid,
    /// Not the same, or missing on one side.
    Different,
}

/// One attribute type of two names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeComparison {
    /// `CN`, `OU`, or dotted digits.
    pub kind: String,
    /// What the list says; several values in their order.
    pub listed: Vec<String>,
    /// What the certificate says.
    pub shown: Vec<String>,
    /// How they compare.
    pub outcome: AttributeOutcome,
}

impl DistinguishedName {
    /// This name, which is listed, beside that of a certificate, attribute by attribute.
    pub fn compare(&self, shown: &Self) -> Vec<AttributeComparison> {
        let mut kinds: Vec<&str> = Vec::new();
        for (kind, _) in self.attributes().chain(shown.attributes()) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds.into_iter().map(|kind| attribute(kind, self, shown)).collect()
    }
}

fn attribute(kind: &str, listed: &DistinguishedName, shown: &DistinguishedName) -> AttributeComparison {
    let values = |name: &DistinguishedName| name.values(kind).map(str::to_owned).collect::<Vec<_>>();
    let normalised = |values: &[String]| {
        let mut values: Vec<_> = values.iter().map(|value| key::normalised(value)).collect();
        values.sort();
        values
    };
    let (listed, shown) = (values(listed), values(shown));
    let outcome = match () {
        () if listed == shown => AttributeOutcome::Same,
        () if normalised(&listed) == normalised(&shown) => AttributeOutcome::SameNormalised,
        () if place::is_place(kind) => match place::compare(kind, &listed, &shown) {
            Places::Same => AttributeOutcome::SamePlace,
            Places::Unsaid => AttributeOutcome::Unsaid,
            Places::Other => AttributeOutcome::Different,
        },
        () => AttributeOutcome::Different,
    };
    AttributeComparison { kind: kind.to_owned(), listed, shown, outcome }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::DnMatch;

    fn dn(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap()
    }

    #[test]
    fn each_attribute_is_told_apart() {
        let listed = dn("CN=host,OU=11,O=La Maison,ST=Gard (30),C=FR");
        let outcomes: Vec<_> = listed
            .compare(&dn("CN=host,OU=12,O=LA  MAISON,ST=Gard,L=x,C=FR"))
            .into_iter()
            .map(|attribute| (attribute.kind, attribute.outcome))
            .collect();
        let expected = [
            ("CN", AttributeOutcome::Same),
            ("OU", AttributeOutcome::Different),
            ("O", AttributeOutcome::SameNormalised),
            ("ST", AttributeOutcome::SamePlace),
            ("C", AttributeOutcome::Same),
            ("L", AttributeOutcome::Unsaid),
        ];
        assert_eq!(outcomes, expected.map(|(kind, outcome)| (kind.to_owned(), outcome)));
    }

    proptest! {
        #[test]
        fn no_attribute_is_different_exactly_if_the_names_match(
            a in "(CN|OU|O|ST)=[aB ]{1,3}(,(CN|OU|O|ST|L)=[ab]{1,2}){0,3}",
            b in "(CN|OU|O|ST)=[aB ]{1,3}(,(CN|OU|O|ST|L)=[ab]{1,2}){0,3}",
        ) {
            let (Ok(a), Ok(b)) = (DistinguishedName::parse(&a), DistinguishedName::parse(&b)) else { return Ok(()) };
            prop_assume!(!a.is_empty());
            let differs = a.compare(&b).iter().any(|each| each.outcome == AttributeOutcome::Different);
            prop_assert_eq!(!differs, a.matches(&b, DnMatch::Normalised));
        }
    }
}
