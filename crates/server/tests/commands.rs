//! The commands as scripts see them: exit codes, JSON, what they say of mistakes.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mssante::Clock;
use testkit::clock::RealClock;
use testkit::list::{ListSigner, SignatureShape, WhiteList};
use testkit::pki::{Pki, ServerHolder, SoftwareHolder};

fn holder() -> ServerHolder {
    ServerHolder {
        cn: "mail.ch.mssante.fr".into(),
        organisation: "CH".into(),
        structure: "1300789906".into(),
        department: "Gard (30)".into(),
        extra_names: Vec::new(),
    }
}

/// A configured operator that is not running, in a folder of its own.
struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("pli-commands-").tempdir().unwrap();
        open_to_the_cluster(dir.path());
        let now = RealClock.now();
        let pki = Pki::new(now).unwrap();
        pki.write(dir.path()).unwrap();
        let holder = holder();
        pki.server(&holder).unwrap().write(dir.path(), "server").unwrap();
        let software = SoftwareHolder {
            cn: "DPI".into(),
            organisation: "CH".into(),
            structure: "1300789906".into(),
            department: "Gard (30)".into(),
        };
        pki.software(&software).unwrap().write(dir.path(), "software").unwrap();
        let signer = ListSigner::new(&pki.list_signer().unwrap()).unwrap();
        let list = WhiteList::new(now).with("ch.mssante.fr", &holder.dn());
        std::fs::write(dir.path().join("list.xml"), list.signed_xml(&signer, SignatureShape::XadesB).unwrap()).unwrap();
        let site = Self { dir };
        site.configure("");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the configuration, with more settings of `[trust_list]` or sections after it.
    fn configure(&self, more: &str) {
        let path = |name: &str| self.path(name).display().to_string();
        let text = format!(
            "[operator]\nhostname = \"mail.ch.mssante.fr\"\ndomains = [\"ch.mssante.fr\"]\n\
             [data]\ndir = \"{}\"\n\
             [revocation]\ncheck = \"off\"\n\
             [tls]\ncertificate_file = \"{}\"\nkey_file = \"{}\"\nanchors_file = \"{}\"\nissuers_file = \"{}\"\n\
             [trust_list]\nfile = \"{}\"\n{more}\n",
            path("data"),
            path("server.pem"),
            path("server.key"),
            path("ca.pem"),
            path("issuing-ca.pem"),
            path("list.xml"),
        );
        std::fs::write(self.path("pli.toml"), text).unwrap();
    }

    fn pli(&self, arguments: &[&str]) -> Output {
        self.pli_with_input(arguments, "")
    }

    fn pli_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pli"))
            .arg("--config")
            .arg(self.path("pli.toml"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have closed its end already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }
}

/// The cluster's user must pass through when root runs the tests.
fn open_to_the_cluster(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711)).unwrap();
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn fails(output: &Output, code: i32, mention: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    assert!(said(output).contains(mention), "{}", said(output));
}

#[test]
fn a_bal_lives_its_life_without_a_running_server() {
    let site = Site::new();
    let address = "claire.martin@ch.mssante.fr";
    let create = ["bal", "create", address, "--kind", "PER", "--rpps", "10009876516", "--password-stdin", "--json"];
    fails(&site.pli_with_input(&create, "too short\n"), 1, "12 characters");
    let created = json(&site.pli_with_input(&create, "correct horse battery\n"));
    assert_eq!((created["kind"].as_str(), created["has_password"].as_bool()), (Some("PER"), Some(true)));
    fails(&site.pli_with_input(&create, "correct horse battery\n"), 1, "already a BAL");

    let suspended = json(&site.pli(&["bal", "suspend", address, "--reason", "absence", "--json"]));
    assert_eq!((suspended["state"].as_str(), suspended["state_reason"].as_str()), (Some("suspended"), Some("absence")));
    let reopened = json(&site.pli(&["bal", "reopen", address, "--reason", "retour", "--json"]));
    assert_eq!(reopened["state"], "active");
    json(&site.pli_with_input(&["bal", "set-password", address, "--json"], "another horse battery\n"));
    let closed = json(&site.pli(&["bal", "close", address, "--reason", "départ", "--json"]));
    assert_eq!(closed["state"], "closed");

    assert_eq!(json(&site.pli(&["bal", "list", "--json"])).as_array().unwrap().len(), 1);
    assert_eq!(json(&site.pli(&["bal", "list", "--state", "active", "--json"])).as_array().unwrap().len(), 0);
    fails(&site.pli(&["bal", "show", "nobody@ch.mssante.fr"]), 1, "no BAL nobody@ch.mssante.fr");
}

#[test]
fn an_applicative_bal_is_created_with_its_certificate_and_never_gets_a_password() {
    let site = Site::new();
    let certificate = site.path("software.pem").display().to_string();
    let address = "dpi@ch.mssante.fr";
    let mut create = vec!["bal", "create", address, "--kind", "APP", "--structure", "1300789906"];
    create.extend(["--responsible", "Claire MARTIN", "--software", "DPI", "--certificate", &certificate, "--json"]);
    let created = json(&site.pli(&create));
    assert!(created["certificate_dn"].as_str().is_some_and(|name| name.to_lowercase().contains("dpi")), "{created}");
    fails(&site.pli_with_input(&["bal", "set-password", address], "correct horse battery\n"), 1, "certificate");
}

#[test]
fn the_configuration_is_checked_and_mistakes_are_named() {
    let site = Site::new();
    let facts = json(&site.pli(&["check-config", "--json"]));
    assert_eq!(facts["trust_list_domains"], 1);

    site.configure("[http]\nlisten = \"0.0.0.0:9080\"");
    fails(&site.pli(&["check-config"]), 3, "http.listen");
    site.configure("[hop]\nmax_sise = 1");
    fails(&site.pli(&["check-config"]), 3, "max_sise");
    site.configure("");
    std::fs::write(site.path("server.key"), "not a key").unwrap();
    fails(&site.pli(&["check-config"]), 3, "server.key");
    fails(&site.pli(&["serve"]), 3, "server.key");
}

#[test]
fn a_list_that_somebody_changed_is_not_accepted() {
    let site = Site::new();
    let list = std::fs::read_to_string(site.path("list.xml")).unwrap();
    std::fs::write(site.path("list.xml"), list.replace("ch.mssante.fr", "xx.mssante.fr")).unwrap();
    fails(&site.pli(&["check-config"]), 3, "list.xml");
}

#[test]
fn a_certificate_that_is_about_to_end_is_warned_about() {
    let site = Site::new();
    let checked = site.pli(&["check-config", "--json"]);
    assert!(json(&checked)["certificate_not_after"].is_string() && !said(&checked).contains("our certificate"));
    // The private PKI issues for three years from its own clock.
    let then = RealClock.now() - time::Duration::days(3 * 365 - 20);
    let old = Pki::new(then).unwrap();
    old.server(&holder()).unwrap().write(site.dir.path(), "server").unwrap();
    let checked = site.pli(&["check-config"]);
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(said(&checked).contains("warning: our certificate (tls.certificate_file) ends at"), "{}", said(&checked));
}

#[test]
fn the_unit_of_systemd_does_not_make_an_outage_of_a_bad_list() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd/pli.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let started: Vec<_> = unit.lines().filter(|line| line.starts_with("ExecStart")).collect();
    assert_eq!(started, ["ExecStart=/usr/local/bin/pli --config /etc/pli/pli.toml serve"]);
}

#[test]
fn the_list_must_be_signed_by_the_ans_unless_the_check_is_turned_off_loudly() {
    let site = Site::new();
    site.configure("signer_ou = \"300000000099622\"");
    fails(&site.pli(&["check-config"]), 3, "list.xml");
    site.configure("signer_ou = \"\"");
    let checked = site.pli(&["check-config"]);
    assert!(checked.status.success() && said(&checked).contains("warning: trust_list.signer_ou is empty"));
    site.configure("");
    let checked = site.pli(&["check-config"]);
    assert!(checked.status.success() && !said(&checked).contains("signer_ou"), "{}", said(&checked));
}

#[test]
fn a_taken_port_stops_the_server_before_it_touches_the_database() {
    let site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    site.configure(&format!("[hop]\nlisten = [\"{}\"]", taken.local_addr().unwrap()));
    fails(&site.pli(&["serve"]), 4, "hop.listen");
    assert!(!site.path("data").exists());
}

#[test]
fn a_server_that_is_not_running_has_no_status() {
    let site = Site::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    site.configure(&format!("[http]\nlisten = \"{free}\""));
    fails(&site.pli(&["status"]), 4, "http.listen");
}

#[test]
fn wrong_usage_is_exit_code_2_and_the_rules_need_no_configuration() {
    let site = Site::new();
    assert_eq!(site.pli(&["bal", "create"]).status.code(), Some(2));
    std::fs::remove_file(site.path("pli.toml")).unwrap();
    fails(&site.pli(&["bal", "list"]), 3, "pli.toml");
    let table = json(&site.pli(&["rules", "--json"]));
    assert!(table["refusals"].as_array().unwrap().iter().any(|row| row["word"] == "domain-not-listed"));
    assert_eq!(table["opening"].as_array().unwrap().len(), 4);
    assert!(table["rules"].as_array().unwrap().iter().any(|row| row["id"] == "APP.CERTIFICATE"));
    assert!(table["attributes"].as_array().unwrap().iter().any(|row| row["attribute"] == "structure"));
}

#[test]
fn a_key_that_does_not_fit_is_seen_by_the_exit_code() {
    let site = Site::new();
    for command in ["list", "expiry"] {
        assert_eq!(site.pli(&["cert", command]).status.code(), Some(0), "{command}");
    }
    std::fs::copy(site.path("software.key"), site.path("server.key")).unwrap();
    for command in ["list", "expiry"] {
        fails(&site.pli(&["cert", command]), 3, "does not fit");
    }
}

#[test]
fn a_certificate_that_has_ended_is_seen_by_the_exit_code() {
    let site = Site::new();
    let then = RealClock.now() - time::Duration::days(3 * 365 + 1);
    Pki::new(then).unwrap().server(&holder()).unwrap().write(site.dir.path(), "server").unwrap();
    fails(&site.pli(&["cert", "list"]), 1, "ended at");
    fails(&site.pli(&["cert", "expiry", "--days", "0"]), 1, "certificate(s) end");
}

#[test]
fn programs_that_ask_for_json_get_failures_as_json() {
    let site = Site::new();
    let failed = site.pli(&["trust", "acknowledge", "99", "--json"]);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    let failure: serde_json::Value = serde_json::from_str(said(&failed).lines().last().unwrap()).unwrap();
    assert_eq!((failure["kind"].as_str(), failure["exit_code"].as_u64()), (Some("refused"), Some(1)));
    let error = failure["error"].as_str().unwrap();
    assert!(error.contains("version 99 does not wait") && error.contains("pli trust status"), "{error}");
}
