//! Who may write to a patient, and what a patient may answer.
//!
//! The citizen operator enforces the same on its side; here it protects our BALs when that fails, and tells an
//! administrator what happens.

use serde::{Deserialize, Serialize};

use crate::{Address, BalKind, BalState, Ins, Refusal, Replies, Rule, StructureId, Verdict, may_receive};

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "PATIENT.START",
        says: "only a professional starts a conversation: a patient writes to a BAL that has written to him",
        french: "Seul un professionnel ouvre un échange : un patient n'écrit qu'à une BAL qui lui a écrit.",
        source: "[MSS1 PATIENT.CONVERSATION]",
    },
    Rule {
        id: "PATIENT.REPLYTO",
        says: "where an applicative BAL names in Reply-To a BAL of this operator that people read, that takes mail and is not \
               of another structure, the patient answers that one and not the sender",
        french: "Si une BAL applicative indique (Reply-To) une BAL de cet opérateur lue par des personnes, qui reçoit et ne \
                 relève pas d'une autre structure, le patient répond à celle-ci et non à l'expéditeur.",
        source: "[MSS2 ECO.2.2.5]",
    },
    Rule {
        id: "PATIENT.PRESCRIPTION",
        says: "a BAL that takes prescriptions (a pharmacy's: of kind ORG or APP) is written to by any patient, also after [FIN]; \
               the address must be that of a patient",
        french: "Une BAL qui reçoit des ordonnances (pharmacie, de type ORG ou APP) accepte les messages de tout patient, même \
                 après [FIN] ; l'adresse doit être celle d'un patient.",
        source: "[MSS1 PATIENT.CONVERSATION]",
    },
    Rule {
        id: "PATIENT.FIN.SUBJECT",
        says: "a letter whose subject is exactly [FIN] ends all conversations of its sender with the patient",
        french: "Un message dont l'objet est exactement [FIN] met fin à tous les échanges de son expéditeur avec le patient.",
        source: "[MSS2 PATIENT.FIN]",
    },
    Rule {
        id: "PATIENT.FIN.FIELD",
        says: "a letter with X-MSS-MES: FIN cannot be answered; what was written before still can",
        french: "Un message portant X-MSS-MES: FIN n'admet pas de réponse ; les messages précédents l'admettent encore.",
        source: "[MSS2 ECO.2.2.8]",
    },
    Rule {
        id: "PATIENT.REOPEN",
        says: "writing to the patient again opens the conversation again",
        french: "Écrire de nouveau au patient rouvre l'échange.",
        source: "[MSS1 PATIENT.CONVERSATION]",
    },
];

/// How strictly letters of patients are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatientPolicy {
    /// They are not.
    Off,
    /// What would be refused is taken, logged and counted.
    Warn,
    /// It is refused.
    #[default]
    Enforce,
}

impl PatientPolicy {
    /// What becomes of a letter: the verdict itself where it is enforced.
    pub fn apply(self, verdict: Verdict) -> Judged {
        match (self, verdict) {
            (_, Ok(())) | (Self::Off, _) => Judged::Taken,
            (Self::Warn, Err(refusal)) => Judged::TakenInSpiteOf(refusal),
            (Self::Enforce, Err(refusal)) => Judged::Refused(refusal),
        }
    }
}

/// What a [`PatientPolicy`] makes of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It is taken.
    Taken,
    /// It is taken; this is to be logged and counted.
    TakenInSpiteOf(Refusal),
    /// It is refused.
    Refused(Refusal),
}

/// Whom patients may write to unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatientMail {
    /// Answers only.
    #[default]
    Answers,
    /// Prescriptions as well: a pharmacy.
    Prescriptions,
}

impl PatientMail {
    /// The word used in the store and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Prescriptions => "prescriptions",
        }
    }
}

impl std::fmt::Display for PatientMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

impl std::str::FromStr for PatientMail {
    type Err = crate::UnknownWord;

    fn from_str(word: &str) -> Result<Self, crate::UnknownWord> {
        [Self::Answers, Self::Prescriptions]
            .into_iter()
            .find(|mail| mail.word() == word)
            .ok_or_else(|| crate::UnknownWord { word: word.to_owned(), expected: "answers, prescriptions" })
    }
}

/// How a BAL and a patient stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conversation {
    /// Nobody has written to him for this BAL.
    None,
    /// What was written to him takes no answer, each letter for itself.
    Blocked,
    /// He may answer.
    Open,
    /// It was ended.
    Closed,
}

/// What a letter of one of ours says about answers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// He may answer.
    Welcome,
    /// X-MSS-MES: FIN. `[MSS2 ECO.2.2.8]`
    NotToThis,
    /// The subject is `[FIN]`. `[MSS2 PATIENT.FIN]`
    NoMore,
}

/// What a letter to a patient does to the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationStep {
    /// He may answer the BAL from now on.
    Open,
    /// He may answer this letter not; nothing else changes.
    Block,
    /// He may answer none of the sender's letters.
    End,
}

impl ConversationStep {
    /// The word in the audit trail.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Block => "block",
            Self::End => "end",
        }
    }
}

impl Answers {
    /// What follows for the conversation.
    pub fn step(self) -> ConversationStep {
        match self {
            Self::Welcome => ConversationStep::Open,
            Self::NotToThis => ConversationStep::Block,
            Self::NoMore => ConversationStep::End,
        }
    }
}

/// A BAL, as far as it matters to who is answered.
#[derive(Debug, Clone, Copy)]
pub struct Answering<'a> {
    /// Its kind.
    pub kind: BalKind,
    /// Where it is in its life.
    pub state: BalState,
    /// Whether people may write to it.
    pub replies: Replies,
    /// The structure that answers for it.
    pub structure: Option<&'a StructureId>,
}

/// Whether patients may answer the BAL `named` in Reply-To instead of the one that writes: only where software writes in
/// the name of people, of its own structure as far as that is known. `[MSS2 ECO.2.2.5]`
pub fn may_redirect_answers(sender: &Answering<'_>, named: &Answering<'_>) -> bool {
    let other_structure = matches!((sender.structure, named.structure), (Some(own), Some(other)) if own != other);
    sender.kind == BalKind::Applicative
        && named.kind != BalKind::Applicative
        && named.replies == Replies::Accept
        && may_receive(named.state).is_ok()
        && !other_structure
}

/// Whether a BAL of this kind can be a pharmacy's: those that a legal person answers for. `[MSS1 PATIENT.CONVERSATION]`
pub fn may_take_prescriptions(kind: BalKind) -> bool {
    matches!(kind, BalKind::Organisational | BalKind::Applicative)
}

/// Whether a BAL takes a letter of a patient. `[MSS1 PATIENT.CONVERSATION]`
pub fn may_patient_write(patient: &Address, conversation: Conversation, takes: PatientMail) -> Verdict {
    match (conversation, takes) {
        (Conversation::Open, _) => Ok(()),
        (_, PatientMail::Prescriptions) if patient.local().as_str().parse::<Ins>().is_ok() => Ok(()),
        (_, PatientMail::Prescriptions) => Err(Refusal::PatientSenderInvalid),
        (Conversation::None, PatientMail::Answers) => Err(Refusal::NoConversation),
        (Conversation::Blocked, PatientMail::Answers) => Err(Refusal::AnswerBlocked),
        (Conversation::Closed, PatientMail::Answers) => Err(Refusal::ConversationClosed),
    }
}

/// What the sender is told when the citizens' operator takes no letter for a patient, by the subject of the enhanced
/// code. A patient may refuse, close his profile, or not have one. `[RFC3463 3]`
pub fn french_for_patient_status(status: &str) -> &'static str {
    let mut numbers = status.split('.').skip(1);
    match (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()) {
        ("1", _) => {
            "Ce patient n'a pas de messagerie Mon espace santé à cette adresse. Vérifiez son matricule INS ; \
             il n'a peut-être pas activé son espace."
        }
        ("2", "2") => "La messagerie Mon espace santé du patient est pleine.",
        ("2", _) => "Le patient a fermé sa messagerie Mon espace santé, ou son espace n'est pas ouvert.",
        ("3", "4") => "Le message est trop volumineux pour Mon espace santé (25 Mo en tout).",
        ("7", _) => "Le patient refuse les messages, ou Mon espace santé refuse celui-ci.",
        _ => crate::french_for_status(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PatientMail::{Answers as AnswersOnly, Prescriptions};

    const ALL: [Conversation; 4] =
        [Conversation::None, Conversation::Blocked, Conversation::Open, Conversation::Closed];

    fn judge(conversation: Conversation, takes: PatientMail) -> Verdict {
        may_patient_write(&"279035121518989@patient.fr".parse().unwrap(), conversation, takes)
    }

    #[test]
    fn rule_patient_start_no_patient_writes_unasked() {
        assert_eq!(judge(Conversation::None, AnswersOnly), Err(Refusal::NoConversation));
        assert_eq!(judge(Conversation::Open, AnswersOnly), Ok(()));
        assert_eq!(judge(Conversation::Closed, AnswersOnly), Err(Refusal::ConversationClosed));
        assert_eq!(judge(Conversation::Blocked, AnswersOnly), Err(Refusal::AnswerBlocked));
    }

    #[test]
    fn rule_patient_prescription_any_patient_writes_to_a_pharmacy_and_nobody_else() {
        for conversation in ALL {
            assert_eq!(judge(conversation, Prescriptions), Ok(()));
        }
        for nobody in ["toto@patient.fr", "279035121518980@patient.fr"] {
            let verdict = may_patient_write(&nobody.parse().unwrap(), Conversation::None, Prescriptions);
            assert_eq!(verdict, Err(Refusal::PatientSenderInvalid), "{nobody}");
        }
    }

    #[test]
    fn rule_patient_prescription_is_for_what_can_be_a_pharmacy() {
        let kinds = BalKind::ALL.into_iter().filter(|kind| may_take_prescriptions(*kind));
        assert_eq!(kinds.collect::<Vec<_>>(), [BalKind::Organisational, BalKind::Applicative]);
    }

    #[test]
    fn what_a_letter_says_of_answers_is_one_step() {
        assert_eq!(Answers::Welcome.step(), ConversationStep::Open);
        assert_eq!(Answers::NotToThis.step(), ConversationStep::Block);
        assert_eq!(Answers::NoMore.step(), ConversationStep::End);
    }

    #[test]
    fn rule_patient_replyto_is_for_software_and_its_own_people() {
        let (own, other): (Option<StructureId>, Option<StructureId>) =
            ("318751275100020".parse().ok(), "2187512751".parse().ok());
        assert!(own.is_some() && other.is_some());
        let bal = |kind, structure| Answering { kind, state: BalState::Active, replies: Replies::Accept, structure };
        let software = bal(BalKind::Applicative, own.as_ref());
        for kind in BalKind::ALL {
            let people = bal(BalKind::Organisational, own.as_ref());
            assert_eq!(may_redirect_answers(&bal(kind, own.as_ref()), &people), kind == BalKind::Applicative, "{kind}");
            assert_eq!(
                may_redirect_answers(&software, &bal(kind, own.as_ref())),
                kind != BalKind::Applicative,
                "{kind}"
            );
        }
        assert!(may_redirect_answers(&software, &bal(BalKind::Nominative, None)), "nothing is known of its structure");
        assert!(!may_redirect_answers(&software, &bal(BalKind::Nominative, other.as_ref())));
        let people = bal(BalKind::Nominative, own.as_ref());
        assert!(!may_redirect_answers(&software, &Answering { state: BalState::Suspended, ..people }));
        assert!(!may_redirect_answers(&software, &Answering { replies: Replies::Refuse, ..people }));
    }

    #[test]
    fn what_the_citizens_operator_says_is_told_in_the_words_of_patients() {
        for (status, word) in [
            ("5.1.1", "matricule"),
            ("5.2.1", "fermé"),
            ("5.2.2", "pleine"),
            ("5.3.4", "25 Mo"),
            ("5.7.1", "refuse"),
            ("4.4.1", "joint"),
        ] {
            assert!(french_for_patient_status(status).contains(word), "{status}");
        }
    }

    #[test]
    fn a_policy_refuses_only_where_it_enforces() {
        let verdict = Err(Refusal::NoConversation);
        assert_eq!(PatientPolicy::Off.apply(verdict), Judged::Taken);
        assert_eq!(PatientPolicy::Warn.apply(verdict), Judged::TakenInSpiteOf(Refusal::NoConversation));
        assert_eq!(PatientPolicy::Enforce.apply(verdict), Judged::Refused(Refusal::NoConversation));
        assert_eq!(PatientPolicy::Enforce.apply(Ok(())), Judged::Taken);
    }
}
