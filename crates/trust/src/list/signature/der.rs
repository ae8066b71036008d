//! The little of DER that is written here.

use x509_parser::certificate::X509Certificate;

/// Both numbers of an ECDSA signature, which XML writes one after the other in equal length, as a
/// sequence of two integers. `[RFC9231 2.3]`
pub(super) fn ecdsa_signature(pair: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = pair.split_at(pair.len() / 2);
    let of_equal_length = r.len() == s.len();
    of_equal_length.then(|| element(0x30, &[unsigned(r), unsigned(s)].concat()))
}

/// `IssuerSerial` of a certificate. (RFC 5035, 4)
pub(super) fn issuer_and_serial(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let directory_name = element(0xa4, certificate.issuer().as_raw());
    let serial = element(0x02, certificate.raw_serial());
    element(0x30, &[element(0x30, &directory_name), serial].concat())
}

/// A number that is not negative, without needless zeros in front.
fn unsigned(octets: &[u8]) -> Vec<u8> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    match &octets[zeros..] {
        significant @ [..0x80, ..] => element(0x02, significant),
        significant => element(0x02, &[&[0], significant].concat()),
    }
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = length.iter().take_while(|octet| **octet == 0).count().min(length.len() - 1);
    let mut out = vec![tag];
    if content.len() >= 128 {
        out.push(length[significant..].iter().fold(0x80, |count, _| count + 1));
    }
    out.extend_from_slice(&length[significant..]);
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_shortest_form_that_is_not_negative() {
        let written = |pair: &[u8]| ecdsa_signature(pair).unwrap();
        assert_eq!(written(&[0, 1, 0x80, 0]), b"\x30\x08\x02\x01\x01\x02\x03\x00\x80\x00");
        assert_eq!(written(&[0, 0]), b"\x30\x06\x02\x01\x00\x02\x01\x00");
        assert_eq!(written(&[]), b"\x30\x06\x02\x01\x00\x02\x01\x00");
        assert_eq!(ecdsa_signature(&[1, 2, 3]), None);
    }

    #[test]
    fn lengths_from_128_on_say_how_long_they_are() {
        assert_eq!(element(4, &[7; 127])[..2], [4, 127]);
        assert_eq!(element(4, &[7; 128])[..3], [4, 0x81, 128]);
        assert_eq!(element(4, &[7; 300])[..4], [4, 0x82, 1, 44]);
    }
}
