//! What a server says of a failure, in one line.

use super::resource::{OperationOutcome, Resource};

/// Longest explanation that is kept.
const LONGEST: usize = 300;

/// The words of an `OperationOutcome`, if the body is one.
pub(crate) fn explained(body: &[u8]) -> Option<String> {
    let json = serde_json::from_slice(body).ok()?;
    let Ok(Resource::OperationOutcome(OperationOutcome { issue })) = Resource::read(json) else { return None };
    let words = issue.iter().map(|issue| match (issue.diagnostics.as_str(), issue.details.text.as_str()) {
        ("", "") => issue.code.as_str(),
        ("", text) => text,
        (diagnostics, _) => diagnostics,
    });
    let words = words.filter(|words| !words.is_empty()).collect::<Vec<_>>().join("; ");
    (!words.is_empty()).then(|| shortened(&words))
}

/// Without control characters, and not longer than a line.
pub(crate) fn shortened(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_outcome_are_kept_in_one_short_line() {
        let body = br#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"HAPI-0302:\nunknown"},{"code":"invalid"}]}"#;
        assert_eq!(explained(body).unwrap(), "HAPI-0302: unknown; invalid");
        for other in [&b"<html>"[..], b"{}", br#"{"resourceType":"OperationOutcome"}"#, br#"{"resourceType":"Bundle"}"#]
        {
            assert_eq!(explained(other), None);
        }
        assert_eq!(shortened(&"é".repeat(1000)).chars().count(), LONGEST + 1);
    }
}
