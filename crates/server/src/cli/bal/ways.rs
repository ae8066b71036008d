//! `pli bal alias …` and `pli bal forward …`: the other ways to a BAL.

use clap::Subcommand;
use mssante::{Address, ForwardCopy};

use crate::admin::{Administration, AliasEntry, ForwardEntry, Rules, SetForward};
use crate::cli::print;
use crate::failure::Failure;

/// Other addresses of a BAL.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Alias {
    /// Let another address of our domains lead to a BAL.
    Add {
        /// The BAL.
        bal: Address,
        /// The other address.
        alias: Address,
    },
    /// Take an alias away; mail to it is refused from then on.
    Remove {
        /// The alias.
        alias: Address,
    },
    /// List aliases.
    List {
        /// Of this BAL only.
        bal: Option<Address>,
    },
}

/// Mail of one BAL that goes to another.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Forward {
    /// Hand mail of a BAL on to another BAL of this operator; `pli rules` prints which kinds may.
    Set {
        /// Whose mail.
        from: Address,
        /// To whom.
        to: Address,
        /// "keep" leaves a copy, "move" none, as long as the target takes mail.
        #[arg(long, default_value = "keep")]
        copy: ForwardCopy,
    },
    /// End a forward.
    Remove {
        /// Whose mail.
        from: Address,
        /// To whom.
        to: Address,
    },
    /// List forwards.
    List {
        /// From or to this BAL only.
        bal: Option<Address>,
    },
}

impl Alias {
    /// An alias is an address of ours like any other.
    pub(super) fn check(&self, rules: &Rules) -> Result<(), Failure> {
        match self {
            Self::Add { alias, .. } => Ok(rules.check_alias(alias)?),
            _ => Ok(()),
        }
    }

    pub(super) async fn work(self, admin: &Administration, json: bool) -> Result<(), Failure> {
        let aliases = match self {
            Self::Add { bal, alias } => admin.add_alias(&bal, &alias).await?,
            Self::Remove { alias } => admin.remove_alias(&alias).await?,
            Self::List { bal } => admin.aliases(bal.as_ref()).await?,
        };
        if json {
            return print::json(&aliases);
        }
        print::table(["alias", "BAL"], aliases.into_iter().map(|AliasEntry { alias, bal }| [alias, bal]))
    }
}

impl Forward {
    pub(super) async fn work(self, admin: &Administration, json: bool) -> Result<(), Failure> {
        let forwards = match self {
            Self::Set { from, to, copy } => admin.set_forward(&SetForward { from, to, copy }).await?,
            Self::Remove { from, to } => admin.remove_forward(&from, &to).await?,
            Self::List { bal } => admin.forwards(bal.as_ref()).await?,
        };
        if json {
            return print::json(&forwards);
        }
        let row = |ForwardEntry { from, to, copy }| [from, to, copy.word().to_owned()];
        print::table(["mail of", "goes to", "copy"], forwards.into_iter().map(row))
    }
}
