-- The audit trail as a chain: lines wait in an inbox, and one node at a time enters them.

-- What waits ----------------------------------------------------------------------------------------------------

-- Who does something adds his line here, in the transaction of what it tells. No index, nothing to look up: this is
-- what every acceptance pays for the trail.
CREATE TABLE trace_inbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY,             -- order within a session; not unique by a key
    at         timestamptz NOT NULL,
    event      text        COLLATE "C" NOT NULL,
    actor      text        COLLATE "C" NOT NULL DEFAULT 'pli',
    delegated  text,                                                 -- the right under which a delegate acted
    message_id bigint,
    bal_id     bigint,
    peer       text,
    detail     text                                                  -- JSON
) WITH (
    vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_cost_delay = 0
);

-- Lines of the time before the chain are its first.
INSERT INTO trace_inbox (at, event, message_id, bal_id, peer, detail)
SELECT at, event, message_id, bal_id, peer, detail::text FROM trace ORDER BY id;
DROP TABLE trace;

-- What is entered -----------------------------------------------------------------------------------------------

-- One row per line, numbered without gaps from 1. Number, time, event and digest stay for ever; the rest is the
-- content, which is taken away when the retention of the event's class is over. The salt goes with it, so that nobody
-- finds out from the digest what the content was.
CREATE TABLE trace_line (
    number     bigint      PRIMARY KEY,
    at         timestamptz NOT NULL,
    event      text        COLLATE "C" NOT NULL,
    digest     bytea       NOT NULL,                                 -- SHA-256 over salt and canonical content
    salt       bytea,                                                -- NULL: the content is gone
    actor      text        COLLATE "C",
    delegated  text,
    message_id bigint,
    bal_id     bigint,
    peer       text,
    detail     text                                                  -- canonical JSON
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX trace_line_by_message ON trace_line (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX trace_line_by_bal ON trace_line (bal_id, number) WHERE bal_id IS NOT NULL;
CREATE INDEX trace_line_by_time ON trace_line USING brin (at);
CREATE INDEX trace_line_removals ON trace_line (number) WHERE event = 'audit.removal';

-- One row per entering: the hash of the chain after its last line, signed under a key that is not in the database.
CREATE TABLE trace_link (
    last   bigint      PRIMARY KEY,
    first  bigint      NOT NULL,
    at     timestamptz NOT NULL,
    hash   bytea       NOT NULL,
    key_id text        COLLATE "C" NOT NULL,                         -- key of the ring from which the signing key comes
    mac    bytea       NOT NULL
);

-- Where the chain ends, signed in another way than links are: an earlier end cannot be made from what is in the
-- database, so that lines at the end cannot go unnoticed.
CREATE TABLE trace_head (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    number bigint  NOT NULL,
    hash   bytea   NOT NULL,
    key_id text    COLLATE "C",                                      -- NULL before the first line
    mac    bytea
);
INSERT INTO trace_head (number, hash) VALUES (0, '\x0000000000000000000000000000000000000000000000000000000000000000');

-- How far the retention of each class has come. A removal is announced by a line of the trail first.
CREATE TABLE trace_retention (
    class     text        COLLATE "C" PRIMARY KEY,
    announced timestamptz NOT NULL,                                  -- contents of lines before this time may go
    removed   timestamptz                                            -- those of lines before this time are gone
);

-- All lines, entered or waiting. Those that wait come last.
CREATE VIEW trace AS
    SELECT number AS id, number, at, event, actor, delegated, message_id, bal_id, peer, detail::jsonb AS detail,
           salt IS NULL AS removed
    FROM trace_line
    UNION ALL
    SELECT (SELECT number FROM trace_head) + id, NULL, at, event, actor, delegated, message_id, bal_id, peer,
           detail::jsonb, false
    FROM trace_inbox;

-- Indicators ----------------------------------------------------------------------------------------------------

-- Counted when a line is entered, so that each counts once. No correspondent: only which of our BALs, on which day,
-- in which direction, with professionals or with a patient.
CREATE TABLE indicator_day (
    day       date    NOT NULL,                                      -- UTC
    bal_id    bigint  NOT NULL,
    direction text    NOT NULL CHECK (direction IN ('sent', 'received')),
    patient   boolean NOT NULL,                                      -- to a patient, or from one
    xdm       boolean NOT NULL,                                      -- with an IHE_XDM.zip
    ins       text    COLLATE "C" NOT NULL,                          -- X-MSS-INS: O, N, or empty
    software  text    COLLATE "C" NOT NULL,                          -- X-MSS-NIL, or empty
    messages  bigint  NOT NULL,
    octets    bigint  NOT NULL,
    PRIMARY KEY (day, bal_id, direction, patient, xdm, ins, software)
) WITH (fillfactor = 70);

-- How many BALs there were at the end of a month; of the month that runs, at the last count.
CREATE TABLE indicator_bals (
    month      date        NOT NULL,                                 -- its first day
    kind       text        NOT NULL,
    state      text        NOT NULL,
    listing    text        NOT NULL,
    structure  text        COLLATE "C" NOT NULL,                     -- empty: none
    bals       bigint      NOT NULL,
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (month, kind, state, listing, structure)
);
