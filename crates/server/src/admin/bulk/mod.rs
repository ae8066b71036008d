//! Many BALs by one list: read, judged as a whole, then done in batches. A list says how BALs are to be; one that is done
//! twice changes nothing the second time, so that an import that was cut off is simply begun again.

mod apply;
mod cell;
mod columns;
mod lines;
mod plan;
mod problem;
mod text;

use std::collections::HashMap;

use mssante::{BalId, PersonId};
use serde::Serialize;
use store::BalRecord;

use super::{AdminError, Administration};
pub(crate) use apply::{Done, KeepPasswords, Outcome, Sink};
pub(crate) use cell::{guarded, meant};
pub(crate) use columns::Column;
pub(crate) use problem::Problem;
pub(crate) use text::{Form, LARGEST_FILE};

use lines::Line;
use plan::{Present, Step};

/// Lines that are done in one transaction.
const BATCH: usize = 250;

/// What a list would do.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    /// How it was read.
    pub(crate) form: Form,
    /// Lines with something in them, without the first.
    pub(crate) lines: u64,
    /// BALs that would be created.
    pub(crate) create: u64,
    /// BALs of which something would be changed.
    pub(crate) update: u64,
    /// BALs that are as the list says.
    pub(crate) unchanged: u64,
    /// All that is wrong, by line.
    pub(crate) problems: Vec<Problem>,
    /// What should be looked at, by line.
    pub(crate) warnings: Vec<Problem>,
    /// Whether the lines without problems can be done all the same.
    #[serde(skip)]
    usable: bool,
    #[serde(skip)]
    good: Vec<Line>,
    /// The revisions of the BALs that would be changed, as they were when the list was held against them.
    #[serde(skip)]
    seen: HashMap<BalId, i64>,
}

/// What is to become of a list with problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// Nothing is done.
    Refuse,
    /// Its lines without problems are done.
    Skip,
}

impl Plan {
    /// Why it is not to be done, if it is not.
    pub(crate) fn judge(&self, invalid: Invalid) -> Result<(), AdminError> {
        if self.problems.is_empty() || (invalid == Invalid::Skip && self.usable) {
            return Ok(());
        }
        Err(AdminError::List { problems: self.problems.len() })
    }
}

impl Administration {
    /// Reads a list and holds it against what is there. Nothing is changed.
    pub(crate) async fn plan(&self, octets: &[u8]) -> Result<Plan, AdminError> {
        let (text, encoding) = text::decode(octets).map_err(|text::NotText(why)| AdminError::NotText(why))?;
        let (separator, word) = text::separator(&text);
        let read = lines::read(&text, separator, &self.rules);
        let form = Form { encoding: encoding.name(), separator: word };
        let lines::Lines { good, problems, warnings, count, usable } = read;
        let mut plan = Plan {
            form,
            lines: count,
            create: 0,
            update: 0,
            unchanged: 0,
            problems,
            warnings,
            usable,
            good: Vec::new(),
            seen: HashMap::new(),
        };
        for batch in good.chunks(BATCH) {
            let present = Present::read(&self.store, batch).await?;
            for line in batch {
                plan.take(line, present.step(line));
            }
        }
        plan.problems.sort_by_key(|problem| problem.line);
        plan.warnings.sort_by_key(|warning| warning.line);
        Ok(plan)
    }
}

impl Plan {
    fn take(&mut self, line: &Line, step: Result<Step, Problem>) {
        if line.password_hash.is_some() && matches!(step, Ok(Step::Update(..) | Step::Nothing)) {
            let why = "this BAL is there, and a list does not change what opens it; `pli bal set-password` does";
            self.warnings.push(Problem::new(line.line, Column::PasswordHash.name(), why));
        }
        match step {
            Ok(Step::Create) => self.create += 1,
            Ok(Step::Update(bal, _)) => {
                self.update += 1;
                self.seen.insert(bal.id, bal.revision);
            }
            Ok(Step::Nothing) => self.unchanged += 1,
            Err(problem) => return self.problems.push(problem),
        }
        self.good.push(line.clone());
    }
}

/// A BAL as a line of a list, in the order of [`Column::ALL`]; what it opens by is not told.
pub(crate) fn record(bal: &BalRecord) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let cell = |column| match column {
        Column::Address => bal.address.to_string(),
        Column::Kind => bal.kind.to_string(),
        Column::Name => text(&bal.display_name),
        Column::Rpps => bal.holder.as_ref().map(ToString::to_string).unwrap_or_default(),
        Column::Adeli => match &bal.identity {
            Some(PersonId::Adeli(number)) => number.to_string(),
            _ => String::new(),
        },
        Column::LocalId => match &bal.identity {
            Some(PersonId::Other(number)) => number.to_string(),
            _ => String::new(),
        },
        Column::Software => text(&bal.software),
        Column::Nil => text(&bal.nil),
        Column::Replies => bal.replies.to_string(),
        Column::Structure => bal.structure.as_ref().map(ToString::to_string).unwrap_or_default(),
        Column::Responsible => text(&bal.responsible),
        Column::Service => text(&bal.service),
        Column::Description => text(&bal.description),
        Column::Listing => bal.listing.to_string(),
        Column::CertificateDn => text(&bal.certificate_dn),
        Column::RedList | Column::PasswordHash => String::new(),
        Column::State => bal.state.to_string(),
    };
    Column::ALL.into_iter().map(cell).collect()
}
