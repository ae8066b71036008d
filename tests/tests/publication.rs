//! What the national directory is told of our boxes, with the real binary and a directory of the documented shapes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{DOMAIN, Exit, NationalDirectory, PlainPostgres, Server, Site, http_get, wait_until};
use serde_json::Value;
use testkit::fhir::{Fault, Mail, organization, practitioner};

const PATIENCE: Duration = Duration::from_secs(30);
const RPPS: &str = "10003461033";
/// `1` and a FINESS number.
const STRUCTURE: &str = "1930100037";
/// The site's server runs and leaves publication to the commands.
const QUIET: &[(&str, &str)] = &[("PLI__PUBLICATION__TRANSPORT", "off")];

struct Bench {
    site: Site,
    directory: NationalDirectory,
    _server: Server,
}

impl Bench {
    fn new() -> Result<Self> {
        let site = Site::new()?;
        let directory = NationalDirectory::start(&site)?;
        directory.publish_from(&site, "")?;
        let server = site.serve(QUIET)?;
        Ok(Self { site, directory, _server: server })
    }

    /// One whose directory knows the doctor and the hospital.
    fn with_carriers() -> Result<Self> {
        let bench = Self::new()?;
        bench.directory.put(practitioner("003-1", RPPS, "SAUCIER", &[]));
        bench.directory.put(organization("001-1", &STRUCTURE[1..], "CH D'ESSAI", &[]));
        Ok(bench)
    }

    fn bal(&self, local_part: &str, arguments: &[&str]) -> Result<String> {
        let address = format!("{local_part}@{DOMAIN}");
        self.site.pli()?.args(["bal", "create", &address]).args(arguments).succeed()?;
        Ok(address)
    }

    fn pli(&self, arguments: &[&str]) -> Result<()> {
        self.site.pli()?.args(arguments).succeed().map(drop)
    }

    fn publication(&self, arguments: &[&str]) -> Result<Exit> {
        self.site.pli()?.args(["--json", "annuaire", "publication"]).args(arguments).run()
    }

    /// Tells what waits, which must work.
    fn run(&self) -> Result<Value> {
        let exit = self.publication(&["run"])?;
        ensure!(exit.code == Some(0), "{exit}");
        json(&exit)
    }

    /// What is said of one BAL.
    fn status(&self, address: &str) -> Result<Value> {
        let exit = self.publication(&["status", address])?;
        json(&exit)?["bals"][0].as_object().map(|bal| bal.clone().into()).with_context(|| exit.to_string())
    }

    fn ensure_state(&self, address: &str, state: &str) -> Result<Value> {
        let status = self.status(address)?;
        ensure!(status["state"] == state, "{address} is not {state}: {status}");
        Ok(status)
    }

    fn mails(&self) -> Vec<(String, Mail)> {
        self.directory.mails()
    }
}

fn json(exit: &Exit) -> Result<Value> {
    serde_json::from_str(&exit.stdout).with_context(|| exit.to_string())
}

const PERSONAL: &[&str] = &["--kind", "PER", "--rpps", RPPS];
const TEAM: &[&str] =
    &["--kind", "ORG", "--structure", STRUCTURE, "--responsible", "Durand", "--service", "Cardiologie"];

#[test]
fn boxes_are_published_changed_kept_off_lists_and_withdrawn() -> Result<()> {
    let bench = Bench::with_carriers()?;
    let doctor = bench.bal("arthur.o'saucier", PERSONAL)?;
    let team = bench.bal("cardiologie", TEAM)?;
    bench.ensure_state(&team, "waiting")?;
    let run = bench.run()?;
    ensure!(run["ended"]["published"] == 2, "{run}");
    let listed = Mail { unlisted: Some(false), ..Mail::new(&team, "ORG") };
    let (service, responsible) = (Some("Cardiologie".to_owned()), Some("Durand".to_owned()));
    let listed = Mail { service, responsible, ..listed };
    let personal = Mail { unlisted: Some(false), ..Mail::new(&doctor, "PER") };
    let told = [("Organization/001-1".to_owned(), listed.clone()), ("Practitioner/003-1".to_owned(), personal.clone())];
    ensure!(bench.mails() == told, "{:?}", bench.mails());
    ensure!(bench.ensure_state(&team, "published")?["directory_knows"] == "surely");

    let asked = bench.directory.requests().len();
    bench.run()?;
    ensure!(bench.directory.requests().len() == asked, "nothing to say, and something was said");

    bench.pli(&["bal", "edit", &team, "--description", "Secrétariat", "--service", ""])?;
    bench.pli(&["bal", "set-listing", &doctor, "unlisted"])?;
    bench.run()?;
    let edited = Mail { description: Some("Secrétariat".to_owned()), service: None, ..listed };
    let hidden = Mail { unlisted: Some(true), ..personal };
    let told = [("Organization/001-1".to_owned(), edited), ("Practitioner/003-1".to_owned(), hidden)];
    ensure!(bench.mails() == told, "{:?}", bench.mails());

    for address in [&doctor, &team] {
        bench.pli(&["bal", "close", address, "--reason", "fin d'essai"])?;
    }
    bench.run()?;
    ensure!(bench.mails().is_empty(), "{:?}", bench.mails());
    bench.ensure_state(&doctor, "withdrawn")?;
    bench.pli(&["bal", "reopen", &team, "--reason", "repris"])?;
    bench.run()?;
    ensure!(bench.mails().len() == 1, "{:?}", bench.mails());
    Ok(())
}

#[test]
fn a_box_that_was_published_by_other_means_is_taken_over_and_not_doubled() -> Result<()> {
    let bench = Bench::new()?;
    let old = Mail { description: Some("ancien".to_owned()), ..Mail::new(&format!("cardiologie@{DOMAIN}"), "ORG") };
    bench.directory.put(organization("001-1", &STRUCTURE[1..], "CH D'ESSAI", &[old]));
    bench.bal("cardiologie", TEAM)?;
    bench.run()?;
    let mails = bench.mails();
    ensure!(mails.len() == 1 && mails[0].1.service.as_deref() == Some("Cardiologie"), "{mails:?}");
    Ok(())
}

#[test]
fn what_is_not_taken_says_why_and_waits_for_a_person() -> Result<()> {
    let bench = Bench::new()?;
    let team = bench.bal("cardiologie", TEAM)?;
    let doctor = bench.bal("arthur.saucier", PERSONAL)?;
    let nameless = bench.bal("interne", &["--kind", "PER", "--structure", STRUCTURE, "--local-id", "M1234"])?;
    for id in ["003-1", "003-2"] {
        bench.directory.put(practitioner(id, RPPS, "SAUCIER", &[]));
    }
    let ended = bench.publication(&["run"])?;
    ensure!(ended.code == Some(1) && ended.stderr.contains("3 BALs are refused"), "somebody has to look: {ended}");
    let run = json(&ended)?;
    ensure!(run["ended"]["refused"] == 3, "{run}");
    for (address, words) in
        [(&team, "no structure"), (&doctor, "more than one professional"), (&nameless, "no RPPS number")]
    {
        let refused = bench.ensure_state(address, "refused")?;
        ensure!(refused["report"].as_str().is_some_and(|report| report.contains(words)), "{refused}");
    }
    let status = bench.publication(&["status"])?;
    ensure!(status.code == Some(1) && json(&status)?["states"]["refused"] == 3, "{status}");

    let asked = bench.directory.requests().len();
    bench.run()?;
    ensure!(bench.directory.requests().len() == asked, "what is refused is not asked for again by itself");
    bench.directory.put(organization("001-1", &STRUCTURE[1..], "CH D'ESSAI", &[]));
    let retried = json(&bench.publication(&["retry", &team])?)?;
    ensure!(retried["waiting_again"] == 1, "{retried}");
    bench.run()?;
    bench.ensure_state(&team, "published")?;
    bench.directory.put(organization("001-1", &STRUCTURE[1..], "CH D'ESSAI", &[]));
    ensure!(bench.mails().is_empty(), "the directory has lost it");
    bench.publication(&["retry", &team])?;
    bench.run()?;
    ensure!(bench.mails().len() == 1, "whoever names a box wants it told again: {:?}", bench.mails());
    let nobody = bench.publication(&["retry", &format!("personne@{DOMAIN}")])?;
    ensure!(nobody.code == Some(1) && nobody.stderr.contains("there is no BAL"), "{nobody}");
    Ok(())
}

#[test]
fn passing_trouble_is_waited_out_and_a_wrong_key_stops_everything() -> Result<()> {
    let bench = Bench::with_carriers()?;
    let team = bench.bal("cardiologie", TEAM)?;
    for (fault, words) in
        [(Fault::Status(503), "status 503"), (Fault::TooMany(600), "status 429"), (Fault::Status(500), "status 500")]
    {
        bench.directory.fail_next(fault);
        let run = bench.publication(&["run"])?;
        ensure!(run.code == Some(1) && run.stderr.contains(words), "a run in which every call failed failed: {run}");
        ensure!(run.stderr.contains("publication.url"), "what to do: {run}");
        let waiting = bench.ensure_state(&team, "waiting")?;
        ensure!(waiting["report"].as_str().is_some_and(|report| report.contains(words)), "{waiting}");
        ensure!(waiting["due_at"].as_str() > waiting["reported_at"].as_str(), "{waiting}");
        bench.publication(&["retry"])?;
    }
    bench.directory.fail(Some(Fault::Status(501)));
    let closed = bench.publication(&["run"])?;
    ensure!(closed.code == Some(1) && closed.stderr.contains("takes no FHIR Patch"), "{closed}");
    ensure!(bench.ensure_state(&team, "waiting")?["attempts"] == 0, "nothing that a box could wait out");
    bench.directory.fail(Some(Fault::Status(401)));
    let refused = bench.publication(&["run"])?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("publication.key_file"), "{refused}");
    let waiting = bench.ensure_state(&team, "waiting")?;
    ensure!(waiting["attempts"] == 0, "a wrong key is not the box's fault: {waiting}");
    let status = json(&bench.publication(&["status"])?)?;
    ensure!(status["last_error"].as_str().is_some_and(|error| error.contains("publication.key_file")), "{status}");
    ensure!(bench.mails().is_empty());
    bench.directory.fail(None);
    bench.run()?;
    bench.ensure_state(&team, "published")?;
    Ok(())
}

#[test]
fn a_carrier_that_is_not_ours_to_change_keeps_nobody_else_waiting() -> Result<()> {
    let bench = Bench::with_carriers()?;
    let foreign = bench.bal("cardiologie", TEAM)?;
    let others = [bench.bal("urgences", TEAM)?, bench.bal("arthur.saucier", PERSONAL)?];
    bench.directory.fail_next(Fault::Status(403));
    let ended = bench.publication(&["run"])?;
    ensure!(ended.code == Some(1) && ended.stderr.contains("1 BAL is refused"), "{ended}");
    let run = json(&ended)?;
    ensure!(run["ended"]["refused"] == 1 && run["ended"]["published"] == 2, "{run}");
    let refused = bench.ensure_state(&foreign, "refused")?;
    ensure!(refused["report"].as_str().is_some_and(|report| report.contains("status 403")), "{refused}");
    for other in &others {
        bench.ensure_state(other, "published")?;
    }
    bench.publication(&["retry", &foreign])?;
    bench.run()?;
    bench.ensure_state(&foreign, "published")?;
    Ok(())
}

#[test]
fn a_key_that_may_change_nothing_is_told_from_a_carrier_that_is_not_ours() -> Result<()> {
    let bench = Bench::new()?;
    for number in ["930100037", "930100045", "930100052"] {
        bench.bal(
            &format!("service{number}"),
            &["--kind", "ORG", "--structure", &format!("1{number}"), "--responsible", "Durand"],
        )?;
    }
    bench.directory.fail(Some(Fault::Status(403)));
    let run = bench.publication(&["run"])?;
    ensure!(run.code == Some(1) && run.stderr.contains("publication.key_file"), "{run}");
    let status = json(&bench.publication(&["status"])?)?;
    ensure!(status["states"]["waiting"] == 3, "it is not the boxes' fault: {status}");
    Ok(())
}

#[test]
fn an_answer_that_is_lost_does_no_harm() -> Result<()> {
    let bench = Bench::with_carriers()?;
    let team = bench.bal("cardiologie", TEAM)?;
    bench.directory.fail_next(Fault::DoneWithoutAnswer);
    bench.publication(&["run"])?;
    ensure!(bench.ensure_state(&team, "waiting")?["directory_knows"] == "perhaps");
    ensure!(bench.mails().len() == 1, "it was done");
    bench.publication(&["retry"])?;
    bench.run()?;
    ensure!(bench.ensure_state(&team, "published")?["directory_knows"] == "surely");
    ensure!(bench.mails().len() == 1, "{:?}", bench.mails());

    bench.pli(&["bal", "edit", &team, "--description", "Secrétariat"])?;
    bench.directory.fail_next(Fault::DoneWithoutAnswer);
    bench.publication(&["run"])?;
    bench.pli(&["bal", "close", &team, "--reason", "fin"])?;
    bench.directory.fail_next(Fault::DoneWithoutAnswer);
    bench.publication(&["run"])?;
    bench.publication(&["retry"])?;
    bench.run()?;
    bench.ensure_state(&team, "withdrawn")?;
    ensure!(bench.mails().is_empty());
    Ok(())
}

#[test]
fn files_are_for_those_who_carry_them() -> Result<()> {
    let site = Site::new()?;
    let folder = site.folder().join("out");
    fs::create_dir(&folder)?;
    let out = folder.display().to_string();
    let server = site.serve(&[])?;
    let address = format!("cardiologie@{DOMAIN}");
    site.pli()?.args(["bal", "create", &address]).args(TEAM).succeed()?;
    let run = |site: &Site| {
        let settings = [("PLI__PUBLICATION__TRANSPORT", "file"), ("PLI__PUBLICATION__FOLDER", out.as_str())];
        let program = site.pli()?.args(["--json", "annuaire", "publication", "run"]);
        settings.iter().fold(program, |program, (name, value)| program.env(name, value)).run()
    };
    let off = site.pli()?.args(["annuaire", "publication", "run"]).run()?;
    ensure!(off.code == Some(1) && off.stderr.contains("publication.transport"), "{off}");
    let first = run(&site)?;
    ensure!(json(&first)?["ended"]["handed over"] == 1, "{first}");
    site.pli()?.args(["bal", "close", &address, "--reason", "fin"]).succeed()?;
    run(&site)?;
    run(&site)?;
    let mut files: Vec<_> = fs::read_dir(&folder)?.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    for file in &files {
        let of_others = fs::metadata(file)?.permissions().mode() % 8;
        ensure!(of_others == 0, "it names the liste rouge: {}", file.display());
    }
    files.sort();
    ensure!(files.len() == 2, "{files:?}");
    let lines: Vec<Value> =
        files.iter().map(|file| Ok(serde_json::from_str(&fs::read_to_string(file)?)?)).collect::<Result<_>>()?;
    let operations: Vec<_> = lines.iter().map(|line| line["operation"].as_str()).collect();
    ensure!(operations == [Some("insert"), Some("delete")], "in the order in which they count: {lines:?}");
    ensure!(lines[0]["adresse"] == address.as_str() && lines[0]["identifiant"] == STRUCTURE[1..], "{lines:?}");
    fs::remove_dir_all(&folder)?;
    site.pli()?.args(["bal", "reopen", &address, "--reason", "repris"]).succeed()?;
    let nowhere = run(&site)?;
    ensure!(nowhere.code == Some(1) && nowhere.stderr.contains("publication.folder"), "{nowhere}");
    drop(server);
    Ok(())
}

#[test]
fn what_was_only_handed_over_as_a_file_is_told_to_the_interface_that_is_set_later_and_back() -> Result<()> {
    let bench = Bench::with_carriers()?;
    let folder = bench.site.folder().join("out");
    fs::create_dir(&folder)?;
    let out = folder.display().to_string();
    let hand_over = || {
        let settings = [("PLI__PUBLICATION__TRANSPORT", "file"), ("PLI__PUBLICATION__FOLDER", out.as_str())];
        let program = bench.site.pli()?.args(["--json", "annuaire", "publication", "run"]);
        settings.iter().fold(program, |program, (name, value)| program.env(name, value)).succeed()
    };
    let files = || -> Result<usize> { Ok(fs::read_dir(&folder)?.count()) };
    let team = bench.bal("cardiologie", TEAM)?;
    let closed = bench.bal("archives", TEAM)?;
    hand_over()?;
    bench.ensure_state(&team, "handed over")?;
    ensure!(files()? == 1 && bench.mails().is_empty());
    bench.pli(&["bal", "close", &closed, "--reason", "fin"])?;

    bench.run()?;
    bench.ensure_state(&team, "published")?;
    bench.ensure_state(&closed, "withdrawn")?;
    ensure!(bench.mails().len() == 1, "{:?}", bench.mails());
    let asked = bench.directory.requests().len();
    bench.run()?;
    ensure!(bench.directory.requests().len() == asked, "it was told already");

    hand_over()?;
    bench.ensure_state(&team, "handed over")?;
    ensure!(files()? == 2, "the folder is told of what the interface was told");
    Ok(())
}

#[test]
fn many_boxes_go_into_one_file_and_the_status_shows_the_first() -> Result<()> {
    const BOXES: usize = 25;
    let bench = Bench::new()?;
    let folder = bench.site.folder().join("out");
    fs::create_dir(&folder)?;
    for n in 0..BOXES {
        bench.bal(&format!("service{n:02}"), TEAM)?;
    }
    let some = json(&bench.publication(&["status", "--limit", "10"])?)?;
    ensure!(some["bals"].as_array().map(Vec::len) == Some(10) && some["left_out"] == BOXES - 10, "{some}");
    let plain = bench.site.pli()?.args(["annuaire", "publication", "status", "--limit", "10"]).succeed()?;
    ensure!(plain.contains("and 15 more"), "{plain}");
    let out = folder.display().to_string();
    let program = bench.site.pli()?.args(["--json", "annuaire", "publication", "run"]);
    program.env("PLI__PUBLICATION__TRANSPORT", "file").env("PLI__PUBLICATION__FOLDER", &out).succeed()?;
    let files: Vec<_> = fs::read_dir(&folder)?.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    ensure!(files.len() == 1 && fs::read_to_string(&files[0])?.lines().count() == BOXES, "{files:?}");
    let open = json(&bench.publication(&["status"])?)?;
    ensure!(open["bals"] == serde_json::json!([]) && open["states"]["handed over"] == BOXES, "{open}");
    let all = json(&bench.publication(&["status", "--all"])?)?;
    ensure!(all["bals"].as_array().map(Vec::len) == Some(BOXES) && all["left_out"] == 0, "{all}");
    Ok(())
}

/// What a lease of a process that died takes to run out, for a test that does not wait for it.
const MINUTES_PASS: &str = "update source set next_attempt = next_attempt - interval '3 minutes',
                                leased_until = leased_until - interval '3 minutes' where kind = 'publication';
                            update publication set due_at = due_at - interval '3 minutes' where state = 'waiting'";

#[test]
fn what_a_node_that_died_had_begun_another_one_ends_by_itself_when_its_lease_is_over() -> Result<()> {
    let database = PlainPostgres::start()?;
    let site = Site::new()?;
    let directory = NationalDirectory::start(&site)?;
    directory.publish_from(&site, "interval = \"1s\"")?;
    directory.put(organization("001-1", &STRUCTURE[1..], "CH D'ESSAI", &[]));
    let shared = [("PLI__DATABASE__URL", database.url())];
    let pli = |arguments: &[&str]| site.pli()?.args(arguments).env("PLI__DATABASE__URL", database.url()).run();
    let server = site.serve(&shared)?;
    directory.fail(Some(Fault::Silence));
    let address = format!("urgences@{DOMAIN}");
    let created = pli(&[&["bal", "create", &address], TEAM].concat())?;
    ensure!(created.code == Some(0), "{created}");
    ensure!(wait_until(PATIENCE, || !directory.requests().is_empty()), "the directory is not asked");
    server.kill()?;
    directory.fail(None);
    let asked = directory.requests().len();

    let busy = pli(&["annuaire", "publication", "run"])?;
    ensure!(busy.code == Some(1) && busy.stderr.contains("another process tells the directory now"), "{busy}");
    let _successor = site.serve(&shared)?;
    std::thread::sleep(Duration::from_secs(2));
    ensure!(directory.requests().len() == asked, "the lease of the dead still runs");
    database.sql(MINUTES_PASS)?;
    // The successor sleeps at most half a minute, whatever it thinks when the next run is due.
    ensure!(wait_until(2 * PATIENCE, || directory.mails().len() == 1), "nobody took it over");
    let stands = || pli(&["--json", "annuaire", "publication", "status", &address]);
    ensure!(wait_until(PATIENCE, || stands().is_ok_and(|exit| exit.stdout.contains("\"published\""))), "{}", stands()?);
    Ok(())
}

#[test]
fn a_server_tells_the_directory_by_itself() -> Result<()> {
    let site = Site::new()?;
    let directory = NationalDirectory::start(&site)?;
    directory.publish_from(&site, "interval = \"1s\"")?;
    directory.put(organization("001-1", &STRUCTURE[1..], "CH D'ESSAI", &[]));
    let server = site.serve(&[])?;
    let create = |local_part: &str| {
        let address = format!("{local_part}@{DOMAIN}");
        site.pli()?.args(["bal", "create", &address]).args(TEAM).succeed()
    };
    create("cardiologie")?;
    ensure!(wait_until(PATIENCE, || directory.mails().len() == 1), "nothing is published by itself");
    let metrics = || http_get(site.operator.http_port, "/metrics").map(|(_, page)| page).unwrap_or_default();
    let published = || metrics().lines().any(|line| line == "pli_publications{state=\"published\"} 1");
    ensure!(wait_until(PATIENCE, published), "{}", metrics());
    ensure!(!server.log().contains("cle-d-essai"), "the key is in the log");
    Ok(())
}
