-- People without a BAL, and the rights that people have on BALs that are not their own.

CREATE TABLE person (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login         text        COLLATE "C" NOT NULL UNIQUE,           -- small letters; never has an @
    name          text        NOT NULL,
    identifier    text,                                              -- national (8 and RPPS, 0 and ADELI) or local
    password_hash text,                                              -- PHC string
    state         text        NOT NULL CHECK (state IN ('active', 'suspended')),
    state_reason  text,
    state_since   timestamptz NOT NULL,
    created_at    timestamptz NOT NULL
);

-- The delegate is a person, or the holder of a nominative BAL. A row is never changed but to end it; another set of
-- rights or other dates are another row. Of one delegate on one BAL one row at most has not ended.
CREATE TABLE delegation (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bal_id      bigint      NOT NULL REFERENCES bal,
    person_id   bigint      REFERENCES person,
    holder_id   bigint      REFERENCES bal,                          -- the BAL of the holder
    rights      text        NOT NULL,                                -- words with commas
    valid_from  timestamptz NOT NULL,
    valid_until timestamptz,
    given_by    text        NOT NULL,
    reason      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    ended_by    text,
    end_reason  text,
    CHECK (num_nonnulls(person_id, holder_id) = 1),
    CHECK (holder_id <> bal_id),
    CHECK (valid_until > valid_from)
);
CREATE UNIQUE INDEX delegation_of_person ON delegation (person_id, bal_id) WHERE ended_at IS NULL AND person_id IS NOT NULL;
CREATE UNIQUE INDEX delegation_of_holder ON delegation (holder_id, bal_id) WHERE ended_at IS NULL AND holder_id IS NOT NULL;
CREATE INDEX delegation_by_bal ON delegation (bal_id);
