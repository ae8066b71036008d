//! Everything that pli enforces about BALs and who may write to whom, in one list: each rule stands beside the function
//! that enforces it, with its source.

use serde::Serialize;

use crate::{Refusal, authors, creation, life, opening, patients, quota, rights, sending};

/// The answer of a rule.
pub type Verdict = Result<(), Refusal>;

/// One rule, as `pli rules` prints it. A test that holds it is named after it: `rule_app_certificate_...`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rule {
    /// Stable name: capitals and points.
    pub id: &'static str,
    /// What it says, in one sentence.
    pub says: &'static str,
    /// The same for administrators.
    pub french: &'static str,
    /// Where it comes from: a section of the rule index, or `ours` where no public text says anything.
    pub source: &'static str,
}

/// Each module brings its own.
const TABLES: &[&[Rule]] = &[
    opening::RULES,
    creation::RULES,
    life::RULES,
    quota::RULES,
    sending::RULES,
    authors::RULES,
    rights::RULES,
    patients::RULES,
];

/// All rules, in the order of their subjects.
pub fn rule_table() -> impl Iterator<Item = &'static Rule> {
    TABLES.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn rules_have_names_of_their_own() {
        let names: HashSet<_> = rule_table().map(|rule| rule.id).collect();
        assert_eq!(names.len(), rule_table().count());
        for rule in rule_table() {
            assert!(rule.id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '.'), "{}", rule.id);
            assert!(rule.source == "ours" || rule.source.starts_with('['), "{}", rule.id);
        }
    }

    #[test]
    fn each_rule_has_a_test_that_is_named_after_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut code = String::new();
        for folder in ["crates", "tests"] {
            read_rust(&root.join(folder), &mut code);
        }
        let tests: HashSet<&str> = tests_in(&code).collect();
        for rule in rule_table() {
            let name = format!("rule_{}", rule.id.to_lowercase().replace('.', "_"));
            assert!(tests.iter().any(|test| test.starts_with(&name)), "no test begins with `{name}`");
        }
    }

    /// The names of functions that an attribute makes a test of, or a macro of properties.
    fn tests_in(code: &str) -> impl Iterator<Item = &str> {
        let lines = code.lines().map(str::trim);
        lines
            .clone()
            .zip(lines.skip(1))
            .filter(|(attribute, _)| attribute.starts_with("#[") && attribute.ends_with("test]"))
            .filter_map(|(_, function)| {
                let name = function.trim_start_matches("async ").strip_prefix("fn ")?;
                name.split('(').next()
            })
    }

    #[test]
    fn a_comment_is_no_test() {
        let code =
            "// fn rule_one\n#[test]\nfn rule_two() {\n#[tokio::test]\nasync fn rule_three() {\nfn rule_four() {";
        assert_eq!(tests_in(code).collect::<Vec<_>>(), ["rule_two", "rule_three"]);
    }

    fn read_rust(folder: &Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read_rust(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
}
