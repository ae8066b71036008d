//! What carries tasks to the directory.

use annuaire::publication::{Call, Delivery, Known, Method, Outcome, PatchStyle, Task};
use trust::{FetchError, Verb};

use super::file::Folder;
use crate::config::{Settings, Transport};
use crate::serve::interface::{Access, Interface};

/// One of the transports, ready.
pub(super) enum Carrier {
    /// Files for somebody else.
    File(Folder),
    /// FHIR Patch.
    Fhir(Box<Directory>),
}

/// The directory by its interface.
pub(super) struct Directory {
    interface: Interface,
    style: PatchStyle,
}

/// In one file.
const MOST_IN_A_FILE: u32 = 10_000;
/// Claimed at once to be told one by one.
const MOST_TOLD: u32 = 10;

impl Carrier {
    /// How many BALs are claimed at once.
    pub(super) fn claimed(&self) -> u32 {
        match self {
            Self::File(_) => MOST_IN_A_FILE,
            Self::Fhir(_) => MOST_TOLD,
        }
    }

    pub(super) fn open(settings: &Settings) -> Result<Self, FetchError> {
        let publication = &settings.publication;
        let missing = || FetchError::Configuration("publication.transport is \"off\"".to_owned());
        match publication.transport {
            Transport::Off => Err(missing()),
            Transport::File => {
                let folder = publication.folder.as_ref().ok_or_else(missing)?;
                Ok(Self::File(Folder::new(folder, publication.style())))
            }
            Transport::Fhir => {
                let access = Access {
                    url: publication.url.as_deref().ok_or_else(missing)?,
                    key_file: publication.key_file.as_deref().ok_or_else(missing)?,
                    anchors_file: publication.anchors_file.as_ref(),
                    calls: publication.calls_per_second,
                };
                let interface = Interface::open(settings, access)?;
                Ok(Self::Fhir(Box::new(Directory { interface, style: publication.style() })))
            }
        }
    }
}

impl Directory {
    /// Makes the calls that a task takes.
    pub(super) async fn tell(&self, task: &Task, known: &Known) -> Outcome {
        let mut delivery = Delivery::new(task.clone(), known, self.style.clone());
        loop {
            self.interface.wait().await;
            let call = delivery.call();
            let verb = match call.method {
                Method::Get => Verb::Get,
                Method::Patch => Verb::Patch,
            };
            let url = self.interface.base().at(&call.path_and_query);
            let heard = self.interface.call(verb, url, call.body.map(|body| (Call::CONTENT_TYPE, body))).await;
            if let Some(outcome) = delivery.hear(heard) {
                return outcome;
            }
        }
    }
}
