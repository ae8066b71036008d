//! A BAL itself: create, find, list, change, move through its life, give it a password.

use mssante::{Address, BalState, Credential, PatientMail, QuotaChoice, Size, may_log_in_with, may_take_prescriptions};
use serde::Serialize;
use store::{BalPage, BalRecord, BalSearch, Seen, Usage};
use utoipa::ToSchema;

use super::request::check_edit;
use super::{AdminError, Administration, ChangeBal, CreateBal, MoveBal, Password};

/// Most BALs of one page.
pub(crate) const LARGEST_PAGE: u32 = 1000;

impl Administration {
    /// Creates a BAL with its default folders.
    pub(crate) async fn create(&self, mut request: CreateBal) -> Result<BalRecord, AdminError> {
        request.check(&self.rules)?;
        let hash = match request.password.take() {
            Some(password) => Some(password.hash().await?),
            None => None,
        };
        Ok(self.store.create_bal(request.into_new(hash)?).await?)
    }

    /// The BAL whose own address this is. What is done by an alias would be done to a BAL that was not named.
    pub(crate) async fn find(&self, address: &Address) -> Result<BalRecord, AdminError> {
        match self.store.bal_behind(address).await? {
            Some(bal) if bal.address.key() == address.key() => Ok(bal),
            Some(bal) => Err(AdminError::Alias { alias: address.clone(), bal: bal.address }),
            None => Err(AdminError::NoSuchBal(address.clone())),
        }
    }

    /// At most `limit` BALs that the search finds, by address.
    pub(crate) async fn search(&self, search: &BalSearch, limit: u32) -> Result<BalPage, AdminError> {
        Ok(self.store.search_bals(search, limit.clamp(1, LARGEST_PAGE)).await?)
    }

    /// All BALs that the search finds, by address.
    pub(crate) async fn search_all(&self, mut search: BalSearch) -> Result<Vec<BalRecord>, AdminError> {
        let mut all = Vec::new();
        loop {
            let page = self.search(&search, LARGEST_PAGE).await?;
            all.extend(page.bals);
            let Some(next) = page.next else { return Ok(all) };
            search.after = Some(next);
        }
    }

    /// Says anew what a BAL is for and who answers for it: what the request names, and nothing else.
    pub(crate) async fn change(
        &self,
        address: &Address,
        change: ChangeBal,
        revision: Option<i64>,
    ) -> Result<BalRecord, AdminError> {
        let bal = self.find(address).await?;
        let edit = change.into();
        check_edit(&bal, &edit)?;
        let seen = Seen { revision, state: None };
        Ok(self.store.edit_seen_bal(bal.id, &edit, seen).await?)
    }

    /// Says what a BAL takes of patients. `[MSS1 PATIENT.CONVERSATION]`
    pub(crate) async fn set_patient_mail(
        &self,
        address: &Address,
        takes: PatientMail,
        revision: Option<i64>,
    ) -> Result<BalRecord, AdminError> {
        let bal = self.find(address).await?;
        if takes == PatientMail::Prescriptions && !may_take_prescriptions(bal.kind) {
            return Err(AdminError::NoPharmacy(bal.kind));
        }
        Ok(self.store.set_seen_patient_mail(bal.id, takes, revision).await?)
    }

    /// Moves a BAL through its life, from the state in which it was found: of two who move it at once, one is told to
    /// look again.
    pub(crate) async fn move_to(
        &self,
        address: &Address,
        to: BalState,
        request: &MoveBal,
        revision: Option<i64>,
    ) -> Result<BalRecord, AdminError> {
        let bal = self.find(address).await?;
        let seen = Seen { revision, state: Some(bal.state) };
        Ok(self.store.move_bal(bal.id, to, &request.reason, seen).await?)
    }

    /// What a BAL holds, beside what it may hold.
    pub(crate) async fn occupancy(&self, bal: &BalRecord) -> Result<Occupancy, AdminError> {
        let limit = self.rules.quotas.limit(bal.kind, bal.quota);
        Ok(Occupancy::new(self.store.usage(bal.id).await?, limit))
    }

    /// Says what a BAL may hold.
    pub(crate) async fn set_quota(
        &self,
        address: &Address,
        choice: QuotaChoice,
        revision: Option<i64>,
    ) -> Result<BalRecord, AdminError> {
        let bal = self.find(address).await?;
        Ok(self.store.set_seen_quota(bal.id, choice, revision).await?)
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

/// What a BAL holds, beside what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Occupancy {
    /// Messages in all folders.
    pub(crate) messages: u64,
    /// Octets in all folders; a copy counts in full.
    pub(crate) octets: u64,
    /// In octets; nothing is as much as there is room for.
    #[schema(value_type = Option<u64>)]
    pub(crate) limit: Option<Size>,
    /// The share of it that is taken, in percent.
    pub(crate) percent: Option<u64>,
}

impl Occupancy {
    fn new(usage: Usage, limit: Option<Size>) -> Self {
        let share = |limit: Size| u128::from(usage.octets) * 100 / u128::from(limit.0.max(1));
        let percent = limit.map(|limit| u64::try_from(share(limit)).unwrap_or(u64::MAX));
        Self { messages: usage.messages, octets: usage.octets, limit, percent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_quota_is_in_whole_percent() {
        let percent = |octets| Occupancy::new(Usage { messages: 1, octets }, Some(Size(10))).percent;
        assert_eq!([percent(0), percent(9), percent(25)], [Some(0), Some(90), Some(250)]);
        assert_eq!(Occupancy::new(Usage::default(), None).percent, None);
    }
}
