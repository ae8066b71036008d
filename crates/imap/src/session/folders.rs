//! LIST, LSUB, STATUS and what changes folders. `[RFC3501 6.3]`

use imap_types::mailbox::{ListMailbox, Mailbox};
use imap_types::status::StatusDataItemName;
use store::{FolderId, FolderStatus, Store, StoreError};

use super::state::Account;
use crate::codec::{List, StatusItem, fields};
use crate::listing::{self, Known};
use crate::names;
use crate::render::{string, text, words};
use crate::reply::{Done, Failure, no_such_folder};
use crate::wire::Wire;

/// `[RFC3501 6.3.8]`, `[RFC5258 3]`, `[RFC5819 2]`
pub(super) async fn list(store: &Store, account: &Account, wire: &mut Wire, list: &List) -> Result<Done, Failure> {
    if !list.extended && list.patterns.iter().all(Vec::is_empty) {
        // the separator is asked for
        text(&mut wire.out, "* LIST (\\Noselect) \"/\" \"\"\r\n");
        return Ok(Done::text("LIST completed"));
    }
    let patterns = patterns(&list.reference, &list.patterns)?;
    let folders = store.folders(account.bal()).await?;
    let subscribed = if list.select_subscribed { store.subscriptions(account.bal()).await? } else { Vec::new() };
    let known = Known::new(&folders, &subscribed);
    for line in listing::list(&known, list, &patterns) {
        text(&mut wire.out, "* LIST (");
        words(&mut wire.out, line.attributes.iter().copied());
        text(&mut wire.out, ") \"/\" ");
        string(&mut wire.out, &names::encode(&line.name));
        if line.child_info {
            text(&mut wire.out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
        }
        text(&mut wire.out, "\r\n");
        if let Some(folder) = line.folder.filter(|_| !list.return_status.is_empty()) {
            unless_gone(status_of(store, wire, &line.name, folder, &list.return_status).await)?;
        }
        wire.flush_if_full().await?;
    }
    Ok(Done::text("LIST completed"))
}

/// `[RFC3501 6.3.9]`
pub(super) async fn lsub(
    store: &Store,
    account: &Account,
    wire: &mut Wire,
    reference: &Mailbox<'_>,
    pattern: &ListMailbox<'_>,
) -> Result<Done, Failure> {
    let reference = match reference {
        Mailbox::Inbox => names::INBOX.as_bytes(),
        Mailbox::Other(other) => other.inner().as_ref(),
    };
    let pattern = match pattern {
        ListMailbox::Token(token) => token.as_ref(),
        ListMailbox::String(text) => text.as_ref(),
    };
    let patterns = patterns(reference, &[pattern.to_vec()])?;
    let subscribed = store.subscriptions(account.bal()).await?;
    for (name, selectable) in listing::lsub(&subscribed, &patterns) {
        text(&mut wire.out, if selectable { "* LSUB () \"/\" " } else { "* LSUB (\\Noselect) \"/\" " });
        string(&mut wire.out, &names::encode(&name));
        text(&mut wire.out, "\r\n");
    }
    Ok(Done::text("LSUB completed"))
}

/// `[RFC3501 6.3.10]`
pub(super) async fn status(
    store: &Store,
    account: &Account,
    wire: &mut Wire,
    mailbox: &Mailbox<'_>,
    items: &[StatusDataItemName],
) -> Result<Done, Failure> {
    let items: Option<Vec<StatusItem>> = items.iter().map(fields::status_item).collect();
    let items = items.filter(|items| !items.is_empty()).ok_or(Failure::Bad("This item is not offered"))?;
    let name = name(mailbox)?;
    let folders = store.folders(account.bal()).await?;
    let folder = folders.iter().find(|folder| folder.name == name).ok_or_else(no_such_folder)?;
    status_of(store, wire, &name, folder.id, &items).await?;
    Ok(Done::text("STATUS completed"))
}

/// `[RFC3501 6.3.3]`
pub(super) async fn create(store: &Store, account: &Account, mailbox: &Mailbox<'_>) -> Result<Done, Failure> {
    account.may_write()?;
    let name = creatable(mailbox)?;
    store.create_folder(account.bal(), &name, None).await?;
    Ok(Done::text("CREATE completed"))
}

/// `[RFC3501 6.3.4]`
pub(super) async fn delete(store: &Store, account: &Account, mailbox: &Mailbox<'_>) -> Result<Done, Failure> {
    account.may_write()?;
    account.acting(store).delete_folder(account.bal(), &name(mailbox)?).await?;
    Ok(Done::text("DELETE completed"))
}

/// `[RFC3501 6.3.5]`
pub(super) async fn rename(
    store: &Store,
    account: &Account,
    from: &Mailbox<'_>,
    to: &Mailbox<'_>,
) -> Result<Done, Failure> {
    account.may_write()?;
    let (from, to) = (name(from)?, creatable(to)?);
    store.rename_folder(account.bal(), &from, &to).await?;
    Ok(Done::text("RENAME completed"))
}

/// `[RFC3501 6.3.6]`, `[RFC3501 6.3.7]`
pub(super) async fn subscribe(
    store: &Store,
    account: &Account,
    mailbox: &Mailbox<'_>,
    subscribed: bool,
) -> Result<Done, Failure> {
    account.may_write()?;
    let name = if subscribed { creatable(mailbox)? } else { name(mailbox)? };
    store.set_subscribed(account.bal(), &name, subscribed).await?;
    Ok(Done::text("Subscription changed"))
}

/// A folder that went away since it was listed has no figures; the others have. `[RFC5819 2]`
fn unless_gone(status: Result<(), Failure>) -> Result<(), Failure> {
    match status {
        Err(Failure::Store(StoreError::NoSuchFolder)) => Ok(()),
        status => status,
    }
}

async fn status_of(
    store: &Store,
    wire: &mut Wire,
    name: &str,
    folder: FolderId,
    items: &[StatusItem],
) -> Result<(), Failure> {
    let status = store.folder_status(folder).await?;
    text(&mut wire.out, "* STATUS ");
    string(&mut wire.out, &names::encode(name));
    let figures: Vec<String> = items.iter().map(|item| format!("{} {}", item.name(), figure(&status, *item))).collect();
    text(&mut wire.out, &format!(" ({})\r\n", figures.join(" ")));
    Ok(())
}

fn figure(status: &FolderStatus, item: StatusItem) -> u64 {
    match item {
        StatusItem::Messages => status.messages.into(),
        StatusItem::Recent => status.recent.into(),
        StatusItem::Size => status.size,
        StatusItem::UidNext => status.uid_next.into(),
        StatusItem::UidValidity => status.uid_validity.into(),
        StatusItem::Unseen => status.unseen.into(),
    }
}

fn patterns(reference: &[u8], patterns: &[Vec<u8>]) -> Result<Vec<String>, Failure> {
    let whole = |pattern: &Vec<u8>| names::decode(&[reference, pattern.as_slice()].concat());
    patterns.iter().map(whole).collect::<Option<_>>().ok_or(Failure::Bad("This is no name"))
}

fn name(mailbox: &Mailbox<'_>) -> Result<String, Failure> {
    fields::folder_name(mailbox).ok_or_else(no_such_folder)
}

/// The name of a folder that need not exist; the store says whether it may.
fn creatable(mailbox: &Mailbox<'_>) -> Result<String, Failure> {
    fields::folder_name(mailbox).ok_or(Failure::No("[CANNOT] This is no name for a folder".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_went_away_is_passed_over_and_a_store_that_fails_is_not() {
        assert!(unless_gone(Err(no_such_folder())).is_ok());
        let broken = StoreError::Unavailable("down".into());
        assert!(unless_gone(Err(Failure::Store(broken))).is_err());
    }
}
