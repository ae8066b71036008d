//! Mail addresses as MSSanté compares them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// There is no `@`, or nothing on one side of it.
    #[error("an address is written local-part@domain")]
    NotLocalAtDomain,
    /// The part before the `@` is neither a dot-atom nor a quoted string.
    #[error("the part before the @ is not a dot-atom or a quoted string")]
    LocalPart,
    /// The part before the `@` has more than 64 octets. `[RFC5321 4.5.3.1]`
    #[error("the part before the @ is longer than 64 octets")]
    LocalPartTooLong,
    /// The domain is not a host name (letters, digits, hyphens, at least two labels).
    #[error("the part after the @ is not a domain name")]
    Domain,
    /// The whole path has more than 254 octets. `[RFC5321 4.5.3.1]`
    #[error("the address is longer than 254 octets")]
    TooLong,
}

/// A mail domain in its comparable form: A-labels, lower case, at least two labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// Reads a domain in any case, with A-labels or U-labels. `[RFC5890 2.3.2]`
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let ascii = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(text).map_err(|_| AddressError::Domain)?
        };
        let well_formed = ascii.len() <= 253 && ascii.split('.').count() >= 2 && ascii.split('.').all(is_host_label);
        well_formed.then_some(Self(ascii)).ok_or(AddressError::Domain)
    }

    /// The domain as A-labels in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Domain {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

/// The part before the `@`, unquoted; 1 to 64 octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPart(String);

impl LocalPart {
    /// Reads a dot-atom or a quoted string; quotes that are not needed are dropped. `[RFC5321 4.1.2]`
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let content = match text.strip_prefix('"') {
            Some(rest) => unquote(rest)?,
            None if is_dot_atom(text) => text.to_owned(),
            None => return Err(AddressError::LocalPart),
        };
        if content.len() > 64 {
            return Err(AddressError::LocalPartTooLong);
        }
        Ok(Self(content))
    }

    /// The unquoted text, in the case in which it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_atom(&self.0) {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

fn is_dot_atom(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

/// `rest` is what follows the opening quote; the closing quote must be its last character.
fn unquote(rest: &str) -> Result<String, AddressError> {
    let mut content = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let closed_at_end = chars.next().is_none() && !content.is_empty();
                return closed_at_end.then_some(content).ok_or(AddressError::LocalPart);
            }
            '\\' => match chars.next() {
                Some(escaped @ ' '..='~') => content.push(escaped),
                _ => return Err(AddressError::LocalPart),
            },
            c if c.is_control() => return Err(AddressError::LocalPart),
            c => content.push(c),
        }
    }
    Err(AddressError::LocalPart)
}

/// A mail address. Two addresses are equal when MSSanté takes them for the same BAL:
/// the local part compares without regard to case, the domain as A-labels.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    local: LocalPart,
    domain: Domain,
}

impl Address {
    /// Reads `local@domain`; no angle brackets, no source route, no address literal.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NotLocalAtDomain)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::NotLocalAtDomain);
        }
        Self { local: LocalPart::parse(local)?, domain: Domain::parse(domain)? }.within_limits()
    }

    /// Puts an address together again from what [`LocalPart::as_str`] and [`Address::domain`] gave.
    pub fn from_parts(local: &str, domain: &Domain) -> Result<Self, AddressError> {
        if local.is_empty() || local.contains(char::is_control) {
            return Err(AddressError::LocalPart);
        }
        if local.len() > 64 {
            return Err(AddressError::LocalPartTooLong);
        }
        Self { local: LocalPart(local.to_owned()), domain: domain.clone() }.within_limits()
    }

    fn within_limits(self) -> Result<Self, AddressError> {
        const MAX: usize = 254;
        // Quoting at most doubles a local part: most addresses need not be written out to be short enough.
        let longest = 2 + 2 * self.local.0.len() + 1 + self.domain.0.len();
        if longest > MAX && self.to_string().len() > MAX {
            return Err(AddressError::TooLong);
        }
        Ok(self)
    }

    /// The part before the `@`.
    pub fn local(&self) -> &LocalPart {
        &self.local
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The form under which addresses are stored and compared: everything in lower case.
    pub fn key(&self) -> String {
        format!("{}@{}", LocalPart(self.local.0.to_lowercase()), self.domain)
    }

    /// Whether the address needs SMTPUTF8 to travel. `[RFC6531 3.1]`
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.0.is_ascii()
    }

    /// The address with its local part hidden, for logs and metrics: patient addresses carry the INS.
    pub fn masked(&self) -> String {
        let first = self.local.0.chars().next().unwrap_or('*');
        format!("{first}***@{}", self.domain)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.domain == other.domain && self.local.0.to_lowercase() == other.local.0.to_lowercase()
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.local.0.to_lowercase().hash(state);
        self.domain.hash(state);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

/// The sender of an envelope: an address, or nobody for reports. `[RFC5321 4.5.5]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReversePath {
    /// `<>`: a report; never answered.
    Null,
    /// The address that reports go to.
    Address(Address),
}

impl ReversePath {
    /// The address, if there is one.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_compare_without_regard_to_case() {
        let a = Address::parse("Jean.DUPONT@CH-Exemple.MSSante.fr").unwrap();
        let b = Address::parse("jean.dupont@ch-exemple.mssante.fr").unwrap();
        assert_eq!(a, b);
        assert_eq!(a.key(), b.to_string());
    }

    #[test]
    fn needless_quotes_are_dropped_and_needed_ones_kept() {
        assert_eq!(Address::parse("\"jean\"@a.fr").unwrap().to_string(), "jean@a.fr");
        assert_eq!(Address::parse("\"j d\"@a.fr").unwrap().to_string(), "\"j d\"@a.fr");
        assert_eq!(Address::parse("\"a\\\"b\"@a.fr").unwrap().local().as_str(), "a\"b");
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "@",
            "a@",
            "@a.fr",
            "a",
            "a@b",
            "a..b@c.fr",
            ".a@c.fr",
            "a.@c.fr",
            "a b@c.fr",
            "a@c..fr",
            "a@-c.fr",
            "a@[127.0.0.1]",
            "@x.fr:a@c.fr",
            "\"a@c.fr",
            "\"a\"b@c.fr",
            "\"\"@c.fr",
            "a\r\n@c.fr",
            "\"a\r\"@c.fr",
            "a@c.fr\n",
            "a<b@c.fr",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Address::parse(&format!("{}@a.fr", "x".repeat(65))), Err(AddressError::LocalPartTooLong));
    }

    #[test]
    fn u_labels_and_a_labels_are_the_same_domain() {
        assert_eq!(Domain::parse("évreux.mssante.fr").unwrap(), Domain::parse("xn--vreux-9ra.mssante.fr").unwrap());
    }

    #[test]
    fn a_masked_address_shows_no_ins() {
        let patient = Address::parse("279035121518989@patient.mssante.fr").unwrap();
        assert_eq!(patient.masked(), "2***@patient.mssante.fr");
    }

    proptest! {
        #[test]
        fn every_address_reads_back_as_itself(text in "\\PC{1,20}@[a-z]{1,8}\\.[a-z]{2,4}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(&Address::parse(&address.to_string()).unwrap(), &address);
                prop_assert_eq!(&Address::parse(&address.key()).unwrap(), &address);
                let again = Address::from_parts(address.local().as_str(), address.domain()).unwrap();
                prop_assert_eq!(again.to_string(), address.to_string());
            }
        }

        #[test]
        fn no_text_makes_the_parser_fail_otherwise_than_by_an_error(text in "\\PC{0,80}") {
            let _ = Address::parse(&text);
        }

        #[test]
        fn no_address_holds_a_control_character(text in "(?s).{0,40}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert!(!address.to_string().chars().any(char::is_control));
            }
        }
    }
}
