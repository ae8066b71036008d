//! Everything that makes a signature cover something else than what is read.

use testkit::list::WhiteList;

use super::{NOW, domain, read, read_unsigned, refusal, signed, signed_with_properties, white_list};

/// The document before its signature, the signature, and what follows.
fn parts(signed: &str) -> (&str, &str, &str) {
    let start = signed.find("<ds:Signature ").unwrap();
    let end = signed.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    (&signed[..start], &signed[start..end], &signed[end..])
}

/// Puts something into the signature, where the enveloped transform does not look.
fn with_object(signed: &str, content: &str) -> String {
    signed.replace("</ds:Signature>", &format!("<ds:Object>{content}</ds:Object></ds:Signature>"))
}

fn forged() -> String {
    WhiteList::new(NOW).with("evil.mssante.fr", "CN=evil").unsigned_xml()
}

/// Signature wrapping: the signed list moved below a forged one.
#[test]
fn a_signed_list_below_a_forged_root_is_refused() {
    let signed = signed();
    let (_, original) = signed.split_once("?>").unwrap();
    let forged = forged();
    let wrapped = forged.replace("</ListeBlancheMSSante>", &format!("{original}</ListeBlancheMSSante>"));
    assert!(refusal(&wrapped).contains("directly below the root"));

    let (before, signature, after) = parts(original);
    let forged = forged.strip_suffix("</ListeBlancheMSSante>").unwrap();
    let moved = with_object(&format!("{forged}{signature}</ListeBlancheMSSante>"), &format!("{before}{after}"));
    assert!(refusal(&moved).contains("digest"));
}

/// The same with a reference by Id, which finds the signed list wherever it was moved.
#[test]
fn a_signed_list_that_is_named_by_its_id_must_be_the_root() {
    let by_id = |text: &str| text.replace("URI=\"\"", "URI=\"#list\"");
    let named = signed().replace("<ListeBlancheMSSante", "<ListeBlancheMSSante Id=\"list\"");
    let (before, signature, after) = parts(named.split_once("?>").unwrap().1);
    let inner = format!("{before}{after}");
    let forged = forged();
    let forged = forged.strip_suffix("</ListeBlancheMSSante>").unwrap();
    let moved = with_object(&by_id(&format!("{forged}{signature}</ListeBlancheMSSante>")), &inner);
    assert!(refusal(&moved).contains("not the whole list"));
    let twins = moved.replacen("<ListeBlancheMSSante", "<ListeBlancheMSSante Id=\"list\"", 1);
    assert!(refusal(&twins).to_lowercase().contains("duplicate"), "{}", refusal(&twins));
    let another_case = moved.replacen("<ListeBlancheMSSante", "<ListeBlancheMSSante ID=\"list\"", 1);
    assert!(refusal(&another_case).to_lowercase().contains("duplicate"));
}

/// What stands inside the signature is not signed, and nobody reads it.
#[test]
fn a_list_inside_the_signature_is_not_read() {
    let forged = forged();
    let list = read(&with_object(&signed(), forged.split_once("?>").unwrap().1)).unwrap();
    assert_eq!(list.domain_count(), 3);
    assert!(!list.lists(&domain("evil.mssante.fr")));
}

#[test]
fn a_signature_that_stands_elsewhere_is_refused() {
    let signed = signed();
    let (before, signature, after) = parts(&signed);
    let inner = format!("{signature}    </ListeDomaines>\n");
    let moved = format!("{}{after}", before.replace("    </ListeDomaines>\n", &inner));
    assert!(refusal(&moved).contains("directly below the root"));
    let hidden =
        with_object(&format!("{before}<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>{after}"), "");
    assert!(refusal(&hidden).contains("SignedInfo"));
}

#[test]
fn moved_entries_and_additions_outside_the_signature_are_refused() {
    let signed = signed();
    let first = signed.find("        <Domaine>").unwrap();
    let second = first + signed[first + 1..].find("        <Domaine>").unwrap() + 1;
    let moved = signed
        .replacen(&signed[first..second], "", 1)
        .replace("    </ListeDomaines>", &format!("{}    </ListeDomaines>", &signed[first..second]));
    assert!(refusal(&moved).contains("digest"));
    let forged = forged();
    let domains = &forged[forged.find("<ListeDomaines>").unwrap()..forged.find("</ListeBlanche").unwrap()];
    for place in ["<ds:Signature ", "</ListeBlancheMSSante>", "<DateDeGeneration>"] {
        let added = signed.replacen(place, &format!("{domains}{place}"), 1);
        assert!(refusal(&added).contains("digest"), "{place}");
    }
}

#[test]
fn a_reference_to_a_part_of_the_list_or_to_something_else_is_refused() {
    let part = signed().replace("URI=\"\"", "URI=\"#part\"").replace("<ListeDomaines>", "<ListeDomaines Id=\"part\">");
    assert!(refusal(&part).contains("not the whole list"));
    for uri in [
        "http://127.0.0.1/x",
        "file:///etc/passwd",
        "list.xml",
        "cid:list",
        "#xpointer(/)",
        "#xpointer(id('part'))",
        "#",
        " ",
    ] {
        let xml = signed().replace("URI=\"\"", &format!("URI=\"{uri}\""));
        assert!(refusal(&xml).contains("not the whole list"), "{uri}");
    }
    assert!(refusal(&signed().replace("<ds:Reference URI=\"\">", "<ds:Reference>")).contains("no URI"));
}

#[test]
fn a_manifest_is_no_way_to_sign_the_list() {
    let manifest = "<ds:Manifest Id=\"manifest\"></ds:Manifest>";
    let xml = signed().replace("URI=\"\"", "URI=\"#manifest\" Type=\"http://www.w3.org/2000/09/xmldsig#Manifest\"");
    assert!(refusal(&with_object(&xml, manifest)).contains("not the whole list"));
}

#[test]
fn only_one_reference_to_the_list_is_accepted() {
    let signed = signed();
    let start = signed.find("<ds:Reference ").unwrap();
    let end = signed.find("</ds:Reference>").unwrap() + "</ds:Reference>".len();
    let reference = &signed[start..end];
    for count in [0, 2, 3] {
        let xml = signed.replace(reference, &reference.repeat(count));
        assert!(refusal(&xml).contains("one reference to the whole list"), "{count}");
    }
}

#[test]
fn a_second_signature_anywhere_is_refused() {
    let signed = signed();
    let (before, signature, after) = parts(&signed);
    for twice in [format!("{before}{signature}{signature}{after}"), with_object(&signed, signature)] {
        assert!(refusal(&twice).contains("more than one"));
    }
}

#[test]
fn weak_and_expressive_algorithms_are_refused() {
    const SIGNATURE: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
    const DIGEST: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
    const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
    for (allowed, other) in [
        (SIGNATURE, "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        (SIGNATURE, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1"),
        (SIGNATURE, "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"),
        (SIGNATURE, "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
        (SIGNATURE, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        (SIGNATURE, "http://www.w3.org/2007/05/xmldsig-more#ecdsa-sha3-256"),
        (DIGEST, "http://www.w3.org/2000/09/xmldsig#sha1"),
        (DIGEST, "http://www.w3.org/2001/04/xmldsig-more#md5"),
        (DIGEST, "http://www.w3.org/2001/04/xmldsig-more#sha224"),
        ("REC-xml-c14n-20010315", "REC-xml-c14n-20010315#WithComments"),
        ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"),
        ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11"),
        (ENVELOPED, "http://www.w3.org/2000/09/xmldsig#base64"),
        (ENVELOPED, "http://www.w3.org/TR/1999/REC-xpath-19991116"),
        (ENVELOPED, "http://www.w3.org/2002/06/xmldsig-filter2"),
        (ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        (ENVELOPED, "http://www.w3.org/2001/04/xmlenc#decryptXML"),
    ] {
        let why = refusal(&signed().replace(allowed, other));
        assert!(why.contains("not allowed") || why.contains("other transforms"), "{other}: {why}");
    }
}

#[test]
fn a_transform_more_or_in_another_order_is_refused() {
    let signed = signed();
    let start = signed.find("<ds:Transform ").unwrap();
    let end = signed.find("</ds:Transforms>").unwrap();
    let transforms = &signed[start..end];
    let middle = transforms[1..].find("<ds:Transform ").unwrap() + 1;
    let (enveloped, canonical) = transforms.split_at(middle);
    for other in [
        format!("{canonical}{enveloped}"),
        format!("{enveloped}{enveloped}{canonical}"),
        format!("{enveloped}{canonical}{canonical}"),
        canonical.to_owned(),
        format!("{enveloped}<x/>{canonical}"),
        String::new(),
    ] {
        let why = refusal(&signed.replace(transforms, &other));
        assert!(why.contains("transforms"), "{other}: {why}");
    }
}

#[test]
fn a_canonical_form_has_no_parameters_but_prefixes_of_the_exclusive_one() {
    let xml = signed();
    let close = "</ds:CanonicalizationMethod>";
    for inside in [
        "<x/>",
        "<ds:XPath>1</ds:XPath>",
        "<e:InclusiveNamespaces xmlns:e=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"ds\"/>",
    ] {
        let why = refusal(&xml.replace(close, &format!("{inside}{close}")));
        assert!(why.contains("parameters that are not allowed"), "{inside}: {why}");
    }
}

/// Whoever hands in a list must not fill the log, nor write lines of his own into it.
#[test]
fn no_text_of_the_list_is_repeated_at_length_or_with_control_characters() {
    let long = format!("\u{202e}&#10;&#9;{}", "x".repeat(100_000));
    let plain = signed();
    for (what, xml) in [
        ("algorithm", plain.replace("http://www.w3.org/2001/04/xmlenc#sha256", &long)),
        ("reference", plain.replace("URI=\"\"", &format!("URI=\"{long}\""))),
        ("declaration", plain.replace("encoding=\"UTF-8\"", &format!("encoding=\"{}\"", "x".repeat(100_000)))),
    ] {
        let why = read(&xml).unwrap_err().to_string();
        assert!(why.chars().count() < 400, "{what}: {} characters", why.chars().count());
        assert!(!why.contains(|c: char| c.is_control() || c == '\u{202e}'), "{why}");
    }
    let dated = plain.replacen("<DateDeGeneration>", &format!("<DateDeGeneration>{long}"), 1);
    assert!(read_unsigned(&dated).unwrap_err().to_string().chars().count() < 400);
}

#[test]
fn two_elements_with_one_id_are_refused() {
    let xml = signed_with_properties();
    let twins = xml.replace("<ds:KeyInfo>", "<ds:KeyInfo Id=\"signed-properties\">");
    assert!(refusal(&twins).to_lowercase().contains("duplicate"), "{}", refusal(&twins));
}

/// Comments are not signed: they may be added by anyone and must not cut a value short.
#[test]
fn a_comment_inside_a_value_changes_nothing() {
    let commented = signed()
        .replace("ch-exemple", "ch-<!-- x -->exemple")
        .replace("<Nom>", "<Nom><!-- <Nom>evil.mssante.fr</Nom> -->")
        .replace("CN=a,OU", "CN=a<!--.evil-->,OU")
        .replace("2026-11-03T08:00:00Z</Date", "2026-11<!-- - -->-03T08:00:00Z</Date");
    let (list, plain) = (read(&commented).unwrap(), read(&signed()).unwrap());
    assert_eq!(list.generated_at(), plain.generated_at());
    for name in ["ch-exemple.mssante.fr", "pharmacie.mssante.fr", "interop-mssante.apicrypt.org"] {
        assert_eq!(list.names_of(&domain(name)), plain.names_of(&domain(name)), "{name}");
    }
    assert_eq!(list.domain_count(), 3);
}

/// A CDATA section is signed as the text that it stands for, and read as that text.
#[test]
fn a_cdata_section_is_the_text_in_it() {
    let list = read(&signed().replace("ch-exemple", "<![CDATA[ch-ex]]>emple")).unwrap();
    assert!(list.lists(&domain("ch-exemple.mssante.fr")));
}

/// Processing instructions are signed; inside a value they stand for nothing.
#[test]
fn processing_instructions_are_signed_and_no_part_of_a_value() {
    assert!(refusal(&signed().replace("<Nom>", "<Nom><?x y?>")).contains("digest"));
    assert!(refusal(&signed().replace("<ListeDomaines>", "<?x y?><ListeDomaines>")).contains("digest"));
    let xml = white_list().unsigned_xml();
    for inside in ["<?x y?>", "<b/>", "<Nom>evil.mssante.fr</Nom>"] {
        let list = read_unsigned(&xml.replacen("<Nom>", &format!("<Nom>{inside}"), 1)).unwrap();
        assert_eq!((list.domain_count(), list.skipped_count()), (2, 1), "{inside}");
    }
}

#[test]
fn changed_text_is_refused() {
    assert!(refusal(&signed().replace("CN=a,", "CN=z,")).contains("digest"));
    assert!(refusal(&signed().replacen("2026-11-03T08:00:00Z", "2027-11-03T08:00:00Z", 1)).contains("digest"));
    assert!(refusal(&signed().replacen("<Nom>", "<Nom> ", 1)).contains("digest"));
    assert!(refusal(&signed().replacen("<Nom>", "<Nom x=\"\">", 1)).contains("digest"));
}
