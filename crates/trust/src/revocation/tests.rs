//! Revocation with the lists and answers of a private PKI, over loopback sockets.

mod lists;
mod octets;
mod responders;
mod waiting;

use mssante::{Clock, Refusal};
use testkit::clock::{FixedClock, RealClock};
use testkit::http::{HttpServer, Page};
use testkit::pki::{Issued, Particulars, Pki, ServerHolder};
use testkit::revocation::Crl;

use super::*;
use crate::chain::{Usage, unix_time};
use crate::{FetchRules, Fetched, Validators};

const PATH: &str = "/ACI-EL-ORG.crl";

/// An operator's certificate, and the server that has its issuer's lists.
struct Bench {
    pki: Pki,
    authorities: Authorities,
    clock: Arc<FixedClock>,
    server: HttpServer,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let now = RealClock.now();
        let pki = Pki::new(now).unwrap();
        let folder = tempfile::tempdir().unwrap();
        pki.write(folder.path()).unwrap();
        let (authorities, clock) = (authorities(&pki), Arc::new(FixedClock::at(now)));
        Self { pki, authorities, clock, server: HttpServer::start().await.unwrap(), folder }
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    fn fetcher(&self) -> Fetcher {
        Fetcher::load(&self.folder.path().join("ca.pem"), &FetchRules::default(), self.clock.clone()).unwrap()
    }

    fn revocation(&self, rules: RevocationRules) -> Arc<Revocation> {
        Revocation::new(rules, &self.authorities, Some(self.fetcher()), self.clock.clone())
    }

    /// A certificate that names the list of the server, and its OCSP responder.
    fn issue(&self) -> (Issued, VerifiedCertificate) {
        let particulars = Particulars {
            serial: Vec::new(),
            crl_urls: vec![self.server.url(PATH)],
            ocsp_urls: vec![self.server.url("/ocsp")],
        };
        let issued = self.pki.server_with(&holder(), &particulars).unwrap();
        let verified = verified(&self.authorities, &issued, self.now());
        (issued, verified)
    }

    /// Puts a list on the server.
    fn publish(&self, crl: &Crl) {
        self.server.serve(PATH, Page::new(self.pki.crl(crl).unwrap()));
    }

    /// What the loop of a node does, once for each list that is wanted.
    async fn download(&self, revocation: &Revocation) {
        for url in revocation.wanted() {
            match self.fetcher().get(&url, &Validators::default(), 10_000_000).await {
                Ok(Fetched::Body { octets, .. }) => drop(revocation.offer(&url, &octets)),
                Ok(Fetched::NotModified) => panic!("asked without a condition"),
                Err(error) => revocation.missed(&url, &error.to_string()),
            }
        }
    }
}

fn authorities(pki: &Pki) -> Authorities {
    let (root, issuing) = (pki.anchor_der().to_vec(), pki.issuing_der().to_vec());
    Authorities::of_certificates(vec![root], vec![issuing], RealClock.now()).unwrap()
}

fn verified(authorities: &Authorities, issued: &Issued, now: OffsetDateTime) -> VerifiedCertificate {
    authorities.verify(&issued.der.as_slice().into(), &[], Usage::Server, unix_time(now)).unwrap()
}

fn holder() -> ServerHolder {
    ServerHolder {
        cn: "mx.hopital.fr".into(),
        organisation: "CH D'ÉVREUX".into(),
        structure: "10B0078671".into(),
        department: "Eure (27)".into(),
        extra_names: vec![],
    }
}

/// As in production, with a patience that no test runs out of by chance.
fn rules() -> RevocationRules {
    RevocationRules {
        checked: true,
        crl_urls: Vec::new(),
        when_unknown: WhenUnknown::Refuse,
        ocsp: Ocsp::Off,
        patience: Duration::from_mins(1),
    }
}

fn good(standing: &Standing) -> &str {
    let Standing::Good { source } = standing else { panic!("{standing:?}") };
    source
}

fn doubt(standing: &Standing) -> &str {
    let Standing::Unknown { why } = standing else { panic!("{standing:?}") };
    why
}

#[tokio::test]
async fn without_checks_everything_is_good_and_says_so() {
    let bench = Bench::new().await;
    let (issued, certificate) = bench.issue();
    for revocation in
        [Revocation::unchecked(bench.clock.clone()), bench.revocation(RevocationRules { checked: false, ..rules() })]
    {
        let list = bench.pki.crl(&Crl::around(bench.now()).revoke(&issued.der, bench.now())).unwrap();
        drop(revocation.offer("http://crl.example/", &list));
        assert_eq!(good(&revocation.ask(&certificate, Some(b"garbage")).await), "not checked");
        assert_eq!(revocation.verdict(&revocation.standing(&certificate)), Ok(()));
    }
}

#[tokio::test]
async fn doubt_is_a_temporary_refusal_unless_it_is_accepted() {
    let bench = Bench::new().await;
    let doubt = Standing::Unknown { why: "no list".to_owned() };
    let revoked = Standing::Revoked { since: bench.now(), source: "http://crl.example/".to_owned() };
    let strict = bench.revocation(rules());
    let lenient = bench.revocation(RevocationRules { when_unknown: WhenUnknown::Accept, ..rules() });
    assert_eq!(strict.verdict(&doubt), Err(CertificateFault::RevocationUnknown));
    assert_eq!(lenient.verdict(&doubt), Ok(()));
    for revocation in [strict, lenient] {
        assert_eq!(revocation.verdict(&revoked), Err(CertificateFault::Revoked));
    }
    assert_eq!(CertificateFault::RevocationUnknown.refusal(), Refusal::RevocationUnknown);
    assert_eq!(CertificateFault::Revoked.refusal(), Refusal::CertificateRevoked);
}
