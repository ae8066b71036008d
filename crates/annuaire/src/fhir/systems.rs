//! The URLs by which resources say what a value is.

/// On a contact point: what kind of mail it is.
pub(crate) const MESSAGING_EXTENSION: &str =
    "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type";
/// The terminology of that extension.
pub(crate) const MESSAGING_KINDS: &str =
    "https://mos.esante.gouv.fr/NOS/TRE_R256-TypeMessagerie/FHIR/TRE-R256-TypeMessagerie";
/// Its code for boxes of the trust space.
pub(crate) const MESSAGING_KIND: &str = "MSSANTE";
/// On a contact point: kind, description, responsible person, service, liste rouge.
pub(crate) const MAILBOX_EXTENSION: &str =
    "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-mailbox-mss-metadata";

/// `IdNat_PS`: `8` and an RPPS number.
pub(super) const PERSONS: &str = "urn:oid:1.2.250.1.71.4.2.1";
/// RPPS numbers.
pub(super) const RPPS: &str = "https://rpps.esante.gouv.fr";
/// `IdNat_Struct`: a digit and a FINESS, SIRET or other number.
pub(super) const STRUCTURES: &str = "urn:oid:1.2.250.1.71.4.2.2";
/// FINESS numbers.
pub(super) const FINESS: &str = "https://finess.esante.gouv.fr";

/// Professions, by the name of their terminology, the regulated ones first.
pub(super) const PROFESSIONS: [&str; 4] =
    ["TRE-G15-ProfessionSante", "TRE-R95-UsagerTitre", "TRE-R94-ProfessionSocial", "TRE-R291-AutreProfession"];
/// Categories: civilian, military, student.
pub(super) const CATEGORIES: [&str; 1] = ["TRE-R09-CategorieProfessionnelle"];
/// Savoir-faire, specialities first.
pub(super) const SPECIALITIES: [&str; 7] = [
    "TRE-R38-SpecialiteOrdinale",
    "TRE-R40-CompetenceExclusive",
    "TRE-R39-Competence",
    "TRE-R44-QualificationPAC",
    "TRE-R42-DESCnonQualifiant",
    "TRE-R43-CapaciteSavoirFaire",
    "TRE-R45-FonctionQualifiee",
];

/// Labels of regulated professions: resources often come with codes only, and people search by words.
pub(super) const PROFESSION_LABELS: [(&str, &str); 17] = [
    ("10", "Médecin"),
    ("21", "Pharmacien"),
    ("26", "Audioprothésiste"),
    ("28", "Opticien-Lunetier"),
    ("40", "Chirurgien-Dentiste"),
    ("50", "Sage-Femme"),
    ("60", "Infirmier"),
    ("69", "Infirmier psychiatrique"),
    ("70", "Masseur-Kinésithérapeute"),
    ("80", "Pédicure-Podologue"),
    ("91", "Orthophoniste"),
    ("92", "Orthoptiste"),
    ("93", "Psychologue"),
    ("94", "Ergothérapeute"),
    ("95", "Diététicien"),
    ("96", "Psychomotricien"),
    ("98", "Manipulateur ERM"),
];
