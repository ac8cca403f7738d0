//! Addresses, and what a person types on its way into a URL.

use std::path::PathBuf;

use agent_loop::cli::client::address::Address;
use agent_loop::cli::client::uri::{encode, run_path, with_query};

fn parse(text: &str) -> Result<Address, String> {
    text.parse().map_err(|bad| format!("{bad}"))
}

#[test]
fn a_tcp_address_has_a_host_and_a_port() {
    let tcp = |host: &str, port| {
        let host = host.to_owned();
        Ok(Address::Tcp { host, port })
    };
    assert_eq!(parse("http://127.0.0.1:7700"), tcp("127.0.0.1", 7700));
    assert_eq!(parse("http://localhost:1/"), tcp("localhost", 1));
    assert_eq!(parse("http://[::1]:7700"), tcp("::1", 7700));
}

#[test]
fn a_socket_is_named_by_its_path() {
    let path = PathBuf::from("/run/loopd.sock");
    assert_eq!(parse("unix:/run/loopd.sock"), Ok(Address::Unix(path)));
}

#[test]
fn an_address_reads_as_it_was_written() {
    for text in [
        "http://127.0.0.1:7700",
        "http://[::1]:7700",
        "unix:/run/loopd.sock",
    ] {
        assert_eq!(parse(text).map(|a| a.to_string()), Ok(text.to_owned()));
    }
}

#[test]
fn what_is_malformed_says_what_is_wrong() {
    for (text, problem) in [
        ("", "not a URL"),
        ("127.0.0.1:7700", "begins neither"),
        ("localhost", "begins neither"),
        ("https://127.0.0.1:7700", "TLS"),
        ("ftp://127.0.0.1:7700", "begins neither"),
        ("http://127.0.0.1", "port"),
        ("http://127.0.0.1:0", "port"),
        ("http://127.0.0.1:70000", "port"),
        ("http://127.0.0.1:7700/api", "path"),
        ("http://127.0.0.1:7700?x=1", "path"),
        ("http://me@127.0.0.1:7700", "user name"),
        ("http://:7700", "host"),
        ("http://", ""),
        ("unix:", "socket"),
        ("http://a b:1", ""),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(problem), "{text}: {error}");
        assert!(error.starts_with("malformed address"), "{error}");
    }
}

#[test]
fn a_name_stays_one_segment_whatever_is_in_it() {
    assert_eq!(run_path("a/b c?#%", "/why"), "/runs/a%2Fb%20c%3F%23%25/why");
    assert_eq!(run_path("..", ""), "/runs/%2E%2E");
    assert_eq!(encode("é-1.2_~"), "%C3%A9-1.2_~");
}

#[test]
fn a_query_has_only_what_has_a_value() {
    let pairs = [("a", Some("1&2")), ("b", None), ("c", Some(""))];
    assert_eq!(with_query("/runs", &pairs), "/runs?a=1%262&c=");
    assert_eq!(with_query("/runs", &[("b", None)]), "/runs");
}

#[test]
fn only_the_directory_of_a_socket_can_be_missing() {
    let missing = |text: &str| text.parse::<Address>().expect("good").missing_dir();
    let none = PathBuf::from("/nowhere/at");
    assert_eq!(missing("unix:/nowhere/at/loopd.sock"), Some(none));
    for there in ["unix:loopd.sock", "unix:/loopd.sock", "http://127.0.0.1:1"] {
        assert_eq!(missing(there), None, "{there}");
    }
}

#[test]
fn a_run_that_is_called_a_dot_is_no_way_through_the_path() {
    assert_eq!(run_path(".", "/why"), "/runs/%2E/why");
}
