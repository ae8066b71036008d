//! What BALs are told of themselves.

use message::{MessageFacts, Scanner, ServiceLetter, service_letter};
use mssante::{Address, BalId, ReversePath, Size};
use store::{Acceptance, BalRecord, DsnParameters, LocalDelivery, NearlyFull, RelayRequest, Source, Store, StoreError};
use time::OffsetDateTime;

/// Writes letters and finds out where they go.
pub(super) struct Post {
    pub(super) store: Store,
    pub(super) host: String,
    pub(super) our_domains: Vec<mssante::Domain>,
}

/// When a BAL is closed unless somebody opens it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub(super) unused_since: OffsetDateTime,
    /// `None`: never.
    pub(super) closes_at: Option<OffsetDateTime>,
}

impl Post {
    /// To the BAL itself.
    pub(super) async fn nearly_full(&self, full: &NearlyFull, now: OffsetDateTime) -> Result<Acceptance, StoreError> {
        let percent = u128::from(full.octets) * 100 / u128::from(full.limit.0.max(1));
        let (used, limit) = (mebibytes(full.octets), mebibytes(full.limit.0));
        let letter = ServiceLetter {
            host: self.host.clone(),
            to: full.bal.address.clone(),
            subject: "Espace de messagerie presque plein / Mailbox nearly full",
            french: format!(
                "Votre boîte aux lettres {address} est remplie à {percent} % ({used} Mio sur {limit} Mio).\n\n\
                 Quand elle sera pleine, les messages qui vous sont adressés seront refusés provisoirement : leurs expéditeurs \
                 réessaieront, puis seront avertis s'ils n'aboutissent pas. Supprimez des messages (et videz la corbeille), ou \
                 demandez plus de place à votre administrateur.",
                address = full.bal.address
            ),
            english: format!(
                "Your mailbox {address} is {percent} % full ({used} MiB of {limit} MiB).\n\n\
                 Once it is full, messages for you are refused for the time being: their senders try again, and are told if \
                 they do not succeed. Delete messages (and empty the trash), or ask your administrator for more room.",
                address = full.bal.address
            ),
            now,
            id: format!("quota.{}.{}", full.bal.id, now.unix_timestamp()),
        };
        self.to_bal(&letter, full.bal.id).await
    }

    /// To the BAL itself, and to its responsible person if an address of his is known.
    pub(super) async fn unused(
        &self,
        bal: &BalRecord,
        ending: Ending,
        now: OffsetDateTime,
    ) -> Result<Vec<Acceptance>, StoreError> {
        let own = self.unused_letter(bal, &bal.address, ending, now);
        let mut letters = vec![self.to_bal(&own, bal.id).await?];
        if let Some(responsible) = bal.responsible.as_deref().and_then(address_in)
            && responsible != bal.address
        {
            let letter = self.unused_letter(bal, &responsible, ending, now);
            letters.extend(self.to_anybody(&letter).await?);
        }
        Ok(letters)
    }

    fn unused_letter(&self, bal: &BalRecord, to: &Address, ending: Ending, now: OffsetDateTime) -> ServiceLetter {
        let address = &bal.address;
        let since = ending.unused_since.date();
        let (french_end, english_end) = match ending.closes_at {
            Some(at) => (
                format!(
                    "Sans connexion d'ici le {0}, elle sera fermée : les messages qui lui sont adressés seront alors refusés à \
                     leurs expéditeurs. Son contenu sera conservé un temps, et votre administrateur pourra la rouvrir.",
                    at.date()
                ),
                format!(
                    "Unless somebody logs in by {0}, it will be closed: messages for it will then be refused to their senders. \
                     Its content will be kept for some time, and your administrator can reopen it.",
                    at.date()
                ),
            ),
            None => {
                ("Elle ne sera pas fermée pour cette raison.".to_owned(), "It will not be closed for that.".to_owned())
            }
        };
        ServiceLetter {
            host: self.host.clone(),
            to: to.clone(),
            subject: "Boite aux lettres inutilisee / Mailbox without any log-in",
            french: format!(
                "Personne ne s'est connecté à la boîte aux lettres {address} depuis le {since}.\n\n{french_end}\n\n\
                 Pour la garder, il suffit de s'y connecter une fois."
            ),
            english: format!(
                "Nobody has logged in to the mailbox {address} since {since}.\n\n{english_end}\n\nTo keep it, log in once."
            ),
            now,
            id: format!("inactive.{}.{}.{}", bal.id, now.unix_timestamp(), u8::from(to != address)),
        }
    }

    async fn to_bal(&self, letter: &ServiceLetter, bal: BalId) -> Result<Acceptance, StoreError> {
        self.acceptance(letter, vec![LocalDelivery { bal, recipient: letter.to.clone() }], Vec::new()).await
    }

    /// Nothing if an address of ours leads nowhere.
    async fn to_anybody(&self, letter: &ServiceLetter) -> Result<Option<Acceptance>, StoreError> {
        if let Some(bal) = self.store.bal_behind(&letter.to).await? {
            return Ok(Some(self.to_bal(letter, bal.id).await?));
        }
        if self.our_domains.contains(letter.to.domain()) {
            return Ok(None);
        }
        let relay = RelayRequest { recipient: letter.to.clone(), dsn: DsnParameters::default() };
        Ok(Some(self.acceptance(letter, Vec::new(), vec![relay]).await?))
    }

    async fn acceptance(
        &self,
        letter: &ServiceLetter,
        deliveries: Vec<LocalDelivery>,
        relays: Vec<RelayRequest>,
    ) -> Result<Acceptance, StoreError> {
        let octets = service_letter(letter);
        let mut scanner = Scanner::new();
        scanner.push(&octets);
        let mut intake = self.store.begin_intake().await?;
        intake.write(&octets).await?;
        Ok(Acceptance {
            message: intake.finish(scanner.finish()).await?,
            reverse_path: ReversePath::Null,
            smtputf8: letter.to.needs_smtputf8(),
            envelope_id: None,
            ret: None,
            source: Source::Internal,
            facts: MessageFacts::default(),
            deliveries,
            relays,
            to_patients: None,
        })
    }
}

/// Whole mebibytes, rounded up.
fn mebibytes(octets: u64) -> u64 {
    octets.div_ceil(Size(1 << 20).0)
}

/// An address that stands in a text: all of it, or between angle brackets.
fn address_in(text: &str) -> Option<Address> {
    let inner = text.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inner, _)| inner);
    Address::parse(inner.unwrap_or(text).trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_responsible_person_may_come_with_an_address() {
        let found = |text| address_in(text).map(|address| address.to_string());
        assert_eq!(found("Mme Durand <durand@ch.mssante.fr>").as_deref(), Some("durand@ch.mssante.fr"));
        assert_eq!(found(" durand@ch.mssante.fr ").as_deref(), Some("durand@ch.mssante.fr"));
        assert_eq!(found("Mme Durand"), None);
        assert_eq!(found("DSI <>"), None);
    }

    #[test]
    fn a_size_is_never_told_as_nothing() {
        assert_eq!([mebibytes(0), mebibytes(1), mebibytes(3 << 20)], [0, 1, 3]);
    }
}
