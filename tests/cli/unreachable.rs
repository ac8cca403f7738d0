//! What a person is told when the daemon cannot be reached, how often it is tried, and how soon that is over. What cannot get
//! better by waiting is in `not_loopd`.

use agent_loop::effect::confine::Kernel;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::fake::{Fake, http, raw, reply};
use super::loopctl::User;
use crate::support::PATIENCE;

pub(super) fn retries(err: &str) -> usize {
    err.matches("trying again").count()
}

/// The whole numbers that stand right behind this text.
fn numbers(said: &str, before: &str) -> Vec<u64> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect();
    let behind = said.match_indices(before).map(|(at, _)| at + before.len());
    let numbers = behind.map(|at| -> String { digits(&said[at..]) });
    numbers
        .map(|number| number.parse().expect("a number"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_a_command_spends_five_seconds_and_ends_with_3() {
    let user = User::new();
    let socket = format!("unix:{}/none.sock", user.home.path().display());
    let ended = user.at(&socket, &["list"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    // Each pause twice the one before, until the rest of the five seconds is shorter. How long the tries themselves take is
    // the machine's affair: a slow one leaves less for the last pauses, and never more for all of them.
    let pauses = numbers(&ended.err, "delay_ms=");
    let (rest, whole) = pauses.split_last().expect("it is tried again");
    let doubled = (0..).map(|n| 200 << n);
    let expected: Vec<u64> = doubled.take(whole.len()).collect();
    assert_eq!(whole, expected, "{}", ended.err);
    assert!(*rest <= 200 << whole.len(), "{}", ended.err);
    assert!(pauses.iter().sum::<u64>() <= 5000, "{}", ended.err);
    let counted: Vec<u64> = (1..=pauses.len() as u64).collect();
    assert_eq!(numbers(&ended.err, "attempt="), counted, "{}", ended.err);
    assert_eq!(
        numbers(&ended.err, "readiness_retry_count="),
        counted,
        "{}",
        ended.err
    );
    assert!(ended.err.contains(&socket), "{}", ended.err);
    assert!(ended.err.contains("nothing listens there"), "{}", ended.err);
    let spent = numbers(&ended.err, &format!("{} attempts in ", pauses.len() + 1));
    assert!(spent.len() == 1 && spent[0] >= 5, "{}", ended.err);
    let hint = format!("hint: start the daemon with `loopd --addr {socket}`");
    assert!(ended.err.contains(&hint), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_in_no_directory_is_said_as_such() {
    let user = User::new();
    let ended = user
        .at(
            "unix:/nowhere/at/all.sock",
            &["list", "--ready-timeout", "0"],
        )
        .await;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.err.contains("nothing listens there"), "{}", ended.err);
    let hint = "hint: there is no directory /nowhere/at: look at --addr or LOOPD_ADDR";
    assert!(ended.err.contains(hint), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_is_nothing_that_listens() {
    let user = User::new();
    // Held by a socket that does not listen, so that nobody else gets it meanwhile.
    let held = TcpSocket::new_v4().expect("a socket");
    held.bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let addr = format!("http://{}", held.local_addr().expect("an address"));
    let ended = user.at(&addr, &["list", "--ready-timeout", "0s"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.err.contains("nothing listens there"), "{}", ended.err);
    assert!(ended.err.contains("1 attempt in"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_nobody_knows_is_told_from_one_where_nothing_listens() {
    let user = User::new();
    // No resolver asks anybody for a label of this length.
    let addr = format!("http://{}:7700", "a".repeat(70));
    let ended = user.at(&addr, &["list", "--ready-timeout", "0"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    let said = "the name of the host is not known";
    assert!(ended.err.contains(said), "{}", ended.err);
    assert!(ended.err.contains("1 attempt in"), "{}", ended.err);
    assert!(ended.err.contains("--addr"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_comes_up_late_is_waited_for_and_told_how_often() {
    let user = User::new();
    let socket = user.home.path().join("loopd.sock");
    let addr = format!("unix:{}", socket.display());
    let mut command = user.command(&["list", "--ready-timeout", "60s"]);
    let mut child = command.env("LOOPD_ADDR", &addr).spawn().expect("starts");
    let mut err = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    // The second retry has been announced: now the daemon comes up, with its token.
    while retries(&said) < 2 {
        let read = err.read_line(&mut said).await.expect("readable");
        assert_ne!(read, 0, "ended early: {said}");
    }
    user.token("fresh\n");
    let fake = Fake::at_socket(&socket, |_| {
        reply(200, &json!({ "runs": [], "next_cursor": null }))
    });
    err.read_to_string(&mut said).await.expect("readable");
    let status = child.wait().await.expect("ends");
    assert!(status.success(), "{said}");
    let asked = fake.asked();
    assert_eq!(asked.len(), 1);
    let told = asked[0]
        .header("x-loopd-readiness-retries")
        .map(str::to_owned);
    assert_eq!(told, Some(retries(&said).to_string()));
    assert_eq!(asked[0].header("authorization"), Some("Bearer fresh"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_says_it_is_starting_is_waited_for() {
    let starting = br#"{"error":{"code":"starting","message":"replaying the journal"}}"#;
    let starting = http(
        "503 Service Unavailable",
        std::str::from_utf8(starting).expect("ASCII"),
    );
    let health = http("200 OK", r#"{"service":"loopd","version":"9.9.9"}"#);
    let list = http("200 OK", r#"{"runs":[],"next_cursor":null}"#);
    let (addr, seen) = raw(vec![starting, health, list]).await;
    let user = User::new();
    let ended = user.at(&addr, &["list"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("replaying the journal"), "{}", ended.err);
    let seen = seen.lock().expect("not poisoned");
    assert!(
        seen[2].contains("x-loopd-readiness-retries: 1"),
        "{}",
        seen[2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_without_room_is_asked_again() {
    let health = http("200 OK", r#"{"service":"loopd","version":"9.9.9"}"#);
    let said = r#"{"error":{"code":"busy","message":"64 requests are being answered"}}"#;
    let busy = http("503 Service Unavailable", said);
    let list = http("200 OK", r#"{"runs":[],"next_cursor":null}"#);
    let (addr, seen) = raw(vec![health, busy.clone(), busy, list]).await;
    let ended = User::new().at(&addr, &["list"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.err.matches("64 requests").count(), 2, "{}", ended.err);
    assert_eq!(seen.lock().expect("not poisoned").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_never_has_room_is_asked_each_second_and_given_up_after_thirty() {
    let health = http("200 OK", r#"{"service":"loopd","version":"9.9.9"}"#);
    let said = r#"{"error":{"code":"busy","message":"64 requests are being answered"}}"#;
    let (addr, _) = raw(vec![health, http("503 Service Unavailable", said)]).await;
    let user = User::new();
    let ended = timeout(PATIENCE, user.at(&addr, &["list"])).await;
    let ended = ended.expect("it is given up");
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let last = ended
        .err
        .lines()
        .rfind(|line| line.starts_with("loopctl: "));
    assert!(
        last.is_some_and(|line| line.contains("64 requests")),
        "{}",
        ended.err
    );
    let pauses = numbers(&ended.err, "delay_ms=");
    assert_eq!(pauses[..5], [200, 400, 800, 1000, 1000], "{}", ended.err);
    assert!(pauses.iter().all(|pause| *pause <= 1000), "{}", ended.err);
    assert!(pauses.iter().sum::<u64>() <= 30_000, "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_that_starts_a_daemon_can_be_pasted_into_a_shell() {
    let ended = User::new()
        .at("unix:/none/it's here", &["list", "--ready-timeout", "0s"])
        .await;
    let hint = r"`loopd --addr 'unix:/none/it'\''s here'`";
    assert!(ended.err.contains(hint), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_says_nothing_of_retries() {
    let user = User::new();
    let addr = format!("unix:{}/none.sock", user.home.path().display());
    let ended = user
        .at(&addr, &["-q", "list", "--ready-timeout", "100ms"])
        .await;
    assert_eq!(ended.code, Some(3));
    assert_eq!(retries(&ended.err), 0, "{}", ended.err);
    assert!(
        ended.err.starts_with("loopctl: failed to reach loopd"),
        "{}",
        ended.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_what_is_missing_and_what_to_do() {
    let user = User::new();
    user.token("t");
    let token = user.home.path().join(".local/share/loopd/token");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let addr = format!("unix:{}/none.sock", user.home.path().display());
    let ended = user.at(&addr, &["doctor"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.out.contains("git version"), "{}", ended.out);
    let word = if Kernel::of_this_machine().lacks().is_empty() {
        "can be kept from writing elsewhere"
    } else {
        "confined"
    };
    assert!(ended.out.contains(word), "{}", ended.out);
    assert!(ended.out.contains("has mode 0644"), "{}", ended.out);
    assert!(
        ended
            .out
            .contains(&format!("chmod 600 {}", token.display())),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("`loopd --addr unix:"), "{}", ended.out);
}
