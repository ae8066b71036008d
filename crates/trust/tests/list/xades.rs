//! What a XAdES signature says of itself must be true.

use testkit::list::{Canonical, Hash, ListSigner, SignatureProfile, SignatureShape, WhiteList};
use testkit::pki::{Issued, SignerKey};
use time::Duration;

use super::{DN, NOW, issued, pki, read, refusal, signed_by, signed_with_properties, white_list};

/// The usual signer, who signs what `alter` makes of the properties.
fn saying(shape: SignatureShape, alter: impl FnOnce(String) -> String) -> String {
    let signer = ListSigner::new(issued()).unwrap();
    white_list().signed_xml_saying(&signer, SignatureProfile::usual(shape), alter).unwrap()
}

/// Signs so that the properties name another certificate than the signer's.
fn naming(other: &Issued, shape: SignatureShape) -> String {
    let chain_pem = format!("{}{}", other.chain_pem, issued().chain_pem);
    signed_by(&Issued { chain_pem, ..issued().clone() }, shape)
}

#[test]
fn properties_of_something_else_are_refused() {
    let xades = signed_with_properties();
    assert!(refusal(&xades.replace("URI=\"#signed-properties\"", "URI=\"#other\"")).contains("leads elsewhere"));
    assert!(refusal(&xades.replace("Target=\"#signature\"", "Target=\"#other\"")).contains("another signature"));
    assert!(refusal(&xades.replace(" Id=\"signature\"", "")).contains("another signature"));
    let moved = xades.replace("<ds:Object>", "<ds:Object><x>").replace("</ds:Object>", "</x></ds:Object>");
    assert!(refusal(&moved).contains("Object/QualifyingProperties"));
}

#[test]
fn changed_properties_are_refused() {
    let changed = signed_with_properties().replace("2026-11-03T08:00:00Z</xades", "2020-11-03T08:00:00Z</xades");
    assert!(refusal(&changed).contains("digest"));
}

/// Whoever did not sign gives us nothing to read: neither moments nor names.
#[test]
fn properties_are_not_read_before_their_digest_is_found_good() {
    let first = signed_by(issued(), SignatureShape::XadesFirstEdition);
    let no_name = first.replace("<ds:X509IssuerName>CN=", "<ds:X509IssuerName>");
    let no_moment = signed_with_properties().replace("2026-11-03T08:00:00Z</xades", "hier</xades");
    for changed in [no_name, no_moment] {
        assert!(refusal(&changed).contains("digest"), "{}", refusal(&changed));
    }
}

#[test]
fn the_certificate_that_is_named_must_be_the_signers() {
    let other = pki().signer("Somebody", NOW + Duration::days(300)).unwrap();
    for shape in [SignatureShape::XadesB, SignatureShape::XadesFirstEdition] {
        assert!(refusal(&naming(&other, shape)).contains("another certificate"), "{shape:?}");
    }
    assert!(read(&naming(&other, SignatureShape::XmlDsig)).is_ok(), "without properties nothing is named");
}

#[test]
fn issuer_and_serial_number_must_be_those_of_the_signer() {
    let first = |alter: fn(String) -> String| saying(SignatureShape::XadesFirstEdition, alter);
    assert!(read(&first(|properties| properties)).is_ok());
    let other_serial = first(|said| said.replace("<ds:X509SerialNumber>", "<ds:X509SerialNumber>1"));
    let other_issuer = first(|said| said.replace("<ds:X509IssuerName>CN=TEST ", "<ds:X509IssuerName>CN="));
    for changed in [other_serial, other_issuer] {
        assert!(refusal(&changed).contains("another certificate"));
    }
    let no_name = first(|said| said.replace("<ds:X509IssuerName>CN=", "<ds:X509IssuerName>"));
    assert!(refusal(&no_name).contains("not a distinguished name"));
    let endless =
        first(|said| said.replace("<ds:X509IssuerName>", &format!("<ds:X509IssuerName>{}", ",".repeat(5000))));
    assert!(refusal(&endless).contains("no name has more than 4096"));
}

#[test]
fn the_second_edition_names_issuer_and_serial_number_in_der() {
    let named = |der: &str| {
        let issuer = format!("</xades:CertDigest><xades:IssuerSerialV2>{der}</xades:IssuerSerialV2>");
        saying(SignatureShape::XadesB, |said| said.replace("</xades:CertDigest>", &issuer))
    };
    assert!(refusal(&named("MAA=")).contains("another certificate"));
    assert!(refusal(&named("?")).contains("not base64"));
    assert!(read(&named(&issuer_and_serial())).is_ok());
}

/// `IssuerSerial` as openssl has the issuer's name and the serial number.
fn issuer_and_serial() -> String {
    use base64::Engine as _;
    use x509_parser::prelude::*;
    let (_, certificate) = X509Certificate::from_der(&issued().der).unwrap();
    let (issuer, serial) = (certificate.issuer().as_raw(), certificate.raw_serial());
    let tagged = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let length = if content.len() < 128 {
            vec![length[1]]
        } else if content.len() < 256 {
            vec![0x81, length[1]]
        } else {
            vec![0x82, length[0], length[1]]
        };
        [&[tag], &length[..], content].concat()
    };
    let names = tagged(0x30, &tagged(0xa4, issuer));
    let der = tagged(0x30, &[names, tagged(0x02, serial)].concat());
    base64::engine::general_purpose::STANDARD.encode(der)
}

#[test]
fn the_moment_of_signing_must_be_readable_and_past() {
    let with_time = |text: &str| saying(SignatureShape::XadesB, |said| said.replace("2026-11-03T08:00:00Z", text));
    for unreadable in ["", "hier", "2026-11-03", "2026-11-03T08:00:00"] {
        assert!(refusal(&with_time(unreadable)).contains("SigningTime"), "{unreadable}");
    }
    let long = refusal(&with_time(&"x\n".repeat(100_000)));
    assert!(long.contains("SigningTime 'x\\u{a}x") && long.len() < 1200 && !long.contains('\n'), "{long}");
    let signer = ListSigner::new(issued()).unwrap();
    let signed_at =
        |at| WhiteList::new(at).with("a.mssante.fr", DN).signed_xml(&signer, SignatureShape::XadesB).unwrap();
    assert!(read(&signed_at(NOW + Duration::minutes(10))).is_ok());
    assert!(refusal(&signed_at(NOW + Duration::minutes(11))).contains("lies in the future"));
}

#[test]
fn what_level_b_requires_must_be_there_once() {
    let xades = signed_with_properties();
    let element = |name: &str| {
        let start = xades.find(&format!("<xades:{name}>")).unwrap();
        let close = format!("</xades:{name}>");
        let end = xades.find(&close).unwrap() + close.len();
        &xades[start..end]
    };
    for name in ["SignedSignatureProperties", "SigningTime", "SigningCertificateV2", "CertDigest", "Cert"] {
        for count in [0, 2] {
            let element = element(name);
            let said = saying(SignatureShape::XadesB, |said| said.replace(element, &element.repeat(count)));
            // Further certificates are those of the chain.
            if (name, count) == ("Cert", 2) {
                assert!(read(&said).is_ok());
                continue;
            }
            let why = refusal(&said);
            assert!(why.contains("properties") || why.contains("SigningCertificate"), "{name} {count}: {why}");
        }
    }
}

#[test]
fn a_certificate_named_by_a_weak_digest_is_refused() {
    let signer = ListSigner::new(&pki().list_signer_of(SignerKey::P256).unwrap()).unwrap();
    let profile =
        SignatureProfile { shape: SignatureShape::XadesB, hash: Hash::Sha512, canonical: Canonical::Inclusive };
    let weak = |said: String| said.replace("2001/04/xmlenc#sha512", "2000/09/xmldsig#sha1");
    let xades = white_list().signed_xml_saying(&signer, profile, weak).unwrap();
    assert!(refusal(&xades).contains("'http://www.w3.org/2000/09/xmldsig#sha1' is not allowed"));
}
