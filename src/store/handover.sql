-- Format 2: what a person does with an ended run. A row is there from the first end of its run on; its id is the run's.

CREATE TABLE handovers (
  id         TEXT    NOT NULL PRIMARY KEY REFERENCES runs (id),
  state      TEXT    NOT NULL,
  kind       TEXT    NOT NULL CHECK (kind IN ('waiting', 'active', 'held', 'ended')),
  rev        INTEGER NOT NULL CHECK (rev >= 1),
  generation INTEGER NOT NULL CHECK (generation >= 0),        -- the columns from here are read out of `facts`
  ended_at   INTEGER,
  updated_at INTEGER NOT NULL,
  facts      TEXT    NOT NULL CHECK (json_valid(facts)),
  CHECK ((kind = 'ended') = (ended_at IS NOT NULL))
) STRICT;

-- Effects are of a run or of its handover; each counts generations of its own.
ALTER TABLE effects ADD COLUMN machine TEXT NOT NULL DEFAULT 'run' CHECK (machine IN ('run', 'handover'));

CREATE TRIGGER handovers_change_with_rev BEFORE UPDATE ON handovers WHEN NEW.rev IS OLD.rev
BEGIN SELECT raise(ABORT, 'handover: nothing changes without its rev'); END;
