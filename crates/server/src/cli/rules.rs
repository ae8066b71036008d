//! `pli rules`: what is enforced, so that an administrator can read it.

use mssante::{AttributeRow, BalKind, Presence, attribute_table, forward_table, refusal_table, rule_table};

use super::print;
use crate::failure::Failure;

pub(super) fn print(json: bool) -> Result<(), Failure> {
    if json {
        return print::json(&serde_json::json!({
            "rules": rule_table(), "attributes": attribute_table(), "forwards": forward_table(), "refusals": refusal_table(),
        }));
    }
    let rules = rule_table().iter().map(|rule| {
        [rule.kind.code(), &format!("{:?}", rule.credential).to_lowercase(), rule.says, rule.source].map(str::to_owned)
    });
    print::table(["kind", "logs in by", "rule", "source"], rules)?;
    let attributes = attribute_table().iter().map(|row| {
        let [per, org, app, cab] = BalKind::ALL.map(|kind| presence(row, kind));
        [row.attribute.word().to_owned(), per, org, app, cab, row.remark.to_owned()]
    });
    print::table(["comes with", "PER", "ORG", "APP", "CAB", "remark"], attributes)?;
    let forwards = forward_table().iter().map(|row| {
        let to = row.to.iter().map(|kind| kind.code()).collect::<Vec<_>>().join(", ");
        [row.from.code().to_owned(), if to.is_empty() { "nobody".to_owned() } else { to }, row.remark.to_owned()]
    });
    print::table(["mail of", "may be handed on to", "remark"], forwards)?;
    let refusals = refusal_table().iter().map(|row| {
        [row.word.to_owned(), format!("{} {}", row.code, row.enhanced), row.english.to_owned(), row.french.to_owned()]
    });
    print::table(["refusal", "reply", "in the reply", "for people"], refusals)
}

fn presence(row: &AttributeRow, kind: BalKind) -> String {
    match row.of(kind) {
        Presence::Required => "yes".to_owned(),
        Presence::RequiredUnless(other) => format!("yes, or {}", other.word()),
        Presence::Optional => "may".to_owned(),
        Presence::Forbidden => "no".to_owned(),
    }
}
