//! `loopctl`: arguments, readiness, requests, rendering.
