//! The header line: which column is where.

use unicode_normalization::UnicodeNormalization as _;

use super::lines::{Line, Lines};
use super::{ExtractionError, ExtractionKind};

/// A column that is read: how it is called, older names after the present one.
type Names = &'static [&'static str];

/// What a file has to have, and what it may have.
pub(super) struct Layout {
    kind: ExtractionKind,
    /// The column that tells this kind of file from the other.
    mark: &'static str,
    /// In the order of the constants that name their places.
    needed: &'static [Names],
    /// As well, after the needed ones.
    welcome: &'static [Names],
}

/// Where the columns of one file are.
#[derive(Debug)]
pub(super) struct Columns {
    kind: ExtractionKind,
    places: Vec<Option<usize>>,
    /// How many columns have a name: a line has as many fields, or more if these are empty.
    count: usize,
}

impl Columns {
    /// Reads the first line. Names compare without regard to case: publications of different years differ in it.
    pub(super) fn read(lines: &mut Lines<'_>) -> Result<Self, ExtractionError> {
        let Some(line) = lines.next()? else {
            return Err(ExtractionError::Header("it is empty; get it again".to_owned()));
        };
        let names = names(&line)?;
        let layout = [&CORRESPONDENCE, &ACTIVITIES]
            .into_iter()
            .find(|layout| names.contains(&comparable(layout.mark)))
            .ok_or_else(|| ExtractionError::Header(unknown(&names)))?;
        Self::of(&names, layout)
    }

    fn of(names: &[String], layout: &Layout) -> Result<Self, ExtractionError> {
        if let Some(twice) = names.iter().enumerate().find(|(n, name)| !name.is_empty() && names[..*n].contains(name)) {
            return Err(ExtractionError::Header(format!("its header names the column '{}' twice", twice.1)));
        }
        let place = |column: &Names| {
            let known: Vec<String> = column.iter().map(|name| comparable(name)).collect();
            names.iter().position(|name| known.contains(name))
        };
        let places: Vec<_> = layout.needed.iter().chain(layout.welcome).map(place).collect();
        let missing: Vec<&str> = layout
            .needed
            .iter()
            .zip(&places)
            .filter(|(_, place)| place.is_none())
            .map(|(column, _)| column[0])
            .collect();
        if !missing.is_empty() {
            return Err(ExtractionError::Header(format!("its header lacks {}{}", missing.join(", "), garbled(names))));
        }
        let count = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        Ok(Self { kind: layout.kind, places, count })
    }

    pub(super) fn kind(&self) -> ExtractionKind {
        self.kind
    }

    /// How many fields a line has to have.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Where a column is, if the file has it.
    pub(super) fn place(&self, column: usize) -> Option<usize> {
        self.places[column]
    }
}

/// The names of the columns in their comparable form, an empty one after a `|` at the end.
fn names(line: &Line<'_>) -> Result<Vec<String>, ExtractionError> {
    let octets = line.octets.ok_or_else(|| ExtractionError::Header("its first line is endless".to_owned()))?;
    match std::str::from_utf8(octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets)) {
        Ok(text) => Ok(text.split('|').map(comparable).collect()),
        Err(_) => Err(ExtractionError::Header(foreign(octets))),
    }
}

/// Composed, without regard to case and to what older headers leave out.
fn comparable(name: &str) -> String {
    let name = name.trim().nfc().collect::<String>().to_lowercase().replace('\u{2019}', "'");
    name.strip_suffix(" structure bal").unwrap_or(&name).to_owned()
}

/// What a first line that is not UTF-8 may be.
fn foreign(octets: &[u8]) -> String {
    let what = match octets {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "it is UTF-16, not UTF-8",
        [0x1F, 0x8B, ..] => "it is a gzip; unpack it first",
        _ if octets.contains(&0) => "it is no text",
        _ => "its header is not UTF-8; it looks like Latin-1 (ISO-8859-1 or Windows-1252): get it again, or convert it",
    };
    what.to_owned()
}

/// What a first line of text may be that names no known column.
fn unknown(names: &[String]) -> String {
    let first = names.first().map(String::as_str).unwrap_or_default();
    let hint = match names {
        _ if first.starts_with('<') => "; it is a page or XML",
        _ if first.starts_with("pk\u{3}\u{4}") => "; it is an archive inside the archive",
        [only] if only.contains([';', ',', '\t']) => "; its columns are not separated by |",
        _ => "",
    };
    format!(
        "its first line is not the header of Extraction_Correspondance_MSSante or PS_LibreAcces_Personne_activite{hint}"
    )
}

/// Whether letters were lost or encoded twice on the way.
fn garbled(names: &[String]) -> &'static str {
    let any = |part: &str| names.iter().any(|name| name.contains(part));
    if any("\u{FFFD}") {
        "; its accents were lost, as when Latin-1 is read as UTF-8"
    } else if any("ã©") {
        "; it was encoded as UTF-8 twice"
    } else {
        ""
    }
}

const CORRESPONDENCE: Layout = Layout {
    kind: ExtractionKind::Correspondence,
    mark: "Adresse BAL",
    needed: &[
        &["Type de BAL"],
        &["Adresse BAL"],
        &["Type Identifiant PP"],
        &["Identifiant PP"],
        &["Identification nationale PP"],
        &["Type identifiant structure"],
        &["Identification Structure"],
        &["Service de rattachement"],
        &["Civilité d'exercice"],
        &["Nom d'exercice"],
        &["Prénom d'exercice"],
        &["Catégorie profession"],
        &["Libellé de catégorie profession"],
        &["Code Profession"],
        &["Libellé Profession"],
        &["Code savoir-faire"],
        &["Libellé savoir-faire"],
        &["Dématérialisation"],
        &["Raison Sociale structure BAL"],
        &["Enseigne commerciale structure BAL"],
        &["L2COMPLEMENTLOCALISATION structure BAL"],
        &["L3COMPLEMENTDISTRIBUTION structure BAL"],
        &["L4NUMEROVOIE structure BAL"],
        &["L4COMPLEMENTNUMEROVOIE structure BAL"],
        &["NL4TYPEVOIE structure BAL"],
        &["L4LIBELLEVOIE structure BAL"],
        &["L5LIEUDITMENTION structure BAL"],
        &["L6LIGNEACHEMINEMENT structure BAL"],
        &["Code postal structure BAL"],
        &["Département structure BAL"],
        &["Pays structure BAL"],
    ],
    welcome: &[],
};

const ACTIVITIES: Layout = Layout {
    kind: ExtractionKind::Activities,
    mark: "Raison sociale site",
    needed: &[
        &["Type d'identifiant PP"],
        &["Identifiant PP"],
        &["Identification nationale PP"],
        &["Code profession"],
        &["Libellé profession"],
        &["Code savoir-faire"],
        &["Libellé savoir-faire"],
        &["Numéro SIRET site"],
        &["Numéro FINESS site"],
        &["Raison sociale site"],
        &["Enseigne commerciale site"],
        &["Numéro Voie (coord. structure)"],
        &["Libellé Voie (coord. structure)"],
        &["Code postal (coord. structure)"],
        &["Libellé commune (coord. structure)"],
    ],
    welcome: &[
        &["Numéro SIREN site"],
        &["Numéro FINESS établissement juridique"],
        &["Complément destinataire (coord. structure)"],
        &["Complément point géographique (coord. structure)"],
        &["Indice répétition voie (coord. structure)"],
        &["Libellé type de voie (coord. structure)"],
        &["Mention distribution (coord. structure)"],
        &["Bureau cedex (coord. structure)"],
        &["Code Département (structure)", "Code département (coord. structure)"],
        &["Libellé Département (structure)", "Libellé département (coord. structure)"],
        &["Libellé pays (coord. structure)"],
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str) -> Result<Columns, ExtractionError> {
        let line = Line { number: 1, octets: Some(header.as_bytes()), ending: super::super::lines::Ending::Newline };
        let names = names(&line)?;
        Columns::of(&names, &CORRESPONDENCE)
    }

    fn header() -> String {
        CORRESPONDENCE.needed.iter().map(|names| names[0]).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn names_are_found_in_any_order_composed_or_not_with_or_without_their_suffix() {
        let mut names: Vec<String> = header().split('|').map(str::to_owned).collect();
        names.reverse();
        let turned: String = names.join("|").nfd().collect::<String>().replace(" structure BAL", "");
        let columns = columns(&format!("\u{FEFF}{turned}|Inconnue|")).unwrap();
        assert_eq!((columns.place(0), columns.place(30), columns.count()), (Some(30), Some(0), 32));
    }

    #[test]
    fn missing_columns_are_named() {
        let header = header().replace("Dématérialisation|", "").replace("Adresse BAL", "Adresse");
        let error = columns(&header).unwrap_err().to_string();
        assert_eq!(error, "its header lacks Adresse BAL, Dématérialisation");
    }

    #[test]
    fn a_column_that_stands_twice_is_ambiguous() {
        assert!(columns(&format!("{}|type de bal", header())).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn wrong_encodings_are_told() {
        let latin: Vec<u8> = header().chars().map(|c| u8::try_from(c).unwrap()).collect();
        let line = Line { number: 1, octets: Some(&latin), ending: super::super::lines::Ending::Newline };
        assert!(names(&line).unwrap_err().to_string().contains("Latin-1"));
        let twice: String = latin_once_more(&header());
        assert!(columns(&twice).unwrap_err().to_string().contains("twice"));
        assert!(columns(&header().replace('é', "\u{FFFD}")).unwrap_err().to_string().contains("accents were lost"));
    }

    fn latin_once_more(text: &str) -> String {
        text.bytes().map(char::from).collect()
    }
}
