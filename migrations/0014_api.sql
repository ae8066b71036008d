-- A revision for whatever two administrators can change at once, as BALs have one.
ALTER TABLE person ADD COLUMN revision bigint NOT NULL DEFAULT 1;

CREATE FUNCTION person_revised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER person_revised
    BEFORE UPDATE OF name, identifier, password_hash, state, state_reason
    ON person FOR EACH ROW EXECUTE FUNCTION person_revised();

CREATE TRIGGER bal_patient_mail_revised
    BEFORE UPDATE OF patient_mail
    ON bal FOR EACH ROW EXECUTE FUNCTION bal_revised();
