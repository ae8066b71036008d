//! SELECT, EXAMINE, and keeping what they opened current. `[RFC3501 6.3.1]`, `[RFC3501 5.2]`

use imap_types::mailbox::Mailbox;

use super::state::Selected;
use super::{End, Session};
use crate::codec::fields;
use crate::render::{self, numbered, text};
use crate::reply::{Done, Failure, no_such_folder};
use crate::view::View;

/// What the client is told of the open folder after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announce {
    /// Nothing: the command has said it all.
    Nothing,
    /// What changed, if the store says that something did, but no EXPUNGE.
    ChangedWithoutExpunge,
    /// What changed, if the store says that something did.
    Changed,
    /// What changed; the store is asked in any case.
    All,
}

impl Session {
    pub(super) async fn select(&mut self, mailbox: &Mailbox<'_>, plain: bool, writable: bool) -> Result<Done, Failure> {
        if !plain {
            return Err(Failure::Bad("Parameters of SELECT are not offered"));
        }
        let account = self.state.account()?;
        let (bal, asked) = (account.bal(), writable);
        // whoever may only read opens by SELECT what EXAMINE opens [RFC3501 6.3.1]
        let writable = asked && account.may_write().is_ok();
        // also if the new folder cannot be opened, the old one is closed
        self.state.deselect();
        let name = fields::folder_name(mailbox).ok_or_else(no_such_folder)?;
        let store = &self.service.store;
        let opened = store.open_folder(bal, &name, writable).await?;
        let watch = store.watch_folder(opened.folder.id);
        let view = View::new(&opened);
        introduce(&mut self.wire.out, &view, opened.folder.uid_validity, opened.folder.uid_next, writable);
        self.state.select(Selected::new(opened.folder.id, name, writable, view, watch));
        Ok(match (asked, writable) {
            (_, true) => Done::coded("READ-WRITE", "SELECT completed"),
            (true, false) => Done::coded("READ-ONLY", "SELECT completed"),
            (false, false) => Done::coded("READ-ONLY", "EXAMINE completed"),
        })
    }

    /// Tells the client what changed in the open folder.
    pub(super) async fn announce(&mut self, announce: Announce) -> Result<(), End> {
        let Some(selected) = self.state.open_folder() else { return Ok(()) };
        let expunge = announce != Announce::ChangedWithoutExpunge;
        let ask = match announce {
            Announce::Nothing => return Ok(()),
            Announce::ChangedWithoutExpunge | Announce::Changed => selected.take_news(),
            Announce::All => {
                selected.take_news();
                true
            }
        };
        let pending = if ask {
            match self.service.store.changes(selected.folder(), selected.view.modseq()).await {
                Ok(changes) if changes.gone => return Err(End::Bye("The folder was deleted")),
                Ok(changes) => selected.view.apply(&changes),
                Err(error) => {
                    // the client is told at the next occasion
                    tracing::warn!(%error, "cannot tell what changed in a folder");
                    selected.mark_stale();
                    return Ok(());
                }
            }
        } else {
            crate::view::Pending::default()
        };
        let news = selected.view.news(&pending, expunge);
        render::news(&mut self.wire.out, &selected.view, &news);
        self.wire.flush_if_full().await?;
        Ok(())
    }
}

/// The responses that SELECT begins with. `[RFC3501 6.3.1]`
fn introduce(out: &mut Vec<u8>, view: &View, uid_validity: u32, uid_next: u32, writable: bool) {
    render::folder_flags(out, view);
    text(
        out,
        if writable {
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Kept\r\n"
        } else {
            "* OK [PERMANENTFLAGS ()] Read-only\r\n"
        },
    );
    numbered(out, view.exists(), "EXISTS");
    numbered(out, view.recent(), "RECENT");
    if let Some(unseen) = view.first_unseen() {
        text(out, &format!("* OK [UNSEEN {unseen}] First unseen\r\n"));
    }
    text(out, &format!("* OK [UIDVALIDITY {uid_validity}] UIDs valid\r\n"));
    text(out, &format!("* OK [UIDNEXT {uid_next}] Next UID\r\n"));
}
