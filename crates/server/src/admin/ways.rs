//! The other ways to a BAL: aliases and forwards.

use std::collections::HashMap;

use mssante::{Address, BalId, ForwardCopy, may_forward};
use serde::Serialize;
use store::{AliasRecord, ForwardRecord, StoreError};
use utoipa::ToSchema;

use super::{AdminError, Administration, Rules, SetForward};

/// Another address of a BAL.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Alias)]
pub(crate) struct AliasEntry {
    /// The other address.
    pub(crate) alias: String,
    /// The BAL that it leads to.
    pub(crate) bal: String,
}

impl AliasEntry {
    /// Whether it is this address.
    pub(crate) fn is(&self, alias: &Address) -> bool {
        Address::parse(&self.alias).is_ok_and(|own| own == *alias)
    }
}

/// Mail of one BAL that goes to another.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Forward)]
pub(crate) struct ForwardEntry {
    /// Whose mail.
    pub(crate) from: String,
    /// To whom.
    pub(crate) to: String,
    /// What stays.
    #[schema(value_type = String)]
    pub(crate) copy: ForwardCopy,
}

impl Rules {
    /// An alias is an address of ours like any other.
    pub(crate) fn check_alias(&self, alias: &Address) -> Result<(), AdminError> {
        if self.domains.contains(alias.domain()) {
            return Ok(());
        }
        Err(AdminError::ForeignDomain(alias.clone(), "an alias"))
    }
}

impl Administration {
    /// Lets another address of our domains lead to a BAL; all that lead to it.
    pub(crate) async fn add_alias(&self, bal: &Address, alias: &Address) -> Result<Vec<AliasEntry>, AdminError> {
        self.rules.check_alias(alias)?;
        let bal = self.find(bal).await?;
        self.store.add_alias(bal.id, alias).await?;
        self.alias_entries(Some(bal.id)).await
    }

    /// Takes an alias away; those that are left of its BAL.
    pub(crate) async fn remove_alias(&self, alias: &Address) -> Result<Vec<AliasEntry>, AdminError> {
        let bal = self.store.remove_alias(alias).await?;
        self.alias_entries(Some(bal)).await
    }

    /// The aliases of one BAL, or all.
    pub(crate) async fn aliases(&self, bal: Option<&Address>) -> Result<Vec<AliasEntry>, AdminError> {
        let bal = self.id_of(bal).await?;
        self.alias_entries(bal).await
    }

    /// Lets mail of one BAL go to another; the forwards from and to it.
    pub(crate) async fn set_forward(&self, request: &SetForward) -> Result<Vec<ForwardEntry>, AdminError> {
        let (from, to) = (self.find(&request.from).await?, self.find(&request.to).await?);
        may_forward(from.kind, to.kind)?;
        let set = self.store.set_forward(ForwardRecord { from: from.id, to: to.id, copy: request.copy }).await;
        set.map_err(|error| by_address(error, from.address, to.address))?;
        self.forward_entries(Some(from.id)).await
    }

    /// Ends a forward; those that are left.
    pub(crate) async fn remove_forward(&self, from: &Address, to: &Address) -> Result<Vec<ForwardEntry>, AdminError> {
        let (from, to) = (self.find(from).await?, self.find(to).await?);
        let removed = self.store.remove_forward(from.id, to.id).await;
        removed.map_err(|error| by_address(error, from.address, to.address))?;
        self.forward_entries(Some(from.id)).await
    }

    /// The forwards from and to one BAL, or all.
    pub(crate) async fn forwards(&self, bal: Option<&Address>) -> Result<Vec<ForwardEntry>, AdminError> {
        let bal = self.id_of(bal).await?;
        self.forward_entries(bal).await
    }

    async fn id_of(&self, bal: Option<&Address>) -> Result<Option<BalId>, AdminError> {
        match bal {
            Some(address) => Ok(Some(self.find(address).await?.id)),
            None => Ok(None),
        }
    }

    async fn alias_entries(&self, bal: Option<BalId>) -> Result<Vec<AliasEntry>, AdminError> {
        let aliases = self.store.aliases(bal).await?;
        let names = self.names(aliases.iter().map(|alias| alias.bal)).await?;
        let entry = |AliasRecord { address, bal }| AliasEntry { alias: address.to_string(), bal: names.of(bal) };
        Ok(aliases.into_iter().map(entry).collect())
    }

    async fn forward_entries(&self, bal: Option<BalId>) -> Result<Vec<ForwardEntry>, AdminError> {
        let forwards = self.store.forwards(bal).await?;
        let names = self.names(forwards.iter().flat_map(|forward| [forward.from, forward.to])).await?;
        let entry = |ForwardRecord { from, to, copy }| ForwardEntry { from: names.of(from), to: names.of(to), copy };
        Ok(forwards.into_iter().map(entry).collect())
    }

    async fn names(&self, bals: impl Iterator<Item = BalId>) -> Result<Names, AdminError> {
        let addresses = self.store.addresses_of(&bals.collect::<Vec<_>>()).await?;
        Ok(Names(addresses.into_iter().map(|(id, address)| (id, address.to_string())).collect()))
    }
}

/// The store knows BALs by their numbers, people by their addresses.
fn by_address(error: StoreError, from: Address, to: Address) -> AdminError {
    match error {
        StoreError::ForwardCircle { .. } if from.key() == to.key() => AdminError::ForwardToItself(from),
        StoreError::ForwardCircle { .. } => AdminError::ForwardCircle { from, to },
        StoreError::NoSuchForward { .. } => AdminError::NoSuchForward { from, to },
        other => other.into(),
    }
}

/// Addresses of BALs by their numbers.
struct Names(HashMap<BalId, String>);

impl Names {
    fn of(&self, id: BalId) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| format!("BAL {id}"))
    }
}
