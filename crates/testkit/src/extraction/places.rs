//! Domains of operators and the structures in them.

use std::collections::HashMap;

use super::dice::{Dice, Weighted, add_luhn_key};
use super::words::{Commune, Words};

/// A mail domain: a profession's national one, or a structure's.
#[derive(Debug)]
pub(super) struct Domain {
    pub(super) name: String,
    /// Whose national one it is, as a place in the list of professions.
    pub(super) profession: Option<usize>,
    kind: Kind,
    commune: usize,
}

/// What a structure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    domain: &'static str,
    name: &'static str,
}

const KINDS: &[Kind] = &[
    Kind { domain: "ch", name: "CENTRE HOSPITALIER DE" },
    Kind { domain: "clinique", name: "CLINIQUE DE" },
    Kind { domain: "labo", name: "LABORATOIRE DE BIOLOGIE MÉDICALE DE" },
    Kind { domain: "ehpad", name: "EHPAD LES TILLEULS" },
    Kind { domain: "msp", name: "MAISON DE SANTÉ PLURIPROFESSIONNELLE DE" },
    Kind { domain: "cds", name: "CENTRE DE SANTÉ DE" },
    Kind { domain: "imagerie", name: "CENTRE D'IMAGERIE MÉDICALE DE" },
    Kind { domain: "had", name: "HOSPITALISATION A DOMICILE DE" },
    Kind { domain: "chu", name: "CENTRE HOSPITALIER UNIVERSITAIRE DE" },
    Kind { domain: "pharmacie", name: "PHARMACIE DE" },
];
const PRACTICE: Kind = Kind { domain: "", name: "CABINET" };

#[derive(Debug)]
pub(super) struct Domains {
    all: Vec<Domain>,
    shares: Weighted,
    of_structures: Weighted,
    national: usize,
}

impl Domains {
    /// The national ones first; the first of them has a third of all.
    pub(super) fn new(seed: u64, count: usize, words: &Words) -> Self {
        let national = words.professions.iter().enumerate().filter(|(_, profession)| !profession.domain.is_empty());
        let mut all: Vec<Domain> = national
            .map(|(at, profession)| Domain {
                name: format!("{}.mssante.fr", profession.domain),
                profession: Some(at),
                kind: PRACTICE,
                commune: 0,
            })
            .collect();
        let national = all.len();
        let mut used = HashMap::new();
        let structures = count.saturating_sub(national).max(1) as u64;
        all.extend((0..structures).map(|number| structure_domain(seed, number, words, &mut used)));
        let tail = |rank: u64| 4_000_000 / (rank + 2);
        let rest: u64 = (1..all.len() as u64).map(tail).sum();
        let shares = Weighted::new((0..all.len() as u64).map(|rank| if rank == 0 { rest / 2 } else { tail(rank) }));
        Self { shares, of_structures: Weighted::new((0..structures).map(tail)), all, national }
    }

    /// A professional's.
    pub(super) fn any(&self, dice: &mut Dice) -> (usize, &Domain) {
        let at = self.shares.pick(dice);
        (at, &self.all[at])
    }

    /// A team's.
    pub(super) fn structure(&self, dice: &mut Dice) -> (usize, &Domain) {
        let at = self.national + self.of_structures.pick(dice);
        (at, &self.all[at])
    }
}

fn structure_domain(seed: u64, number: u64, words: &Words, used: &mut HashMap<String, u32>) -> Domain {
    let mut dice = Dice::new(seed, 2, number);
    let (kind, commune) = (dice.pick(KINDS), dice.place(words.communes.len()));
    let base = format!("{}-{}", kind.domain, words.communes[commune].slug);
    let times = used.entry(base.clone()).or_default();
    *times += 1;
    let name = if *times == 1 { format!("{base}.mssante.fr") } else { format!("{base}-{times}.mssante.fr") };
    Domain { name, profession: None, kind, commune }
}

/// Where somebody works.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) finess: Option<String>,
    pub(super) siret: String,
    pub(super) name: String,
    pub(super) trade_name: String,
    pub(super) number: u64,
    pub(super) way_kind: &'static str,
    pub(super) way: &'static str,
    pub(super) commune: &'a Commune,
}

impl<'a> Site<'a> {
    /// A practice of one's own.
    pub(super) fn practice(seed: u64, person: u64, family: &str, words: &'a Words) -> Self {
        let mut dice = Dice::new(seed, 3, person);
        let commune = dice.place(words.communes.len());
        let name = if dice.percent(50) { format!("CABINET {family}") } else { format!("CABINET DU DR {family}") };
        Self::new(&mut dice, &words.communes[commune], name, Register::Companies)
    }

    /// One of the few sites of a domain.
    pub(super) fn of_domain(seed: u64, (at, domain): (usize, &Domain), dice: &mut Dice, words: &'a Words) -> Self {
        let nth = dice.below(4) * dice.below(2);
        let mut dice = Dice::new(seed, 4, at as u64 * 8 + nth);
        let commune = &words.communes[domain.commune];
        let name = format!("{} {}", domain.kind.name, commune.addressed);
        let name = if nth == 0 { name } else { format!("{name} SITE {nth}") };
        Self::new(&mut dice, commune, name, Register::Health)
    }

    fn new(dice: &mut Dice, commune: &'a Commune, name: String, register: Register) -> Self {
        let trade_name = if dice.percent(10) { name.clone() } else { String::new() };
        Self {
            finess: (register == Register::Health).then(|| finess(dice, commune.department)),
            siret: siret(dice),
            name,
            trade_name,
            number: 1 + dice.below(150),
            way_kind: dice.pick(WAY_KINDS),
            way: dice.pick(WAYS),
            commune,
        }
    }
}

/// Where a structure is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Register {
    Health,
    Companies,
}

fn finess(dice: &mut Dice, department: &str) -> String {
    let mut number = format!("{}{:06}", &department[..2], dice.below(1_000_000));
    add_luhn_key(&mut number);
    number
}

fn siret(dice: &mut Dice) -> String {
    let mut number = format!("{:08}", 30_000_000 + dice.below(60_000_000));
    add_luhn_key(&mut number);
    number.push_str("0001");
    add_luhn_key(&mut number);
    number
}

const WAY_KINDS: &[&str] =
    &["RUE", "RUE", "RUE", "AVENUE", "BOULEVARD", "PLACE", "CHEMIN", "ALLEE", "ROUTE", "IMPASSE"];
const WAYS: &[&str] = &[
    "DE LA GARE",
    "DE LA RÉPUBLIQUE",
    "JEAN JAURES",
    "VICTOR HUGO",
    "PASTEUR",
    "DU GÉNÉRAL DE GAULLE",
    "DE L'ÉGLISE",
    "DES ÉCOLES",
    "DU 8 MAI 1945",
    "DU MARÉCHAL FOCH",
    "GAMBETTA",
    "DE VERDUN",
    "LÉON BLUM",
    "DES LILAS",
    "DU MOULIN",
    "ANATOLE FRANCE",
    "EMILE ZOLA",
    "DE PARIS",
    "DU CHATEAU",
    "NATIONALE",
    "JULES FERRY",
    "DE L'HÔPITAL",
    "DES ACACIAS",
    "SAINT MICHEL",
    "DU STADE",
    "MARIE CURIE",
    "SALVADOR ALLENDE",
    "DE LA LIBERTÉ",
    "DES TILLEULS",
    "DE LA FONTAINE",
];
