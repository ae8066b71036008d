//! Where the interface is, and which links stay within it.

use std::fmt::Write as _;

use thiserror::Error;

/// Why a text is not the base of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is not the base of a FHIR interface; write it like https://gateway.api.esante.gouv.fr/fhir/v2")]
pub struct BaseError(String);

/// The base URL of a FHIR interface, without the last slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base(String);

impl Base {
    /// Reads an `https://` URL (or `http://`, for proxies on the same machine) without query.
    pub fn parse(text: &str) -> Result<Self, BaseError> {
        let wrong = || BaseError(text.to_owned());
        let trimmed = text.trim_end_matches('/');
        let rest = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://")).ok_or_else(wrong)?;
        let host = rest.split('/').next().unwrap_or("");
        let clean = trimmed.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'\\' | b'@'));
        (clean && !host.is_empty()).then(|| Self(trimmed.to_owned())).ok_or_else(wrong)
    }

    /// The URL of something below the base: `Practitioner?…`.
    pub fn at(&self, path_and_query: &str) -> String {
        format!("{}/{path_and_query}", self.0)
    }

    /// Whether a URL that a server gave stays within the interface: our key goes with each request, so that it
    /// must not be led elsewhere.
    pub fn holds(&self, url: &str) -> bool {
        let Some(rest) = url.strip_prefix(&self.0) else { return false };
        let path = rest.split('?').next().unwrap_or("");
        rest.starts_with(['/', '?'])
            && rest.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'\\'))
            && path.split('/').all(|segment| !is_upwards(segment))
    }

    /// The URL itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `.` and `..`, however they are written.
fn is_upwards(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// A text as it stands in a query, everything but letters, digits and `-._~` escaped.
pub(crate) fn encoded(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_url_without_query() {
        assert_eq!(
            Base::parse("https://a.fr/fhir/v2/").unwrap().at("Practitioner?x=1"),
            "https://a.fr/fhir/v2/Practitioner?x=1"
        );
        for wrong in [
            "",
            "a.fr",
            "ftp://a.fr",
            "https://",
            "https:///fhir",
            "https://u@a.fr",
            "https://a.fr/x?y",
            "https://a.fr/ x",
        ] {
            assert!(Base::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_links_within_the_interface_are_followed() {
        let base = Base::parse("https://a.fr/fhir/v2").unwrap();
        for within in [
            "https://a.fr/fhir/v2/_page?id=u0Am",
            "https://a.fr/fhir/v2?_getpages=1",
            "https://a.fr/fhir/v2/Organization?x=%2F..",
        ] {
            assert!(base.holds(within), "{within}");
        }
        for outside in [
            "http://a.fr/fhir/v2/_page",
            "https://a.fr.evil.fr/fhir/v2/_page",
            "https://a.fr/fhir/v20/_page",
            "https://a.fr/fhir/v2/../../admin",
            "https://a.fr/fhir/v2/%2E%2e/admin",
            "https://a.fr/fhir/v2/a b",
            "https://a.fr/fhir/v2/a#b",
            "/fhir/v2/_page",
            "https://a.fr/fhir/v2",
        ] {
            assert!(!base.holds(outside), "{outside}");
        }
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(encoded("urn:oid:1.2|8é'"), "urn%3Aoid%3A1.2%7C8%C3%A9%27");
    }
}
