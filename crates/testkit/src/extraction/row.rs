//! One line of `Extraction_Correspondance_MSSante`.

use std::fmt;

use super::people::Person;
use super::places::Site;

/// The header of the file, column by column.
pub const CORRESPONDENCE_COLUMNS: [&str; 31] = [
    "Type de BAL",
    "Adresse BAL",
    "Type Identifiant PP",
    "Identifiant PP",
    "Identification nationale PP",
    "Type identifiant structure",
    "Identification Structure",
    "Service de rattachement",
    "Civilité d'exercice",
    "Nom d'exercice",
    "Prénom d'exercice",
    "Catégorie profession",
    "Libellé de catégorie profession",
    "Code Profession",
    "Libellé Profession",
    "Code savoir-faire",
    "Libellé savoir-faire",
    "Dématérialisation",
    "Raison Sociale structure BAL",
    "Enseigne commerciale structure BAL",
    "L2COMPLEMENTLOCALISATION structure BAL",
    "L3COMPLEMENTDISTRIBUTION structure BAL",
    "L4NUMEROVOIE structure BAL",
    "L4COMPLEMENTNUMEROVOIE structure BAL",
    "NL4TYPEVOIE structure BAL",
    "L4LIBELLEVOIE structure BAL",
    "L5LIEUDITMENTION structure BAL",
    "L6LIGNEACHEMINEMENT structure BAL",
    "Code postal structure BAL",
    "Département structure BAL",
    "Pays structure BAL",
];

/// A line; fields that are not set are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    fields: [String; 31],
}

impl Default for Row {
    fn default() -> Self {
        Self::new()
    }
}

impl Row {
    /// An empty one.
    pub fn new() -> Self {
        Self { fields: [const { String::new() }; 31] }
    }

    /// With a field by the name of its column; panics if there is none of this name.
    #[must_use]
    pub fn with(mut self, column: &str, value: &str) -> Self {
        let at = CORRESPONDENCE_COLUMNS.iter().position(|name| *name == column).expect("a column of the extraction");
        value.clone_into(&mut self.fields[at]);
        self
    }

    /// Doctor Anne Perin, general practitioner at Aulnay-sous-Bois, whom tests look for.
    pub fn perin() -> Self {
        let fields = "PER|anne.perin@medecin.mssante.fr|8|10001234565|810001234565|1|930110069||DR|PERIN|Anne|C|Civil|10|\
            Médecin|SM54|Médecine générale|O|CABINET DU DR PERIN||||12||RUE|DE LA GARE||93600 AULNAY SOUS BOIS|93600|\
            Seine-Saint-Denis|France";
        let mut row = Self::new();
        for (field, value) in row.fields.iter_mut().zip(fields.split('|')) {
            value.clone_into(field);
        }
        row
    }

    pub(super) fn kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.fields[0]);
        self
    }

    pub(super) fn person(mut self, person: &Person<'_>) -> Self {
        let national = [person.id_kind, &person.id].concat();
        self.write(2, &[person.id_kind, &person.id, &national]);
        let Person { profession, speciality, category, .. } = person;
        self.write(8, &[person.civility, &person.family, &person.given, category.0, category.1]);
        self.write(13, &[profession.code, profession.label, speciality.0, speciality.1]);
        self
    }

    pub(super) fn site(mut self, site: &Site<'_>) -> Self {
        match &site.finess {
            Some(finess) => self.write(5, &["1", finess]),
            None => self.write(5, &["3", &site.siret]),
        }
        self.write(18, &[&site.name, &site.trade_name]);
        self.write(22, &[&site.number.to_string(), "", site.way_kind, site.way]);
        let commune = site.commune;
        let town = format!("{} {}", commune.postcode, commune.addressed);
        self.write(27, &[&town, commune.postcode, commune.department_name, "France"]);
        self
    }

    fn write(&mut self, from: usize, values: &[&str]) {
        for (field, value) in self.fields[from..].iter_mut().zip(values) {
            (*value).clone_into(field);
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, field) in self.fields.iter().enumerate() {
            if n > 0 {
                f.write_str("|")?;
            }
            f.write_str(field)?;
        }
        Ok(())
    }
}
