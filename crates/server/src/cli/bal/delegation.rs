//! `pli bal delegate`, `delegations` and `undelegate`: BALs that are opened to others.

use clap::Args;
use mssante::{Address, Clock as _, Rights};
use store::{DelegateName, DelegationRecord, SeenDelegation};
use time::OffsetDateTime;

use crate::admin::{Administration, Begin, End, EndDelegation, GiveDelegation};
use crate::ambient::SystemClock;
use crate::cli::print;
use crate::failure::Failure;

/// A BAL that is opened to somebody.
#[derive(Debug, Args)]
pub(in crate::cli) struct Delegate {
    /// The BAL that is opened.
    bal: Address,
    /// To whom: the login of a person, or the address of the PER BAL that he holds.
    #[arg(long, value_name = "LOGIN")]
    to: DelegateName,
    /// What he may do: read, write, send-as, send-on-behalf, with commas.
    #[arg(long)]
    rights: Rights,
    /// From this day on (UTC), or from this moment of RFC 3339; now without it.
    #[arg(long, value_name = "DAY")]
    from: Option<Begin>,
    /// To the end of this day (UTC), or until this moment of RFC 3339; until it is taken away without it.
    #[arg(long, value_name = "DAY")]
    until: Option<End>,
    /// Why, for the audit trail.
    #[arg(long)]
    reason: String,
}

/// Which delegations to list.
#[derive(Debug, Args)]
pub(in crate::cli) struct Delegations {
    /// Of this BAL only.
    bal: Option<Address>,
    /// To this person or holder only.
    #[arg(long, value_name = "LOGIN")]
    of: Option<DelegateName>,
    /// Also those that were taken away or replaced.
    #[arg(long)]
    all: bool,
}

/// A delegation that is taken away.
#[derive(Debug, Args)]
pub(in crate::cli) struct Undelegate {
    /// The BAL.
    bal: Address,
    /// From whom: a person's login, or the address of the PER BAL that he holds.
    #[arg(long, value_name = "LOGIN")]
    of: DelegateName,
    /// Why, for the audit trail.
    #[arg(long)]
    reason: String,
}

impl Delegate {
    pub(super) async fn work(self, admin: &Administration, json: bool) -> Result<(), Failure> {
        let Self { bal, to, rights, from, until, reason } = self;
        let request = GiveDelegation { bal, to, rights, from, until, reason };
        print_all(&[admin.delegate(request, SeenDelegation::Anything).await?], json)
    }
}

impl Delegations {
    pub(super) async fn work(self, admin: &Administration, json: bool) -> Result<(), Failure> {
        print_all(&admin.delegations(self.bal.as_ref(), self.of.as_ref(), self.all).await?, json)
    }
}

impl Undelegate {
    pub(super) async fn work(self, admin: &Administration, json: bool) -> Result<(), Failure> {
        let Self { bal, of, reason } = self;
        let ended = admin.undelegate(&EndDelegation { bal, of, reason }, SeenDelegation::Anything).await?;
        print_all(&[ended], json)
    }
}

fn print_all(delegations: &[DelegationRecord], json: bool) -> Result<(), Failure> {
    if json {
        return print::json(&delegations);
    }
    let now = SystemClock.now();
    let rows = delegations.iter().map(|one| {
        let until = one.valid_until.map_or_else(|| "-".to_owned(), print::moment);
        let (bal, to) = (one.bal.to_string(), one.delegate.to_string());
        let given = format!("{}: {}", one.given_by, one.reason);
        [bal, to, one.rights.to_string(), print::moment(one.valid_from), until, state(one, now).to_owned(), given]
    });
    print::table(["BAL", "opened to", "rights", "from", "until", "state", "given by"], rows)
}

fn state(one: &DelegationRecord, now: OffsetDateTime) -> &'static str {
    match one {
        _ if one.ended_at.is_some() => "taken away",
        _ if now < one.valid_from => "later",
        _ if one.valid_until.is_some_and(|until| until <= now) => "over",
        _ => "open",
    }
}
