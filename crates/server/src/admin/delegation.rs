//! BALs that are opened to others.

use std::str::FromStr;

use mssante::{Address, Clock as _, DelegateKind, Rights, may_delegate};
use serde::Deserialize;
use store::{Delegate, DelegateName, DelegationFilter, DelegationRecord, NewDelegation, SeenDelegation};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::{AdminError, Administration};
use crate::ambient::SystemClock;

/// The first moment of something: a day, from its beginning (UTC), or a moment of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Begin(pub(crate) OffsetDateTime);

/// The last moment of something: a day, to its end (UTC), or a moment of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct End(pub(crate) OffsetDateTime);

/// A BAL that is to be opened to somebody. What he had on it until now ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GiveDelegation {
    /// The BAL.
    pub(crate) bal: Address,
    /// To whom: a person's login, or the address of a nominative BAL.
    pub(crate) to: DelegateName,
    /// What he may do.
    pub(crate) rights: Rights,
    /// From when on; now without it.
    #[serde(default)]
    pub(crate) from: Option<Begin>,
    /// Until when; until it is taken away without it.
    #[serde(default)]
    pub(crate) until: Option<End>,
    /// Why, for the audit trail.
    pub(crate) reason: String,
}

/// A delegation that is to be taken away.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndDelegation {
    /// The BAL.
    pub(crate) bal: Address,
    /// From whom.
    pub(crate) of: DelegateName,
    /// Why, for the audit trail.
    pub(crate) reason: String,
}

impl FromStr for Begin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        day(text).map(|day| Self(day.midnight().assume_utc())).or_else(|| moment(text).map(Self)).ok_or_else(explain)
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end_of = |day: Date| day.next_day().map(|next| Self(next.midnight().assume_utc()));
        day(text).and_then(end_of).or_else(|| moment(text).map(Self)).ok_or_else(explain)
    }
}

impl TryFrom<String> for Begin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for End {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

fn day(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

fn explain() -> String {
    "write a day like 2026-12-31 or a moment like 2026-12-31T08:00:00+01:00".to_owned()
}

impl Administration {
    /// Opens a BAL to somebody. `[MSS1 BAL.DELEGATION]`
    pub(crate) async fn delegate(
        &self,
        request: GiveDelegation,
        seen: SeenDelegation,
    ) -> Result<DelegationRecord, AdminError> {
        let GiveDelegation { bal, to, rights, from, until, reason } = request;
        let bal = self.find(&bal).await?;
        let (delegate, kind) = self.delegate_of(&to).await?;
        if delegate == Delegate::Holder(bal.id) {
            return Err(AdminError::OwnBal(bal.address));
        }
        may_delegate(bal.kind, kind, rights)?;
        let (valid_from, valid_until) = (from.map(|from| from.0), until.map(|until| until.0));
        let begins = valid_from.unwrap_or(OffsetDateTime::UNIX_EPOCH).max(SystemClock.now());
        if valid_until.is_some_and(|until| until <= begins) {
            return Err(AdminError::EndedAlready);
        }
        let new = NewDelegation { bal: bal.id, delegate, rights, valid_from, valid_until, reason };
        Ok(self.store.delegate_seen(new, seen).await?)
    }

    /// Takes away what somebody may do on a BAL.
    pub(crate) async fn undelegate(
        &self,
        request: &EndDelegation,
        seen: SeenDelegation,
    ) -> Result<DelegationRecord, AdminError> {
        let bal = self.find(&request.bal).await?;
        let (delegate, _) = self.delegate_of(&request.of).await?;
        Ok(self.store.end_seen_delegation(bal.id, delegate, &request.reason, seen).await?)
    }

    /// To whom a BAL is open, what is open to somebody, or all; with `with_ended` also what was.
    pub(crate) async fn delegations(
        &self,
        bal: Option<&Address>,
        of: Option<&DelegateName>,
        with_ended: bool,
    ) -> Result<Vec<DelegationRecord>, AdminError> {
        let bal = match bal {
            Some(bal) => Some(self.find(bal).await?.id),
            None => None,
        };
        let delegate = match of {
            Some(of) => Some(self.delegate_of(of).await?.0),
            None => None,
        };
        Ok(self.store.delegations(DelegationFilter { bal, delegate, with_ended }).await?)
    }

    async fn delegate_of(&self, name: &DelegateName) -> Result<(Delegate, DelegateKind), AdminError> {
        match name {
            DelegateName::Person(login) => {
                let person = self.find_person(login).await?;
                Ok((Delegate::Person(person.id), DelegateKind::Person))
            }
            DelegateName::Holder(address) => {
                let bal = self.find(address).await?;
                Ok((Delegate::Holder(bal.id), DelegateKind::HolderOf(bal.kind)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn days_count_whole_and_moments_as_they_are() {
        assert_eq!("2026-12-31".parse(), Ok(Begin(datetime!(2026-12-31 0:00 UTC))));
        assert_eq!("2026-12-31".parse(), Ok(End(datetime!(2027-01-01 0:00 UTC))));
        assert_eq!("2026-12-31T08:00:00+01:00".parse(), Ok(End(datetime!(2026-12-31 7:00 UTC))));
        for text in ["", "31/12/2026", "2026-02-30", "demain"] {
            assert!(text.parse::<End>().unwrap_err().contains("2026-12-31"), "{text}");
        }
    }
}
