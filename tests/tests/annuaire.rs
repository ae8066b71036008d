//! The life of the directory, with the real binary, a real HTTPS server and a real database.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    DOMAIN, Exit, PEER, PEER2, PlainPostgres, Program, Server, Site, Wire, free_port_base, http_get, wait_until,
};
use mssante::Clock as _;
use serde_json::Value;
use testkit::clock::RealClock;
use testkit::http::Answer;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const PATIENCE: Duration = Duration::from_secs(30);

/// The date in the name of the extraction of so many days ago.
fn days_ago(days: i64) -> String {
    let at = RealClock.now() - time::Duration::days(days);
    format!("{:04}{:02}{:02}0012", at.year(), u8::from(at.month()), at.day())
}

const HEADER: &str = "Type de BAL|Adresse BAL|Type Identifiant PP|Identifiant PP|Identification nationale PP|\
    Type identifiant structure|Identification Structure|Service de rattachement|Civilité d'exercice|Nom d'exercice|\
    Prénom d'exercice|Catégorie profession|Libellé de catégorie profession|Code Profession|Libellé Profession|\
    Code savoir-faire|Libellé savoir-faire|Dématérialisation|Raison Sociale structure BAL|\
    Enseigne commerciale structure BAL|L2COMPLEMENTLOCALISATION structure BAL|L3COMPLEMENTDISTRIBUTION structure BAL|\
    L4NUMEROVOIE structure BAL|L4COMPLEMENTNUMEROVOIE structure BAL|NL4TYPEVOIE structure BAL|\
    L4LIBELLEVOIE structure BAL|L5LIEUDITMENTION structure BAL|L6LIGNEACHEMINEMENT structure BAL|\
    Code postal structure BAL|Département structure BAL|Pays structure BAL";

/// A doctor at Aulnay. His number is made from `n`.
fn doctor(n: usize, address: &str, family: &str) -> String {
    format!(
        "PER|{address}|8|1000{n:07}|81000{n:07}|1|930110069||DR|{family}|Anne|C|Civil|10|Médecin|SM54|Médecine \
         générale|O|CABINET {family}||||12||RUE|DE LA GARE||93600 AULNAY SOUS BOIS|93600|Seine-Saint-Denis|France"
    )
}

fn team(address: &str, service: &str) -> String {
    format!("ORG|{address}|||||318751275100020|{service}||||||||||N|CH D'ESSAI|||||||||75012 PARIS|75012|Paris|France")
}

/// Twenty doctors and a team of another operator.
fn people() -> Vec<String> {
    let mut lines: Vec<String> = (0..20).map(|n| doctor(n, &format!("dr{n}@{PEER}"), &format!("NOM{n}"))).collect();
    lines.push(doctor(20, &format!("anne.perin@{PEER}"), "PÉRIN"));
    lines.push(team(&format!("cardiologie@{PEER}"), "Service de cardiologie"));
    lines
}

fn text(lines: &[String]) -> String {
    lines.iter().fold(format!("{HEADER}\r\n"), |text, line| text + line + "\r\n")
}

fn text_name(days: i64) -> String {
    format!("Extraction_Correspondance_MSSante_{}.txt", days_ago(days))
}

fn zip_name(days: i64) -> String {
    format!("Extraction_Correspondance_MSSante_{}.zip", days_ago(days))
}

fn zipped(name: &str, octets: &[u8]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, SimpleFileOptions::default())?;
    zip.write_all(octets)?;
    Ok(zip.finish()?.into_inner())
}

fn extraction(days: i64, lines: &[String]) -> Result<Vec<u8>> {
    zipped(&text_name(days), text(lines).as_bytes())
}

/// Puts a file into the folder of a site.
fn put(site: &Site, name: &str, octets: impl AsRef<[u8]>) -> Result<String> {
    let file: PathBuf = site.folder().join(name);
    fs::write(&file, octets)?;
    Ok(file.display().to_string())
}

fn annuaire(site: &Site, arguments: &[&str]) -> Result<Program> {
    Ok(site.pli()?.args(["--json", "annuaire"]).args(arguments))
}

fn json(exit: &Exit) -> Result<Value> {
    serde_json::from_str(&exit.stdout).with_context(|| exit.to_string())
}

/// Runs a command, which must end with this code, and returns what it printed.
fn told(site: &Site, code: i32, arguments: &[&str]) -> Result<Value> {
    let exit = annuaire(site, arguments)?.run()?;
    ensure!(exit.code == Some(code), "{arguments:?}: {exit}");
    if exit.stdout.is_empty() { Ok(Value::Null) } else { json(&exit) }
}

/// The directory of the first day, imported from a text.
fn with_directory() -> Result<Site> {
    let site = Site::new()?;
    let file = put(&site, &text_name(4), text(&people()))?;
    let taken = told(&site, 0, &["import", &file])?;
    ensure!(taken["outcome"] == "in force" && taken["report"]["added"] == 22, "{taken}");
    Ok(site)
}

/// Which addresses a search finds, best first.
fn found(site: &Site, words: &str) -> Result<Vec<String>> {
    let exit = annuaire(site, &["search", words])?.run()?;
    ensure!(exit.code == Some(0) || exit.code == Some(1), "{exit}");
    let hits = json(&exit)?;
    let addresses = hits["answers"].as_array().context("no list")?.iter();
    Ok(addresses.filter_map(|hit| hit["entry"]["address"].as_str()).map(str::to_owned).collect())
}

fn version(site: &Site) -> Result<i64> {
    told(site, 0, &["status"])?["in_force"]["version"].as_i64().context("no version in force")
}

fn entries(port: u16) -> Option<u64> {
    let body = http_get(port, "/readyz").ok()?.1;
    serde_json::from_str::<Value>(&body).ok()?["annuaire_entries"].as_u64()
}

fn waits_for_entries(port: u16, count: u64) -> Result<()> {
    let held = wait_until(PATIENCE, || entries(port) == Some(count));
    ensure!(held, "{:?} entries and not {count}", entries(port));
    Ok(())
}

#[test]
fn an_extraction_is_imported_found_by_words_and_replaced_on_the_next_day() -> Result<()> {
    let site = with_directory()?;
    let perin = format!("anne.perin@{PEER}");
    for words in ["perin medecin aulnay", "Périn", "aulnay peri", "perrin aulnay"] {
        ensure!(found(&site, words)?.first() == Some(&perin), "{words}: {:?}", found(&site, words)?);
    }
    ensure!(found(&site, "cardiologie paris")? == [format!("cardiologie@{PEER}")]);
    ensure!(found(&site, "introuvable")?.is_empty());
    let shown = told(&site, 0, &["show", &perin.to_uppercase()])?;
    ensure!(shown["person"]["given_name"] == "Anne" && shown["structure"]["postcode"] == "93600", "{shown}");
    told(&site, 1, &["show", &format!("personne@{PEER}")])?;
    let table = site.pli()?.args(["annuaire", "search", "perin medecin aulnay", "--kind", "PER"]).succeed()?;
    ensure!(table.contains("PÉRIN") && table.contains("AULNAY SOUS BOIS") && table.contains(&perin), "{table}");
    ensure!(!table.contains("approximate"), "{table}");
    let mistyped = site.pli()?.args(["annuaire", "search", "prein medecin aulnay"]).succeed()?;
    ensure!(mistyped.contains(&perin) && mistyped.contains("approximate"), "{mistyped}");
    let mistyped = told(&site, 0, &["search", "prein medecin aulnay"])?;
    ensure!(mistyped["answers"][0]["approximate"] == true && mistyped["extent"] == "whole", "{mistyped}");

    let mut lines = people();
    lines.remove(0);
    lines[0] = doctor(1, &format!("dr1@{PEER}"), "AUTRENOM");
    lines.push(doctor(30, &format!("nouveau@{PEER}"), "NOUVEAU"));
    lines.push(lines[5].clone());
    lines.push("PER|trop|court".to_owned());
    lines.push(doctor(31, "pas une adresse", "PERSONNE"));
    let file = put(&site, &zip_name(3), extraction(3, &lines)?)?;
    let rejected = site.folder().join("rejected.tsv");
    let taken = told(&site, 0, &["import", &file, "--rejected", &rejected.display().to_string()])?;
    let report = &taken["report"];
    for (count, expected) in [("added", 1), ("changed", 1), ("removed", 1), ("duplicates", 1), ("rejected", 2)] {
        ensure!(report[count] == expected, "{count}: {taken}");
    }
    ensure!(report["rejections"]["fields"] == 1 && report["rejections"]["address"] == 1, "{taken}");
    let lines = fs::read_to_string(rejected)?;
    ensure!(lines.lines().count() == 2 && lines.starts_with("25\tfields\t"), "{lines}");
    ensure!(found(&site, "NOM0")?.iter().all(|address| !address.starts_with("dr0@")), "who left is not found");
    let status = told(&site, 0, &["status"])?;
    let yesterday = (RealClock.now() - time::Duration::days(4)).date().to_string();
    ensure!(status["in_force"]["generated_at"].to_string().contains(&yesterday), "by the clock of Paris: {status}");
    ensure!(status["versions"].as_array().is_some_and(|versions| versions.len() == 2), "{status}");
    let again = told(&site, 0, &["import", &file])?;
    ensure!(again["outcome"] == "confirmed" && version(&site)? == 2, "{again}");
    Ok(())
}

#[test]
fn what_is_only_tried_changes_nothing() -> Result<()> {
    let site = with_directory()?;
    let file = put(&site, &text_name(3), text(&people()[..21]))?;
    let tried = told(&site, 0, &["import", "--dry-run", &file])?;
    ensure!(tried["outcome"] == "tried" && tried["report"]["removed"] == 1, "{tried}");
    let short = put(&site, &text_name(3), text(&people()[..9]))?;
    told(&site, 1, &["import", "--dry-run", &short])?;
    ensure!(version(&site)? == 1, "nothing changed");
    Ok(())
}

#[test]
fn one_that_lost_too_many_waits_for_a_person() -> Result<()> {
    let site = with_directory()?;
    let short = put(&site, &text_name(3), text(&people()[..19]))?;
    let waits = told(&site, 1, &["import", &short])?;
    ensure!(waits["outcome"] == "pending" && waits["why"].to_string().contains("19 entries"), "{waits}");
    let status = told(&site, 0, &["status"])?;
    ensure!(status["in_force"]["version"] == 1 && status["pending"]["version"] == 2, "{status}");
    ensure!(!found(&site, "cardiologie")?.is_empty(), "the one in force stays");

    let refused = annuaire(&site, &["acknowledge", "7"])?.run()?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("removes 3"), "{refused}");
    told(&site, 0, &["acknowledge", "2"])?;
    ensure!(version(&site)? == 2 && found(&site, "cardiologie")?.is_empty());
    told(&site, 1, &["acknowledge", "--yes"])?;
    let shorter = put(&site, &text_name(2), text(&people()[..9]))?;
    told(&site, 0, &["import", "--acknowledge", &shorter])?;
    ensure!(told(&site, 0, &["status"])?["in_force"]["entries"] == 9);
    Ok(())
}

#[test]
fn whatever_is_wrong_with_a_file_the_directory_in_force_stays() -> Result<()> {
    let site = with_directory()?;
    let good = extraction(3, &people())?;
    let plain = text(&people());
    let (name, zip) = (text_name(3), zip_name(3));
    let latin1: Vec<u8> = plain.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    let bomb = zipped(&name, &vec![b'|'; 300 << 20])?;
    for (why, name, octets, reason) in [
        ("half a ZIP", &zip, good[..good.len() / 2].to_vec(), "zip"),
        ("a broken ZIP", &zip, broken(&good), "zip"),
        ("a bomb", &zip, bomb, "zip"),
        ("another header", &name, plain.replacen("Adresse BAL", "Courriel", 1).into_bytes(), "header"),
        ("another encoding", &name, latin1, "header"),
        ("half a text", &name, plain.as_bytes()[..plain.len() - 40].to_vec(), "torn"),
        ("no line", &name, format!("{HEADER}\r\n").into_bytes(), "empty"),
        ("nothing", &name, Vec::new(), "header"),
        ("lines of something else", &name, format!("{HEADER}\r\n{}", "a|b\r\n".repeat(50)).into_bytes(), "rejected"),
        ("older", &text_name(5), text(&people()[1..]).into_bytes(), "older"),
        ("of the future", &text_name(-5), text(&people()[1..]).into_bytes(), "future"),
    ] {
        let file = put(&site, name, octets)?;
        let refused = told(&site, 1, &["import", &file])?;
        ensure!(refused["outcome"] == "refused" && refused["reason"] == reason, "{why}: {refused}");
        ensure!(version(&site)? == 1, "{why}");
    }
    told(&site, 1, &["import", "/nowhere/extraction.zip"])?;
    ensure!(!found(&site, "perin")?.is_empty(), "and it can be searched");
    Ok(())
}

/// Twenty-two good lines, then lines that have too few fields: so many that the file is refused.
fn mostly_good(bad: usize) -> String {
    format!("{}{}", text(&people()), "a|b\r\n".repeat(bad))
}

#[test]
fn every_line_of_a_refused_import_is_listed() -> Result<()> {
    let site = with_directory()?;
    let file = put(&site, &text_name(3), mostly_good(30))?;
    let lines = site.folder().join("lines.tsv");
    let refused = told(&site, 1, &["import", &file, "--rejected", &lines.display().to_string()])?;
    ensure!(refused["reason"] == "rejected" && refused["rejected"] == 30, "{refused}");
    let written = fs::read_to_string(&lines)?;
    ensure!(written.lines().count() == 30 && written.starts_with("24\tfields\t"), "{written}");

    let listed = told(&site, 0, &["rejections", "--refused"])?;
    let numbers: Vec<_> = listed.as_array().context("no list")?.iter().map(|line| line["line"].as_u64()).collect();
    ensure!(numbers == (24..54).map(Some).collect::<Vec<_>>(), "{listed}");
    ensure!(listed[0]["reason"] == "fields" && listed[0]["detail"].is_string(), "{listed}");
    ensure!(told(&site, 0, &["rejections"])? == serde_json::json!([]), "those of the one in force are others");
    let status = told(&site, 0, &["status"])?;
    ensure!(status["refused"]["reason"] == "rejected" && status["refused"]["lines"] == 30, "{status}");
    let shown = site.pli()?.args(["annuaire", "status"]).run()?;
    ensure!(shown.stdout.contains("pli annuaire rejections --refused"), "{shown}");

    site.publisher().answer_extraction(Answer::file(&text_name(2), mostly_good(4)));
    refreshed(&site, 1)?;
    let listed = told(&site, 0, &["rejections", "--refused"])?;
    ensure!(listed.as_array().map(Vec::len) == Some(4), "those of a source as well: {listed}");
    Ok(())
}

#[test]
fn what_an_importer_that_was_killed_had_begun_another_one_ends_within_a_minute() -> Result<()> {
    let database = PlainPostgres::start()?;
    let site = Site::new()?;
    let publisher = site.publisher();
    let silent = Answer::Call(std::sync::Arc::new(|request| match request.method.as_str() {
        "HEAD" => Answer::file(&zip_name(4), ""),
        _ => Answer::Silence,
    }));
    publisher.answer_extraction(silent);
    let url = publisher.extraction_url();
    let server = site.serve(&[("PLI__DATABASE__URL", database.url()), ("PLI__ANNUAIRE__URL", &url)])?;
    ensure!(wait_until(PATIENCE, || publisher.extraction_hits("GET") == 1), "the source is not asked");
    server.kill()?;

    publisher.publish_extraction(&zip_name(4), extraction(4, &people())?);
    let refresh = || {
        let program = annuaire(&site, &["refresh"])?.env("PLI__DATABASE__URL", database.url());
        program.env("PLI__ANNUAIRE__URL", &url).run()
    };
    let busy = refresh()?;
    ensure!(busy.code == Some(1) && busy.stdout.contains("another process asks it now"), "{busy}");
    let taken = || refresh().is_ok_and(|exit| exit.code == Some(0) && exit.stdout.contains("in force"));
    ensure!(wait_until(2 * PATIENCE, taken), "the claim of the dead never ends: {}", refresh()?);
    Ok(())
}

/// A ZIP whose octets were changed on the way.
fn broken(zip: &[u8]) -> Vec<u8> {
    let mut octets = zip.to_vec();
    for octet in &mut octets[200..260] {
        *octet ^= 0xff;
    }
    octets
}

/// Asks the source now; its answer.
fn refreshed(site: &Site, code: i32) -> Result<Value> {
    let url = site.publisher().extraction_url();
    let exit = annuaire(site, &["refresh"])?.env("PLI__ANNUAIRE__URL", url).env("PLI__FETCH__TIMEOUT", "2s").run()?;
    ensure!(exit.code == Some(code), "{exit}");
    Ok(json(&exit)?[0].clone())
}

#[test]
fn a_source_is_asked_for_its_date_and_only_what_is_younger_is_fetched() -> Result<()> {
    let site = Site::new()?;
    let publisher = site.publisher();
    let hits = || (publisher.extraction_hits("HEAD"), publisher.extraction_hits("GET"));
    publisher.publish_extraction(&zip_name(4), extraction(4, &people())?);
    ensure!(refreshed(&site, 0)?["result"]["outcome"] == "in force" && hits() == (1, 1), "{:?}", hits());
    ensure!(refreshed(&site, 0)?["result"]["outcome"] == "confirmed" && hits() == (2, 1), "{:?}", hits());

    publisher.publish_extraction(&zip_name(3), extraction(3, &people()[1..])?);
    ensure!(refreshed(&site, 0)?["result"]["report"]["removed"] == 1 && hits() == (3, 2), "{:?}", hits());
    publisher.publish_extraction(&zip_name(4), extraction(4, &people())?);
    let older = refreshed(&site, 1)?;
    ensure!(older["result"]["reason"] == "older" && hits() == (4, 2), "{older} {:?}", hits());

    publisher.publish_extraction(&zip_name(2), extraction(2, &people()[..9])?);
    ensure!(refreshed(&site, 1)?["result"]["outcome"] == "pending" && hits() == (5, 3), "{:?}", hits());
    ensure!(
        refreshed(&site, 1)?["result"]["outcome"] == "pending" && hits() == (6, 3),
        "not fetched twice: {:?}",
        hits()
    );
    publisher.publish_extraction(&zip_name(3), extraction(3, &people()[1..])?);
    ensure!(refreshed(&site, 0)?["result"]["outcome"] == "confirmed", "its source went back");
    ensure!(told(&site, 0, &["status"])?["pending"].is_null(), "so nothing waits any more");
    Ok(())
}

#[test]
fn a_source_without_dates_is_asked_conditionally() -> Result<()> {
    let site = Site::new()?;
    let publisher = site.publisher();
    let page = |lines: &[String], tag: &str| testkit::http::Page::new(text(lines)).etag(format!("\"{tag}\""));
    publisher.answer_extraction(page(&people(), "1"));
    ensure!(refreshed(&site, 0)?["result"]["outcome"] == "in force");
    ensure!(publisher.extraction_confirmations() == 0);
    ensure!(refreshed(&site, 0)?["result"]["outcome"] == "confirmed");
    ensure!(
        publisher.extraction_confirmations() == 1 && publisher.extraction_hits("GET") == 2,
        "not answered with 304"
    );
    publisher.answer_extraction(page(&people()[1..], "2"));
    ensure!(refreshed(&site, 0)?["result"]["report"]["removed"] == 1);
    ensure!(publisher.extraction_confirmations() == 1 && publisher.extraction_hits("GET") == 3);
    Ok(())
}

#[test]
fn a_source_that_fails_leaves_the_directory_in_force() -> Result<()> {
    let site = Site::new()?;
    let publisher = site.publisher();
    publisher.publish_extraction(&zip_name(4), extraction(4, &people())?);
    refreshed(&site, 0)?;
    let good = extraction(3, &people())?;
    let half = Answer::Call(std::sync::Arc::new(move |request| match request.method.as_str() {
        "HEAD" => Answer::file(&zip_name(3), ""),
        _ => Answer::Truncated(testkit::http::Page::new(&good)),
    }));
    for (answer, word) in [
        (Answer::status(404), "the server answered 404"),
        (Answer::status(401), "wants a name and a password"),
        (Answer::status(403), "does not let us in"),
        (Answer::status(429), "asked too often"),
        (Answer::status(500), "the server answered 500"),
        (Answer::Silence, "no answer to HEAD within 2 s"),
        (half, "broke off"),
        (Answer::file(&zip_name(2), "PK"), "zip"),
    ] {
        publisher.answer_extraction(answer);
        let failed = refreshed(&site, 1)?;
        ensure!(failed["ok"] == false && failed.to_string().contains(word), "{word}: {failed}");
        let exit = annuaire(&site, &["status"])?.env("PLI__ANNUAIRE__URL", publisher.extraction_url()).run()?;
        let status = json(&exit)?;
        ensure!(status["in_force"]["version"] == 1, "{word}: {status}");
        ensure!(status["sources"][0]["last_error"].is_string(), "{word}: {status}");
    }
    ensure!(!found(&site, "perin")?.is_empty());
    Ok(())
}

fn served(site: &Site) -> Result<Server> {
    let url = site.publisher().extraction_url();
    site.serve(&[("PLI__ANNUAIRE__URL", &url), ("PLI__ANNUAIRE__REFRESH", "1s")])
}

#[test]
fn a_node_keeps_its_directory_current_and_over_a_restart() -> Result<()> {
    let site = Site::new()?;
    let publisher = site.publisher();
    publisher.publish_extraction(&zip_name(4), extraction(4, &people())?);
    let port = site.operator.http_port;
    let mut server = served(&site)?;
    waits_for_entries(port, 22)?;
    publisher.publish_extraction(&zip_name(3), extraction(3, &people()[1..])?);
    waits_for_entries(port, 21)?;
    let metrics = http_get(port, "/metrics")?.1;
    ensure!(metrics.lines().any(|line| line == "pli_annuaire_entries{kind=\"PER\"} 20"), "{metrics}");
    ensure!(
        metrics.contains("pli_annuaire_age_seconds") && metrics.contains("pli_annuaire_import_seconds"),
        "{metrics}"
    );
    let imported = put(&site, &text_name(2), text(&people()[2..]))?;
    told(&site, 0, &["import", &imported])?;
    waits_for_entries(port, 20)?;
    server.check_health()?;
    server.stop()?;

    publisher.answer_extraction(Answer::status(503));
    let mut server = served(&site)?;
    waits_for_entries(port, 20)?;
    let failed = || http_get(port, "/readyz").is_ok_and(|(_, body)| body.contains("the server answered 503"));
    ensure!(wait_until(PATIENCE, failed), "the failure is not shown: {:?}", http_get(port, "/readyz")?);
    let status = site.pli()?.arg("status").succeed()?;
    ensure!(status.contains("annuaire standing") && status.contains("fresh"), "{status}");
    server.check_health()
}

#[test]
fn of_two_nodes_one_imports_and_both_have_the_directory() -> Result<()> {
    let database = PlainPostgres::start()?;
    let site = Site::new()?;
    let publisher = site.publisher();
    publisher.publish_extraction(&zip_name(4), extraction(4, &people())?);
    let (url, base) = (publisher.extraction_url(), free_port_base()?);
    let address = |port: u16| format!("127.0.0.1:{}", base + port);
    let shared = [("PLI__DATABASE__URL", database.url()), ("PLI__ANNUAIRE__URL", url.as_str())];
    let ports = [25, 587, 465, 143, 993, 80].map(address);
    let names = [
        "PLI__HOP__LISTEN",
        "PLI__SUBMISSION__LISTEN_STARTTLS",
        "PLI__SUBMISSION__LISTEN_TLS",
        "PLI__IMAP__LISTEN_STARTTLS",
        "PLI__IMAP__LISTEN_TLS",
        "PLI__HTTP__LISTEN",
    ];
    let second: Vec<_> = shared.into_iter().chain(names.into_iter().zip(ports.iter().map(String::as_str))).collect();
    let _first = site.serve(&shared)?;
    let _second = site.start(&second)?;
    for port in [site.operator.http_port, base + 80] {
        waits_for_entries(port, 22)?;
    }
    ensure!(publisher.extraction_hits("GET") == 1, "fetched {} times", publisher.extraction_hits("GET"));
    Ok(())
}

#[test]
fn a_node_that_cannot_read_the_image_serves_and_imports_again() -> Result<()> {
    let database = PlainPostgres::start()?;
    let site = Site::new()?;
    let publisher = site.publisher();
    publisher.publish_extraction(&zip_name(4), extraction(4, &people())?);
    let url = publisher.extraction_url();
    let shared = [("PLI__DATABASE__URL", database.url()), ("PLI__ANNUAIRE__URL", url.as_str())];
    let port = site.operator.http_port;
    let mut server = site.serve(&shared)?;
    waits_for_entries(port, 22)?;
    server.stop()?;
    for damage in [
        "update annuaire_version set format = 0 where state = 'in force'",
        "update annuaire_chunk set data = overlay(data placing '\\x00000000' from 40)",
        "delete from annuaire_chunk",
    ] {
        database.sql(damage)?;
        let mut server = site.serve(&shared)?;
        waits_for_entries(port, 22).with_context(|| format!("{damage}: {}", server.log()))?;
        server.stop()?;
    }
    let versions = database.sql("select count(*) from annuaire_version where state = 'superseded'")?;
    ensure!(versions.trim() == "3", "{versions} versions were replaced");
    Ok(())
}

#[test]
fn our_own_bals_win_and_those_on_the_liste_rouge_never_show() -> Result<()> {
    let database = PlainPostgres::start()?;
    let site = Site::new()?;
    let run = |arguments: &[&str]| -> Result<Exit> {
        annuaire(&site, arguments)?.env("PLI__DATABASE__URL", database.url()).run()
    };
    let create = |address: &str, rest: &[&str]| -> Result<String> {
        let program = site.pli()?.env("PLI__DATABASE__URL", database.url()).args(["bal", "create", address]);
        program.args(rest).succeed()
    };
    let addresses = ["jeanne.perin", "rouge", "partie"].map(|local| format!("{local}@{DOMAIN}"));
    let [jeanne, rouge, partie] = &addresses;
    let mut lines = people();
    lines.extend([doctor(50, jeanne, "PÉRIN"), doctor(51, rouge, "ÉCARLATE"), doctor(52, partie, "PARTIE")]);
    let file = put(&site, &text_name(4), text(&lines))?;
    ensure!(run(&["import", &file])?.code == Some(0));
    create(jeanne, &["--kind", "PER", "--rpps", "10000000050"])?;
    create(rouge, &["--kind", "PER", "--rpps", "10000000051"])?;
    let service = format!("accueil@{DOMAIN}");
    create(
        &service,
        &[
            "--kind",
            "ORG",
            "--structure",
            "318751275100020",
            "--responsible",
            "Durand",
            "--name",
            "Accueil des urgences",
        ],
    )?;
    database.sql(&format!("update bal set listing = 'unlisted' where address = '{rouge}'"))?;

    let found = |words: &str| -> Result<String> { Ok(run(&["search", words])?.stdout) };
    ensure!(found("perin medecin aulnay")?.contains(jeanne), "what the store is silent on, the directory says");
    ensure!(found("accueil urgences")?.contains(&service), "BALs that no extraction has are found");
    ensure!(!found("partie")?.contains(partie), "an entry of ours without a BAL does not count");
    let nobody = format!("nobody@{DOMAIN}");
    let answer = |address: &str| -> Result<String> {
        let shown = run(&["show", address])?;
        Ok(format!("{:?} {} {}", shown.code, shown.stdout, shown.stderr).replace(address, "X"))
    };
    ensure!(answer(rouge)? == answer(&nobody)? && answer(partie)? == answer(&nobody)?, "{}", answer(rouge)?);
    ensure!(!found("ecarlate")?.contains(rouge) && !found("rouge")?.contains(rouge), "liste rouge");
    Ok(())
}

/// What submission answers to a recipient.
fn said_of(site: &Site, bal: &e2e::Bal, recipient: &str) -> Result<String> {
    let (login, password) = bal.credentials();
    let mut wire = Wire::submission(site.operator.submission_port, site.tls(None)?, login, password)?;
    wire.command(&format!("MAIL FROM:<{}>", bal.address), "250")?;
    wire.line(&format!("RCPT TO:<{recipient}>"))?;
    Ok(wire.reply()?.join("\n"))
}

#[test]
fn recipients_of_others_are_held_against_the_directory_while_it_is_fresh() -> Result<()> {
    let site = with_directory()?;
    let bal = site.create_bal("accueil")?;
    let enforce = ("PLI__ANNUAIRE__PEER_RECIPIENTS", "enforce");
    let (known, unknown) = (format!("dr7@{PEER}"), format!("personne@{PEER}"));
    let mut server = site.serve(&[enforce])?;
    let refused = || said_of(&site, &bal, &unknown).is_ok_and(|said| said.starts_with("550"));
    ensure!(wait_until(PATIENCE, refused), "{}", said_of(&site, &bal, &unknown)?);
    ensure!(said_of(&site, &bal, &known)?.starts_with("250"), "{}", said_of(&site, &bal, &known)?);
    let silent = said_of(&site, &bal, &format!("personne@{PEER2}"))?;
    ensure!(silent.starts_with("250"), "a domain that the directory does not have: {silent}");
    server.stop()?;
    let stale = ("PLI__ANNUAIRE__STALE_AFTER", "24h");
    let _server = site.serve(&[enforce, stale])?;
    waits_for_entries(site.operator.http_port, 22)?;
    let said = said_of(&site, &bal, &unknown)?;
    ensure!(said.starts_with("250"), "a stale directory refuses nobody: {said}");
    Ok(())
}

/// The columns of `PS_LibreAcces` that matter, and the place of one professional.
fn activities(n: usize) -> String {
    format!(
        "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code profession|Libellé profession|\
         Code savoir-faire|Libellé savoir-faire|Numéro SIRET site|Numéro FINESS site|Raison sociale site|\
         Enseigne commerciale site|Numéro Voie (coord. structure)|Libellé Voie (coord. structure)|\
         Code postal (coord. structure)|Libellé commune (coord. structure)\r\n\
         8|1000{n:07}|81000{n:07}|10|Médecin|SM26|Médecine générale|||MAISON DE SANTE||9|DE LA GARE|29200|BREST\r\n"
    )
}

#[test]
fn activities_complete_the_directory_and_stay_when_it_is_replaced() -> Result<()> {
    let site = Site::new()?;
    let early = put(&site, &format!("PS_LibreAcces_Personne_activite_{}.txt", days_ago(4)), activities(60))?;
    ensure!(told(&site, 1, &["import", &early])?["reason"] == "nothing-to-complete");
    let homeless =
        format!("PER|sans.lieu@{PEER}|8|10000000060|810000000060||||DR|LIEU|Sans|C|Civil|10|Médecin{}", "|".repeat(16));
    let lines: Vec<String> = people().into_iter().chain([homeless]).collect();
    let file = put(&site, &text_name(4), text(&lines))?;
    told(&site, 0, &["import", &file])?;
    let taken = told(&site, 0, &["import", &early])?;
    ensure!(taken["report"]["counts"]["activities"] == 1, "{taken}");
    let address = format!("sans.lieu@{PEER}");
    ensure!(found(&site, "lieu brest")? == [address.clone()], "{:?}", found(&site, "lieu brest")?);
    let next = put(&site, &text_name(3), text(&lines[1..]))?;
    let taken = told(&site, 0, &["import", &next])?;
    ensure!(taken["report"]["activities"]["source"] == early.as_str(), "{taken}");
    ensure!(found(&site, "lieu brest")? == [address]);
    Ok(())
}

#[test]
fn who_acknowledges_entries_that_waited_keeps_the_activities_that_came_meanwhile() -> Result<()> {
    let site = Site::new()?;
    let homeless =
        format!("PER|sans.lieu@{PEER}|8|10000000060|810000000060||||DR|LIEU|Sans|C|Civil|10|Médecin{}", "|".repeat(16));
    let lines: Vec<String> = std::iter::once(homeless).chain(people()).collect();
    told(&site, 0, &["import", &put(&site, &text_name(5), text(&lines))?])?;
    let of_day = |days| format!("PS_LibreAcces_Personne_activite_{}.txt", days_ago(days));
    told(&site, 0, &["import", &put(&site, &of_day(4), activities(60))?])?;
    told(&site, 1, &["import", &put(&site, &text_name(3), text(&lines[..12]))?])?;
    let moved = activities(60).replace("BREST", "QUIMPER");
    told(&site, 0, &["import", &put(&site, &of_day(2), moved)?])?;
    let pending = told(&site, 0, &["status"])?["pending"]["version"].clone();
    let taken = told(&site, 0, &["acknowledge", &pending.to_string()])?;
    ensure!(taken["report"]["counts"]["activities"] == 1, "{taken}");
    let status = told(&site, 0, &["status"])?;
    ensure!(status["in_force"]["entries"] == 12 && status["pending"].is_null(), "{status}");
    ensure!(found(&site, "lieu quimper")? == [format!("sans.lieu@{PEER}")], "the older activities are back");
    Ok(())
}

#[test]
fn a_report_that_cannot_be_read_lets_no_short_directory_pass() -> Result<()> {
    let database = PlainPostgres::start()?;
    let site = Site::new()?;
    let shared = [("PLI__DATABASE__URL", database.url())];
    let _server = site.serve(&shared)?;
    let import = |file: &str| annuaire(&site, &["import", file])?.env("PLI__DATABASE__URL", database.url()).run();
    import(&put(&site, &text_name(5), text(&people()))?)?;
    let short = put(&site, &text_name(3), text(&people()[..9]))?;
    for unreadable in ["{\"counts\": 7}", "{}"] {
        database.sql(&format!("update annuaire_version set report = '{unreadable}' where state = 'in force'"))?;
        let waits = json(&import(&short)?)?;
        ensure!(waits["outcome"] == "pending", "{unreadable}: {waits}");
        database.sql("update annuaire_version set state = 'withdrawn' where state = 'pending'")?;
    }
    Ok(())
}

#[test]
fn what_is_no_file_is_said_to_be_none() -> Result<()> {
    let site = with_directory()?;
    let pipe = site.folder().join("pipe");
    Program::new("mkfifo").args([pipe.display().to_string()]).succeed()?;
    let (folder, pipe) = (site.folder().display().to_string(), pipe.display().to_string());
    for (from, words) in [
        ("file:///var/lib/extraction.zip", "by its path and not by a URL: /var/lib/extraction.zip"),
        ("ftp://annuaire.test/extraction.zip", "only https:// URLs and paths"),
        (folder.as_str(), "it is a folder"),
        (pipe.as_str(), "it is a pipe"),
    ] {
        let refused = annuaire(&site, &["import", from])?.run()?;
        ensure!(refused.code == Some(1) && refused.stderr.contains(words), "{from}: {refused}");
    }
    Ok(())
}

#[test]
fn a_password_in_a_url_is_never_shown() -> Result<()> {
    let site = Site::new()?;
    let publisher = site.publisher();
    publisher.publish_extraction(&zip_name(4), extraction(4, &people())?);
    let url = publisher.extraction_url().replacen("https://", "https://lecteur:m0tdepasse@", 1);
    let run = |arguments: &[&str]| annuaire(&site, arguments)?.env("PLI__ANNUAIRE__URL", &url).run();
    for (answer, arguments) in [
        (None, ["refresh"].as_slice()),
        (None, &["refresh"]),
        (None, &["status"]),
        (None, &["import", &url]),
        (Some(Answer::status(500)), &["refresh"]),
        (None, &["import", &url]),
        (None, &["import", &url.replacen("https", "http", 1)]),
        (None, &["status"]),
    ] {
        if let Some(answer) = answer {
            publisher.answer_extraction(answer);
        }
        let exit = run(arguments)?;
        ensure!(!exit.to_string().contains("m0tdepasse"), "{exit}");
        // An import that works need not say where from.
        let says_where = arguments[0] != "import" || exit.code != Some(0);
        ensure!(!says_where || exit.to_string().contains("***@127.0.0.1"), "{arguments:?}: {exit}");
    }
    Ok(())
}

#[test]
fn a_site_without_a_directory_says_so_and_finds_its_own() -> Result<()> {
    let site = Site::new()?;
    let bal = site.create_bal("accueil")?;
    let status = annuaire(&site, &["status"])?.run()?;
    ensure!(status.code == Some(1) && json(&status)?["standing"] == "missing", "{status}");
    let search = annuaire(&site, &["search", "accueil"])?.run()?;
    ensure!(search.code == Some(0) && search.stdout.contains(&bal.address), "{search}");
    ensure!(search.stderr.contains("no directory is in force"), "{search}");
    let refresh = annuaire(&site, &["refresh"])?.run()?;
    ensure!(refresh.code == Some(3) && refresh.stderr.contains("annuaire.url"), "{refresh}");
    Ok(())
}
