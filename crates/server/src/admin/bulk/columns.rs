//! The columns of a list of BALs: what they are called in English and in French, and which column has which field.

use super::problem::Problem;

/// A column, called as the field of a request is, wherever there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Address,
    Kind,
    Name,
    Rpps,
    Adeli,
    LocalId,
    Structure,
    Responsible,
    Service,
    Description,
    Software,
    Nil,
    Replies,
    Listing,
    /// The same, asked the other way round, with yes and no; read, never written.
    RedList,
    CertificateDn,
    PasswordHash,
    State,
}

impl Column {
    /// All of them, in the order of the template and of an export.
    pub(crate) const ALL: [Self; 17] = [
        Self::Address,
        Self::Kind,
        Self::Name,
        Self::Rpps,
        Self::Adeli,
        Self::LocalId,
        Self::Structure,
        Self::Responsible,
        Self::Service,
        Self::Description,
        Self::Software,
        Self::Nil,
        Self::Replies,
        Self::Listing,
        Self::CertificateDn,
        Self::PasswordHash,
        Self::State,
    ];

    /// Its English name, which is also that of the field in the API.
    pub(crate) fn name(self) -> &'static str {
        self.names()[0]
    }

    /// Its French name.
    #[cfg(test)]
    fn french(self) -> &'static str {
        self.names()[1]
    }

    /// English, French, and what else people write.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Address => &["address", "adresse", "bal", "adresse_bal", "adresse_mssante", "email", "mail"],
            Self::Kind => &["kind", "type", "type_bal"],
            Self::Name => &["name", "nom", "nom_affiche", "libelle"],
            Self::Rpps => &["rpps", "numero_rpps"],
            Self::Adeli => &["adeli", "numero_adeli"],
            Self::LocalId => &["local_id", "identifiant_local"],
            Self::Software => &["software", "logiciel"],
            Self::Nil => &["nil", "numero_nil"],
            Self::Replies => &["replies", "reponses"],
            Self::Structure => &["structure", "id_structure"],
            Self::Responsible => &["responsible", "responsable"],
            Self::Service => &["service", "service_de_rattachement"],
            Self::Description => &["description", "description_bal"],
            Self::Listing => &["listing", "parution"],
            Self::RedList => &["red_list", "liste_rouge"],
            Self::CertificateDn => &["certificate_dn", "dn_certificat", "dn"],
            Self::PasswordHash => &["password_hash", "empreinte_mot_de_passe"],
            Self::State => &["state", "etat"],
        }
    }
}

/// Which column stands where. Unknown ones are `None`, and a problem each.
pub(super) struct Header(pub(super) Vec<Option<Column>>);

impl Header {
    /// Reads the first line.
    pub(super) fn read<'a>(line: u64, cells: impl Iterator<Item = &'a str>, problems: &mut Vec<Problem>) -> Self {
        let mut columns: Vec<Option<Column>> = Vec::new();
        for cell in cells {
            let column = named(cell);
            match column {
                Some(known) if columns.contains(&Some(known)) => {
                    problems.push(Problem::new(
                        line,
                        cell,
                        format!("the column {} is there twice; take one away", known.name()),
                    ));
                }
                Some(_) => {}
                None => problems.push(Problem::new(line, cell, unknown(cell))),
            }
            columns.push(column);
        }
        for needed in [Column::Address, Column::Kind] {
            if !columns.contains(&Some(needed)) {
                let why = format!(
                    "there is no column {}; the first line names the columns, `pli bal import --template` prints one",
                    needed.name()
                );
                problems.push(Problem::new(line, needed.name(), why));
            }
        }
        Self(columns)
    }
}

fn named(cell: &str) -> Option<Column> {
    let word = fold(cell);
    Column::ALL.into_iter().chain([Column::RedList]).find(|column| column.names().contains(&word.as_str()))
}

fn unknown(cell: &str) -> String {
    if ["password", "mot_de_passe", "motdepasse"].contains(&fold(cell).as_str()) {
        return "passwords in clear are not read from a list; use --passwords FILE, or a column password_hash"
            .to_owned();
    }
    if cell.trim().is_empty() {
        return "this column has no name in the first line; name it or take it away".to_owned();
    }
    let known = Column::ALL.map(Column::name).join(", ");
    format!("there is no such column; take it away, or name it one of {known} (French names: docs/administration.md)")
}

/// Without case and accents, words joined by `_`.
fn fold(cell: &str) -> String {
    let plain = |c: char| match c {
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'à' | 'â' => 'a',
        'ô' => 'o',
        'ù' | 'û' => 'u',
        'ç' => 'c',
        'î' | 'ï' => 'i',
        other => other,
    };
    let lower: String = cell.trim().to_lowercase().chars().map(plain).collect();
    lower
        .split(|c: char| c.is_whitespace() || matches!(c, '_' | '-' | '\'' | '’'))
        .filter(|w| !w.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> (Vec<Option<Column>>, Vec<String>) {
        let mut problems = Vec::new();
        let header = Header::read(1, header.split(';'), &mut problems);
        (header.0, problems.into_iter().map(|problem| problem.why).collect())
    }

    #[test]
    fn columns_are_known_by_their_names_in_both_languages() {
        for column in Column::ALL {
            assert_eq!(named(column.name()), Some(column));
            assert_eq!(named(column.french()), Some(column));
        }
        let (columns, problems) = read("Adresse BAL; Type ;Liste Rouge;État");
        assert_eq!(columns, [Some(Column::Address), Some(Column::Kind), Some(Column::RedList), Some(Column::State)]);
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn a_header_that_cannot_be_used_says_what_to_do() {
        let (_, problems) = read("address;address;mot de passe;colour");
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].contains("twice") && problems[1].contains("--passwords"), "{problems:?}");
        assert!(problems[2].contains("certificate_dn") && problems[3].contains("no column kind"), "{problems:?}");
    }
}
