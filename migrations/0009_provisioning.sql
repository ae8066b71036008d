-- What administrators see of a BAL, numbered: who changes it on the ground of an older number is told to look again.
-- Log-ins and what pli notes by itself do not count.
ALTER TABLE bal ADD COLUMN revision bigint NOT NULL DEFAULT 1;

CREATE FUNCTION bal_revised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER bal_revised
    BEFORE UPDATE OF state, state_reason, display_name, structure, responsible, certificate_dn, password_hash, listing,
                     service, description
    ON bal FOR EACH ROW EXECUTE FUNCTION bal_revised();
