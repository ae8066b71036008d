//! The look inside an archive: what is right passes, each flaw has its verdict, and nothing makes it fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use message::{MssHeaders, Scanner, XdmLetter, judge_without_archive, look_inside, verdict_table};
use proptest::prelude::*;
use testkit::letter::{self, Flaw, Heading, Patient, flawed_archive};
use time::OffsetDateTime;
use time::macros::datetime;

const DATE: OffsetDateTime = datetime!(2026-11-03 08:00 UTC);
const HEADER: &str = "Subject: XDM/1.0/DDM+Lettre\r\nX-MSS-CODECDA: 11490-0\r\nX-MSS-INS: O\r\n";

fn patient() -> Patient {
    Patient::fictitious()
}

fn verdicts(archive: &[u8], header: &str, patients: &[&str]) -> Vec<&'static str> {
    let headers = MssHeaders::read(header.as_bytes());
    let patients: Vec<String> = patients.iter().map(|&patient| patient.to_owned()).collect();
    let letter = XdmLetter { headers: &headers, patients: &patients };
    look_inside(archive, &letter).codes().collect()
}

fn good() -> Vec<u8> {
    letter::archive(&patient(), DATE)
}

#[test]
fn an_archive_that_is_right_has_no_verdict() {
    assert!(verdicts(&good(), HEADER, &[]).is_empty());
}

#[test]
fn an_archive_as_large_as_a_letter_may_be_is_looked_into() {
    assert!(verdicts(&letter::large_archive(&patient(), DATE, 3 << 20), HEADER, &[]).is_empty());
}

#[test]
fn lengths_of_a_record_are_added_up_and_do_not_wrap_around() {
    let mut archive = good();
    let record = archive.windows(4).position(|octets| octets == b"PK\x01\x02").unwrap();
    // Extra field and comment of 32 KiB each: in sixteen bits they would come to nothing.
    for length in [30, 32] {
        archive[record + length..record + length + 2].copy_from_slice(&0x8000_u16.to_le_bytes());
    }
    assert_eq!(verdicts(&archive, HEADER, &[]), ["archive-unreadable"]);
}

#[test]
fn every_flaw_has_its_verdict_and_no_other() {
    for (flaw, expected) in [
        (Flaw::NoZip, &["archive-unreadable"][..]),
        (Flaw::Truncated, &["archive-unreadable"]),
        (Flaw::TwoNames, &["archive-unreadable"]),
        (Flaw::Encrypted, &["entry-encrypted", "index-missing"]),
        (Flaw::UnknownCompression, &["compression-unknown", "index-missing"]),
        (Flaw::WrongChecksum, &["entry-damaged"]),
        (Flaw::LyingSize, &["entry-damaged"]),
        (Flaw::Bomb, &["archive-bomb"]),
        (Flaw::Overlap, &["archive-bomb"]),
        (Flaw::ManyEntries, &["too-many-entries"]),
        (Flaw::Traversal, &["unsafe-path"]),
        (Flaw::AbsoluteName, &["unsafe-path"]),
        (Flaw::Link, &["unsafe-path"]),
        (Flaw::Duplicate, &["duplicate-entry"]),
        (Flaw::Backslashes, &["backslash-path"]),
        (Flaw::NoIndex, &["index-missing"]),
        (Flaw::NoReadme, &["readme-missing"]),
        (Flaw::NoMetadata, &["metadata-missing"]),
        (Flaw::MetadataCut, &["metadata-malformed"]),
        (Flaw::MetadataDoctype, &["metadata-doctype"]),
        (Flaw::MetadataDeep, &["metadata-too-complex"]),
        (Flaw::MetadataLarge, &["metadata-too-complex"]),
        (Flaw::TwoSets, &[]),
        (Flaw::ManySets, &["metadata-too-complex"]),
        (Flaw::NoDocument, &["no-document"]),
        (Flaw::NoUri, &["uri-missing"]),
        (Flaw::UriOutside, &["unsafe-path"]),
        (Flaw::DocumentAbsent, &["document-missing"]),
        (Flaw::WrongHash, &["hash-mismatch"]),
        (Flaw::NoHash, &["hash-missing"]),
        (Flaw::WrongSize, &["size-mismatch"]),
        (Flaw::NoSize, &["size-missing"]),
        (Flaw::NoPatient, &["patient-missing", "ins-flag-mismatch"]),
        (Flaw::TwoPatients, &["several-patients"]),
        (Flaw::WrongKey, &["ins-invalid", "ins-flag-mismatch"]),
        (Flaw::LocalPatient, &["ins-flag-mismatch", "ins-absent"]),
        (Flaw::NoTraits, &["ins-traits-missing"]),
        (Flaw::BrokenCda, &["cda-malformed"]),
        (Flaw::CdaOfAnother, &["cda-patient-mismatch"]),
        (Flaw::NoCda, &["codecda-without-cda", "ins-flag-without-cda"]),
    ] {
        assert!(Flaw::ALL.contains(&flaw));
        assert_eq!(verdicts(&flawed_archive(&patient(), DATE, flaw), HEADER, &[]), expected, "{flaw:?}");
    }
}

#[test]
fn the_codes_of_the_header_are_those_of_the_documents_in_any_order() {
    let with = |codes: &str| verdicts(&good(), &HEADER.replace("11490-0", codes), &[]);
    assert!(with(" 11490-0 , 11490-0").is_empty());
    assert_eq!(with("34112-3"), ["codecda-mismatch"]);
    assert_eq!(with("11490-0, 34112-3"), ["codecda-mismatch"]);
    assert_eq!(with(""), ["codecda-missing"]);
}

#[test]
fn the_flag_of_the_ins_is_held_against_the_metadata() {
    let with = |flag: &str| verdicts(&good(), &HEADER.replace("X-MSS-INS: O\r\n", flag), &[]);
    assert!(with("X-MSS-INS: N\r\n").is_empty(), "nobody can say from outside that an INS was verified");
    assert_eq!(with("X-MSS-INS: OUI\r\n"), ["ins-flag-unknown"]);
    assert_eq!(with(""), ["ins-flag-missing"]);
    let local = flawed_archive(&patient(), DATE, Flaw::LocalPatient);
    assert_eq!(verdicts(&local, &HEADER.replace("INS: O", "INS: N"), &[]), ["ins-absent"]);
}

#[test]
fn a_letter_to_a_patient_holds_his_own_documents() {
    assert!(verdicts(&good(), HEADER, &["256037599999903"]).is_empty());
    assert_eq!(verdicts(&good(), HEADER, &["279035121518989"]), ["recipient-mismatch"]);
    assert_eq!(verdicts(&good(), HEADER, &["256037599999903", "279035121518989"]), ["recipient-mismatch"]);
    let local = flawed_archive(&patient(), DATE, Flaw::LocalPatient);
    assert_eq!(verdicts(&local, &HEADER.replace("INS: O", "INS: N"), &["256037599999903"]), ["ins-absent"]);
}

#[test]
fn the_subject_announces_the_archive() {
    assert_eq!(verdicts(&good(), &HEADER.replace("XDM/1.0/DDM+", ""), &[]), ["subject-without-prefix"]);
}

fn without_archive(header: &str) -> Vec<&'static str> {
    let mut scanner = Scanner::new();
    scanner.push(header.as_bytes());
    scanner.push(b"\r\n");
    judge_without_archive(&MssHeaders::read(header.as_bytes()), &scanner.finish()).codes().collect()
}

#[test]
fn without_an_archive_nothing_may_speak_of_one() {
    assert!(without_archive("Subject: Bonjour\r\nX-MSS-NIL: LGC-1\r\n").is_empty());
    assert_eq!(without_archive(HEADER), ["codecda-without-cda", "ins-flag-without-cda", "archive-missing"]);
}

#[test]
fn a_report_repeats_the_subject_of_a_letter_and_has_no_archive() {
    let report = format!("{HEADER}Content-Type: multipart/report; boundary=b\r\n");
    assert!(without_archive(&report).is_empty());
}

#[test]
fn the_letter_of_the_demonstration_is_right() {
    let heading = Heading {
        from: "dpi@ch.mssante.fr".into(),
        to: vec!["a@b.fr".into()],
        message_id: "<1@ch.mssante.fr>".into(),
        date: DATE,
    };
    let letter = letter::discharge(&heading, "c@ch.mssante.fr", &patient());
    let mut scanner = Scanner::new();
    scanner.push(&letter);
    let summary = scanner.finish();
    let archives = message::xdm_archives(&summary);
    let [part] = archives.as_slice() else { panic!("one archive") };
    let place = |at: u64| usize::try_from(at).unwrap();
    let mut decoder = message::AttachmentDecoder::new(part);
    letter[place(part.body.start)..place(part.body.end())].chunks(1000).for_each(|piece| decoder.push(piece));
    let archive = decoder.finish().unwrap();
    assert!(archive == letter::archive(&patient(), DATE));
    let header = String::from_utf8_lossy(&letter[..place(summary.root.header.len)]).into_owned();
    assert!(verdicts(&archive, &header, &["256037599999903"]).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_octets_make_the_look_fail(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let codes = verdicts(&octets, HEADER, &[]);
        prop_assert!(codes.iter().all(|code| verdict_table().iter().any(|row| row.code == *code)));
    }

    #[test]
    fn an_archive_with_any_octets_changed_is_judged(changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..8)) {
        let mut archive = good();
        for (place, octet) in changes {
            let place = usize::from(place) % archive.len();
            archive[place] = octet;
        }
        let _ = verdicts(&archive, HEADER, &["256037599999903"]);
    }

    #[test]
    fn an_archive_that_was_cut_is_not_readable(keep in 0.0..1.0_f64) {
        let archive = good();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small archive")]
        let keep = (archive.len() as f64 * keep) as usize;
        prop_assert_eq!(verdicts(&archive[..keep], HEADER, &[]), ["archive-unreadable"]);
    }
}
