//! Distinguished names, read from certificates and from the white list, compared attribute
//! by attribute.

mod certificate;
mod compare;
mod key;
mod place;
mod text;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use thiserror::Error;

use crate::shown::shown;

pub use compare::{AttributeComparison, AttributeOutcome};

/// Why a text or a certificate holds no usable name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DnError {
    /// Not `TYPE=value` pairs separated by commas.
    #[error("'{0}' is not a distinguished name such as CN=host,OU=1FINESS,O=name,C=FR")]
    Syntax(String),
    /// Longer than [`DistinguishedName::MAX_OCTETS`].
    #[error("a distinguished name of {0} octets is not read; no name has more than 4096")]
    TooLong(usize),
    /// NUL or another control character in a value, or hexadecimal digits that stand for no text.
    #[error("'{0}' holds control characters or a value that is no text; names must be printable")]
    NotText(String),
    /// The certificate cannot be read.
    #[error("the certificate cannot be read")]
    Certificate,
}

/// How strictly two names are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DnMatch {
    /// Every attribute in the same order, every character.
    Strict,
    /// CN, OU, O, C and whatever else there is must be equal without regard to order, case and
    /// runs of spaces. ST must be the same department (by number, else by name) and L the same town where both
    /// names have one, however they are spelt. `[MSS1 DN.MATCH]`
    #[default]
    Normalised,
}

impl DnMatch {
    /// The word in traces and settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Normalised => "normalised",
        }
    }
}

/// A subject name. Most specific attribute first, as the white list writes it. Cheap to clone.
///
/// What [`Self::parse`] returns is always text that can be shown; what stands in a certificate is
/// taken as it is, and if it is no such text it equals nothing that was parsed.
#[derive(Clone)]
pub struct DistinguishedName(Arc<Attributes>);

struct Attributes {
    /// Types in capitals (`CN`) or dotted digits, and values as they were written.
    pairs: Vec<(String, String)>,
    key: String,
}

impl DistinguishedName {
    /// No name that is written as text may have more octets. Those of the white list have up to 200.
    pub const MAX_OCTETS: usize = 4096;

    /// Reads the textual form of the white list, with its irregularities. `[RFC4514 3]`
    ///
    /// Beyond the RFC, a separator counts only before a `TYPE=`, and quotes inside a value or
    /// without a counterpart stand for themselves (`O=CRLCC "PAUL STRAUSS"`).
    pub fn parse(text: &str) -> Result<Self, DnError> {
        if text.len() > Self::MAX_OCTETS {
            return Err(DnError::TooLong(text.len()));
        }
        let pairs = text::attributes(text).ok_or_else(|| DnError::Syntax(shown(text)))?;
        if pairs.iter().all(|(_, value)| key::is_text(value)) {
            Ok(Self::new(pairs))
        } else {
            Err(DnError::NotText(shown(text)))
        }
    }

    /// The subject of a certificate in DER.
    pub fn of_certificate(der: &[u8]) -> Result<Self, DnError> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|_| DnError::Certificate)?;
        Ok(Self::of_name(certificate.subject()))
    }

    pub(crate) fn of_name(name: &x509_parser::x509::X509Name<'_>) -> Self {
        Self::new(certificate::attributes(name))
    }

    fn new(pairs: Vec<(String, String)>) -> Self {
        let key = key::of(&pairs);
        Self(Arc::new(Attributes { pairs, key }))
    }

    /// Whether both name the same holder. An empty name names nobody.
    pub fn matches(&self, other: &Self, how: DnMatch) -> bool {
        let same = match how {
            DnMatch::Strict => self == other,
            DnMatch::Normalised => self.key() == other.key() && place::agree(self, other),
        };
        same && !self.is_empty()
    }

    /// The form under which a name is stored and looked up: normalised, ST and L left out.
    /// Names that match [`DnMatch::Normalised`] have the same key; besides, their ST and L must agree.
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// Whether it has no attribute, or none but ST and L: such a name names nobody.
    pub fn is_empty(&self) -> bool {
        self.key().is_empty()
    }

    /// The common name; of several, the most specific.
    pub fn common_name(&self) -> Option<&str> {
        self.values("CN").next()
    }

    /// Its attributes, most specific first: type (`CN`, or dotted digits) and value.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.pairs.iter().map(|(kind, value)| (kind.as_str(), value.as_str()))
    }

    /// Whether every value is text that can be shown. What was parsed always is.
    pub(crate) fn is_text(&self) -> bool {
        self.attributes().all(|(_, value)| key::is_text(value))
    }

    /// All values of an attribute type, such as `OU`.
    pub fn values(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.0.pairs.iter().filter(move |(each, _)| each == kind).map(|(_, value)| value.as_str())
    }
}

impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.pairs == other.0.pairs
    }
}

impl Eq for DistinguishedName {}

/// Equal names have equal keys.
impl Hash for DistinguishedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinguishedName({self})")
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (kind, value)) in self.0.pairs.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{kind}={}", text::escaped(value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dn(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap()
    }

    const LISTED: &str = "CN=smtp-1.mssante.adista.fr ,OU=332315971500305,O=ADISTA,ST=Meurthe et Moselle(54),C=FR";

    #[test]
    fn case_spaces_order_and_spelling_of_the_department_do_not_decide() {
        let shown = dn("C=FR, ST=Meurthe-et-Moselle (54), O=Adista, OU=332315971500305, CN=SMTP-1.mssante.adista.fr");
        assert!(dn(LISTED).matches(&shown, DnMatch::Normalised));
        assert!(!dn(LISTED).matches(&shown, DnMatch::Strict));
        assert!(dn("CN=h,O=LA\u{a0} MAISON").matches(&dn("CN=h,O=la maison"), DnMatch::Normalised));
        assert!(dn("CN=h,O=ÉVREUX").matches(&dn("CN=h,O=évreux"), DnMatch::Normalised));
    }

    /// Everything irregular that the published list has, in made-up names.
    #[test]
    fn the_irregular_spellings_of_the_published_list_match_the_regular_one() {
        let regular = dn("CN=smtp.exemple.fr,OU=10B0078671,O=GIP \\\"X\\\" A\\, B,ST=Paris (75),C=FR");
        for spelling in [
            "CN=smtp.exemple.fr, OU=10B0078671, O=GIP \"X\" A, B, ST=Paris(75), C=FR",
            "CN=smtp.exemple.fr ,OU=10B0078671,O=\"GIP \"\"X\"\" A, B\",ST=Paris (75),C=FR",
            "CN=SMTP.EXEMPLE.FR,OU=10b0078671,O=\"GIP  \\\"X\\\" A, B\",L=Paris,C=FR",
            "CN=smtp.exemple.fr,OU=10B0078671,O=GIP\u{a0}\"X\"\u{a0} A, B,C=FR",
            "  CN = smtp.exemple.fr , OU = 10B0078671 , O = GIP \"X\" A\\, B , S = Paris , C = FR  ",
            "CN=smtp.exemple.fr,OU=10B0078671,O=GIP \\\"X\\\" A\\, B,ST=PARIS (75),C=FR",
            "CN=smtp.exemple.fr,OU=10B0078671,O=GIP \\\"X\\\" A\\, B,ST=75,C=FR",
        ] {
            assert!(dn(spelling).matches(&regular, DnMatch::Normalised), "{spelling} is {}", dn(spelling).key());
        }
    }

    #[test]
    fn what_is_too_long_for_a_name_is_not_even_looked_at() {
        let longest = format!("CN={}", "a".repeat(DistinguishedName::MAX_OCTETS - 3));
        assert!(DistinguishedName::parse(&longest).is_ok());
        for long in [format!("{longest}a"), format!("CN={}", ",".repeat(1 << 20)), "\0".repeat(1 << 20)] {
            let error = DistinguishedName::parse(&long).unwrap_err();
            assert_eq!(error, DnError::TooLong(long.len()));
            assert!(error.to_string().len() < 100, "{error}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_name() {
        for text in ["CN=a\\00b", "CN=a\0b", "CN=\u{1b}[2J", "CN=a\u{85}b"] {
            assert!(
                matches!(DistinguishedName::parse(text), Err(DnError::NotText(shown)) if !shown.contains(|c: char| c.is_control())),
                "{text}"
            );
        }
    }

    #[test]
    fn each_of_cn_ou_o_c_and_the_department_decides() {
        for other in [
            "CN=smtp-1.mssante.adista.fr,OU=332315971500305,O=ADISTA,ST=Moselle (57),C=FR",
            "CN=smtp-1.mssante.adista.fr,OU=332315971500305,O=ADISTA,ST=Nord,C=FR",
            "CN=smtp-2.mssante.adista.fr,OU=332315971500305,O=ADISTA,C=FR",
            "CN=smtp-1.mssante.adista.fr,OU=318751275100020,O=ADISTA,C=FR",
            "CN=smtp-1.mssante.adista.fr,OU=332315971500305,O=ADISTAS,C=FR",
            "CN=smtp-1.mssante.adista.fr,OU=332315971500305,O=ADISTA,C=BE",
            "CN=smtp-1.mssante.adista.fr,OU=332315971500305,O=ADISTA",
            "CN=smtp-1.mssante.adista.fr,OU=332315971500305,OU=x,O=ADISTA,C=FR",
            "CN=smtp-1.mssante.adista.fr,OU=332315971500305,O=ADISTA,C=FR,SERIALNUMBER=1",
        ] {
            assert!(!dn(LISTED).matches(&dn(other), DnMatch::Normalised), "{other}");
        }
    }

    #[test]
    fn a_key_cannot_be_forged_with_separators_inside_a_value() {
        assert_ne!(dn("CN=a\\,ou\\=b").key(), dn("CN=a,OU=b").key());
        assert_ne!(dn("CN=a\\\\,OU=b").key(), dn("CN=a\\,ou\\=b").key());
        assert_eq!(dn("O=n, OU=1, CN=Host, ST=x").key(), "cn=host,ou=1,o=n");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_the_same(
            pairs in prop::collection::vec(("(CN|OU|O|ST|C|L|1\\.2\\.3)", "\\PC{0,20}|[ \"\\\\,+;=#<>A-Fa\u{a0}\t]{0,12}"), 1..6)
        ) {
            let name = DistinguishedName::new(pairs);
            // `#AA` looks like a value that is no text, and is refused.
            prop_assume!(name.is_text());
            prop_assert_eq!(DistinguishedName::parse(&name.to_string()), Ok(name));
        }

        #[test]
        fn keys_are_equal_exactly_for_the_same_attributes(
            a in prop::collection::vec(("(CN|OU|O)", "[ab,=\\\\]{0,3}"), 1..4),
            b in prop::collection::vec(("(CN|OU|O)", "[ab,=\\\\]{0,3}"), 1..4),
        ) {
            let key = |attributes: &Vec<_>| DistinguishedName::new(attributes.clone()).key().to_owned();
            let sorted = |attributes: &Vec<_>| { let mut sorted = attributes.clone(); sorted.sort(); sorted };
            prop_assert_eq!(key(&a) == key(&b), sorted(&a) == sorted(&b));
        }

        #[test]
        fn no_text_stops_the_reader(text in "[\\PCO=,+\"\\\\ #0-9A-F]{0,40}") {
            if let Ok(name) = DistinguishedName::parse(&text) {
                prop_assert_eq!(DistinguishedName::parse(&name.to_string()), Ok(name));
            }
        }
    }
}
