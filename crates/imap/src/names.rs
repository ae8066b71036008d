//! Folder names on the wire: modified UTF-7, INBOX in any case. `[RFC3501 5.1]`
//!
//! Which names a folder may have is for the store to say.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The one name that every BAL has. `[RFC3501 5.1]`
pub(crate) const INBOX: &str = "INBOX";
/// What divides the levels of a name.
pub(crate) const SEPARATOR: char = '/';

/// Base64 with `,` for `/` and without padding. `[RFC3501 5.1.3]`
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// What the client means. An `&` that begins no valid shift stands for itself, and UTF-8 is
/// taken as it is: both are sent by clients in the field.
pub(crate) fn decode(wire: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(wire).ok()?;
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        name.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.split_once('-').and_then(|(shift, after)| Some((unshift(shift)?, after))) {
            Some((part, after)) => {
                name.push_str(&part);
                rest = after;
            }
            None => name.push('&'),
        }
    }
    name.push_str(rest);
    Some(name)
}

/// The name as the wire carries it.
pub(crate) fn encode(name: &str) -> String {
    let mut wire = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    for c in name.chars() {
        if (' '..='~').contains(&c) {
            shift_end(&mut wire, &mut shifted);
            wire.push(c);
            if c == '&' {
                wire.push('-');
            }
        } else {
            shifted.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    shift_end(&mut wire, &mut shifted);
    wire
}

/// The form in which the store knows a name, to compare with: INBOX in capitals, no separator at the end.
pub(crate) fn canonical(name: &str) -> String {
    let name = name.strip_suffix(SEPARATOR).unwrap_or(name);
    match name.split_once(SEPARATOR) {
        None if name.eq_ignore_ascii_case(INBOX) => INBOX.to_owned(),
        Some((first, rest)) if first.eq_ignore_ascii_case(INBOX) => format!("{INBOX}/{rest}"),
        _ => name.to_owned(),
    }
}

/// What stands between `&` and `-`.
fn unshift(shift: &str) -> Option<String> {
    if shift.is_empty() {
        return Some("&".to_owned());
    }
    let bytes = BASE64.decode(shift).ok()?;
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    String::from_utf16(&units.iter().map(|unit| u16::from_be_bytes(*unit)).collect::<Vec<_>>()).ok()
}

fn shift_end(wire: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        wire.push('&');
        BASE64.encode_string(&shifted, wire);
        wire.push('-');
        shifted.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_rfc_decode_and_encode() {
        for (wire, name) in [
            ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
            ("Entw&APw-rfe", "Entwürfe"),
            ("R&AOk-sultats", "Résultats"),
            ("a&-b", "a&b"),
        ] {
            assert_eq!(decode(wire.as_bytes()).as_deref(), Some(name));
            assert_eq!(encode(name), wire);
        }
    }

    #[test]
    fn an_ampersand_that_is_no_shift_stands_for_itself() {
        assert_eq!(decode(b"Foo & Bar").as_deref(), Some("Foo & Bar"));
        assert_eq!(decode(b"a&b-c").as_deref(), Some("a&b-c"));
        assert_eq!(decode("Été".as_bytes()).as_deref(), Some("Été"));
    }

    #[test]
    fn inbox_has_one_form_in_any_case() {
        assert_eq!(canonical("inBox"), "INBOX");
        assert_eq!(canonical("inbox/Labo/"), "INBOX/Labo");
        assert_eq!(canonical("Inboxes"), "Inboxes");
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "\\PC{0,20}") {
            let wire = encode(&name);
            prop_assert!(wire.is_ascii());
            prop_assert_eq!(decode(wire.as_bytes()), Some(name));
        }

        #[test]
        fn any_octets_decode_without_panic(wire in proptest::collection::vec(any::<u8>(), 0..40)) {
            let name = decode(&wire);
            prop_assert_eq!(name.is_some(), std::str::from_utf8(&wire).is_ok());
        }
    }
}
