//! `pli bal edit`: what is said of a BAL.

use clap::Args;
use mssante::{Address, Replies};

use crate::admin::ChangeBal;
use crate::failure::Failure;

/// What is said of a BAL.
#[derive(Debug, Args)]
pub(in crate::cli) struct Edit {
    /// Its address.
    pub(super) address: Address,
    /// Name shown to people.
    #[arg(long)]
    name: Option<String>,
    /// Service de rattachement.
    #[arg(long)]
    service: Option<String>,
    /// What it is for, for directories.
    #[arg(long)]
    description: Option<String>,
    /// The responsible person.
    #[arg(long)]
    responsible: Option<String>,
    /// Name of the software (APP).
    #[arg(long)]
    software: Option<String>,
    /// Number of the software in the national register, NIL (APP).
    #[arg(long)]
    nil: Option<String>,
    /// Whether people may write to it: accept, or refuse for a noreply box.
    #[arg(long)]
    replies: Option<Replies>,
    /// Never changes; taken so that the answer can say what to do.
    #[arg(long, hide = true)]
    rpps: Option<String>,
    /// Never changes, either.
    #[arg(long, hide = true)]
    adeli: Option<String>,
    /// Never changes, either.
    #[arg(long, hide = true)]
    local_id: Option<String>,
    /// Never changes, either.
    #[arg(long, hide = true)]
    structure: Option<String>,
    /// Never changes, either.
    #[arg(long, hide = true)]
    kind: Option<String>,
}

impl Edit {
    /// Who holds a BAL and of which structure it is stays for its whole life, as does its kind: what was sent to one
    /// must never be read by another. `[MSS1 BAL.KINDS]`
    pub(super) fn check(&self) -> Result<(), Failure> {
        let fixed = [
            ("RPPS number", &self.rpps),
            ("ADELI number", &self.adeli),
            ("local number", &self.local_id),
            ("structure", &self.structure),
            ("kind", &self.kind),
        ];
        if let Some((what, _)) = fixed.into_iter().find(|(_, given)| given.is_some()) {
            return Err(Failure::Refused(format!(
                "the {what} of a BAL never changes, and its address is never given to another one; close it \
                 (`pli bal close {} --reason …`) and create another under a new address (`pli bal create`)",
                self.address
            )));
        }
        let texts = [&self.name, &self.service, &self.description, &self.responsible, &self.software, &self.nil];
        if texts.into_iter().all(Option::is_none) && self.replies.is_none() {
            return Err(Failure::Usage(
                "there is nothing to change; give --name, --service, --description, --responsible, --software, --nil \
                 (\"\" takes it away) or --replies"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

impl From<Edit> for ChangeBal {
    fn from(edit: Edit) -> Self {
        let Edit { name, service, description, responsible, software, nil, replies, .. } = edit;
        Self { name, service, description, responsible, software, nil, replies, listing: None }
    }
}
