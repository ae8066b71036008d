//! Citations of rules in source text: `[RFCnnnn section]` and `[MSSn requirement]`, in one fixed form.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is read: code, SQL, dialogs, scripts of clients, configuration.
const EXTENSIONS: [&str; 8] = ["rs", "sql", "txt", "py", "toml", "sh", "yml", "service"];

/// Folders that hold no code of ours. This crate is left out because its tests show made-up citations.
const SKIPPED: [&str; 4] = ["target", "docs", "xtask", "node_modules"];

/// One citation in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Citation {
    /// What stands between the brackets, e.g. `RFC5321 4.5.3.2`.
    pub(crate) id: String,
    /// Path from the root of the repository.
    pub(crate) file: PathBuf,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Whether it stands in a test.
    pub(crate) in_test: bool,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// In the fixed form, in the order of the files.
    pub(crate) citations: Vec<Citation>,
    /// Looks like a citation but is not in the fixed form: `file:line: text`.
    pub(crate) malformed: Vec<String>,
}

/// Reads every file of ours below `root`.
pub(crate) fn scan_tree(root: &Path) -> io::Result<Scan> {
    let mut files = Vec::new();
    collect_files(root, &mut files)?;
    files.sort();
    let mut scan = Scan::default();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let relative = file.strip_prefix(root).unwrap_or(&file);
        scan_text(relative, &text, &mut scan);
    }
    Ok(scan)
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_ref()) {
                collect_files(&path, files)?;
            }
        } else if path.extension().is_some_and(|ext| EXTENSIONS.iter().any(|known| ext == *known)) {
            files.push(path);
        }
    }
    Ok(())
}

/// Adds the citations of one file's text.
fn scan_text(file: &Path, text: &str, scan: &mut Scan) {
    let mut in_test = is_test_file(file);
    for (index, line) in text.lines().enumerate() {
        // Test modules close our files, so everything after the attribute is a test.
        in_test |= line.trim_start().starts_with("#[cfg(test)]");
        let mut rest = line;
        while let Some(start) = rest.find('[') {
            rest = &rest[start + 1..];
            let candidate = rest.split_once(']').map(|(inside, _)| inside);
            match judge(rest, candidate) {
                Verdict::Citation(id) => {
                    scan.citations.push(Citation {
                        id: id.to_owned(),
                        file: file.to_path_buf(),
                        line: index + 1,
                        in_test,
                    });
                }
                Verdict::Malformed => {
                    let shown = candidate.unwrap_or(rest);
                    scan.malformed.push(format!("{}:{}: [{shown}]", file.display(), index + 1));
                }
                Verdict::Other => {}
            }
        }
    }
}

fn is_test_file(file: &Path) -> bool {
    let in_folder = file.components().any(|part| part.as_os_str() == "tests");
    in_folder || file.file_stem().is_some_and(|stem| stem == "tests")
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict<'a> {
    Citation(&'a str),
    Malformed,
    Other,
}

/// Judges what follows an opening bracket; `inside` is the text up to the closing one, if the line has it.
fn judge<'a>(rest: &str, inside: Option<&'a str>) -> Verdict<'a> {
    let Some(after_scheme) = ["RFC", "MSS"].into_iter().find_map(|scheme| rest.strip_prefix(scheme)) else {
        return Verdict::Other;
    };
    // `[MSSanté]` and the like are prose.
    if !after_scheme.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
        return Verdict::Other;
    }
    match inside {
        Some(id) if is_well_formed(id) => Verdict::Citation(id),
        _ => Verdict::Malformed,
    }
}

/// `RFC` or `MSS`, digits, one space, and a section of letters, digits, dots and hyphens; or a whole document.
fn is_well_formed(id: &str) -> bool {
    let (document, section) = id.split_once(' ').unwrap_or((id, "1"));
    let number = document.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let number_ok = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let section_ok = section.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        && section.starts_with(|c: char| c.is_ascii_alphanumeric())
        && section.ends_with(|c: char| c.is_ascii_alphanumeric());
    number_ok && section_ok
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(file: &str, text: &str) -> Scan {
        let mut scan = Scan::default();
        scan_text(Path::new(file), text, &mut scan);
        scan
    }

    fn ids(scan: &Scan) -> Vec<&str> {
        scan.citations.iter().map(|citation| citation.id.as_str()).collect()
    }

    #[test]
    fn finds_every_citation_of_a_line() {
        let scan = scan("a.rs", "// [RFC5321 4.5.3.2] and [MSS1 HOP.IN], see [MSS2 ECO.1.2.1].");
        assert_eq!(ids(&scan), ["RFC5321 4.5.3.2", "MSS1 HOP.IN", "MSS2 ECO.1.2.1"]);
        assert_eq!(scan.malformed, Vec::<String>::new());
    }

    #[test]
    fn appendices_and_hyphens_are_sections() {
        assert_eq!(ids(&scan("a.rs", "[RFC4422 A] [MSS1 X-MSS.NIL]")), ["RFC4422 A", "MSS1 X-MSS.NIL"]);
    }

    #[test]
    fn a_short_rfc_is_cited_as_a_whole() {
        assert_eq!(ids(&scan("a.rs", "[RFC4616]")), ["RFC4616"]);
    }

    #[test]
    fn line_numbers_count_from_one() {
        let scan = scan("a.sql", "\n\n-- [RFC3501 2.3.1.1]\n");
        assert_eq!(scan.citations[0].line, 3);
    }

    #[test]
    fn other_brackets_are_not_citations() {
        let scan = scan("a.rs", "let a = [1, 2]; #[test] [MSSanté] [RFCs] `[Address::parse]` [");
        assert!(ids(&scan).is_empty());
        assert!(scan.malformed.is_empty());
    }

    #[test]
    fn loose_forms_are_reported() {
        for loose in [
            "[RFC 5321 4.5]",
            "[RFC5321 §4.5]",
            "[RFC5321 4.1, 4.2]",
            "[RFC5321 4.5",
            "[RFC5321  4.5]",
            "[MSS1 HOP.]",
            "[RFC5321 ]",
        ] {
            let scan = scan("b.rs", loose);
            assert_eq!(scan.malformed.len(), 1, "{loose}");
            assert!(scan.citations.is_empty(), "{loose}");
        }
    }

    #[test]
    fn tests_are_told_from_code() {
        let mixed = scan("src/a.rs", "// [RFC1 1]\n#[cfg(test)]\nmod tests { // [RFC1 2]\n}");
        let flags: Vec<bool> = mixed.citations.iter().map(|citation| citation.in_test).collect();
        assert_eq!(flags, [false, true]);
        assert!(scan("tests/dialogs/a.txt", "# [RFC1 1]").citations[0].in_test);
        assert!(scan("src/session/tests.rs", "// [RFC1 1]").citations[0].in_test);
    }
}
