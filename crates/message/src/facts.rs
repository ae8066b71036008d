//! What is remembered of a message beside its summary: facts to count and to decide by, never content.

use serde::{Serialize, Serializer};

use crate::{InsFlag, MssHeaders, XdmVerdicts};

/// What acceptance found out about a message, once. It goes into the audit trail as written by [`Serialize`]:
/// `{"xdm": true, "cda": 1, "ins": "O", "nil": "…", "fin": true, "verdicts": ["hash-mismatch"], "own_from": true}`, where
/// what is false or empty is left out; `cda` counts the codes of X-MSS-CODECDA, `fin` is X-MSS-MES or the subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFacts {
    /// What its header says in the fields of MSSanté.
    pub headers: MssHeaders,
    /// Whether an `IHE_XDM.ZIP` is attached.
    pub has_archive: bool,
    /// What was found wrong with the archive; empty as well where nobody looked.
    pub verdicts: XdmVerdicts,
    /// Whether another operator hands it over in the name of one of our BALs. `[MSS1 HOP.AUTHOR]`
    pub in_our_name: bool,
}

impl MessageFacts {
    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.recorded() == Recorded::default()
    }

    fn recorded(&self) -> Recorded<'_> {
        let headers = &self.headers;
        Recorded {
            xdm: self.has_archive,
            cda: headers.codes.len(),
            ins: headers.ins.filter(|ins| *ins != InsFlag::Unknown).map(InsFlag::word),
            nil: headers.nil.as_deref(),
            fin: headers.blocks_answer || headers.ends_conversations,
            verdicts: self.verdicts.codes().collect(),
            own_from: self.in_our_name,
        }
    }
}

impl Serialize for MessageFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.recorded().serialize(serializer)
    }
}

/// The form in the audit trail.
#[derive(Default, PartialEq, Serialize)]
struct Recorded<'a> {
    #[serde(skip_serializing_if = "is_false")]
    xdm: bool,
    #[serde(skip_serializing_if = "is_zero")]
    cda: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    ins: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nil: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    fin: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    verdicts: Vec<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    own_from: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references over")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references over")]
fn is_zero(value: &usize) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::XdmVerdict;

    #[test]
    fn an_ordinary_letter_leaves_nothing_to_remember() {
        let facts = MessageFacts { headers: MssHeaders::read(b"Subject: Bonjour\r\n"), ..MessageFacts::default() };
        assert!(facts.is_empty());
        assert_eq!(serde_json::to_value(&facts).unwrap(), json!({}));
    }

    #[test]
    fn facts_are_written_with_the_keys_that_indicators_count() {
        let headers = MssHeaders::read(
            b"X-MSS-CODECDA: 34112-3,11490-0\r\nX-MSS-INS: O\r\nX-MSS-NIL: LGC-1\r\nX-MSS-MES: FIN\r\n",
        );
        let verdicts = [XdmVerdict::SizeMismatch, XdmVerdict::HashMismatch].into_iter().collect();
        let facts = MessageFacts { headers, has_archive: true, verdicts, in_our_name: true };
        let written = json!({
            "xdm": true, "cda": 2, "ins": "O", "nil": "LGC-1", "fin": true, "verdicts": ["hash-mismatch", "size-mismatch"],
            "own_from": true,
        });
        assert_eq!(serde_json::to_value(&facts).unwrap(), written);
        assert!(!facts.is_empty());
    }
}
