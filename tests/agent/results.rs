//! What the events of a call come to, said in our own dialect.

use agent_loop::agent::{Dialect, Exit, Report, ResultClass};

use super::streams::parse;

const DONE: &str = r#"{"type":"result","end":{"how":"done"}}"#;
const TEXT: &str = r#"{"type":"text","text":"hello"}"#;

fn with(dialect: Dialect, lines: &[&str], stderr: &str, exit: Exit) -> Report {
    parse(dialect, lines.join("\n").as_bytes(), stderr, &exit).1
}

fn report(lines: &[&str], exit: Exit) -> Report {
    with(Dialect::Normal, lines, "", exit)
}

fn code(code: i32) -> Exit {
    Exit {
        code: Some(code),
        ..Exit::default()
    }
}

const TIMED_OUT: Exit = Exit {
    code: None,
    signal: Some(9),
    timed_out: true,
    idle: false,
    canceled: false,
};

#[test]
fn a_result_counts_only_while_nothing_is_said_after_it() {
    assert_eq!(report(&[TEXT, DONE], code(0)).class, ResultClass::Done);
    for after in [
        TEXT,
        r#"{"type":"tool","name":"sh","summary":"ls"}"#,
        r#"{"type":"retry","attempt":1,"delay_ms":1,"why":"w","fault":{"kind":"other"}}"#,
    ] {
        let report = report(&[TEXT, DONE, after], code(0));
        assert_eq!(report.class, ResultClass::Crashed, "{after}");
        assert_eq!(report.message, "the stream ended without a result");
    }
    let harmless = r#"{"type":"note","text":"bye"}"#;
    assert_eq!(report(&[DONE, harmless], code(0)).class, ResultClass::Done);
    assert_eq!(
        report(&[DONE, TEXT, DONE], code(0)).class,
        ResultClass::Done
    );
}

#[test]
fn a_result_outweighs_the_exit_and_a_request_to_stop_outweighs_both() {
    assert_eq!(report(&[DONE], code(1)).class, ResultClass::Done);
    assert_eq!(report(&[DONE], TIMED_OUT).class, ResultClass::Done);
    let canceled = Exit {
        canceled: true,
        ..code(0)
    };
    assert_eq!(report(&[DONE], canceled).class, ResultClass::Canceled);
}

#[test]
fn an_agent_that_is_stopped_while_it_waits_out_a_limit_is_limited() {
    let limited = r#"{"type":"retry","attempt":3,"delay_ms":9,"why":"429 slow down","fault":{"kind":"limited"}}"#;
    let auth = r#"{"type":"retry","attempt":3,"delay_ms":9,"why":"401","fault":{"kind":"auth"}}"#;
    let other =
        r#"{"type":"retry","attempt":3,"delay_ms":9,"why":"500 oops","fault":{"kind":"other"}}"#;
    let unknown = ResultClass::Limited { resets_at: None };
    assert_eq!(report(&[TEXT, limited], TIMED_OUT).class, unknown);
    assert_eq!(report(&[auth], TIMED_OUT).class, ResultClass::Auth);
    let waited = report(&[other], TIMED_OUT);
    assert_eq!(waited.class, ResultClass::TimedOut);
    assert!(waited.message.contains("500 oops"), "{}", waited.message);
    // It went on since: the limit was over.
    assert_eq!(
        report(&[limited, TEXT], TIMED_OUT).class,
        ResultClass::TimedOut
    );
    let idle = Exit {
        idle: true,
        timed_out: false,
        ..TIMED_OUT
    };
    let silent = report(&[TEXT], idle);
    assert_eq!(silent.class, ResultClass::TimedOut);
    assert!(silent.message.contains("idle"));
}

#[test]
fn what_the_agent_prints_as_its_own_words_limits_nobody() {
    let text = r#"{"type":"text","text":"Error: 429 rate limit, 401 unauthorized"}"#;
    assert_eq!(report(&[text], code(0)).class, ResultClass::Crashed);
    assert_eq!(report(&[text, DONE], code(0)).class, ResultClass::Done);
    let plain = with(Dialect::Text, &["Error: 429 rate limit"], "", code(0));
    assert_eq!(plain.class, ResultClass::Done);
}

#[test]
fn plain_text_goes_by_its_exit_and_standard_error() {
    let ended = |stderr: &str, exit| with(Dialect::Text, &["working"], stderr, exit);
    assert_eq!(ended("", code(0)).final_message, "working\n");
    assert_eq!(ended("", code(3)).class, ResultClass::Crashed);
    assert_eq!(
        ended("x: error: 401 bad key\n", code(1)).class,
        ResultClass::Auth
    );
    let limited = ended(
        "error: 429 slow down, retry after 5s\n    at foo (x.js:1)\n",
        code(1),
    );
    assert!(matches!(
        limited.class,
        ResultClass::Limited { resets_at: Some(_) }
    ));
    let missing = ended("sh: my-agent: not found\n", code(127));
    assert_eq!(missing.class, ResultClass::Refused);
    assert!(
        missing.message.contains("install the agent"),
        "{}",
        missing.message
    );
    assert!(ended("", code(137)).message.contains("signal 9"));
}

#[test]
fn geminis_exit_status_is_that_of_http_without_its_hundreds() {
    let ended = |status| with(Dialect::Gemini, &[], "retry after 5s", code(status));
    assert_eq!(ended(145).class, ResultClass::Auth);
    assert!(matches!(
        ended(173).class,
        ResultClass::Limited { resets_at: Some(_) }
    ));
    assert_eq!(ended(55).class, ResultClass::Refused);
    // Of any other agent it says by which signal it ended.
    let other = with(Dialect::Claude, &[], "", code(145));
    assert_eq!(other.class, ResultClass::Crashed);
    assert!(other.message.contains("signal 17"), "{}", other.message);
    let broken = with(Dialect::Gemini, &[], "", code(137));
    assert!(!broken.message.contains("signal"), "{}", broken.message);
}

#[test]
fn a_failure_without_words_has_those_that_were_said_before() {
    let error = r#"{"type":"error","message":"401 bad key"}"#;
    let failed = |kind: &str| {
        format!(
            r#"{{"type":"result","end":{{"how":"failed","message":" ","fault":{{"kind":"{kind}"}}}}}}"#
        )
    };
    let lines = [error, &failed("other")];
    let other = with(Dialect::Normal, &lines, "429 slow down", code(1));
    assert_eq!(other.class, ResultClass::Auth);
    assert!(other.message.contains("401 bad key"), "{}", other.message);
    // What the agent says of its kind holds.
    for (kind, class) in [
        ("refused", ResultClass::Refused),
        ("no_session", ResultClass::SessionGone),
        ("interrupted", ResultClass::Crashed),
    ] {
        let told = report(&[error, &failed(kind)], code(1));
        assert_eq!(told.class, class, "{kind}");
        assert!(told.message.contains("401 bad key"), "{}", told.message);
    }
}

#[test]
fn the_last_word_of_trouble_counts_and_without_one_a_line_that_is_no_event() {
    let error = |text: &str| format!(r#"{{"type":"error","message":"{text}"}}"#);
    let (first, last) = (error("429 slow down"), error("401 bad key"));
    let told = report(&[&first, &last], code(1));
    assert_eq!(told.class, ResultClass::Auth, "{}", told.message);
    let raw = with(Dialect::Claude, &["Please run /login"], "", code(1));
    assert_eq!(raw.class, ResultClass::Auth, "{}", raw.message);
    let silent = with(Dialect::Claude, &["Please run /login"], "", code(0));
    let said = "the stream ended without a result: Please run /login";
    assert_eq!(silent.message, said);
    // A line without a word tells nothing.
    let framed = with(Dialect::Text, &[], "401 bad key\n-----\n}\n", code(1));
    assert_eq!(framed.class, ResultClass::Auth, "{}", framed.message);
}

#[test]
fn of_an_error_in_json_only_its_message_is_told() {
    for body in [
        r#"{"type":"error","error":{"message":"bad key"}}"#,
        r#"{"message":"bad key"}"#,
    ] {
        let said = format!("API Error: 400 {body} (for good)");
        let told = with(Dialect::Text, &[], &said, code(1)).message;
        assert!(told.contains("API Error: 400 bad key (for good)"), "{told}");
    }
}

#[test]
fn a_retry_is_judged_by_its_status_and_one_that_is_none_ends_nothing() {
    let retry = r#"{"type":"system","subtype":"api_retry","error":"unknown","error_status":401,"attempt":1}"#;
    let told = with(Dialect::Claude, &[retry], "", TIMED_OUT);
    assert_eq!(told.class, ResultClass::Auth, "{}", told.message);
    let done = r#"{"type":"result","is_error":false,"result":"x"}"#;
    let over = r#"{"type":"system","subtype":"retry","data":{"attempt":0}}"#;
    let told = with(Dialect::Qwen, &[done, over], "", code(0));
    assert_eq!(told.class, ResultClass::Done, "{}", told.message);
}

#[test]
fn the_session_is_the_one_that_was_told_last() {
    let session = |id: &str| format!(r#"{{"type":"session","id":"{id}"}}"#);
    let told = report(&[&session("a"), &session("b"), DONE], code(0));
    assert_eq!(told.session.as_deref(), Some("b"));
}

#[test]
fn a_refusal_says_what_a_person_can_do() {
    for (said, hint) in [
        ("prompt is too long", "shorten the spec"),
        ("credit balance is too low", "check plan and billing"),
        ("no trusted directory", "trust the folder"),
        ("not with root/sudo privileges", "IS_SANDBOX=1"),
        ("model not found", "choose another model"),
        ("status 404: gone", "see the step's output"),
    ] {
        let refused = with(Dialect::Text, &[], said, code(1));
        assert_eq!(refused.class, ResultClass::Refused, "{said}");
        assert!(refused.message.contains(hint), "{}", refused.message);
    }
}

#[test]
fn only_the_last_answer_of_a_tool_counts() {
    let answer =
        |ok: bool| format!(r#"{{"type":"tool_result","ok":{ok},"summary":"no such file"}}"#);
    let (good, bad) = (answer(true), answer(false));
    assert_eq!(report(&[&bad, &good, DONE], code(0)).tool_failed, None);
    let failed = report(&[&good, &bad, DONE], code(0)).tool_failed;
    assert_eq!(failed.as_deref(), Some("no such file"));
}

#[test]
fn tokens_are_added_up_or_replaced_as_they_are_meant() {
    let usage = |tokens: u32, scope: &str| {
        format!(r#"{{"type":"usage","input_tokens":{tokens},"cost_usd":0.5,"scope":"{scope}"}}"#)
    };
    let (one, two) = (usage(1, "request"), usage(2, "request"));
    let (call, session) = (usage(40, "call"), usage(70, "session"));
    let added = report(&[&one, &two, DONE], code(0)).usage;
    assert_eq!((added.input_tokens, added.cost_usd), (3, Some(1.0)));
    let replaced = report(&[&one, &call, &two, DONE], code(0));
    assert_eq!(replaced.usage.input_tokens, 42);
    assert!(!replaced.usage_of_session);
    assert!(report(&[&session, DONE], code(0)).usage_of_session);
    // A call that was cut short has what was told until then.
    assert_eq!(report(&[&one, &two], TIMED_OUT).usage.input_tokens, 3);
}

#[test]
fn denials_and_questions_are_listed_and_bounded() {
    let denied = r#"{"type":"denied","what":"Bash: rm\n-rf"}"#;
    let asked = r#"{"type":"question","text":"which?"}"#;
    let lines: Vec<&str> = std::iter::repeat_n([denied, asked], 80).flatten().collect();
    let report = report(&lines, code(0));
    assert_eq!(report.denied.len(), 50);
    assert_eq!(report.denied[0], "Bash: rm -rf");
    assert_eq!(report.questions.len(), 50);
}

#[test]
fn a_sub_agent_has_no_last_word() {
    let own = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"mine"}]}}"#;
    let sub = r#"{"type":"assistant","parent_tool_use_id":"t1","message":{"content":[{"type":"text","text":"<promise>COMPLETE</promise>"}]}}"#;
    let report = with(Dialect::Claude, &[own, sub], "", code(0));
    assert_eq!(report.final_message, "mine");
}

#[test]
fn pieces_of_a_message_are_joined_and_messages_are_not() {
    let piece = |text: &str| {
        format!(r#"{{"type":"message","role":"assistant","content":"{text}","delta":true}}"#)
    };
    let tool = r#"{"type":"tool_use","tool_name":"sh","parameters":{}}"#;
    let (a, b, c) = (piece("narration "), piece("ALL "), piece("DONE"));
    let end = r#"{"type":"result","status":"success"}"#;
    let report = with(Dialect::Gemini, &[&a, tool, &b, &c, end], "", code(0));
    assert_eq!(report.final_message, "ALL DONE");
}

#[test]
fn a_structured_answer_is_the_final_message() {
    let line = r#"{"type":"result","is_error":false,"result":"x","structured_output":{"verdict":"approved"}}"#;
    let report = with(Dialect::Claude, &[line], "", code(0));
    assert_eq!(report.final_message, r#"{"verdict":"approved"}"#);
}

#[test]
fn a_question_to_a_person_is_told() {
    let line =
        r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"AskUserQuestion",
        "input":{"questions":[{"question":"Which one?"}]}}]}}"#
            .replace('\n', "");
    let report = with(Dialect::Claude, &[&line], "", code(0));
    assert_eq!(report.questions, ["Which one?"]);
}

#[test]
fn an_exit_status_tells_of_a_signal_only_where_there_is_one_of_that_number() {
    let ended = |status| with(Dialect::Claude, &[], "", code(status)).message;
    for (status, signal) in [(129, 1), (159, 31)] {
        let told = ended(status);
        let said = format!("ended by signal {signal} (exit status {status})");
        assert!(told.contains(&said), "{told}");
    }
    for status in [128, 160] {
        let told = ended(status);
        assert!(!told.contains("signal"), "{told}");
        assert!(told.contains(&format!("exit status {status}")), "{told}");
    }
}

#[test]
fn a_command_that_may_not_be_run_is_not_tried_again() {
    let told = with(
        Dialect::Text,
        &[],
        "sh: ./agent: cannot execute\n",
        code(126),
    );
    assert_eq!(told.class, ResultClass::Refused, "{}", told.message);
    assert!(told.message.contains("cannot execute"), "{}", told.message);
}

#[test]
fn what_an_agent_waits_for_may_stand_in_two_lines_of_its_standard_error() {
    let stderr = "starting\nError: 429 Too Many Requests,\nwill retry in a while\n";
    let told = with(Dialect::Text, &[], stderr, TIMED_OUT);
    let unknown = ResultClass::Limited { resets_at: None };
    assert_eq!(told.class, unknown, "{}", told.message);
    assert!(told.message.contains("will retry"), "{}", told.message);
    // Whoever says nothing of another try was not held up by what is there.
    let stderr = "starting\nWarning: 429 Too Many Requests\n";
    let told = with(Dialect::Text, &[], stderr, TIMED_OUT);
    assert_eq!(told.class, ResultClass::TimedOut, "{}", told.message);
    // What standard error says is more than a retry without a kind.
    let retry = r#"{"type":"retry","attempt":1,"delay_ms":1,"why":"w","fault":{"kind":"other"}}"#;
    let stderr = "401 bad key, retry 3\n";
    let told = with(Dialect::Normal, &[retry], stderr, TIMED_OUT);
    assert_eq!(told.class, ResultClass::Auth, "{}", told.message);
}
