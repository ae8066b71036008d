//! What a FETCH command asks of each message. `[RFC3501 6.4.5]`

use std::num::NonZeroU32;

use imap_types::IntoStatic;
use imap_types::fetch::{MacroOrMessageDataItemNames, MessageDataItemName, Part as PartNumber, Section};

use crate::section;

/// Items in one command; no client has been seen to ask for half of it.
const MOST_ITEMS: usize = 64;

/// An item of a FETCH response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Flags,
    Uid,
    InternalDate,
    Size,
    Envelope,
    Structure { extended: bool },
    Section(Part),
}

/// A section of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its name in the response.
    pub(crate) label: Vec<u8>,
    /// Which; the whole message if none.
    pub(crate) section: Option<Section<'static>>,
    /// Origin and number of octets.
    pub(crate) partial: Option<(u32, NonZeroU32)>,
}

impl Part {
    /// Those fields of a header that the section names, cut to the partial.
    pub(crate) fn chosen_fields(&self, header: &[u8]) -> Vec<u8> {
        let mut chosen = match &self.section {
            Some(Section::HeaderFields(_, names)) => section::fields(header, names.as_ref(), false),
            Some(Section::HeaderFieldsNot(_, names)) => section::fields(header, names.as_ref(), true),
            _ => header.to_vec(),
        };
        if let Some((origin, count)) = self.partial {
            let origin = (origin as usize).min(chosen.len());
            chosen.drain(..origin);
            chosen.truncate(count.get() as usize);
        }
        chosen
    }
}

/// A FETCH command, compiled.
#[derive(Debug)]
pub(crate) struct Plan {
    items: Vec<Item>,
    sets_seen: bool,
}

impl Plan {
    /// Compiles; with `uid` the UID is among the items. Why not, if it cannot be done.
    pub(crate) fn new(wanted: MacroOrMessageDataItemNames<'static>, uid: bool) -> Result<Self, &'static str> {
        let names = match wanted {
            MacroOrMessageDataItemNames::Macro(shorthand) => shorthand.expand().into_static(),
            MacroOrMessageDataItemNames::MessageDataItemNames(names) => names,
        };
        if names.len() > MOST_ITEMS {
            return Err("Too many items");
        }
        let mut plan = Self { items: Vec::with_capacity(names.len() + 1), sets_seen: false };
        if uid && !names.contains(&MessageDataItemName::Uid) {
            plan.items.push(Item::Uid);
        }
        for name in names {
            plan.add(name)?;
        }
        Ok(plan)
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(crate) fn sections(&self) -> impl Iterator<Item = &Part> {
        self.items.iter().filter_map(|item| match item {
            Item::Section(part) => Some(part),
            _ => None,
        })
    }

    /// Whether it sets `\Seen`.
    pub(crate) fn sets_seen(&self) -> bool {
        self.sets_seen
    }

    /// Whether the view alone does not know enough.
    pub(crate) fn needs_summary(&self) -> bool {
        self.items.iter().any(|item| match item {
            Item::Envelope | Item::Structure { .. } => true,
            Item::Section(part) => part.section.is_some(),
            Item::Flags | Item::Uid | Item::InternalDate | Item::Size => false,
        })
    }

    fn add(&mut self, name: MessageDataItemName<'static>) -> Result<(), &'static str> {
        let rfc822 = |label: &str, section| Item::Section(Part { label: label.into(), section, partial: None });
        let item = match name {
            MessageDataItemName::Flags => Item::Flags,
            MessageDataItemName::Uid => Item::Uid,
            MessageDataItemName::InternalDate => Item::InternalDate,
            MessageDataItemName::Rfc822Size => Item::Size,
            MessageDataItemName::Envelope => Item::Envelope,
            MessageDataItemName::Body => Item::Structure { extended: false },
            MessageDataItemName::BodyStructure => Item::Structure { extended: true },
            MessageDataItemName::Rfc822Header => rfc822("RFC822.HEADER", Some(Section::Header(None))),
            MessageDataItemName::Rfc822 => {
                self.sets_seen = true;
                rfc822("RFC822", None)
            }
            MessageDataItemName::Rfc822Text => {
                self.sets_seen = true;
                rfc822("RFC822.TEXT", Some(Section::Text(None)))
            }
            MessageDataItemName::BodyExt { section, partial, peek } => {
                self.sets_seen |= !peek;
                let label = label(section.as_ref(), partial);
                Item::Section(Part { label, section, partial })
            }
            MessageDataItemName::Binary { .. } | MessageDataItemName::BinarySize { .. } => {
                return Err("BINARY is not offered");
            }
            MessageDataItemName::ModSeq => return Err("CONDSTORE is not offered"),
        };
        self.items.push(item);
        Ok(())
    }
}

/// `BODY[…]<origin>`
fn label(section: Option<&Section<'_>>, partial: Option<(u32, NonZeroU32)>) -> Vec<u8> {
    let mut label = b"BODY[".to_vec();
    match section {
        None => {}
        Some(Section::Part(path)) => numbers(&mut label, Some(path), ""),
        Some(Section::Mime(path)) => numbers(&mut label, Some(path), "MIME"),
        Some(Section::Header(path)) => numbers(&mut label, path.as_ref(), "HEADER"),
        Some(Section::Text(path)) => numbers(&mut label, path.as_ref(), "TEXT"),
        Some(Section::HeaderFields(path, names)) => {
            numbers(&mut label, path.as_ref(), "HEADER.FIELDS");
            field_names(&mut label, names.as_ref());
        }
        Some(Section::HeaderFieldsNot(path, names)) => {
            numbers(&mut label, path.as_ref(), "HEADER.FIELDS.NOT");
            field_names(&mut label, names.as_ref());
        }
    }
    label.push(b']');
    if let Some((origin, _)) = partial {
        label.extend_from_slice(format!("<{origin}>").as_bytes());
    }
    label
}

fn numbers(label: &mut Vec<u8>, path: Option<&PartNumber>, word: &str) {
    let numbers = path.map(|path| path.0.as_ref()).unwrap_or_default();
    let words = numbers.iter().map(ToString::to_string).chain((!word.is_empty()).then(|| word.to_owned()));
    label.extend_from_slice(words.collect::<Vec<_>>().join(".").as_bytes());
}

fn field_names(label: &mut Vec<u8>, names: &[imap_types::core::AString<'_>]) {
    label.extend_from_slice(b" (");
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            label.push(b' ');
        }
        let name = String::from_utf8_lossy(name.as_ref());
        if name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) && !name.is_empty() {
            label.extend_from_slice(name.as_bytes());
        } else {
            crate::render::string(label, &name);
        }
    }
    label.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Body, decode};
    use imap_types::command::CommandBody;

    fn plan(items: &str, uid: bool) -> Result<Plan, &'static str> {
        let Body::Base(body) = decode(format!("a FETCH 1 {items}\r\n").as_bytes()).unwrap().body else { panic!() };
        let CommandBody::Fetch { macro_or_item_names, .. } = *body else { panic!() };
        Plan::new(macro_or_item_names, uid)
    }

    #[test]
    fn sections_are_named_in_the_answer_as_they_were_asked_for() {
        for (asked, named) in [
            ("BODY.PEEK[]", "BODY[]"),
            ("BODY[1.2.MIME]<5.10>", "BODY[1.2.MIME]<5>"),
            ("BODY[header.fields (To \"X Y\")]", "BODY[HEADER.FIELDS (To \"X Y\")]"),
            ("BODY.PEEK[2.HEADER.FIELDS.NOT (Cc)]", "BODY[2.HEADER.FIELDS.NOT (Cc)]"),
            ("RFC822.TEXT", "RFC822.TEXT"),
        ] {
            let plan = plan(asked, false).unwrap();
            assert_eq!(String::from_utf8_lossy(&plan.sections().next().unwrap().label), named);
        }
    }

    #[test]
    fn seen_is_set_by_what_does_not_peek() {
        for (items, seen) in
            [("BODY[]", true), ("BODY.PEEK[]", false), ("RFC822", true), ("RFC822.HEADER", false), ("FULL", false)]
        {
            assert_eq!(plan(items, false).unwrap().sets_seen(), seen, "{items}");
        }
    }

    #[test]
    fn uid_fetch_always_tells_the_uid_once() {
        assert_eq!(plan("(FLAGS)", true).unwrap().items(), [Item::Uid, Item::Flags]);
        assert_eq!(plan("(FLAGS UID)", true).unwrap().items(), [Item::Flags, Item::Uid]);
    }

    #[test]
    fn whole_messages_and_flags_need_no_summary() {
        for (items, needs) in [("(FLAGS BODY[] RFC822.SIZE)", false), ("BODY[HEADER]", true), ("ALL", true)] {
            assert_eq!(plan(items, false).unwrap().needs_summary(), needs, "{items}");
        }
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        assert!(plan("BINARY[1]", false).is_err());
        assert!(plan("MODSEQ", false).is_err());
        assert!(plan(&format!("({}FLAGS)", "UID ".repeat(64)), false).is_err());
    }

    #[test]
    fn a_partial_of_chosen_fields_is_cut_after_choosing() {
        let plan = plan("BODY[HEADER.FIELDS (To)]<1.4>", false).unwrap();
        assert_eq!(plan.sections().next().unwrap().chosen_fields(b"Cc: x\r\nTo: y\r\n\r\n"), b"o: y");
    }
}
