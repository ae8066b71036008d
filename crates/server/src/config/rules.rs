//! Settings of the rules about what letters hold.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use message::{Severity, XdmVerdict};
use mssante::{Enforcement, PatientPolicy, SendingRules};
use serde::Deserialize;
use smtp::{Role, XdmDesk, XdmPolicy, XdmRule};

use super::settings::list;

/// What letters must be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    xdm: Xdm,
    xdm_from_peers: Xdm,
    #[serde(deserialize_with = "list")]
    xdm_tolerated: Vec<ToleratedVerdict>,
    pub(crate) patients: PatientPolicy,
    app_messages_per_minute: u32,
    person_messages_per_minute: u32,
    app_reply_to: Enforcement,
    own_from_on_hops: Enforcement,
}

impl Default for Rules {
    fn default() -> Self {
        let sending = SendingRules::default();
        Self {
            xdm: Xdm::Report,
            xdm_from_peers: Xdm::Report,
            xdm_tolerated: Vec::new(),
            patients: PatientPolicy::Enforce,
            app_messages_per_minute: sending.software_per_minute,
            person_messages_per_minute: sending.person_per_minute,
            app_reply_to: sending.reply_to,
            own_from_on_hops: sending.own_from_on_hops,
        }
    }
}

impl Rules {
    /// What senders may do.
    pub(crate) fn sending(&self) -> SendingRules {
        SendingRules {
            software_per_minute: self.app_messages_per_minute,
            person_per_minute: self.person_messages_per_minute,
            reply_to: self.app_reply_to,
            own_from_on_hops: self.own_from_on_hops,
        }
    }

    /// What a listener does about archives.
    pub(crate) fn xdm_rule(&self, role: Role, desk: &Arc<XdmDesk>) -> XdmRule {
        let policy = match role {
            Role::Submission => self.xdm,
            Role::Hop => self.xdm_from_peers,
        };
        XdmRule {
            policy: policy.into(),
            tolerated: self.xdm_tolerated.iter().map(|tolerated| tolerated.0).collect(),
            desk: Arc::clone(desk),
        }
    }
}

/// What is done with letters whose archive is not right.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Xdm {
    Off,
    Report,
    Reject,
}

impl From<Xdm> for XdmPolicy {
    fn from(setting: Xdm) -> Self {
        match setting {
            Xdm::Off => Self::Off,
            Xdm::Report => Self::Report,
            Xdm::Reject => Self::Reject,
        }
    }
}

/// The code of an error that is not refused.
#[derive(Clone, Copy)]
struct ToleratedVerdict(XdmVerdict);

impl fmt::Debug for ToleratedVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code())
    }
}

impl FromStr for ToleratedVerdict {
    type Err = &'static str;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let verdict = XdmVerdict::of_code(code).ok_or("not the code of a verdict; `pli rules` prints them")?;
        if verdict.severity() == Severity::Warning {
            return Err("a warning, which is never refused; leave it out");
        }
        Ok(Self(verdict))
    }
}
