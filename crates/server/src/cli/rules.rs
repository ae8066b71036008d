//! `pli rules`: what is enforced, so that an administrator can read it.

use std::fmt::Write as _;

use message::{Severity, verdict_table};
use mssante::{
    AttributeRow, BalKind, Credential, Giver, MoveRow, Mover, Presence, Refusal, Shown, StateRow, attribute_table,
    delegation_table, forward_table, move_table, opening_table, refusal_table, rule_table, state_table,
};

use super::print;
use crate::failure::Failure;

/// How the rules are printed.
#[derive(Debug, clap::Args)]
pub(super) struct Rules {
    /// As the page docs/regles.md, in French.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

impl Rules {
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        match (json, self.markdown) {
            (true, _) => print::json(&serde_json::json!({
                "rules": rule_table().collect::<Vec<_>>(), "states": state_table(), "moves": move_table(),
                "opening": opening_table(), "attributes": attribute_table(), "forwards": forward_table(),
                "delegations": delegation_table(), "refusals": refusal_table(), "verdicts": verdict_table(),
            })),
            (false, true) => print::line(page().trim_end()),
            (false, false) => Lists::of(Language::English).0.iter().try_for_each(List::print),
        }
    }
}

/// What one list of rules is printed as.
struct List {
    title: &'static str,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

#[derive(Clone, Copy)]
enum Language {
    English,
    French,
}

impl Language {
    fn of(self, english: &'static str, french: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::French => french,
        }
    }
}

struct Lists(Vec<List>);

impl Lists {
    fn of(language: Language) -> Self {
        let lists = [rules, states, moves, openings, attributes, forwards, delegations, refusals, verdicts];
        Self(lists.map(|list| list(language)).into())
    }
}

impl List {
    fn new<const N: usize>(
        title: &'static str,
        head: [&'static str; N],
        rows: impl Iterator<Item = [String; N]>,
    ) -> Self {
        Self { title, head: head.to_vec(), rows: rows.map(Vec::from).collect() }
    }

    fn print(&self) -> Result<(), Failure> {
        print::rows(&self.head, self.rows.iter().cloned())
    }

    fn markdown(&self, page: &mut String) {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<_> = self.head.iter().map(|&cell| cell.to_owned()).collect();
        let rule = vec!["---".to_owned(); head.len()];
        let rows =
            self.rows.iter().map(|row| line(&row.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>()));
        let _ = write!(page, "\n## {}\n\n{}{}{}", self.title, line(&head), line(&rule), rows.collect::<String>());
    }
}

/// The page for administrators. A test compares it with the file.
fn page() -> String {
    let mut page = "# Les règles appliquées par pli\n\nCette page est produite par `pli rules --markdown`. \
        Chaque règle porte le nom du test qui la vérifie (`rule_…`) et sa source ; « ours » : aucun texte public ne dit rien, \
        le choix est celui de pli.\n"
        .to_owned();
    Lists::of(Language::French).0.iter().for_each(|list| list.markdown(&mut page));
    page
}

fn rules(language: Language) -> List {
    match language {
        Language::English => List::new(
            "Rules",
            ["rule", "says", "source"],
            rule_table().map(|rule| [rule.id, rule.says, rule.source].map(str::to_owned)),
        ),
        Language::French => List::new(
            "Règles",
            ["règle", "énoncé", "source"],
            rule_table().map(|rule| [rule.id, rule.french, rule.source].map(str::to_owned)),
        ),
    }
}

fn states(language: Language) -> List {
    let (title, head) = match language {
        Language::English => ("States", ["state", "mail for it", "mail from it", "log-in", "directories"]),
        Language::French => ("États d'une BAL", ["état", "courrier reçu", "courrier envoyé", "connexion", "annuaires"]),
    };
    let verdict = |refusal: Option<Refusal>| match (refusal, language) {
        (Some(refusal), _) => refusal.word().to_owned(),
        (None, Language::English) => "yes".to_owned(),
        (None, Language::French) => "oui".to_owned(),
    };
    let shown = |shown| match (shown, language) {
        (Shown::Published, Language::English) => "published",
        (Shown::Published, Language::French) => "publiée",
        (Shown::Withdrawn, Language::English) => "withdrawn",
        (Shown::Withdrawn, Language::French) => "retirée",
    };
    let row = |row: &StateRow| {
        let [receiving, sending, reading] = [row.receiving, row.sending, row.reading].map(verdict);
        [row.state.to_string(), receiving, sending, reading, shown(row.shown).to_owned()]
    };
    List::new(title, head, state_table().iter().map(row))
}

fn moves(language: Language) -> List {
    let (title, head) = match language {
        Language::English => ("Moves", ["from", "to", "by"]),
        Language::French => ("Passages d'un état à l'autre", ["de", "à", "par"]),
    };
    let mover = |mover: &Mover| match (mover, language) {
        (mover, Language::English) => mover.word(),
        (Mover::FirstLogIn, Language::French) => "première connexion",
        (Mover::Administrator, Language::French) => "administrateur",
        (Mover::Inactivity, Language::French) => "inactivité",
    };
    let row = |row: &MoveRow| {
        let by: Vec<_> = row.by.iter().map(mover).collect();
        [row.from.to_string(), row.to.to_string(), by.join(", ")]
    };
    List::new(title, head, move_table().iter().map(row))
}

fn openings(language: Language) -> List {
    let (title, head) = match language {
        Language::English => ("Log-in", ["kind", "opens by"]),
        Language::French => ("Connexion", ["type", "s'ouvre par"]),
    };
    let credential = |credential| match (language, credential) {
        (Language::English, Credential::Password) => "password",
        (Language::French, Credential::Password) => "mot de passe",
        (Language::English, Credential::Certificate) => "client certificate",
        (Language::French, Credential::Certificate) => "certificat client",
    };
    let rows = opening_table().iter().map(|row| [row.kind.code(), credential(row.credential)].map(str::to_owned));
    List::new(title, head, rows)
}

fn attributes(language: Language) -> List {
    let (title, head) = match language {
        Language::English => ("Attributes", ["comes with", "PER", "ORG", "APP", "CAB", "remark"]),
        Language::French => ("Attributs", ["attribut", "PER", "ORG", "APP", "CAB", "remarque"]),
    };
    let rows = attribute_table().iter().map(|row| {
        let [per, org, app, cab] = BalKind::ALL.map(|kind| presence(row, kind, language));
        [row.attribute.word().to_owned(), per, org, app, cab, language.of(row.remark, row.french).to_owned()]
    });
    List::new(title, head, rows)
}

fn presence(row: &AttributeRow, kind: BalKind, language: Language) -> String {
    match (row.of(kind), language) {
        (Presence::Required, Language::English) => "yes".to_owned(),
        (Presence::Required, Language::French) => "oui".to_owned(),
        (Presence::RequiredUnless(other), Language::English) => format!("yes, or {}", other.word()),
        (Presence::RequiredUnless(other), Language::French) => format!("oui, ou {}", other.word()),
        (Presence::OptionalWith(other), Language::English) => format!("may, with {}", other.word()),
        (Presence::OptionalWith(other), Language::French) => format!("facultatif, avec {}", other.word()),
        (Presence::Optional, Language::English) => "may".to_owned(),
        (Presence::Optional, Language::French) => "facultatif".to_owned(),
        (Presence::Forbidden, Language::English) => "no".to_owned(),
        (Presence::Forbidden, Language::French) => "non".to_owned(),
    }
}

fn forwards(language: Language) -> List {
    let (title, head, nobody) = match language {
        Language::English => ("Forwards", ["mail of", "may be handed on to", "remark"], "nobody"),
        Language::French => ("Renvois", ["courrier de", "peut être renvoyé vers", "remarque"], "personne"),
    };
    let rows = forward_table().iter().map(|row| {
        let to = row.to.iter().map(|kind| kind.code()).collect::<Vec<_>>().join(", ");
        let remark = language.of(row.remark, row.french);
        [row.from.code().to_owned(), if to.is_empty() { nobody.to_owned() } else { to }, remark.to_owned()]
    });
    List::new(title, head, rows)
}

fn delegations(language: Language) -> List {
    let (title, head, nobody) = match language {
        Language::English => ("Delegations", ["BAL", "opened to others by"], "nobody"),
        Language::French => ("Délégations", ["BAL", "ouverte à d'autres par"], "personne"),
    };
    let giver = |giver: &Giver| match (language, giver) {
        (Language::English, giver) => giver.word(),
        (Language::French, Giver::Administrator) => "administrateur",
    };
    let rows = delegation_table().iter().map(|row| {
        let givers = row.givers.iter().map(giver).collect::<Vec<_>>().join(", ");
        [row.kind.code().to_owned(), if givers.is_empty() { nobody.to_owned() } else { givers }]
    });
    List::new(title, head, rows)
}

fn refusals(language: Language) -> List {
    let (title, head) = match language {
        Language::English => ("Refusals", ["refusal", "reply", "in the reply", "for people"]),
        Language::French => ("Refus", ["motif", "réponse", "texte de la réponse", "pour les personnes"]),
    };
    let rows = refusal_table().iter().map(|row| {
        [row.word.to_owned(), format!("{} {}", row.code, row.enhanced), row.english.to_owned(), row.french.to_owned()]
    });
    List::new(title, head, rows)
}

fn verdicts(language: Language) -> List {
    match language {
        Language::English => List::new(
            "Archives IHE_XDM.ZIP",
            ["archive", "severity", "meaning", "source"],
            verdict_table().iter().map(|row| {
                let severity = if row.severity == Severity::Error { "error" } else { "warning" };
                [row.code, severity, row.english, row.source].map(str::to_owned)
            }),
        ),
        Language::French => List::new(
            "Archives IHE_XDM.ZIP",
            ["code", "gravité", "sens", "source"],
            verdict_table().iter().map(|row| {
                let severity = if row.severity == Severity::Error { "erreur" } else { "avertissement" };
                [row.code, severity, row.french, row.source].map(str::to_owned)
            }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_of_the_rules_says_what_is_enforced() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/regles.md");
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(found == page(), "write it again: cargo run -p server -- rules --markdown > docs/regles.md");
    }
}
