//! Entries that waited for a person, with activities that came meanwhile: going back to older ones is not what he said.

use std::sync::Arc;

use annuaire::{Directory, DirectoryBuilder, ExtractionKind};
use store::{AnnuaireKind, AnnuaireRecord, AnnuaireVersion, Placing, StoreError};

use super::import::Imported;
use super::keeper::{Held, is_of};
use super::{InForce, Keeper, Outcome, Report};

impl Keeper {
    /// What is in force, if its activities came while this version waited.
    pub(super) async fn younger_activities(
        &self,
        pending: &AnnuaireVersion,
    ) -> Result<Option<Arc<InForce>>, StoreError> {
        let in_force = self.store.annuaire_in_force().await?;
        let Some(current) = self.in_force().filter(|current| in_force.is_some_and(|row| is_of(current, &row))) else {
            return Ok(None);
        };
        let same = current.report.activities == Report::of(&pending.report).activities;
        let has_some = current.report.activities.is_some() && pending.kind != AnnuaireKind::Activities;
        Ok((has_some && !same).then_some(current))
    }

    /// The entries of the version that waited, with the activities that came meanwhile: a version of its own.
    pub(super) async fn acknowledged_with(
        &self,
        held: &mut Held,
        pending: &AnnuaireVersion,
        waited: Arc<Directory>,
        current: &InForce,
        by: &str,
    ) -> Result<Option<Outcome>, StoreError> {
        let with = Arc::clone(&current.directory);
        let merge = move || {
            let mut builder = DirectoryBuilder::from_entries_of(&waited);
            builder.complete_from(&with);
            builder.finish()
        };
        let merged = tokio::task::spawn_blocking(merge).await;
        let directory = merged.map_err(|error| StoreError::Unavailable(format!("building the directory: {error}")))?;
        let mut report = Report::of(&pending.report);
        report.activities = current.report.activities.clone();
        report.counts = directory.counts();
        let record = AnnuaireRecord {
            kind: pending.kind,
            origin: pending.origin,
            source: pending.source.clone(),
            generated_at: pending.generated_at,
            confirmed_at: pending.confirmed_at,
            received_by: pending.received_by.clone(),
            report: serde_json::to_value(&report).unwrap_or_default(),
            rejections: self.store.annuaire_rejections(pending.id, u32::MAX).await?,
            format: Directory::FORMAT,
        };
        let why = pending.why.clone().unwrap_or_default();
        let placing = Placing::Acknowledged { by: by.to_owned(), why };
        let kind = ExtractionKind::Correspondence;
        let imported = Imported { kind, directory: Arc::new(directory), report, rejections: Vec::new() };
        self.place(held, imported, record, Some(current.version.id), placing).await
    }
}
