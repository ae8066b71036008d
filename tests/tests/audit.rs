//! The eight audit cases of the ANS, with the auditor as a client of the real binary. The cases in which pli is the
//! client are in `outgoing.rs`.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{AuditCase, Bal, DOMAIN, Identity, PlainPostgres, Program, Server, Site, Steps, Wire, http_get, wait_until};
use mssante::Clock as _;
use testkit::clock::RealClock;
use testkit::http::{HttpServer, Page};
use testkit::pki::Particulars;
use testkit::revocation::Crl;

const PATIENCE: Duration = Duration::from_secs(30);

/// One server for all cases: what one auditor does must not help or harm the next.
struct Scene {
    // Dropped before the database that it uses.
    server: Server,
    database: PlainPostgres,
    site: Site,
    bal: Bal,
    crl: String,
    _lists: HttpServer,
    _runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn new() -> Result<Self> {
        let site = Site::new()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let lists = runtime.block_on(HttpServer::start())?;
        let now = RealClock.now();
        let revoked = Crl::around(now).entry(&AuditCase::REVOKED_SERIAL, now - time::Duration::days(1), None);
        lists.serve("/aci-el-org.crl", Page::new(site.pki().crl(&revoked)?));
        let crl = lists.url("/aci-el-org.crl");
        let database = PlainPostgres::start()?;
        site.keep_data_at(database.url())?;
        let server = site.serve(&[("PLI__REVOCATION__CHECK", "required"), ("PLI__REVOCATION__CRL_URLS", &crl)])?;
        let bal = site.create_bal("accueil")?;
        site.wait_for_bals(1)?;
        Ok(Self { server, database, site, bal, crl, _lists: lists, _runtime: runtime })
    }

    fn identity(&self, case: AuditCase) -> Result<Identity> {
        let particulars = Particulars { crl_urls: vec![self.crl.clone()], ..Particulars::default() };
        case.identity(self.site.pki(), &particulars, self.site.folder())?.context("a case with a certificate")
    }

    /// A hop by the auditor of a case, after STARTTLS and EHLO.
    fn hop(&self, identity: &Identity) -> Result<Wire> {
        Wire::smtp(self.site.operator.smtp_port, self.site.tls(Some(identity))?)
    }

    fn stored(&self) -> Result<usize> {
        self.site.mailbox(&self.bal)?.count("INBOX")
    }

    /// How many refusals of this reason `/metrics` counts on hops.
    fn counted(&self, reason: &str) -> Result<u64> {
        let (_, metrics) = http_get(self.site.operator.http_port, "/metrics")?;
        let ours = |line: &&str| line.starts_with("pli_smtp_refusals_total{") && line.contains("role=\"hop\"");
        let reason = format!("reason=\"{reason}\"");
        let line = metrics.lines().filter(ours).find(|line| line.contains(&reason));
        Ok(line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0))
    }

    /// Waits until the audit trail has a refusal of this reason to this domain. The first of a kind is a row of its
    /// own; further ones follow as one when its minute is over.
    fn traced(&self, shown: Option<&Shown>, domain: Option<&str>, reason: &str) -> Result<()> {
        let expected = serde_json::json!({
            "reason": reason, "address": "127.0.0.1", "sender_domain": domain, "count": 1,
            "certificate": shown.map(|shown| &shown.sha256),
        });
        let rows = || {
            self.database
                .sql("SELECT json_build_object('peer', peer, 'detail', detail) FROM trace WHERE event = 'hop.refused'")
        };
        let is_it = |row: &serde_json::Value| match (shown, row["peer"].as_str()) {
            (Some(shown), Some(peer)) => row["detail"] == expected && peer.starts_with(&format!("cn={},", shown.cn)),
            (shown, peer) => row["detail"] == expected && shown.is_none() && peer.is_none(),
        };
        let is_there = || {
            let rows = rows().unwrap_or_default();
            rows.lines().filter_map(|row| serde_json::from_str(row).ok()).any(|row| is_it(&row))
        };
        ensure!(
            wait_until(PATIENCE, is_there),
            "the audit trail lacks {expected} of {shown:?}:
{}",
            rows()?
        );
        Ok(())
    }

    /// The auditor hands a message over.
    fn accepts(&self, case: AuditCase) -> Result<()> {
        let before = self.stored()?;
        let identity = self.identity(case)?;
        let mut wire = self.hop(&identity)?;
        wire.command(&format!("MAIL FROM:<audit@{}>", case.domain()), "250 2.1.0")?;
        wire.command(&format!("RCPT TO:<{}>", self.bal.address), "250 2.1.5")?;
        wire.command("DATA", "354")?;
        wire.send(format!("From: <audit@{}>\r\nSubject: audit\r\n\r\nx\r\n.\r\n", case.domain()).as_bytes())?;
        wire.expect("250 2.0.0")?;
        ensure!(self.stored()? == before + 1, "it is not in the INBOX");
        let certificate = Shown::by(&identity)?.sha256;
        let accepted = format!(
            "SELECT count(*) FROM trace
             WHERE event = 'message.accepted' AND detail->'source'->>'certificate' = '{certificate}'"
        );
        ensure!(self.database.sql(&accepted)?.trim() == "1", "the audit trail lacks the message");
        Ok(())
    }

    /// The auditor is refused at MAIL, for its own domain and for reports, and so is all that it says behind it.
    fn refuses(&self, case: AuditCase, reply: &str, reason: &str) -> Result<()> {
        let (stored, counted) = (self.stored()?, self.counted(reason)?);
        let identity = self.identity(case)?;
        let mut wire = self.hop(&identity)?;
        for sender in [format!("audit@{}", case.domain()), String::new()] {
            let said = wire.command(&format!("MAIL FROM:<{sender}>"), reply)?;
            ensure!(said.len() == 1, "the peer learns more than it should: {said:?}");
            wire.command(&format!("RCPT TO:<{}>", self.bal.address), "503 5.5.1")?;
            wire.command("DATA", "503 5.5.1")?;
        }
        wire.command("VRFY accueil", "252")?;
        wire.command("QUIT", "221")?;
        ensure!(self.counted(reason)? == counted + 2, "/metrics does not count {reason}");
        ensure!(self.server.log().contains(&format!("reason=\"{reason}\"")), "the log does not say {reason}");
        ensure!(self.stored()? == stored, "something was stored");
        let shown = Shown::by(&identity)?;
        self.traced(Some(&shown), Some(case.domain()), reason)?;
        self.traced(Some(&shown), None, reason)
    }
}

/// What the server saw of a certificate.
#[derive(Debug)]
struct Shown {
    cn: String,
    sha256: String,
}

impl Shown {
    fn by(identity: &Identity) -> Result<Self> {
        let said = |what: &[&str]| {
            let program = Program::new("openssl").args(["x509", "-noout", "-in"]).arg(&identity.certificate);
            program.args(what).succeed()
        };
        let fingerprint = said(&["-fingerprint", "-sha256"])?;
        let subject = said(&["-subject", "-nameopt", "multiline"])?;
        let cn = subject.lines().find(|line| line.contains("commonName")).context("no CN")?;
        let value = |line: &str| line.split_once('=').map(|(_, value)| value.trim().to_lowercase()).context("a value");
        Ok(Self { cn: value(cn)?, sha256: value(&fingerprint)?.replace(':', "") })
    }
}

#[test]
fn the_eight_audit_cases_with_the_auditor_as_client() -> Result<()> {
    let mut steps = Steps::default();
    let mut scene = Scene::new()?;
    cases(&mut steps, &scene);
    steps.run("the server is alive and nothing panicked", || scene.server.check_health());
    steps.finish();
    Ok(())
}

fn cases(steps: &mut Steps, scene: &Scene) {
    steps.run("cert-valide-audit: accepted [MSS1 HOP.IN]", || scene.accepts(AuditCase::Valid));
    steps.run("cert-expire-audit: certificate-expired [MSS1 HOP.MTLS]", || {
        scene.refuses(AuditCase::Expired, "550 5.7.1", "certificate-expired")
    });
    steps.run("cert-revoque-audit: certificate-revoked [MSS2 ECO.1.1.5]", || {
        scene.refuses(AuditCase::Revoked, "550 5.7.1", "certificate-revoked")
    });
    steps.run("cert-non-igc-audit: certificate-untrusted [MSS2 ECO.1.1.10]", || {
        scene.refuses(AuditCase::NonIgc, "550 5.7.1", "certificate-untrusted")
    });
    steps.run("cert-no-match-audit: certificate-not-listed [MSS1 DN.MATCH]", || {
        scene.refuses(AuditCase::NoMatch, "550 5.7.1", "certificate-not-listed")
    });
    steps.run("cert-cn-diff-dn-audit: certificate-not-listed [MSS1 DN.MATCH]", || {
        scene.refuses(AuditCase::CnDiffDn, "550 5.7.1", "certificate-not-listed")
    });
    steps.run("sans-tls-audit: tls-required [MSS1 HOP.TLS]", || without_tls(scene));
    steps.run("tests-operateur: accepted [MSS1 HOP.IN]", || scene.accepts(AuditCase::OperatorTests));
    steps.run("pli trust explain says the same of each certificate", || explained(scene));
    steps.run("our own domain, however it is written, never comes from outside", || in_our_name(scene));
    steps.run("the message names who brought it", || named(scene));
    steps.run("a peer that insists is cut off", || insists(scene));
}

fn without_tls(scene: &Scene) -> Result<()> {
    let (stored, counted) = (scene.stored()?, scene.counted("tls-required")?);
    let mut wire = Wire::connect(scene.site.operator.smtp_port)?;
    wire.expect("220")?;
    wire.command("EHLO client.test", "250")?;
    wire.command(&format!("MAIL FROM:<audit@{}>", AuditCase::WithoutTls.domain()), "530 5.7.0")?;
    wire.command(&format!("RCPT TO:<{}>", scene.bal.address), "530 5.7.0")?;
    ensure!(scene.counted("tls-required")? >= counted + 2, "/metrics does not count it");
    ensure!(scene.server.log().contains("reason=\"tls-required\""), "the log does not say it");
    ensure!(scene.stored()? == stored, "something was stored");
    scene.traced(None, Some(AuditCase::WithoutTls.domain()), "tls-required")
}

fn explained(scene: &Scene) -> Result<()> {
    for (case, reason) in [
        (AuditCase::Valid, None),
        (AuditCase::Expired, Some("certificate-expired")),
        (AuditCase::Revoked, Some("certificate-revoked")),
        (AuditCase::NonIgc, Some("certificate-untrusted")),
        (AuditCase::NoMatch, Some("certificate-not-listed")),
        (AuditCase::CnDiffDn, Some("certificate-not-listed")),
    ] {
        let program = scene.site.pli()?.args(["trust", "explain", "--json", "--domain", case.domain(), "--cert"]);
        let program = program.arg(scene.identity(case)?.certificate).env("PLI__REVOCATION__CHECK", "required");
        let exit = program.env("PLI__REVOCATION__CRL_URLS", &scene.crl).run()?;
        let said: serde_json::Value = serde_json::from_str(&exit.stdout).with_context(|| exit.to_string())?;
        ensure!(said["reason"].as_str() == reason, "{case:?}: {exit}");
        ensure!(exit.code == Some(i32::from(reason.is_some())), "{case:?}: {exit}");
        ensure!(said["checks"].as_array().is_some_and(|checks| checks.len() == 14), "{exit}");
    }
    Ok(())
}

fn in_our_name(scene: &Scene) -> Result<()> {
    let mut wire = scene.hop(&scene.identity(AuditCase::Valid)?)?;
    for domain in [DOMAIN, &DOMAIN.to_uppercase(), "Ch-Essai.MSSante.fr"] {
        wire.command(&format!("MAIL FROM:<x@{domain}>"), "550 5.7.1 this sender's domain belongs to this operator")?;
    }
    // Letters that are the same after IDNA's mapping: a fullwidth c, and a roman numeral one hundred.
    for domain in ["\u{ff43}h-essai.mssante.fr", "\u{217d}h-essai.mssante.fr", "ch\u{ad}-essai.mssante.fr"] {
        let said = wire.command(&format!("MAIL FROM:<x@{domain}> SMTPUTF8"), "5")?;
        ensure!(!said[0].starts_with("550 5.7.1 the sender's domain is outside"), "taken for another domain: {said:?}");
    }
    wire.command(&format!("MAIL FROM:<x@{DOMAIN}.>"), "5").map(drop)
}

fn named(scene: &Scene) -> Result<()> {
    let messages = scene.site.mailbox(&scene.bal)?.messages("INBOX")?;
    let first = messages.first().context("no message")?;
    let header = String::from_utf8_lossy(first).replace("\r\n\t", " ");
    let domain = AuditCase::Valid.domain();
    let tls = format!("(using TLSv1.3 with cipher TLS13_AES_256_GCM_SHA384; client CN \"{domain}\" verified)");
    ensure!(header.contains(&tls), "{header}");
    Ok(())
}

fn insists(scene: &Scene) -> Result<()> {
    let mut wire = scene.hop(&scene.identity(AuditCase::Expired)?)?;
    for _ in 0..9 {
        wire.command("MAIL FROM:<>", "550 5.7.1")?;
    }
    wire.command("MAIL FROM:<>", "550 5.7.1")?;
    wire.expect("421")?;
    ensure!(wire.until_closed()?.is_empty(), "the connection goes on");
    Ok(())
}
