//! BALs found by what is said of them, page by page.

use mssante::{Address, BalKind, BalState, StructureId};

use time::OffsetDateTime;

use super::BalRow;
use crate::{BalRecord, Store, StoreError};

/// Letters with accents and what they are without; the same for what is stored and what is looked for.
const ACCENTED: &str = "àáâãäåçèéêëìíîïñòóôõöùúûüýÿ";
const PLAIN: &str = "aaaaaaceeeeiiiinooooouuuuyy";

/// Which BALs, and from where on.
#[derive(Debug, Clone, Default)]
pub struct BalSearch {
    /// Of this kind only.
    pub kind: Option<BalKind>,
    /// In this state only.
    pub state: Option<BalState>,
    /// Of this structure only.
    pub structure: Option<StructureId>,
    /// Open, and opened by nobody since then.
    pub inactive_since: Option<OffsetDateTime>,
    /// Words that all occur in its address, its name or what is said of it, in any case, with or without accents.
    pub text: Option<String>,
    /// Those whose addresses come after this one.
    pub after: Option<Address>,
}

/// Some BALs, by address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalPage {
    /// The BALs.
    pub bals: Vec<BalRecord>,
    /// Where the next page begins, if there is one.
    pub next: Option<Address>,
}

impl Store {
    /// At most `limit` BALs that the search finds, by address.
    pub async fn search_bals(&self, search: &BalSearch, limit: u32) -> Result<BalPage, StoreError> {
        let words: Vec<String> = search.text.iter().flat_map(|text| text.split_whitespace()).map(pattern).collect();
        let rows: Vec<BalRow> = sqlx::query_as(
            "SELECT * FROM bal
             WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR state = $2)
               AND ($9::timestamptz IS NULL OR state IN ('created', 'active')
                    AND greatest(coalesce(last_login_at, created_at), state_since) < $9)
               AND ($3::text IS NULL OR structure = $3) AND ($4::text IS NULL OR address_key > $4)
               AND (cardinality($5::text[]) = 0 OR
                    translate(lower(concat_ws(' ', address, display_name, responsible, service, description, holder,
                                              identity, structure, software, nil)), $6, $7) LIKE ALL ($5))
             ORDER BY address_key LIMIT $8",
        )
        .bind(search.kind.map(BalKind::code))
        .bind(search.state.map(BalState::word))
        .bind(search.structure.as_ref().map(ToString::to_string))
        .bind(search.after.as_ref().map(Address::key))
        .bind(&words)
        .bind(ACCENTED)
        .bind(PLAIN)
        .bind(i64::from(limit) + 1)
        .bind(search.inactive_since)
        .fetch_all(self.pool())
        .await?;
        let mut bals = rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<BalRecord>, _>>()?;
        let more = bals.len() > limit as usize;
        bals.truncate(limit as usize);
        let next = if more { bals.last().map(|bal| bal.address.clone()) } else { None };
        Ok(BalPage { bals, next })
    }
}

/// A pattern for LIKE that finds the word itself.
fn pattern(word: &str) -> String {
    let plain = |c: char| ACCENTED.chars().position(|other| other == c).and_then(|place| PLAIN.chars().nth(place));
    let mut pattern = "%".to_owned();
    for c in word.to_lowercase().chars().map(|c| plain(c).unwrap_or(c)) {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_with_an_accent_has_one_without() {
        assert_eq!(ACCENTED.chars().count(), PLAIN.chars().count());
        assert_eq!(pattern("Hôpital"), "%hopital%");
        assert_eq!(pattern("50%_\\"), "%50\\%\\_\\\\%");
    }
}
