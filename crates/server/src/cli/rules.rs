//! `pli rules`: what is enforced, so that an administrator can read it.

use mssante::{refusal_table, rule_table};

use super::print;
use crate::failure::Failure;

pub(super) fn print(json: bool) -> Result<(), Failure> {
    if json {
        return print::json(&serde_json::json!({ "rules": rule_table(), "refusals": refusal_table() }));
    }
    let rules = rule_table().iter().map(|rule| {
        [rule.kind.code(), &format!("{:?}", rule.credential).to_lowercase(), rule.says, rule.source].map(str::to_owned)
    });
    print::table(["kind", "logs in by", "rule", "source"], rules)?;
    let refusals = refusal_table().iter().map(|row| {
        [row.word.to_owned(), format!("{} {}", row.code, row.enhanced), row.english.to_owned(), row.french.to_owned()]
    });
    print::table(["refusal", "reply", "in the reply", "for people"], refusals)
}
