//! Who takes part: two fictitious operators with BALs of all kinds.

use std::net::{Ipv4Addr, SocketAddr};

use mssante::BalKind;
use testkit::pki::{ServerHolder, SoftwareHolder};

/// One operator of the demonstration.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// For people.
    pub(super) name: &'static str,
    /// Folder and file names.
    pub(super) slug: &'static str,
    pub(super) domain: &'static str,
    pub(super) hostname: &'static str,
    pub(super) ports: Ports,
    organisation: &'static str,
    structure: &'static str,
    department: &'static str,
    pub(super) bals: [BalPlan; 4],
}

/// A BAL to create.
#[derive(Debug, Clone, Copy)]
pub(super) struct BalPlan {
    pub(super) local: &'static str,
    pub(super) kind: BalKind,
    pub(super) name: &'static str,
    pub(super) rpps: Option<&'static str>,
    pub(super) responsible: Option<&'static str>,
}

/// The ports of one operator, all on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) hop: u16,
    pub(super) submission: u16,
    pub(super) submissions: u16,
    pub(super) imap: u16,
    pub(super) imaps: u16,
    pub(super) http: u16,
}

impl Ports {
    /// The well-known ports, shifted.
    pub(super) fn at(base: u16) -> Self {
        let port = |well_known: u16| base + well_known;
        Self {
            hop: port(25),
            submission: port(587),
            submissions: port(465),
            imap: port(143),
            imaps: port(993),
            http: port(80),
        }
    }
}

/// The address of a port of ours.
pub(super) fn here(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl Plan {
    /// A hospital.
    pub(super) fn hospital(port_base: u16) -> Self {
        Self {
            name: "Centre hospitalier de Belair",
            slug: "hospital",
            domain: "ch-belair.mssante.fr",
            hostname: "mail.ch-belair.mssante.fr",
            ports: Ports::at(port_base),
            organisation: "CENTRE HOSPITALIER DE BELAIR",
            structure: "1300789906",
            department: "Gard (30)",
            bals: [
                person("claire.martin", "Dr Claire MARTIN", "10009876516"),
                team("cardiologie", "Service de cardiologie", "Claire MARTIN"),
                software("dpi-noreply", "Dossier patient informatisé", "Claire MARTIN"),
                practice("consultations", "Cabinet des consultations"),
            ],
        }
    }

    /// A group of pharmacies.
    pub(super) fn pharmacy(port_base: u16) -> Self {
        Self {
            name: "Pharmacies du Lac",
            slug: "pharmacy",
            domain: "pharmacies-du-lac.mssante.fr",
            hostname: "mail.pharmacies-du-lac.mssante.fr",
            ports: Ports::at(port_base + 1000),
            organisation: "GROUPEMENT DES PHARMACIES DU LAC",
            structure: "399991234800011",
            department: "Haute-Savoie (74)",
            bals: [
                person("paul.durand", "Paul DURAND, pharmacien", "10009876623"),
                team("officine", "Officine du port", "Paul DURAND"),
                software("lgo-noreply", "Logiciel de gestion d'officine", "Paul DURAND"),
                practice("preparatoire", "Préparatoire partagé"),
            ],
        }
    }

    pub(super) fn address_of(&self, bal: &BalPlan) -> String {
        format!("{}@{}", bal.local, self.domain)
    }

    pub(super) fn structure(&self) -> &'static str {
        self.structure
    }

    /// For its server certificate.
    pub(super) fn server(&self) -> ServerHolder {
        ServerHolder {
            cn: self.hostname.to_owned(),
            organisation: self.organisation.to_owned(),
            structure: self.structure.to_owned(),
            department: self.department.to_owned(),
            extra_names: Vec::new(),
        }
    }

    /// For the certificate of its software.
    pub(super) fn software(&self) -> SoftwareHolder {
        SoftwareHolder {
            cn: format!("{} {}", self.slug.to_uppercase(), "LPS"),
            organisation: self.organisation.to_owned(),
            structure: self.structure.to_owned(),
            department: self.department.to_owned(),
        }
    }
}

/// Somebody with a good certificate of the same authorities who is not on the list.
pub(super) fn impostor() -> ServerHolder {
    ServerHolder {
        cn: "mail.inconnu.exemple.fr".to_owned(),
        organisation: "ETABLISSEMENT NON LISTE".to_owned(),
        structure: "318751275100020".to_owned(),
        department: "Paris (75)".to_owned(),
        extra_names: Vec::new(),
    }
}

const fn person(local: &'static str, name: &'static str, rpps: &'static str) -> BalPlan {
    BalPlan { local, kind: BalKind::Nominative, name, rpps: Some(rpps), responsible: None }
}

const fn team(local: &'static str, name: &'static str, responsible: &'static str) -> BalPlan {
    BalPlan { local, kind: BalKind::Organisational, name, rpps: None, responsible: Some(responsible) }
}

const fn software(local: &'static str, name: &'static str, responsible: &'static str) -> BalPlan {
    BalPlan { local, kind: BalKind::Applicative, name, rpps: None, responsible: Some(responsible) }
}

const fn practice(local: &'static str, name: &'static str) -> BalPlan {
    BalPlan { local, kind: BalKind::Cabinet, name, rpps: None, responsible: None }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_ports_collide_and_the_highest_base_fits() {
        let ports = |base| {
            [Plan::hospital(base).ports, Plan::pharmacy(base).ports]
                .map(|p| [p.hop, p.submission, p.submissions, p.imap, p.imaps, p.http])
                .concat()
        };
        assert_eq!(ports(63_000).into_iter().collect::<HashSet<_>>().len(), 12);
        assert_eq!(Plan::hospital(20_000).ports.imaps, 20_993);
        assert_eq!(Plan::pharmacy(20_000).ports.hop, 21_025);
    }

    #[test]
    fn the_identifiers_are_well_formed() {
        for plan in [Plan::hospital(0), Plan::pharmacy(0)] {
            assert!(plan.structure.parse::<mssante::StructureId>().is_ok(), "{}", plan.structure);
            for bal in &plan.bals {
                assert!(mssante::Address::parse(&plan.address_of(bal)).is_ok());
                assert!(bal.rpps.is_none_or(|rpps| rpps.parse::<mssante::Rpps>().is_ok_and(|id| id.has_valid_key())));
            }
        }
    }
}
