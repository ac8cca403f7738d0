//! How replies look to a person. Everything that came from outside goes through [`text::plain`], so that no name and no
//! output can play tricks with the terminal.

pub mod event;
pub mod gates;
pub mod run;
pub mod style;
pub mod table;
pub mod text;
pub mod time;
pub mod worktrees;
