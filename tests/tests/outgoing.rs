//! The eight audit cases of the ANS with pli as the client, and what else may go wrong with the hosts of another operator:
//! the real binary delivers, or waits and says why, and shows a bad host nothing of an envelope.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{AuditCase, Bal, Conversation, DOMAIN, Identity, Manner, PEER, PEER2, Peer, Server, Site, Wire};
use e2e::{http_get, wait_until};
use mssante::Clock as _;
use testkit::clock::RealClock;
use testkit::http::{HttpServer, Page};
use testkit::pki::{Particulars, ServerHolder};
use testkit::revocation::Crl;
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_mins(1);

/// A site whose DNS is a zone file of the test's own, and the hosts in it: each has an address of the loopback network and all
/// have the same port.
struct World {
    site: Site,
    bal: Bal,
    zone: String,
    port: u16,
    hosts: HashMap<&'static str, Peer>,
    revocation: Option<Revocation>,
}

/// The revocation list of the issuing authority, and where it is.
struct Revocation {
    url: String,
    _server: HttpServer,
    _runtime: Runtime,
}

impl World {
    fn new() -> Result<Self> {
        let site = Site::new()?;
        let bal = site.create_bal("accueil")?;
        // Routes of the configuration would come before MX records.
        let config = std::fs::read_to_string(&site.operator.config_file)?;
        let kept: Vec<_> = config.lines().filter(|line| !line.contains(PEER) && !line.contains(PEER2)).collect();
        std::fs::write(&site.operator.config_file, kept.join("\n"))?;
        Ok(Self { site, bal, zone: String::new(), port: 0, hosts: HashMap::new(), revocation: None })
    }

    /// Certificates are looked up in a list that holds the one of [`AuditCase::Revoked`].
    fn check_revocation(&mut self) -> Result<String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let server = runtime.block_on(HttpServer::start())?;
        let now = RealClock.now();
        let crl = Crl::around(now).entry(&AuditCase::REVOKED_SERIAL, now - Duration::from_hours(24), None);
        server.serve("/organisations.crl", Page::new(self.site.pki().crl(&crl)?));
        let url = server.url("/organisations.crl");
        self.revocation = Some(Revocation { url: url.clone(), _server: server, _runtime: runtime });
        Ok(url)
    }

    /// Adds a host of a domain; the one that is added first is preferred. Its name is `mx<n>.hosts.test`.
    fn host(&mut self, domain: &str, label: &'static str, manner: Manner, identity: Option<&Identity>) -> Result<()> {
        let number = u8::try_from(self.hosts.len())?;
        let address = Ipv4Addr::new(127, 0, 1, number + 1);
        let at = SocketAddr::from((address, self.port));
        let peer = Peer::start_at(at, manner, identity, &self.site.folder().join("ca.pem"))?;
        self.port = peer.port();
        writeln!(self.zone, "{domain} MX {number} mx{number}.hosts.test\nmx{number}.hosts.test A {address}")?;
        self.hosts.insert(label, peer);
        Ok(())
    }

    /// What a host remembers of its connections.
    fn heard(&self, label: &str) -> Vec<Conversation> {
        self.hosts[label].heard()
    }

    fn environment(&self, extra: &[(&'static str, &str)]) -> Result<Vec<(&'static str, String)>> {
        let zone_file = self.site.folder().join("zone");
        std::fs::write(&zone_file, &self.zone)?;
        let mut all = vec![
            ("PLI__DNS__ZONE_FILE", zone_file.display().to_string()),
            ("PLI__RELAY__PORT", self.port.to_string()),
            ("PLI__RELAY__RETRY", "1s".to_owned()),
        ];
        if let Some(revocation) = &self.revocation {
            all.push(("PLI__REVOCATION__CHECK", "required".to_owned()));
            all.push(("PLI__REVOCATION__CRL_URLS", revocation.url.clone()));
        }
        all.extend(extra.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Ok(all)
    }

    fn serve(&self, extra: &[(&'static str, &str)]) -> Result<Server> {
        let environment = self.environment(extra)?;
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.site.serve(&environment)
    }

    /// Submits one message to `b` at each of the domains.
    fn submit(&self, domains: &[&str]) -> Result<()> {
        let (login, password) = self.bal.credentials();
        let mut wire = Wire::submission(self.site.operator.submission_port, self.site.tls(None)?, login, password)?;
        wire.command(&format!("MAIL FROM:<{}>", self.bal.address), "250")?;
        for domain in domains {
            wire.command(&format!("RCPT TO:<b@{domain}>"), "250")?;
        }
        wire.command("DATA", "354")?;
        wire.send(format!("From: <{}>\r\nSubject: essai\r\n\r\nbonjour\r\n.\r\n", self.bal.address).as_bytes())?;
        wire.expect("250").map(drop)
    }

    /// A counter of the running server, 0 if it does not show it yet.
    fn counter(&self, start: &str) -> f64 {
        let page = http_get(self.site.operator.http_port, "/metrics").map(|(_, page)| page).unwrap_or_default();
        let value = |line: &str| line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok());
        page.lines().find(|line| line.starts_with(start)).and_then(value).unwrap_or(0.0)
    }

    fn wait_for(&self, counter: &str, least: f64, server: &Server) -> Result<()> {
        let reached = wait_until(PATIENCE, || self.counter(counter) >= least);
        ensure!(reached, "{counter} stays below {least}:\n{}", server.log());
        Ok(())
    }

    fn reports(&self) -> Result<Vec<String>> {
        let messages = self.site.mailbox(&self.bal)?.messages("INBOX")?;
        Ok(messages.iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect())
    }

    /// Runs `pli probe` and returns its exit code and what it says.
    fn probe(&self, domain: &str) -> Result<(Option<i32>, serde_json::Value)> {
        let mut program = self.site.pli()?.args(["--json", "probe", domain]);
        for (name, value) in self.environment(&[])? {
            program = program.env(name, value);
        }
        let exit = program.run()?;
        let value = serde_json::from_str(&exit.stdout).with_context(|| exit.to_string())?;
        Ok((exit.code, value))
    }
}

/// A certificate of the operator of [`PEER`] with further host names.
fn carrying(site: &Site, name: &str, extra_names: &[&str]) -> Result<Identity> {
    let holder = ServerHolder {
        cn: format!("mail.{PEER}"),
        organisation: "Etablissement 2".to_owned(),
        structure: "1300000002".to_owned(),
        department: "Gard (30)".to_owned(),
        extra_names: extra_names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let (certificate, key) = site.pki().server(&holder)?.write(site.folder(), name)?;
    Ok(Identity { certificate, key })
}

/// Whether anything of an envelope or a message was shown.
fn saw_mail(conversation: &Conversation) -> bool {
    let all = conversation.in_clear.iter().chain(&conversation.inside);
    let shown = |line: &String| ["MAIL", "RCPT", "DATA"].iter().any(|verb| line.to_uppercase().starts_with(verb));
    all.into_iter().any(shown) || !conversation.messages.is_empty()
}

/// The word for what is wrong with a host, in metrics, traces and reports; none if nothing is.
fn reason(case: AuditCase) -> Option<&'static str> {
    match case {
        AuditCase::Valid | AuditCase::OperatorTests => None,
        AuditCase::Revoked => Some("certificate-revoked"),
        AuditCase::Expired => Some("certificate-expired"),
        AuditCase::NonIgc => Some("certificate-untrusted"),
        AuditCase::NoMatch | AuditCase::CnDiffDn => Some("certificate-not-listed"),
        AuditCase::WithoutTls => Some("peer-without-tls"),
    }
}

fn audited_world() -> Result<World> {
    let mut world = World::new()?;
    let particulars = Particulars { crl_urls: vec![world.check_revocation()?], ..Particulars::default() };
    for case in AuditCase::ALL {
        let identity = case.identity(world.site.pki(), &particulars, world.site.folder())?;
        world.host(case.domain(), case.domain(), Manner::Proper, identity.as_ref())?;
    }
    Ok(world)
}

#[test]
fn good_hosts_get_mail_once_and_bad_ones_see_nothing_of_it() -> Result<()> {
    let world = audited_world()?;
    let mut server = world.serve(&[])?;
    world.submit(&AuditCase::ALL.map(AuditCase::domain))?;
    world.wait_for("pli_relay_handed_over_total", 2.0, &server)?;
    for case in AuditCase::ALL {
        let Some(reason) = reason(case) else { continue };
        // Tried again and again, and never in another way.
        world.wait_for(&format!("pli_relay_hops_refused_total{{reason=\"{reason}\"}}"), 2.0, &server)?;
        world.wait_for(&format!("pli_relay_deferred_total{{reason=\"{reason}\"}}"), 2.0, &server)?;
    }
    assert!(world.reports()?.is_empty(), "what is wrong with a host may be repaired: the sender hears nothing yet");
    server.stop()?;
    for case in AuditCase::ALL {
        let heard = world.heard(case.domain());
        assert!(!heard.is_empty(), "{case:?} was never called");
        let messages: usize = heard.iter().map(|conversation| conversation.messages.len()).sum();
        if reason(case).is_none() {
            assert_eq!(messages, 1, "{case:?}: {heard:?}");
            let delivery = heard.iter().find(|conversation| !conversation.messages.is_empty()).context("a delivery")?;
            assert!(
                delivery.in_clear.iter().all(|line| line == "STARTTLS" || line.starts_with("EHLO")),
                "{delivery:?}"
            );
            assert!(delivery.certificate.is_some(), "our certificate is always shown");
        } else {
            assert!(!heard.iter().any(saw_mail), "{case:?}: {heard:?}");
        }
    }
    // When time is up the sender is told what was wrong, in words of our own.
    let server = world.serve(&[("PLI__RELAY__EXPIRY", "1s")])?;
    world.wait_for("pli_relay_failed_total", 1.0, &server)?;
    ensure!(wait_until(PATIENCE, || world.reports().is_ok_and(|all| all.len() >= 6)), "reports: {:?}", world.reports());
    let reports = world.reports()?;
    for case in AuditCase::ALL {
        let Some(reason) = reason(case) else { continue };
        let report = reports.iter().find(|report| report.contains(&format!("b@{}", case.domain())));
        let report = report.with_context(|| format!("no report on {case:?}"))?;
        assert!(report.contains(reason), "{case:?}: {report}");
    }
    Ok(())
}

#[test]
fn the_probe_says_what_a_hop_would_come_to_and_sends_nothing() -> Result<()> {
    let world = audited_world()?;
    for case in AuditCase::ALL {
        let (code, probe) = world.probe(case.domain())?;
        assert_eq!(code, Some(i32::from(reason(case).is_some())), "{case:?}: {probe}");
        assert_eq!(probe["usable"], reason(case).is_none(), "{case:?}: {probe}");
        assert_eq!(probe["reason"].as_str(), reason(case), "{case:?}: {probe}");
        let steps: Vec<_> = probe["steps"].as_array().context("steps")?.iter().collect();
        let has = |word: &str| steps.iter().any(|step| step["step"] == word && step["ok"] == true);
        assert!(["list", "listed", "mx", "address", "connect", "greeting", "ehlo"].into_iter().all(has), "{probe}");
        assert_eq!(has("tls") && has("shown"), case != AuditCase::WithoutTls, "{case:?}: {probe}");
        assert!(!world.heard(case.domain()).iter().any(saw_mail), "{case:?}");
    }
    let (code, probe) = world.probe("unlisted.example")?;
    assert_eq!((code, probe["reason"].as_str()), (Some(1), Some("domain-not-listed")), "{probe}");
    Ok(())
}

/// No STARTTLS, STARTTLS refused, no TLS behind it, the wrong certificate: all four stand before the good one.
#[test]
fn bad_hosts_do_not_doom_the_good_one_behind_them() -> Result<()> {
    let mut world = World::new()?;
    let good = carrying(&world.site, "good", &[])?;
    let wrong = AuditCase::Valid.identity(world.site.pki(), &Particulars::default(), world.site.folder())?;
    world.host(PEER, "clear", Manner::Proper, None)?;
    world.host(PEER, "refuses", Manner::Refuses, Some(&good))?;
    world.host(PEER, "garbles", Manner::Garbles, Some(&good))?;
    world.host(PEER, "wrong", Manner::Proper, wrong.as_ref())?;
    world.host(PEER, "good", Manner::Proper, Some(&good))?;
    let mut server = world.serve(&[])?;
    world.submit(&[PEER])?;
    world.wait_for("pli_relay_handed_over_total", 1.0, &server)?;
    for (reason, times) in [("peer-without-tls", 2.0), ("tls-handshake-failed", 1.0), ("certificate-not-listed", 1.0)] {
        let counted = world.counter(&format!("pli_relay_hops_refused_total{{reason=\"{reason}\"}}"));
        assert!((counted - times).abs() < 0.5, "{reason}: {counted}\n{}", server.log());
    }
    server.stop()?;
    for label in ["clear", "refuses", "garbles", "wrong"] {
        let heard = world.heard(label);
        assert_eq!(heard.len(), 1, "{label}: {heard:?}");
        assert!(!saw_mail(&heard[0]), "{label}: {heard:?}");
    }
    let messages: Vec<_> = world.heard("good").into_iter().flat_map(|conversation| conversation.messages).collect();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains(&format!("From: <accueil@{DOMAIN}>")), "{}", messages[0]);
    Ok(())
}

#[test]
fn the_host_name_counts_where_the_setting_asks_for_it() -> Result<()> {
    let mut world = World::new()?;
    let nameless = carrying(&world.site, "nameless", &[])?;
    let named = carrying(&world.site, "named", &["mx1.hosts.test"])?;
    world.host(PEER, "nameless", Manner::Proper, Some(&nameless))?;
    world.host(PEER, "named", Manner::Proper, Some(&named))?;
    let deliveries = |world: &World, label: &str| -> usize {
        world.heard(label).iter().map(|conversation| conversation.messages.len()).sum()
    };
    for (setting, to_nameless, to_named) in [("off", 1, 0), ("required", 1, 1)] {
        let mut server = world.serve(&[("PLI__RELAY__HOST_NAME_CHECK", setting)])?;
        world.submit(&[PEER])?;
        world.wait_for("pli_relay_handed_over_total", 1.0, &server)?;
        if setting == "required" {
            world.wait_for("pli_relay_hops_refused_total{reason=\"host-name-mismatch\"}", 1.0, &server)?;
        }
        server.stop()?;
        let counted = (deliveries(&world, "nameless"), deliveries(&world, "named"));
        assert_eq!(counted, (to_nameless, to_named), "{setting}");
    }
    Ok(())
}
