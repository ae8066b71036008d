//! `PS_LibreAcces_Personne_activite`.

use std::io::{self, Write};

use super::dice::Dice;
use super::people::Person;
use super::places::{Domains, Site};
use super::words::Words;
use super::{France, Written, profession};

/// The header of the file: the publication of 2026 as programs that read it quote it, with the `|` at its end.
const HEADER: &str = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code civilité d'exercice|\
    Libellé civilité d'exercice|Code civilité|Libellé civilité|Nom d'exercice|Prénom d'exercice|Code profession|\
    Libellé profession|Code catégorie professionnelle|Libellé catégorie professionnelle|Code type savoir-faire|\
    Libellé type savoir-faire|Code savoir-faire|Libellé savoir-faire|Code mode exercice|Libellé mode exercice|\
    Numéro SIRET site|Numéro SIREN site|Numéro FINESS site|Numéro FINESS établissement juridique|\
    Identifiant technique de la structure|Raison sociale site|Enseigne commerciale site|\
    Complément destinataire (coord. structure)|Complément point géographique (coord. structure)|\
    Numéro Voie (coord. structure)|Indice répétition voie (coord. structure)|Code type de voie (coord. structure)|\
    Libellé type de voie (coord. structure)|Libellé Voie (coord. structure)|Mention distribution (coord. structure)|\
    Bureau cedex (coord. structure)|Code postal (coord. structure)|Code commune (coord. structure)|\
    Libellé commune (coord. structure)|Code pays (coord. structure)|Libellé pays (coord. structure)|\
    Téléphone (coord. structure)|Téléphone 2 (coord. structure)|Télécopie (coord. structure)|\
    Adresse e-mail (coord. structure)|Code Département (structure)|Libellé Département (structure)|\
    Ancien identifiant de la structure|Autorité d'enregistrement|Code secteur d'activité|Libellé secteur d'activité|\
    Code section tableau pharmaciens|Libellé section tableau pharmaciens|Code rôle|Libellé rôle|Code genre activité|\
    Libellé genre activité|";

/// What else is in the ZIP, by name and header.
pub(super) const OTHER_TEXTS: [(&str, &str); 2] = [
    (
        "PS_LibreAcces_Dipl_AutExerc",
        "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Nom d'exercice|Prénom d'exercice|\
         Code type diplôme obtenu|Libellé type diplôme obtenu|Code diplôme obtenu|Libellé diplôme obtenu|\
         Code type autorisation|Libellé type autorisation|Code discipline autorisation|\
         Libellé discipline autorisation|",
    ),
    (
        "PS_LibreAcces_SavoirFaire",
        "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Nom d'exercice|Prénom d'exercice|\
         Code profession|Libellé profession|Code catégorie professionnelle|Libellé catégorie professionnelle|\
         Code type savoir-faire|Libellé type savoir-faire|Code savoir-faire|Libellé savoir-faire|",
    ),
];

/// Every professional, and one in five more who has no BAL.
pub(super) fn write(france: &France, to: impl Write) -> io::Result<Written> {
    let words = Words::new();
    let domains = Domains::new(france.seed, france.domains, &words);
    let mut to = io::BufWriter::with_capacity(1 << 18, to);
    let mut written = Written::default();
    writeln!(to, "{HEADER}")?;
    for number in 0..france.bals + france.bals / 5 {
        let has_bal = number < france.bals;
        if has_bal && (!france.is_nominative(number) || france.owner(number) != number) {
            continue;
        }
        let mut dice = Dice::new(france.seed, 10, number);
        for _ in 0..=u32::from(dice.percent(15)) {
            activity(france, number, &words, &domains, &mut dice, &mut to)?;
            written.lines += 1;
        }
    }
    to.flush()?;
    Ok(written)
}

fn activity(
    france: &France,
    number: u64,
    words: &Words,
    domains: &Domains,
    dice: &mut Dice,
    to: &mut impl Write,
) -> io::Result<()> {
    let home = domains.any(&mut Dice::new(france.seed, 8, number));
    let at = profession(home.1, words, france.seed, number);
    let person = Person::of(france.seed, number, &words.professions[at], words);
    let site = match home.1.profession {
        Some(_) => Site::practice(france.seed, number, &person.family, words),
        None => Site::of_domain(france.seed, home, dice, words),
    };
    let mode = if home.1.profession.is_some() { "L|Libéral" } else { "S|Salarié" };
    let Person { id_kind: kind, id, civility, courtesy, family, given, category, speciality, .. } = &person;
    let doctor = if civility == courtesy { "|" } else { "DR|Docteur" };
    let known = if speciality.0.is_empty() { "|" } else { "S|Spécialité ordinale" };
    write!(to, "{kind}|{id}|{kind}{id}|{doctor}|{courtesy}||{family}|{given}|")?;
    write!(to, "{}|{}|{}|{}|", person.profession.code, person.profession.label, category.0, category.1)?;
    write!(to, "{known}|{}|{}|{mode}|", speciality.0, speciality.1)?;
    let finess = site.finess.as_deref().unwrap_or_default();
    write!(to, "{}|{}|{finess}|||{}|{}|||", site.siret, &site.siret[..9], site.name, site.trade_name)?;
    let commune = site.commune;
    let town = format!("{} {}", commune.postcode, commune.addressed);
    write!(to, "{}|||{}|{}||{town}|{}||{}|||", site.number, site.way_kind, site.way, commune.postcode, commune.name)?;
    writeln!(to, "|||||{}|{}|||||||||||", commune.department, commune.department_name)
}
