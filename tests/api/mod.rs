//! The HTTP surface over a real engine, a real store and real sockets.

mod openapi;
