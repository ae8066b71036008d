-- Conversations of our BALs with patients. A patient stands here as a keyed hash of his address (the key is derived from
-- the key ring), so that whoever reads the database alone does not learn who is treated by whom.

ALTER TABLE bal ADD COLUMN patient_mail text NOT NULL DEFAULT 'answers' CHECK (patient_mail IN ('answers', 'prescriptions'));

CREATE TABLE conversation (
    bal_id     bigint      NOT NULL REFERENCES bal,                  -- whom the patient may answer
    patient    bytea       NOT NULL,
    opened_by  bigint      NOT NULL REFERENCES bal,                  -- who wrote to him; software may write for a team
    state      text        NOT NULL CHECK (state IN ('open', 'closed')),
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (bal_id, patient, opened_by)
);
CREATE INDEX conversation_by_opener ON conversation (opened_by, patient);

-- Letters that a patient cannot answer (X-MSS-MES: FIN), by a keyed hash of their Message-ID.
CREATE TABLE unanswerable (
    bal_id     bigint      NOT NULL REFERENCES bal,
    patient    bytea       NOT NULL,
    message_id bytea       NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (bal_id, patient, message_id)
);
