-- What `published` says belongs to one target (the URL of an interface, or a folder): another one was told nothing of it.

ALTER TABLE publication ADD COLUMN target text;                      -- NULL: not known, or nothing was told
-- What was told so far was told to the target of its state that was used last; of the rest nobody knows, and it is told again.
UPDATE publication p SET target = rtrim(s.url, '/')
FROM (SELECT url, url LIKE 'https://%' AS is_interface,
             row_number() OVER (PARTITION BY url LIKE 'https://%' ORDER BY confirmed_at DESC NULLS LAST, url) AS n
      FROM source WHERE kind = 'publication') s
WHERE s.n = 1 AND ((p.state = 'handed over' AND NOT s.is_interface)
                OR (p.state IN ('published', 'withdrawn') AND s.is_interface));
-- Rows of another target are looked for at the beginning of each run, and as a rule there are none.
CREATE INDEX publication_by_target ON publication (target) WHERE state <> 'waiting';

-- Who asks a source has it until then: a person who wants it asked at once waits for him. NULL: nobody has it.
ALTER TABLE source ADD COLUMN leased_until timestamptz;
