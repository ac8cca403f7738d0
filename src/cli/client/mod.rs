//! The client: how `loopctl` reaches the daemon. One connection for each request, over TCP or a Unix socket; no pool,
//! no proxy, no redirects, no TLS.

pub mod address;
pub mod call;
pub mod delay;
pub mod endpoint;
pub mod follow;
pub mod readiness;
pub mod request;
pub mod sse;
pub mod token;
pub mod transport;
pub mod unreachable;
pub mod uri;
