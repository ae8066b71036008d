//! Which octets of a message a body section names. `[RFC3501 6.4.5]`

use std::num::NonZeroU32;

use imap_types::core::AString;
use imap_types::fetch::{Part as PartNumber, Section};
use message::{Content, Part, Span, Summary};

/// Where a section's octets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Located {
    /// These.
    Span(Span),
    /// Some fields of the header here.
    Fields(Span),
    /// There is no such part.
    Missing,
}

/// Finds a section.
pub(crate) fn locate(summary: &Summary, section: Option<&Section<'_>>) -> Located {
    let found = match section {
        None => Some(Located::Span(Span { start: 0, len: summary.size })),
        Some(Section::Part(path)) => part(summary, path).map(|part| Located::Span(part.body)),
        Some(Section::Mime(path)) => part(summary, path).map(|part| Located::Span(part.header)),
        Some(Section::Header(path)) => message(summary, path.as_ref()).map(|root| Located::Span(root.header)),
        Some(Section::Text(path)) => message(summary, path.as_ref()).map(|root| Located::Span(root.body)),
        Some(Section::HeaderFields(path, _) | Section::HeaderFieldsNot(path, _)) => {
            message(summary, path.as_ref()).map(|root| Located::Fields(root.header))
        }
    };
    found.unwrap_or(Located::Missing)
}

/// Cuts a span to `<origin.count>`.
pub(crate) fn cut(span: Span, partial: Option<(u32, NonZeroU32)>) -> Span {
    let Some((origin, count)) = partial else { return span };
    let skipped = u64::from(origin).min(span.len);
    Span { start: span.start + skipped, len: (span.len - skipped).min(u64::from(count.get())) }
}

/// The fields of `header` whose names are (or, with `not`, are not) in `names`, and the empty line.
pub(crate) fn fields(header: &[u8], names: &[AString<'_>], not: bool) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut keep = false;
    for line in header.split_inclusive(|b| *b == b'\n') {
        match line {
            b"\r\n" | b"\n" => break,
            [b' ' | b'\t', ..] => {}
            _ => keep = is_named(line, names) != not,
        }
        if keep {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(b"\r\n");
    kept
}

fn is_named(line: &[u8], names: &[AString<'_>]) -> bool {
    let name = line.split(|b| *b == b':').next().unwrap_or_default().trim_ascii_end();
    names.iter().any(|wanted| wanted.as_ref().eq_ignore_ascii_case(name))
}

/// The message that HEADER and TEXT speak of: the whole one, or one inside a part.
fn message<'a>(summary: &'a Summary, path: Option<&PartNumber>) -> Option<&'a Part> {
    let Some(path) = path else { return Some(&summary.root) };
    match &part(summary, path)?.content {
        Content::Message { root, .. } => Some(root),
        Content::Leaf | Content::Multipart(_) => None,
    }
}

fn part<'a>(summary: &'a Summary, path: &PartNumber) -> Option<&'a Part> {
    let path: Vec<u32> = path.0.as_ref().iter().map(|number| number.get()).collect();
    summary.root.at(&path)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use message::Envelope;

    fn span(start: u64, len: u64) -> Span {
        Span { start, len }
    }

    pub(crate) fn leaf(start: u64, header: u64, body: u64) -> Part {
        Part {
            header: span(start, header),
            body: span(start + header, body),
            lines: 2,
            media_type: "text".into(),
            subtype: "plain".into(),
            encoding: "7bit".into(),
            ..Part::default()
        }
    }

    pub(crate) fn multipart(start: u64, header: u64, body: u64, parts: Vec<Part>) -> Part {
        Part {
            media_type: "multipart".into(),
            subtype: "mixed".into(),
            content: Content::Multipart(parts),
            ..leaf(start, header, body)
        }
    }

    pub(crate) fn wrapped(start: u64, header: u64, inner: Part) -> Part {
        Part {
            media_type: "message".into(),
            subtype: "rfc822".into(),
            content: Content::Message { envelope: Box::new(Envelope::default()), root: Box::new(inner) },
            ..leaf(start, header, 500)
        }
    }

    pub(crate) fn summary(root: Part) -> Summary {
        Summary { size: 5000, root, ..Summary::default() }
    }

    /// Part 1 text, part 2 a message of two parts, part 3 a message of one.
    fn nested() -> Summary {
        let two = multipart(230, 70, 400, vec![leaf(310, 10, 20), leaf(350, 10, 30)]);
        summary(multipart(
            0,
            100,
            4900,
            vec![leaf(110, 20, 50), wrapped(200, 30, two), wrapped(900, 40, leaf(940, 60, 7))],
        ))
    }

    fn at(summary: &Summary, text: &str) -> Located {
        let command = format!("a FETCH 1 BODY[{text}]\r\n");
        let crate::codec::Body::Base(body) = crate::codec::decode(command.as_bytes()).unwrap().body else { panic!() };
        let imap_types::command::CommandBody::Fetch { macro_or_item_names, .. } = *body else { panic!() };
        let imap_types::fetch::MacroOrMessageDataItemNames::MessageDataItemNames(items) = macro_or_item_names else {
            panic!()
        };
        let [imap_types::fetch::MessageDataItemName::BodyExt { section, .. }] = &items[..] else { panic!() };
        locate(summary, section.as_ref())
    }

    #[test]
    fn sections_of_a_nested_message_are_found() {
        let nested = nested();
        for (section, expected) in [
            ("", span(0, 5000)),
            ("HEADER", span(0, 100)),
            ("TEXT", span(100, 4900)),
            ("1", span(130, 50)),
            ("1.MIME", span(110, 20)),
            ("2", span(230, 500)),
            ("2.MIME", span(200, 30)),
            ("2.HEADER", span(230, 70)),
            ("2.TEXT", span(300, 400)),
            ("2.2", span(360, 30)),
            ("2.2.MIME", span(350, 10)),
            ("3.1", span(1000, 7)),
        ] {
            assert_eq!(at(&nested, section), Located::Span(expected), "{section}");
        }
        assert_eq!(at(&nested, "2.HEADER.FIELDS (To)"), Located::Fields(span(230, 70)));
        for section in ["4", "1.1", "1.HEADER", "3.2", "2.1.1"] {
            assert_eq!(at(&nested, section), Located::Missing, "{section}");
        }
    }

    #[test]
    fn a_message_without_parts_is_its_own_first_part() {
        let single = summary(leaf(0, 40, 60));
        assert_eq!(at(&single, "1"), Located::Span(span(40, 60)));
        assert_eq!(at(&single, "1.1"), Located::Missing);
    }

    #[test]
    fn a_partial_is_cut_to_what_is_there() {
        let count = |n| NonZeroU32::new(n).unwrap();
        assert_eq!(cut(span(10, 50), Some((20, count(100)))), span(30, 30));
        assert_eq!(cut(span(10, 50), Some((60, count(1)))), span(60, 0));
        assert_eq!(cut(span(10, 50), Some((0, count(u32::MAX)))), span(10, 50));
    }

    #[test]
    fn fields_are_chosen_with_their_folded_lines() {
        let header = b"To: a\r\nSubject: x\r\n y\r\nSUBJECT : z\r\nFrom: b\r\n\r\n";
        let names = [AString::try_from("subject").unwrap()];
        assert_eq!(fields(header, &names, false), b"Subject: x\r\n y\r\nSUBJECT : z\r\n\r\n");
        assert_eq!(fields(header, &names, true), b"To: a\r\nFrom: b\r\n\r\n");
        assert_eq!(fields(b"", &names, true), b"\r\n");
    }
}
