//! The checks against the white list: its age, the domain, and the name attribute by attribute.

use mssante::Refusal;

use super::{Asked, Check, CheckOutcome, Direction, moment};
use crate::{AttributeComparison, AttributeOutcome, DistinguishedName, DnMatch, ListStanding, TrustList, TrustSpace};

const LIST: &str = "trust_list.url, trust_list.file";
const AGES: &str = "trust_list.stale_after, trust_list.expired_after";
const MATCH: &str = "trust_list.dn_match";

/// Whose domain it is, the list, the domain on it, the name for the domain.
pub(super) fn checks(asked: &Asked<'_>, space: &TrustSpace, name: Option<&DistinguishedName>) -> Vec<Check> {
    let mut checks = vec![ownership(asked), standing(space)];
    let Some(list) = space.list() else {
        checks.push(Check::not_checked("domain", LIST, "there is no list"));
        checks.push(Check::not_checked("name", MATCH, "there is no list"));
        return checks;
    };
    checks.push(domain(asked, space, &list));
    checks.push(match name {
        Some(name) => matched(asked, space, &list, name),
        None => Check::not_checked("name", MATCH, "the certificate has none that can be read"),
    });
    checks
}

/// Nobody outside writes in our name.
fn ownership(asked: &Asked<'_>) -> Check {
    const SETTING: &str = "operator.domains";
    match (asked.direction, asked.our_domains.contains(asked.domain)) {
        (Direction::Out, _) => Check::not_checked("ownership", SETTING, "of senders only"),
        (Direction::In, false) => Check::held("ownership", SETTING, "the domain is not ours"),
        (Direction::In, true) => {
            let why = format!("{} is our own domain, for which no other operator writes", asked.domain);
            Check::failed("ownership", SETTING, Refusal::SenderIsOurs, why)
        }
    }
}

fn standing(space: &TrustSpace) -> Check {
    let age = space.in_force().map_or_else(String::new, |current| {
        let list = &current.list;
        let (made, confirmed) = (moment(list.generated_at()), moment(current.confirmed_at));
        format!("{} domains, made {made}, confirmed {confirmed}", list.domain_count())
    });
    match space.standing() {
        ListStanding::Fresh => Check::held("list", AGES, format!("fresh: {age}")),
        ListStanding::Stale => {
            let found = format!("stale; what it has is believed, what it lacks is refused for the time being: {age}");
            Check::new("list", AGES, CheckOutcome::Doubtful, found)
        }
        ListStanding::Expired => {
            Check::failed("list", AGES, Refusal::TrustListExpired, format!("too old to be believed: {age}"))
        }
        ListStanding::Missing => {
            Check::failed("list", AGES, Refusal::TrustListUnavailable, "no list is in force; `pli trust refresh`")
        }
    }
}

fn domain(asked: &Asked<'_>, space: &TrustSpace, list: &TrustList) -> Check {
    let names = list.names_of(asked.domain);
    if list.lists(asked.domain) {
        let lines: Vec<_> = names.iter().map(|name| format!("\n{name}")).collect();
        return Check::held("domain", LIST, format!("{} is listed with{}", asked.domain, lines.concat()));
    }
    let refusal = match asked.direction {
        Direction::In => Refusal::SenderDomainNotListed,
        Direction::Out => Refusal::DomainNotListed,
    };
    Check::failed("domain", LIST, space.standing().doubting(refusal), format!("{} is not listed", asked.domain))
}

fn matched(asked: &Asked<'_>, space: &TrustSpace, list: &TrustList, name: &DistinguishedName) -> Check {
    let listed = list.names_of(asked.domain);
    if listed.is_empty() {
        return Check::not_checked("name", MATCH, "the domain is not listed");
    }
    match space.how(|how| list.binds(asked.domain, name, how)) {
        Ok(how) => {
            let same = listed.iter().find(|listed| listed.matches(name, how));
            let lines = same.map_or_else(String::new, |listed| side_by_side(listed, name, how));
            Check::held("name", MATCH, format!("compared {}{lines}", how.word()))
        }
        Err(refusal) => {
            let how = space.rules().how;
            let lines: Vec<_> = listed.iter().map(|listed| side_by_side(listed, name, how)).collect();
            let why = format!("compared {}, none of {} matches{}", how.word(), listed.len(), lines.concat());
            Check::failed("name", MATCH, space.standing().doubting(refusal), why)
        }
    }
}

/// Names that are compared in full for people.
fn side_by_side(listed: &DistinguishedName, shown: &DistinguishedName, how: DnMatch) -> String {
    let lines: Vec<_> = listed.compare(shown).iter().map(|attribute| line(attribute, how)).collect();
    let order = if how == DnMatch::Strict && listed != shown && lines.iter().all(|line| line.contains(SAME)) {
        "\n  the order of the attributes differs"
    } else {
        ""
    };
    format!("\nlisted {listed}{}{order}", lines.concat())
}

const SAME: &str = ": same";

fn line(attribute: &AttributeComparison, how: DnMatch) -> String {
    let AttributeComparison { kind, listed, shown, outcome } = attribute;
    let said = |values: &[String]| if values.is_empty() { "nothing".to_owned() } else { values.join(" + ") };
    let (listed, shown) = (said(listed), said(shown));
    let differing = format!("the list has {listed:?}, the certificate {shown:?}");
    match (outcome, how) {
        (AttributeOutcome::Same, _) => format!("\n  {kind}{SAME} ({listed:?})"),
        (AttributeOutcome::SameNormalised, DnMatch::Normalised) => {
            format!("\n  {kind}{SAME} but for case and spaces: {differing}")
        }
        (AttributeOutcome::SamePlace, DnMatch::Normalised) => {
            format!("\n  {kind}{SAME} place in another spelling: {differing}")
        }
        (AttributeOutcome::Unsaid, DnMatch::Normalised) => {
            format!("\n  {kind}: passed over, one side has none: {differing}")
        }
        _ => format!("\n  {kind}: DIFFERENT: {differing}"),
    }
}
