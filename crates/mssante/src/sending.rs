//! Rules of sending that depend on the kind of the sender: rate classes, where replies go, boxes without replies.

use serde::{Deserialize, Serialize};

use crate::{BalKind, BalState, Refusal, Replies, ReversePath, Rule, Verdict, may_receive};

/// What is done with a message that does not keep a rule which an administrator may loosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// Nothing.
    Off,
    /// It is taken, logged and counted.
    #[default]
    Warn,
    /// It is refused.
    Enforce,
}

/// What an administrator decides about senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendingRules {
    /// Messages that an applicative BAL may begin in a minute; 0 is any number.
    pub software_per_minute: u32,
    /// The same for each other BAL.
    pub person_per_minute: u32,
    /// Whether `Reply-To` of an applicative BAL must name a BAL of ours.
    pub reply_to: Enforcement,
    /// Whether other operators may hand over letters that name our BALs as authors.
    pub own_from_on_hops: Enforcement,
}

impl Default for SendingRules {
    fn default() -> Self {
        Self {
            software_per_minute: 30_000,
            person_per_minute: 300,
            reply_to: Enforcement::Warn,
            own_from_on_hops: Enforcement::Warn,
        }
    }
}

impl SendingRules {
    /// Messages that a BAL of this kind may begin in a minute. `[MSS1 APP.RATE]`
    pub fn per_minute(&self, kind: BalKind) -> Option<u32> {
        let rate = match kind {
            BalKind::Applicative => self.software_per_minute,
            BalKind::Nominative | BalKind::Organisational | BalKind::Cabinet => self.person_per_minute,
        };
        (rate > 0).then_some(rate)
    }
}

/// Whether a BAL takes a message from this sender: one without replies takes reports only. `[MSS1 APP.NOREPLY]`
pub fn judge_replies(replies: Replies, sender: &ReversePath) -> Verdict {
    match (replies, sender) {
        (Replies::Accept, _) | (Replies::Refuse, ReversePath::Null) => Ok(()),
        (Replies::Refuse, ReversePath::Address(_)) => Err(Refusal::NoReplies),
    }
}

/// Whether the address to which a piece of software has replies sent is fit for it: `ours` is the BAL of ours behind it,
/// if there is one. `[MSS1 APP.REPLYTO]`
pub fn judge_reply_to(ours: Option<(BalState, Replies)>) -> Verdict {
    match ours {
        Some((state, Replies::Accept)) if may_receive(state).is_ok() => Ok(()),
        _ => Err(Refusal::ReplyToNotOurs),
    }
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "APP.REPLYTO",
        says: "replies to an applicative BAL go to a BAL of this operator that takes them (rules.app_reply_to)",
        french: "Les réponses à une BAL applicative vont à une BAL de cet opérateur qui les accepte (rules.app_reply_to).",
        source: "[MSS1 APP.REPLYTO]",
    },
    Rule {
        id: "APP.NOREPLY",
        says: "a BAL without replies takes reports (<>) and nothing else",
        french: "Une BAL sans réponse (noreply) n'accepte que les rapports (<>).",
        source: "[MSS1 APP.NOREPLY]",
    },
    Rule {
        id: "APP.RATE",
        says: "each applicative BAL, and each other BAL, begins so many messages in a minute and no more",
        french: "Chaque BAL applicative, et chaque autre BAL, envoie un nombre limité de messages par minute.",
        source: "ours",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_app_noreply_takes_reports_only() {
        let sender = ReversePath::Address("dr@peer.fr".parse().unwrap());
        assert_eq!(judge_replies(Replies::Refuse, &sender), Err(Refusal::NoReplies));
        assert_eq!(judge_replies(Replies::Refuse, &ReversePath::Null), Ok(()));
        assert_eq!(judge_replies(Replies::Accept, &sender), Ok(()));
    }

    #[test]
    fn rule_app_replyto_is_a_bal_of_ours_that_takes_replies() {
        assert_eq!(judge_reply_to(Some((BalState::Active, Replies::Accept))), Ok(()));
        for unfit in [None, Some((BalState::Active, Replies::Refuse)), Some((BalState::Closed, Replies::Accept))] {
            assert_eq!(judge_reply_to(unfit), Err(Refusal::ReplyToNotOurs), "{unfit:?}");
        }
    }

    #[test]
    fn rule_app_rate_is_a_class_of_its_own() {
        let rules = SendingRules { software_per_minute: 7, person_per_minute: 0, ..SendingRules::default() };
        assert_eq!(rules.per_minute(BalKind::Applicative), Some(7));
        assert_eq!(rules.per_minute(BalKind::Nominative), None);
    }
}
