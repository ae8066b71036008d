-- An audit trail that has grown: retention that looks at each line once, and lists that find their lines by an index.

-- Retention goes along the numbers of lines, a little at a time, and notes how far it is, also where there was nothing.
ALTER TABLE trace_retention
    ALTER COLUMN announced DROP NOT NULL,                            -- NULL: nothing was ever old enough
    ADD COLUMN looked  timestamptz,                                  -- nothing older than this was left to announce
    ADD COLUMN walked  bigint NOT NULL DEFAULT 0,                    -- nothing is left to do up to this line
    ADD COLUMN kept    bigint,                                       -- seconds; the longest that any node wants
    ADD COLUMN kept_at timestamptz;                                  -- when a node last wanted it

-- Which lines were there at a moment.
CREATE INDEX trace_link_by_time ON trace_link (at, last);

-- What somebody did. Those who act all the time are not worth an index.
CREATE INDEX trace_line_by_actor ON trace_line (actor, number) WHERE actor NOT IN ('pli', 'operator', 'stranger');

-- Messages that came to a BAL. An expression and no column: what is said twice can be made to differ.
CREATE INDEX trace_line_received ON trace_line USING gin (((detail::jsonb)->'bals') jsonb_path_ops)
    WHERE event = 'message.accepted' AND salt IS NOT NULL;
