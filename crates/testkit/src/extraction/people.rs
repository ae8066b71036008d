//! Professionals.

use super::dice::{Dice, add_luhn_key};
use super::words::{Profession, Sex, Words, slug};

/// A professional, the same for all his BALs and activities.
#[derive(Debug)]
pub(super) struct Person<'a> {
    /// `8` or `0`.
    pub(super) id_kind: &'static str,
    pub(super) id: String,
    pub(super) civility: &'static str,
    pub(super) courtesy: &'static str,
    pub(super) family: String,
    pub(super) given: String,
    pub(super) category: (&'static str, &'static str),
    pub(super) profession: &'a Profession,
    pub(super) speciality: (&'static str, &'static str),
}

const CIVIL: (&str, &str) = ("C", "Civil");

impl<'a> Person<'a> {
    /// The one of this number.
    pub(super) fn of(seed: u64, number: u64, profession: &'a Profession, words: &'a Words) -> Self {
        let mut dice = Dice::new(seed, 1, number);
        let sex = if dice.percent(60) { Sex::Woman } else { Sex::Man };
        let family = words.family(&mut dice);
        let given = words.given(&mut dice, sex);
        let is_doctor = profession.code == "10";
        let courtesy = if sex == Sex::Woman { "MME" } else { "M" };
        let titled = is_doctor || matches!(profession.code, "21" | "40");
        let adeli = !titled && dice.percent(8);
        Self {
            id_kind: if adeli { "0" } else { "8" },
            id: if adeli { adeli_number(number) } else { rpps(seed, number) },
            civility: match (titled, is_doctor && dice.percent(2)) {
                (true, true) => "PR",
                (true, false) => "DR",
                (false, _) => courtesy,
            },
            courtesy,
            family,
            given: if dice.percent(15) { slug(given).to_uppercase() } else { given.to_owned() },
            category: match dice.below(200) {
                0 => ("M", "Militaire"),
                1..=3 => ("E", "Étudiant"),
                _ => CIVIL,
            },
            profession,
            speciality: if is_doctor { words.specialities[words.speciality_shares.pick(&mut dice)] } else { ("", "") },
        }
    }

    /// What stands before the `@`.
    pub(super) fn local_part(&self, dice: &mut Dice) -> String {
        let (given, family) = (slug(&self.given), slug(&self.family));
        match dice.below(20) {
            0 => format!("{}{family}", &given[..1]),
            1..=3 => format!("{family}.{given}"),
            _ => format!("{given}.{family}"),
        }
    }
}

/// Ten digits of which no two people have the same, and the key.
fn rpps(seed: u64, number: u64) -> String {
    let mut digits = format!("10{:08}", (number.wrapping_mul(61_233_349) + seed % 1000) % 100_000_000);
    add_luhn_key(&mut digits);
    digits
}

fn adeli_number(number: u64) -> String {
    let mut digits = format!("{:02}{:06}", 1 + number % 95 % 19, number % 1_000_000);
    add_luhn_key(&mut digits);
    digits
}
