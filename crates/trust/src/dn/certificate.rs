//! Names as certificates encode them.

use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::x509::X509Name;

/// Attribute types by their OID.
const TYPES: [(&str, &str); 15] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "TITLE"),
    ("2.5.4.42", "GN"),
    ("2.5.4.97", "ORGANIZATIONIDENTIFIER"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
];

/// The usual name of an OID in dotted digits.
pub(super) fn type_name(oid: &str) -> Option<&'static str> {
    TYPES.iter().find(|(each, _)| *each == oid).map(|(_, name)| *name)
}

/// The attributes of a name, most specific first. Attributes that share an RDN are taken one by one.
pub(super) fn attributes(name: &X509Name<'_>) -> Vec<(String, String)> {
    let mut attributes: Vec<_> = name
        .iter_attributes()
        .map(|attribute| {
            let oid = attribute.attr_type().to_id_string();
            (type_name(&oid).map_or(oid, str::to_owned), value(attribute.attr_value()))
        })
        .collect();
    attributes.reverse();
    attributes
}

/// The text of a DER string of any type.
pub(super) fn string_of_der(der: &[u8]) -> Option<String> {
    let (rest, any) = Any::from_der(der).ok()?;
    if rest.is_empty() { string(&any) } else { None }
}

/// The text of a value; what is no text is kept as `#` and its octets in hexadecimal.
fn value(any: &Any<'_>) -> String {
    string(any).unwrap_or_else(|| any.as_bytes().iter().fold("#".to_owned(), |hex, octet| format!("{hex}{octet:02X}")))
}

fn string(any: &Any<'_>) -> Option<String> {
    let octets = any.as_bytes();
    match any.tag() {
        Tag::Utf8String => String::from_utf8(octets.to_vec()).ok(),
        // All of them are kinds of ASCII; an issuer that puts more there means something else.
        Tag::PrintableString
        | Tag::NumericString
        | Tag::Ia5String
        | Tag::VisibleString
        | Tag::GeneralString
        | Tag::GraphicString => octets.is_ascii().then(|| octets.iter().map(|octet| char::from(*octet)).collect()),
        // Issuers that use it write Latin-1, whatever T.61 says.
        Tag::T61String => Some(octets.iter().map(|octet| char::from(*octet)).collect()),
        Tag::BmpString => {
            let units = octets.chunks(2).map(|pair| <[u8; 2]>::try_from(pair).ok().map(u16::from_be_bytes));
            String::from_utf16(&units.collect::<Option<Vec<_>>>()?).ok()
        }
        Tag::UniversalString => octets
            .chunks(4)
            .map(|four| <[u8; 4]>::try_from(four).ok().map(u32::from_be_bytes).and_then(char::from_u32))
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_type_is_read() {
        assert_eq!(string_of_der(b"\x0c\x03\xc3\x89a").as_deref(), Some("Éa"), "UTF8String");
        assert_eq!(string_of_der(b"\x13\x02FR").as_deref(), Some("FR"), "PrintableString");
        assert_eq!(string_of_der(b"\x12\x0212").as_deref(), Some("12"), "NumericString");
        assert_eq!(string_of_der(b"\x16\x02a@").as_deref(), Some("a@"), "IA5String");
        assert_eq!(string_of_der(b"\x14\x02\xc9a").as_deref(), Some("Éa"), "T61String");
        assert_eq!(string_of_der(b"\x1e\x04\x00\xc9\x00a").as_deref(), Some("Éa"), "BMPString");
        assert_eq!(string_of_der(b"\x1c\x04\x00\x00\x00\xc9").as_deref(), Some("É"), "UniversalString");
    }

    #[test]
    fn broken_strings_and_other_types_are_no_text() {
        for der in
            [&b"\x0c\x01\xc9"[..], b"\x1e\x03\x00a\x00", b"\x1c\x04\x00\x11\x00\x00", b"\x02\x01\x05", b"\x13\x02F"]
        {
            assert_eq!(string_of_der(der), None, "{der:?}");
        }
    }
}
