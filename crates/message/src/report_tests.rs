use proptest::prelude::*;

use super::*;
use crate::{Content, HeaderBlock, Part, Scanner, Span, Summary, decoded_text};

fn report() -> FailureReport {
    FailureReport {
        reporting_mta: "mx.ch.mssante.fr".to_owned(),
        to: Address::parse("labo@bio.mssante.fr").unwrap(),
        envelope_id: Some("QQ314159".to_owned()),
        arrived_at: OffsetDateTime::from_unix_timestamp(1_763_719_205).unwrap(),
        now: OffsetDateTime::from_unix_timestamp(1_763_805_605).unwrap(),
        id: "12.7.report@mx.ch.mssante.fr".to_owned(),
        recipients: vec![FailedRecipient {
            recipient: Address::parse("jean.dupont@ch.mssante.fr").unwrap(),
            original_recipient: Some("rfc822;Jean+2EDupont@ch.mssante.fr".to_owned()),
            status: "5.1.1".to_owned(),
            diagnostic: "550 5.1.1 no such BAL".to_owned(),
            french: "Cette boîte aux lettres n'existe pas.".to_owned(),
            remote_mta: Some("mx.peer.mssante.fr".to_owned()),
        }],
        original_header: b"From: labo@bio.mssante.fr\r\nMessage-ID: <1@bio>\r\nSubject: x\r\n\r\n".to_vec(),
    }
}

fn scan(message: &[u8]) -> Summary {
    let mut scanner = Scanner::new();
    scanner.push(message);
    scanner.finish()
}

fn octets(message: &[u8], span: Span) -> &[u8] {
    &message[usize::try_from(span.start).unwrap()..usize::try_from(span.end()).unwrap()]
}

fn parts(root: &Part) -> [&Part; 3] {
    let Content::Multipart(parts) = &root.content else { panic!("not a multipart") };
    parts.iter().collect::<Vec<_>>().try_into().unwrap()
}

fn types(root: &Part) -> Vec<String> {
    parts(root).iter().map(|p| format!("{}/{}", p.media_type, p.subtype)).collect()
}

#[test]
fn a_report_has_the_three_parts_of_rfc_3464() {
    let message = failure_report(&report());
    let summary = scan(&message);
    assert_eq!((summary.root.media_type.as_str(), summary.root.subtype.as_str()), ("multipart", "report"));
    assert_eq!(summary.root.parameter("report-type"), Some("delivery-status"));
    assert_eq!(types(&summary.root), ["text/plain", "message/delivery-status", "text/rfc822-headers"]);
    let [explanation, status, original] = parts(&summary.root);

    let words = decoded_text(explanation, octets(&message, explanation.body)).unwrap();
    assert!(words.contains("n'a pas pu être remis à :\r\n\r\n  jean.dupont@ch.mssante.fr\r\n"), "{words}");
    assert!(words.contains("Cette boîte aux lettres n'existe pas."));
    assert!(words.find("Bonjour").unwrap() < words.find("Your message").unwrap());

    assert_eq!(status.encoding, "7bit");
    assert_eq!(
        String::from_utf8_lossy(octets(&message, status.body)).trim_end(),
        "Original-Envelope-Id: QQ314159\r\n\
         Reporting-MTA: dns; mx.ch.mssante.fr\r\n\
         Arrival-Date: Fri, 21 Nov 2025 10:00:05 +0000\r\n\
         \r\n\
         Original-Recipient: rfc822; Jean.Dupont@ch.mssante.fr\r\n\
         Final-Recipient: rfc822; jean.dupont@ch.mssante.fr\r\n\
         Action: failed\r\n\
         Status: 5.1.1\r\n\
         Remote-MTA: dns; mx.peer.mssante.fr\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such BAL"
    );
    let returned = String::from_utf8_lossy(octets(&message, original.body));
    assert_eq!(returned.trim_end(), "From: labo@bio.mssante.fr\r\nMessage-ID: <1@bio>\r\nSubject: x");
}

#[test]
fn a_report_s_header_says_who_writes_to_whom_and_that_no_one_need_answer() {
    let message = failure_report(&report());
    let block = HeaderBlock::parse(&message).unwrap();
    assert_eq!(block.from, [Address::parse("postmaster@mx.ch.mssante.fr").unwrap()]);
    assert!(block.has_date && block.has_message_id);
    let summary = scan(&message);
    assert_eq!(summary.envelope.to[0].mailbox.as_deref(), Some("labo"));
    assert_eq!(summary.envelope.message_id.as_deref(), Some("<12.7.report@mx.ch.mssante.fr>"));
    assert_eq!(summary.envelope.in_reply_to.as_deref(), Some("<1@bio>"));
    assert_eq!(summary.sent_at, Some(1_763_805_605));
    let header = String::from_utf8_lossy(octets(&message, summary.root.header)).into_owned();
    assert!(header.contains("\r\nAuto-Submitted: auto-replied\r\n"));
    assert!(header.contains("\r\nMIME-Version: 1.0\r\n"));
}

#[test]
fn addresses_and_headers_beyond_ascii_have_their_own_types() {
    let mut report = report();
    report.recipients[0].recipient = Address::parse("hélène@évreux.fr").unwrap();
    report.original_header = "Subject: été\r\n\r\n".as_bytes().to_vec();
    let message = failure_report(&report);
    let summary = scan(&message);
    assert_eq!(types(&summary.root), ["text/plain", "message/global-delivery-status", "message/global-headers"]);
    assert!(message.is_ascii());
}

#[test]
fn a_huge_original_header_is_cut_at_a_line() {
    let mut report = report();
    report.original_header = b"X-A: 1234567890\r\n".repeat(10_000);
    let message = failure_report(&report);
    assert!(message.len() < MAX_RETURNED + 4_000);
    let summary = scan(&message);
    assert!(octets(&message, parts(&summary.root)[2].body).trim_ascii_end().ends_with(b"X-A: 1234567890"));
}

#[test]
fn xtext_is_undone_or_left_out() {
    assert_eq!(original_recipient("rfc822;a+2Bb@c.fr").as_deref(), Some("rfc822; a+b@c.fr"));
    for broken in ["rfc822", "rfc822;", ";a", "rfc822;a+2", "rfc822;a+GG", "rfc822;a+0D+0Ab", "rfc822;+é"] {
        assert_eq!(original_recipient(broken), None, "{broken}");
    }
}

proptest! {
    #[test]
    fn whatever_strangers_wrote_a_report_stays_three_parts_of_ascii_lines(
        diagnostic in "(?s).{0,200}",
        remote in "(?s).{0,40}",
        status in "(?s).{0,12}",
        orcpt in "(?s).{0,40}",
        envelope_id in "(?s).{0,40}",
        original in "(?s).{0,300}",
        id in "(?s).{0,40}",
    ) {
        let mut report = report();
        let recipient = &mut report.recipients[0];
        recipient.diagnostic = diagnostic;
        recipient.remote_mta = Some(remote);
        recipient.status = status;
        recipient.original_recipient = Some(format!("rfc822;{orcpt}"));
        report.envelope_id = Some(envelope_id);
        report.original_header = format!("--pli-report-127report\r\n{original}").into_bytes();
        report.id = id;
        let message = failure_report(&report);
        let summary = scan(&message);
        parts(&summary.root);
        prop_assert!(message.is_ascii());
        prop_assert!(HeaderBlock::parse(&message).is_ok());
        let lone = message.iter().enumerate().any(|(at, &b)| b == b'\n' && (at == 0 || message[at - 1] != b'\r'));
        prop_assert!(!lone);
        prop_assert!(message.split(|&b| b == b'\n').all(|line| line.len() <= 999));
    }
}
