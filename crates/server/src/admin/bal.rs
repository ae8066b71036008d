//! A BAL itself: create, find, list, change, move through its life, give it a password.

use mssante::{Address, BalState, Credential, Listing, may_log_in_with};
use store::{BalFilter, BalRecord};

use super::{AdminError, Administration, ChangeBal, CreateBal, MoveBal, Password};

impl Administration {
    /// Creates a BAL with its default folders.
    pub(crate) async fn create(&self, request: CreateBal) -> Result<BalRecord, AdminError> {
        request.check(&self.rules)?;
        let password = request.password.clone();
        let new = request.into_new()?;
        let hash = match password {
            Some(password) => Some(password.hash().await?),
            None => None,
        };
        let bal = self.store.create_bal(new).await?;
        let Some(hash) = hash else { return Ok(bal) };
        self.store.set_password_hash(bal.id, &hash).await?;
        self.find(&bal.address).await
    }

    /// The BAL of this address.
    pub(crate) async fn find(&self, address: &Address) -> Result<BalRecord, AdminError> {
        self.store.bal(address).await?.ok_or_else(|| AdminError::NoSuchBal(address.clone()))
    }

    /// The BALs that the filter lets through, by address.
    pub(crate) async fn list(&self, filter: &BalFilter) -> Result<Vec<BalRecord>, AdminError> {
        Ok(self.store.list_bals(filter).await?)
    }

    /// Says anew what a BAL is for and who answers for it.
    pub(crate) async fn change(&self, address: &Address, change: ChangeBal) -> Result<BalRecord, AdminError> {
        let bal = self.find(address).await?;
        Ok(self.store.edit_bal(bal.id, &change.into()).await?)
    }

    /// Puts a BAL on the liste rouge, or takes it off.
    pub(crate) async fn set_listing(&self, address: &Address, listing: Listing) -> Result<BalRecord, AdminError> {
        let bal = self.find(address).await?;
        Ok(self.store.set_listing(bal.id, listing).await?)
    }

    /// Sets a BAL aside.
    pub(crate) async fn suspend(&self, address: &Address, request: &MoveBal) -> Result<BalRecord, AdminError> {
        self.move_to(address, BalState::Suspended, request).await
    }

    /// Puts a suspended or closed BAL back into use.
    pub(crate) async fn reopen(&self, address: &Address, request: &MoveBal) -> Result<BalRecord, AdminError> {
        self.move_to(address, BalState::Active, request).await
    }

    /// Ends a BAL.
    pub(crate) async fn close(&self, address: &Address, request: &MoveBal) -> Result<BalRecord, AdminError> {
        self.move_to(address, BalState::Closed, request).await
    }

    async fn move_to(&self, address: &Address, to: BalState, request: &MoveBal) -> Result<BalRecord, AdminError> {
        let bal = self.find(address).await?;
        Ok(self.store.set_bal_state(bal.id, to, &request.reason).await?)
    }

    /// A BAL to which a password can be given.
    pub(crate) async fn find_for_password(&self, address: &Address) -> Result<BalRecord, AdminError> {
        let bal = self.find(address).await?;
        match may_log_in_with(bal.kind, BalState::Active, Credential::Password) {
            Ok(()) => Ok(bal),
            Err(_) => Err(AdminError::NoPassword(bal.kind)),
        }
    }

    /// Sets or replaces the password of a BAL.
    pub(crate) async fn set_password(&self, address: &Address, password: Password) -> Result<BalRecord, AdminError> {
        let bal = self.find_for_password(address).await?;
        self.store.set_password_hash(bal.id, &password.hash().await?).await?;
        self.find(address).await
    }
}
