//! For whom a request is meant, and from where it comes. A page in a browser can send requests to loopback and, with a
//! name that changes its address, even read the answers: so the name in `Host` has to be loopback's or configured, and a
//! page of another origin is refused.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::api::error::ApiError;
use crate::api::state::Shared;

/// Refuses a request whose `Host` (and authority, where its target names one) is neither loopback nor configured.
pub(super) async fn host(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let allowed = &app.state.allowed_hosts;
    let said = host_of(request.headers());
    let named = request.uri().authority().map(Authority::as_str);
    let foreign = said
        .into_iter()
        .chain(named)
        .find(|host| !is_allowed(host, allowed));
    let message = match (foreign, said) {
        (None, Some(_)) => return next.run(request).await,
        (Some(host), _) => format!("the host {host:?} is not this daemon's"),
        (None, None) => "the request does not say (once) which host it is for".to_owned(),
    };
    ApiError::new(StatusCode::FORBIDDEN, "host_forbidden", message)
        .hint("use localhost or a loopback address, or add the name to allowed_hosts in loopd's configuration")
        .into_response()
}

/// Refuses a request that a page of another origin makes.
pub(super) async fn origin(request: Request, next: Next) -> Response {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let foreign = origins.any(|origin| {
        let (origin, host) = (origin.to_str().ok(), host_of(request.headers()));
        !origin
            .zip(host)
            .is_some_and(|(origin, host)| is_same(origin, host))
    });
    if foreign {
        return ApiError::new(
            StatusCode::FORBIDDEN,
            "origin_forbidden",
            "the request comes from a page of another origin",
        )
        .hint("use loopctl, or a client that sends no Origin")
        .into_response();
    }
    next.run(request).await
}

/// The one `Host` header.
fn host_of(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        (_, _) => None,
    }
}

/// `host` as it stands in a header, with or without a port.
fn is_allowed(host: &str, allowed: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    is_loopback(name)
        || allowed
            .iter()
            .any(|it| it.eq_ignore_ascii_case(name) || it.eq_ignore_ascii_case(authority.as_str()))
}

fn is_loopback(name: &str) -> bool {
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
    {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
        None => name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

/// Whether an origin is the one of this host: same name, same port.
fn is_same(origin: &str, host: &str) -> bool {
    let (Ok(origin), Ok(host)) = (origin.parse::<Uri>(), host.parse::<Authority>()) else {
        return false;
    };
    let default = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        Some(_) | None => return false,
    };
    origin.authority().is_some_and(|origin| {
        let ports = (
            origin.port_u16().unwrap_or(default),
            host.port_u16().unwrap_or(default),
        );
        origin.host().eq_ignore_ascii_case(host.host()) && ports.0 == ports.1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_allowed_by_each_of_its_names_with_any_port() {
        for host in [
            "localhost",
            "LocalHost:7700",
            "127.0.0.1",
            "127.8.9.1:1",
            "[::1]",
            "[::1]:7700",
        ] {
            assert!(is_allowed(host, &[]), "{host}");
        }
    }

    #[test]
    fn names_that_only_look_like_loopback_are_not() {
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.1",
            "2130706433",
            "0.0.0.0",
            "user@localhost",
            "localhost@evil.example",
            "[::]",
            "[::ffff:8.8.8.8]",
            "localhost, evil.example",
            "::1",
        ] {
            assert!(!is_allowed(host, &[]), "{host}");
        }
    }

    #[test]
    fn a_configured_name_is_allowed_with_its_port_or_with_any() {
        let allowed = ["box.lan".to_owned(), "other.lan:8080".to_owned()];
        for host in ["box.lan", "BOX.lan:7700", "other.lan:8080"] {
            assert!(is_allowed(host, &allowed), "{host}");
        }
        for host in ["other.lan", "other.lan:8081", "x.box.lan"] {
            assert!(!is_allowed(host, &allowed), "{host}");
        }
    }

    #[test]
    fn an_origin_is_the_same_only_with_name_and_port() {
        assert!(is_same("http://localhost:7700", "localhost:7700"));
        assert!(is_same("https://box.lan", "box.lan"));
        for (origin, host) in [
            ("null", "localhost:7700"),
            ("http://localhost:3000", "localhost:7700"),
            ("http://evil.example", "localhost:7700"),
            ("http://127.0.0.1:7700", "localhost:7700"),
            ("ftp://localhost:7700", "localhost:7700"),
        ] {
            assert!(!is_same(origin, host), "{origin}");
        }
    }
}
