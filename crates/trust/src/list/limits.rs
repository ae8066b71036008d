//! What is refused before any of it is parsed or copied, so that no octets cost more than a list may cost.

use memchr::{memchr, memmem};

use super::{SignaturePolicy, TrustList, TrustListError};

/// Tags of a list, opening and closing; France has 121,000.
const MAX_TAGS: usize = 500_000;
/// Equals signs after one `<`: attributes and what a name needs. The parser compares each
/// attribute of an element with each other.
const MAX_EQUALS_IN_A_TAG: usize = 100;
/// Equals signs in all: five for each name.
const MAX_EQUALS: usize = 500_000;
/// Declared namespaces; a signed list has about ten. Each is looked at for each element below it.
const MAX_NAMESPACES: usize = 32;

/// The octets as text, if they are UTF-8, not too many, and declare no document type: no list
/// needs one, and every attack by entities does.
pub(super) fn checked_text(xml: &[u8]) -> Result<&str, TrustListError> {
    if xml.len() > TrustList::MAX_OCTETS {
        return Err(refused(format!("more than {} octets", TrustList::MAX_OCTETS)));
    }
    if xml.starts_with(b"\xfe\xff") || xml.starts_with(b"\xff\xfe") {
        return Err(refused("it is UTF-16, not UTF-8"));
    }
    let text = std::str::from_utf8(xml)
        .map_err(|error| refused(format!("it is not UTF-8 or cut off (octet {})", error.valid_up_to())))?;
    if text.contains("<!DOCTYPE") || text.contains("<!ENTITY") {
        return Err(refused("it declares a document type (DOCTYPE), which is not allowed"));
    }
    check_shape(xml)?;
    Ok(text)
}

/// Counts what costs memory and time in a parser.
fn check_shape(xml: &[u8]) -> Result<(), TrustListError> {
    let (mut tags, mut equals, mut rest) = (0_usize, 0_usize, xml);
    while !rest.is_empty() {
        let end = memchr(b'<', &rest[1..]).map_or(rest.len(), |at| at + 1);
        let in_tag = memchr::memchr_iter(b'=', &rest[..end]).count();
        (tags, equals, rest) = (tags + 1, equals + in_tag, &rest[end..]);
        if tags > MAX_TAGS || equals > MAX_EQUALS || in_tag > MAX_EQUALS_IN_A_TAG {
            return Err(refused("it has more elements or attributes than any list needs"));
        }
    }
    if memmem::find_iter(xml, b"xmlns").take(MAX_NAMESPACES + 1).count() > MAX_NAMESPACES {
        return Err(refused(format!("it declares more than {MAX_NAMESPACES} namespaces")));
    }
    Ok(())
}

/// The text as it was published, with the one thing that the copy of the list on the ANS's public
/// page lacks: it ends right after `</ListeDomaines>`, where signature and end tag were cut off.
/// Only where no signature is asked for.
pub(super) fn completed<'a>(text: &'a str, policy: &SignaturePolicy) -> std::borrow::Cow<'a, str> {
    let cut_off = text.trim_end().ends_with("</ListeDomaines>");
    if !cut_off || matches!(policy, SignaturePolicy::Required { .. }) {
        return text.into();
    }
    tracing::warn!("the white list is cut off after </ListeDomaines>; its end tag is supplied");
    format!("{text}</ListeBlancheMSSante>").into()
}

fn refused(why: impl Into<String>) -> TrustListError {
    TrustListError::Format(why.into())
}
