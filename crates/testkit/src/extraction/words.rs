//! What names, professions and places are made of.

use super::dice::{Dice, Weighted};

/// A code of a national terminology.
#[derive(Debug)]
pub(super) struct Profession {
    pub(super) code: &'static str,
    pub(super) label: &'static str,
    /// The national domain of those who practise on their own.
    pub(super) domain: &'static str,
}

/// A commune.
#[derive(Debug)]
pub(super) struct Commune {
    pub(super) postcode: &'static str,
    pub(super) name: &'static str,
    pub(super) department: &'static str,
    pub(super) department_name: &'static str,
    /// As letters are addressed: `AULNAY SOUS BOIS`.
    pub(super) addressed: String,
    /// As domains write it: `aulnay-sous-bois`.
    pub(super) slug: String,
}

#[derive(Debug)]
pub(super) struct Words {
    families: Vec<String>,
    family_shares: Weighted,
    women: Vec<&'static str>,
    men: Vec<&'static str>,
    given_shares: Weighted,
    pub(super) professions: Vec<Profession>,
    pub(super) profession_shares: Weighted,
    pub(super) specialities: Vec<(&'static str, &'static str)>,
    pub(super) speciality_shares: Weighted,
    pub(super) communes: Vec<Commune>,
}

impl Words {
    pub(super) fn new() -> Self {
        let families: Vec<_> =
            include_str!("family-names.txt").split_whitespace().map(|name| name.replace('&', " ")).collect();
        let women: Vec<_> = include_str!("given-names-female.txt").split_whitespace().collect();
        let men: Vec<_> = include_str!("given-names-male.txt").split_whitespace().collect();
        let professions: Vec<_> = rows(include_str!("professions.txt")).collect();
        let specialities: Vec<_> = rows(include_str!("specialities.txt")).collect();
        Self {
            family_shares: falling(families.len()),
            given_shares: falling(women.len().min(men.len())),
            profession_shares: shares(&professions),
            speciality_shares: shares(&specialities),
            professions: professions.iter().map(|row| profession(row)).collect(),
            specialities: specialities.iter().map(|row| (row[0], row[1])).collect(),
            communes: rows(include_str!("communes.txt")).map(|row| commune(&row)).collect(),
            families,
            women,
            men,
        }
    }

    /// A family name in upper case: a frequent one, or one of a long tail, sometimes two of them.
    pub(super) fn family(&self, dice: &mut Dice) -> String {
        let mut name = self.simple_family(dice);
        if dice.percent(5) {
            name.push(if dice.percent(70) { '-' } else { ' ' });
            name.push_str(&self.simple_family(dice));
        }
        name
    }

    fn simple_family(&self, dice: &mut Dice) -> String {
        if dice.percent(45) {
            return self.families[self.family_shares.pick(dice)].clone();
        }
        let particle = match dice.below(60) {
            0 => "DE ",
            1 => "LE ",
            2 => "D'A",
            3 => "DU ",
            _ => "",
        };
        [particle, dice.pick(HEADS), dice.pick(MIDDLES), dice.pick(TAILS)].concat()
    }

    /// A given name with its accents, of a woman or of a man.
    pub(super) fn given(&self, dice: &mut Dice, sex: Sex) -> &'static str {
        let names = if sex == Sex::Woman { &self.women } else { &self.men };
        names[self.given_shares.pick(dice)]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sex {
    Woman,
    Man,
}

const HEADS: &[&str] = &[
    "AMB", "AUG", "BAL", "BAR", "BEL", "BER", "BLO", "BON", "BOU", "BRE", "CAL", "CAM", "CAR", "CHA", "CLA", "COL",
    "COR", "COU", "CRE", "DAL", "DAU", "DEL", "DES", "DOR", "DUR", "ESC", "FAL", "FER", "FLO", "FOR", "FRE", "GAL",
    "GER", "GIL", "GOU", "GRA", "GUI", "HAR", "HEN", "JAC", "JOU", "KER", "LAB", "LAF", "LAM", "LAV", "LES", "LOR",
    "MAL", "MAR", "MEN", "MON", "MOU", "NAU", "PAL", "PEL", "PER", "PLA", "POR", "RAM", "REN", "ROC", "SAL", "SAU",
    "TAL", "TER", "TOU", "VAL", "VER", "VIL",
];
const MIDDLES: &[&str] = &[
    "A", "AND", "ANT", "ARD", "AU", "E", "EL", "EN", "ER", "ET", "I", "ICH", "IGN", "IL", "IN", "ISS", "O", "OL", "ON",
    "OR", "OU", "U", "UL", "", "IV", "OND", "ENT", "AIL",
];
const TAILS: &[&str] = &[
    "AC", "AIN", "AND", "ARD", "AT", "AUD", "AULT", "AY", "DEL", "DIER", "E", "EAU", "EL", "ET", "ETTE", "EUX", "EZ",
    "GNE", "IER", "IERE", "IEUX", "IN", "LARD", "LET", "LIER", "LIN", "LON", "MONT", "NET", "NIER", "OIS", "ON", "OT",
    "OUX", "QUET", "RAC", "RET", "RIN", "ROUX", "SAC", "SEL", "SON", "TEAU", "TIER", "TON", "VAL", "VIER", "VILLE",
    "Y", "ZAC",
];

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().map(|line| line.split('|').collect())
}

/// The first much more frequent than the last.
fn falling(length: usize) -> Weighted {
    Weighted::new((0..length as u64).map(|rank| 1_000_000 / (rank + 12)))
}

/// The third column.
fn shares(rows: &[Vec<&'static str>]) -> Weighted {
    Weighted::new(rows.iter().map(|row| row[2].parse().expect("a number in the third column")))
}

fn profession(row: &[&'static str]) -> Profession {
    Profession { code: row[0], label: row[1], domain: row[3] }
}

fn commune(row: &[&'static str]) -> Commune {
    let slug = slug(row[1]);
    Commune {
        postcode: row[0],
        name: row[1],
        department: row[2],
        department_name: row[3],
        addressed: slug.to_uppercase().replace('-', " ").replace("SAINT ", "ST "),
        slug,
    }
}

/// As addresses write names: no accents, words joined by hyphens.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            'A'..='Z' => slug.push(c.to_ascii_lowercase()),
            ' ' | '-' | '\'' => slug.push('-'),
            c => slug.push_str(plain(c)),
        }
    }
    slug
}

/// A letter without its accent.
fn plain(c: char) -> &'static str {
    match c {
        'à' | 'â' | 'ä' | 'À' | 'Â' => "a",
        'é' | 'è' | 'ê' | 'ë' | 'É' | 'È' | 'Ê' | 'Ë' => "e",
        'î' | 'ï' | 'Î' | 'Ï' => "i",
        'ô' | 'ö' | 'Ô' | 'Ö' => "o",
        'ù' | 'û' | 'ü' | 'Ù' | 'Û' | 'Ü' => "u",
        'ÿ' => "y",
        'ç' | 'Ç' => "c",
        _ => "",
    }
}
