//! What a list may look like, and what is refused before anything of it is believed.

use testkit::list::{ListSigner, SignatureShape, WhiteList};
use trust::{DistinguishedName, DnMatch, SignaturePolicy, TrustList, TrustListError};

use super::{DN, NOW, dn, domain, format_error, issued, read, read_unsigned, refusal, signed, white_list};

/// A list with one entry that has these fields.
fn with_fields(fields: &str) -> String {
    let xml = WhiteList::new(NOW).with("ok.mssante.fr", "CN=ok").unsigned_xml();
    xml.replace("    </ListeDomaines>", &format!("<Domaine>{fields}</Domaine></ListeDomaines>"))
}

const NOM: &str = "<Nom>a.mssante.fr</Nom>";
const NAME: &str = "<DNCertificatOperateur>CN=a</DNCertificatOperateur>";

#[test]
fn entries_that_cannot_be_read_are_left_out_and_counted() {
    let list = white_list().with("sessad@ase.mssante.fr", DN).with("ok.mssante.fr", "no name at all");
    let list = read_unsigned(&list.unsigned_xml()).unwrap();
    assert_eq!((list.domain_count(), list.skipped_count()), (3, 2));
}

#[test]
fn the_order_of_fields_and_fields_of_a_later_format_do_not_matter() {
    for fields in [
        format!("{NOM}{NAME}"),
        format!("{NAME}\n<DateMAJ/>{NOM}<Description>x</Description>"),
        format!("{NOM}<Statut>actif</Statut>{NAME}"),
        format!("{NOM}<x:Nom xmlns:x=\"urn:x\">b.mssante.fr</x:Nom>{NAME}"),
    ] {
        let list = read_unsigned(&with_fields(&fields)).unwrap();
        assert_eq!((list.names_of(&domain("a.mssante.fr")), list.skipped_count()), (&[dn("CN=a")][..], 0), "{fields}");
    }
}

#[test]
fn an_entry_that_lacks_or_doubles_a_field_is_left_out() {
    for fields in [
        NOM.to_owned(),
        NAME.to_owned(),
        format!("{NOM}{NOM}{NAME}"),
        format!("{NOM}<Nom>b.mssante.fr</Nom>{NAME}"),
        format!("{NOM}{NAME}{NAME}"),
        format!("{NOM}{NAME}<DateMAJ>1</DateMAJ><DateMAJ>2</DateMAJ>"),
        format!("<x>{NOM}{NAME}</x>"),
        format!("<Nom>a<b/>.mssante.fr</Nom>{NAME}"),
        format!("<Nom></Nom>{NAME}"),
        format!("<Nom>*.mssante.fr</Nom>{NAME}"),
        format!("<Nom>fr</Nom>{NAME}"),
        String::new(),
    ] {
        let list = read_unsigned(&with_fields(&fields)).unwrap();
        assert_eq!((list.domain_count(), list.skipped_count()), (1, 1), "{fields}");
    }
}

#[test]
fn an_entry_whose_name_is_nobodys_is_left_out() {
    for name in [
        "",
        "OU=1,O=P,C=FR",
        "CN=,OU=1",
        "CN= ,OU=1",
        "ST=Paris (75)",
        "CN=a\\00b",
        "CN=a\\",
        "CN=\\FF",
        "2.5.4.3=#0500",
    ] {
        let list = read_unsigned(&white_list().with("x.mssante.fr", name).unsigned_xml()).unwrap();
        assert_eq!((list.lists(&domain("x.mssante.fr")), list.skipped_count()), (false, 1), "{name}");
    }
}

/// A quote without its counterpart stands for itself: the entry binds whoever has that very name.
#[test]
fn unbalanced_quotes_are_taken_literally() {
    let list = read_unsigned(&white_list().with("x.mssante.fr", "CN=x,O=\"CLINIQUE,C=FR").unsigned_xml()).unwrap();
    let binds = |name: &DistinguishedName| list.binds(&domain("x.mssante.fr"), name, DnMatch::Normalised);
    assert!(binds(&dn("CN=x,O=\\\"Clinique,C=FR")));
    assert!(!binds(&dn("CN=x,O=CLINIQUE,C=FR")));
}

#[test]
fn domains_are_read_in_any_case_and_as_unicode_and_anywhere() {
    let list = WhiteList::new(NOW)
        .with("CH-Évreux.MSSante.fr", "CN=a")
        .with(domain("ch-évreux.mssante.fr").as_str(), "CN=b")
        .with("mssante.apicrypt.org", "CN=a");
    let list = read_unsigned(&list.unsigned_xml()).unwrap();
    assert_eq!(list.names_of(&domain("ch-évreux.mssante.fr")), [dn("CN=a"), dn("CN=b")]);
    assert_eq!((list.domain_count(), list.lists(&domain("mssante.apicrypt.org"))), (2, true));
}

#[test]
fn a_list_of_which_much_cannot_be_read_is_refused() {
    let with_bad = |bad: usize, good: usize| {
        let list = (0..bad).fold(WhiteList::new(NOW), |list, place| list.with(&format!("b{place}.fr"), "?"));
        (0..good).fold(list, |list, place| list.with(&format!("g{place}.fr"), "CN=a")).unsigned_xml()
    };
    assert_eq!(read_unsigned(&with_bad(10, 1)).unwrap().skipped_count(), 10);
    assert_eq!(read_unsigned(&with_bad(11, 539)).unwrap().skipped_count(), 11);
    assert!(format_error(with_bad(11, 538).as_bytes()).contains("11 of its 549 entries"));
    assert_eq!(read_unsigned(&with_bad(10, 0)).unwrap_err(), TrustListError::Empty);
}

#[test]
fn other_encodings_are_refused() {
    let xml = white_list().unsigned_xml();
    let units = || xml.encode_utf16();
    let little: Vec<u8> = [0xfeff].into_iter().chain(units()).flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = [0xfeff].into_iter().chain(units()).flat_map(u16::to_be_bytes).collect();
    assert!(format_error(&little).contains("UTF-16") && format_error(&big).contains("UTF-16"));
    assert!(!format_error(&units().flat_map(u16::to_le_bytes).collect::<Vec<_>>()).is_empty());
    let latin = xml.replace("UTF-8", "ISO-8859-1");
    assert!(format_error(latin.as_bytes()).contains("ISO-8859-1"));
    let octets: Vec<u8> = latin.replace("Domaine ", "\u{c9}").chars().map(|c| u8::try_from(c).unwrap()).collect();
    assert!(format_error(&octets).contains("UTF-8"));
    assert!(read_unsigned(&format!("\u{feff}{}", xml.replace("UTF-8", "utf-8"))).is_ok());
}

/// XML makes one line end of two characters, before anything is signed or read.
#[test]
fn line_ends_of_two_characters_change_nothing() {
    assert_eq!(read(&signed().replace('\n', "\r\n")).unwrap().domain_count(), 3);
}

#[test]
fn a_list_that_is_cut_off_is_refused_wherever_it_was_cut() {
    let xml = signed();
    for cut in (0..xml.rfind('>').unwrap()).step_by(17) {
        assert!(read(&xml[..cut]).is_err(), "{cut}");
    }
    let xml = WhiteList::new(NOW).with("a.mssante.fr", "CN=a").unsigned_xml();
    for cut in 0..xml.rfind('>').unwrap() {
        let supplied = xml[..cut].trim_end().ends_with("</ListeDomaines>");
        assert_eq!(read_unsigned(&xml[..cut]).is_ok(), supplied, "{cut}");
    }
}

/// The copy on the public page of the ANS lacks the signature and the end tag.
#[test]
fn only_the_end_tag_that_the_public_copy_lacks_is_supplied_and_only_without_a_signature() {
    let xml = white_list().unsigned_xml();
    let public = xml.strip_suffix("</ListeBlancheMSSante>").unwrap();
    let sha256 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public.as_bytes()).as_ref().try_into().unwrap();
    for policy in [SignaturePolicy::Off, SignaturePolicy::Digest { sha256 }] {
        assert_eq!(TrustList::read(public.as_bytes(), &policy, NOW).unwrap().domain_count(), 3);
    }
    assert!(matches!(read(public), Err(TrustListError::Format(_))));
    let signed = signed();
    let cut = signed.find("</ListeDomaines>").unwrap() + "</ListeDomaines>".len();
    assert!(matches!(read(&signed[..cut]), Err(TrustListError::Format(_))));
    assert!(refusal(&format!("{}</ListeBlancheMSSante>", &signed[..cut])).contains("not signed"));
}

#[test]
fn document_types_and_with_them_entities_are_refused_before_parsing() {
    for declaration in [
        "<!DOCTYPE ListeBlancheMSSante [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>",
        "<!DOCTYPE ListeBlancheMSSante SYSTEM \"http://127.0.0.1/x.dtd\">",
        "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>",
    ] {
        let xml = signed().replace("<ListeBlancheMSSante", &format!("{declaration}<ListeBlancheMSSante"));
        assert!(matches!(read(&xml), Err(TrustListError::Format(why)) if why.contains("DOCTYPE")));
    }
    let undeclared = white_list().unsigned_xml().replace("Domaine ", "&x;");
    assert!(read_unsigned(&undeclared).is_err());
}

#[test]
fn what_is_no_list_is_refused() {
    let deep = "<a>".repeat(200_000);
    let other_root = "<Liste xmlns=\"https://listeblanche.mssante.fr/schema\"/>";
    let other_namespace = white_list().unsigned_xml().replace("listeblanche.mssante.fr", "drim-m.mssante.fr");
    let two_dates = white_list().unsigned_xml().replace("<ListeDomaines>", "<DateDeGeneration/><ListeDomaines>");
    let no_date = white_list().unsigned_xml().replacen("2026-11-03T08:00:00Z", "hier", 1);
    for xml in ["", "<html>", "{}", &deep, other_root, &other_namespace, &two_dates, &no_date] {
        assert!(!format_error(xml.as_bytes()).is_empty());
    }
    assert!(format_error(b"<\xff>").contains("UTF-8"));
}

/// Each would cost a parser far more than it costs the sender.
#[test]
fn what_is_too_much_is_refused_before_it_is_parsed() {
    let huge = vec![b' '; 200 * 1024 * 1024];
    assert!(format_error(&huge).contains("octets"));
    assert!(format_error(&huge[..=TrustList::MAX_OCTETS]).contains("octets"));
    assert!(format_error(&b"<a/>".repeat(10_000_000)).contains("octets"));
    assert!(format_error(&b"<a/>".repeat(8_000_000)).contains("more elements"));
    let attributes = (0..500_000).fold("<a".to_owned(), |xml, place| xml + " a" + &place.to_string() + "=''");
    assert!(format_error((attributes + "/>").as_bytes()).contains("attributes"));
    assert!(format_error(b"<a b=\"\" c=\"\"/>".repeat(700_000).as_slice()).contains("attributes"));
    assert!(format_error("<a xmlns=''>".repeat(65).as_bytes()).contains("namespaces"));
}

#[test]
fn an_empty_list_is_refused() {
    let empty = WhiteList::new(NOW).unsigned_xml();
    assert_eq!(read_unsigned(&empty).unwrap_err(), TrustListError::Empty);
}

/// As many entries as the list of 2026 has.
#[test]
fn a_list_of_the_size_of_france_is_read() {
    let mut list = WhiteList::new(NOW);
    for place in 0..8_655 {
        let operator = place % 392;
        let name = format!("CN=smtp{operator}.exemple.fr,OU=3{operator:014},O=GROUPEMENT {operator},ST=Gard (30),C=FR");
        list = list.with(&format!("etablissement-{place}.mssante.fr"), &name);
    }
    let signer = ListSigner::new(issued()).unwrap();
    let xml = list.signed_xml(&signer, SignatureShape::XadesB).unwrap();
    assert_eq!(read(&xml).unwrap().domain_count(), 8_655);
}
