//! Which names LIST and LSUB show, and with which attributes. `[RFC3501 6.3.8]`, `[RFC5258 4]`

use std::collections::BTreeMap;

use store::{Folder, FolderId, SpecialUse};

use crate::codec::List;
use crate::names::SEPARATOR;
use crate::pattern;

/// A name that could be shown.
#[derive(Debug, Clone, Copy, Default)]
struct Name {
    /// The folder, if there is one of this name.
    folder: Option<FolderId>,
    special_use: Option<SpecialUse>,
    subscribed: bool,
}

/// All names of a BAL: its folders, names that are only subscribed, and the levels above them.
#[derive(Debug)]
pub(crate) struct Known {
    names: BTreeMap<String, Name>,
    /// The order of the store, which puts INBOX first.
    order: Vec<String>,
}

/// A line of a LIST answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) attributes: Vec<&'static str>,
    /// Whether names below it were selected. `[RFC5258 3.5]`
    pub(crate) child_info: bool,
    /// For STATUS.
    pub(crate) folder: Option<FolderId>,
}

impl Known {
    pub(crate) fn new(folders: &[Folder], subscribed: &[String]) -> Self {
        let mut names = BTreeMap::new();
        for folder in folders {
            let (id, special_use) = (Some(folder.id), folder.special_use);
            names.insert(folder.name.clone(), Name { folder: id, special_use, subscribed: folder.subscribed });
        }
        for name in subscribed {
            names.entry(name.clone()).or_default().subscribed = true;
        }
        for name in names.keys().cloned().collect::<Vec<_>>() {
            for (at, _) in name.match_indices(SEPARATOR) {
                names.entry(name[..at].to_owned()).or_default();
            }
        }
        let listed = folders.iter().map(|folder| folder.name.clone());
        let extra = names.keys().filter(|name| names[*name].folder.is_none()).cloned();
        let order = listed.chain(extra).collect();
        Self { names, order }
    }

    /// The names below a name.
    fn below<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a String, &'a Name)> + use<'a> {
        let prefix = format!("{name}{SEPARATOR}");
        let until = prefix.clone();
        self.names.range(prefix..).take_while(move |(below, _)| below.starts_with(&until))
    }
}

/// The lines of a LIST answer.
pub(crate) fn list(known: &Known, list: &List, patterns: &[String]) -> Vec<Line> {
    let mut lines = Vec::new();
    for name in &known.order {
        let is = &known.names[name];
        if !patterns.iter().any(|pattern| pattern::matches(pattern, name)) {
            continue;
        }
        let child_info = list.recursive_match && known.below(name).any(|(_, below)| selects(list, below));
        if selects(list, is) || child_info {
            let attributes = attributes(known, list, name, is);
            lines.push(Line { name: name.clone(), attributes, child_info, folder: is.folder });
        }
    }
    lines
}

/// The lines of an LSUB answer: names, and whether they are subscribed themselves. A level that
/// the pattern stops at is shown for what is subscribed below it. `[RFC3501 6.3.9]`
pub(crate) fn lsub(subscribed: &[String], patterns: &[String]) -> Vec<(String, bool)> {
    let known = Known::new(&[], subscribed);
    let shown = |name: &&String| patterns.iter().any(|pattern| pattern::matches(pattern, name));
    let percent = patterns.iter().any(|pattern| pattern.ends_with('%'));
    let lines = known.order.iter().filter(shown).map(|name| (name.clone(), known.names[name].subscribed));
    lines.filter(|(_, subscribed)| *subscribed || percent).collect()
}

fn selects(list: &List, name: &Name) -> bool {
    (!list.select_subscribed || name.subscribed)
        && (!list.select_special_use || name.special_use.is_some())
        // a name without a folder is shown for its subscription only, or as a level above a folder
        && (name.folder.is_some() || name.subscribed || !(list.select_subscribed || list.select_special_use))
}

fn attributes(known: &Known, list: &List, name: &str, is: &Name) -> Vec<&'static str> {
    let mut attributes = Vec::new();
    if is.folder.is_none() {
        attributes.push(if list.extended { "\\NonExistent" } else { "\\Noselect" });
    }
    let children = known.below(name).any(|(_, below)| below.folder.is_some());
    attributes.push(if children { "\\HasChildren" } else { "\\HasNoChildren" });
    if list.return_subscribed && is.subscribed {
        attributes.push("\\Subscribed");
    }
    attributes.extend(is.special_use.map(word));
    attributes
}

/// `[RFC6154 2]`
fn word(special_use: SpecialUse) -> &'static str {
    match special_use {
        SpecialUse::Archive => "\\Archive",
        SpecialUse::Drafts => "\\Drafts",
        SpecialUse::Junk => "\\Junk",
        SpecialUse::Sent => "\\Sent",
        SpecialUse::Trash => "\\Trash",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, subscribed: bool, special_use: Option<SpecialUse>) -> Folder {
        Folder {
            id: FolderId(1),
            name: name.into(),
            special_use,
            subscribed,
            uid_validity: 1,
            uid_next: 1,
            highest_modseq: 1,
        }
    }

    fn known() -> Known {
        let folders = [
            folder("INBOX", true, None),
            folder("Labo", false, None),
            folder("Labo/2026", true, None),
            folder("Lost/Child", false, None),
            folder("Sent", true, Some(SpecialUse::Sent)),
        ];
        Known::new(&folders, &["INBOX".into(), "Labo/2026".into(), "Sent".into(), "Old".into()])
    }

    fn shown(list_: &List, pattern: &str) -> Vec<String> {
        let lines = list(&known(), list_, &[pattern.to_owned()]);
        let line = |line: Line| {
            format!("{} {}{}", line.name, line.attributes.join(" "), if line.child_info { " +" } else { "" })
        };
        lines.into_iter().map(line).collect()
    }

    #[test]
    fn plain_list_shows_folders_children_and_special_uses() {
        let plain = List::default();
        let known = Known::new(&[folder("INBOX", true, None), folder("Sent", true, Some(SpecialUse::Sent))], &[]);
        let lines = list(&known, &plain, &["*".into()]);
        assert_eq!(lines[0].attributes, ["\\HasNoChildren"]);
        assert_eq!((lines[1].name.as_str(), lines[1].attributes.join(" ")), ("Sent", "\\HasNoChildren \\Sent".into()));
    }

    #[test]
    fn a_level_without_a_folder_is_not_selectable() {
        let plain = List::default();
        assert_eq!(shown(&plain, "Lo%"), ["Lost \\Noselect \\HasChildren"]);
        assert_eq!(shown(&plain, "Labo"), ["Labo \\HasChildren"]);
    }

    #[test]
    fn subscribed_names_are_selected_even_without_a_folder() {
        let list = List { extended: true, select_subscribed: true, return_subscribed: true, ..List::default() };
        assert_eq!(
            shown(&list, "*"),
            [
                "INBOX \\HasNoChildren \\Subscribed",
                "Labo/2026 \\HasNoChildren \\Subscribed",
                "Sent \\HasNoChildren \\Subscribed \\Sent",
                "Old \\NonExistent \\HasNoChildren \\Subscribed",
            ]
        );
    }

    #[test]
    fn recursive_match_shows_levels_above_what_is_selected() {
        let list = List { extended: true, select_subscribed: true, recursive_match: true, ..List::default() };
        assert_eq!(shown(&list, "La%"), ["Labo \\HasChildren +"]);
    }

    #[test]
    fn special_uses_are_selected() {
        let list = List { extended: true, select_special_use: true, ..List::default() };
        assert_eq!(shown(&list, "*"), ["Sent \\HasNoChildren \\Sent"]);
    }

    #[test]
    fn lsub_shows_the_level_that_percent_stops_at() {
        let subscribed = ["INBOX".to_owned(), "Labo/2026".to_owned()];
        let lines = |pattern: &str| lsub(&subscribed, &[pattern.to_owned()]);
        assert_eq!(lines("%"), [("INBOX".into(), true), ("Labo".into(), false)]);
        assert_eq!(lines("*"), [("INBOX".into(), true), ("Labo/2026".into(), true)]);
    }
}
