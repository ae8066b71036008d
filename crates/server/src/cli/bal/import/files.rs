//! The files that an import writes: what became of each line, and passwords.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mssante::Address;

use crate::admin::{AdminError, Done, Outcome, Password, Plan, guarded, meant};
use crate::failure::Failure;

/// What became of each line, written after each batch.
pub(super) struct ResultFile {
    file: File,
    path: PathBuf,
}

impl ResultFile {
    /// A new one, which begins with the lines that are left out. One that is there is not overwritten: it may be needed
    /// to go on.
    pub(super) fn create(path: &Path, plan: &Plan) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
            let cure = if error.kind() == ErrorKind::AlreadyExists {
                "; go on with --resume, or name another file"
            } else {
                ""
            };
            Failure::Refused(format!("{}: {error}{cure}", path.display()))
        })?;
        let mut result = Self { file, path: path.to_owned() };
        let mut rows = vec![["line", "address", "outcome", "detail"].map(str::to_owned)];
        rows.extend(plan.problems.iter().map(|problem| {
            [
                problem.line.to_string(),
                String::new(),
                "invalid".to_owned(),
                format!("{}: {}", problem.column, problem.why),
            ]
        }));
        result.write(rows)?;
        Ok(result)
    }

    /// One that an import began, with the BALs that are done.
    pub(super) fn go_on(path: &Path) -> Result<(Self, HashSet<String>), Failure> {
        let unusable = |error: &dyn std::fmt::Display| {
            Failure::Refused(format!(
                "{}: {error}; without --resume the import begins anew and changes nothing twice",
                path.display()
            ))
        };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(&error))?;
        // A line that was cut off when the import ended is not one.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let file = OpenOptions::new().write(true).open(path).map_err(|error| unusable(&error))?;
        file.set_len(whole as u64).map_err(|error| unusable(&error))?;
        let mut result = Self { file, path: path.to_owned() };
        std::io::Seek::seek(&mut result.file, std::io::SeekFrom::End(0)).map_err(|error| unusable(&error))?;
        Ok((result, done_before(&text[..whole])))
    }

    pub(super) fn put(&mut self, done: &[Done]) -> Result<(), AdminError> {
        let row = |done: &Done| {
            let address = guarded(&done.address.to_string()).into_owned();
            [done.line.to_string(), address, done.outcome.word().to_owned(), done.detail.clone()]
        };
        self.write(done.iter().map(row))
    }

    fn write(&mut self, rows: impl IntoIterator<Item = [String; 4]>) -> Result<(), AdminError> {
        append(&mut self.file, rows)
            .map_err(|error| AdminError::File(format!("{}: {error}; what is done stays done", self.path.display())))
    }
}

fn done_before(text: &str) -> HashSet<String> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(text.as_bytes());
    let done = [Outcome::Created, Outcome::Updated, Outcome::Unchanged].map(Outcome::word);
    let rows = reader.records().filter_map(Result::ok);
    let rows = rows.filter(|row| row.get(2).is_some_and(|outcome| done.contains(&outcome)));
    rows.filter_map(|row| Some(Address::parse(meant(row.get(1)?)).ok()?.key())).collect()
}

/// On the disk before this returns.
fn append<const N: usize>(file: &mut File, rows: impl IntoIterator<Item = [String; N]>) -> std::io::Result<()> {
    let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
    rows.into_iter().try_for_each(|row| writer.write_record(row))?;
    let octets = writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
    file.write_all(&octets)?;
    file.sync_data()
}

/// Passwords, kept before they count.
pub(super) struct PasswordFile {
    file: File,
    path: PathBuf,
    /// Those of an import that was cut off: they are used, so that each BAL stands in the file once.
    kept: HashMap<String, Password>,
}

impl PasswordFile {
    /// A new one, or one of an import that was cut off.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let unusable = |why: String| Failure::Refused(format!("{}: {why}", path.display()));
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
        let mut file = file.map_err(|error| unusable(error.to_string()))?;
        let mode = file.metadata().map_err(|error| unusable(error.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(unusable("others can read this file; `chmod 600` it, or name a new one".to_owned()));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| unusable(error.to_string()))?;
        // A line that was cut off when the import ended is not one.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { file, path: path.to_owned(), kept: kept_before(&text[..whole]) })
    }

    /// What was kept for this BAL by an import that was cut off.
    pub(super) fn kept(&self, address: &Address) -> Option<Password> {
        self.kept.get(&address.key()).cloned()
    }

    pub(super) fn put(&mut self, passwords: &[(Address, Password)]) -> Result<(), AdminError> {
        let rows = passwords.iter().map(|(address, password)| [address.to_string(), password.expose().to_owned()]);
        append(&mut self.file, rows)
            .map_err(|error| AdminError::File(format!("{}: {error}; these BALs were not created", self.path.display())))
    }
}

fn kept_before(text: &str) -> HashMap<String, Password> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').has_headers(false).from_reader(text.as_bytes());
    let rows = reader.records().filter_map(Result::ok);
    rows.filter_map(|row| Some((Address::parse(row.get(0)?).ok()?.key(), Password::of(row.get(1)?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_not_done_again_and_what_was_refused_is() {
        let text = "line;address;outcome;detail\n2;A@ch.fr;created;\n3;b@ch.fr;refused;\"x;y\"\n4;;invalid;z\n5;'-c@ch.fr;unchanged;\n";
        let mut done: Vec<_> = done_before(text).into_iter().collect();
        done.sort();
        assert_eq!(done, ["-c@ch.fr", "a@ch.fr"]);
    }

    #[test]
    fn passwords_of_an_import_that_was_cut_off_are_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords.csv");
        let address = |text: &str| Address::parse(text).unwrap();
        let mut file = PasswordFile::open(&path).unwrap();
        file.put(&[(address("a@ch.fr"), Password::of("one-two")), (address("b@ch.fr"), Password::of("x;y"))]).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}c@ch.fr;cut-o")).unwrap();
        let file = PasswordFile::open(&path).unwrap();
        let kept = |text: &str| file.kept(&address(text)).map(|password| password.expose().to_owned());
        assert_eq!((kept("A@ch.fr").as_deref(), kept("b@ch.fr").as_deref()), (Some("one-two"), Some("x;y")));
        assert_eq!(kept("c@ch.fr"), None);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    }
}
