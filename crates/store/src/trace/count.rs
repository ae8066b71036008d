//! What a line adds to the indicators. Pure: no database. Who the correspondents are is looked at and not kept.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mssante::Domain;
use serde::Deserialize;
use serde_json::Value;
use time::{Date, UtcOffset};

use super::event::Event;
use super::line::Line;

/// From a BAL, or to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    Received,
    Sent,
}

impl Direction {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
        }
    }
}

/// Which counter; no correspondent is part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counter {
    pub(crate) day: Date,
    pub(crate) bal: i64,
    pub(crate) direction: Direction,
    /// To a patient, or from one.
    pub(crate) patient: bool,
    pub(crate) xdm: bool,
    /// `O`, `N`, or nothing.
    pub(crate) ins: &'static str,
    /// Of what our BALs send; empty for what they receive.
    pub(crate) software: String,
}

/// Messages and octets of each counter.
pub(crate) type Counts = BTreeMap<Counter, (i64, i64)>;

/// Characters of a software's reference that are kept; software of ours may write any.
const SOFTWARE: usize = 40;

/// What a line `message.accepted` says, as far as it counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Accepted<'a> {
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    size: i64,
    bals: Vec<i64>,
    #[serde(borrow)]
    remote: Vec<Cow<'a, str>>,
    source: Value,
    facts: Option<Facts>,
}

/// What acceptance found in a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Facts {
    xdm: bool,
    ins: Option<String>,
    nil: Option<String>,
}

impl Accepted<'_> {
    fn is_submission(&self) -> bool {
        self.source.get("submission").is_some()
    }

    /// Reports of pli itself are not exchanged between people.
    fn is_internal(&self) -> bool {
        self.source.as_str() == Some("internal")
    }
}

/// Adds what a line counts for: one sent for the BAL that submitted it, one received for each BAL that it came to.
pub(crate) fn count(line: &Line, patients: &[Domain], counts: &mut Counts) {
    let Some(content) = line.content.as_ref().filter(|_| line.head.event == Event::MessageAccepted.word()) else {
        return;
    };
    let detail = content.detail.as_deref().unwrap_or_default();
    let Ok(accepted) = serde_json::from_str::<Accepted<'_>>(detail) else { return };
    if accepted.is_internal() {
        return;
    }
    let day = line.head.at.to_offset(UtcOffset::UTC).date();
    let from_patient = accepted.from.as_deref().is_some_and(|from| is_patient(from, patients));
    let to_patient = accepted.remote.iter().any(|to| is_patient(to, patients));
    let sender = content.bal.filter(|_| accepted.is_submission());
    let sent = sender.map(|bal| (bal, Direction::Sent, to_patient));
    let received = accepted.bals.iter().map(|bal| (*bal, Direction::Received, from_patient));
    for (bal, direction, patient) in sent.into_iter().chain(received) {
        let counter = counter(day, bal, direction, patient, accepted.facts.as_ref());
        let (messages, octets) = counts.entry(counter).or_default();
        *messages += 1;
        *octets += accepted.size;
    }
}

fn counter(day: Date, bal: i64, direction: Direction, patient: bool, facts: Option<&Facts>) -> Counter {
    let ins = match facts.and_then(|facts| facts.ins.as_deref()) {
        Some("O") => "O",
        Some("N") => "N",
        _ => "",
    };
    // Peers write what they like: a new word in each message would be a new row for each.
    let software = facts.filter(|_| direction == Direction::Sent).and_then(|facts| facts.nil.as_deref());
    let software = software.unwrap_or_default();
    let software = software.chars().filter(|c| !c.is_control()).take(SOFTWARE).collect();
    Counter { day, bal, direction, patient, xdm: facts.is_some_and(|facts| facts.xdm), ins, software }
}

fn is_patient(address: &str, patients: &[Domain]) -> bool {
    let domain = address.rsplit_once('@').map(|(_, domain)| domain);
    domain.is_some_and(|domain| patients.iter().any(|patients| domain.eq_ignore_ascii_case(patients.as_str())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::line::{Content, Head, SALT};
    use super::*;

    fn line(event: Event, bal: Option<i64>, detail: &Value) -> Line {
        let head = Head { number: 1, at: time::macros::datetime!(2026-10-31 23:59 UTC), event: event.word().into() };
        let content = Content {
            salt: [0; SALT],
            actor: "pli".into(),
            delegated: None,
            message: Some(1),
            bal,
            peer: None,
            detail: Some(detail.to_string()),
        };
        Line::new(head, content)
    }

    fn counted(event: Event, bal: Option<i64>, detail: &Value) -> Vec<(i64, &'static str, bool, i64, i64)> {
        let mut counts = Counts::new();
        count(&line(event, bal, detail), &[Domain::parse("patient.mssante.fr").unwrap()], &mut counts);
        counts
            .iter()
            .map(|(c, (messages, octets))| (c.bal, c.direction.word(), c.patient, *messages, *octets))
            .collect()
    }

    fn submission() -> Value {
        json!({ "from": "a@x.mssante.fr", "size": 100, "bals": [2, 3], "remote": [], "source": { "submission": "::1" } })
    }

    #[test]
    fn a_message_counts_once_for_its_sender_and_once_for_each_bal() {
        let counted = counted(Event::MessageAccepted, Some(1), &submission());
        assert_eq!(
            counted,
            [(1, "sent", false, 1, 100), (2, "received", false, 1, 100), (3, "received", false, 1, 100)]
        );
    }

    #[test]
    fn what_comes_over_a_hop_is_received_only() {
        let mut detail = submission();
        detail["source"] = json!({ "hop": "::1" });
        detail["from"] = json!("123@PATIENT.mssante.fr");
        assert_eq!(
            counted(Event::MessageAccepted, None, &detail),
            [(2, "received", true, 1, 100), (3, "received", true, 1, 100)]
        );
    }

    #[test]
    fn a_patient_among_the_recipients_makes_it_a_message_to_a_patient() {
        let mut detail = submission();
        detail["remote"] = json!(["b@y.mssante.fr", "123@patient.mssante.fr"]);
        detail["bals"] = json!([]);
        assert_eq!(counted(Event::MessageAccepted, Some(1), &detail), [(1, "sent", true, 1, 100)]);
    }

    #[test]
    fn who_writes_another_software_into_each_message_to_us_makes_one_row() {
        let mut counts = Counts::new();
        for n in 0..100 {
            let mut detail = submission();
            detail["source"] = json!({ "hop": "::1" });
            detail["facts"] = json!({ "nil": format!("made-up-{n}") });
            count(&line(Event::MessageAccepted, None, &detail), &[], &mut counts);
        }
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [(100, 10_000), (100, 10_000)], "one for each BAL");
    }

    #[test]
    fn reports_and_other_events_do_not_count() {
        let mut detail = submission();
        detail["source"] = json!("internal");
        assert!(counted(Event::MessageAccepted, None, &detail).is_empty());
        assert!(counted(Event::RelayHandedOver, Some(1), &submission()).is_empty());
        assert!(counted(Event::MessageAccepted, Some(1), &json!("broken")).is_empty());
    }

    #[test]
    fn facts_of_the_message_choose_the_counter() {
        let mut detail = submission();
        detail["facts"] = json!({ "xdm": true, "cda": 2, "ins": "O", "nil": "NIL\u{1}-1", "fin": false });
        let mut counts = Counts::new();
        let line = line(Event::MessageAccepted, Some(1), &detail);
        count(&line, &[Domain::parse("patient.mssante.fr").unwrap()], &mut counts);
        for counter in counts.keys() {
            let software = if counter.direction == Direction::Sent { "NIL-1" } else { "" };
            assert_eq!((counter.xdm, counter.ins, counter.software.as_str()), (true, "O", software));
            assert_eq!(counter.day, time::macros::date!(2026 - 10 - 31));
        }
        let unknown = counter(line.head.at.date(), 1, Direction::Sent, false, None);
        assert_eq!((unknown.xdm, unknown.ins, unknown.software.as_str()), (false, "", ""));
    }
}
