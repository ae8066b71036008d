//! Octets for people.

use std::fmt::Write as _;

/// Two lower-case hexadecimal digits for each octet, without anything between.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        // A String takes everything.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn every_octet_has_two_digits() {
        assert_eq!(hex(&[0x00, 0x0b, 0xad, 0xff]), "000badff");
        assert_eq!(hex(&[]), "");
    }
}
