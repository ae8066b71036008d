use proptest::prelude::*;

use super::*;
use crate::SummaryError;

fn scan(message: impl AsRef<[u8]>) -> Summary {
    let mut scanner = Scanner::new();
    scanner.push(message.as_ref());
    scanner.finish()
}

/// `message` with CRLF line ends.
fn crlf(message: &str) -> String {
    message.replace('\n', "\r\n")
}

fn text(message: &str, span: Span) -> &str {
    &message[usize::try_from(span.start).unwrap()..usize::try_from(span.end()).unwrap()]
}

/// The tree in one line: `type[part part]`, `type{message}`.
fn outline(part: &Part) -> String {
    let kind = format!("{}/{}", part.media_type, part.subtype);
    match &part.content {
        Content::Leaf => kind,
        Content::Multipart(parts) => {
            format!("{kind}[{}]", parts.iter().map(outline).collect::<Vec<_>>().join(" "))
        }
        Content::Message { root, .. } => format!("{kind}{{{}}}", outline(root)),
    }
}

fn at<'a>(summary: &'a Summary, path: &[u32]) -> &'a Part {
    summary.root.at(path).unwrap()
}

const LETTER: &str = "Return-Path: <labo@bio.mssante.fr>\n\
Date: Fri, 21 Nov 2025 11:00:05 +0100\n\
From: =?utf-8?q?Laboratoire_Bi=C3=A9?= <labo@bio.mssante.fr>\n\
To: \"Dupont, Jean\" <jean.dupont@ch.mssante.fr>,\n\
\tsecretariat@ch.mssante.fr\n\
Subject: XDM/1.0/DDM+Compte rendu\n\
Message-ID: <1@bio.mssante.fr>\n\
MIME-Version: 1.0\n\
Content-Type: multipart/mixed; boundary=\"----=_Part_1\"\n\
\n\
This is a message in MIME format.\n\
------=_Part_1\n\
Content-Type: multipart/alternative; boundary=\"----=_Part_1_alt\"\n\
\n\
------=_Part_1_alt\n\
Content-Type: text/plain; charset=utf-8\n\
Content-Transfer-Encoding: 8bit\n\
\n\
Bonjour,\n\
-- \n\
Le laboratoire\n\
------=_Part_1_alt\n\
Content-Type: text/html; charset=utf-8\n\
\n\
<p>Bonjour</p>\n\
------=_Part_1_alt--\n\
\n\
------=_Part_1\n\
Content-Type: application/zip; name=\"IHE_XDM.ZIP\"\n\
Content-Transfer-Encoding: base64\n\
Content-Disposition: attachment; filename=\"IHE_XDM.ZIP\"\n\
\n\
UEsDBBQAAAAIAAAAIQ==\n\
UEsFBgAAAAABAAEA\n\
------=_Part_1\n\
Content-Type: application/pdf\n\
Content-Transfer-Encoding: base64\n\
\n\
JVBERi0xLjQ=\n\
------=_Part_1--\n\
epilogue\n";

#[test]
fn a_letter_with_an_xdm_archive() {
    let letter = crlf(LETTER);
    let summary = scan(&letter);
    assert_eq!(summary.size, letter.len() as u64);
    assert_eq!(summary.sent_at, Some(1_763_719_205));
    assert_eq!(
        outline(&summary.root),
        "multipart/mixed[multipart/alternative[text/plain text/html] application/zip application/pdf]"
    );
    assert_eq!(summary.envelope.subject.as_deref(), Some("XDM/1.0/DDM+Compte rendu"));
    assert_eq!(summary.envelope.to.len(), 2);
    assert_eq!(summary.envelope.to[0].name.as_deref(), Some("Dupont, Jean"));

    let body = |path: &[u32]| text(&letter, at(&summary, path).body);
    assert_eq!(body(&[1, 1]), "Bonjour,\r\n-- \r\nLe laboratoire");
    assert_eq!(at(&summary, &[1, 1]).lines, 2);
    assert_eq!(body(&[1, 2]), "<p>Bonjour</p>");
    assert_eq!(body(&[2]), "UEsDBBQAAAAIAAAAIQ==\r\nUEsFBgAAAAABAAEA");
    assert_eq!(body(&[3]), "JVBERi0xLjQ=");
    assert!(body(&[1]).starts_with("------=_Part_1_alt\r\n") && body(&[1]).ends_with("_alt--\r\n"));
    assert!(body(&[]).ends_with("\r\nepilogue\r\n"));
    assert!(text(&letter, summary.root.header).ends_with("_Part_1\"\r\n\r\n"));

    let zip = at(&summary, &[2]);
    assert!(text(&letter, zip.header).starts_with("Content-Type: application/zip"));
    assert!(text(&letter, zip.header).ends_with("\"IHE_XDM.ZIP\"\r\n\r\n"));
    assert_eq!(zip.parameter("name"), Some("IHE_XDM.ZIP"));
    assert_eq!(zip.disposition.as_ref().unwrap().kind, "attachment");
}

#[test]
fn cut_at_every_octet_or_into_octets_the_summary_is_the_same() {
    let letter = crlf(LETTER);
    let whole = scan(&letter);
    for cut in 0..=letter.len() {
        let mut scanner = Scanner::new();
        scanner.push(&letter.as_bytes()[..cut]);
        scanner.push(&letter.as_bytes()[cut..]);
        assert_eq!(scanner.finish(), whole, "cut at {cut}");
    }
    let mut scanner = Scanner::new();
    letter.as_bytes().iter().for_each(|octet| scanner.push(&[*octet]));
    assert_eq!(scanner.finish(), whole);
}

#[test]
fn messages_in_multiparts_in_messages() {
    let inner =
        "From: c@x.fr\nSubject: inner\nContent-Type: multipart/mixed; boundary=in\n\n--in\n\nfirst\n--in--\nrest";
    let message = crlf(&format!(
        "Subject: outer\nContent-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: message/rfc822\n\n{inner}\n\
         --out\nContent-Type: message/rfc822\n\nSubject: plain\n\nhello\n--out--\n"
    ));
    let summary = scan(&message);
    assert_eq!(
        outline(&summary.root),
        "multipart/mixed[message/rfc822{multipart/mixed[text/plain]} message/rfc822{text/plain}]"
    );
    assert_eq!(summary.envelope.subject.as_deref(), Some("outer"));
    let first = at(&summary, &[1]);
    assert_eq!(text(&message, first.body), crlf(inner));
    assert_eq!(first.lines, 8);
    let Content::Message { envelope, root } = &first.content else { panic!("{first:?}") };
    assert_eq!(envelope.subject.as_deref(), Some("inner"));
    assert_eq!(envelope.from[0].host.as_deref(), Some("x.fr"));
    assert_eq!(root.header.start, first.body.start);
    assert_eq!(root.body.end(), first.body.end());
    assert_eq!(text(&message, at(&summary, &[1, 1]).body), "first");
    assert_eq!(text(&message, at(&summary, &[2, 1]).body), "hello");
}

#[test]
fn part_numbers_count_as_rfc_3501_does() {
    let plain = scan("Subject: x\r\n\r\nbody");
    assert_eq!(plain.root.at(&[]), Some(&plain.root));
    assert_eq!(plain.root.at(&[1]), Some(&plain.root));
    for nowhere in [&[0][..], &[2], &[1, 1]] {
        assert_eq!(plain.root.at(nowhere), None);
    }
    let forwarded = scan("Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody");
    assert_eq!(forwarded.root.at(&[1]), Some(&forwarded.root));
    assert_eq!(forwarded.root.at(&[1, 1]).unwrap().media_type, "text");
    assert_eq!(forwarded.root.at(&[1, 1, 1]), None);
    let letter = scan(crlf(LETTER));
    for nowhere in [&[0][..], &[4], &[1, 3], &[2, 1], &[u32::MAX]] {
        assert_eq!(letter.root.at(nowhere), None);
    }
}

#[test]
fn missing_end_boundaries_are_made_good_by_the_outer_one() {
    let message = crlf(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/related; boundary=b\n\n\
         --b\n\none\n--a\n\ntwo\n",
    );
    let summary = scan(&message);
    assert_eq!(outline(&summary.root), "multipart/mixed[multipart/related[text/plain] text/plain]");
    assert_eq!(text(&message, at(&summary, &[1, 1]).body), "one");
    assert_eq!(text(&message, at(&summary, &[2]).body), "two\r\n");
    assert_eq!(at(&summary, &[2]).lines, 1);
}

#[test]
fn one_boundary_may_begin_like_another() {
    let message = crlf(
        "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=xx\n\n\
         --xx\n\n--xyz\n--xx--\n--x  \t\n\nend\n--x-- \nafter\n--x\n",
    );
    let summary = scan(&message);
    assert_eq!(outline(&summary.root), "multipart/mixed[multipart/mixed[text/plain] text/plain]");
    assert_eq!(text(&message, at(&summary, &[1, 1]).body), "--xyz");
    assert_eq!(text(&message, at(&summary, &[2]).body), "end");
}

#[test]
fn a_boundary_at_the_very_end_counts_without_a_line_end() {
    let message = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nbody\r\n--x--";
    let summary = scan(message);
    assert_eq!(text(message, at(&summary, &[1]).body), "body");
}

#[test]
fn parts_may_lack_header_or_body() {
    let message = crlf(
        "Content-Type: multipart/mixed; boundary=x\n\n--x\n--x\n\n--x\nContent-Type: text/html\n--x\n\
         Content-Type: message/rfc822\n--x\nContent-Type: message/rfc822\n\nSubject: a\n--x--\n",
    );
    let summary = scan(&message);
    assert_eq!(
        outline(&summary.root),
        "multipart/mixed[text/plain text/plain text/html message/rfc822{text/plain} message/rfc822{text/plain}]"
    );
    let header = |n| text(&message, at(&summary, &[n]).header);
    assert_eq!((header(1), header(2), header(3)), ("", "\r\n", "Content-Type: text/html\r\n"));
    for n in 1..=4 {
        assert_eq!(at(&summary, &[n]).body.len, 0);
    }
    assert_eq!(text(&message, at(&summary, &[5]).body), "Subject: a");
}

#[test]
fn messages_may_lack_header_or_body() {
    assert_eq!(outline(&scan("").root), "text/plain");
    let no_header = scan("\r\nbody\r\n");
    assert_eq!(
        (no_header.root.header.len, no_header.root.body, no_header.root.lines),
        (2, Span { start: 2, len: 6 }, 1)
    );
    let no_body = scan("Subject: x\r\n");
    assert_eq!((no_body.root.header.len, no_body.root.body), (12, Span { start: 12, len: 0 }));
    assert_eq!(no_body.envelope.subject.as_deref(), Some("x"));
    assert_eq!(scan("Subject: x").envelope.subject.as_deref(), Some("x"));
}

#[test]
fn a_multipart_without_parts_shows_an_empty_text() {
    for message in [
        "Content-Type: multipart/mixed\r\n\r\nbody\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\nbody\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\nbody\r\n",
    ] {
        let summary = scan(message);
        assert_eq!(outline(&summary.root), "multipart/mixed[text/plain]", "{message}");
        assert_eq!(at(&summary, &[1]).body.len, 0);
    }
}

#[test]
fn parts_of_a_digest_are_messages() {
    let summary = scan(crlf(
        "Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: one\n\nbody\n--x\nContent-Type: text/plain\n\ntwo\n--x--\n",
    ));
    assert_eq!(outline(&summary.root), "multipart/digest[message/rfc822{text/plain} text/plain]");
}

#[test]
fn a_multipart_is_opened_whatever_its_encoding() {
    let summary = scan(crlf(
        "Content-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: base64\n\n--x\n\none\n--x--\n",
    ));
    assert_eq!(outline(&summary.root), "multipart/mixed[text/plain]");
    assert_eq!(summary.root.encoding, "base64");
}

#[test]
fn bare_line_feeds_are_understood() {
    let summary = scan(LETTER);
    assert_eq!(outline(&summary.root), outline(&scan(crlf(LETTER)).root));
    assert_eq!(text(LETTER, at(&summary, &[1, 1]).body), "Bonjour,\n-- \nLe laboratoire");
}

fn depth(part: &Part) -> usize {
    1 + match &part.content {
        Content::Leaf => 0,
        Content::Multipart(parts) => parts.iter().map(depth).max().unwrap_or(0),
        Content::Message { root, .. } => depth(root),
    }
}

#[test]
fn sixty_thousand_nested_messages_do_no_harm() {
    let summary = scan("Content-Type: message/rfc822\r\n\r\n".repeat(60_000));
    assert_eq!(depth(&summary.root), MAX_DEPTH);
    assert!(outline(&summary.root).ends_with("{application/octet-stream}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}"));
    assert_eq!(Summary::from_bytes(&summary.to_bytes()).unwrap(), summary);
}

#[test]
fn ten_thousand_nested_multiparts_do_no_harm() {
    let level = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    let message = (0..10_000).map(level).collect::<Vec<_>>().concat();
    assert_eq!(depth(&scan(message).root), MAX_DEPTH);
}

#[test]
fn two_hundred_thousand_empty_parts_end_at_the_limit() {
    let message = format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{}", "--x\r\n\r\n".repeat(200_000));
    let summary = scan(&message);
    let Content::Multipart(parts) = &summary.root.content else { panic!("not a multipart") };
    assert_eq!(parts.len(), MAX_PARTS - 1);
    assert_eq!(parts.last().unwrap().body.end(), message.len() as u64);
}

#[test]
fn no_more_than_the_limits_is_kept_of_headers() {
    let long = format!("Subject: kept\r\nTo: {}\r\nCc: lost@x.fr\r\n\r\nbody", "a@x.fr,\r\n ".repeat(50_000));
    let summary = scan(&long);
    assert_eq!(summary.envelope.subject.as_deref(), Some("kept"));
    assert_eq!((summary.envelope.to.len(), summary.envelope.cc.len()), (0, 0));
    assert_eq!(summary.root.body.len, 4);

    let part = format!("--x\r\nContent-Type: image/png; name=\"{}\"\r\n\r\n\r\n", "n".repeat(60_000));
    let parts = scan(format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{}", part.repeat(100)));
    assert!(parts.to_bytes().len() < 128 * 1024 + 20_000);
}

#[test]
fn an_envelope_says_all_if_nothing_stands_twice_and_nothing_was_cut() {
    assert!(scan("Subject: a\r\nTo: b@x.fr\r\nTo: c@x.fr\r\n\r\n").says_all);
    assert!(!scan("Message-ID: <1@x>\r\nMESSAGE-ID : <2@x>\r\n\r\n").says_all);
    assert!(!scan(format!("Subject: a\r\nX-Long: {}\r\nMessage-ID: <1@x>\r\n\r\n", "x".repeat(200_000))).says_all);
}

#[test]
fn addresses_are_bounded_over_the_whole_message() {
    let message =
        format!("To: {}\r\nContent-Type: message/rfc822\r\n\r\nTo: {}\r\n", "a,".repeat(3_000), "b,".repeat(3_000));
    let summary = scan(message);
    let Content::Message { envelope, .. } = &summary.root.content else { panic!("not a message") };
    assert_eq!(summary.envelope.to.len() + envelope.to.len(), MAX_ADDRESSES);
}

#[test]
fn long_lines_that_begin_like_boundaries_are_body() {
    let line = format!("--x{}", "-".repeat(5_000));
    let message = format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n{line}\r\n--x--\r\n");
    let summary = scan(&message);
    assert_eq!(text(&message, at(&summary, &[1]).body), line);
}

#[test]
fn stored_octets_of_another_version_or_damaged_are_refused() {
    let bytes = scan(crlf(LETTER)).to_bytes();
    assert_eq!(Summary::from_bytes(&[]), Err(SummaryError::Version(None)));
    assert_eq!(Summary::from_bytes(&[&[99], &bytes[1..]].concat()), Err(SummaryError::Version(Some(99))));
    assert_eq!(Summary::from_bytes(&bytes[..bytes.len() - 1]), Err(SummaryError::Damaged));
    assert_eq!(Summary::from_bytes(&[&bytes[..], &[0]].concat()), Err(SummaryError::Damaged));
}

#[test]
fn stored_parts_nested_without_bound_are_refused() {
    // one level as it is written: a message/rfc822 whose message is the next level
    let one = scan("Content-Type: message/rfc822\r\n\r\n");
    let two = scan("Content-Type: message/rfc822\r\n\r\n".repeat(2));
    let (one, two) = (one.to_bytes(), two.to_bytes());
    let common = one.iter().zip(&two).take_while(|(a, b)| a == b).count();
    let level = &two[common..two.len() - (one.len() - common)];
    let bytes = [&two[..common], &level.repeat(100_000), &one[common..]].concat();
    assert_eq!(Summary::from_bytes(&bytes), Err(SummaryError::Damaged));
}

/// Every span lies in the message, bodies begin where headers end, parts stand in order.
fn assert_sound(part: &Part, size: u64) {
    assert_eq!(part.header.end(), part.body.start);
    assert!(part.body.end() <= size);
    let inside: Vec<&Part> = match &part.content {
        Content::Leaf => Vec::new(),
        Content::Multipart(parts) => parts.iter().collect(),
        Content::Message { root, .. } => vec![root],
    };
    assert_eq!(inside.is_empty(), part.media_type != "multipart" && !part.is_message());
    let mut from = part.body.start;
    for child in inside {
        assert!(child.header.start >= from);
        // an empty part keeps its empty line, which is also the boundary's line end
        assert!(child.body.end() <= part.body.end() + 2);
        from = child.body.end();
        assert_sound(child, size);
    }
}

fn soup() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => Just("\r\n".to_owned()),
        2 => Just("--a\r\n".to_owned()),
        2 => Just("--aa\r\n".to_owned()),
        1 => Just("--a--\r\n".to_owned()),
        1 => Just("--aa--\r\n".to_owned()),
        2 => Just("Content-Type: multipart/mixed; boundary=a\r\n".to_owned()),
        2 => Just("Content-Type: multipart/digest;\r\n boundary=aa\r\n".to_owned()),
        2 => Just("Content-Type: message/rfc822\r\n".to_owned()),
        1 => Just("Subject: s\r\n".to_owned()),
        1 => Just("To: a@b.fr, g:c;\r\n".to_owned()),
        1 => Just("-".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("\r".to_owned()),
        1 => "[a-z\\-: ]{0,12}(\r\n)?",
    ];
    proptest::collection::vec(line, 0..40).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn any_soup_is_summarised_soundly_and_alike_however_it_is_cut(
        message in soup(),
        cuts in proptest::collection::vec(0_usize..600, 0..8),
    ) {
        let whole = scan(&message);
        assert_sound(&whole.root, whole.size);
        let mut scanner = Scanner::new();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(message.len())).collect();
        cuts.sort_unstable();
        let mut from = 0;
        for cut in cuts {
            scanner.push(&message.as_bytes()[from..cut]);
            from = cut;
        }
        scanner.push(&message.as_bytes()[from..]);
        prop_assert_eq!(&scanner.finish(), &whole);
        prop_assert_eq!(&Summary::from_bytes(&whole.to_bytes()).unwrap(), &whole);
    }

    #[test]
    fn any_octets_are_summarised(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let summary = scan(&octets);
        assert_sound(&summary.root, octets.len() as u64);
    }

    #[test]
    fn hostile_octets_are_no_summary_or_a_sound_one(
        message in soup(),
        at in any::<proptest::sample::Index>(),
        octet in any::<u8>(),
        tail in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = scan(&message).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = octet;
        let _ = Summary::from_bytes(&bytes);
        let _ = Summary::from_bytes(&[&[1], &tail[..]].concat());
    }

    #[test]
    fn every_part_is_found_by_its_number(message in soup()) {
        let root = scan(&message).root;
        prop_assert_eq!(root.at(&[]), Some(&root));
        let mut pending: Vec<(Vec<u32>, &Part)> = match &root.content {
            Content::Multipart(_) => vec![(vec![], &root)],
            _ => vec![(vec![1], &root)],
        };
        while let Some((path, part)) = pending.pop() {
            prop_assert_eq!(root.at(&path), Some(part));
            let parts = match &part.content {
                Content::Leaf => &[][..],
                Content::Multipart(parts) => parts,
                Content::Message { root, .. } => match &root.content {
                    Content::Multipart(parts) => parts,
                    _ => std::slice::from_ref(&**root),
                },
            };
            pending.extend((1..).zip(parts).map(|(n, part)| ([&path[..], &[n]].concat(), part)));
        }
    }
}

#[test]
fn a_report_is_known_by_its_form_not_by_what_it_calls_itself() {
    let report = |subtype: &str, part: &str| {
        scan(crlf(&format!(
            "Content-Type: multipart/{subtype}; boundary=b\n\n--b\n\nlu\n--b\nContent-Type: {part}\n\nx\n--b--\n"
        )))
        .is_report()
    };
    assert!(report("report", "message/delivery-status"));
    assert!(report("report", "message/disposition-notification"));
    assert!(!report("report", "text/plain"));
    assert!(!report("mixed", "message/delivery-status"));
    assert!(!scan(crlf("Content-Type: multipart/report; boundary=b\n\nlu\n")).is_report());
    let first =
        "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nx\n--b--\n";
    assert!(!scan(crlf(first)).is_report(), "people read the first part");
}
