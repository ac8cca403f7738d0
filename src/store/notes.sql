-- Format 4: what an effect notes for a repeat of itself, where that would find it gone.
ALTER TABLE effects ADD COLUMN note TEXT CHECK (note IS NULL OR json_valid(note));
