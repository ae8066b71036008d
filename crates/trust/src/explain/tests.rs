//! What is explained is what is judged.

use mssante::Clock;
use testkit::clock::FixedClock;
use testkit::pki::{Flaw, Issued, Pki, ServerHolder};
use testkit::revocation::Crl;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::*;
use crate::{ListAges, ListStanding, Ocsp, Revocation, RevocationRules, TrustList, TrustRules, WhenUnknown};

const NOW: OffsetDateTime = datetime!(2026-11-03 08:00 UTC);

fn holder(cn: &str) -> ServerHolder {
    ServerHolder {
        cn: cn.into(),
        organisation: "CH D'ÉVREUX".into(),
        structure: "10B0078671".into(),
        department: "Eure (27)".into(),
        extra_names: vec![],
    }
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn dn(text: &str) -> DistinguishedName {
    DistinguishedName::parse(text).unwrap()
}

/// What is known of revocation.
#[derive(Debug, Clone, Copy)]
enum Known {
    Unchecked,
    Nothing,
    Revoked,
}

struct Bench {
    pki: Pki,
    authorities: Arc<Authorities>,
    clock: Arc<dyn Clock>,
    chains: Vec<(String, Vec<Vec<u8>>)>,
}

const FLAWS: [Flaw; 18] = [
    Flaw::Expired,
    Flaw::NotYetValid,
    Flaw::ServerAuthOnly,
    Flaw::MailOnly,
    Flaw::EncryptionOnly,
    Flaw::Authority,
    Flaw::WeakKey,
    Flaw::Sha1,
    Flaw::NoSubject,
    Flaw::NulInSubject,
    Flaw::NotUtf8,
    Flaw::NegativeSerial,
    Flaw::LongSerial,
    Flaw::TwiceTheSame,
    Flaw::TwiceNamed,
    Flaw::UnknownCritical,
    Flaw::ManyNames,
    Flaw::Huge,
];

impl Bench {
    fn new() -> Self {
        let pki = Pki::new(NOW).unwrap();
        let authorities =
            Authorities::of_certificates(vec![pki.anchor_der().to_vec()], vec![pki.issuing_der().to_vec()], NOW);
        let (sibling, other) = (pki.sibling("AC DEUXIEME").unwrap(), Pki::new(NOW).unwrap());
        let chain = |pki: &Pki, issued: Issued| vec![issued.der, pki.issuing_der().to_vec()];
        let good = pki.server(&holder("mx.hopital.fr")).unwrap();
        let mut chains = vec![
            ("good".to_owned(), chain(&pki, good.clone())),
            ("alone".to_owned(), vec![good.der]),
            ("other name".to_owned(), chain(&pki, pki.server(&holder("mx2.hopital.fr")).unwrap())),
            ("sibling".to_owned(), chain(&sibling, sibling.server(&holder("mx.hopital.fr")).unwrap())),
            ("rooted".to_owned(), vec![pki.rooted().unwrap().server(&holder("mx.hopital.fr")).unwrap().der]),
            ("foreign".to_owned(), chain(&other, other.server(&holder("mx.hopital.fr")).unwrap())),
            (
                "foreign and expired".to_owned(),
                chain(&other, other.flawed_server(&holder("x"), Flaw::Expired).unwrap()),
            ),
            ("nothing".to_owned(), Vec::new()),
            ("rubbish".to_owned(), vec![b"rubbish".to_vec()]),
        ];
        for flaw in FLAWS {
            let issued = pki.flawed_server(&holder("mx.hopital.fr"), flaw).unwrap();
            chains.push((format!("{flaw:?}"), chain(&pki, issued)));
        }
        let clock = Arc::new(FixedClock::at(NOW));
        Self { pki, authorities: Arc::new(authorities.unwrap()), clock, chains }
    }

    fn revocation(&self, known: Known) -> Arc<Revocation> {
        let rules = RevocationRules {
            checked: !matches!(known, Known::Unchecked),
            crl_urls: Vec::new(),
            when_unknown: WhenUnknown::Refuse,
            ocsp: Ocsp::Off,
            patience: std::time::Duration::ZERO,
        };
        let revocation = Revocation::new(rules, &self.authorities, None, Arc::clone(&self.clock));
        if let Known::Revoked = known {
            let good = &self.chains[0].1[0];
            let list = Crl::around(NOW).revoke(good, NOW - Duration::days(1));
            revocation.offer("http://lists/1.crl", &self.pki.crl(&list).unwrap()).unwrap();
        }
        revocation
    }

    fn space(&self, how: DnMatch, known: Known, standing: ListStanding) -> TrustSpace {
        let rules = TrustRules { how, ages: ListAges::default() };
        let space = TrustSpace::new(rules, self.revocation(known), Arc::clone(&self.clock));
        let age = match standing {
            ListStanding::Missing => return space,
            ListStanding::Fresh => Duration::ZERO,
            ListStanding::Stale => Duration::days(2),
            ListStanding::Expired => Duration::days(8),
        };
        let exact = holder("mx.hopital.fr").dn();
        let entries = [
            (domain("a.mssante.fr"), dn("CN=elsewhere,OU=1,O=A,C=FR")),
            (domain("a.mssante.fr"), dn(&exact)),
            (domain("b.mssante.fr"), dn(&exact.to_uppercase().replace("EURE (27)", "Eure(27)"))),
            (domain("c.mssante.fr"), dn("CN=mx.hopital.fr,OU=318751275100020,O=ANS,ST=Paris (75),C=FR")),
            (domain("ours.mssante.fr"), dn(&exact)),
        ];
        space.install(TrustList::of(NOW, entries), NOW - age);
        assert_eq!(space.standing(), standing);
        space
    }

    async fn explain(&self, asked: &Asked<'_>, space: &TrustSpace) -> Explanation {
        explain(asked, &self.authorities, space, &self.clock).await
    }
}

fn first_refusal(explanation: &Explanation) -> Option<Refusal> {
    explanation.checks.iter().find_map(|check| check.refusal)
}

#[tokio::test]
async fn the_first_check_that_fails_is_the_reason_of_the_judgement() {
    let bench = Bench::new();
    let domains = ["a", "b", "c", "d", "ours"].map(|name| domain(&format!("{name}.mssante.fr")));
    let ours = [domain("ours.mssante.fr")];
    let hosts = [None, Some(("mx.hopital.fr", HostRule::Required)), Some(("mx.ailleurs.fr", HostRule::Required))];
    let mut seen = std::collections::HashSet::new();
    let scenes = [
        (DnMatch::Normalised, Known::Unchecked, ListStanding::Fresh),
        (DnMatch::Strict, Known::Unchecked, ListStanding::Stale),
        (DnMatch::Normalised, Known::Nothing, ListStanding::Missing),
        (DnMatch::Strict, Known::Revoked, ListStanding::Fresh),
        (DnMatch::Normalised, Known::Unchecked, ListStanding::Missing),
        (DnMatch::Normalised, Known::Unchecked, ListStanding::Expired),
        (DnMatch::Normalised, Known::Revoked, ListStanding::Expired),
    ];
    let mut hosts = hosts.iter().copied().cycle();
    for (how, known, standing) in scenes {
        let space = bench.space(how, known, standing);
        let each = bench.chains.iter().zip(domains.iter().cycle());
        let good = bench.chains[..3].iter().flat_map(|chain| domains.iter().map(move |domain| (chain, domain)));
        for ((name, chain), domain) in each.chain(good) {
            for direction in [Direction::In, Direction::Out] {
                let host = hosts.next().flatten();
                let asked = Asked { chain, domain, direction, our_domains: &ours, host };
                let explanation = bench.explain(&asked, &space).await;
                let said = first_refusal(&explanation);
                let scene = format!("{name} {domain} {direction:?} {how:?} {known:?} {standing:?} {host:?}");
                assert_eq!(said, explanation.verdict.err(), "{scene}: {:#?}", explanation.checks);
                seen.extend(said);
            }
        }
    }
    for refusal in [
        Refusal::CertificateMissing,
        Refusal::CertificateUntrusted,
        Refusal::CertificateExpired,
        Refusal::CertificateNotYetValid,
        Refusal::CertificateUnusable,
        Refusal::CertificateWeak,
        Refusal::CertificateRevoked,
        Refusal::RevocationUnknown,
        Refusal::CertificateNotListed,
        Refusal::SenderDomainNotListed,
        Refusal::DomainNotListed,
        Refusal::SenderIsOurs,
        Refusal::HostNameMismatch,
        Refusal::TrustListUnavailable,
        Refusal::TrustListStale,
        Refusal::TrustListExpired,
    ] {
        assert!(seen.contains(&refusal), "{refusal:?} was never the reason");
    }
}

#[tokio::test]
async fn names_are_explained_attribute_by_attribute() {
    let bench = Bench::new();
    let space = bench.space(DnMatch::Normalised, Known::Unchecked, ListStanding::Fresh);
    let chain = &bench.chains[0].1;
    let mut details = Vec::new();
    for name in ["a.mssante.fr", "b.mssante.fr", "c.mssante.fr"] {
        let domain = domain(name);
        let asked = Asked { chain, domain: &domain, direction: Direction::In, our_domains: &[], host: None };
        let explanation = bench.explain(&asked, &space).await;
        details.push(explanation.checks.into_iter().find(|check| check.name == "name").unwrap());
    }
    assert!(details[0].detail.starts_with("compared strict"), "{details:#?}");
    assert!(details[1].detail.starts_with("compared normalised"), "{details:#?}");
    let spelling = "ST: same place in another spelling: the list has \"Eure(27)\", the certificate \"Eure (27)\"";
    assert!(details[1].detail.contains(spelling), "{details:#?}");
    assert_eq!(details[2].refusal, Some(Refusal::CertificateNotListed));
    let detail = &details[2].detail;
    assert!(detail.contains("CN: same") && detail.contains("OU: DIFFERENT") && detail.contains("C: same"), "{detail}");
}

#[tokio::test]
async fn every_check_names_its_setting_and_says_what_was_found() {
    let bench = Bench::new();
    let space = bench.space(DnMatch::Normalised, Known::Revoked, ListStanding::Stale);
    let domain = domain("a.mssante.fr");
    let host = Some(("mx.ailleurs.fr", HostRule::Ignored));
    let asked = Asked { chain: &bench.chains[0].1, domain: &domain, direction: Direction::Out, our_domains: &[], host };
    let explanation = bench.explain(&asked, &space).await;
    let names: Vec<_> = explanation.checks.iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        [
            "readable",
            "validity",
            "purpose",
            "chain",
            "issuer",
            "form",
            "key-strength",
            "key-usage",
            "revocation",
            "ownership",
            "list",
            "domain",
            "name",
            "host-name"
        ]
    );
    for check in &explanation.checks {
        assert!(!check.detail.is_empty() && !check.setting.is_empty(), "{check:?}");
    }
    let of = |name| explanation.checks.iter().find(|check| check.name == name).unwrap();
    assert_eq!(of("list").outcome, CheckOutcome::Doubtful);
    assert_eq!(of("host-name").outcome, CheckOutcome::NotChecked);
    assert!(of("list").detail.contains("confirmed 2026-11-01T08:00:00Z"), "{:?}", of("list"));
    assert_eq!(of("revocation").outcome, CheckOutcome::Failed);
    assert!(of("revocation").detail.contains("http://lists/1.crl (1 h old"), "{:?}", of("revocation"));
    assert!(of("chain").detail.contains("TEST AC RACINE IGC-SANTE ELEMENTAIRE"));
    assert!(of("issuer").detail.contains("TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS"));
    assert_eq!(explanation.verdict, Err(Refusal::CertificateRevoked));
}
