//! Paths: what stands between the angle brackets of MAIL and RCPT.

use mssante::{Address, ReversePath};

/// Most octets of a path, brackets included. `[RFC5321 4.5.3.1.3]`
const LONGEST_PATH: usize = 256;

/// A recipient as written. `[RFC5321 4.1.1.3]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<postmaster>` without a domain.
    Postmaster,
    /// An address.
    Address(Address),
}

/// Not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathError;

/// Splits `<path> parameters` behind the closing bracket; a bracket in quotes closes nothing.
pub(crate) fn split(text: &str) -> Result<(&str, &str), PathError> {
    let inner = text.strip_prefix('<').ok_or(PathError)?;
    let (mut quoted, mut escaped) = (false, false);
    for (i, octet) in inner.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted && i + 2 <= LONGEST_PATH => return Ok((&inner[..i], &inner[i + 1..])),
            b'>' if !quoted => return Err(PathError),
            _ => {}
        }
    }
    Err(PathError)
}

/// Reads a sender.
pub(crate) fn reverse(path: &str) -> Result<ReversePath, PathError> {
    if path.is_empty() {
        return Ok(ReversePath::Null);
    }
    address(path).map(ReversePath::Address)
}

/// Reads a recipient.
pub(crate) fn forward(path: &str) -> Result<ForwardPath, PathError> {
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(ForwardPath::Postmaster);
    }
    address(path).map(ForwardPath::Address)
}

fn address(path: &str) -> Result<Address, PathError> {
    Address::parse(without_route(path)?).map_err(|_| PathError)
}

/// Drops a source route: it must be well formed and is ignored. `[RFC5321 4.1.1.3]`
fn without_route(path: &str) -> Result<&str, PathError> {
    if !path.starts_with('@') {
        return Ok(path);
    }
    let (route, mailbox) = path.split_once(':').ok_or(PathError)?;
    let hop = |hop: &str| hop.strip_prefix('@').is_some_and(|domain| mssante::Domain::parse(domain).is_ok());
    route.split(',').all(hop).then_some(mailbox).ok_or(PathError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, PathError> {
        split(text).and_then(|(path, _)| reverse(path)).map(|path| path.to_string())
    }

    #[test]
    fn a_source_route_is_read_and_ignored() {
        assert_eq!(read("<@a.fr,@b.fr:c@d.fr>").as_deref(), Ok("<c@d.fr>"));
        for wrong in ["<@a.fr,b.fr:c@d.fr>", "<@a.fr:>", "<@:c@d.fr>", "<@a.fr>", "<@a.fr,:c@d.fr>"] {
            assert_eq!(read(wrong), Err(PathError), "{wrong}");
        }
    }

    #[test]
    fn a_bracket_in_quotes_closes_nothing() {
        assert_eq!(split("<\"a>b\"@c.fr> SIZE=1"), Ok(("\"a>b\"@c.fr", " SIZE=1")));
        assert_eq!(split("<\"a\\\">b\"@c.fr>"), Ok(("\"a\\\">b\"@c.fr", "")));
        assert_eq!(split("<\"a>b@c.fr>"), Err(PathError));
    }

    #[test]
    fn a_path_of_more_than_256_octets_is_refused() {
        let long = format!("<@{}:a@b.fr>", vec!["abcdefgh.fr"; 30].join(",@"));
        assert_eq!(split(&long), Err(PathError));
    }

    #[test]
    fn postmaster_needs_no_domain_and_nobody_is_no_recipient() {
        assert_eq!(forward("PostMaster"), Ok(ForwardPath::Postmaster));
        assert_eq!(forward(""), Err(PathError));
        assert_eq!(reverse(""), Ok(ReversePath::Null));
        assert_eq!(reverse("postmaster"), Err(PathError));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fail_otherwise_than_by_an_error(text in "<?[@a:,\"\\\\.>é]{0,20}") {
            let _ = read(&text);
        }

        #[test]
        fn an_address_in_brackets_reads_as_itself(local in "[a-z]{1,9}", domain in "[a-z]{1,9}\\.fr") {
            prop_assert_eq!(read(&format!("<{local}@{domain}>")).unwrap(), format!("<{local}@{domain}>"));
        }
    }
}
