-- Messages and all that belongs to their acceptance, many at once: one statement, one round trip, one commit.
-- Foreign keys are checked at its end, so the order of the parts does not matter to them.
WITH unstaged AS (
    -- A staged message lands only if its chunks are all there and were not swept meanwhile; else the references below
    -- fail.
    DELETE FROM staged_message WHERE id = ANY ($1::bigint[]) RETURNING id
), bodies AS (
    INSERT INTO message (id, size, header_size, key_id, wrapped_key, digest, summary, chunk_size, accepted_at)
    SELECT m.id, m.size, m.header_size, m.key_id, m.wrapped_key, m.digest, m.summary, $10, $11
    FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[], $9::bigint[])
         AS m (id, size, header_size, key_id, wrapped_key, digest, summary, staged)
    WHERE m.staged = 0
       OR EXISTS (SELECT FROM unstaged WHERE unstaged.id = m.id)
      AND m.staged = (SELECT count(*) FROM message_chunk c WHERE c.message_id = m.id)
), chunks AS (
    INSERT INTO message_chunk (message_id, n, data)
    SELECT * FROM unnest($12::bigint[], $13::integer[], $14::bytea[])
), wanted AS MATERIALIZED (
    SELECT * FROM unnest($15::bigint[], $16::bigint[], $42::bigint[]) AS w (folder_id, messages, octets)
), patience AS MATERIALIZED (
    SELECT set_config('lock_timeout', $39, true) AS set
), locked AS MATERIALIZED (
    -- Everybody who locks several folders does so by ascending number: no two wait for each other. The patience is set
    -- before the first of them is looked for.
    SELECT id FROM folder WHERE id = ANY ($15::bigint[]) AND (SELECT set IS NOT NULL FROM patience)
    ORDER BY id FOR NO KEY UPDATE
), numbered AS (
    UPDATE folder f
    SET uid_next = f.uid_next + w.messages, highest_modseq = f.highest_modseq + 1,
        messages = f.messages + w.messages, octets = f.octets + w.octets
    FROM wanted w JOIN locked l ON l.id = w.folder_id
    WHERE f.id = w.folder_id
    RETURNING f.id, f.uid_next - w.messages AS first_uid, f.uid_validity, f.highest_modseq
), placements AS (
    -- A folder that is gone leaves uid NULL, and that fails; so does one of a BAL that was closed since the recipient was
    -- named.
    INSERT INTO folder_message
        (folder_id, message_id, uid, modseq, delivered_to, internal_date, size, flags, keywords)
    SELECT p.folder_id, p.message_id, n.first_uid + p.place, n.highest_modseq, p.delivered_to, p.internal_date,
           p.size, p.flags, string_to_array(p.keywords, ' ')
    FROM unnest($17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::timestamptz[], $22::bigint[],
                $23::smallint[], $24::text[], $43::bigint[])
         AS p (folder_id, message_id, place, delivered_to, internal_date, size, flags, keywords, taker)
    LEFT JOIN numbered n ON n.id = p.folder_id
        AND (p.taker IS NULL OR EXISTS (SELECT FROM bal b WHERE b.id = p.taker AND b.state = ANY ($44::text[])))
), queued AS (
    INSERT INTO queue (message_id, recipient, recipient_key, domain, reverse_path, smtputf8, envelope_id, ret, dsn,
                       due_at, queued_at)
    SELECT q.*, $11, $11
    FROM unnest($25::bigint[], $26::text[], $27::text[], $28::text[], $29::text[], $30::boolean[], $31::text[],
                $32::text[], $33::jsonb[]) AS q
), traced AS (
    INSERT INTO trace_inbox (at, event, message_id, bal_id, peer, detail, actor, delegated)
    SELECT $11, t.*
    FROM unnest($34::text[], $35::bigint[], $36::bigint[], $37::text[], $38::text[], $40::text[], $41::text[]) AS t
)
SELECT id, first_uid, uid_validity, highest_modseq FROM numbered
