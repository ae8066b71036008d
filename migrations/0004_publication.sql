-- Publication is worked on by one node at a time, like the sources that are asked.
ALTER TABLE source DROP CONSTRAINT source_kind_check;
ALTER TABLE source ADD CONSTRAINT source_kind_check
    CHECK (kind IN ('list', 'crl', 'annuaire', 'activities', 'fhir', 'publication'));
