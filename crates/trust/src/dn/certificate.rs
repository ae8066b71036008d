//! Names as certificates encode them.

use x509_parser::asn1_rs::{Any, FromDer, Oid, Tag};
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
        .map(|attribute| (attribute_type(attribute.attr_type()), value(attribute.attr_value())))
        .collect();
    attributes.reverse();
    attributes
}

/// The usual name of a type, its dotted digits, or, if it has none, its octets in a form that
/// can be printed and read again.
fn attribute_type(oid: &Oid<'_>) -> String {
    let dotted = oid.to_id_string();
    match type_name(&dotted) {
        Some(name) => name.to_owned(),
        None if dotted.starts_with(|c: char| c.is_ascii_digit()) && !dotted.contains(' ') => dotted,
        None => hexadecimal("0X", oid.as_bytes()),
    }
}

/// The text of a DER string of any type.
pub(super) fn string_of_der(der: &[u8]) -> Option<String> {
    let (rest, any) = Any::from_der(der).ok()?;
    if rest.is_empty() { string(&any) } else { None }
}

/// The text of a value; what is no text is kept as `#` and its octets in hexadecimal.
fn value(any: &Any<'_>) -> String {
    string(any).unwrap_or_else(|| hexadecimal("#", any.as_bytes()))
}

fn hexadecimal(prefix: &str, octets: &[u8]) -> String {
    octets.iter().fold(prefix.to_owned(), |hex, octet| format!("{hex}{octet:02X}"))
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
    use x509_parser::prelude::FromDer as _;

    use super::*;
    use crate::{DistinguishedName, DnMatch};

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
        for der in [
            &b"\x0c\x01\xc9"[..],
            b"\x1e\x03\x00a\x00",
            b"\x1e\x02\xd8\x00",
            b"\x1c\x04\x00\x11\x00\x00",
            b"\x02\x01\x05",
            b"\x13\x02F",
            b"\x13\x02\xc3\x89",
            b"\x16\x01\xe9",
        ] {
            assert_eq!(string_of_der(der), None, "{der:?}");
        }
    }

    const CN: u8 = 3;
    const C: u8 = 6;
    const ST: u8 = 8;
    const O: u8 = 10;
    const OU: u8 = 11;
    const UTF8: u8 = 0x0c;
    const PRINTABLE: u8 = 0x13;
    const T61: u8 = 0x14;
    const BMP: u8 = 0x1e;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        if length < 128 { [&[tag, length], content].concat() } else { [&[tag, 0x81, length], content].concat() }
    }

    fn attribute(kind: u8, tag: u8, value: &[u8]) -> Vec<u8> {
        der(0x30, &[vec![6, 3, 0x55, 4, kind], der(tag, value)].concat())
    }

    /// A name of these RDNs, least specific first as certificates write it.
    fn name(rdns: &[Vec<u8>]) -> DistinguishedName {
        let rdns: Vec<_> = rdns.iter().map(|attributes| der(0x31, attributes)).collect();
        let subject = der(0x30, &rdns.concat());
        DistinguishedName::of_name(&X509Name::from_der(&subject).unwrap().1)
    }

    /// The subject of an operator with these CN, OU and O as UTF-8.
    fn subject(cn: &[u8], ou: &[u8], o: &[u8]) -> DistinguishedName {
        name(&[
            attribute(C, PRINTABLE, b"FR"),
            attribute(ST, UTF8, b"Paris (75)"),
            attribute(O, UTF8, o),
            attribute(OU, UTF8, ou),
            attribute(CN, UTF8, cn),
        ])
    }

    fn listed(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap()
    }

    fn matches(listed: &DistinguishedName, shown: &DistinguishedName) -> bool {
        listed.matches(shown, DnMatch::Normalised) || listed.matches(shown, DnMatch::Strict)
    }

    const LISTED: &str = "CN=smtp.ch.fr, OU=10B0078671, O=CLINIQUE É, ST=Paris(75), C=FR";

    #[test]
    fn a_subject_matches_its_text_whatever_string_types_it_is_written_in() {
        assert!(
            listed(LISTED)
                .matches(&subject(b"smtp.ch.fr", b"10B0078671", "Clinique É".as_bytes()), DnMatch::Normalised)
        );
        for (tag, o) in
            [(UTF8, &b"CLINIQUE \xc3\x89"[..]), (T61, b"CLINIQUE \xc9"), (BMP, b"\0C\0L\0I\0N\0I\0Q\0U\0E\0 \0\xc9")]
        {
            let shown = name(&[
                attribute(C, UTF8, b"fr"),
                attribute(O, tag, o),
                attribute(OU, PRINTABLE, b"10B0078671"),
                attribute(CN, PRINTABLE, b"SMTP.CH.FR"),
            ]);
            assert!(listed(LISTED).matches(&shown, DnMatch::Normalised), "{shown}");
        }
    }

    #[test]
    fn the_text_of_a_subject_is_that_of_the_list() {
        let shown = subject(b"smtp.ch.fr", b"10B0078671", b"GIP A, B");
        assert_eq!(shown.to_string(), "CN=smtp.ch.fr,OU=10B0078671,O=GIP A\\, B,ST=Paris (75),C=FR");
        assert!(listed(&shown.to_string()).matches(&shown, DnMatch::Strict));
    }

    /// What a printed form would blur: NUL, separators and types inside of values.
    #[test]
    fn values_are_compared_whole() {
        let clinic = "CLINIQUE É".as_bytes();
        for cn in [
            &b"smtp.ch.fr\0"[..],
            b"smtp.ch.fr\0.evil.fr",
            b"smtp.ch.fr,OU=10B0078671",
            b"smtp.ch.fr, OU=10B0078671, O=CLINIQUE",
            b"smtp.ch.fr+OU=10B0078671",
            b"\"smtp.ch.fr\"",
            b"smtp.ch.fr\\",
            b"CN=smtp.ch.fr",
            b"",
        ] {
            assert!(!matches(&listed(LISTED), &subject(cn, b"10B0078671", clinic)), "{cn:?}");
        }
        let shown = name(&[attribute(CN, UTF8, "smtp.ch.fr,OU=10B0078671,O=CLINIQUE É,C=FR".as_bytes())]);
        assert!(!matches(&listed(LISTED), &shown));
        assert!(!matches(&listed("CN=a,OU=1"), &name(&[attribute(CN, UTF8, b"a,ou=1")])));
        assert!(!matches(&listed("CN=a,OU=1"), &name(&[attribute(CN, UTF8, b"a\\,OU=1")])));
    }

    /// A certificate whose CN is the listed one and whose holder is another: the audit case
    /// `cert-cn-diff-dn`.
    #[test]
    fn an_attribute_more_less_or_twice_is_another_holder() {
        let (cn, ou) = (attribute(CN, UTF8, b"h"), attribute(OU, UTF8, b"1"));
        let (o, c) = (attribute(O, UTF8, b"P"), attribute(C, PRINTABLE, b"FR"));
        let full = listed("CN=h,OU=1,O=P,C=FR");
        assert!(matches(&full, &name(&[c.clone(), o.clone(), ou.clone(), cn.clone()])));
        for without in [[&o, &ou, &cn], [&c, &ou, &cn], [&c, &o, &cn], [&c, &o, &ou]] {
            assert!(!matches(&full, &name(&without.map(Clone::clone))));
        }
        for twice in [&cn, &ou, &o, &c] {
            assert!(!matches(&full, &name(&[c.clone(), o.clone(), ou.clone(), cn.clone(), twice.clone()])));
        }
        let other_unit = attribute(OU, UTF8, b"2");
        let two_units = name(&[c.clone(), o.clone(), other_unit, ou, cn.clone()]);
        assert!(!matches(&full, &two_units));
        assert!(matches(&listed("CN=h,OU=2,OU=1,O=P,C=FR"), &two_units));
        assert!(!matches(&listed("CN=h,OU=1,C=FR"), &name(&[c, o, attribute(OU, UTF8, b"1"), cn])));
    }

    #[test]
    fn attributes_that_share_an_rdn_are_taken_one_by_one() {
        let joined = [attribute(CN, UTF8, b"h"), attribute(OU, UTF8, b"1")].concat();
        let shown = name(&[attribute(C, PRINTABLE, b"FR"), joined]);
        assert!(listed("CN=h,OU=1,C=FR").matches(&shown, DnMatch::Normalised));
        assert!(listed("CN=h+OU=1,C=FR").matches(&shown, DnMatch::Normalised));
        assert!(!matches(&listed("CN=h,C=FR"), &shown));
    }

    /// Found by the fuzz target: it was printed as a part of the value before it.
    #[test]
    fn a_type_without_a_number_is_a_type_all_the_same() {
        let odd = der(0x30, b"\x06\x00\x0c\x01x");
        let shown = name(&[odd, attribute(CN, UTF8, b"h")]);
        assert_eq!(shown.to_string(), "CN=h,0X=x");
        assert_eq!(listed("CN=h,0X=x"), shown);
    }

    #[test]
    fn an_empty_subject_is_nobodys() {
        let nobody = name(&[]);
        assert!(nobody.is_empty() && !matches(&nobody, &nobody));
        let nowhere = name(&[attribute(ST, UTF8, b"Paris (75)")]);
        assert!(nowhere.is_empty() && !matches(&nowhere, &nowhere) && !matches(&nowhere, &nobody));
        assert!(!matches(&listed("CN=\"\""), &nobody));
    }

    /// A value that is no text keeps its octets, and no text of a list can say the same.
    #[test]
    fn a_value_that_is_no_text_matches_no_text() {
        let shown = name(&[attribute(CN, 0x03, b"\x00\x41")]);
        assert_eq!(shown.common_name(), Some("#0041"));
        for text in ["CN=#0041", "CN=\\#0041", "CN=\"#0041\""] {
            assert!(DistinguishedName::parse(text).is_err(), "{text}");
        }
        assert!(!matches(&listed("CN=A"), &shown));
    }
}
