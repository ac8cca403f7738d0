//! The HTTP surface over a real engine, a real store, real git and real sockets.

mod bodies;
mod creating;
mod creating_refused;
mod crowd;
mod events;
mod guards;
mod handing_over;
mod http;
mod inspecting;
mod listening;
mod listing;
mod openapi;
mod operating;
mod output;
mod paths;
mod repeating;
mod server;
mod settled;
mod shapes;
mod token;
mod within;
mod worktrees;
