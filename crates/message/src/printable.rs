//! Words of strangers made fit for a header field.

/// At most `max` characters of `text`, with `?` for what is not printable ASCII.
pub(crate) fn printable(text: &str, max: usize) -> String {
    replaced(text, max, |c| c == ' ' || c.is_ascii_graphic())
}

/// At most `max` characters of `text`, with `?` for what may not stand in a host name or an
/// address literal.
pub(crate) fn host(text: &str, max: usize) -> String {
    replaced(text, max, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'))
}

/// At most `max` characters of `text`, with `?` for what may not stand in an atom. `[RFC5322 3.2.3]`
pub(crate) fn dot_atom(text: &str, max: usize) -> String {
    replaced(text, max, |c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
}

fn replaced(text: &str, max: usize, fit: impl Fn(char) -> bool) -> String {
    text.chars().take(max).map(|c| if fit(c) { c } else { '?' }).collect()
}

/// A message identifier between its brackets: with the domain `fallback` if it has none.
pub(crate) fn message_id(id: &str, fallback: &str) -> String {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    match id.rsplit_once('@') {
        Some((left, right)) => format!("<{}@{}>", dot_atom(left, 200), host(right, 255)),
        None => format!("<{}@{}>", dot_atom(id, 200), host(fallback, 255)),
    }
}
