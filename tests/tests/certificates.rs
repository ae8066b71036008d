//! `pli cert …` with the OpenSSL program as the other side.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{DOMAIN, Exit, Program, Site, wait_until};
use mssante::Clock as _;
use serde_json::Value;
use testkit::clock::RealClock;
use testkit::pki::{Pki, ServerHolder};

const PASSPHRASE: &str = "pli-scelle-2026";
const SUBJECT: [&str; 8] = [
    "--cn",
    "mail.ch-essai.mssante.fr",
    "--structure",
    "318751275100020",
    "--organisation",
    "Centre hospitalier d'Évreux",
    "--department",
    "Eure (27)",
];

/// `openssl ARGUMENTS`, which must succeed.
fn openssl(folder: &Path, arguments: &str) -> Result<String> {
    let words = arguments.split(' ').map(|word| match word.strip_prefix('@') {
        Some(file) => folder.join(file).display().to_string(),
        None => word.to_owned(),
    });
    Program::new("openssl").args(words).succeed()
}

/// Packs `NAME.pem` and `NAME.key` into `NAME.p12`.
fn pack(folder: &Path, name: &str, options: &str) -> Result<PathBuf> {
    let options = if options.is_empty() { String::new() } else { format!("{options} ") };
    let arguments = format!(
        "pkcs12 -export {options}-in @{name}.pem -inkey @{name}.key -out @{name}.p12 -passout pass:{PASSPHRASE}"
    );
    openssl(folder, &arguments)?;
    Ok(folder.join(format!("{name}.p12")))
}

fn import(site: &Site, file: &Path, passphrase: &str) -> Result<Exit> {
    let program = site.pli()?.args(["cert", "import-p12", "--passphrase-stdin"]).arg(file);
    program.input(format!("{passphrase}\n")).run()
}

fn json(site: &Site, arguments: &[&str]) -> Result<Value> {
    Ok(serde_json::from_str(&site.pli()?.arg("--json").args(arguments).run()?.stdout)?)
}

/// A renewed certificate of ours: same name, new key.
fn renewed(site: &Site, name: &str, organisation: &str) -> Result<()> {
    let pki = Pki::read(site.folder(), RealClock.now())?;
    let holder = ServerHolder {
        cn: format!("mail.{DOMAIN}"),
        organisation: organisation.to_owned(),
        structure: "1300000001".to_owned(),
        department: "Gard (30)".to_owned(),
        extra_names: Vec::new(),
    };
    pki.server(&holder)?.write(site.folder(), name)?;
    Ok(())
}

fn content(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

#[test]
fn a_request_is_what_openssl_and_igc_sante_expect() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    for (kind, words) in
        [("rsa2048", "Public-Key: (2048 bit)"), ("rsa3072", "Public-Key: (3072 bit)"), ("p256", "ASN1 OID: prime256v1")]
    {
        let (key, out) = (here.join(format!("{kind}.key")), here.join(format!("{kind}.csr")));
        let program = Program::pli()?.args(["cert", "csr"]).args(SUBJECT).args(["--dns", "mx2.ch-essai.mssante.fr"]);
        let said = program.args(["--key-kind", kind, "--key"]).arg(&key).arg("--out").arg(&out).succeed()?;
        ensure!(
            said.contains("CN=mail.ch-essai.mssante.fr,OU=318751275100020,O=Centre hospitalier d'Évreux"),
            "{said}"
        );
        ensure!(said.contains("pli cert import-p12"), "what to do next: {said}");
        ensure!(fs::metadata(&key)?.mode() & 0o777 == 0o600, "the key is for its owner only");
        let text = openssl(here, &format!("req -verify -noout -text -nameopt utf8,sep_comma_plus -in @{kind}.csr"))?;
        for expected in [
            words,
            "Subject: C=FR,ST=Eure (27),O=Centre hospitalier d'Évreux,OU=318751275100020,CN=mail.ch-essai.mssante.fr",
            "DNS:mail.ch-essai.mssante.fr, DNS:mx2.ch-essai.mssante.fr",
            "X509v3 Key Usage: critical",
            "TLS Web Server Authentication",
            "Version: 1",
        ] {
            ensure!(text.contains(expected), "{kind}: '{expected}' is missing:\n{text}");
        }
        let types = openssl(here, &format!("asn1parse -in @{kind}.csr"))?;
        ensure!(types.matches("PRINTABLESTRING   :FR").count() == 1 && types.contains("UTF8STRING"), "{types}");
    }
    Ok(())
}

#[test]
fn a_request_overwrites_nothing_and_asks_for_nothing_impossible() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (key, out) = (folder.path().join("a.key"), folder.path().join("a.csr"));
    let csr = |subject: &[&str]| -> Result<Exit> {
        let program = Program::pli()?.args(["cert", "csr"]).args(subject).args(["--key-kind", "p256", "--key"]);
        program.arg(&key).arg("--out").arg(&out).run()
    };
    let with = |at: usize, value: &'static str| {
        let mut subject = SUBJECT;
        subject[at] = value;
        subject
    };
    for (subject, code) in [(with(1, "mail"), 1), (with(3, "318751275100021"), 2), (with(7, "Eure"), 1)] {
        let exit = csr(&subject)?;
        ensure!(exit.code == Some(code) && !key.exists() && !out.exists(), "{exit}");
    }
    fs::write(&out, "a request that somebody waits for")?;
    let exit = csr(&SUBJECT)?;
    ensure!(exit.code == Some(1) && exit.stderr.contains("not overwritten") && !key.exists(), "{exit}");
    fs::remove_file(&out)?;
    ensure!(csr(&SUBJECT)?.code == Some(0));
    let before = content(&key)?;
    ensure!(csr(&SUBJECT)?.code == Some(1) && content(&key)? == before, "the key stays");
    Ok(())
}

/// Where a file may have 512 octets, nothing is left of what has more. A full disk is the same to the program.
#[test]
fn a_request_that_cannot_be_written_leaves_no_half_of_a_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (key, out) = (folder.path().join("a.key"), folder.path().join("a.csr"));
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, "sh"]).arg(e2e::pli()?).args(["cert", "csr"]).args(SUBJECT);
    let ended = command.arg("--key").arg(&key).arg("--out").arg(&out).output()?;
    ensure!(ended.status.code() == Some(1), "{ended:?}");
    ensure!(String::from_utf8_lossy(&ended.stderr).contains("a.key cannot be written"), "{ended:?}");
    ensure!(fs::read_dir(folder.path())?.count() == 0, "something is left behind");
    Ok(())
}

#[test]
fn from_request_to_certificate_in_use() -> Result<()> {
    let site = Site::new()?;
    let here = site.folder();
    let csr = Program::pli()?.args(["cert", "csr"]).args(SUBJECT).args(["--key-kind", "p256", "--key"]);
    csr.arg(here.join("new.key")).arg("--out").arg(here.join("new.csr")).succeed()?;
    openssl(
        here,
        "x509 -req -days 30 -in @new.csr -CA @issuing-ca.pem -CAkey @issuing-ca.key -copy_extensions copy -out @new.pem",
    )?;
    let file = pack(here, "new", "")?;
    let before = content(&here.join("server.pem"))?;
    let exit = import(&site, &file, PASSPHRASE)?;
    ensure!(exit.code == Some(1) && exit.stderr.contains("--force"), "another holder's is refused: {exit}");
    ensure!(exit.stderr.contains("does not name this certificate for our domain"), "another name is told of: {exit}");
    ensure!(content(&here.join("server.pem"))? == before, "nothing was changed");
    let program = site.pli()?.args(["cert", "import-p12", "--force", "--passphrase-stdin"]).arg(&file);
    let exit = program.input(format!("{PASSPHRASE}\n")).run()?;
    ensure!(exit.code == Some(0), "{exit}");
    ensure!(exit.stderr.contains("does not name this certificate for our domain"), "another name is told of: {exit}");
    ensure!(content(&here.join("server.pem"))?.matches("BEGIN CERTIFICATE").count() == 2, "the issuer was added");
    let listed = json(&site, &["cert", "list"])?;
    let own = &listed["certificates"][0];
    ensure!(own["setting"] == "tls.certificate_file" && own["days_left"] == 29, "{own}");
    ensure!(own["subject"].as_str().is_some_and(|subject| subject.contains("O=Centre hospitalier d'Évreux")), "{own}");
    ensure!(listed["trust_list"][0]["standing"] == "listed with other names", "{listed}");
    ensure!(json(&site, &["cert", "expiry", "--days", "30"])?.as_array().is_some_and(|soon| soon.len() == 1));
    Ok(())
}

#[test]
fn a_pkcs12_file_replaces_the_pair_and_the_old_one_is_kept() -> Result<()> {
    let site = Site::new()?;
    let here = site.folder();
    let (old_certificate, old_key) = (content(&here.join("server.pem"))?, content(&here.join("server.key"))?);
    renewed(&site, "renewed", "Etablissement 1")?;
    let file = pack(here, "renewed", "-legacy")?;
    let exit = import(&site, &file, PASSPHRASE)?;
    ensure!(exit.code == Some(0) && !exit.stderr.contains("trust list"), "{exit}");
    ensure!(!format!("{exit}").contains(PASSPHRASE), "the passphrase is never shown");
    ensure!(content(&here.join("server.pem"))? == content(&here.join("renewed.pem"))?);
    ensure!(fs::metadata(here.join("server.key"))?.mode() & 0o777 == 0o600);
    openssl(here, "pkey -in @server.key -noout")?;
    let kept: Vec<_> = fs::read_dir(here)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains(".old-"))
        .collect();
    let mut contents = kept.iter().map(|path| content(path)).collect::<Result<Vec<_>>>()?;
    contents.sort();
    let mut expected = vec![old_certificate, old_key];
    expected.sort();
    ensure!(contents == expected, "{kept:?}");
    Ok(())
}

#[test]
fn a_pkcs12_file_that_others_would_refuse_changes_nothing() -> Result<()> {
    let (site, stranger) = (Site::new()?, Site::new()?);
    let here = site.folder();
    renewed(&site, "renewed", "Etablissement 1")?;
    let good = pack(here, "renewed", "")?;
    let foreign = pack(stranger.folder(), "server", "")?;
    let before = (content(&here.join("server.pem"))?, content(&here.join("server.key"))?);
    for (file, passphrase, word) in [
        (&good, "wrong", "passphrase"),
        (&foreign, PASSPHRASE, "does not chain"),
        (&here.join("server.pem"), PASSPHRASE, "not a PKCS#12 file"),
        (&here.join("missing.p12"), PASSPHRASE, "cannot be read"),
    ] {
        let exit = import(&site, file, passphrase)?;
        ensure!(exit.code == Some(1) && exit.stderr.contains(word), "{word}: {exit}");
    }
    let without = site.pli()?.args(["cert", "import-p12"]).arg(&good).run()?;
    ensure!(without.code == Some(1) && without.stderr.contains("--passphrase-stdin"), "{without}");
    ensure!((content(&here.join("server.pem"))?, content(&here.join("server.key"))?) == before);
    ensure!(!fs::read_dir(here)?.flatten().any(|entry| entry.path().to_string_lossy().contains(".old-")));
    Ok(())
}

#[test]
fn without_openssls_old_module_the_error_says_how_to_convert() -> Result<()> {
    let site = Site::new()?;
    renewed(&site, "renewed", "Etablissement 1")?;
    let file = pack(site.folder(), "renewed", "-legacy")?;
    let program = site.pli()?.args(["cert", "import-p12", "--passphrase-stdin"]).arg(&file);
    let exit = program.env("OPENSSL_MODULES", "/nonexistent").input(format!("{PASSPHRASE}\n")).run()?;
    ensure!(exit.code == Some(1) && exit.stderr.contains("openssl pkcs12 -legacy -in"), "{exit}");
    Ok(())
}

#[test]
fn the_first_pair_is_imported_before_the_files_of_the_configuration_are_there() -> Result<()> {
    let site = Site::new()?;
    let here = site.folder();
    let file = pack(here, "server", "")?;
    for name in ["server.pem", "server.key", "ca.pem.bak"] {
        let _ = fs::remove_file(here.join(name));
    }
    let passphrase = here.join("passphrase");
    fs::write(&passphrase, format!("{PASSPHRASE}\nsecond line\n"))?;
    let program = site.pli()?.args(["cert", "import-p12"]).arg(&file).arg("--passphrase-file").arg(&passphrase);
    program.succeed()?;
    ensure!(fs::metadata(here.join("server.key"))?.mode() & 0o777 == 0o600);
    site.pli()?.arg("check-config").succeed()?;
    Ok(())
}

#[test]
fn a_chain_is_split_into_roots_and_accepted_authorities() -> Result<()> {
    let (site, other) = (Site::new()?, Site::new()?);
    let here = site.folder();
    let (ca, issuing) = (content(&here.join("ca.pem"))?, content(&here.join("issuing-ca.pem"))?);
    let foreign_root = content(&other.folder().join("ca.pem"))?;
    fs::write(here.join("all.pem"), format!("{issuing}{foreign_root}{ca}{}", content(&here.join("server.pem"))?))?;
    openssl(here, "crl2pkcs7 -nocrl -certfile @all.pem -outform DER -out @chain.p7b")?;
    let (anchors, issuers) = (here.join("new-anchors.pem"), here.join("new-issuers.pem"));
    let import = |options: &[&str]| -> Result<Exit> {
        let program = site.pli()?.args(["cert", "import-chain"]).arg(here.join("chain.p7b")).args(options);
        program.arg("--anchors-out").arg(&anchors).arg("--issuers-out").arg(&issuers).run()
    };
    let exit = import(&["--issuer", "AC INCONNUE"])?;
    ensure!(exit.code == Some(1) && exit.stderr.contains("AC INCONNUE") && !anchors.exists(), "{exit}");
    let exit = import(&[])?;
    ensure!(exit.code == Some(0) && exit.stdout.contains("end entity"), "everything is shown: {exit}");
    let certificates = |file: &Path| -> Result<Vec<String>> {
        let text = content(file)?;
        Ok(text.split_inclusive("-----END CERTIFICATE-----\n").map(|each| each.lines().skip(1).collect()).collect())
    };
    let of = |pem: &str| -> Vec<String> { vec![pem.lines().collect()] };
    ensure!(certificates(&anchors)? == of(&ca), "only the root above the accepted authority");
    ensure!(certificates(&issuers)? == of(&issuing));
    let exit = import(&[])?;
    ensure!(exit.code == Some(0) && exit.stdout.contains(".old-"), "predecessors are kept: {exit}");
    Ok(())
}

#[test]
fn a_chain_without_its_root_is_refused_until_the_root_is_there() -> Result<()> {
    let site = Site::new()?;
    let here = site.folder();
    let before = content(&here.join("ca.pem"))?;
    openssl(here, "x509 -in @ca.pem -outform DER -out @root.cer")?;
    openssl(here, "crl2pkcs7 -nocrl -certfile @issuing-ca.pem -out @chain.p7b")?;
    let import = || Ok::<_, anyhow::Error>(site.pli()?.args(["cert", "import-chain"]).arg(here.join("chain.p7b")));
    let exit = import()?.run()?;
    ensure!(exit.code == Some(1) && exit.stderr.contains("the root above"), "{exit}");
    ensure!(content(&here.join("ca.pem"))? == before);
    import()?.arg(here.join("root.cer")).succeed()?;
    site.pli()?.arg("check-config").succeed()?;
    Ok(())
}

#[test]
fn a_root_that_nobody_knows_is_taken_by_force_only() -> Result<()> {
    let (site, stranger) = (Site::new()?, Site::new()?);
    let here = site.folder();
    let before = content(&here.join("ca.pem"))?;
    let import = || -> Result<Program> {
        let there = stranger.folder();
        let program = site.pli()?.args(["cert", "import-chain"]);
        Ok(program.arg(there.join("ca.pem")).arg(there.join("issuing-ca.pem")))
    };
    let exit = import()?.run()?;
    ensure!(exit.code == Some(1) && exit.stderr.contains("SHA-256") && exit.stderr.contains("--force"), "{exit}");
    ensure!(content(&here.join("ca.pem"))? == before, "nothing was changed");
    import()?.arg("--force").succeed()?;
    ensure!(content(&here.join("ca.pem"))? != before);
    Ok(())
}

#[test]
fn monitoring_sees_by_the_exit_code_what_ends() -> Result<()> {
    let site = Site::new()?;
    let quiet = site.pli()?.args(["cert", "expiry"]).run()?;
    ensure!(quiet.code == Some(0) && quiet.stdout.is_empty(), "{quiet}");
    let loud = site.pli()?.args(["cert", "expiry", "--days", "1200"]).run()?;
    ensure!(loud.code == Some(1) && loud.stdout.starts_with("tls.certificate_file: CN=mail."), "{loud}");
    fs::remove_file(site.folder().join("issuing-ca.pem"))?;
    let broken = site.pli()?.args(["cert", "expiry"]).run()?;
    ensure!(broken.code == Some(3) && broken.stderr.contains("tls.issuers_file"), "{broken}");
    Ok(())
}

#[test]
fn every_configured_certificate_is_listed() -> Result<()> {
    let site = Site::new()?;
    let listed = json(&site, &["cert", "list"])?;
    let certificates = listed["certificates"].as_array().context("an array")?;
    let found: Vec<_> = certificates
        .iter()
        .map(|each| (each["setting"].as_str().unwrap_or(""), each["kind"].as_str().unwrap_or("")))
        .collect();
    let expected = [
        ("tls.certificate_file", "end entity"),
        ("tls.certificate_file", "intermediate"),
        ("tls.anchors_file", "root"),
        ("tls.issuers_file", "intermediate"),
    ];
    ensure!(found == expected, "{found:?}");
    let fingerprint = openssl(site.folder(), "x509 -noout -fingerprint -sha256 -serial -in @server.pem")?;
    let plain = fingerprint.replace(':', "").to_lowercase();
    for word in ["sha256", "serial"] {
        let value = certificates[0][word].as_str().context("text")?;
        ensure!(plain.contains(value.trim_start_matches("00")), "{word} {value}: {fingerprint}");
    }
    ensure!(listed["trust_list"][0]["standing"] == "listed", "{listed}");
    ensure!(site.pli()?.args(["cert", "list"]).succeed()?.contains("our name on the trust list"));
    Ok(())
}

#[test]
fn a_running_server_takes_an_imported_pair_over_by_itself() -> Result<()> {
    let site = Site::new()?;
    let mut server = site.serve(&[("PLI__TLS__WATCH_INTERVAL", "500ms")])?;
    renewed(&site, "renewed", "Etablissement 1")?;
    let file = pack(site.folder(), "renewed", "")?;
    let exit = import(&site, &file, PASSPHRASE)?;
    ensure!(exit.code == Some(0), "{exit}");
    let serial = openssl(site.folder(), "x509 -noout -serial -in @renewed.pem")?;
    let address = format!("127.0.0.1:{}", site.operator.imaps_port);
    let shown = || -> Result<String> {
        let program = Program::new("openssl").args(["s_client", "-connect", &address]);
        Program::new("openssl").args(["x509", "-noout", "-serial"]).input(program.run()?.stdout).succeed()
    };
    let taken_over = wait_until(Duration::from_secs(2), || shown().is_ok_and(|shown| shown == serial));
    ensure!(taken_over, "the new certificate is not shown:\n{}", server.log());
    server.check_health()
}
