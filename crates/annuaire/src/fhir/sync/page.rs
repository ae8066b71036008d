//! One page: what carries BALs, and what that refers to.

use std::collections::{BTreeSet, HashMap};
use std::mem::take as taken;

use super::{Found, Scope, Stage, SyncReport};
use crate::fhir::mapping::{self, Mapped, Number, Unlisted};
use crate::fhir::resource::{Bundle, BundleEntry, Organization, Practitioner, PractitionerRole, Reference, Resource};
use crate::fhir::{Base, Carrier, shortened};
use crate::{Rejection, RejectionReason};

/// Resources that are looked up with one call.
const LOOK_UP: usize = 50;

/// A page that has been read.
#[derive(Debug, Default)]
pub(super) struct Page {
    carriers: Vec<(String, u64, Resource)>,
    practitioners: HashMap<String, Practitioner>,
    organizations: HashMap<String, Organization>,
}

impl Page {
    /// Tells results and what comes along with them apart.
    pub(super) fn read(stage: Stage, bundle: Bundle, report: &mut SyncReport, take: &mut dyn FnMut(Found)) -> Self {
        let mut page = Self::default();
        for entry in bundle.entry {
            let (name, included) = (entry.name(), entry.is_included());
            match Resource::read(entry.resource) {
                Ok(resource) if !included && is_of(stage, &resource) => {
                    report.resources += 1;
                    page.carriers.push((name, report.resources, resource));
                }
                Ok(resource) => page.keep(resource),
                Err(why) => {
                    report.resources += 1;
                    report.reject(report.resources, RejectionReason::Shape, &format!("{name}: {why}"), take);
                }
            }
        }
        page
    }

    /// What a look-up brought.
    pub(super) fn learn(&mut self, bundle: Bundle) {
        let resource = |entry: BundleEntry| Resource::read(entry.resource).ok();
        bundle.entry.into_iter().filter_map(resource).for_each(|resource| self.keep(resource));
    }

    fn keep(&mut self, resource: Resource) {
        match resource {
            Resource::Practitioner(it) => drop(self.practitioners.insert(it.id.clone(), it)),
            Resource::Organization(it) => drop(self.organizations.insert(it.id.clone(), it)),
            Resource::PractitionerRole(_) | Resource::OperationOutcome(_) | Resource::Other => {}
        }
    }

    /// URLs of what the roles refer to and what did not come along, in as few calls as possible.
    pub(super) fn look_ups(&self, base: &Base) -> Vec<String> {
        let roles = || {
            self.carriers.iter().filter_map(|(_, _, resource)| match resource {
                Resource::PractitionerRole(role) => Some(role),
                _ => None,
            })
        };
        let missing =
            |kind: &'static str, of: fn(&PractitionerRole) -> Option<&Reference>, known: &dyn Fn(&str) -> bool| {
                let ids: BTreeSet<_> = roles().filter_map(|role| of(role)?.id(kind)).filter(|id| !known(id)).collect();
                let ids: Vec<_> = ids.into_iter().collect();
                let url = |ids: &[&str]| base.at(&format!("{kind}?_id={}&_count={LOOK_UP}", ids.join("%2C")));
                ids.chunks(LOOK_UP).map(url).collect::<Vec<_>>()
            };
        let mut urls =
            missing("Practitioner", |role| role.practitioner.as_ref(), &|id| self.practitioners.contains_key(id));
        urls.extend(missing("Organization", |role| role.organization.as_ref(), &|id| {
            self.organizations.contains_key(id)
        }));
        urls
    }

    /// Tells what the page came to, and forgets it.
    pub(super) fn tell(&mut self, report: &mut SyncReport, scope: Scope, take: &mut dyn FnMut(Found)) {
        // Also what came along says who is on the liste rouge.
        let people = self.practitioners.values().map(|it| ("Practitioner", &it.id, &it.telecom));
        let structures = self.organizations.values().map(|it| ("Organization", &it.id, &it.telecom));
        for (kind, id, telecom) in people.chain(structures) {
            tell_unlisted(mapping::unlisted(Carrier::of(kind, id), telecom), take);
        }
        for (name, number, resource) in taken(&mut self.carriers) {
            let mapped = match &resource {
                Resource::Practitioner(it) => mapping::practitioner(it),
                Resource::PractitionerRole(it) => mapping::role(it, &self.practitioners, &self.organizations),
                Resource::Organization(it) => mapping::organization(it),
                Resource::OperationOutcome(_) | Resource::Other => continue,
            };
            tell(mapped, &name, number, report, scope, take);
        }
        *self = Self::default();
    }
}

fn tell_unlisted(unlisted: Unlisted, take: &mut dyn FnMut(Found)) {
    for address in unlisted.addresses {
        take(Found::Unlisted { address, carrier: unlisted.carrier.clone() });
    }
}

fn is_of(stage: Stage, resource: &Resource) -> bool {
    matches!(
        (stage, resource),
        (Stage::Practitioners, Resource::Practitioner(_))
            | (Stage::Roles, Resource::PractitionerRole(_))
            | (Stage::Organizations, Resource::Organization(_))
    )
}

fn tell(mapped: Mapped, name: &str, number: u64, report: &mut SyncReport, scope: Scope, take: &mut dyn FnMut(Found)) {
    report.unlisted += mapped.unlisted.addresses.len() as u64;
    report.doubtful += u64::from(mapped.number == Number::Doubtful);
    report.shortened += u64::from(mapped.shortened);
    if let (Scope::Since(_), Some(carrier)) = (scope, mapped.carrier) {
        take(Found::Touched(carrier));
    }
    tell_unlisted(mapped.unlisted, take);
    for entry in mapped.entries {
        report.entries += 1;
        take(Found::Entry(Box::new(entry)));
    }
    // One line for a resource, as for a line of a file.
    if let Some((reason, _)) = mapped.rejected.first() {
        let why: Vec<_> = mapped.rejected.iter().map(|(_, why)| why.as_str()).collect();
        report.reject(number, *reason, &format!("{name}: {}", why.join("; ")), take);
    }
}

impl SyncReport {
    fn reject(&mut self, number: u64, reason: RejectionReason, detail: &str, take: &mut dyn FnMut(Found)) {
        *self.rejected.entry(reason).or_default() += 1;
        let detail = shortened(detail).chars().take(200).collect();
        take(Found::Rejected(Rejection { line: number, reason, detail }));
    }
}
