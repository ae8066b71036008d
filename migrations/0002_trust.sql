-- The trust space: versions of the white list with what changed between them, and the sources of lists.

-- Versions of the white list ------------------------------------------------------------------------------------

-- The list in force, the one that waits for an acknowledgement, and what there was before. Octets are kept of the
-- first two only: they are verified again whenever a node starts.
CREATE TABLE trust_list (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state           text        NOT NULL CHECK (state IN ('in force', 'pending', 'superseded', 'withdrawn')),
    sha256          bytea       NOT NULL,
    generated_at    timestamptz NOT NULL,                            -- its own date
    received_at     timestamptz NOT NULL,                            -- when its signature was judged
    accepted_at     timestamptz,                                     -- when it came into force
    confirmed_at    timestamptz NOT NULL,                            -- when its source last said that it is the current one
    origin          text        NOT NULL CHECK (origin IN ('url', 'file', 'import')),
    source          text        NOT NULL,                            -- URL or path
    received_by     text,                                            -- who imported it
    acknowledged_at timestamptz,
    acknowledged_by text,
    why             text,                                            -- why it had to wait, or was withdrawn
    domains         integer     NOT NULL,
    added           integer     NOT NULL,
    removed         integer     NOT NULL,
    renamed         integer     NOT NULL,
    octets          bytea                                            -- as they came
);
ALTER TABLE trust_list ALTER octets SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX trust_list_in_force ON trust_list (state) WHERE state = 'in force';
CREATE UNIQUE INDEX trust_list_pending ON trust_list (state) WHERE state = 'pending';

-- What a version changed against the one that was in force when it came.
CREATE TABLE trust_change (
    version       bigint NOT NULL REFERENCES trust_list ON DELETE CASCADE,
    domain        text   COLLATE "C" NOT NULL,
    change        text   NOT NULL CHECK (change IN ('added', 'removed', 'renamed')),
    names_added   text[] NOT NULL,
    names_removed text[] NOT NULL,
    PRIMARY KEY (version, domain)
);
CREATE INDEX trust_change_by_domain ON trust_change (domain, version);

-- Sources -------------------------------------------------------------------------------------------------------

-- Where the white list and the revocation lists come from. One node at a time asks a source: it moves next_attempt
-- to the end of its lease, as in the queue.
CREATE TABLE trust_source (
    kind          text        NOT NULL CHECK (kind IN ('list', 'crl')),
    url           text        COLLATE "C" NOT NULL,                  -- or a path
    wanted_at     timestamptz NOT NULL,                              -- when a node last had a use for it
    next_attempt  timestamptz NOT NULL,
    fence         bigint      NOT NULL DEFAULT 0,
    checked_at    timestamptz,                                       -- when it was last asked
    confirmed_at  timestamptz,                                       -- when it last gave something good, or said that nothing changed
    failures      integer     NOT NULL DEFAULT 0,                    -- since then
    last_error    text,
    etag          text,                                              -- validators, and the digest of the octets
    last_modified text,                                              -- that they stand for
    sha256        bytea,
    next_update   timestamptz,                                       -- of a revocation list
    version       bigint      NOT NULL DEFAULT 0,                    -- grows with each new body
    body          bytea,                                             -- a revocation list, DER
    PRIMARY KEY (kind, url)
);
ALTER TABLE trust_source ALTER body SET STORAGE EXTERNAL;
