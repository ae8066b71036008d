//! The directory by the interface of the national one, with the real binary: everything, updates, and every trouble.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::{Exit, NationalDirectory, Server, Site, wait_until};
use serde_json::Value;
use testkit::fhir::{Fault, Mail, organization, practitioner, role};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const PATIENCE: Duration = Duration::from_mins(1);
/// The site's server runs and leaves the directory to the commands.
const QUIET: &[(&str, &str)] = &[("PLI__ANNUAIRE__FHIR__URL", "")];

struct Bench {
    site: Site,
    national: NationalDirectory,
    _server: Server,
}

impl Bench {
    fn new() -> Result<Self> {
        let site = Site::new()?;
        let national = NationalDirectory::start(&site)?;
        national.feed(&site, "")?;
        let server = site.serve(QUIET)?;
        Ok(Self { site, national, _server: server })
    }

    fn refresh(&self) -> Result<Exit> {
        self.site.pli()?.args(["--json", "annuaire", "refresh"]).run()
    }

    /// Asks the national directory, which must work; what became of it.
    fn refreshed(&self) -> Result<Value> {
        let exit = self.refresh()?;
        ensure!(exit.code == Some(0), "{exit}");
        Ok(json(&exit)?[0]["result"].clone())
    }

    /// Asks the national directory, which must fail with these words, and sees that nothing else changed.
    fn fails(&self, fault: Fault, words: &str) -> Result<()> {
        let before = self.status()?["in_force"]["version"].clone();
        self.national.fail(Some(fault));
        let exit = self.refresh()?;
        self.national.fail(None);
        let text = json(&exit)?[0]["text"].as_str().unwrap_or_default().to_owned();
        ensure!(exit.code == Some(1) && text.contains(words), "{fault:?}: {exit}");
        let status = self.status()?;
        ensure!(status["in_force"]["version"] == before, "{fault:?}: {status}");
        ensure!(status.to_string().contains(words), "{fault:?} is not in the status: {status}");
        Ok(())
    }

    fn status(&self) -> Result<Value> {
        json(&self.site.pli()?.args(["--json", "annuaire", "status"]).run()?)
    }

    fn knows(&self, address: &str) -> Result<bool> {
        Ok(self.site.pli()?.args(["--json", "annuaire", "show", address]).run()?.code == Some(0))
    }
}

fn json(exit: &Exit) -> Result<Value> {
    serde_json::from_str(&exit.stdout).with_context(|| exit.to_string())
}

fn rpps(n: u32) -> String {
    format!("100034{n:05}")
}

/// This many doctors with a BAL each, a hospital with a team's, and the first doctor's BAL there.
fn populate(national: &NationalDirectory, doctors: u32) {
    for n in 0..doctors {
        let mail = Mail::new(&format!("dr{n}@medecin.mssante.fr"), "PER");
        national.put(practitioner(&format!("003-{n}"), &rpps(n), &format!("SAUCIER{n}"), &[mail]));
    }
    let team = Mail { service: Some("Cardiologie".to_owned()), ..Mail::new("cardio@ch-test.mssante.fr", "ORG") };
    let hidden = Mail { unlisted: Some(true), ..Mail::new("rouge@ch-test.mssante.fr", "ORG") };
    national.put(organization("001-1", "930100037", "CH D'ESSAI", &[team, hidden]));
    national.put(role("005-1", "003-0", "001-1", &[Mail::new("dr0@ch-test.mssante.fr", "PER")]));
}

#[test]
fn everything_is_read_page_by_page_and_then_only_what_was_updated() -> Result<()> {
    let bench = Bench::new()?;
    populate(&bench.national, 120);
    let first = bench.refreshed()?;
    ensure!(first["report"]["added"] == 122, "{first}");
    for (address, known) in [
        ("dr119@medecin.mssante.fr", true),
        ("dr0@ch-test.mssante.fr", true),
        ("cardio@ch-test.mssante.fr", true),
        ("rouge@ch-test.mssante.fr", false),
        ("direction@hopital-exemple.fr", false),
    ] {
        ensure!(bench.knows(address)? == known, "{address}");
    }
    let found = bench.site.pli()?.args(["--json", "annuaire", "search", "saucier0 medecin"]).succeed()?;
    ensure!(found.contains("dr0@ch-test.mssante.fr"), "{found}");
    let status = bench.status()?;
    ensure!(status["in_force"]["kind"] == "fhir" && status["in_force"]["origin"] == "api", "{status}");

    let asked = bench.national.requests().len();
    let same = bench.refreshed()?;
    let asked = bench.national.requests().split_off(asked);
    ensure!(asked.iter().all(|request| request.path.contains("_lastUpdated=ge")), "{asked:?}");
    ensure!(asked.len() == 3, "nothing was updated: {same}");

    bench.national.set_updated("2999-01-01T00:00:00Z");
    let moved = Mail::new("nouvelle@medecin.mssante.fr", "PER");
    bench.national.put(practitioner("003-1", &rpps(1), "SAUCIER1", &[moved]));
    let gone = practitioner("003-2", &rpps(2), "SAUCIER2", &[]);
    bench.national.put(gone);
    let second = bench.refreshed()?;
    ensure!(second["report"]["added"] == 1 && second["report"]["removed"] == 2, "{second}");
    for (address, known) in [
        ("nouvelle@medecin.mssante.fr", true),
        ("dr1@medecin.mssante.fr", false),
        ("dr2@medecin.mssante.fr", false),
        ("dr3@medecin.mssante.fr", true),
        ("dr0@ch-test.mssante.fr", true),
    ] {
        ensure!(bench.knows(address)? == known, "{address}");
    }
    Ok(())
}

#[test]
fn calls_keep_the_pace_that_is_set() -> Result<()> {
    let site = Site::new()?;
    let national = NationalDirectory::start(&site)?;
    national.feed(&site, "calls_per_second = 4")?;
    let bench = Bench { _server: site.serve(QUIET)?, site, national };
    populate(&bench.national, 600);
    let begun = Instant::now();
    let first = bench.refreshed()?;
    ensure!(first["report"]["added"] == 602, "{first}");
    let calls = bench.national.requests().len();
    ensure!(calls >= 14, "fifty resources on a page: {calls}");
    ensure!(begun.elapsed() >= Duration::from_secs(3), "{calls} calls in {:?}", begun.elapsed());
    // One at the beginning and one at the end of a second.
    ensure!(bench.national.most_in_a_second() <= 5, "{}", bench.national.most_in_a_second());
    Ok(())
}

#[test]
fn a_directory_without_updates_is_confirmed_and_is_asked_from_there() -> Result<()> {
    let bench = Bench::new()?;
    populate(&bench.national, 3);
    bench.refreshed()?;
    let since = || -> Result<OffsetDateTime> {
        let asked = bench.national.requests().pop().context("nothing was asked")?;
        let (_, since) = asked.path.split_once("_lastUpdated=ge").with_context(|| asked.path.clone())?;
        let since = since.split('&').next().unwrap_or_default().replace("%3A", ":");
        Ok(OffsetDateTime::parse(&since, &Rfc3339)?)
    };
    let mut windows = Vec::new();
    for _ in 0..3 {
        // The interface is asked for whole seconds.
        std::thread::sleep(Duration::from_millis(1_100));
        ensure!(bench.refreshed()?["outcome"] == "confirmed");
        windows.push(since()?);
    }
    ensure!(windows.is_sorted_by(|a, b| a < b), "what was asked for already is asked for again: {windows:?}");
    let in_force = bench.status()?["in_force"].clone();
    let moment =
        |key: &str| Ok::<_, anyhow::Error>(OffsetDateTime::parse(in_force[key].as_str().unwrap_or(""), &Rfc3339)?);
    ensure!(moment("confirmed_at")? > moment("generated_at")?, "{in_force}");
    Ok(())
}

#[test]
fn an_import_of_activities_does_not_make_the_next_refresh_a_full_one() -> Result<()> {
    let bench = Bench::new()?;
    populate(&bench.national, 20);
    bench.refreshed()?;
    let file = bench.site.folder().join("PS_LibreAcces_Personne_activite_202611010000.txt");
    std::fs::write(&file, activities(1))?;
    bench.site.pli()?.args(["annuaire", "import", &file.display().to_string()]).succeed()?;
    ensure!(bench.status()?["in_force"]["kind"] == "activities");
    let asked = bench.national.requests().len();
    bench.national.set_updated("2999-01-01T00:00:00Z");
    bench.national.put(practitioner("003-2", &rpps(2), "SAUCIER2", &[]));
    let second = bench.refreshed()?;
    let asked = bench.national.requests().split_off(asked);
    ensure!(asked.iter().all(|request| request.path.contains("_lastUpdated=ge")), "{asked:?}");
    ensure!(second["report"]["removed"] == 1 && second["report"]["counts"]["activities"] == 1, "{second}");
    Ok(())
}

/// Where the doctor of this number practises.
fn activities(n: u32) -> String {
    let rpps = rpps(n);
    format!(
        "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code profession|Libellé profession|\
         Code savoir-faire|Libellé savoir-faire|Numéro SIRET site|Numéro FINESS site|Raison sociale site|\
         Enseigne commerciale site|Numéro Voie (coord. structure)|Libellé Voie (coord. structure)|\
         Code postal (coord. structure)|Libellé commune (coord. structure)\r\n\
         8|{rpps}|8{rpps}|10|Médecin|SM26|Médecine générale|||MAISON DE SANTE||9|DE LA GARE|29200|BREST\r\n"
    )
}

#[test]
fn whatever_the_interface_does_the_directory_in_force_stays_and_the_status_says_why() -> Result<()> {
    let bench = Bench::new()?;
    populate(&bench.national, 60);
    bench.refreshed()?;
    bench.fails(Fault::Status(401), "annuaire.fhir.key_file")?;
    bench.fails(Fault::Status(403), "annuaire.fhir.key_file")?;
    bench.fails(Fault::Status(400), "refuses the search")?;
    bench.fails(Fault::TooMany(3600), "status 429")?;
    let source = bench.status()?["sources"][0].clone();
    let moment =
        |key: &str| Ok::<_, anyhow::Error>(OffsetDateTime::parse(source[key].as_str().unwrap_or(""), &Rfc3339)?);
    let pause = moment("next_attempt")? - moment("checked_at")?;
    ensure!(pause >= time::Duration::minutes(59), "it asked for silence for an hour: {source}");
    bench.fails(Fault::Circle, "seen before")?;
    bench.fails(Fault::Endless, "come to an end")?;
    bench.fails(Fault::Elsewhere, "leads elsewhere")?;
    ensure!(bench.knows("dr0@medecin.mssante.fr")?);
    Ok(())
}

#[test]
fn passing_trouble_is_waited_out_and_lasting_trouble_is_reported() -> Result<()> {
    let bench = Bench::new()?;
    populate(&bench.national, 60);
    for fault in [Fault::Status(503), Fault::Html] {
        bench.national.fail_next(fault);
    }
    let first = bench.refreshed()?;
    ensure!(first["report"]["added"] == 62, "{first}");
    ensure!(first["report"]["synchronised"]["last"]["retries"] == 2, "{first}");
    bench.national.fail_next(Fault::TooMany(1));
    bench.national.fail_next(Fault::HalfJson);
    bench.refreshed()?;
    Ok(())
}

#[test]
fn a_directory_that_lost_half_of_its_entries_waits() -> Result<()> {
    let site = Site::new()?;
    let national = NationalDirectory::start(&site)?;
    national.feed(&site, "")?;
    let bench = Bench { _server: site.serve(QUIET)?, site, national };
    populate(&bench.national, 20);
    bench.refreshed()?;
    bench.national.set_updated("2999-01-01T00:00:00Z");
    for n in 0..10 {
        bench.national.put(practitioner(&format!("003-{n}"), &rpps(n), "SAUCIER", &[]));
    }
    let exit = bench.refresh()?;
    ensure!(exit.code == Some(1) && exit.stdout.contains("annuaire acknowledge"), "{exit}");
    ensure!(exit.stderr.contains("waits for you") && !exit.stderr.contains("gave nothing"), "{exit}");
    ensure!(bench.knows("dr0@medecin.mssante.fr")?);
    let asked = bench.national.requests().len();
    let again = bench.refresh()?;
    ensure!(again.code == Some(1) && again.stderr.contains("waits for you"), "{again}");
    ensure!(bench.national.requests().len() == asked, "everything is asked for again while a person thinks");
    let status = bench.status()?;
    ensure!(status["sources"][0]["waits"].to_string().contains("is not asked before"), "{status}");
    bench.site.pli()?.args(["annuaire", "acknowledge", "--yes"]).succeed()?;
    ensure!(!bench.knows("dr0@medecin.mssante.fr")? && bench.knows("dr15@medecin.mssante.fr")?);
    Ok(())
}

#[test]
fn a_server_keeps_its_directory_up_to_date_by_itself() -> Result<()> {
    let site = Site::new()?;
    let national = NationalDirectory::start(&site)?;
    national.feed(&site, "refresh = \"1s\"")?;
    populate(&national, 3);
    let server = site.serve(&[])?;
    let knows = |address: &str| {
        let shown = site.pli().map(|pli| pli.args(["annuaire", "show", address]).run());
        shown.is_ok_and(|exit| exit.is_ok_and(|exit| exit.code == Some(0)))
    };
    ensure!(wait_until(PATIENCE, || knows("dr2@medecin.mssante.fr")), "{}", server.log());
    national.set_updated("2999-01-01T00:00:00Z");
    national.put(practitioner("003-9", &rpps(9), "SAUCIER9", &[Mail::new("dr9@medecin.mssante.fr", "PER")]));
    ensure!(wait_until(PATIENCE, || knows("dr9@medecin.mssante.fr")), "{}", server.log());
    ensure!(!server.log().contains("cle-d-essai"), "the key is in the log");
    Ok(())
}
