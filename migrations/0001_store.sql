-- The store of pli: BALs, folders, sealed messages, the queue and the audit trail.
--
-- What is sealed (message.summary, message.digest, message_chunk.data) reaches PostgreSQL encrypted; addresses, sizes,
-- dates, flags, keywords and names of folders are in the clear, because rules and queries need them.

-- BALs ----------------------------------------------------------------------------------------------------------

CREATE TABLE bal (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address        text        NOT NULL,                             -- as it was written
    address_key    text        COLLATE "C" NOT NULL UNIQUE,          -- as it compares
    kind           text        NOT NULL CHECK (kind IN ('PER', 'ORG', 'APP', 'CAB')),
    state          text        NOT NULL CHECK (state IN ('active', 'suspended', 'closed')),
    state_reason   text,
    display_name   text,
    holder         text,                                             -- RPPS of a nominative BAL
    structure      text,                                             -- 1 and FINESS, or 3 and SIRET
    responsible    text,
    certificate_dn text        COLLATE "C",                          -- key of the DN that opens it
    password_hash  text,                                             -- PHC string
    created_at     timestamptz NOT NULL
);
CREATE INDEX bal_by_certificate ON bal (certificate_dn) WHERE certificate_dn IS NOT NULL;

-- Folders -------------------------------------------------------------------------------------------------------

-- UIDVALIDITY of every folder of this database. One sequence for all, so that no value ever stands for two folders;
-- it starts at the present second, so that a database that is made anew goes on above the old one. [RFC3501 2.3.1.1]
CREATE SEQUENCE uid_validity AS bigint MAXVALUE 4294967295;
SELECT setval('uid_validity', extract(epoch FROM now())::bigint);

-- Each change of a folder begins with an UPDATE of its row (highest_modseq + 1). The row lock makes the order of
-- MODSEQs the order of commits: who has read up to N will never find a change below N that he has not seen.
CREATE TABLE folder (
    id             bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bal_id         bigint  NOT NULL REFERENCES bal,
    uid_validity   bigint  NOT NULL DEFAULT nextval('uid_validity'),
    uid_next       bigint  NOT NULL DEFAULT 1,
    highest_modseq bigint  NOT NULL DEFAULT 1,
    recent_from    bigint  NOT NULL DEFAULT 1,                       -- messages from this UID on are \Recent for the next SELECT
    special_use    text    CHECK (special_use IN ('archive', 'drafts', 'junk', 'sent', 'trash')),
    name           text    COLLATE "C" NOT NULL,                     -- UTF-8, levels divided by '/'
    UNIQUE (bal_id, name)
) WITH (fillfactor = 50);                                            -- room for HOT updates of the counters
CREATE UNIQUE INDEX folder_by_special_use ON folder (bal_id, special_use) WHERE special_use IS NOT NULL;

-- The last UIDVALIDITY that a name had before its folder went away, so that a folder renamed to it starts above.
CREATE TABLE former_folder (
    bal_id       bigint NOT NULL REFERENCES bal,
    name         text   COLLATE "C" NOT NULL,
    uid_validity bigint NOT NULL,
    PRIMARY KEY (bal_id, name)
);

CREATE TABLE subscription (
    bal_id bigint NOT NULL REFERENCES bal,
    name   text   COLLATE "C" NOT NULL,                              -- need not exist
    PRIMARY KEY (bal_id, name)
);

-- Messages ------------------------------------------------------------------------------------------------------

-- Drawn in blocks: each process takes a thousand numbers at a time.
CREATE SEQUENCE message_number AS bigint INCREMENT BY 1000;

CREATE TABLE message (
    id          bigint      PRIMARY KEY,
    size        bigint      NOT NULL,                                -- octets as received
    accepted_at timestamptz NOT NULL,
    header_size integer     NOT NULL,                                -- octets up to and with the empty line
    chunk_size  integer     NOT NULL,                                -- plain octets of every chunk but the last
    key_id      text        COLLATE "C" NOT NULL,                    -- key of the ring that wraps the data key
    wrapped_key bytea       NOT NULL,                                -- data key, sealed under that key
    digest      bytea       NOT NULL,                                -- SHA-256 of the octets as received, sealed
    summary     bytea       NOT NULL                                 -- sealed
) WITH (toast_tuple_target = 4080);
ALTER TABLE message ALTER summary SET STORAGE EXTERNAL;

-- Sealed octets compress no further (EXTERNAL); rows up to a page stay out of the TOAST table, which spares a short
-- message a second row and a second index. No foreign key: chunks of a long message come before its row.
CREATE TABLE message_chunk (
    message_id bigint  NOT NULL,
    n          integer NOT NULL,
    data       bytea   NOT NULL,
    PRIMARY KEY (message_id, n)
) WITH (toast_tuple_target = 8160);
ALTER TABLE message_chunk ALTER data SET STORAGE EXTERNAL;

-- Messages of which chunks are stored and that are not accepted yet. Acceptance removes the row in its own
-- transaction; rows that stay behind are of intakes that ended in a crash, and are swept with their chunks.
CREATE TABLE staged_message (
    id         bigint      PRIMARY KEY,
    touched_at timestamptz NOT NULL
);

-- What is in which folder. Flags are bits: 1 \Seen, 2 \Answered, 4 \Flagged, 8 \Deleted, 16 \Draft.
CREATE TABLE folder_message (
    folder_id     bigint      NOT NULL REFERENCES folder,
    message_id    bigint      NOT NULL REFERENCES message,
    uid           bigint      NOT NULL,
    modseq        bigint      NOT NULL,
    delivered_to  bigint,                                            -- the BAL it was delivered to; NULL for copies and APPEND
    internal_date timestamptz NOT NULL,
    size          bigint      NOT NULL,
    flags         smallint    NOT NULL,
    keywords      text[],                                            -- NULL rather than empty
    PRIMARY KEY (folder_id, uid)
);
CREATE INDEX folder_message_by_modseq ON folder_message (folder_id, modseq);
CREATE INDEX folder_message_deleted ON folder_message (folder_id, uid) WHERE flags & 8 <> 0;
-- At most one delivery per message and BAL; also finds the references to a message.
CREATE UNIQUE INDEX folder_message_by_message ON folder_message (message_id, delivered_to);

-- What is gone, for sessions that have the folder open; kept for a month.
CREATE TABLE expunged (
    folder_id bigint      NOT NULL,
    modseq    bigint      NOT NULL,
    uid       bigint      NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (folder_id, modseq, uid)
);
CREATE INDEX expunged_by_time ON expunged USING brin (at);

-- Messages that lost a reference; the sweeper removes those that lost their last one.
CREATE TABLE sweep_candidate (
    message_id bigint      PRIMARY KEY,
    since      timestamptz NOT NULL
);

-- The queue -----------------------------------------------------------------------------------------------------

-- One row per message and remote recipient. A lease moves due_at to its end, so that one index finds both what is
-- due and what a dead process left behind.
CREATE TABLE queue (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id    bigint      NOT NULL REFERENCES message,
    due_at        timestamptz NOT NULL,
    lease_until   timestamptz,
    fence         bigint      NOT NULL DEFAULT 0,
    attempts      integer     NOT NULL DEFAULT 0,
    smtputf8      boolean     NOT NULL,
    state         text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'held')),
    recipient     text        NOT NULL,
    recipient_key text        COLLATE "C" NOT NULL,
    domain        text        COLLATE "C" NOT NULL,
    reverse_path  text,                                              -- NULL is <>
    envelope_id   text,
    ret           text,
    dsn           jsonb       NOT NULL,
    last_reply    text,
    queued_at     timestamptz NOT NULL,
    UNIQUE (message_id, recipient_key)
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX queue_due ON queue (due_at) WHERE state = 'waiting';
CREATE INDEX queue_by_domain ON queue (domain) WHERE state = 'waiting';

-- The audit trail -----------------------------------------------------------------------------------------------

-- Append-only. Times come nearly in order, so a BRIN index finds a period at almost no cost.
CREATE TABLE trace (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    message_id bigint,
    bal_id     bigint,
    event      text        NOT NULL,
    peer       text,
    detail     jsonb
);
CREATE INDEX trace_by_message ON trace (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX trace_by_bal ON trace (bal_id) WHERE bal_id IS NOT NULL;
CREATE INDEX trace_by_time ON trace USING brin (at);

-- Keys ----------------------------------------------------------------------------------------------------------

-- A known text sealed under each key of the ring that ever sealed something here: a pli that is started with
-- another ring notices at once, and not at the first message that it cannot open.
CREATE TABLE key_check (
    key_id text  COLLATE "C" PRIMARY KEY,
    sealed bytea NOT NULL
);
