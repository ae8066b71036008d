//! Names from text and from certificates: reading, printing and comparing them agree.
//!
//! The input is taken twice: as text, and as the subject of a certificate.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::{DistinguishedName, DnError, DnMatch};

fuzz_target!(|octets: &[u8]| {
    if let Ok(text) = std::str::from_utf8(octets)
        && let Ok(name) = DistinguishedName::parse(text)
    {
        check_text(&name);
    }
    match DistinguishedName::of_certificate(&certificate(octets)) {
        Ok(name) => check_any(&name),
        Err(error) => assert_eq!(error, DnError::Certificate),
    }
});

/// A name that was read from text is text, and the same when it is printed and read again.
fn check_text(name: &DistinguishedName) {
    let printed = name.to_string();
    if printed.len() > DistinguishedName::MAX_OCTETS {
        return;
    }
    let again = DistinguishedName::parse(&printed).expect("what is printed can be read");
    assert_eq!(&again, name, "{printed}");
    assert_eq!(again.key(), name.key(), "{printed}");
    assert!(!printed.contains(|c: char| c.is_control()), "{printed}");
    check_any(name);
}

/// A name equals itself unless it is nobody's, and what is printed of it is read back the same or not at all.
fn check_any(name: &DistinguishedName) {
    for how in [DnMatch::Strict, DnMatch::Normalised] {
        assert_eq!(name.matches(name, how), !name.is_empty());
    }
    if let Ok(again) = DistinguishedName::parse(&name.to_string()) {
        assert_eq!(&again, name);
        assert_eq!(again.key(), name.key());
    }
}

/// A certificate, signed by nobody, whose subject is these octets if they are the content of a name.
fn certificate(subject: &[u8]) -> Vec<u8> {
    const ECDSA_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
    const VALIDITY: &[u8] = b"\x30\x1e\x17\x0d250101000000Z\x17\x0d350101000000Z";
    const KEY: &[u8] = b"\x30\x0e\x30\x07\x06\x05\x2b\x81\x04\x00\x0a\x03\x03\x00\x04\x04";
    let parts = [b"\xa0\x03\x02\x01\x02\x02\x01\x01", ECDSA_SHA256, b"\x30\x00", VALIDITY, &der(0x30, subject), KEY];
    let signed = der(0x30, &parts.concat());
    der(0x30, &[&signed, ECDSA_SHA256, b"\x03\x02\x00\x00"].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("inputs are small");
    let mut out = match length {
        0..128 => vec![tag, u8::try_from(length).expect("less than 128")],
        _ => [&[tag, 0x84], &length.to_be_bytes()[..]].concat(),
    };
    out.extend_from_slice(content);
    out
}
