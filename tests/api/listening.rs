//! Where the daemon listens, and how it stops.

use std::os::unix::fs::PermissionsExt as _;

use agent_loop::api::{self, ListenError, Listener};
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::http::raw;
use super::server::Server;
use crate::support::eventually;

#[tokio::test]
async fn an_address_that_is_none_is_named() {
    for bad in [
        "",
        "localhost:7700",
        "https://localhost:1",
        "http://localhost",
        "http://:1",
        "http://localhost:99999",
        "unix:",
        "ftp://x:1",
    ] {
        let error = Listener::bind(bad).await.expect_err(bad);
        assert!(
            matches!(error, ListenError::Malformed { .. }),
            "{bad}: {error}"
        );
        assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_says_what_to_do() {
    let first = Listener::bind("http://127.0.0.1:0").await.expect("a port");
    let address = first.address().expect("bound");
    let error = Listener::bind(&address)
        .await
        .expect_err("taken")
        .to_string();
    assert!(
        error.contains(&address) && error.contains("--addr"),
        "{error}"
    );
}

#[tokio::test]
async fn a_socket_is_its_owners_alone_replaced_when_dead_and_left_alone_when_alive() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("socket");
    let address = format!("unix:{}", path.display());
    let first = Listener::bind(&address).await.expect("bound");
    assert_eq!(first.address().expect("bound"), address);
    assert_eq!(
        std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    Listener::bind(&address)
        .await
        .expect_err("somebody listens");
    drop(first);
    assert!(!path.exists(), "removed at the end");
    // One that was left behind by a daemon that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    assert!(path.exists());
    // A process that another test was starting just then may hold a copy of it for a moment.
    eventually(async || UnixStream::connect(&path).await.is_err().then_some(())).await;
    let second = Listener::bind(&address).await.expect("bound again");
    drop(second);
    std::fs::write(&path, "a file of the user's").expect("written");
    Listener::bind(&address).await.expect_err("not a socket");
    assert_eq!(
        std::fs::read_to_string(&path).expect("readable"),
        "a file of the user's"
    );
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_finished_and_no_new_one_is_taken() {
    let dir = tempfile::tempdir().expect("a directory");
    let address = format!("unix:{}", dir.path().join("socket").display());
    let listener = Listener::bind(&address).await.expect("bound");
    let (begun, go) = (CancellationToken::new(), CancellationToken::new());
    let slow = {
        let (begun, go) = (begun.clone(), go.clone());
        move || async move {
            begun.cancel();
            go.cancelled().await;
            "done"
        }
    };
    let router = Router::new().route("/", get(slow));
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(api::serve(listener, router, shutdown.clone()));
    let mut client = UnixStream::connect(dir.path().join("socket"))
        .await
        .expect("connects");
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("sends");
    begun.cancelled().await;
    shutdown.cancel();
    go.cancel();
    let mut answer = String::new();
    client
        .read_to_string(&mut answer)
        .await
        .expect("an answer, then the end");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("done"),
        "{answer}"
    );
    serving.await.expect("no panic").expect("a good end");
    assert!(
        UnixStream::connect(dir.path().join("socket"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_in_the_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("socket");
    let address = format!("unix:{}", path.display());
    let listener = Listener::bind(&address).await.expect("bound");
    let begun = CancellationToken::new();
    let endless = {
        let begun = begun.clone();
        move || async move {
            begun.cancel();
            std::future::pending::<()>().await
        }
    };
    let router = Router::new().route("/", get(endless));
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(api::serve(listener, router, shutdown.clone()));
    let mut client = UnixStream::connect(&path).await.expect("connects");
    let ask = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    client.write_all(ask).await.expect("sends");
    begun.cancelled().await;
    // From here on only the clock can help, and it goes on by itself.
    tokio::time::pause();
    shutdown.cancel();
    serving.await.expect("no panic").expect("a good end");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("the end");
    assert!(answer.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_is_answered_or_closed_and_harms_nobody() {
    let server = Server::idle().await;
    let garbage: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
    ];
    for bytes in garbage {
        let answer = raw(server.address, bytes).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    // Connections that say nothing, or stop in the middle, keep nobody else waiting.
    let mut silent = Vec::new();
    for n in 0..50 {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        if n % 2 == 0 {
            stream.write_all(b"GET /health HTT").await.expect("sends");
        }
        silent.push(stream);
    }
    server.get("/ready").await.ok();
    server.stop().await;
}
