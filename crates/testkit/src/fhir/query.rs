//! Paths with their queries, decoded.

use super::Query;

/// `Practitioner?a=b` as the type and its parameters.
pub(super) fn split(path: &str) -> (String, Query) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut parameters = Query::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.entry(decoded(name)).or_default().push(decoded(value));
    }
    (path.trim_start_matches('/').to_owned(), parameters)
}

fn decoded(text: &str) -> String {
    let (mut octets, bytes) = (Vec::with_capacity(text.len()), text.as_bytes());
    let mut place = 0;
    while place < bytes.len() {
        let escaped = (bytes[place] == b'%').then(|| text.get(place + 1..place + 3)).flatten();
        if let Some(octet) = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            octets.push(octet);
            place += 3;
        } else {
            octets.push(if bytes[place] == b'+' { b' ' } else { bytes[place] });
            place += 1;
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let (path, query) = split("/Practitioner?a%3Ab=%40x&c=urn:oid%7C8&c=2");
        assert_eq!(path, "Practitioner");
        assert_eq!((query["a:b"][0].as_str(), query["c"].len(), query["c"][0].as_str()), ("@x", 2, "urn:oid|8"));
    }
}
