-- Format 3: a model may name a run. The column `name` is read out of `spec` and `facts` from now on. All else that a run
-- was created with stays; the name changes once, to the one that its facts hold, and before the run has a branch.
DROP TRIGGER runs_keep_identity;
CREATE TRIGGER runs_keep_identity BEFORE UPDATE ON runs
WHEN (OLD.number, OLD.spec, OLD.config, OLD.priority, OLD.workspace_key, OLD.workspace_root, OLD.created_at)
  IS NOT (NEW.number, NEW.spec, NEW.config, NEW.priority, NEW.workspace_key, NEW.workspace_root, NEW.created_at)
BEGIN SELECT raise(ABORT, 'run: keeps what it was created with'); END;
CREATE TRIGGER runs_are_named_once BEFORE UPDATE ON runs
WHEN OLD.name IS NOT NEW.name AND (
  OLD.facts ->> '$.naming' IS NOT NULL
  OR OLD.facts ->> '$.worktree' IS NOT NULL
  OR json_array_length(OLD.facts, '$.abandoned') > 0
  OR NEW.facts ->> '$.naming.name' IS NOT NEW.name)
BEGIN SELECT raise(ABORT, 'run: keeps its name, but for the one that a model gives it before it has a branch'); END;
