//! The structure of the house as ordinary tests: what the pure core may name, and which room may name which. The
//! directions are read from the table at the top of `src/lib.rs`, so that the map cannot become untrue.

mod house;
mod paths;
mod planted;
mod rules;
