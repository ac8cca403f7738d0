-- Format 1 of the database. What a row *means* is in src/store/mod.rs; the lookup tables and guard triggers of the
-- machines are generated from machines/*.toml and re-run at each start, so nothing here names a state.

CREATE TABLE runs (
  number        INTEGER PRIMARY KEY AUTOINCREMENT,            -- creation order; never used again
  id            TEXT    NOT NULL UNIQUE CHECK (id <> '' AND instr(id, '.') = 0),
  name          TEXT    NOT NULL,
  state         TEXT    NOT NULL,
  kind          TEXT    NOT NULL CHECK (kind IN ('waiting', 'active', 'held', 'ended')),
  rev           INTEGER NOT NULL CHECK (rev >= 1),            -- rises by one with every write
  epoch         INTEGER NOT NULL DEFAULT 0 CHECK (epoch >= 0),-- the lease that wrote last; one writer: always 0
  generation    INTEGER NOT NULL CHECK (generation >= 0),     -- the columns from here are read out of `facts`
  step_alive    INTEGER,                                      -- generation of a step not known to be gone
  provider      TEXT    NOT NULL,                             -- the agent that it uses next
  not_before    INTEGER,
  due_at        INTEGER,                                      -- stored timer
  verified_tree TEXT,
  ended_at      INTEGER,
  priority      INTEGER NOT NULL,                             -- out of `spec`
  workspace_key TEXT    NOT NULL,                             -- out of `spec`
  workspace_root TEXT   NOT NULL,                             -- out of `spec`
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL,
  spec          TEXT    NOT NULL CHECK (json_valid(spec)),
  config        TEXT    NOT NULL CHECK (json_valid(config)),
  facts         TEXT    NOT NULL CHECK (json_valid(facts)),
  CHECK ((kind = 'ended') = (ended_at IS NOT NULL))
) STRICT;

CREATE INDEX runs_by_name      ON runs (name);
CREATE INDEX runs_by_state     ON runs (state, number);
CREATE INDEX runs_by_workspace ON runs (workspace_root, number);
CREATE INDEX runs_by_repository ON runs (workspace_key, number);
CREATE INDEX runs_active       ON runs (number) WHERE kind = 'active';
CREATE INDEX runs_with_timer   ON runs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX runs_with_step    ON runs (number) WHERE step_alive IS NOT NULL;

-- The place in the queue: one row for each run that has not ended, so that a snapshot of the queue costs nothing for
-- history. A renewed place is a new row. `overtaken` is the scheduler's own count.
CREATE TABLE places (
  queue_seq INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id    TEXT    NOT NULL UNIQUE REFERENCES runs (id),
  ticket    INTEGER NOT NULL,
  overtaken INTEGER NOT NULL DEFAULT 0 CHECK (overtaken >= 0)
) STRICT;

CREATE TABLE steps (
  id          TEXT    NOT NULL PRIMARY KEY CHECK (id = run_id || '.' || generation),
  run_id      TEXT    NOT NULL REFERENCES runs (id),
  generation  INTEGER NOT NULL CHECK (generation >= 0),
  phase       TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  kind        TEXT    NOT NULL CHECK (kind IN ('waiting', 'active', 'held', 'ended')),
  rev         INTEGER NOT NULL CHECK (rev >= 1),
  attempt     INTEGER NOT NULL,
  iteration   INTEGER NOT NULL,
  started_at  INTEGER,
  ended_at    INTEGER,
  exit_code   INTEGER,
  prompt_path TEXT,
  output_path TEXT,
  facts       TEXT    NOT NULL CHECK (json_valid(facts)),
  CHECK ((kind = 'ended') = (ended_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX steps_of_run ON steps (run_id, generation);

-- Every write to a run or a step, with all that is needed to do it again. Rev 1 is the creation: no `from_state`, and
-- `data` holds the first facts.
CREATE TABLE journal (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  machine    TEXT    NOT NULL,
  entity     TEXT    NOT NULL,
  rev        INTEGER NOT NULL CHECK (rev >= 1),
  at         INTEGER NOT NULL,
  event      TEXT    NOT NULL,
  data       TEXT    NOT NULL CHECK (json_valid(data)),
  from_state TEXT,
  to_state   TEXT    NOT NULL,
  answer     TEXT,
  version    INTEGER NOT NULL,
  UNIQUE (machine, entity, rev),
  CHECK ((rev = 1) = (from_state IS NULL))
) STRICT;

-- The outbox: what has to be performed, stored with the move that asked for it.
CREATE TABLE effects (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id     TEXT    NOT NULL REFERENCES runs (id),
  generation INTEGER NOT NULL,
  step_id    TEXT,
  name       TEXT    NOT NULL,
  state      TEXT    NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'dropped')),
  created_at INTEGER NOT NULL,
  done_at    INTEGER,
  outcome    TEXT,
  CHECK ((state = 'pending') = (done_at IS NULL))
) STRICT;

CREATE INDEX effects_of_run  ON effects (run_id, generation);
CREATE INDEX effects_pending ON effects (run_id, id) WHERE state = 'pending';

-- What the world is told. The numbers have no gap: a rolled back transaction gives its numbers back.
CREATE TABLE events (
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id  TEXT    NOT NULL REFERENCES runs (id),
  at      INTEGER NOT NULL,
  type    TEXT    NOT NULL,
  payload TEXT    NOT NULL CHECK (json_valid(payload))
) STRICT;

CREATE INDEX events_of_run ON events (run_id, seq);

CREATE TABLE artifacts (
  run_id     TEXT    NOT NULL REFERENCES runs (id),
  kind       TEXT    NOT NULL,
  location   TEXT    NOT NULL,
  path       TEXT    NOT NULL,
  sha256     TEXT    NOT NULL CHECK (length(sha256) = 64),
  bytes      INTEGER NOT NULL CHECK (bytes >= 0),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (run_id, location, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
  key          TEXT    NOT NULL PRIMARY KEY,
  request_hash TEXT    NOT NULL,
  run_id       TEXT    NOT NULL REFERENCES runs (id),
  created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A merge writes what it is about to do before it moves a ref, so that a crash can be settled by looking at the ref.
CREATE TABLE merge_intents (
  run_id     TEXT    NOT NULL PRIMARY KEY REFERENCES runs (id),
  generation INTEGER NOT NULL,
  intent     TEXT    NOT NULL CHECK (json_valid(intent))
) STRICT, WITHOUT ROWID;

-- The edges that each version of a table declared: rows of the journal that are older than the table compiled in are
-- checked against the edges of their own time.
CREATE TABLE declared_edges (
  machine    TEXT    NOT NULL,
  version    INTEGER NOT NULL,
  from_state TEXT    NOT NULL,
  event      TEXT    NOT NULL,
  answer     TEXT,
  to_state   TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX declared_edges_once ON declared_edges (machine, version, from_state, event, ifnull(answer, ''), to_state);

-- Guards beside the generated ones, which know states and the journal. A run keeps what it was created with, nothing of
-- a run or a step changes without its rev, and what the world was told stays told.
CREATE TRIGGER runs_keep_identity BEFORE UPDATE ON runs
WHEN (OLD.number, OLD.name, OLD.spec, OLD.config, OLD.priority, OLD.workspace_key, OLD.workspace_root, OLD.created_at)
  IS NOT (NEW.number, NEW.name, NEW.spec, NEW.config, NEW.priority, NEW.workspace_key, NEW.workspace_root, NEW.created_at)
BEGIN SELECT raise(ABORT, 'run: keeps what it was created with'); END;
CREATE TRIGGER runs_change_with_rev BEFORE UPDATE ON runs WHEN NEW.rev IS OLD.rev
BEGIN SELECT raise(ABORT, 'run: nothing changes without its rev'); END;
CREATE TRIGGER steps_change_with_rev BEFORE UPDATE ON steps WHEN NEW.rev IS OLD.rev
BEGIN SELECT raise(ABORT, 'step: nothing changes without its rev'); END;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN SELECT raise(ABORT, 'event: never changes'); END;
CREATE TRIGGER events_are_kept BEFORE DELETE ON events
BEGIN SELECT raise(ABORT, 'event: is kept'); END;
