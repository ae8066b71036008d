//! Cells of lists that people open with office software, which takes some of them for formulas and runs them.

use std::borrow::Cow;

/// A cell as it is written: one that would be a formula gets a quote in front.
pub(crate) fn guarded(cell: &str) -> Cow<'_, str> {
    if is_formula(cell) { format!("'{cell}").into() } else { cell.into() }
}

/// A cell as it is meant: without the quote that [`guarded`] put there.
pub(crate) fn meant(cell: &str) -> &str {
    if is_formula(cell) { cell.strip_prefix('\'').unwrap_or(cell) } else { cell }
}

/// Quotes that are there already are passed over, so that what is read is what was written.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_no_formula_any_more() {
        assert_eq!(guarded("=HYPERLINK(\"http://x\")"), "'=HYPERLINK(\"http://x\")");
        assert_eq!(guarded("-x@ch.mssante.fr"), "'-x@ch.mssante.fr");
        assert_eq!(guarded("Accueil = 3"), "Accueil = 3");
        assert_eq!(meant("'Accueil'"), "'Accueil'");
    }

    #[test]
    fn what_was_written_is_what_is_read() {
        let mut cells = vec![String::new()];
        for _ in 0..4 {
            let longer = cells.iter().flat_map(|cell| "'=+@-\ta ".chars().map(move |last| format!("{cell}{last}")));
            cells = longer.chain(cells.clone()).collect();
        }
        for cell in &cells {
            assert_eq!(meant(&guarded(cell)), cell);
            assert!(!guarded(cell).starts_with(['=', '+', '-', '@', '\t']), "{cell}");
        }
    }
}
