//! Where the PostgreSQL server programs are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

/// The oldest major version that the SQL of this crate runs on.
const OLDEST: u32 = 14;

/// A folder that holds `initdb` and `postgres`, with their major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    pub(super) folder: PathBuf,
    pub(super) major: u32,
}

impl Programs {
    /// The newest programs on this machine; those of version `wanted` if a cluster exists
    /// already, because no other version can open it.
    pub(super) fn find(wanted: Option<u32>) -> Result<Self, EmbeddedError> {
        let candidates: Vec<PathBuf> = candidates().into_iter().filter(|folder| holds_programs(folder)).collect();
        let mut found: Vec<Self> = candidates.into_iter().filter_map(Self::of).collect();
        let seen = found.iter().map(|programs| programs.major.to_string()).collect::<Vec<_>>().join(", ");
        found.retain(|programs| programs.major >= OLDEST && wanted.is_none_or(|wanted| wanted == programs.major));
        // The first of equals, so that PATH decides.
        let newest = found.into_iter().rev().max_by_key(|programs| programs.major);
        newest.ok_or_else(|| match wanted {
            Some(major) => EmbeddedError::WrongVersion { cluster: major, found: seen },
            None => EmbeddedError::NoPrograms {
                looked: "/usr/lib/postgresql/*/bin, /usr/pgsql-*/bin, /usr/local/pgsql/bin".to_owned(),
            },
        })
    }

    fn of(folder: PathBuf) -> Option<Self> {
        let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
        let major = major_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { folder, major })
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → 15
fn major_version(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL) ")?.1;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(children(Path::new("/usr/lib/postgresql"), "").map(|folder| folder.join("bin")));
    folders.extend(children(Path::new("/usr"), "pgsql-").map(|folder| folder.join("bin")));
    folders.push("/usr/local/pgsql/bin".into());
    folders
}

fn children(parent: &Path, prefix: &'static str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries.filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path())
}

/// Debian's wrappers in /usr/bin do not count: they know only clusters of their own.
fn holds_programs(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_postgres_prints() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_version("mysqld 8"), None);
    }
}
