//! The states of a session. What needs a log-in or a folder can only be reached through the
//! state that has it. `[RFC3501 3]`

use std::time::Duration;

use auth::{Ground, Standing};
use mssante::{BalId, Right, Rights};
use store::{Filing, Folder, FolderId, Modseq, Store, Trace};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::reply::{Failure, no_permission};
use crate::view::View;

/// Where a session is.
#[derive(Default)]
pub(super) enum State {
    /// Nobody has logged in.
    #[default]
    NotAuthenticated,
    /// Somebody has.
    Authenticated(Account),
    /// A folder is open.
    Selected(Account, Box<Selected>),
}

/// The BAL that was logged in to.
pub(super) struct Account(Standing);

impl Account {
    pub(super) fn new(standing: Standing) -> Self {
        Self(standing)
    }

    /// The store for what leaves a line in the audit trail.
    pub(super) fn acting(&self, store: &Store) -> Store {
        store.acting_as(self.0.identity().principal().actor())
    }

    pub(super) fn bal(&self) -> BalId {
        self.0.identity().bal().id
    }

    /// What may be done on it.
    pub(super) fn rights(&self) -> Rights {
        self.0.identity().access().rights()
    }

    /// The line of the audit trail about a delegate who puts messages into a folder; none about a holder. Who may write
    /// uses that right, who may not uses the one to send.
    pub(super) fn filing(&self, store: &Store, how: &'static str, messages: usize, into: &Folder) -> Option<Trace> {
        let identity = self.0.identity();
        let Ground::Delegation { id, rights, .. } = identity.access().ground else { return None };
        let right = [Right::Write, Right::SendAs].into_iter().find(|right| rights.has(*right));
        let filing = Filing { how, messages, into: into.special_use };
        Some(self.acting(store).filing(self.bal(), id, right.unwrap_or(Right::SendOnBehalf), filing))
    }

    /// NO to whoever may not change anything. `[RFC5530 3]`
    pub(super) fn may_write(&self) -> Result<(), Failure> {
        if self.rights().has(Right::Write) { Ok(()) } else { Err(no_permission()) }
    }
}

/// An open folder.
pub(super) struct Selected {
    folder: FolderId,
    name: String,
    writable: bool,
    /// What the client knows of it.
    pub(super) view: View,
    watch: watch::Receiver<Modseq>,
    /// Something may have changed before the watch began.
    stale: bool,
}

impl Selected {
    pub(super) fn new(
        folder: FolderId,
        name: String,
        writable: bool,
        view: View,
        watch: watch::Receiver<Modseq>,
    ) -> Self {
        Self { folder, name, writable, view, watch, stale: true }
    }

    pub(super) fn folder(&self) -> FolderId {
        self.folder
    }

    /// Whether it was opened by SELECT, not EXAMINE.
    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Has the store asked again at the next occasion.
    pub(super) fn mark_stale(&mut self) {
        self.stale = true;
    }

    /// Whether the store has news since the last time that this was asked.
    pub(super) fn take_news(&mut self) -> bool {
        // only what was seen is marked: a change that comes in between stays news
        let changed = self.watch.has_changed().unwrap_or(true);
        if changed {
            self.watch.mark_unchanged();
        }
        std::mem::take(&mut self.stale) || changed
    }
}

impl State {
    pub(super) fn is_logged_in(&self) -> bool {
        !matches!(self, Self::NotAuthenticated)
    }

    /// The account, or BAD.
    pub(super) fn account(&self) -> Result<&Account, Failure> {
        match self {
            Self::NotAuthenticated => Err(Failure::Bad("Log in first")),
            Self::Authenticated(account) | Self::Selected(account, _) => Ok(account),
        }
    }

    /// What the log-in rests on, if there was one.
    pub(super) fn standing(&mut self) -> Option<&mut Standing> {
        match self {
            Self::NotAuthenticated => None,
            Self::Authenticated(account) | Self::Selected(account, _) => Some(&mut account.0),
        }
    }

    /// The account and the open folder, or BAD.
    pub(super) fn selected(&mut self) -> Result<(&Account, &mut Selected), Failure> {
        match self {
            Self::NotAuthenticated => Err(Failure::Bad("Log in first")),
            Self::Authenticated(_) => Err(Failure::Bad("Select a folder first")),
            Self::Selected(account, selected) => Ok((account, selected)),
        }
    }

    /// The open folder.
    pub(super) fn open_folder(&mut self) -> Option<&mut Selected> {
        match self {
            Self::Selected(_, selected) => Some(selected),
            Self::NotAuthenticated | Self::Authenticated(_) => None,
        }
    }

    pub(super) fn log_in(&mut self, account: Account) {
        *self = Self::Authenticated(account);
    }

    /// Opens a folder. Only an account can.
    pub(super) fn select(&mut self, selected: Selected) {
        *self = match std::mem::take(self) {
            Self::NotAuthenticated => Self::NotAuthenticated,
            Self::Authenticated(account) | Self::Selected(account, _) => Self::Selected(account, Box::new(selected)),
        };
    }

    /// Closes the folder.
    pub(super) fn deselect(&mut self) {
        *self = match std::mem::take(self) {
            Self::Selected(account, _) => Self::Authenticated(account),
            other => other,
        };
    }

    /// Closes the folder if it has this name: it was just deleted in this session.
    pub(super) fn forget(&mut self, name: &str) {
        if matches!(self, Self::Selected(_, selected) if selected.name == name) {
            self.deselect();
        }
    }

    /// Ends when the open folder changes, or after `retry` if the store did not say last time
    /// what had; never if `wanted` is false or no folder is open.
    pub(super) fn changed(&self, wanted: bool, retry: Duration) -> impl Future<Output = ()> + 'static + use<> {
        let watch = match self {
            Self::Selected(_, selected) if wanted => Some((selected.watch.clone(), selected.stale)),
            _ => None,
        };
        async move {
            let changed = match watch {
                Some((_, true)) => return sleep(retry).await,
                Some((mut watch, false)) => watch.changed().await.is_ok(),
                None => false,
            };
            // when the store closes it is the stop signal that ends the session
            if !changed {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::view;
    use mssante::{Address, BalKind, BalState};
    use store::{BalRecord, NewBal};
    use time::OffsetDateTime;

    fn bal() -> BalRecord {
        let new = NewBal::new(Address::parse("a@b.fr").unwrap(), BalKind::Nominative);
        BalRecord { state: BalState::Active, ..BalRecord::fresh(BalId(1), new, OffsetDateTime::UNIX_EPOCH) }
    }

    /// A state with an open folder, and what wakes it.
    fn open() -> (State, watch::Sender<Modseq>) {
        let standing = Standing::fixture(bal(), watch::channel(0).1);
        let (sender, receiver) = watch::channel(0);
        let selected = Selected::new(FolderId(1), "INBOX".into(), true, view(Vec::new()), receiver);
        (State::Selected(Account::new(standing), Box::new(selected)), sender)
    }

    #[tokio::test]
    async fn what_the_store_did_not_say_is_asked_again_without_another_change() {
        let (mut state, _sender) = open();
        let selected = state.open_folder().unwrap();
        selected.take_news();
        selected.mark_stale();
        state.changed(true, Duration::ZERO).await;
        assert!(state.open_folder().unwrap().take_news());
        assert!(!state.open_folder().unwrap().take_news());
    }

    #[tokio::test]
    async fn a_change_is_news_once() {
        let (mut state, sender) = open();
        state.open_folder().unwrap().take_news();
        sender.send_replace(7);
        state.changed(true, Duration::MAX).await;
        assert!(state.open_folder().unwrap().take_news());
        assert!(!state.open_folder().unwrap().take_news());
    }
}
