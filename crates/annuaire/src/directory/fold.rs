//! Words as search compares them: without accents, case, hyphens and apostrophes, abbreviations written out.

use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// Longer words are cut, in the directory and in queries alike.
const MOST_OCTETS: usize = 40;

/// Words that are written in several ways, and the one that stands in the vocabulary.
const WRITTEN_OUT: [(&str, &str); 7] = [
    ("dr", "docteur"),
    ("dre", "docteur"),
    ("mme", "madame"),
    ("pr", "professeur"),
    ("pre", "professeur"),
    ("st", "saint"),
    ("ste", "sainte"),
];

/// Words that need not be found if others are searched: articles, prepositions, titles, and what all domains have.
const OPTIONAL: [&str; 24] = [
    "fr",
    "mssante",
    "a",
    "au",
    "aux",
    "d",
    "de",
    "des",
    "docteur",
    "du",
    "en",
    "et",
    "l",
    "la",
    "le",
    "les",
    "m",
    "madame",
    "mlle",
    "monsieur",
    "mr",
    "ou",
    "professeur",
    "sur",
];

/// How endings are exchanged for the singular, the masculine, and the discipline that a practitioner is called after.
const ENDINGS: [(&str, &str); 18] = [
    ("s", ""),
    ("x", ""),
    ("e", ""),
    ("es", ""),
    ("ne", ""),
    ("nes", ""),
    ("logue", "logie"),
    ("logues", "logie"),
    ("logie", "logue"),
    ("iatre", "iatrie"),
    ("iatres", "iatrie"),
    ("gien", "gie"),
    ("giens", "gie"),
    ("gienne", "gie"),
    ("aliste", "ale"),
    ("alistes", "ale"),
    ("iste", "ie"),
    ("istes", "ie"),
];

/// Calls `each` with every word of `text`, folded. `buffer` is for reuse.
pub(super) fn each_word(text: &str, buffer: &mut String, mut each: impl FnMut(&str)) {
    fold_into(text, buffer);
    for word in buffer.split(' ').filter(|word| !word.is_empty()) {
        each(written_out(cut(word)));
    }
}

/// The words of `text`, folded, but as long as they were written.
pub(super) fn words_as_written(text: &str) -> Vec<String> {
    let mut buffer = String::new();
    fold_into(text, &mut buffer);
    buffer.split(' ').filter(|word| !word.is_empty()).map(|word| cut(word).to_owned()).collect()
}

/// `text` in small letters and digits, without marks; a space for everything else.
pub(super) fn fold_into(text: &str, folded: &mut String) {
    folded.clear();
    for c in text.chars() {
        match c {
            'a'..='z' | '0'..='9' => folded.push(c),
            'A'..='Z' => folded.push(c.to_ascii_lowercase()),
            _ if c.is_ascii() => folded.push(' '),
            'œ' | 'Œ' => folded.push_str("oe"),
            'æ' | 'Æ' => folded.push_str("ae"),
            'ß' | 'ẞ' => folded.push_str("ss"),
            _ => decompose_canonical(c, |part| fold_part(part, folded)),
        }
    }
}

fn fold_part(part: char, folded: &mut String) {
    if is_combining_mark(part) {
        return;
    }
    for small in part.to_lowercase().filter(|small| !is_combining_mark(*small)) {
        folded.push(if small.is_alphanumeric() { small } else { ' ' });
    }
}

fn cut(word: &str) -> &str {
    &word[..word.floor_char_boundary(MOST_OCTETS)]
}

/// The way of writing a word that stands in the vocabulary.
pub(super) fn written_out(word: &str) -> &str {
    WRITTEN_OUT.iter().find_map(|(short, long)| (*short == word).then_some(*long)).unwrap_or(word)
}

/// Whether a word may be missing.
pub(super) fn is_optional(word: &str) -> bool {
    OPTIONAL.contains(&word)
}

/// Other forms of a word: `medecins`, `infirmiere`, `cardiologue`.
pub(super) fn other_forms(word: &str) -> impl Iterator<Item = String> {
    ENDINGS.iter().filter_map(move |(ending, instead)| {
        let stem = word.strip_suffix(ending).filter(|stem| stem.len() >= 4)?;
        Some(format!("{stem}{instead}"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        each_word(text, &mut String::new(), |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn accents_ligatures_hyphens_and_apostrophes_do_not_count() {
        assert_eq!(words("Étienne-Cœur D’AULNAY"), ["etienne", "coeur", "d", "aulnay"]);
        assert_eq!(words("L'Haÿ-les-Roses"), ["l", "hay", "les", "roses"]);
        assert_eq!(words("e\u{301}te\u{301} STRAẞE Ægir"), ["ete", "strasse", "aegir"]);
    }

    #[test]
    fn abbreviations_are_written_out() {
        assert_eq!(words("St Étienne"), words("SAINT-ETIENNE"));
        assert_eq!(words("Ste-Foy, Dr"), ["sainte", "foy", "docteur"]);
    }

    #[test]
    fn professions_have_other_forms() {
        let forms = |word| other_forms(word).collect::<Vec<_>>();
        assert!(forms("infirmieres").contains(&"infirmier".to_owned()));
        assert!(forms("pharmacienne").contains(&"pharmacien".to_owned()));
        assert!(forms("cardiologue").contains(&"cardiologie".to_owned()));
        assert!(forms("chirurgiens").contains(&"chirurgie".to_owned()));
        assert!(forms("bois").is_empty(), "short words stay as they are");
    }

    proptest! {
        #[test]
        fn folding_again_changes_nothing(text in "\\PC{0,30}") {
            let once = words(&text);
            prop_assert_eq!(&words(&once.join(" ")), &once);
            prop_assert!(once.iter().all(|word| word.len() <= MOST_OCTETS));
        }
    }
}
