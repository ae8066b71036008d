//! What comes out of good files, and what becomes of bad ones. `[MSS1 ANN.EXTRACTION]`

use std::io::{Cursor, Write as _};

use mssante::{BalKind, StructureId};
use proptest::prelude::*;
use time::macros::datetime;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::{Paperless, RejectionReason};

const HEADER: &str = "Type de BAL|Adresse BAL|Type Identifiant PP|Identifiant PP|Identification nationale PP|\
    Type identifiant structure|Identification Structure|Service de rattachement|Civilité d'exercice|Nom d'exercice|\
    Prénom d'exercice|Catégorie profession|Libellé de catégorie profession|Code Profession|Libellé Profession|\
    Code savoir-faire|Libellé savoir-faire|Dématérialisation|Raison Sociale structure BAL|\
    Enseigne commerciale structure BAL|L2COMPLEMENTLOCALISATION structure BAL|L3COMPLEMENTDISTRIBUTION structure BAL|\
    L4NUMEROVOIE structure BAL|L4COMPLEMENTNUMEROVOIE structure BAL|NL4TYPEVOIE structure BAL|\
    L4LIBELLEVOIE structure BAL|L5LIEUDITMENTION structure BAL|L6LIGNEACHEMINEMENT structure BAL|\
    Code postal structure BAL|Département structure BAL|Pays structure BAL";
const PERIN: &str = "PER|anne.perin@medecin.mssante.fr|8|10001234565|810001234565|1|930110069||DR|PERIN|Anne|C|Civil|10|\
    Médecin|SM54|Médecine générale|O|CABINET DU DR PERIN||Bâtiment B||12|BIS|RUE|DE LA GARE||93600 AULNAY SOUS BOIS|\
    93600|Seine-Saint-Denis|France";
const TEAM: &str =
    "ORG|cardiologie@ch.mssante.fr|||||318751275100020|Cardiologie||||||||||N|CH|||||||||75012 PARIS|75012||";
const NAME: &str = "Extraction_Correspondance_MSSante_202608250032.txt";

/// What a reading handed over.
#[derive(Debug, Default)]
struct Read {
    entries: Vec<Entry>,
    activities: Vec<Activity>,
    rejected: Vec<Rejection>,
    progress: Vec<Progress>,
    summary: Summary,
}

fn read_with(octets: &[u8], limits: ReadingLimits) -> Result<Read, ExtractionError> {
    let mut read = Read::default();
    let mut progress = Vec::new();
    let extraction = Extraction::open(Cursor::new(octets.to_vec()), NAME, limits)?;
    read.summary = extraction.read(
        &mut |item| match item {
            Item::Entry(entry) => read.entries.push(entry.clone()),
            Item::Activity(activity) => read.activities.push(activity.clone()),
            Item::Rejected(rejection) => read.rejected.push(rejection),
        },
        &mut |step| progress.push(step),
    )?;
    read.progress = progress;
    Ok(read)
}

fn read(octets: &[u8]) -> Result<Read, ExtractionError> {
    read_with(octets, ReadingLimits { rejected_percent: 100, ..ReadingLimits::default() })
}

fn text(lines: &[&str]) -> String {
    lines.iter().fold(format!("{HEADER}\r\n"), |text, line| text + line + "\r\n")
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_line_becomes_an_entry() {
    let read = read(text(&[PERIN, TEAM]).as_bytes()).unwrap();
    let [perin, team] = &read.entries[..] else { panic!("{read:?}") };
    let person = perin.person.as_ref().unwrap();
    assert_eq!((perin.kind, perin.paperless), (BalKind::Nominative, Paperless::Accepted));
    assert_eq!(perin.address.to_string(), "anne.perin@medecin.mssante.fr");
    assert_eq!(person.id, Some("810001234565".parse().unwrap()));
    assert_eq!((person.profession.code.as_str(), person.speciality.label.as_str()), ("10", "Médecine générale"));
    let structure = perin.structure.as_ref().unwrap();
    assert_eq!(structure.street, ["Bâtiment B", "12 BIS RUE DE LA GARE"]);
    assert_eq!((structure.town.as_str(), structure.country.as_str()), ("93600 AULNAY SOUS BOIS", ""));
    assert_eq!(
        (team.kind, team.person.as_ref(), team.service.as_str()),
        (BalKind::Organisational, None, "Cardiologie")
    );
    assert_eq!(team.structure.as_ref().unwrap().street, Vec::<String>::new(), "nothing is left of the line before");
    assert_eq!(team.paperless, Paperless::NotAccepted);
}

#[test]
fn structures_are_told_with_and_without_their_type() {
    let with = |kind: &str, number: &str| {
        let line = TEAM.replace("||318751275100020|", &format!("|{kind}|{number}|"));
        let read = read(text(&[&line]).as_bytes()).unwrap();
        (read.entries[0].structure.as_ref().unwrap().id.clone(), read.summary.doubtful)
    };
    let siret: Option<StructureId> = "318751275100020".parse().ok();
    for (kind, number) in
        [("3", "18751275100020"), ("", "18751275100020"), ("SIRET", "18751275100020"), ("3", "318751275100020")]
    {
        assert_eq!(with(kind, number), (siret.clone(), 0), "{kind} {number}");
    }
    assert_eq!(with("3", "18751275100021"), (None, 1), "a faulty one is left out, the entry stays");
    assert_eq!(with("4", "10001234565001"), ("410001234565001".parse().ok(), 0));
    for (kind, number) in
        [("3", "41234567800011"), ("", "41234567800011"), ("1", "060000001"), ("", "187512751"), ("SIREN", "187512752")]
    {
        assert_eq!(with(kind, number), (None, 1), "{kind} {number} is not read again as something else");
    }
}

#[test]
fn a_structure_of_corsica_with_another_key_is_taken_or_left_out_as_the_policy_says() {
    let line = TEAM.replace("||318751275100020|", "|1|2A0000010|");
    for (keys, id) in [(KeyPolicy::Warn, "12A0000010".parse().ok()), (KeyPolicy::Refuse, None)] {
        let read = read_with(text(&[&line]).as_bytes(), ReadingLimits { keys, ..ReadingLimits::default() }).unwrap();
        assert_eq!((&read.entries[0].structure.as_ref().unwrap().id, read.summary.doubtful), (&id, 1));
    }
}

#[test]
fn a_faulty_finess_of_a_site_leaves_the_siret_to_tell_it() {
    let line = ACTIVITY.replace("|18751275100020||", "|18751275100020|060000001|");
    let read = read(format!("{ACTIVITIES}\n{line}\n").as_bytes()).unwrap();
    assert_eq!(read.activities[0].structure.id, "318751275100020".parse().ok());
    assert_eq!(read.summary.doubtful, 1);
}

#[test]
fn nobody_is_named_by_columns_that_contradict_each_other() {
    let with = |columns: &str| {
        let read = read(text(&[&PERIN.replace("8|10001234565|810001234565", columns)]).as_bytes()).unwrap();
        (read.entries[0].person.as_ref().unwrap().id.as_ref().map(ToString::to_string), read.summary.doubtful)
    };
    let perin = Some("810001234565".to_owned());
    for columns in ["8|10001234565|", "8||810001234565", "|10001234565|810001234565", "|810001234565|"] {
        assert_eq!(with(columns), (perin.clone(), 0), "{columns}");
    }
    for columns in ["8|10001234565|810001234573", "0|10001234565|810001234565", "3|10001234565|810001234565"] {
        assert_eq!(with(columns), (None, 1), "{columns}");
    }
    for columns in ["|1000123456|81000123456", "0|01260063|", "|810001234565|02A2600630", "81|0001234565|"] {
        assert_eq!(with(columns), (None, 1), "{columns}: not somebody else's number");
    }
    assert_eq!(with("3|18751275100020/7|318751275100020/7"), (Some("318751275100020/7".to_owned()), 0));
}

#[test]
fn a_doubtful_key_is_taken_or_refused_as_the_policy_says() {
    let doubtful = PERIN.replace("10001234565", "10001234566");
    let limits = ReadingLimits { rejected_percent: 100, ..ReadingLimits::default() };
    let warned = read_with(text(&[&doubtful]).as_bytes(), limits).unwrap();
    assert_eq!((warned.summary.taken, warned.summary.doubtful), (1, 1));
    let refused =
        read_with(text(&[&doubtful]).as_bytes(), ReadingLimits { keys: KeyPolicy::Refuse, ..limits }).unwrap();
    assert_eq!(refused.rejected[0].reason, RejectionReason::Person);
}

#[test]
fn rejected_lines_are_reported_with_number_and_reason_and_stop_nothing() {
    let long = PERIN.replace("Anne", &"A".repeat(70_000));
    let mut octets = text(&[
        PERIN,
        "PER|a@b.fr|trop court",
        &PERIN.replace("anne.perin@", "anne perin@"),
        &PERIN.replace("PER|", "XYZ|"),
        &PERIN.replace("8|10001234565", "8|1000123456"),
        &long,
        &format!("{PERIN}|de trop"),
        TEAM,
    ])
    .into_bytes();
    octets.extend_from_slice(b"ORG|\xE9quipe@b.fr|");
    octets.extend_from_slice(&b"|".repeat(28));
    octets.extend_from_slice(b"\n\r\n");
    octets.extend_from_slice(format!("{TEAM}\n").as_bytes());
    let read = read(&octets).unwrap();
    let reasons: Vec<_> = read.rejected.iter().map(|rejection| (rejection.line, rejection.reason)).collect();
    assert_eq!(
        reasons,
        [
            (3, RejectionReason::Fields),
            (4, RejectionReason::Address),
            (5, RejectionReason::Kind),
            (6, RejectionReason::Person),
            (7, RejectionReason::TooLong),
            (8, RejectionReason::Fields),
            (10, RejectionReason::Encoding),
        ]
    );
    assert_eq!(read.rejected[0].detail, "it has 3 fields, the header 31");
    assert_eq!(read.summary, Summary { lines: 10, taken: 3, rejected: 7, doubtful: 0, shortened: 0 });
}

#[test]
fn what_a_report_says_is_fit_for_a_terminal() {
    let line = PERIN.replace("anne.perin@", &format!("\u{1b}[31m{}@", "é".repeat(300)));
    let read = read(text(&[&line, &PERIN.replace("DR PERIN", "DR\u{1b}PERIN")]).as_bytes()).unwrap();
    let detail = &read.rejected[0].detail;
    assert!(detail.chars().count() <= 200 && !detail.chars().any(char::is_control), "{detail}");
    assert_eq!(read.entries[0].structure.as_ref().unwrap().name, "CABINET DU DR PERIN");
}

#[test]
fn too_many_rejected_lines_mean_that_it_is_something_else() {
    let lines: Vec<&str> = std::iter::repeat_n(PERIN, 9).chain(["x|y"]).collect();
    assert_eq!(read_with(text(&lines).as_bytes(), ReadingLimits::default()).unwrap().summary.rejected, 1);
    let error = read_with(text(&lines[1..]).as_bytes(), ReadingLimits::default()).unwrap_err();
    assert!(matches!(error, ExtractionError::Rejected { lines: 9, rejected: 1, .. }), "{error}");
}

#[test]
fn a_mark_of_utf_8_and_columns_of_later_years_are_taken_and_when_packed_the_end_without_newline() {
    let whole = format!("\u{FEFF}{HEADER}|Colonne nouvelle|\n{PERIN}|x|\n{PERIN}|y");
    assert_eq!(read(format!("{whole}\n").as_bytes()).unwrap().summary.taken, 2);
    assert_eq!(read(&zipped(&[(NAME, whole.as_bytes())])).unwrap().summary.taken, 2);
    assert!(matches!(read(whole.as_bytes()), Err(ExtractionError::Torn { line: 3 })));
}

#[test]
fn half_a_file_is_no_file() {
    let whole = text(&[PERIN, TEAM, PERIN]);
    let cut = &whole[..whole.len() - 60];
    assert!(matches!(read(cut.as_bytes()), Err(ExtractionError::Torn { line: 4 })));
    // CR or nothing of the end of the line, a part of the last field, nothing behind the last `|`.
    for cut in [1, 2, 5, "France\r\n".len()] {
        let inside_the_last_field = &whole[..whole.len() - cut];
        assert!(matches!(read(inside_the_last_field.as_bytes()), Err(ExtractionError::Torn { line: 4 })), "{cut}");
    }
    let letter = whole.rfind("é").unwrap();
    let inside_a_letter = &whole.as_bytes()[..=letter];
    assert!(matches!(read(inside_a_letter), Err(ExtractionError::Torn { line: 4 })));
    assert!(matches!(read(&HEADER.as_bytes()[..90]), Err(ExtractionError::Header(_))));
    assert!(matches!(read(text(&[]).as_bytes()), Err(ExtractionError::Empty)));
    assert!(matches!(read(b""), Err(ExtractionError::Header(_))));
}

#[test]
fn a_wrong_header_names_what_is_missing() {
    let read = |octets: &[u8]| read(octets).unwrap_err().to_string();
    assert!(
        read(text(&[PERIN]).replacen("Pays structure BAL", "Pays", 1).replacen("Prénom", "Prenom", 1).as_bytes())
            .contains("lacks Prénom d'exercice")
    );
    assert!(read(text(&[PERIN]).replace('|', ";").as_bytes()).contains("not separated by |"));
    assert!(read(b"<!DOCTYPE html>\n<html>").contains("it is a page"));
}

#[test]
fn a_wrong_encoding_is_told() {
    let latin: Vec<u8> = text(&[PERIN]).chars().map(|c| u8::try_from(c).unwrap()).collect();
    assert!(read(&latin).unwrap_err().to_string().contains("Latin-1"));
    let wide: Vec<u8> = [0xFEFF].into_iter().chain(text(&[PERIN]).encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert!(read(&wide).unwrap_err().to_string().contains("UTF-16"));
}

#[test]
fn a_zip_is_read_and_its_name_inside_counts() {
    let zip = zipped(&[("Extraction_Correspondance_MSSante_202601150030.txt", text(&[PERIN, TEAM]).as_bytes())]);
    let extraction = Extraction::open(Cursor::new(zip.clone()), NAME, ReadingLimits::default()).unwrap();
    assert_eq!(extraction.generated_at(), Some(datetime!(2026-01-14 23:30 UTC)));
    assert_eq!(extraction.kind(), ExtractionKind::Correspondence);
    let read = read(&zip).unwrap();
    assert_eq!(read.summary.taken, 2);
    let last = read.progress.last().unwrap();
    assert!(last.octets > 0 && last.of == zip.len() as u64);
    let plain = Extraction::open(Cursor::new(text(&[PERIN])), NAME, ReadingLimits::default()).unwrap();
    assert_eq!(plain.generated_at(), Some(datetime!(2026-08-24 22:32 UTC)));
}

#[test]
fn of_several_texts_the_known_one_is_read() {
    let activities = format!("{ACTIVITIES}\n{ACTIVITY}\n");
    let zip = zipped(&[
        ("PS_LibreAcces_Dipl_AutExerc_202609230000.txt", b"x|y\n"),
        ("PS_LibreAcces_Personne_activite_202609230000.txt", activities.as_bytes()),
        ("PS_LibreAcces_SavoirFaire_202609230000.txt", b"x|y\n"),
    ]);
    let read = read(&zip).unwrap();
    let activity = &read.activities[0];
    assert_eq!(activity.person.to_string(), "810001234565");
    assert_eq!(activity.structure.town, "25000 BESANCON");
    assert_eq!(activity.structure.street, ["9 RUE DE LA GARE"]);
    assert_eq!(activity.structure.id, "318751275100020".parse().ok());
    let none = zipped(&[("a.txt", b"x"), ("b.txt", b"y")]);
    assert!(matches!(super::tests::read(&none), Err(ExtractionError::Zip(_))));
}

const ACTIVITIES: &str = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code profession|Libellé profession|\
    Code savoir-faire|Libellé savoir-faire|Numéro SIRET site|Numéro FINESS site|Raison sociale site|\
    Enseigne commerciale site|Numéro Voie (coord. structure)|Libellé Voie (coord. structure)|\
    Code postal (coord. structure)|Libellé commune (coord. structure)|Libellé type de voie (coord. Structure)|";
const ACTIVITY: &str = "8|10001234565|810001234565|10|Médecin|SM54|Médecine générale|18751275100020||CABINET||9|DE LA GARE|25000|BESANCON|RUE|";

#[test]
fn a_broken_zip_is_refused() {
    let zip = zipped(&[(NAME, text(&[PERIN, TEAM, PERIN]).as_bytes())]);
    assert!(matches!(read(&zip[..zip.len() - 30]), Err(ExtractionError::Zip(_))), "its end is missing");
    assert!(matches!(read(&zip[..20]), Err(ExtractionError::Zip(_))));
    assert!(matches!(read(b"PK"), Err(ExtractionError::Zip(_))));
    for at in 0..zip.len() {
        let mut broken = zip.clone();
        broken[at] ^= 0x55;
        // Some octets mean nothing; but what is read is then what was written.
        if let Ok(read) = read(&broken) {
            assert_eq!(read.entries.len(), 3, "octet {at}");
        }
    }
}

#[test]
fn a_wrong_checksum_is_noticed() {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file(NAME, stored).unwrap();
    archive.write_all(text(&[PERIN]).as_bytes()).unwrap();
    let mut zip = archive.finish().unwrap().into_inner();
    let letter = memchr::memmem::find(&zip, b"Anne").unwrap();
    zip[letter] = b'a';
    assert!(matches!(read(&zip), Err(ExtractionError::Zip(_))));
}

#[test]
fn a_bomb_is_stopped_before_it_goes_off() {
    let bomb = zipped(&[(NAME, &[HEADER.as_bytes(), b"\n", &vec![b'|'; 30 << 20]].concat())]);
    let error = read(&bomb).unwrap_err().to_string();
    assert!(error.contains("100 times"), "{error}");
    let lines = text(&vec![PERIN; 3000]);
    let error = read_with(lines.as_bytes(), ReadingLimits { octets: 100_000, ..ReadingLimits::default() }).unwrap_err();
    assert!(matches!(error, ExtractionError::TooLong(_)), "{error}");
    let error = read_with(lines.as_bytes(), ReadingLimits { lines: 2999, ..ReadingLimits::default() }).unwrap_err();
    assert!(matches!(error, ExtractionError::TooLong(_)), "{error}");
}

#[test]
fn a_packed_size_that_lies_does_not_raise_the_bound() {
    let mut bomb = zipped(&[(NAME, &[HEADER.as_bytes(), b"\n", &vec![b'|'; 30 << 20]].concat())]);
    let central = memchr::memmem::rfind(&bomb, b"PK\x01\x02").unwrap();
    bomb[central + 20..central + 24].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    let error = read(&bomb).unwrap_err().to_string();
    assert!(error.contains("100 times"), "{error}");
}

#[test]
fn a_bomb_of_blank_lines_is_stopped_by_their_number() {
    let limits = ReadingLimits { lines: 1000, ..ReadingLimits::default() };
    let bomb = [text(&[PERIN]).as_bytes(), &vec![b'\n'; 1 << 20]].concat();
    let extraction = Extraction::open(Cursor::new(zipped(&[(NAME, &bomb)])), NAME, limits).unwrap();
    let error = extraction.read(&mut |_| {}, &mut |_| {}).unwrap_err();
    assert!(matches!(error, ExtractionError::TooLong(_)), "{error}");
}

#[test]
fn texts_longer_than_any_name_are_cut_and_counted() {
    let endless = with_field(9, &"é".repeat(5_000));
    let read = read(text(&[&endless, PERIN]).as_bytes()).unwrap();
    assert_eq!((read.summary.taken, read.summary.shortened), (2, 1));
    let person = read.entries[0].person.as_ref().unwrap();
    assert_eq!(person.family_name, "é".repeat(256));
}

#[test]
fn archives_in_archives_and_crowds_of_entries_are_refused() {
    let inner = zipped(&[(NAME, text(&[PERIN]).as_bytes())]);
    assert!(read(&zipped(&[(NAME, &inner)])).is_err());
    assert!(matches!(read(&zipped(&[("inner.zip", &inner)])), Err(ExtractionError::Zip(_))));
    let names: Vec<String> = (0..17).map(|n| format!("{n}.txt")).collect();
    let crowd: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    assert!(read(&zipped(&crowd)).unwrap_err().to_string().contains("more than 16"));
}

proptest! {
    #[test]
    fn no_octets_make_the_reader_fail_otherwise_than_by_an_error(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&octets);
        let _ = read(&[HEADER.as_bytes(), b"\n", &octets].concat());
        let _ = read(&[b"PK\x03\x04", &octets[..]].concat());
    }

    #[test]
    fn every_line_is_taken_or_rejected(lines in proptest::collection::vec((0..31_usize, "[A-Z@.|é]{0,80}"), 1..20)) {
        let lines: Vec<String> = lines.iter().map(|(place, text)| with_field(*place, text)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).chain([PERIN, "PER|a@b.fr"]).collect();
        let read = read(text(&lines).as_bytes()).unwrap();
        prop_assert!(read.summary.taken > 0 && read.summary.rejected > 0);
        prop_assert_eq!(read.summary.lines, lines.len() as u64);
        prop_assert_eq!(read.summary.taken + read.summary.rejected, read.summary.lines);
        prop_assert_eq!(read.summary.rejected, read.rejected.len() as u64);
        prop_assert_eq!(read.summary.taken, read.entries.len() as u64);
    }
}

/// The line of Dr Perin with another field.
fn with_field(place: usize, text: &str) -> String {
    let mut fields: Vec<&str> = PERIN.split('|').collect();
    fields[place] = text;
    fields.join("|")
}
