-- The annuaire: versions of the directory, more ways to a BAL, and what the national directory is told of ours.

-- Sources are asked for more than lists now. --------------------------------------------------------------------

ALTER TABLE trust_source RENAME TO source;
ALTER INDEX trust_source_pkey RENAME TO source_pkey;
ALTER TABLE source DROP CONSTRAINT trust_source_kind_check;
ALTER TABLE source ADD CONSTRAINT source_kind_check CHECK (kind IN ('list', 'crl', 'annuaire', 'activities', 'fhir'));

-- Versions of the directory -------------------------------------------------------------------------------------

-- One is in force, one may wait for an acknowledgement; octets are kept of these two only. The image is what the
-- node that imported it built (annuaire::Directory::write_image), packed with zstd: other nodes load it and build nothing.
CREATE TABLE annuaire_version (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state           text        NOT NULL CHECK (state IN ('in force', 'pending', 'superseded', 'withdrawn')),
    kind            text        NOT NULL CHECK (kind IN ('extraction', 'activities', 'fhir')),
    origin          text        NOT NULL CHECK (origin IN ('url', 'import', 'api')),
    source          text        NOT NULL,                            -- URL or path
    generated_at    timestamptz,                                     -- its own date, if it has one
    received_at     timestamptz NOT NULL,
    confirmed_at    timestamptz NOT NULL,                            -- when its source last said that it is the current one
    accepted_at     timestamptz,                                     -- when it came into force
    received_by     text,                                            -- who imported it
    acknowledged_at timestamptz,
    acknowledged_by text,
    why             text,                                            -- why it had to wait, or was withdrawn
    report          jsonb       NOT NULL,                            -- counts, changes, numbers of rejected lines by reason
    format          integer     NOT NULL,                            -- of the image
    sha256          bytea       NOT NULL                             -- of the packed image
);
CREATE UNIQUE INDEX annuaire_version_in_force ON annuaire_version (state) WHERE state = 'in force';
CREATE UNIQUE INDEX annuaire_version_pending ON annuaire_version (state) WHERE state = 'pending';

CREATE TABLE annuaire_chunk (
    version bigint  NOT NULL REFERENCES annuaire_version ON DELETE CASCADE,
    n       integer NOT NULL,
    data    bytea   NOT NULL,
    PRIMARY KEY (version, n)
);
ALTER TABLE annuaire_chunk ALTER data SET STORAGE EXTERNAL;

-- Every line that the last imports passed over.
CREATE TABLE annuaire_rejection (
    version bigint NOT NULL REFERENCES annuaire_version ON DELETE CASCADE,
    line    bigint NOT NULL,
    reason  text   NOT NULL,
    detail  text   NOT NULL,
    PRIMARY KEY (version, line)
);

-- More of a BAL -------------------------------------------------------------------------------------------------

ALTER TABLE bal ADD COLUMN listing text NOT NULL DEFAULT 'listed' CHECK (listing IN ('listed', 'unlisted')); -- liste rouge
ALTER TABLE bal ADD COLUMN service text;                             -- service de rattachement
ALTER TABLE bal ADD COLUMN description text;

-- Other addresses that lead to a BAL. An address is either a BAL's own or an alias, never both: whoever creates one
-- locks its key first (pg_advisory_xact_lock) and looks into both tables.
CREATE TABLE bal_alias (
    address_key text        COLLATE "C" PRIMARY KEY,                 -- as it compares
    address     text        NOT NULL,                                -- as it was written
    bal_id      bigint      NOT NULL REFERENCES bal,
    created_at  timestamptz NOT NULL
);
CREATE INDEX bal_alias_by_bal ON bal_alias (bal_id);

-- Mail for a BAL that goes to another BAL of this operator as well ('keep'), or instead ('move').
CREATE TABLE bal_forward (
    bal_id     bigint      NOT NULL REFERENCES bal,
    target_id  bigint      NOT NULL REFERENCES bal,
    copy       text        NOT NULL CHECK (copy IN ('keep', 'move')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (bal_id, target_id),
    CHECK (bal_id <> target_id)
);

-- Publication ---------------------------------------------------------------------------------------------------

-- What the national directory is to be told of each of our BALs. What is wanted follows from the BAL itself when a run
-- begins; `published` is what the directory is known to have. A lease moves due_at to its end, as in the queue.
CREATE TABLE publication (
    bal_id      bigint      PRIMARY KEY REFERENCES bal,
    state       text        NOT NULL CHECK (state IN ('waiting', 'handed over', 'published', 'withdrawn', 'refused')),
    wanted_at   timestamptz NOT NULL,                                -- when what is to be published last changed
    due_at      timestamptz NOT NULL,
    fence       bigint      NOT NULL DEFAULT 0,
    attempts    integer     NOT NULL DEFAULT 0,
    published   jsonb,                                               -- NULL: it has nothing of this BAL
    operation   text        CHECK (operation IN ('insert', 'replace', 'delete')), -- the last one
    reported_at timestamptz,
    report      text                                                 -- what came back for it
);
CREATE INDEX publication_due ON publication (due_at) WHERE state = 'waiting';
INSERT INTO publication (bal_id, state, wanted_at, due_at) SELECT id, 'waiting', created_at, created_at FROM bal WHERE state <> 'closed';
