-- The life of BALs: states with their dates, log-ins, inactivity, quotas, and what applicative BALs come with.

ALTER TABLE bal DROP CONSTRAINT bal_state_check;
ALTER TABLE bal ADD CONSTRAINT bal_state_check CHECK (state IN ('created', 'active', 'suspended', 'closed'));
ALTER TABLE bal
    ADD COLUMN state_since          timestamptz,
    ADD COLUMN last_login_at        timestamptz,                     -- to the hour
    ADD COLUMN inactivity_warned_at timestamptz,                     -- a log-in takes it away
    ADD COLUMN kept_from            timestamptz,                     -- closed before this version: its retention begins here
    ADD COLUMN emptied_at           timestamptz,                     -- of a closed BAL whose retention is over
    ADD COLUMN quota                bigint CHECK (quota >= 0),       -- octets; NULL is that of its kind, 0 is none
    ADD COLUMN quota_warned_at      timestamptz,
    ADD COLUMN identity             text,                            -- ADELI number or number of a structure's register, of a holder without RPPS
    ADD COLUMN software             text,
    ADD COLUMN nil                  text,
    ADD COLUMN replies              text NOT NULL DEFAULT 'accept' CHECK (replies IN ('accept', 'refuse'));
-- In one pass: lines of the trail that wait have no index.
UPDATE bal b SET state_since = coalesce(t.at, b.created_at)
FROM bal o LEFT JOIN (SELECT bal_id, max(at) AS at FROM trace WHERE event = 'bal.state' GROUP BY bal_id) t ON t.bal_id = o.id
WHERE o.id = b.id;
ALTER TABLE bal ALTER COLUMN state_since SET NOT NULL;
-- Nobody wrote down who logged in until now: everybody's year begins with the upgrade.
UPDATE bal SET last_login_at = now() WHERE state = 'active';
-- Nobody was told until now that closed BALs are emptied: their retention begins with it as well.
UPDATE bal SET kept_from = now() WHERE state = 'closed';

-- For the rounds that look for BALs which nobody opens, and closed ones whose retention is over.
CREATE INDEX bal_open_by_use ON bal ((greatest(coalesce(last_login_at, created_at), state_since)))
    WHERE state IN ('created', 'active');
CREATE INDEX bal_closed_by_date ON bal ((coalesce(kept_from, state_since))) WHERE state = 'closed' AND emptied_at IS NULL;

-- The trigger costs nothing where these columns are not set.
CREATE FUNCTION bal_stays_what_it_is() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.address, NEW.address_key, NEW.kind) IS DISTINCT FROM (OLD.address, OLD.address_key, OLD.kind) THEN
        RAISE EXCEPTION 'address and kind of a BAL never change';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER bal_stays_what_it_is BEFORE UPDATE OF address, address_key, kind ON bal
    FOR EACH ROW EXECUTE FUNCTION bal_stays_what_it_is();

-- How much is in a folder, counted by the statements that change it anyway. Each copy counts in full.
ALTER TABLE folder
    ADD COLUMN messages bigint NOT NULL DEFAULT 0,
    ADD COLUMN octets   bigint NOT NULL DEFAULT 0;
UPDATE folder f SET messages = m.messages, octets = m.octets
FROM (SELECT folder_id, count(*) AS messages, sum(size)::bigint AS octets FROM folder_message GROUP BY folder_id) AS m
WHERE m.folder_id = f.id;

-- Rounds that one node makes for all.
CREATE TABLE round (
    name    text        COLLATE "C" PRIMARY KEY,
    next_at timestamptz NOT NULL
);

-- What administrators see of it counts as well.
CREATE TRIGGER bal_life_revised
    BEFORE UPDATE OF quota, software, nil, replies
    ON bal FOR EACH ROW EXECUTE FUNCTION bal_revised();
