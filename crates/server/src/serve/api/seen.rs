//! What a caller saw before he asks for a change: `If-Match` and `If-None-Match`. `[RFC9110 13.1.1]`

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use store::{DelegationId, SeenDelegation};

use super::answer::Problem;

/// The revision that the caller saw; none if he does not mind.
pub(super) fn revision(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    match text(headers, &header::IF_MATCH) {
        None | Some("*") => Ok(None),
        Some(tag) => number(tag).map(Some),
    }
}

/// The delegation that the caller saw: its number is its tag, and `If-None-Match: *` says that there was none.
pub(super) fn delegation(headers: &HeaderMap) -> Result<SeenDelegation, Problem> {
    match (text(headers, &header::IF_MATCH), text(headers, &header::IF_NONE_MATCH)) {
        (None | Some("*"), None) => Ok(SeenDelegation::Anything),
        (None, Some("*")) => Ok(SeenDelegation::Nothing),
        (Some(tag), None) => number(tag).map(|number| SeenDelegation::This(DelegationId(number))),
        _ => Err(unreadable()),
    }
}

/// A header that is there and no text is one that matches nothing.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default().trim())
}

fn number(tag: &str) -> Result<i64, Problem> {
    let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
    number.ok_or_else(unreadable)
}

fn unreadable() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid", "If-Match: give the ETag as it was answered").because("if-match")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_tag_is_what_was_answered_and_nothing_else() {
        let seen = |value: &str| revision(&headers(&[(header::IF_MATCH, value)]));
        assert_eq!(seen("\"7\"").ok(), Some(Some(7)));
        assert_eq!(seen("*").ok(), Some(None));
        assert_eq!(revision(&HeaderMap::new()).ok(), Some(None));
        for wrong in ["7", "\"x\"", "W/\"7\"", "\"7\", \"8\"", ""] {
            assert!(seen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_delegation_can_be_seen_or_seen_missing() {
        let (yes, no) = (header::IF_MATCH, header::IF_NONE_MATCH);
        let seen = |lines: &[(HeaderName, &str)]| delegation(&headers(lines)).ok();
        assert_eq!(seen(&[]), Some(SeenDelegation::Anything));
        assert_eq!(seen(&[(no.clone(), "*")]), Some(SeenDelegation::Nothing));
        assert_eq!(seen(&[(yes.clone(), "\"3\"")]), Some(SeenDelegation::This(DelegationId(3))));
        assert_eq!(seen(&[(yes, "\"3\""), (no.clone(), "*")]), None);
        assert_eq!(seen(&[(no, "\"3\"")]), None);
    }
}
