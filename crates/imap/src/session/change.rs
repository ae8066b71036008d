//! STORE, EXPUNGE, COPY and MOVE. `[RFC3501 6.4]`

use imap_types::flag::StoreType;
use imap_types::mailbox::Mailbox;
use imap_types::sequence::SequenceSet;
use mssante::BalId;
use store::{Copied, FlagChange, Flags, Folder, Rooms, Store, StoreError, Uid};

use super::fetch::numbers;
use super::state::{Account, Selected};
use crate::codec::fields;
use crate::render::{self, text};
use crate::reply::{Done, Failure, no_such_folder, try_create};
use crate::sets::{Ranges, uid_set};
use crate::wire::Wire;

/// What STORE asks for.
pub(super) struct FlagRequest {
    pub(super) kind: StoreType,
    pub(super) flags: Flags,
    pub(super) silent: bool,
    pub(super) uid: bool,
}

/// `[RFC3501 6.4.6]`
pub(super) async fn store_flags(
    store: &Store,
    account: &Account,
    selected: &mut Selected,
    wire: &mut Wire,
    set: &SequenceSet,
    request: FlagRequest,
) -> Result<Done, Failure> {
    writable(account, selected)?;
    let numbers = numbers(&selected.view, set, request.uid)?;
    let uids = uids(selected, &numbers);
    let change = match request.kind {
        StoreType::Replace => FlagChange::Replace(request.flags),
        StoreType::Add => FlagChange::Add(request.flags),
        StoreType::Remove => FlagChange::Remove(request.flags),
    };
    let known = selected.view.known_keywords().len();
    let entries =
        if uids.is_empty() { Vec::new() } else { store.change_flags(selected.folder(), &uids, &change).await? };
    // with .SILENT the client knows the outcome, unless another session had a part in it
    let surprises: Vec<Uid> =
        entries.iter().filter(|entry| !selected.view.expects(entry, &change)).map(|entry| entry.uid).collect();
    selected.view.absorb(&entries);
    if selected.view.known_keywords().len() > known {
        render::folder_flags(&mut wire.out, &selected.view);
    }
    for number in numbers {
        let Some(row) = selected.view.row(number) else { continue };
        if !request.silent || surprises.binary_search(&row.uid).is_ok() {
            render::fetched_flags(&mut wire.out, &selected.view, number, request.uid);
            wire.flush_if_full().await?;
        }
    }
    if entries.len() < uids.len() && !request.uid {
        return Err(Failure::No("[EXPUNGEISSUED] Some of the messages are gone".into()));
    }
    Ok(Done::text("STORE completed"))
}

/// EXPUNGE, or UID EXPUNGE with a set; what went is announced after it. `[RFC3501 6.4.3]`, `[RFC4315 2.1]`
pub(super) async fn expunge(
    store: &Store,
    account: &Account,
    selected: &mut Selected,
    set: Option<&SequenceSet>,
) -> Result<Done, Failure> {
    writable(account, selected)?;
    match set {
        None => {
            account.acting(store).expunge(selected.folder(), None).await?;
        }
        Some(set) => {
            let numbers = selected.view.numbers_of_uids(&Ranges::resolve(set, selected.view.last_uid()));
            let uids = uids(selected, &numbers);
            if !uids.is_empty() {
                account.acting(store).expunge(selected.folder(), Some(&uids)).await?;
            }
        }
    }
    Ok(Done::text("EXPUNGE completed"))
}

/// `[RFC3501 6.4.7]`, `[RFC4315 3]`
pub(super) async fn copy(
    store: &Store,
    rooms: &Rooms,
    account: &Account,
    selected: &mut Selected,
    set: &SequenceSet,
    to: &Mailbox<'_>,
    uid: bool,
) -> Result<Done, Failure> {
    account.may_write()?;
    let numbers = numbers(&selected.view, set, uid)?;
    let uids = uids(selected, &numbers);
    let to = target(store, account, to).await?;
    if uids.is_empty() {
        return Ok(Done::text("COPY completed, of nothing"));
    }
    let size = size(selected, &numbers);
    room(rooms, account.bal(), size).await?;
    note_filing(store, account, "copy", &uids, &to).await?;
    let copied = store.copy(selected.folder(), &uids, to.id).await.map_err(target_gone)?;
    rooms.taken(&[account.bal()], size);
    Ok(match copy_uid(&copied) {
        Some(code) => Done::coded(&code, "COPY completed"),
        None => Done::text("COPY completed, of nothing"),
    })
}

/// The EXPUNGE responses are those of the announcement that follows. `[RFC6851 4.3]`
pub(super) async fn move_messages(
    store: &Store,
    account: &Account,
    selected: &mut Selected,
    wire: &mut Wire,
    set: &SequenceSet,
    to: &Mailbox<'_>,
    uid: bool,
) -> Result<Done, Failure> {
    writable(account, selected)?;
    let uids = uids(selected, &numbers(&selected.view, set, uid)?);
    let to = target(store, account, to).await?;
    if uids.is_empty() {
        return Ok(Done::text("MOVE completed, of nothing"));
    }
    note_filing(store, account, "move", &uids, &to).await?;
    let moved = store.move_messages(selected.folder(), &uids, to.id).await.map_err(target_gone)?;
    if let Some(code) = copy_uid(&moved) {
        text(&mut wire.out, &format!("* OK [{code}] Moved\r\n"));
    }
    Ok(Done::text("MOVE completed"))
}

/// No delegate puts messages into a folder without a line in the audit trail, so it is written before.
async fn note_filing(
    store: &Store,
    account: &Account,
    how: &'static str,
    uids: &[Uid],
    into: &Folder,
) -> Result<(), Failure> {
    match account.filing(store, how, uids.len(), into) {
        Some(line) => Ok(store.record(&[line]).await?),
        None => Ok(()),
    }
}

/// A folder to put messages into.
pub(super) async fn target(store: &Store, account: &Account, mailbox: &Mailbox<'_>) -> Result<Folder, Failure> {
    let name = fields::folder_name(mailbox).ok_or_else(no_such_folder)?;
    let folders = store.folders(account.bal()).await?;
    folders.into_iter().find(|folder| folder.name == name).ok_or_else(try_create)
}

/// NO unless the BAL has room for so many octets more. `[RFC9208 4.3.1]`
pub(super) async fn room(rooms: &Rooms, bal: BalId, octets: u64) -> Result<(), Failure> {
    let verdict = rooms.judge(&[bal], octets).await?;
    verdict.map_err(|_| Failure::No("[OVERQUOTA] The BAL has no room for this; delete something first".into()))
}

/// NO for a target that went away meanwhile.
pub(super) fn target_gone(error: StoreError) -> Failure {
    match error {
        StoreError::NoSuchFolder => try_create(),
        error => Failure::Store(error),
    }
}

fn writable(account: &Account, selected: &Selected) -> Result<(), Failure> {
    account.may_write()?;
    if selected.is_writable() { Ok(()) } else { Err(Failure::No("[CANNOT] The folder was opened read-only".into())) }
}

/// UIDs of these messages; those that are known to be gone are left out.
fn uids(selected: &Selected, numbers: &[u32]) -> Vec<Uid> {
    let rows = numbers.iter().filter_map(|number| selected.view.row(*number));
    rows.map(|row| row.uid).filter(|uid| !selected.view.is_gone(*uid)).collect()
}

/// The octets of these messages.
fn size(selected: &Selected, numbers: &[u32]) -> u64 {
    numbers.iter().filter_map(|number| selected.view.row(*number)).map(|row| row.size).sum()
}

fn copy_uid(copied: &Copied) -> Option<String> {
    let sets = || format!("{} {}", uid_set(&copied.source), uid_set(&copied.target));
    (!copied.source.is_empty()).then(|| format!("COPYUID {} {}", copied.uid_validity, sets()))
}
