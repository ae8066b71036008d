//! What the list says.

use roxmltree::Document;

use super::{TrustList, TrustListError};

pub(super) fn bounded_text(xml: &[u8]) -> Result<&str, TrustListError> {
    std::str::from_utf8(xml).map_err(|_| TrustListError::Format("not UTF-8".to_owned()))
}

pub(super) fn parse(text: &str) -> Result<Document<'_>, TrustListError> {
    Document::parse(text).map_err(|error| TrustListError::Format(error.to_string()))
}

pub(super) fn read(_document: &Document<'_>) -> Result<TrustList, TrustListError> {
    todo!()
}
