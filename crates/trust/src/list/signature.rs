//! Who signed the list.

use roxmltree::Document;
use time::OffsetDateTime;

use super::{SignaturePolicy, TrustListError};

pub(super) fn check(
    _document: &Document<'_>,
    _policy: &SignaturePolicy,
    _now: OffsetDateTime,
) -> Result<(), TrustListError> {
    todo!()
}
