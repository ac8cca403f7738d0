//! The store: SQLite behind one writer; `apply` is the only mutation path.
