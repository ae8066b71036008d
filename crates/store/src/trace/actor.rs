//! Who did what the audit trail tells of.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// Who acts. Written as one text, which filters compare: `pli`, `admin:…`, `bal:…`, `person:…`, `software:…`,
/// `operator`, `stranger`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Actor {
    /// pli by itself: the relay, loops, retention.
    #[default]
    Node,
    /// An administrator, by the account that runs the command or the name in his certificate.
    Administrator(String),
    /// A BAL's own credential, by its address.
    Bal(String),
    /// A person who has rights on a BAL that is not his own, by his login.
    Person(String),
    /// A piece of software, by the key of its certificate's DN.
    Software(String),
    /// Another operator; the line's `peer` says which.
    Operator,
    /// Somebody whom nothing identifies.
    Stranger,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("pli"),
            Self::Administrator(name) => write!(f, "admin:{name}"),
            Self::Bal(address) => write!(f, "bal:{address}"),
            Self::Person(login) => write!(f, "person:{login}"),
            Self::Software(dn) => write!(f, "software:{dn}"),
            Self::Operator => f.write_str("operator"),
            Self::Stranger => f.write_str("stranger"),
        }
    }
}

/// A text that no pli wrote stands for a stranger.
impl FromStr for Actor {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once(':') {
            None if text == "pli" => Self::Node,
            None if text == "operator" => Self::Operator,
            Some(("admin", name)) => Self::Administrator(name.to_owned()),
            Some(("bal", address)) => Self::Bal(address.to_owned()),
            Some(("person", login)) => Self::Person(login.to_owned()),
            Some(("software", dn)) => Self::Software(dn.to_owned()),
            _ => Self::Stranger,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_read_back_as_it_was_written() {
        for actor in [
            Actor::Node,
            Actor::Administrator("root (uid 0) for eve".into()),
            Actor::Bal("a@b.mssante.fr".into()),
            Actor::Person("secretariat".into()),
            Actor::Software("cn=x:y".into()),
            Actor::Operator,
            Actor::Stranger,
        ] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
    }
}
