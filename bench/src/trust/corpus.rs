//! A white list of the size and shape of the real one of June 2026: 8,655 entries, about 6,600 domains of which every
//! fifth has several names, some 500 names of which one serves four entries in ten, accents, and the irregular
//! spellings that were observed.

use std::collections::HashSet;

use anyhow::Result;
use mssante::{Clock, Domain};
use testkit::clock::RealClock;
use testkit::list::{ListEntry, ListSigner, SignatureShape, WhiteList};
use testkit::pki::{LIST_SIGNER_CN, LIST_SIGNER_OU, Pki};
use trust::{Authorities, SignaturePolicy};

/// Entries of the list.
pub(super) const ENTRIES: usize = 8_655;
/// Different domains in it.
pub(super) const DOMAINS: usize = 6_600;
const NAMES: usize = 520;
const OTHER_SHARED_NAMES: usize = 80;

/// A signed list (XAdES Baseline-B, RSA-2048, SHA-256) with what verifies it.
pub(super) struct Corpus {
    pub(super) xml: Vec<u8>,
    pub(super) policy: SignaturePolicy,
    pub(super) domains: Vec<Domain>,
}

impl Corpus {
    pub(super) fn new() -> Result<Self> {
        let pki = Pki::new(RealClock.now())?;
        let mut list = WhiteList::new(RealClock.now());
        for number in 0..ENTRIES {
            list.push(entry(number));
        }
        let signer = ListSigner::new(&pki.list_signer()?)?;
        let authorities = Authorities::of_certificates(
            vec![pki.anchor_der().to_vec()],
            vec![pki.issuing_der().to_vec()],
            RealClock.now(),
        )?;
        let policy = SignaturePolicy::Required {
            authorities,
            signer_cn: LIST_SIGNER_CN.to_owned(),
            signer_ou: Some(LIST_SIGNER_OU.to_owned()),
        };
        let domains = (0..DOMAINS).map(|number| Ok(Domain::parse(&domain(number))?)).collect::<Result<Vec<_>>>()?;
        Ok(Self { xml: list.signed_xml(&signer, SignatureShape::XadesB)?.into_bytes(), policy, domains })
    }

    /// As many domains that are not on the list.
    pub(super) fn strangers(&self) -> Result<Vec<Domain>> {
        let listed: HashSet<_> = self.domains.iter().collect();
        let strangers = (0..DOMAINS).map(|number| Domain::parse(&format!("x{}", domain(number))));
        let strangers = strangers.collect::<Result<Vec<_>, _>>()?;
        anyhow::ensure!(!strangers.iter().any(|stranger| listed.contains(stranger)), "a stranger is listed");
        Ok(strangers)
    }
}

/// The first entry of each domain, then further names for every fifth one.
fn entry(number: usize) -> ListEntry {
    let of_domain = if number < DOMAINS { number } else { (number - DOMAINS) * 5 % DOMAINS };
    ListEntry {
        domain: domain(of_domain),
        description: format!(
            "Établissement n° {of_domain} : messagerie du pôle cœur & santé, département de l'Hérault"
        ),
        dn: name(name_of(number)),
        updated: RealClock.now(),
    }
}

fn domain(number: usize) -> String {
    match number % 10 {
        0 => format!("site-{number}.region-{}.mssante.fr", number % 13),
        1..=4 => format!("ch-{number}.mssante.fr"),
        _ => format!("laboratoire-de-la-ville-{number}.mssante.fr"),
    }
}

fn name_of(number: usize) -> usize {
    match spread(number) % 100 {
        0..42 => 0,
        42..92 => 1 + spread(number + ENTRIES) % OTHER_SHARED_NAMES,
        _ => 1 + OTHER_SHARED_NAMES + number % (NAMES - 1 - OTHER_SHARED_NAMES),
    }
}

/// A number without a pattern, the same in every run.
fn spread(number: usize) -> usize {
    let mixed = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or_default()
}

/// Every tenth name is spelt irregularly.
fn name(number: usize) -> String {
    let structure = format!("1{:09}", 300_000_000 + number);
    match number % 10 {
        3 => format!(
            "CN=SMTP-{number}.MSSANTE.EXEMPLE.FR , OU={structure}, O=CRLCC \"PAUL STRAUSS\", ST=Paris(75), C=FR"
        ),
        _ => format!(
            "CN=smtp-{number}.exemple.fr,OU={structure},O=CENTRE HOSPITALIER D'ÉVREUX {number},ST=Eure (27),C=FR"
        ),
    }
}
