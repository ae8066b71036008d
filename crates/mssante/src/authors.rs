//! In whose name a letter may come from another operator.

use crate::{Address, Domain, Refusal, ReversePath, Rule};

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "PATIENT.AUTHOR",
        says: "a letter that a patient sends, or that names a patient as author, has this one author, and he is the \
               envelope sender",
        french: "Un message envoyé par un patient, ou qui le nomme comme auteur, n'a que lui comme auteur, et il en est \
                 l'expéditeur d'enveloppe.",
        source: "[MSS1 HOP.AUTHOR]",
    },
    Rule {
        id: "PATIENT.REPORT",
        says: "without an envelope sender (<>) only a report or a receipt is not judged as a letter of the patient whom it \
               names as author; it is taken by BALs that have written to patients",
        french: "Sans expéditeur d'enveloppe (<>), seul un rapport de remise ou un accusé de lecture échappe aux règles des \
                 messages du patient qu'il nomme comme auteur ; il n'est reçu que par une BAL qui a écrit à un patient.",
        source: "[MSS1 PATIENT.CONVERSATION]",
    },
    Rule {
        id: "HOP.AUTHOR",
        says: "another operator's letter does not name a BAL of ours as its author (rules.own_from_on_hops)",
        french: "Un message d'un autre opérateur ne nomme pas une BAL de cet opérateur comme auteur \
                 (rules.own_from_on_hops).",
        source: "[MSS1 HOP.AUTHOR]",
    },
];

/// Local parts of those who run a mail service, not of patients. `[RFC5321 4.5.1]`
const SERVICE: [&str; 2] = ["postmaster", "mailer-daemon"];

/// Whose letter it is that another operator hands over, where patients are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// No patient's.
    Other,
    /// A patient's.
    Patient(Address),
    /// Of those who carry patients' letters, about a letter of ours: a report, a receipt, a word of their postmaster.
    About(Address),
}

/// What a letter says of where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The envelope sender.
    pub sender: &'a ReversePath,
    /// All whom the header names as authors.
    pub named: &'a [Address],
    /// The author, if the header leaves no doubt.
    pub sole: Option<&'a Address>,
    /// Whether it is a report or a receipt by its form.
    pub report: bool,
}

/// Whether an address of the patients' domain is that of their operator's service.
pub fn is_service(address: &Address) -> bool {
    SERVICE.iter().any(|name| address.local().as_str().eq_ignore_ascii_case(name))
}

/// Whose letter this is. `[MSS1 HOP.AUTHOR]`
pub fn whose(claim: &Claim<'_>, of_patients: impl Fn(&Domain) -> bool) -> Result<Writer, Refusal> {
    let names_patient = claim.named.iter().any(|author| of_patients(author.domain()));
    let author = match claim.sender {
        ReversePath::Address(sender) if of_patients(sender.domain()) => claim.sole.filter(|author| *author == sender),
        ReversePath::Null if names_patient => claim.sole,
        _ if names_patient => None,
        _ => return Ok(Writer::Other),
    };
    let author = author.ok_or(Refusal::PatientAuthorMismatch)?.clone();
    let about = is_service(&author) || (claim.report && *claim.sender == ReversePath::Null);
    Ok(if about { Writer::About(author) } else { Writer::Patient(author) })
}

/// Whether another operator's letter may name these authors, as far as our own BALs are concerned. `[MSS1 HOP.AUTHOR]`
pub fn judge_authors(named: &[Address], is_ours: impl Fn(&Domain) -> bool) -> Result<(), Refusal> {
    if named.iter().any(|author| is_ours(author.domain())) { Err(Refusal::AuthorIsOurs) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: &str = "279035121518989@patient.fr";
    const OTHER: &str = "188102b17295264@patient.fr";
    const DOCTOR: &str = "dr@ours.fr";

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn judge(sender: &str, named: &[&str], report: bool) -> Result<Writer, Refusal> {
        let sender = if sender.is_empty() { ReversePath::Null } else { ReversePath::Address(address(sender)) };
        let named: Vec<Address> = named.iter().map(|name| address(name)).collect();
        let sole = if let [one] = named.as_slice() { Some(one) } else { None };
        whose(&Claim { sender: &sender, named: &named, sole, report }, |domain| domain.as_str() == "patient.fr")
    }

    #[test]
    fn rule_patient_author_is_the_envelope_sender_and_alone() {
        assert_eq!(judge(PATIENT, &[PATIENT], false), Ok(Writer::Patient(address(PATIENT))));
        for named in [&[DOCTOR][..], &[OTHER], &[PATIENT, DOCTOR], &[]] {
            assert_eq!(judge(PATIENT, named, false), Err(Refusal::PatientAuthorMismatch), "{named:?}");
        }
        for named in [&[PATIENT][..], &["dr@peer.fr", PATIENT]] {
            assert_eq!(judge("dr@peer.fr", named, false), Err(Refusal::PatientAuthorMismatch), "{named:?}");
        }
        assert_eq!(judge("dr@peer.fr", &["dr@peer.fr"], false), Ok(Writer::Other));
    }

    #[test]
    fn rule_patient_report_without_a_sender_no_other_letter_passes() {
        assert_eq!(judge("", &[PATIENT], false), Ok(Writer::Patient(address(PATIENT))));
        assert_eq!(judge("", &[PATIENT], true), Ok(Writer::About(address(PATIENT))));
        assert_eq!(judge("", &["Postmaster@patient.fr"], false), Ok(Writer::About(address("postmaster@patient.fr"))));
        assert_eq!(judge("", &[PATIENT, DOCTOR], true), Err(Refusal::PatientAuthorMismatch));
        assert_eq!(judge("", &["postmaster@peer.fr"], true), Ok(Writer::Other));
        assert_eq!(judge(PATIENT, &[PATIENT], true), Ok(Writer::Patient(address(PATIENT))), "a receipt has no sender");
    }

    #[test]
    fn rule_hop_author_is_none_of_ours() {
        let ours = |domain: &Domain| domain.as_str() == "ours.fr";
        assert_eq!(judge_authors(&[address("dr@peer.fr"), address(DOCTOR)], ours), Err(Refusal::AuthorIsOurs));
        assert_eq!(judge_authors(&[address("dr@peer.fr")], ours), Ok(()));
    }
}
