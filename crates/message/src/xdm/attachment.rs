//! The attachment: where it lies in a message, and its octets with the transfer encoding undone.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use crate::{Content, Part, Summary, decode_words};

/// The name that the attachment must have, in any case. `[MSS2 ECO.2.1.1]`
const NAME: &str = "IHE_XDM.ZIP";

/// Senders' last digits may have bits that say nothing.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::RequireNone);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// The attachments of a message that are named `IHE_XDM.ZIP`; not those of messages inside it, which are other letters.
pub fn xdm_archives(summary: &Summary) -> Vec<&Part> {
    let mut found = Vec::new();
    collect(&summary.root, &mut found);
    found
}

/// The scanner bounds how deep parts lie in one another.
fn collect<'a>(part: &'a Part, found: &mut Vec<&'a Part>) {
    match &part.content {
        Content::Multipart(parts) => parts.iter().for_each(|part| collect(part, found)),
        Content::Leaf if is_archive(part) => found.push(part),
        Content::Leaf | Content::Message { .. } => {}
    }
}

fn is_archive(part: &Part) -> bool {
    let disposition = part.disposition.as_ref().map_or(&[][..], |disposition| &disposition.parameters);
    [(disposition, "filename"), (&part.parameters, "name")]
        .iter()
        .filter_map(|(parameters, name)| file_name(parameters, name))
        .any(|name| last_component(&name).eq_ignore_ascii_case(NAME))
}

/// Programs that save an attachment take the folders off its name. `[RFC2183 2.3]`
fn last_component(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name).trim()
}

/// A file name as a parameter, an encoded word, or in the forms of `[RFC2231 4]`.
fn file_name(parameters: &[(String, String)], name: &str) -> Option<String> {
    let value = |wanted: String| parameters.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
    if let Some(plain) = value(name.to_owned()) {
        return Some(decode_words(plain));
    }
    if let Some(extended) = value(format!("{name}*")) {
        return Some(extended_value(extended));
    }
    let piece = |n: usize| match n {
        0 => value(format!("{name}*0")).map(str::to_owned).or_else(|| value(format!("{name}*0*")).map(extended_value)),
        _ => value(format!("{name}*{n}")).or_else(|| value(format!("{name}*{n}*"))).map(str::to_owned),
    };
    let joined: String = (0..10).map_while(piece).collect();
    (!joined.is_empty()).then_some(joined)
}

/// `charset'language'text`. The name that is looked for is ASCII, so that the charset does not matter.
fn extended_value(value: &str) -> String {
    let text = value.splitn(3, '\'').nth(2).unwrap_or(value);
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let octet = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match octet {
            Some(octet) => decoded.extend([char::from(octet)].into_iter().chain(piece[2..].chars())),
            None => decoded.extend(['%'].into_iter().chain(piece.chars())),
        }
    }
    decoded
}

/// Undoes the transfer encoding of an attachment piece by piece.
#[derive(Debug)]
pub struct AttachmentDecoder {
    encoding: Encoding,
    octets: Vec<u8>,
    /// Digits of base64 that do not make whole octets yet.
    digits: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Base64,
    /// The padding has come: nothing follows.
    Base64Ended,
    QuotedPrintable,
    None,
}

impl AttachmentDecoder {
    /// A decoder for this part's body, with room for all of it.
    pub fn new(part: &Part) -> Self {
        let len = usize::try_from(part.body.len).unwrap_or(usize::MAX);
        let (encoding, room) = match part.encoding.as_str() {
            "base64" => (Encoding::Base64, len / 4 * 3 + 3),
            "quoted-printable" => (Encoding::QuotedPrintable, len),
            _ => (Encoding::None, len),
        };
        let mut octets = Vec::new();
        octets.reserve_exact(room);
        Self { encoding, octets, digits: Vec::new() }
    }

    /// Takes the next octets of the body.
    pub fn push(&mut self, body: &[u8]) {
        match self.encoding {
            Encoding::Base64 => self.push_base64(body),
            Encoding::Base64Ended => {}
            Encoding::QuotedPrintable | Encoding::None => self.octets.extend_from_slice(body),
        }
    }

    /// What is no digit is passed over, the padding ends it. `[RFC2045 6.8]`
    fn push_base64(&mut self, body: &[u8]) {
        let text = match memchr::memchr(b'=', body) {
            Some(padding) => {
                self.encoding = Encoding::Base64Ended;
                &body[..padding]
            }
            None => body,
        };
        let is_digit = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        self.digits.extend(text.iter().filter(is_digit));
        let whole = self.digits.len() / 4 * 4;
        self.decode(whole);
        self.digits.drain(..whole);
    }

    /// Decodes the first `count` digits, all of which are digits.
    fn decode(&mut self, count: usize) {
        let start = self.octets.len();
        self.octets.resize(start + count / 4 * 3 + 3, 0);
        let decoded = BASE64.decode_slice(&self.digits[..count], &mut self.octets[start..]).unwrap_or(0);
        self.octets.truncate(start + decoded);
    }

    /// The octets of the attachment; `None` where the encoding is broken.
    pub fn finish(mut self) -> Option<Vec<u8>> {
        match self.encoding {
            Encoding::Base64 | Encoding::Base64Ended => {
                let rest = self.digits.len();
                self.decode(rest);
                (rest != 1).then_some(self.octets)
            }
            Encoding::QuotedPrintable => quoted_printable_decode(&self.octets),
            Encoding::None => Some(self.octets),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::Scanner;

    fn found(message: &str) -> usize {
        let mut scanner = Scanner::new();
        scanner.push(message.replace('\n', "\r\n").as_bytes());
        xdm_archives(&scanner.finish()).len()
    }

    #[test]
    fn an_archive_is_known_by_its_name_however_that_is_written() {
        for header in [
            "Content-Type: application/zip; name=\"IHE_XDM.ZIP\"",
            "Content-Disposition: attachment; filename=ihe_xdm.zip",
            "Content-Disposition: attachment; filename=\"=?utf-8?Q?IHE=5FXDM.zip?=\"",
            "Content-Disposition: attachment; filename*=UTF-8''IHE%5FXDM.ZIP",
            "Content-Disposition: attachment; filename*0=IHE_; filename*1=\"XDM.ZIP\"",
            "Content-Disposition: attachment; filename*0*=utf-8''IHE_; filename*1=XDM.zip",
            "Content-Disposition: attachment; filename=\"C:\\\\x\\\\IHE_XDM.ZIP\"",
            "Content-Disposition: attachment; filename=\"../x/ IHE_XDM.ZIP\"",
            "Content-Disposition: attachment; filename*=UTF-8''a%5C%49HE_XDM.ZIP",
        ] {
            assert_eq!(found(&format!("{header}\n\nx\n")), 1, "{header}");
        }
        for header in
            ["Content-Type: application/zip; name=IHE_XDM.ZIP.pdf", "Subject: IHE_XDM.ZIP", "Content-Type: a/b"]
        {
            assert_eq!(found(&format!("{header}\n\nx\n")), 0, "{header}");
        }
    }

    #[test]
    fn archives_are_found_beside_other_parts_but_not_in_letters_inside() {
        let zip = "Content-Type: application/zip; name=IHE_XDM.ZIP\n\nx\n";
        assert_eq!(
            found(&format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n{zip}--b\n{zip}--b--\n")),
            2
        );
        assert_eq!(
            found(&format!(
                "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n{zip}--b--\n"
            )),
            0
        );
    }

    fn decoded(encoding: &str, body: &[u8], step: usize) -> Option<Vec<u8>> {
        let mut part = Part { encoding: encoding.to_owned(), ..Part::default() };
        part.body.len = body.len() as u64;
        let mut decoder = AttachmentDecoder::new(&part);
        body.chunks(step).for_each(|piece| decoder.push(piece));
        decoder.finish()
    }

    #[test]
    fn other_encodings_than_base64_are_undone_too() {
        assert_eq!(decoded("quoted-printable", b"PK=03=04", 3).unwrap(), b"PK\x03\x04");
        assert_eq!(decoded("binary", b"PK\x03", 1).unwrap(), b"PK\x03");
    }

    #[test]
    fn a_digit_that_stands_alone_is_a_broken_encoding() {
        assert_eq!(decoded("base64", b"UEsDB\r\n", 4), None);
        assert_eq!(decoded("base64", b"UEsDBA==\r\ngarbage", 4).unwrap(), b"PK\x03\x04");
        assert_eq!(decoded("base64", b"", 4).unwrap(), b"");
    }

    proptest! {
        #[test]
        fn base64_comes_back_however_it_is_cut(octets in proptest::collection::vec(any::<u8>(), 0..400), step in 1_usize..90) {
            let text = STANDARD.encode(&octets);
            let lines: Vec<u8> = text.as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect();
            prop_assert_eq!(decoded("base64", &lines, step), Some(octets));
        }
    }
}
