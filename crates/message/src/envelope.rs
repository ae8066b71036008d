//! The fields of IMAP ENVELOPE out of a header block. `[RFC3501 7.4.2]`

use crate::fields::{self, Field};
use crate::{Envelope, EnvelopeAddress, address_list};

/// Reads the envelope of a message's header; every address taken is taken from `budget`.
/// A field that stands several times counts once (the first), but addresses are joined.
///
/// Also whether no field that counts once stands several times.
pub(crate) fn read(header: &[u8], budget: &mut usize) -> (Envelope, bool) {
    let (mut envelope, mut once) = (Envelope::default(), true);
    for field in fields::fields(header) {
        if let Some(text) = text_field(&mut envelope, &field) {
            once &= text.is_none();
            text.get_or_insert_with(|| field.value().into_owned());
        } else if let Some(list) = address_field(&mut envelope, &field) {
            let read = address_list::read(&field.value(), *budget).entries;
            *budget = budget.saturating_sub(read.len());
            list.extend(read);
        }
    }
    (envelope, once)
}

fn text_field<'a>(envelope: &'a mut Envelope, field: &Field<'_>) -> Option<&'a mut Option<String>> {
    match field.name.len() {
        4 if field.is("Date") => Some(&mut envelope.date),
        7 if field.is("Subject") => Some(&mut envelope.subject),
        10 if field.is("Message-ID") => Some(&mut envelope.message_id),
        11 if field.is("In-Reply-To") => Some(&mut envelope.in_reply_to),
        _ => None,
    }
}

fn address_field<'a>(envelope: &'a mut Envelope, field: &Field<'_>) -> Option<&'a mut Vec<EnvelopeAddress>> {
    match field.name.len() {
        2 if field.is("To") => Some(&mut envelope.to),
        2 if field.is("Cc") => Some(&mut envelope.cc),
        3 if field.is("Bcc") => Some(&mut envelope.bcc),
        4 if field.is("From") => Some(&mut envelope.from),
        6 if field.is("Sender") => Some(&mut envelope.sender),
        8 if field.is("Reply-To") => Some(&mut envelope.reply_to),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unfolded_and_left_encoded() {
        let mut budget = 100;
        let (envelope, once) = read(
            b"Subject: =?utf-8?q?Compte?=\r\n =?utf-8?q?_rendu?=\r\nSUBJECT: second\r\nDate: x\r\nMessage-ID: <1@a>\r\n\
              In-Reply-To: <0@a>\r\nFrom: A <a@x.fr>\r\nTo: b@x.fr\r\nTo: c@x.fr\r\nCc: d@x.fr\r\n\r\nBcc: body\r\n",
            &mut budget,
        );
        assert_eq!(envelope.subject.as_deref(), Some("=?utf-8?q?Compte?= =?utf-8?q?_rendu?="));
        assert_eq!(envelope.date.as_deref(), Some("x"));
        assert_eq!(envelope.message_id.as_deref(), Some("<1@a>"));
        assert_eq!(envelope.in_reply_to.as_deref(), Some("<0@a>"));
        assert_eq!(envelope.from[0].name.as_deref(), Some("A"));
        assert_eq!(envelope.to.iter().filter_map(|a| a.mailbox.as_deref()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(
            (envelope.cc.len(), envelope.bcc.len(), envelope.sender.len(), envelope.reply_to.len()),
            (1, 0, 0, 0)
        );
        assert_eq!(budget, 96);
        assert!(!once);
    }

    #[test]
    fn the_budget_bounds_the_addresses() {
        let mut budget = 3;
        let (envelope, _) = read(b"To: a@x.fr, b@x.fr\r\nCc: c@x.fr, d@x.fr\r\n", &mut budget);
        assert_eq!((envelope.to.len(), envelope.cc.len(), budget), (2, 1, 0));
    }
}
