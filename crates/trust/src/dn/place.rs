//! Departments (ST) and towns (L), which authorities and the white list spell as they like.

use super::{DistinguishedName, key};

/// How what two names say of a place compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// The same place, in whatever spelling.
    Same,
    /// One name says nothing, so that there is nothing to compare.
    Unsaid,
    /// Two places, or a value that is no text.
    Other,
}

/// Whether a type names a place, which is compared by its meaning.
pub(super) fn is_place(kind: &str) -> bool {
    matches!(kind, "ST" | "L")
}

/// Whether two names may stand for the same holder as far as their places go. `[MSS1 DN.MATCH]`
pub(super) fn agree(one: &DistinguishedName, other: &DistinguishedName) -> bool {
    ["ST", "L"].into_iter().all(|kind| {
        let values = |name: &DistinguishedName| name.values(kind).map(str::to_owned).collect::<Vec<_>>();
        compare(kind, &values(one), &values(other)) != Places::Other
    })
}

/// Each value of one side must have its like on the other.
pub(super) fn compare(kind: &str, one: &[String], other: &[String]) -> Places {
    if one.is_empty() || other.is_empty() {
        return Places::Unsaid;
    }
    let same: fn(&str, &str) -> bool = if kind == "ST" { same_department } else { same_town };
    let has_like = |value: &String, side: &[String]| side.iter().any(|each| each == value || same(each, value));
    let all = one.iter().all(|value| has_like(value, other)) && other.iter().all(|value| has_like(value, one));
    if all { Places::Same } else { Places::Other }
}

fn same_town(one: &str, other: &str) -> bool {
    is_said(one) && is_said(other) && folded(one) == folded(other)
}

/// By number where both have one (`Paris (75)`, `PARIS(75)`, `75`, `Paris`), else by name.
fn same_department(one: &str, other: &str) -> bool {
    if !is_said(one) || !is_said(other) {
        return false;
    }
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one == other,
        _ => folded(one) == folded(other),
    }
}

/// Whether there is anything to compare by. What is no text is no place.
fn is_said(value: &str) -> bool {
    key::is_text(value) && !folded(value).is_empty()
}

/// The number of a department: the one written alone or behind the name, else that of the name.
fn number(value: &str) -> Option<String> {
    let value = value.trim_matches(key::is_space);
    let behind = || value.strip_suffix(')')?.rsplit_once('(').map(|(_, number)| number.trim_matches(key::is_space));
    behind().and_then(written).or_else(|| written(value)).or_else(|| of_name(&folded(value)))
}

/// `01`, `1`, `2A` or `971`, brought to one form.
fn written(text: &str) -> Option<String> {
    let digits = text.trim_end_matches(['A', 'B', 'a', 'b']);
    let letters = text.len() - digits.len();
    let is_number = match (digits.len(), letters) {
        (1..=3, 0) => digits.bytes().all(|digit| digit.is_ascii_digit()),
        (1, 1) => digits == "2",
        _ => false,
    };
    is_number.then(|| format!("{:0>2}", text.to_ascii_uppercase()))
}

fn of_name(name: &str) -> Option<String> {
    let known = DEPARTMENTS.split(';').filter_map(|entry| entry.trim().split_once(' '));
    known.into_iter().find(|(_, known)| folded(known) == name).map(|(number, _)| number.to_owned())
}

/// Letters and digits only, small, without the accents of French.
fn folded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars().map(key::small).filter(|c| c.is_alphanumeric()) {
        match c {
            'à' | 'â' | 'ä' => out.push('a'),
            'ç' => out.push('c'),
            'é' | 'è' | 'ê' | 'ë' => out.push('e'),
            'î' | 'ï' => out.push('i'),
            'ô' | 'ö' => out.push('o'),
            'ù' | 'û' | 'ü' => out.push('u'),
            'ÿ' => out.push('y'),
            'œ' => out.push_str("oe"),
            'æ' => out.push_str("ae"),
            _ => out.push(c),
        }
    }
    out
}

/// The departments of France, so that `75` and `Paris` are known for the same.
const DEPARTMENTS: &str = "\
    01 Ain;02 Aisne;03 Allier;04 Alpes-de-Haute-Provence;05 Hautes-Alpes;06 Alpes-Maritimes;07 Ardèche;08 Ardennes;\
    09 Ariège;10 Aube;11 Aude;12 Aveyron;13 Bouches-du-Rhône;14 Calvados;15 Cantal;16 Charente;17 Charente-Maritime;\
    18 Cher;19 Corrèze;2A Corse-du-Sud;2B Haute-Corse;21 Côte-d'Or;22 Côtes-d'Armor;23 Creuse;24 Dordogne;25 Doubs;\
    26 Drôme;27 Eure;28 Eure-et-Loir;29 Finistère;30 Gard;31 Haute-Garonne;32 Gers;33 Gironde;34 Hérault;\
    35 Ille-et-Vilaine;36 Indre;37 Indre-et-Loire;38 Isère;39 Jura;40 Landes;41 Loir-et-Cher;42 Loire;43 Haute-Loire;\
    44 Loire-Atlantique;45 Loiret;46 Lot;47 Lot-et-Garonne;48 Lozère;49 Maine-et-Loire;50 Manche;51 Marne;\
    52 Haute-Marne;53 Mayenne;54 Meurthe-et-Moselle;55 Meuse;56 Morbihan;57 Moselle;58 Nièvre;59 Nord;60 Oise;61 Orne;\
    62 Pas-de-Calais;63 Puy-de-Dôme;64 Pyrénées-Atlantiques;65 Hautes-Pyrénées;66 Pyrénées-Orientales;67 Bas-Rhin;\
    68 Haut-Rhin;69 Rhône;70 Haute-Saône;71 Saône-et-Loire;72 Sarthe;73 Savoie;74 Haute-Savoie;75 Paris;\
    76 Seine-Maritime;77 Seine-et-Marne;78 Yvelines;79 Deux-Sèvres;80 Somme;81 Tarn;82 Tarn-et-Garonne;83 Var;\
    84 Vaucluse;85 Vendée;86 Vienne;87 Haute-Vienne;88 Vosges;89 Yonne;90 Territoire de Belfort;91 Essonne;\
    92 Hauts-de-Seine;93 Seine-Saint-Denis;94 Val-de-Marne;95 Val-d'Oise;971 Guadeloupe;972 Martinique;973 Guyane;\
    974 La Réunion;974 Réunion;976 Mayotte";

#[cfg(test)]
mod tests {
    use super::*;

    fn places(kind: &str, one: &str, other: &str) -> Places {
        let there = compare(kind, &[one.to_owned()], &[other.to_owned()]);
        assert_eq!(there, compare(kind, &[other.to_owned()], &[one.to_owned()]), "{one} {other}");
        there
    }

    #[test]
    fn a_department_is_its_number_however_it_is_spelt() {
        for (one, other) in [
            ("Paris (75)", "PARIS (75)"),
            ("Paris (75)", "Paris(75)"),
            ("Paris (75)", "75"),
            ("Paris (75)", "Paris"),
            ("Paris", "75"),
            ("Meurthe et Moselle(54)", "Meurthe-et-Moselle (54)"),
            ("Meuthe-et-Moselle (54)", "Meurthe-et-Moselle"),
            ("LOIRE-ATLANTIQUE(44)", "Loire Atlantique"),
            ("Ain (1)", "01"),
            ("Corse-du-Sud (2a)", "2A"),
            ("Réunion (974)", "LA REUNION"),
            ("Val d\u{2019}Oise", "Val d'Oise (95)"),
            ("Île-de-France", "ILE DE FRANCE"),
            ("Gard\u{a0}(30)", " Gard "),
        ] {
            assert_eq!(places("ST", one, other), Places::Same, "{one} {other}");
        }
    }

    #[test]
    fn another_department_is_another_place() {
        for (one, other) in [
            ("Paris (75)", "Nord (59)"),
            ("Paris (75)", "59"),
            ("Paris", "59"),
            ("Paris", "Nord"),
            ("Loire (42)", "Loire-Atlantique (44)"),
            ("Loire", "Loiret"),
            ("2A", "2B"),
            ("Île-de-France", "75"),
            ("Paris (75)", "Paris (75)\0"),
            ("Paris (75)", "#0c0a5061726973"),
            ("-", "()"),
        ] {
            assert_eq!(places("ST", one, other), Places::Other, "{one} {other}");
        }
    }

    #[test]
    fn towns_are_compared_by_their_letters() {
        assert_eq!(places("L", "Saint-Étienne", "SAINT ETIENNE"), Places::Same);
        assert_eq!(places("L", "Bobigny (93)", "Montreuil (93)"), Places::Other);
        assert_eq!(compare("L", &["Nice".to_owned()], &[]), Places::Unsaid);
    }

    #[test]
    fn of_several_departments_each_needs_its_like() {
        let values = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
        assert_eq!(compare("ST", &values(&["75", "Nord"]), &values(&["59", "Paris"])), Places::Same);
        assert_eq!(compare("ST", &values(&["75", "Nord"]), &values(&["Paris"])), Places::Other);
    }

    #[test]
    fn every_department_has_one_number_and_each_name_leads_to_it() {
        for entry in DEPARTMENTS.split(';') {
            let (expected, name) = entry.split_once(' ').unwrap();
            assert_eq!(number(name).as_deref(), Some(expected));
            assert_eq!(number(&format!("{name} ({expected})")).as_deref(), Some(expected));
        }
        assert_eq!(DEPARTMENTS.split(';').count(), 102, "101 departments, one under two names");
    }
}
