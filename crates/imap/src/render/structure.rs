//! BODY and BODYSTRUCTURE. `[RFC3501 7.4.2]`

use message::{Content, Disposition, Part};

use super::{envelope, nstring, number, string, text};

/// The structure of a part; `extended` for BODYSTRUCTURE.
pub(crate) fn structure(out: &mut Vec<u8>, part: &Part, extended: bool) {
    text(out, "(");
    match &part.content {
        Content::Multipart(parts) => {
            for inner in parts {
                structure(out, inner, extended);
            }
            text(out, " ");
            string(out, &part.subtype);
            if extended {
                text(out, " ");
                parameters(out, &part.parameters);
            }
        }
        Content::Message { envelope: inner, root } => {
            single(out, part, "message", "rfc822");
            text(out, " ");
            envelope(out, inner);
            text(out, " ");
            structure(out, root, extended);
            text(out, " ");
            number(out, part.lines);
        }
        Content::Leaf => leaf(out, part),
    }
    if extended {
        extension(out, part);
    }
    text(out, ")");
}

/// A part that is not looked into. Of a multipart or message that could not be read the client
/// would expect parts or an envelope, so it is shown as octets.
fn leaf(out: &mut Vec<u8>, part: &Part) {
    match (part.media_type.as_str(), part.subtype.as_str()) {
        ("text", subtype) => {
            single(out, part, "text", subtype);
            text(out, " ");
            number(out, part.lines);
        }
        ("multipart" | "", _) | ("message", "rfc822") => single(out, part, "application", "octet-stream"),
        (media_type, subtype) => single(out, part, media_type, subtype),
    }
}

/// Type and `body-fields`.
fn single(out: &mut Vec<u8>, part: &Part, media_type: &str, subtype: &str) {
    string(out, media_type);
    text(out, " ");
    string(out, subtype);
    text(out, " ");
    parameters(out, &part.parameters);
    text(out, " ");
    nstring(out, part.id.as_deref());
    text(out, " ");
    nstring(out, part.description.as_deref());
    text(out, " ");
    string(out, &part.encoding);
    text(out, " ");
    number(out, part.body.len);
}

/// `body-ext-1part`, or `body-ext-mpart` after its parameters.
fn extension(out: &mut Vec<u8>, part: &Part) {
    if !matches!(part.content, Content::Multipart(_)) {
        text(out, " ");
        nstring(out, part.md5.as_deref());
    }
    text(out, " ");
    disposition(out, part.disposition.as_ref());
    text(out, " ");
    language(out, &part.language);
    text(out, " ");
    nstring(out, part.location.as_deref());
}

fn parameters(out: &mut Vec<u8>, parameters: &[(String, String)]) {
    if parameters.is_empty() {
        return text(out, "NIL");
    }
    text(out, "(");
    for (i, (name, value)) in parameters.iter().enumerate() {
        if i > 0 {
            text(out, " ");
        }
        string(out, name);
        text(out, " ");
        string(out, value);
    }
    text(out, ")");
}

fn disposition(out: &mut Vec<u8>, disposition: Option<&Disposition>) {
    let Some(disposition) = disposition else { return text(out, "NIL") };
    text(out, "(");
    string(out, &disposition.kind);
    text(out, " ");
    parameters(out, &disposition.parameters);
    text(out, ")");
}

fn language(out: &mut Vec<u8>, languages: &[String]) {
    match languages {
        [] => text(out, "NIL"),
        [one] => string(out, one),
        many => {
            text(out, "(");
            for (i, language) in many.iter().enumerate() {
                if i > 0 {
                    text(out, " ");
                }
                string(out, language);
            }
            text(out, ")");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::rendered;
    use crate::section::tests::{leaf as text_part, multipart, wrapped};
    use imap_codec::ResponseCodec;
    use imap_codec::decode::Decoder;

    fn mixed() -> Part {
        let mut pdf = Part {
            media_type: "application".into(),
            subtype: "pdf".into(),
            encoding: "base64".into(),
            parameters: vec![("name".into(), "crh.pdf".into())],
            disposition: Some(Disposition {
                kind: "attachment".into(),
                parameters: vec![("filename".into(), "été.pdf".into())],
            }),
            ..text_part(200, 40, 900)
        };
        pdf.language = vec!["fr".into(), "en".into()];
        let mut mixed =
            multipart(0, 100, 2000, vec![text_part(110, 20, 50), pdf, wrapped(1300, 30, text_part(1330, 9, 8))]);
        mixed.parameters = vec![("boundary".into(), "b".into())];
        mixed
    }

    #[test]
    fn body_has_no_extension_data() {
        assert_eq!(
            rendered(|out| structure(out, &text_part(0, 10, 50), false)),
            r#"("text" "plain" NIL NIL NIL "7bit" 50 2)"#
        );
    }

    #[test]
    fn bodystructure_shows_dispositions_and_languages() {
        let shown = rendered(|out| structure(out, &mixed(), true));
        assert!(shown.contains("(\"attachment\" (\"filename\" {9}\r\nété.pdf)) (\"fr\" \"en\") NIL)"), "{shown}");
        assert!(shown.ends_with(r#" "mixed" ("boundary" "b") NIL NIL NIL)"#), "{shown}");
    }

    #[test]
    fn a_client_can_read_it() {
        for extended in [true, false] {
            let mut response = b"* 1 FETCH (BODYSTRUCTURE ".to_vec();
            structure(&mut response, &mixed(), extended);
            response.extend_from_slice(b")\r\n");
            let (rest, _) = ResponseCodec::default().decode(&response).unwrap();
            assert_eq!(rest, b"");
        }
    }

    #[test]
    fn what_could_not_be_looked_into_is_shown_as_octets() {
        let opaque = Part { media_type: "message".into(), subtype: "rfc822".into(), ..text_part(0, 1, 2) };
        assert!(rendered(|out| structure(out, &opaque, false)).starts_with(r#"("application" "octet-stream" "#));
    }
}
