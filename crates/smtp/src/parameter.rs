//! The parameters of MAIL and RCPT.

use store::{DsnNotify, DsnParameters};

/// What the client says of the message in MAIL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// SIZE, in octets. `[RFC1870 3]`
    pub size: Option<u64>,
    /// BODY=8BITMIME. `[RFC6152 2]`
    pub eight_bit: bool,
    /// SMTPUTF8. `[RFC6531 3.4]`
    pub smtputf8: bool,
    /// RET=FULL or RET=HDRS. `[RFC3461 4.3]`
    pub ret: Option<String>,
    /// ENVID, xtext kept. `[RFC3461 4.4]`
    pub envelope_id: Option<String>,
}

/// Why parameters are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterError {
    /// Not `keyword=value` pairs, or the same one twice.
    Syntax,
    /// A keyword that was not announced.
    Unknown,
    /// A value that the keyword cannot have.
    Value,
}

impl MailParameters {
    /// Reads what follows the path. `[RFC5321 4.1.2]`
    pub(crate) fn parse(text: &str) -> Result<Self, ParameterError> {
        let mut parameters = Self::default();
        for (keyword, value) in pairs(text)? {
            parameters.set(&keyword, value)?;
        }
        Ok(parameters)
    }

    fn set(&mut self, keyword: &str, value: Option<&str>) -> Result<(), ParameterError> {
        match (keyword, value) {
            ("SIZE", Some(value)) => self.size = Some(octets(value)?),
            ("BODY", Some(value)) => self.eight_bit = is_eight_bit(value)?,
            ("SMTPUTF8", None) => self.smtputf8 = true,
            ("RET", Some(value)) => self.ret = Some(ret(value)?),
            ("ENVID", Some(value)) => self.envelope_id = Some(xtext(value, 100)?),
            // Who the original submitter was is known from the log-in. `[RFC4954 5]`
            ("AUTH", Some(value)) => drop(xtext(value, 500)?),
            ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _) => return Err(ParameterError::Value),
            _ => return Err(ParameterError::Unknown),
        }
        Ok(())
    }
}

/// Reads the parameters of RCPT. `[RFC3461 4.1]`
pub(crate) fn recipient(text: &str) -> Result<DsnParameters, ParameterError> {
    let mut parameters = DsnParameters::default();
    for (keyword, value) in pairs(text)? {
        match (keyword.as_str(), value) {
            ("NOTIFY", Some(value)) => parameters.notify = notify(value)?,
            ("ORCPT", Some(value)) => parameters.original_recipient = Some(original_recipient(value)?),
            ("NOTIFY" | "ORCPT", None) => return Err(ParameterError::Value),
            _ => return Err(ParameterError::Unknown),
        }
    }
    Ok(parameters)
}

/// Splits ` KEYWORD=value KEYWORD`; keywords come out in upper case, none twice.
fn pairs(text: &str) -> Result<Vec<(String, Option<&str>)>, ParameterError> {
    if !text.is_empty() && !text.starts_with(' ') {
        return Err(ParameterError::Syntax);
    }
    let mut pairs: Vec<(String, Option<&str>)> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = word.split_once('=').map_or((word, None), |(keyword, value)| (keyword, Some(value)));
        let keyword = keyword.to_ascii_uppercase();
        let well_formed = !keyword.is_empty()
            && keyword.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && value != Some("")
            && pairs.iter().all(|(known, _)| *known != keyword);
        if !well_formed {
            return Err(ParameterError::Syntax);
        }
        pairs.push((keyword, value));
    }
    Ok(pairs)
}

fn octets(value: &str) -> Result<u64, ParameterError> {
    let digits = value.len() <= 20 && value.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return Err(ParameterError::Value);
    }
    // Twenty digits can be more than fits, and are then too large in any case.
    Ok(value.parse().unwrap_or(u64::MAX))
}

fn is_eight_bit(value: &str) -> Result<bool, ParameterError> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(false),
        "8BITMIME" => Ok(true),
        _ => Err(ParameterError::Value),
    }
}

fn ret(value: &str) -> Result<String, ParameterError> {
    let value = value.to_ascii_uppercase();
    matches!(value.as_str(), "FULL" | "HDRS").then_some(value).ok_or(ParameterError::Value)
}

fn notify(value: &str) -> Result<DsnNotify, ParameterError> {
    let (mut success, mut failure, mut delay) = (false, false, false);
    if value.eq_ignore_ascii_case("NEVER") {
        return Ok(DsnNotify::Never);
    }
    for word in value.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => success = true,
            "FAILURE" => failure = true,
            "DELAY" => delay = true,
            _ => return Err(ParameterError::Value),
        }
    }
    Ok(DsnNotify::On { success, failure, delay })
}

/// `type;xtext`. `[RFC3461 4.2]`
fn original_recipient(value: &str) -> Result<String, ParameterError> {
    let (kind, address) = value.split_once(';').ok_or(ParameterError::Value)?;
    let kind_fits = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    xtext(address, 500)?;
    kind_fits.then(|| value.to_owned()).ok_or(ParameterError::Value)
}

/// Text in which `+` and two hexadecimal digits stand for an octet. `[RFC3461 4]`
fn xtext(value: &str, longest: usize) -> Result<String, ParameterError> {
    let mut octets = value.bytes();
    let hexadecimal = |octet: Option<u8>| octet.is_some_and(|o| matches!(o, b'0'..=b'9' | b'A'..=b'F'));
    while let Some(octet) = octets.next() {
        let fits = match octet {
            b'+' => hexadecimal(octets.next()) && hexadecimal(octets.next()),
            b'=' => false,
            _ => octet.is_ascii_graphic(),
        };
        if !fits {
            return Err(ParameterError::Value);
        }
    }
    (value.len() <= longest).then(|| value.to_owned()).ok_or(ParameterError::Value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_parameters_of_mail_are_read_in_any_case_and_order() {
        let read = MailParameters::parse(" body=8bitmime SIZE=12  smtputf8 Ret=hdrs ENVID=a+2Bb AUTH=<>").unwrap();
        let expected = MailParameters {
            size: Some(12),
            eight_bit: true,
            smtputf8: true,
            ret: Some("HDRS".to_owned()),
            envelope_id: Some("a+2Bb".to_owned()),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn wrong_parameters_of_mail_are_told_apart() {
        for (text, error) in [
            ("SIZE=1", ParameterError::Syntax),
            (" SIZE=", ParameterError::Syntax),
            (" SIZE=1 SIZE=2", ParameterError::Syntax),
            (" =1", ParameterError::Syntax),
            (" SIZE=-1", ParameterError::Value),
            (" SIZE", ParameterError::Value),
            (" SIZE=123456789012345678901", ParameterError::Value),
            (" BODY=BINARYMIME", ParameterError::Value),
            (" SMTPUTF8=yes", ParameterError::Value),
            (" RET=ALL", ParameterError::Value),
            (" ENVID=a+2b", ParameterError::Value),
            (" ENVID=a+2", ParameterError::Value),
            (" REQUIRETLS", ParameterError::Unknown),
        ] {
            assert_eq!(MailParameters::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn notify_and_orcpt_are_read() {
        let read = recipient(" NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@c.fr").unwrap();
        assert_eq!(read.notify, DsnNotify::On { success: true, failure: false, delay: true });
        assert_eq!(read.original_recipient.as_deref(), Some("rfc822;a+2Bb@c.fr"));
        assert_eq!(recipient(" NOTIFY=never").unwrap().notify, DsnNotify::Never);
        assert_eq!(recipient("").unwrap().notify, DsnNotify::Unsaid);
        for wrong in [" NOTIFY=NEVER,DELAY", " NOTIFY=,", " ORCPT=a", " ORCPT=;a", " ORCPT=rfc822;a=b"] {
            assert_eq!(recipient(wrong), Err(ParameterError::Value), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fail_otherwise_than_by_an_error(text in " ?[A-Z=+;, é0-9]{0,30}") {
            let _ = MailParameters::parse(&text);
            let _ = recipient(&text);
        }
    }
}
