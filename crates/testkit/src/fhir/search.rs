//! The searches: filters, pages, what comes along.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Fault, Query, State, fhir, outcome, query, resources};
use crate::http::Answer;

/// Resources on a page, unless asked.
const PAGE: usize = 50;
/// What is understood; anything else is refused, as the real one does.
const PARAMETERS: [&str; 8] = [
    "_id",
    "_lastUpdated",
    "_count",
    "_include",
    "identifier",
    "mailbox-mss",
    "mailbox-mss:contains",
    "mailbox-mss:exact",
];

/// Searches that are being paged through.
#[derive(Default)]
pub(super) struct Pages {
    held: HashMap<String, Page>,
    count: usize,
}

#[derive(Clone)]
struct Page {
    results: Vec<Json>,
    from: usize,
    size: usize,
    include: Vec<String>,
}

impl Pages {
    fn hold(&mut self, page: Page) -> String {
        self.count += 1;
        let id = format!("u0AmX{}", self.count);
        self.held.insert(id.clone(), page);
        id
    }
}

pub(super) fn answer(state: &mut State, path: &str, fault: Option<Fault>) -> Answer {
    let (kind, query) = query::split(path);
    if kind == "_page" {
        let id = query.get("id").and_then(|ids| ids.first()).cloned().unwrap_or_default();
        return match state.pages.held.get(&id).cloned() {
            Some(page) => bundle(state, page, Some(&id), fault),
            None => outcome(410, "the search has expired"),
        };
    }
    if !["Practitioner", "PractitionerRole", "Organization"].contains(&kind.as_str()) {
        return outcome(404, &format!("HAPI-0302: Unknown resource type '{kind}'"));
    }
    if let Some(name) = query.keys().find(|name| !PARAMETERS.contains(&name.as_str())) {
        return outcome(400, &format!("Parameter {name} not found"));
    }
    match filtered(state, &kind, &query) {
        Ok(results) => {
            let size = one(&query, "_count").and_then(|count| count.parse().ok()).unwrap_or(PAGE);
            let include = query.get("_include").cloned().unwrap_or_default();
            bundle(state, Page { results, from: 0, size, include }, None, fault)
        }
        Err(why) => outcome(400, &why),
    }
}

fn one<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    query.get(name).and_then(|values| values.first()).map(String::as_str)
}

fn filtered(state: &State, kind: &str, query: &Query) -> Result<Vec<Json>, String> {
    let since = match one(query, "_lastUpdated") {
        None => None,
        Some(text) => Some(moment(text.strip_prefix("ge").ok_or("only ge is understood")?)?),
    };
    Ok(state.of_type(kind, |resource| {
        let mails = resources::mails(resource);
        let any = |holds: &dyn Fn(&str) -> bool| mails.iter().any(|mail| holds(&mail.address));
        let updated = moment(resource["meta"]["lastUpdated"].as_str().unwrap_or_default());
        one(query, "_id").is_none_or(|ids| ids.split(',').any(|id| resource["id"] == id))
            && one(query, "identifier").is_none_or(|wanted| is_identified(resource, wanted))
            && one(query, "mailbox-mss:contains").is_none_or(|part| any(&|address| address.contains(part)))
            && one(query, "mailbox-mss:exact").is_none_or(|whole| any(&|address| address == whole))
            && one(query, "mailbox-mss").is_none_or(|start| any(&|address| address.starts_with(start)))
            && since.is_none_or(|since| updated.is_ok_and(|updated| updated >= since))
    }))
}

/// `system|value`, or the value alone.
pub(super) fn is_identified(resource: &Json, wanted: &str) -> bool {
    let (system, value) = wanted.split_once('|').map_or((None, wanted), |(system, value)| (Some(system), value));
    let mut identifiers = resource["identifier"].as_array().into_iter().flatten();
    identifiers.any(|one| one["value"] == value && system.is_none_or(|system| one["system"] == system))
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| format!("'{text}' is not a moment: {error}"))
}

fn bundle(state: &mut State, page: Page, id: Option<&str>, fault: Option<Fault>) -> Answer {
    let end = (page.from + page.size).min(page.results.len());
    let mut entries: Vec<Json> = Vec::new();
    for resource in &page.results[page.from..end] {
        entries
            .push(json!({ "fullUrl": url_of(state, resource), "resource": resource, "search": { "mode": "match" } }));
    }
    for resource in included(state, &page.results[page.from..end], &page.include) {
        entries.push(
            json!({ "fullUrl": url_of(state, &resource), "resource": resource, "search": { "mode": "include" } }),
        );
    }
    let total = page.results.len();
    let next = match fault {
        Some(Fault::Circle) => Some(id.map_or_else(|| state.pages.hold(page.clone()), str::to_owned)),
        Some(Fault::Endless) => Some(state.pages.hold(page.clone())),
        _ if end < total => Some(state.pages.hold(Page { from: end, ..page })),
        _ => None,
    };
    let host = if fault == Some(Fault::Elsewhere) { "https://ailleurs.example.fr/fhir/v2" } else { &state.base };
    let next = next.or_else(|| (fault == Some(Fault::Elsewhere)).then(String::new));
    let link = next.map(|next| json!({ "relation": "next", "url": format!("{host}/_page?id={next}") }));
    let links: Vec<_> = link.into_iter().chain([json!({ "relation": "self", "url": host })]).collect();
    // Endless paging does not say how much is to come.
    let total = (!matches!(fault, Some(Fault::Endless))).then_some(total);
    fhir(
        200,
        &json!({ "resourceType": "Bundle", "type": "searchset", "total": total, "link": links, "entry": entries }),
    )
}

fn url_of(state: &State, resource: &Json) -> String {
    let text = |key: &str| resource[key].as_str().unwrap_or_default().to_owned();
    format!("{}/{}/{}", state.base, text("resourceType"), text("id"))
}

/// What the results refer to, each once.
fn included(state: &State, results: &[Json], include: &[String]) -> Vec<Json> {
    let wanted = |field: &str| include.iter().any(|one| one == "*" || *one == format!("PractitionerRole:{field}"));
    let mut references: Vec<(String, String)> = results
        .iter()
        .flat_map(|resource| ["practitioner", "organization"].map(|field| (field, resource)))
        .filter(|(field, _)| wanted(field))
        .filter_map(|(field, resource)| resource[field]["reference"].as_str()?.split_once('/'))
        .map(|(kind, id)| (kind.to_owned(), id.to_owned()))
        .collect();
    references.sort();
    references.dedup();
    references.iter().filter_map(|reference| state.resources.get(reference).cloned()).collect()
}
