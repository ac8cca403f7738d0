//! Effects: the only room that touches git, processes and the files of a run.
