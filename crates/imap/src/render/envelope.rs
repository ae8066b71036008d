//! ENVELOPE. `[RFC3501 7.4.2]`

use message::{Envelope, EnvelopeAddress};

use super::{nstring, text};

/// The envelope; Sender and Reply-To are those of From where the message has none.
pub(crate) fn envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    let or_from = |list: &Vec<EnvelopeAddress>| if list.is_empty() { envelope.from.clone() } else { list.clone() };
    text(out, "(");
    nstring(out, envelope.date.as_deref());
    text(out, " ");
    nstring(out, envelope.subject.as_deref());
    let (sender, reply_to) = (or_from(&envelope.sender), or_from(&envelope.reply_to));
    for list in [&envelope.from, &sender, &reply_to, &envelope.to, &envelope.cc, &envelope.bcc] {
        text(out, " ");
        addresses(out, list);
    }
    for value in [&envelope.in_reply_to, &envelope.message_id] {
        text(out, " ");
        nstring(out, value.as_deref());
    }
    text(out, ")");
}

fn addresses(out: &mut Vec<u8>, list: &[EnvelopeAddress]) {
    if list.is_empty() {
        return text(out, "NIL");
    }
    text(out, "(");
    for address in list {
        text(out, "(");
        nstring(out, address.name.as_deref());
        // the source route
        text(out, " NIL ");
        nstring(out, address.mailbox.as_deref());
        text(out, " ");
        nstring(out, address.host.as_deref());
        text(out, ")");
    }
    text(out, ")");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::rendered;

    fn address(name: Option<&str>, mailbox: Option<&str>, host: Option<&str>) -> EnvelopeAddress {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        EnvelopeAddress { name: owned(name), mailbox: owned(mailbox), host: owned(host) }
    }

    #[test]
    fn sender_and_reply_to_fall_back_to_from() {
        let message = Envelope {
            date: Some("Mon, 7 Feb 1994 21:52:25 -0800".into()),
            subject: Some("Résumé".into()),
            from: vec![address(Some("Dr \"X\""), Some("x"), Some("ch.fr"))],
            to: vec![address(None, Some("group"), None), address(None, None, None)],
            message_id: Some("<1@ch.fr>".into()),
            ..Envelope::default()
        };
        let from = r#"(("Dr \"X\"" NIL "x" "ch.fr"))"#;
        assert_eq!(
            rendered(|out| envelope(out, &message)),
            format!(
                "(\"Mon, 7 Feb 1994 21:52:25 -0800\" {{8}}\r\nRésumé {from} {from} {from} \
                 ((NIL NIL \"group\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL \"<1@ch.fr>\")"
            )
        );
    }
}
