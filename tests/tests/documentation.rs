//! The page about the checks on hops says what the code does.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mssante::refusal_table;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(file: &str) -> Result<String> {
    fs::read_to_string(root().join(file)).with_context(|| file.to_owned())
}

/// All sources of the product, tests beside them included.
fn sources() -> Result<String> {
    fn add(folder: &Path, all: &mut String) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                add(&path, all)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }
    let mut all = String::new();
    add(&root().join("crates"), &mut all)?;
    Ok(all)
}

/// The part of a page under a heading of the second level.
fn section<'a>(page: &'a str, heading: &str) -> Result<&'a str> {
    let (_, rest) = page.split_once(&format!("\n## {heading}")).with_context(|| heading.to_owned())?;
    Ok(rest.split("\n## ").next().unwrap_or(rest))
}

/// The rows of all tables of a text, cell by cell.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.contains("| reason word"));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

const PAGE: &str = "docs/hops.md";
const MANUAL: &str = "docs/administration.md";

#[test]
fn every_refusal_stands_on_the_page_about_hops() -> Result<()> {
    let page = text(PAGE)?;
    let words: HashSet<_> = quoted(&page).collect();
    let missing: Vec<_> = refusal_table().iter().map(|row| row.word).filter(|word| !words.contains(word)).collect();
    ensure!(missing.is_empty(), "{PAGE} does not say when a hop answers, or that none does: {missing:?}");
    Ok(())
}

#[test]
fn the_page_gives_the_codes_of_the_table_of_refusals() -> Result<()> {
    let page = text(PAGE)?;
    let mut compared = 0;
    for row in rows(section(&page, "In: ")?) {
        for refusal in refusal_table().iter().filter(|refusal| row.contains(&format!("`{}`", refusal.word).as_str())) {
            let answer = format!("{} {}", refusal.code, refusal.enhanced);
            ensure!(row.contains(&answer.as_str()), "{}: the code is {answer}, not {row:?}", refusal.word);
            compared += 1;
        }
    }
    ensure!(compared > 20, "only {compared} answers were found");
    Ok(())
}

#[test]
fn reason_words_of_outgoing_hops_are_words_of_the_code() -> Result<()> {
    let (page, sources) = (text(PAGE)?, sources()?);
    let rows = rows(section(&page, "Out: ")?);
    ensure!(rows.len() > 20, "only {} checks", rows.len());
    for row in rows {
        let word = row.get(4).copied().unwrap_or_default().trim_matches('`');
        ensure!(sources.contains(&format!("\"{word}\"")), "{word}: no such reason word");
    }
    Ok(())
}

#[test]
fn settings_metrics_and_rules_of_the_page_are_there() -> Result<()> {
    let (page, example, index, sources) =
        (text(PAGE)?, text("config/pli.toml")?, text("docs/conformity/index.tsv")?, sources()?);
    let manual = text(MANUAL)?;
    let checks = section(&manual, "Contrôles de chaque échange")?;
    for word in quoted(&page).chain(quoted(checks)) {
        if let Some(metric) = word.strip_prefix("pli_") {
            let name = metric.split('{').next().unwrap_or(metric);
            ensure!(sources.contains(&format!("\"pli_{name}\"")), "{word}: no such metric");
        }
        let setting = word.split(" = ").next().unwrap_or(word);
        if let Some((table, name)) = setting.split_once('.')
            && example.contains(&format!("\n[{table}]\n"))
        {
            let (_, rest) = example.split_once(&format!("\n[{table}]\n")).context("found above")?;
            let settings = rest.split("\n[").next().unwrap_or(rest);
            let stands = settings.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} = ")));
            ensure!(stands || example.contains(&format!("\n[{setting}]\n")), "{setting}: no such setting");
        }
    }
    let rules = rows(&page).into_iter().filter_map(|row| row.get(5).copied());
    for rule in rules.filter(|rule| *rule != "rule") {
        ensure!(index.lines().any(|line| line.starts_with(&format!("{rule}\t"))), "{rule}: not in the rule index");
    }
    Ok(())
}

#[test]
fn the_manual_names_the_same_reason_words() -> Result<()> {
    let (page, manual) = (text(PAGE)?, text(MANUAL)?);
    let french = section(&manual, "Contrôles de chaque échange")?;
    let words: HashSet<_> = quoted(french).collect();
    let checks = rows(&page).into_iter().filter(|row| row.len() == 6);
    let missing: Vec<_> = checks
        .filter_map(|row| row.get(4).map(|word| word.trim_matches('`')))
        .filter(|word| !words.contains(word))
        .collect();
    ensure!(missing.is_empty(), "{MANUAL} does not name {missing:?}");
    Ok(())
}
