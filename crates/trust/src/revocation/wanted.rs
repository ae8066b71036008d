//! Which lists to keep downloaded, and what became of them.

use std::collections::BTreeMap;

/// Lists that certificates named; more are not kept. All of IGC-Santé has a handful.
const MOST_DISCOVERED: usize = 64;

/// The sources of lists.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// By configuration, and by the certificates of our authorities.
    fixed: BTreeMap<String, Source>,
    /// By verified certificates.
    discovered: BTreeMap<String, Source>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// Nobody has heard of it yet.
    Awaited,
    /// It has given a list.
    Gave,
    /// The last attempt failed.
    Failed(String),
}

impl Wanted {
    /// Other fixed sources; what is known of old ones stays.
    pub(super) fn fix<'a>(&mut self, urls: impl Iterator<Item = &'a String>) {
        let old = std::mem::take(&mut self.fixed);
        for url in urls {
            let known = old.get(url).or_else(|| self.discovered.get(url)).cloned();
            self.fixed.insert(url.clone(), known.unwrap_or(Source::Awaited));
        }
        self.discovered.retain(|url, _| !self.fixed.contains_key(url));
    }

    /// Forgets what certificates have named, except for these.
    pub(super) fn forget_discovered(&mut self, except: impl Fn(&str) -> bool) {
        self.discovered.retain(|url, _| except(url));
    }

    /// A verified certificate names these; true if any is new and there was room for it.
    pub(super) fn discover(&mut self, urls: &[String]) -> bool {
        let before = self.discovered.len();
        for url in urls {
            if !self.fixed.contains_key(url) && self.discovered.len() < MOST_DISCOVERED {
                self.discovered.entry(url.clone()).or_insert(Source::Awaited);
            }
        }
        self.discovered.len() > before
    }

    pub(super) fn gave(&mut self, url: &str) {
        self.set(url, Source::Gave);
    }

    pub(super) fn failed(&mut self, url: &str, why: &str) {
        self.set(url, Source::Failed(why.to_owned()));
    }

    fn set(&mut self, url: &str, source: Source) {
        if let Some(known) = self.fixed.get_mut(url).or_else(|| self.discovered.get_mut(url)) {
            *known = source;
        }
    }

    /// Whether one of these may still give its first list.
    pub(super) fn awaits_any<'a>(&self, mut urls: impl Iterator<Item = &'a String>) -> bool {
        urls.any(|url| self.source(url) == Some(&Source::Awaited))
    }

    /// Why one of these has not given a list.
    pub(super) fn why<'a>(&self, mut urls: impl Iterator<Item = &'a String>) -> Option<String> {
        urls.find_map(|url| match self.source(url) {
            Some(Source::Failed(why)) => Some(why.clone()),
            _ => None,
        })
    }

    fn source(&self, url: &str) -> Option<&Source> {
        self.fixed.get(url).or_else(|| self.discovered.get(url))
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.fixed.keys().chain(self.discovered.keys()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| format!("http://crl.example/{name}")).collect()
    }

    #[test]
    fn what_certificates_name_is_bounded() {
        let mut wanted = Wanted::default();
        wanted.fix(urls(&["fixed"]).iter());
        let many: Vec<String> = (0..1000).map(|each| format!("http://crl.example/{each}")).collect();
        assert!(wanted.discover(&many));
        assert!(!wanted.discover(&many));
        assert_eq!(wanted.urls().len(), MOST_DISCOVERED + 1);
    }

    #[test]
    fn a_source_is_wanted_once() {
        let mut wanted = Wanted::default();
        wanted.fix(urls(&["a", "b"]).iter());
        assert!(!wanted.discover(&urls(&["a"])));
        assert!(wanted.discover(&urls(&["a", "c"])));
        wanted.fix(urls(&["c", "d"]).iter());
        assert_eq!(wanted.urls(), urls(&["c", "d"]));
    }

    #[test]
    fn a_source_is_awaited_until_it_gave_or_failed() {
        let mut wanted = Wanted::default();
        wanted.fix(urls(&["a", "b"]).iter());
        assert!(wanted.awaits_any(urls(&["a"]).iter()));
        wanted.gave(&urls(&["a"])[0]);
        wanted.failed(&urls(&["b"])[0], "refused");
        assert!(!wanted.awaits_any(urls(&["a", "b", "c"]).iter()));
        assert_eq!(wanted.why(urls(&["a", "b"]).iter()), Some("refused".to_owned()));
    }
}
