//! What the audit trail tells of: every event word, once, with its class.

use std::fmt;
use std::str::FromStr;

use time::Duration;

/// Events of one purpose; how long their content is kept is set for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventClass {
    /// What administrators do to BALs, persons and quotas, and what pli does to them by itself.
    Provisioning,
    /// Who came in, and who did not.
    LogIn,
    /// Rights given to others, changed, ended.
    Delegation,
    /// What a delegate read, and put into folders.
    Reading,
    /// Messages accepted, whether from one of our BALs, from another operator or from pli itself; local deliveries are
    /// part of the acceptance.
    Send,
    /// What became of messages on their way to other operators.
    Delivery,
    /// What was refused.
    Refusal,
    /// Messages that left a folder for good.
    Deletion,
    /// The life of the white list.
    Trust,
    /// The life of the directory, and what the national one is told of our BALs.
    Directory,
    /// The trail about itself.
    Audit,
}

impl EventClass {
    /// Every class.
    pub const ALL: [Self; 11] = [
        Self::Provisioning,
        Self::LogIn,
        Self::Delegation,
        Self::Reading,
        Self::Send,
        Self::Delivery,
        Self::Refusal,
        Self::Deletion,
        Self::Trust,
        Self::Directory,
        Self::Audit,
    ];

    /// The word in settings and commands.
    pub fn word(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::LogIn => "log-in",
            Self::Delegation => "delegation",
            Self::Reading => "reading",
            Self::Send => "send",
            Self::Delivery => "delivery",
            Self::Refusal => "refusal",
            Self::Deletion => "deletion",
            Self::Trust => "trust",
            Self::Directory => "directory",
            Self::Audit => "audit",
        }
    }

    /// How long content is kept unless the configuration says otherwise: functional traces a year, technical ones six
    /// months, and acts of administrators for as long as somebody may ask who opened which BAL to whom.
    pub fn default_retention(self) -> Duration {
        match self {
            Self::Provisioning | Self::Delegation | Self::Audit => Duration::days(3 * 365),
            Self::LogIn | Self::Reading | Self::Send | Self::Delivery | Self::Deletion => Duration::days(365),
            Self::Refusal | Self::Trust | Self::Directory => Duration::days(183),
        }
    }

    /// The words of its events.
    pub fn events(self) -> impl Iterator<Item = &'static str> {
        Event::ALL.iter().filter(move |event| event.class() == self).map(|event| event.word())
    }
}

impl fmt::Display for EventClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for EventClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|class| class.word() == text).ok_or_else(|| {
            let words = Self::ALL.map(Self::word).join(", ");
            format!("`{text}` is no class of events; there are {words}")
        })
    }
}

/// Makes the enum, the list of all, and what belongs to each.
macro_rules! events {
    ($($class:ident { $($(#[$doc:meta])* $name:ident $word:literal,)* })*) => {
        /// What happened. Words are stable: programs and auditors look for them. A new event is a new line in the list
        /// that this enum is made from.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Event { $($($(#[$doc])* $name,)*)* }

        impl Event {
            /// Every event, by class.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)*)*];

            /// The word in the trail.
            pub fn word(self) -> &'static str {
                match self { $($(Self::$name => $word,)*)* }
            }

            /// What kind of event it is.
            pub fn class(self) -> EventClass {
                match self { $($(Self::$name => EventClass::$class,)*)* }
            }
        }
    };
}

events! {
    Provisioning {
        /// A BAL was created.
        BalCreated "bal.created",
        /// A BAL became active, was suspended, reopened, closed.
        BalState "bal.state",
        /// A BAL was put on the liste rouge, or taken off.
        BalListing "bal.listing",
        /// What a BAL may hold was said anew.
        BalQuota "bal.quota",
        /// A BAL was told that it is nearly full.
        BalQuotaWarned "bal.quota.warned",
        /// A BAL was told that nobody opens it.
        BalInactiveWarned "bal.inactive.warned",
        /// What a BAL is for, or who answers for it, was said anew.
        BalEdited "bal.edited",
        /// What a BAL takes of patients was said.
        BalPatientMail "bal.patient-mail",
        /// A BAL got a password.
        BalPassword "bal.password",
        /// A person without a BAL was registered.
        PersonCreated "person.created",
        /// A person may log in, or not any more.
        PersonState "person.state",
        /// A person got a password.
        PersonPassword "person.password",
        /// Another address leads to a BAL.
        AliasAdded "bal.alias.added",
        /// An address does not lead to a BAL any more.
        AliasRemoved "bal.alias.removed",
        /// Mail of a BAL is handed on.
        ForwardSet "bal.forward.set",
        /// Mail of a BAL is not handed on any more.
        ForwardRemoved "bal.forward.removed",
    }
    LogIn {
        /// Somebody came in.
        LogInAccepted "login.accepted",
        /// Somebody did not.
        LogInRefused "login.refused",
    }
    Delegation {
        /// A BAL was opened to somebody.
        DelegationGiven "delegation.given",
        /// What somebody could do on a BAL was taken away.
        DelegationEnded "delegation.ended",
    }
    Reading {
        /// A delegate opened a BAL to read it: once for each session.
        DelegationRead "delegation.read",
        /// A delegate put messages into a folder.
        DelegationFiled "delegation.filed",
    }
    Send {
        /// A message was taken on.
        MessageAccepted "message.accepted",
    }
    Delivery {
        /// Another operator took a message on.
        RelayHandedOver "relay.handed-over",
        /// A message waits for another try.
        RelayDeferred "relay.deferred",
        /// A message could not be delivered; its sender is told.
        RelayFailed "relay.failed",
        /// A message waits until somebody looks at it.
        RelayHeld "relay.held",
    }
    Refusal {
        /// Another operator was refused.
        HopRefused "hop.refused",
        /// One of ours was refused what he wanted to send.
        SubmissionRefused "submission.refused",
    }
    Deletion {
        /// Messages were expunged from a folder.
        MessagesRemoved "message.removed",
        /// A closed BAL was emptied, its retention being over.
        BalEmptied "bal.emptied",
    }
    Trust {
        /// A white list came into force.
        ListAccepted "trust_list.accepted",
        /// Somebody put a white list in force that had to wait.
        ListAcknowledged "trust_list.acknowledged",
        /// A white list waits for somebody's word.
        ListPending "trust_list.pending",
        /// A white list does not wait any more.
        ListWithdrawn "trust_list.withdrawn",
        /// A white list was not taken.
        ListRefused "trust_list.refused",
    }
    Directory {
        /// A version of the directory came into force.
        AnnuaireAccepted "annuaire.accepted",
        /// Somebody put a version in force that had to wait.
        AnnuaireAcknowledged "annuaire.acknowledged",
        /// A version waits for somebody's word.
        AnnuairePending "annuaire.pending",
        /// A version does not wait any more.
        AnnuaireWithdrawn "annuaire.withdrawn",
        /// A version was not taken.
        AnnuaireRefused "annuaire.refused",
        /// What is published of a BAL was handed over.
        PublicationHandedOver "publication.handed-over",
        /// The national directory has it.
        PublicationPublished "publication.published",
        /// The national directory does not show the BAL any more.
        PublicationWithdrawn "publication.withdrawn",
        /// The national directory refused it.
        PublicationRefused "publication.refused",
    }
    Audit {
        /// Contents of a class older than a day are about to go.
        AuditRemoval "audit.removal",
        /// Somebody took lines of the trail with him.
        AuditExported "audit.exported",
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Event {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|event| event.word() == text).ok_or_else(|| {
            let words: Vec<_> = Self::ALL.iter().map(|event| event.word()).collect();
            format!("`{text}` is no event; there are {}", words.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_event_has_a_word_of_its_own() {
        let words: BTreeSet<_> = Event::ALL.iter().map(|event| event.word()).collect();
        assert_eq!(words.len(), Event::ALL.len());
        for event in Event::ALL {
            assert_eq!(event.word().parse(), Ok(*event));
        }
        assert!("bal.exploded".parse::<Event>().unwrap_err().contains("bal.created"));
    }

    #[test]
    fn every_class_has_a_word_and_a_retention_of_at_least_half_a_year() {
        for class in EventClass::ALL {
            assert_eq!(class.word().parse(), Ok(class));
            assert!(class.default_retention() >= Duration::days(180), "{class}");
        }
        let events: usize = EventClass::ALL.into_iter().map(|class| class.events().count()).sum();
        assert_eq!(events, Event::ALL.len(), "a class is missing from EventClass::ALL");
    }
}
