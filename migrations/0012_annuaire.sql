-- What imports were not taken, the last one of each source, and every line that these passed over: a file of which too
-- many lines are of no use is refused, and whoever mends it needs to know which ones.

CREATE TABLE annuaire_refused (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text        NOT NULL UNIQUE,                         -- URL or path
    refused_at  timestamptz NOT NULL,
    received_by text,                                                -- who imported it
    reason      text        NOT NULL,                                -- a word
    why         text        NOT NULL
);

CREATE TABLE annuaire_refused_line (
    refused bigint NOT NULL REFERENCES annuaire_refused ON DELETE CASCADE,
    line    bigint NOT NULL,
    reason  text   NOT NULL,
    detail  text   NOT NULL,
    PRIMARY KEY (refused, line)
);
