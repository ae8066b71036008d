//! Provisioning for administrators through the real binary: lists that office software wrote, kills, two at once.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{DOMAIN, Exit, Site, pli, wait_until};

const PATIENCE: Duration = Duration::from_mins(1);

fn list(site: &Site, octets: impl AsRef<[u8]>) -> Result<PathBuf> {
    let file = site.folder().join("list.csv");
    fs::write(&file, octets)?;
    Ok(file)
}

fn import(site: &Site, octets: impl AsRef<[u8]>, options: &[&str]) -> Result<Exit> {
    let file = list(site, octets)?;
    site.pli()?.args(["bal", "import", "--json"]).arg(file).args(options).run()
}

/// An import that goes on by itself.
fn begin_import(site: &Site, file: &Path, result: &Path) -> Result<Child> {
    let mut command = Command::new(pli()?);
    command.arg("--config").arg(&site.operator.config_file).args(["bal", "import"]).arg(file);
    command.arg("--result").arg(result).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.spawn()?)
}

fn done(exit: &Exit, what: &str) -> Result<u64> {
    let report: serde_json::Value = serde_json::from_str(&exit.stdout).with_context(|| exit.to_string())?;
    let found = if report["done"].is_null() { &report["plan"][what] } else { &report["done"][what] };
    found.as_u64().with_context(|| exit.to_string())
}

fn problems(exit: &Exit) -> Result<Vec<String>> {
    let report: serde_json::Value = serde_json::from_str(&exit.stdout).with_context(|| exit.to_string())?;
    let problems = report["plan"]["problems"].as_array().context("no problems")?;
    let text = |problem: &serde_json::Value| {
        format!(
            "{} {} {}",
            problem["line"],
            problem["column"].as_str().unwrap_or(""),
            problem["why"].as_str().unwrap_or("")
        )
    };
    Ok(problems.iter().map(text).collect())
}

fn bals(site: &Site) -> Result<Vec<serde_json::Value>> {
    Ok(serde_json::from_str(&site.pli()?.args(["bal", "list", "--json"]).succeed()?)?)
}

#[test]
fn lists_of_office_software_are_read_and_done_once() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve(&[])?;
    let bom = format!(
        "\u{feff}adresse;type;nom;structure;responsable\r\na@{DOMAIN};ORG;Hôpital;318751275100020;Durand\r\nb@{DOMAIN};CAB;;;\r\n"
    );
    let exit = import(&site, &bom, &[])?;
    ensure!(exit.code == Some(0) && done(&exit, "created")? == 2, "{exit}");
    let again = import(&site, &bom, &[])?;
    ensure!(done(&again, "unchanged")? == 2 && done(&again, "created")? == 0, "{again}");

    let mixed = format!("address,kind,name\rc@{DOMAIN},CAB,\"Durand, Marie\"\nd@{DOMAIN},CAB,x\r\n");
    let exit = import(&site, &mixed, &[])?;
    ensure!(exit.code == Some(0) && done(&exit, "created")? == 2, "{exit}");

    let mut latin = format!("address;kind;name\na@{DOMAIN};ORG;H").into_bytes();
    latin.extend([0xf4]);
    latin.extend(b"pital de jour\n");
    let exit = import(&site, &latin, &[])?;
    ensure!(exit.code == Some(0) && done(&exit, "updated")? == 1, "{exit}");
    let shown = site.pli()?.args(["bal", "show", &format!("a@{DOMAIN}"), "--json"]).succeed()?;
    ensure!(shown.contains("Hôpital de jour") && shown.contains("318751275100020"), "{shown}");

    let exported = site.pli()?.args(["bal", "export"]).succeed()?;
    let exit = import(&site, &exported, &[])?;
    ensure!(exit.code == Some(0) && done(&exit, "unchanged")? == 4, "an export comes back as it is: {exit}");
    let found = site.pli()?.args(["bal", "search", "hopital", "JOUR"]).succeed()?;
    ensure!(found.contains(&format!("a@{DOMAIN}")) && !found.contains(&format!("b@{DOMAIN}")), "{found}");
    Ok(())
}

#[test]
fn nothing_is_changed_until_every_line_is_right() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve(&[])?;
    import(&site, format!("address;kind\ntaken@{DOMAIN};CAB\n"), &[])?;
    site.pli()?.args(["bal", "alias", "add", &format!("taken@{DOMAIN}"), &format!("alias@{DOMAIN}")]).succeed()?;
    let mut text = "address;kind;rpps;structure\n".to_owned();
    text.extend((0..200).map(|n| format!("n{n}@{DOMAIN};CAB;;\n")));
    writeln!(text, "n7@{DOMAIN};CAB;;")?; // 202: twice
    writeln!(text, "taken@{DOMAIN};ORG;;318751275100020")?; // 203: another kind
    writeln!(text, "x@{DOMAIN};PER;1,00012E+10;")?; // 204: Excel
    text += "x@elsewhere.mssante.fr;CAB;;\n"; // 205
    writeln!(text, "alias@{DOMAIN};CAB;;")?; // 206
    for options in [&[][..], &["--dry-run"]] {
        let exit = import(&site, &text, options)?;
        let found = problems(&exit)?;
        ensure!(exit.code == Some(1) && found.len() == 5, "{exit}");
        for (problem, (line, word)) in found.iter().zip([
            (202, "line 9 already"),
            (203, "never changes"),
            (204, "format the column as text"),
            (205, "operator.domains"),
            (206, "alias of"),
        ]) {
            ensure!(problem.starts_with(&line.to_string()) && problem.contains(word), "{problem}");
        }
        ensure!(bals(&site)?.len() == 1, "something was created");
    }
    let result = site.folder().join("result.csv");
    let exit = import(&site, &text, &["--skip-invalid", "--result", &result.to_string_lossy()])?;
    ensure!(exit.code == Some(0) && done(&exit, "created")? == 200, "{exit}");
    let result = fs::read_to_string(result)?;
    ensure!(result.lines().count() == 206 && result.contains(&format!("n199@{DOMAIN};created")), "{result}");
    Ok(())
}

#[test]
fn three_wrong_lines_of_ten_thousand_are_told_and_nothing_is_changed() -> Result<()> {
    const LINES: usize = 10_000;
    let site = Site::new()?;
    let _server = site.serve(&[])?;
    let line = |n: usize| match n {
        17 => format!("n16@{DOMAIN};CAB;\n"),
        5000 => format!("n5000@{DOMAIN};XYZ;\n"),
        9999 => "n9999@elsewhere.mssante.fr;CAB;\n".to_owned(),
        n => format!("n{n}@{DOMAIN};CAB;Cabinet {n}\n"),
    };
    let text: String = std::iter::once("address;kind;name\n".to_owned()).chain((0..LINES).map(line)).collect();
    for (options, code) in [(&["--dry-run"][..], 1), (&[], 1), (&["--dry-run", "--skip-invalid"], 0)] {
        let exit = import(&site, &text, options)?;
        let found = problems(&exit)?;
        ensure!(exit.code == Some(code) && found.len() == 3 && done(&exit, "create")? == 9997, "{exit}");
        for (problem, (line, cure)) in found.iter().zip([
            (19, "take one of the two away"),
            (5002, "PER, ORG, APP, CAB"),
            (10_001, "operator.domains"),
        ]) {
            ensure!(problem.starts_with(&format!("{line} ")) && problem.contains(cure), "{problem}");
        }
        ensure!(bals(&site)?.is_empty(), "something was created");
    }
    Ok(())
}

#[test]
fn what_a_spreadsheet_would_carry_out_is_exported_as_text_and_comes_back() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve(&[])?;
    let formula = "=HYPERLINK(\"http://x.example\";\"clic\")";
    let (address, other) = (format!("a@{DOMAIN}"), format!("=1+1@{DOMAIN}"));
    site.pli()?.args(["bal", "create", &address, "--kind", "CAB", "--name", formula]).succeed()?;
    site.pli()?.args(["bal", "create", &other, "--kind", "CAB", "--name", "'+33 1"]).succeed()?;
    let exported = site.pli()?.args(["bal", "export"]).succeed()?;
    let carried_out = ["\n=", ";=", ";\"=", ";+", ";-", ";@"];
    ensure!(!carried_out.iter().any(|begin| exported.contains(begin)), "{exported}");
    ensure!(
        exported.contains("'=HYPERLINK") && exported.contains(&format!("'{other}")) && exported.contains("''+33 1"),
        "{exported}"
    );
    let exit = import(&site, &exported, &[])?;
    ensure!(exit.code == Some(0) && done(&exit, "unchanged")? == 2, "an export comes back as it is: {exit}");
    Ok(())
}

#[test]
fn files_that_are_no_lists_are_refused_in_one_sentence() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve(&[])?;
    for (octets, word) in [
        (&b""[..], "empty"),
        (b"PK\x03\x04xxxx", "spreadsheet"),
        (b"nom;prenom\nx;y\n", "no column address"),
        (b"address;kind;password\na@b.fr;CAB;secret\n", "--passwords"),
        (b"address;kind;name\na@b.fr;CAB;\"never closed\n\n\n", "quote"),
    ] {
        let exit = site.pli()?.args(["bal", "import"]).arg(list(&site, octets)?).run()?;
        ensure!(exit.code == Some(1) && exit.stderr.contains(word), "{exit}");
        ensure!(!exit.stderr.contains("secret") && !exit.stderr.contains("panicked"), "{exit}");
    }
    let template = site.pli()?.args(["bal", "import", "--template"]).succeed()?;
    ensure!(template.contains("address;kind;"), "{template}");
    Ok(())
}

#[test]
fn an_import_that_is_killed_is_gone_on_with() -> Result<()> {
    const LINES: usize = 3000;
    let site = Site::new()?;
    let _server = site.serve(&[])?;
    let mut text = "address;kind\n".to_owned();
    text.extend((0..LINES).map(|n| format!("n{n}@{DOMAIN};CAB\n")));
    let file = list(&site, &text)?;
    let result = site.folder().join("result.csv");
    let mut child = begin_import(&site, &file, &result)?;
    let begun = wait_until(PATIENCE, || fs::read_to_string(&result).is_ok_and(|text| text.lines().count() > 2));
    child.kill()?;
    child.wait()?;
    ensure!(begun, "the import did not begin");
    let before = bals(&site)?.len();
    let refused = site.pli()?.args(["bal", "import"]).arg(&file).arg("--result").arg(&result).run()?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("--resume"), "{refused}");
    let exit =
        site.pli()?.args(["bal", "import", "--json", "--resume"]).arg(&file).arg("--result").arg(&result).run()?;
    ensure!(exit.code == Some(0), "{exit}");
    let created = usize::try_from(done(&exit, "created")?)?;
    ensure!(before > 0 && created + before == LINES && bals(&site)?.len() == LINES, "{before} before, {exit}");
    site.wait_for_bals(LINES)?;
    Ok(())
}

#[test]
fn what_somebody_changes_while_a_list_is_done_stays_as_he_left_it() -> Result<()> {
    const LINES: usize = 3000;
    let site = Site::new()?;
    let _server = site.serve(&[])?;
    let text = |description: &str| {
        let line = |n| format!("n{n}@{DOMAIN};CAB;{description}\n");
        format!("address;kind;description\n{}", (0..LINES).map(line).collect::<String>())
    };
    let exit = import(&site, text("Accueil"), &[])?;
    ensure!(exit.code == Some(0), "{exit}");
    let file = list(&site, text("Urgences"))?;
    let result = site.folder().join("result.csv");
    let mut child = begin_import(&site, &file, &result)?;
    let signal = |name: &str| Command::new("kill").arg(name).arg(child.id().to_string()).status();
    let begun = wait_until(PATIENCE, || fs::read_to_string(&result).is_ok_and(|text| text.lines().count() > 2));
    // It stands still between two batches, or in one that is not the last.
    signal("-STOP")?;
    let last = format!("n{}@{DOMAIN}", LINES - 1);
    site.pli()?.args(["bal", "edit", &last, "--description", "Cardiologie"]).succeed()?;
    signal("-CONT")?;
    child.wait()?;
    ensure!(begun, "the import did not begin");
    let shown = site.pli()?.args(["bal", "show", &last, "--json"]).succeed()?;
    ensure!(shown.contains("Cardiologie"), "{shown}");
    let result = fs::read_to_string(&result)?;
    ensure!(result.matches(";updated;").count() == LINES - 1, "{result}");
    ensure!(result.contains(&format!("{last};refused;\"somebody changed this BAL")), "{result}");
    Ok(())
}

#[test]
fn no_cell_of_an_export_is_a_formula() -> Result<()> {
    let site = Site::new()?;
    let formula = "=HYPERLINK(A2;x)";
    site.pli()?.args(["bal", "create", &format!("a@{DOMAIN}"), "--kind", "CAB", "--description", formula]).succeed()?;
    let exported = site.pli()?.args(["bal", "export"]).succeed()?;
    ensure!(exported.contains(&format!("\"'{formula}\"")), "{exported}");
    let exit = import(&site, &exported, &[])?;
    ensure!(exit.code == Some(0) && done(&exit, "unchanged")? == 1, "an export comes back as it is: {exit}");
    Ok(())
}

#[test]
fn passwords_are_made_for_those_who_need_one_and_open_their_bals() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new()?;
    let _server = site.serve(&[])?;
    let file = site.folder().join("passwords.csv");
    let exit = import(
        &site,
        format!("address;kind\na@{DOMAIN};CAB\nb@{DOMAIN};CAB\n"),
        &["--passwords", &file.to_string_lossy()],
    )?;
    ensure!(exit.code == Some(0), "{exit}");
    ensure!(fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600, "others can read it");
    let text = fs::read_to_string(&file)?;
    ensure!(text.lines().count() == 2, "{text}");
    // An import that was cut off has kept a password for a BAL that it did not create: that one counts.
    let mut kept = fs::OpenOptions::new().append(true).open(&file)?;
    std::io::Write::write_all(&mut kept, format!("c@{DOMAIN};kept-by-the-first-one\n").as_bytes())?;
    let more = import(&site, format!("address;kind\nc@{DOMAIN};CAB\n"), &["--passwords", &file.to_string_lossy()])?;
    ensure!(more.code == Some(0) && done(&more, "created")? == 1, "{more}");
    let text = fs::read_to_string(&file)?;
    ensure!(text.lines().count() == 3 && text.contains(";kept-by-the-first-one"), "{text}");
    site.wait_for_bals(3)?;
    for line in text.lines() {
        let (address, password) = line.split_once(';').context("no password")?;
        ensure!(!exit.stdout.contains(password) && !exit.stderr.contains(password), "a password is printed");
        e2e::Mailbox::open(site.operator.imaps_port, site.tls(None)?, address, password)?;
    }
    Ok(())
}

#[test]
fn two_administrators_at_once_both_have_their_way() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve(&[])?;
    let address = format!("a@{DOMAIN}");
    import(&site, format!("address;kind\n{address};CAB\n"), &[])?;
    std::thread::scope(|scope| {
        let changes = [["--responsible", "Accueil"], ["--description", "Au rez-de-chaussée"], ["--name", "Cabinet"]];
        let edits: Vec<_> = changes
            .map(|change| {
                let (site, address) = (&site, &address);
                scope.spawn(move || site.pli()?.args(["bal", "edit", address]).args(change).succeed())
            })
            .into();
        edits.into_iter().try_for_each(|edit| edit.join().expect("an edit").map(drop))
    })?;
    let bal = &bals(&site)?[0];
    for (field, value) in
        [("responsible", "Accueil"), ("description", "Au rez-de-chaussée"), ("display_name", "Cabinet")]
    {
        ensure!(bal[field] == value, "{bal}");
    }
    Ok(())
}
