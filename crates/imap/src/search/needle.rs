//! A string that is looked for, without regard to case.

use memchr::memmem::Finder;

/// What is looked for. The empty string is in every text.
#[derive(Debug)]
pub(crate) struct Needle(Finder<'static>);

impl Needle {
    pub(crate) fn new(text: &str) -> Self {
        Self(Finder::new(fold(text).as_bytes()).into_owned())
    }

    /// Whether it is in `folded`, which [`fold`] made.
    pub(crate) fn is_in(&self, folded: &str) -> bool {
        self.0.find(folded.as_bytes()).is_some()
    }

    /// Whether it is in `text`.
    #[cfg(test)]
    pub(crate) fn is_in_raw(&self, text: &str) -> bool {
        self.is_in(&fold(text))
    }
}

/// The form in which texts are compared: lower case, every run of white space one space.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            if !space {
                folded.push(' ');
            }
            space = true;
        } else {
            folded.extend(c.to_lowercase());
            space = false;
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_line_breaks_do_not_matter() {
        assert!(Needle::new("RÉSULTATS d'analyse").is_in_raw("vos résultats\r\n\td'ANALYSE du 3"));
        assert!(!Needle::new("resultats").is_in_raw("résultats"));
        assert!(Needle::new("").is_in_raw(""));
    }
}
