//! What somebody says at the door, and what the store knows of it. Asked at log-in, and again whenever something may
//! have changed since.

use mssante::{Address, BalId, BalKind, Credential, Login, PersonState, may_log_in_with, may_read};
use store::{BalRecord, Delegate, DelegateName, Delegated, PersonRecord, Store, StoreError};
use time::OffsetDateTime;

use crate::{Access, Ground, Identity, Principal};

/// Divides who logs in from the BAL that he names.
const DIVIDER: char = '*';

/// Nobody's: asking for what is open to him takes as long as asking for anybody.
const NOBODY: Delegate = Delegate::Holder(BalId(0));

/// A name at the door, and a BAL if one is named beside it: `login`, `login*bal@domain`, or `[RFC4616 2]` with an
/// authorisation identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// As typed.
    login: String,
    /// The part of it that says who.
    who: String,
    asked: Asked,
}

/// The BAL that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// His own.
    Own,
    /// This one.
    Bal(Address),
    /// What he names is none.
    Nonsense,
}

impl Asked {
    fn parse(text: &str) -> Self {
        Address::parse(text).map_or(Self::Nonsense, Self::Bal)
    }
}

/// What the store knows of a claim.
pub(crate) struct Found {
    /// Under which name proofs of his password are kept.
    pub(crate) name: String,
    /// The hash that his password is held against.
    pub(crate) phc: Option<String>,
    /// Who he is if his password is right, or why it does not matter.
    pub(crate) admitted: Result<Identity, &'static str>,
    /// When this answer will be another one even if nobody changes anything.
    pub(crate) until: Option<OffsetDateTime>,
}

/// Who there is under a name.
enum Known {
    Nobody,
    Bal(Box<BalRecord>, Option<String>),
    Person(PersonRecord, Option<String>),
}

impl Claim {
    /// `login` as typed; `bal` as the mechanism names it, if it does.
    pub(crate) fn new(login: &str, bal: Option<&str>) -> Self {
        let divided = login.rsplit_once(DIVIDER);
        let who = divided.map_or(login, |(who, _)| who).to_owned();
        let asked = match (divided, bal.filter(|bal| !bal.eq_ignore_ascii_case(login))) {
            (None, None) => Asked::Own,
            (Some((_, bal)), None) | (None, Some(bal)) => Asked::parse(bal),
            (Some((_, one)), Some(other)) if Asked::parse(one) == Asked::parse(other) => Asked::parse(one),
            (Some(_), Some(_)) => Asked::Nonsense,
        };
        Self { login: login.to_owned(), who, asked }
    }

    /// Whose password it is, whatever BAL he names: guesses are counted by it.
    pub(crate) fn who(&self) -> &str {
        &self.who
    }

    /// Asks the store. As much is asked for a name that does not exist as for one that does.
    pub(crate) async fn look(&self, store: &Store, now: OffsetDateTime) -> Result<Found, StoreError> {
        // the local part of an address may have the divider in it
        if self.login.contains(DIVIDER)
            && let Ok(address) = Address::parse(&self.login)
            && let Some((bal, phc)) = store.credential(&address).await?
        {
            let delegated = store.delegated_to(Delegate::Holder(bal.id), None).await?;
            return Ok(found(Known::Bal(Box::new(bal), phc), &Asked::Own, delegated, now));
        }
        let known = self.known(store).await?;
        let asked = match (&known, &self.asked) {
            (Known::Bal(own, _), Asked::Bal(asked)) if own.address == *asked => Asked::Own,
            (_, asked) => asked.clone(),
        };
        let of_bal = if let Asked::Bal(address) = &asked { Some(address) } else { None };
        let delegated = store.delegated_to(known.delegate(), of_bal).await?;
        Ok(found(known, &asked, delegated, now))
    }

    /// An address is a BAL's, anything else is a person's login.
    async fn known(&self, store: &Store) -> Result<Known, StoreError> {
        if let Ok(address) = Address::parse(&self.who) {
            let found = store.credential(&address).await?;
            return Ok(found.map_or(Known::Nobody, |(bal, phc)| Known::Bal(Box::new(bal), phc)));
        }
        let Ok(login) = Login::parse(&self.who) else { return Ok(Known::Nobody) };
        let found = store.person_credential(&login).await?;
        Ok(found.map_or(Known::Nobody, |(person, phc)| Known::Person(person, phc)))
    }
}

impl Known {
    fn delegate(&self) -> Delegate {
        match self {
            Self::Nobody => NOBODY,
            Self::Bal(bal, _) => Delegate::Holder(bal.id),
            Self::Person(person, _) => Delegate::Person(person.id),
        }
    }

    /// Why nobody logs in under this name, if it is so.
    fn closed(&self) -> Result<(), &'static str> {
        match self {
            Self::Nobody => Err("unknown-login"),
            Self::Bal(bal, _) => open(bal),
            Self::Person(person, _) if person.state == PersonState::Suspended => Err("not-active"),
            Self::Person(..) => Ok(()),
        }
    }

    fn take_apart(self) -> (String, Option<String>, Option<BalRecord>, Option<DelegateName>) {
        match self {
            Self::Nobody => (String::new(), None, None, None),
            Self::Bal(bal, phc) => {
                (bal.address.key(), phc, Some((*bal).clone()), Some(DelegateName::Holder(bal.address)))
            }
            Self::Person(person, phc) => {
                (person.login.to_string(), phc, None, Some(DelegateName::Person(person.login)))
            }
        }
    }
}

/// Whether a BAL opens by passwords, in the state that it is in.
fn open(bal: &BalRecord) -> Result<(), &'static str> {
    match may_log_in_with(bal.kind, bal.state, Credential::Password) {
        Ok(()) => Ok(()),
        Err(_) if may_read(bal.state).is_err() => Err("not-active"),
        Err(_) => Err("wrong-credential-kind"),
    }
}

fn found(known: Known, asked: &Asked, delegated: Vec<Delegated>, now: OffsetDateTime) -> Found {
    let closed = known.closed();
    let (name, phc, own, delegate) = known.take_apart();
    let until = next_change(&delegated, now);
    let admitted = closed.and_then(|()| match (asked, own, delegate) {
        (Asked::Own, Some(own), _) => Ok(as_himself(own, delegated, now)),
        (Asked::Bal(_), _, Some(delegate)) => as_delegate(delegate, delegated, now),
        (Asked::Own, None, _) => Err("no-bal-named"),
        (Asked::Nonsense, ..) | (Asked::Bal(_), _, None) => Err("not-this-bal"),
    });
    Found { name, phc, admitted, until }
}

/// The next moment at which a delegation begins or ends.
fn next_change(delegated: &[Delegated], now: OffsetDateTime) -> Option<OffsetDateTime> {
    let moments = delegated.iter().flat_map(|one| [Some(one.valid_from), one.valid_until]).flatten();
    moments.filter(|moment| *moment > now).min()
}

/// The holder of a nominative BAL has what others opened to him beside it.
fn as_himself(own: BalRecord, delegated: Vec<Delegated>, now: OffsetDateTime) -> Identity {
    let principal = Principal::Person(own.address.clone());
    let others =
        delegated.into_iter().filter(|_| own.kind == BalKind::Nominative).filter_map(|one| access(one, now).ok());
    let others: Vec<_> = others.collect();
    let accesses = std::iter::once(Access { bal: own, ground: Ground::Own }).chain(others).collect();
    Identity { principal, accesses }
}

fn as_delegate(
    delegate: DelegateName,
    delegated: Vec<Delegated>,
    now: OffsetDateTime,
) -> Result<Identity, &'static str> {
    let one = delegated.into_iter().next().ok_or("not-delegated")?;
    Ok(Identity { principal: Principal::Delegate(delegate), accesses: vec![access(one, now)?] })
}

/// A delegation that holds now, on a BAL that is open.
fn access(one: Delegated, now: OffsetDateTime) -> Result<Access, &'static str> {
    let Delegated { id, bal, rights, valid_from, valid_until } = one;
    if now < valid_from || valid_until.is_some_and(|until| until <= now) {
        return Err("not-at-this-time");
    }
    open(&bal)?;
    Ok(Access { bal, ground: Ground::Delegation { id, rights, until: valid_until } })
}

#[cfg(test)]
mod tests {
    use mssante::BalState;
    use mssante::Rights;
    use store::{DelegationId, PersonNumber};
    use time::Duration;

    use super::*;
    use crate::fixture::{START, bal};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn a_bal_is_named_behind_a_star_or_by_the_mechanism() {
        let asked = |login: &str, bal: Option<&str>| Claim::new(login, bal).asked;
        let team = || Asked::Bal(address("team@b.fr"));
        assert_eq!(asked("a@b.fr", None), Asked::Own);
        assert_eq!(asked("a@b.fr", Some("A@b.fr")), Asked::Own);
        assert_eq!(asked("a@b.fr*team@b.fr", None), team());
        assert_eq!(asked("martin*team@b.fr", None), team());
        assert_eq!(asked("martin", Some("team@b.fr")), team());
        assert_eq!(asked("martin*team@b.fr", Some("Team@b.fr")), team());
        assert_eq!(asked("martin*team@b.fr", Some("other@b.fr")), Asked::Nonsense);
        assert_eq!(asked("martin*team", None), Asked::Nonsense);
        assert_eq!(asked("martin", Some("team")), Asked::Nonsense);
        assert_eq!(Claim::new("martin*team@b.fr", None).who(), "martin");
        assert_eq!(Claim::new("a@b.fr*team@b.fr", None).who(), "a@b.fr");
    }

    fn delegated(rights: &str, from: i64, until: Option<i64>, state: BalState) -> Delegated {
        let moment = |seconds| START + Duration::seconds(seconds);
        Delegated {
            id: DelegationId(3),
            bal: bal("team@b.fr", BalKind::Organisational, state),
            rights: rights.parse().unwrap(),
            valid_from: moment(from),
            valid_until: until.map(moment),
        }
    }

    fn person(state: PersonState) -> Known {
        let person = PersonRecord {
            id: PersonNumber(1),
            login: "martin".parse().unwrap(),
            name: "S. Martin".into(),
            identifier: None,
            state,
            state_reason: None,
            state_since: START,
            has_password: true,
            revision: 1,
            created_at: START,
        };
        Known::Person(person, Some("hash".into()))
    }

    fn of_bal(kind: BalKind, state: BalState) -> Known {
        Known::Bal(Box::new(bal("a@b.fr", kind, state)), Some("hash".into()))
    }

    fn team() -> Asked {
        Asked::Bal(address("team@b.fr"))
    }

    fn word(known: Known, asked: &Asked, delegated: Vec<Delegated>) -> Result<Rights, &'static str> {
        found(known, asked, delegated, START).admitted.map(|identity| identity.access().rights())
    }

    #[test]
    fn who_is_refused_is_refused_for_a_reason_that_only_metrics_tell() {
        let open = || vec![delegated("read", 0, None, BalState::Active)];
        for (known, asked, delegated, expected) in [
            (Known::Nobody, Asked::Own, vec![], "unknown-login"),
            (of_bal(BalKind::Nominative, BalState::Suspended), Asked::Own, vec![], "not-active"),
            (of_bal(BalKind::Applicative, BalState::Active), Asked::Own, vec![], "wrong-credential-kind"),
            (person(PersonState::Active), Asked::Own, open(), "no-bal-named"),
            (person(PersonState::Active), Asked::Nonsense, open(), "not-this-bal"),
            (person(PersonState::Active), team(), vec![], "not-delegated"),
            (person(PersonState::Suspended), team(), open(), "not-active"),
            (of_bal(BalKind::Nominative, BalState::Suspended), team(), open(), "not-active"),
        ] {
            assert_eq!(word(known, &asked, delegated), Err(expected));
        }
    }

    #[test]
    fn rule_deleg_time_holds_from_its_first_moment_until_before_its_last() {
        let now = |from, until| {
            word(person(PersonState::Active), &team(), vec![delegated("read", from, until, BalState::Active)])
        };
        assert!(now(0, None).is_ok() && now(-10, Some(1)).is_ok());
        assert_eq!(now(1, None), Err("not-at-this-time"));
        assert_eq!(now(-10, Some(0)), Err("not-at-this-time"));
    }

    #[test]
    fn the_answer_lasts_until_a_delegation_begins_or_ends() {
        let rows = vec![
            delegated("read", -5, Some(90), BalState::Active),
            delegated("read", 60, Some(300), BalState::Active),
            delegated("read", -5, None, BalState::Active),
        ];
        assert_eq!(next_change(&rows, START), Some(START + Duration::seconds(60)));
        assert_eq!(next_change(&rows, START + Duration::seconds(60)), Some(START + Duration::seconds(90)));
        assert_eq!(next_change(&rows[2..], START), None);
    }

    #[test]
    fn a_bal_that_is_not_open_is_open_to_no_delegate() {
        for state in [BalState::Suspended, BalState::Closed] {
            let found = word(person(PersonState::Active), &team(), vec![delegated("read", 0, None, state)]);
            assert_eq!(found, Err("not-active"));
        }
    }

    #[test]
    fn a_holder_who_logs_in_as_himself_has_what_was_opened_to_him_and_a_team_has_not() {
        let rows = || vec![delegated("read,send-as", 0, None, BalState::Active)];
        let open = |kind| {
            let found = found(of_bal(kind, BalState::Active), &Asked::Own, rows(), START).admitted.unwrap();
            found.accesses().len()
        };
        assert_eq!(open(BalKind::Nominative), 2);
        assert_eq!(open(BalKind::Organisational), 1);
    }
}
