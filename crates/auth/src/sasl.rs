//! SASL exchanges without I/O: strict decoding of what a client says. `[RFC4422]`

use crate::Secret;

/// Octets of a login, or of the BAL that is named beside it: two addresses are never longer. `[RFC4616 2]` asks for 255
/// at least.
const LOGIN_OCTETS: usize = 640;
/// Octets of a password.
const PASSWORD_OCTETS: usize = 1024;

/// Mechanisms that pli speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// `[RFC4616]`
    Plain,
    /// Two prompts; for Outlook.
    Login,
    /// By client certificate. `[RFC4422 A]`
    External,
}

impl Mechanism {
    /// All mechanisms.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Login, Self::External];

    /// The mechanism of this name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::External => "EXTERNAL",
        }
    }
}

/// What an exchange ends with.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A login name and a password.
    Password {
        /// As typed: a name, or a name and a BAL (`login*bal@domain`).
        login: String,
        /// The BAL that the mechanism names, if it names one.
        bal: Option<String>,
        /// As typed.
        password: Secret,
    },
    /// The connection's certificate.
    Certificate {
        /// The BAL asked for, if the client named one.
        bal: Option<String>,
    },
}

impl Credentials {
    /// Who somebody says that he is, as typed.
    pub(crate) fn typed(&self) -> Option<&str> {
        match self {
            Self::Password { login, .. } => Some(login),
            Self::Certificate { bal } => bal.as_deref(),
        }
    }
}

/// What the server does next.
#[derive(Debug)]
pub enum Step {
    /// Send this challenge (raw; the protocol encodes it).
    Challenge(Vec<u8>),
    /// The client has said all.
    Done(Credentials),
    /// What the client sent makes no sense.
    Malformed,
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    expects: Expects,
}

/// What the client has to say next.
#[derive(Debug)]
enum Expects {
    /// The whole of PLAIN or EXTERNAL in one message.
    Message(Mechanism),
    /// The answer to `Username:`.
    Login,
    /// The answer to `Password:`.
    Password { login: String },
    /// Nothing: the exchange has ended.
    Nothing,
}

impl Exchange {
    /// Starts; `initial` is the client's initial response, decoded.
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>) -> (Self, Step) {
        let (expects, prompt) = match mechanism {
            Mechanism::Login => (Expects::Login, &b"Username:"[..]),
            Mechanism::Plain | Mechanism::External => (Expects::Message(mechanism), &b""[..]),
        };
        let mut exchange = Self { expects };
        let step = match initial {
            Some(response) => exchange.answer(response),
            None => Step::Challenge(prompt.to_vec()),
        };
        (exchange, step)
    }

    /// Takes the client's answer to the last challenge, decoded. An exchange that has ended,
    /// well or badly, takes no more.
    pub fn answer(&mut self, response: &[u8]) -> Step {
        let step = match std::mem::replace(&mut self.expects, Expects::Nothing) {
            Expects::Message(Mechanism::Plain) => plain(response).map(Step::Done),
            Expects::Message(_) => external(response).map(Step::Done),
            Expects::Login => text(response, LOGIN_OCTETS).map(|login| {
                self.expects = Expects::Password { login: login.to_owned() };
                Step::Challenge(b"Password:".to_vec())
            }),
            Expects::Password { login } => text(response, PASSWORD_OCTETS).map(|password| {
                Step::Done(Credentials::Password { login, bal: None, password: Secret::new(password.to_owned()) })
            }),
            Expects::Nothing => None,
        };
        step.unwrap_or(Step::Malformed)
    }
}

/// `[authzid] NUL authcid NUL passwd`: who logs in, and the BAL that he wants if it is not his own. `[RFC4616 2]`
fn plain(message: &[u8]) -> Option<Credentials> {
    let mut parts = message.split(|octet| *octet == 0);
    let (bal, login, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let bal = if bal.is_empty() { None } else { Some(text(bal, LOGIN_OCTETS)?.to_owned()) };
    let login = text(login, LOGIN_OCTETS)?.to_owned();
    let password = Secret::new(text(password, PASSWORD_OCTETS)?.to_owned());
    Some(Credentials::Password { login, bal, password })
}

/// The authorisation identity, or nothing. `[RFC4422 A.1]`
fn external(message: &[u8]) -> Option<Credentials> {
    if message.is_empty() {
        return Some(Credentials::Certificate { bal: None });
    }
    text(message, LOGIN_OCTETS).map(|bal| Credentials::Certificate { bal: Some(bal.to_owned()) })
}

/// UTF-8 without NUL, neither empty nor longer than `limit` octets.
fn text(octets: &[u8], limit: usize) -> Option<&str> {
    let fits = (1..=limit).contains(&octets.len()) && !octets.contains(&0);
    fits.then(|| std::str::from_utf8(octets).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_password(step: Step) -> Option<(String, String)> {
        match step {
            Step::Done(Credentials::Password { login, password, .. }) => Some((login, password.expose().to_owned())),
            _ => None,
        }
    }

    fn once(mechanism: Mechanism, message: &[u8]) -> Step {
        Exchange::start(mechanism, Some(message)).1
    }

    #[test]
    fn mechanisms_are_found_by_name_in_any_case() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::parse(&mechanism.name().to_lowercase()), Some(mechanism));
        }
        assert_eq!(Mechanism::parse("CRAM-MD5"), None);
    }

    #[test]
    fn plain_carries_login_and_password_in_one_message() {
        let expected = Some(("a@b.fr".to_owned(), "p w".to_owned()));
        assert_eq!(of_password(once(Mechanism::Plain, b"\0a@b.fr\0p w")), expected);
        assert_eq!(of_password(once(Mechanism::Plain, b"a@b.fr\0a@b.fr\0p w")), expected);
        let (mut exchange, first) = Exchange::start(Mechanism::Plain, None);
        assert!(matches!(first, Step::Challenge(challenge) if challenge.is_empty()));
        assert_eq!(of_password(exchange.answer(b"\0a@b.fr\0p w")), expected);
    }

    #[test]
    fn plain_may_name_a_bal_that_is_not_ones_own() {
        let named = |message| match once(Mechanism::Plain, message) {
            Step::Done(Credentials::Password { login, bal, .. }) => (login, bal),
            step => panic!("{step:?}"),
        };
        assert_eq!(named(b"chief@b.fr\0a@b.fr\0p"), ("a@b.fr".to_owned(), Some("chief@b.fr".to_owned())));
        assert_eq!(named(b"\0a@b.fr\0p"), ("a@b.fr".to_owned(), None));
        assert!(matches!(once(Mechanism::Plain, b"\xff\0a@b.fr\0p"), Step::Malformed));
    }

    #[test]
    fn plain_with_too_few_or_too_many_parts_or_empty_ones_is_malformed() {
        for message in [&b""[..], b"\0", b"a\0b", b"\0a\0", b"\0\0p", b"\0a\0p\0", b"\0a\0p\0x", b"\0a\0\xff"] {
            assert!(matches!(once(Mechanism::Plain, message), Step::Malformed), "{message:?}");
        }
    }

    #[test]
    fn login_asks_for_both_unless_the_first_came_along() {
        let (mut exchange, first) = Exchange::start(Mechanism::Login, None);
        assert!(matches!(first, Step::Challenge(prompt) if prompt == b"Username:"));
        assert!(matches!(exchange.answer(b"a@b.fr"), Step::Challenge(prompt) if prompt == b"Password:"));
        assert_eq!(of_password(exchange.answer(b"secret")), Some(("a@b.fr".into(), "secret".into())));
        let (mut exchange, first) = Exchange::start(Mechanism::Login, Some(b"a@b.fr"));
        assert!(matches!(first, Step::Challenge(prompt) if prompt == b"Password:"));
        assert!(matches!(exchange.answer(b"se\0cret"), Step::Malformed));
    }

    #[test]
    fn external_may_name_a_bal() {
        assert!(matches!(once(Mechanism::External, b""), Step::Done(Credentials::Certificate { bal: None })));
        let named = once(Mechanism::External, b"app@b.fr");
        assert!(matches!(named, Step::Done(Credentials::Certificate { bal: Some(bal) }) if bal == "app@b.fr"));
        assert!(matches!(once(Mechanism::External, b"app\0"), Step::Malformed));
    }

    #[test]
    fn an_ended_exchange_takes_no_more() {
        let (mut exchange, _) = Exchange::start(Mechanism::Plain, Some(b"\0a\0p"));
        assert!(matches!(exchange.answer(b"\0a\0p"), Step::Malformed));
    }

    #[test]
    fn over_long_parts_are_malformed() {
        let long = |octets: usize| "x".repeat(octets);
        let login = format!("\0{}\0p", long(LOGIN_OCTETS + 1));
        assert!(matches!(once(Mechanism::Plain, login.as_bytes()), Step::Malformed));
        let password = format!("\0a\0{}", long(PASSWORD_OCTETS + 1));
        assert!(matches!(once(Mechanism::Plain, password.as_bytes()), Step::Malformed));
        let fits = format!("\0{}\0{}", long(255), long(255));
        assert!(of_password(once(Mechanism::Plain, fits.as_bytes())).is_some());
    }

    proptest! {
        #[test]
        fn what_plain_says_comes_out_unchanged(login in "[^\0]{1,60}", password in "[^\0]{1,60}") {
            let message = format!("\0{login}\0{password}");
            prop_assert_eq!(of_password(once(Mechanism::Plain, message.as_bytes())), Some((login, password)));
        }

        #[test]
        fn no_octets_upset_an_exchange(
            which in 0..3_usize,
            answers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..4),
        ) {
            let (mut exchange, _) = Exchange::start(Mechanism::ALL[which], None);
            for answer in &answers {
                if let Step::Done(Credentials::Password { login, password, .. }) = exchange.answer(answer) {
                    prop_assert!(!login.contains('\0') && !password.expose().contains('\0'));
                    prop_assert!(!login.is_empty() && !password.expose().is_empty());
                }
            }
        }
    }
}
