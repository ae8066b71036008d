//! Tasks in files, one JSON object a line, for those who carry them to the directory by other means.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use annuaire::publication::{Known, Operation, PatchStyle, Task, line};
use mssante::Clock as _;
use store::{PublicationClaim, PublicationState, StoreError};
use time::macros::format_description;

use super::Publisher;
use super::run::{Planned, Run, Trouble, result, withdrawn};
use crate::ambient::SystemClock;

/// Where they go.
pub(super) struct Folder {
    path: PathBuf,
    style: PatchStyle,
}

impl Publisher {
    /// All of them in one file, which is there whole or not at all. After a crash the same lines may come again in
    /// another file.
    pub(super) async fn hand_over(
        &self,
        claims: Vec<PublicationClaim>,
        folder: &Folder,
        run: &mut Run,
    ) -> Result<Vec<PublicationClaim>, StoreError> {
        let Planned { tasks, quiet } = self.planned(claims, PublicationState::HandedOver).await?;
        self.end(&quiet, run).await?;
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let name = match folder.write(&tasks).await {
            Ok(name) => name,
            Err(why) => {
                run.trouble = Some(Trouble::Settings(why));
                return Ok(tasks.into_iter().map(|(claim, _)| claim).collect());
            }
        };
        let report = format!("in {name}");
        let handed_over = |(claim, task): (PublicationClaim, Task)| {
            let (known, state) = match task.operation {
                Operation::Delete => (Known::Nothing, withdrawn(&claim.facts, PublicationState::HandedOver)),
                Operation::Insert | Operation::Replace => {
                    (Known::Surely(Box::new(task.card)), PublicationState::HandedOver)
                }
            };
            let result = result(state, known, Some(task.operation), &report);
            (claim, result)
        };
        let ended: Vec<_> = tasks.into_iter().map(handed_over).collect();
        self.end(&ended, run).await?;
        Ok(Vec::new())
    }
}

impl Folder {
    pub(super) fn new(path: &Path, style: PatchStyle) -> Self {
        Self { path: path.to_owned(), style }
    }

    /// The name of the file.
    async fn write(&self, tasks: &[(PublicationClaim, Task)]) -> Result<String, String> {
        let now = SystemClock.now();
        // Names are in the order in which the files count; the first claim tells those of the same moment apart.
        let shape = format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:6]Z");
        let moment = now.format(&shape).unwrap_or_default();
        let first = tasks.first().map(|(claim, _)| format!("{:06}-{}", claim.fence, claim.bal)).unwrap_or_default();
        let name = format!("publication-{moment}-{first}.jsonl");
        let text: String = tasks.iter().map(|(_, task)| line(task, &self.style, now)).collect();
        let (folder, file) = (self.path.clone(), name.clone());
        let put = tokio::task::spawn_blocking(move || put(&folder, &file, &text)).await;
        let put = put.map_err(|error| error.to_string()).and_then(|put| put.map_err(|error| error.to_string()));
        let folder = self.path.display();
        put.map(|()| name).map_err(|why| format!("publication.folder = \"{folder}\" cannot be written to: {why}"))
    }
}

fn put(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let unfinished = folder.join(format!(".{name}.part"));
    // Who is on the liste rouge is nobody's business but the carrier's, who reads it as the owner or by the group.
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o640).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}
