//! Lines of the agents that no recording has: what each of them comes to.

use agent_loop::agent::{Dialect, Event, Exit, Fault, Report, ResultClass, Usage};
use agent_loop::core::time::Time;

use super::streams::{CLOCK, parse};

const ENDED: Exit = Exit {
    code: Some(1),
    signal: None,
    timed_out: false,
    idle: false,
    canceled: false,
};

pub(super) fn said(dialect: Dialect, lines: &[&str]) -> (Vec<Event>, Report) {
    parse(dialect, lines.join("\n").as_bytes(), "", &ENDED)
}

pub(super) fn report(dialect: Dialect, lines: &[&str]) -> Report {
    said(dialect, lines).1
}

pub(super) fn used(input_tokens: u64, output_tokens: u64, cost_usd: Option<f64>) -> Usage {
    Usage {
        input_tokens,
        output_tokens,
        cost_usd,
    }
}

#[test]
fn a_tool_that_failed_is_known_of_every_agent_that_tells_it() {
    for (dialect, good, bad) in [
        (
            Dialect::Claude,
            r#"{"type":"user","message":{"content":[{"type":"tool_result","content":"no"}]}}"#,
            r#"{"type":"user","message":{"content":[{"type":"tool_result","content":"no","is_error":true}]}}"#,
        ),
        (
            Dialect::Codex,
            r#"{"type":"item.completed","item":{"type":"command_execution","exit_code":0,"aggregated_output":"no"}}"#,
            r#"{"type":"item.completed","item":{"type":"command_execution","exit_code":2,"aggregated_output":"no"}}"#,
        ),
        (
            Dialect::Codex,
            r#"{"type":"item.completed","item":{"type":"mcp_tool_call","status":"completed"}}"#,
            r#"{"type":"item.completed","item":{"type":"mcp_tool_call","status":"failed"}}"#,
        ),
        (
            Dialect::Gemini,
            r#"{"type":"tool_result","status":"success","output":"no"}"#,
            r#"{"type":"tool_result","status":"error","error":{"message":"no"}}"#,
        ),
        (
            Dialect::Opencode,
            r#"{"type":"tool_use","part":{"state":{"status":"completed","output":"no","metadata":{"exit":0}}}}"#,
            r#"{"type":"tool_use","part":{"state":{"status":"completed","output":"no","metadata":{"exit":1}}}}"#,
        ),
        (
            Dialect::Opencode,
            r#"{"type":"tool_use","part":{"state":{"status":"completed","output":"no"}}}"#,
            r#"{"type":"tool_use","part":{"state":{"status":"error","error":"no"}}}"#,
        ),
        (
            Dialect::Pi,
            r#"{"type":"tool_execution_end","result":{"content":[{"text":"no"}]}}"#,
            r#"{"type":"tool_execution_end","isError":true,"result":{"content":[{"text":"no"}]}}"#,
        ),
    ] {
        assert_eq!(report(dialect, &[good]).tool_failed, None, "{good}");
        let failed = report(dialect, &[bad]).tool_failed;
        // MCP calls tell no words.
        let words = if bad.contains("mcp") { "" } else { "no" };
        assert_eq!(failed.as_deref(), Some(words), "{bad}");
    }
}

#[test]
fn a_turn_that_stopped_early_is_not_done() {
    for (dialect, line, words) in [
        (
            Dialect::Opencode,
            r#"{"type":"step_finish","part":{"reason":"length"}}"#,
            "stopped early (length)",
        ),
        (
            Dialect::Opencode,
            r#"{"type":"error","error":{"name":"MessageAbortedError","data":{"message":"aborted"}}}"#,
            "interrupted from outside",
        ),
        (
            Dialect::Pi,
            r#"{"type":"message_end","message":{"role":"assistant","stopReason":"length"}}"#,
            "stopped early (length)",
        ),
        (
            Dialect::Pi,
            r#"{"type":"message_end","message":{"role":"assistant","stopReason":"aborted"}}"#,
            "interrupted from outside",
        ),
    ] {
        let told = report(dialect, &[line]);
        assert_eq!(told.class, ResultClass::Crashed, "{line}");
        assert!(told.message.contains(words), "{}", told.message);
    }
    let turns = r#"{"type":"result","status":"error","error":{"type":"FatalTurnLimitedError","message":"enough"}}"#;
    let told = report(Dialect::Gemini, &[turns]);
    assert_eq!(told.class, ResultClass::MaxTurns);
}

#[test]
fn what_kind_of_error_it_is_also_stands_beside_its_words() {
    for (dialect, line, class) in [
        (
            Dialect::Claude,
            r#"{"type":"result","is_error":true,"result":"no","api_error_status":401}"#,
            "auth",
        ),
        (
            Dialect::Claude,
            r#"{"type":"result","is_error":true,"result":"no","api_error":"authentication_failed"}"#,
            "auth",
        ),
        (
            Dialect::Qwen,
            r#"{"type":"result","is_error":true,"error":{"message":"401 bad key"}}"#,
            "auth",
        ),
        (
            Dialect::Gemini,
            r#"{"type":"result","status":"error","error":{"type":"FatalAuthenticationError","message":"no"}}"#,
            "auth",
        ),
        (
            Dialect::Opencode,
            r#"{"type":"error","error":{"name":"APIError","data":{"message":"no","statusCode":429}}}"#,
            "limited",
        ),
        (
            Dialect::Opencode,
            r#"{"type":"error","error":{"name":"ProviderAuthError","data":{"message":"no"}}}"#,
            "auth",
        ),
        (
            Dialect::Opencode,
            r#"{"type":"error","error":{"name":"APIError","data":{"message":"no","responseBody":"insufficient_quota"}}}"#,
            "refused",
        ),
        (
            Dialect::Claude,
            r#"{"type":"result","is_error":true,"result":"no","api_error_type":"authentication_error"}"#,
            "auth",
        ),
        (
            Dialect::Claude,
            r#"{"type":"result","is_error":true,"result":"no","terminal_reason":"prompt_too_long"}"#,
            "refused",
        ),
    ] {
        let told = report(dialect, &[line]);
        assert_eq!(told.class.as_str(), class, "{line}: {}", told.message);
    }
}

#[test]
fn a_message_that_comes_in_blocks_has_used_its_tokens_once() {
    let block = |id: &str, tokens: u32| {
        format!(
            r#"{{"type":"assistant","message":{{"id":"{id}","content":[],"usage":{{"input_tokens":{tokens},"output_tokens":{tokens}}}}}}}"#
        )
    };
    let (first, second) = (block("m1", 3), block("m2", 4));
    // Figures may come with a later block.
    let (unknown, third) = (block("m3", 0), block("m3", 5));
    let lines = [&*first, &*first, &*second, &*unknown, &*third, &*third];
    assert_eq!(report(Dialect::Claude, &lines).usage, used(12, 12, None));
}

#[test]
fn tokens_from_a_cache_were_sent_and_thoughts_were_written() {
    let claude = r#"{"type":"assistant","message":{"id":"m","content":[],"usage":
        {"input_tokens":1,"cache_read_input_tokens":2,"cache_creation_input_tokens":4,"output_tokens":8}}}"#
        .replace('\n', "");
    for (dialect, line, sent, written) in [
        (Dialect::Claude, &*claude, 7, 8),
        // Its figure holds them already.
        (Dialect::Qwen, &*claude, 1, 8),
        (
            Dialect::Opencode,
            r#"{"type":"step_finish","part":{"reason":"stop","tokens":{"input":1,"output":8,"reasoning":16,"cache":{"read":2,"write":4}}}}"#,
            7,
            24,
        ),
        (
            Dialect::Pi,
            r#"{"type":"message_end","message":{"role":"assistant","stopReason":"stop","usage":{"input":1,"cacheRead":2,"cacheWrite":4,"output":8}}}"#,
            7,
            8,
        ),
    ] {
        let usage = report(dialect, &[line]).usage;
        assert_eq!(usage, used(sent, written, None), "{dialect:?}");
    }
}

#[test]
fn what_was_used_since_the_last_result_is_added_up() {
    let result = r#"{"type":"result","is_error":false,"result":"x","model_usage_since_last_result":
        {"m1":{"inputTokens":1,"cacheReadInputTokens":2,"cacheCreationInputTokens":4,"outputTokens":3,"costUSD":0.5}}}"#
        .replace('\n', "");
    let usage = report(Dialect::Claude, &[&result, &result]).usage;
    assert_eq!(usage, used(14, 6, Some(1.0)));
}

#[test]
fn a_structured_answer_that_is_none_is_passed_over() {
    let line = r#"{"type":"result","is_error":false,"result":"x","structured_output":null}"#;
    assert_eq!(report(Dialect::Claude, &[line]).final_message, "x");
}

#[test]
fn every_window_of_the_provider_is_told_with_its_state() {
    let line = |status: &str| {
        format!(
            r#"{{"type":"rate_limit_event","rate_limit_info":{{"status":"{status}","resetsAt":20,"rateLimitType":"five_hour",
            "unifiedWindows":{{"five_hour":{{"utilization":0.75,"resetsAt":20}},"week":{{"utilization":0.5,"resetsAt":30,"status":"allowed"}}}}}}}}"#
        )
        .replace('\n', "")
    };
    for (status, rejected) in [("allowed", false), ("rejected", true)] {
        let limit = |window: &str, used: f64, sec: i64, rejected: bool| Event::Limit {
            window: window.to_owned(),
            used: Some(used),
            resets_at: Some(Time(sec * 1000)),
            rejected,
        };
        let (events, _) = said(Dialect::Claude, &[&line(status)]);
        assert_eq!(
            events,
            [
                limit("week", 0.5, 30, false),
                limit("five_hour", 0.75, 20, rejected)
            ]
        );
    }
}

#[test]
fn when_a_window_that_refused_nothing_starts_anew_is_no_end_of_a_limit() {
    let allowed = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"allowed","resetsAt":20,"rateLimitType":"five_hour"}}"#;
    let refused = allowed.replace("allowed", "rejected");
    let result = r#"{"type":"result","is_error":true,"result":"429 slow down, retry after 5s"}"#;
    let resets = |limit: &str| match report(Dialect::Claude, &[limit, result]).class {
        ResultClass::Limited { resets_at } => resets_at,
        other => panic!("{other:?}"),
    };
    assert_eq!(resets(&refused), Some(Time(20_000)));
    let told = resets(allowed).expect("it says when");
    assert!(told > CLOCK.now, "{told:?}");
}

#[test]
fn an_answer_that_calls_a_tool_is_not_the_end() {
    for reason in ["toolUse", "pending"] {
        let line = format!(
            r#"{{"type":"message_end","message":{{"role":"assistant","stopReason":"{reason}"}}}}"#
        );
        let told = report(Dialect::Pi, &[&line]);
        assert_eq!(told.class, ResultClass::Crashed, "{reason}");
        assert!(told.message.contains("without a result"), "{reason}");
    }
}

#[test]
fn figures_of_a_whole_call_replace_each_other() {
    let line =
        r#"{"type":"result","status":"success","stats":{"input_tokens":3,"output_tokens":4}}"#;
    let usage = report(Dialect::Gemini, &[line, line]).usage;
    assert_eq!(usage, used(3, 4, None));
}

#[test]
fn what_agents_do_and_wait_for_is_told_in_their_words() {
    let tool = |name: &str, summary: &str| Event::Tool {
        name: name.to_owned(),
        summary: summary.to_owned(),
    };
    let retry = |attempt: u32, delay_ms: u64, why: &str| Event::Retry {
        attempt,
        delay_ms,
        why: why.to_owned(),
        fault: Fault::Other,
    };
    for (dialect, line, told) in [
        (
            Dialect::Codex,
            r#"{"type":"error","message":"Reconnecting... 2/5 (it was gone)"}"#,
            retry(2, 0, "it was gone"),
        ),
        (
            Dialect::Pi,
            r#"{"type":"auto_retry_start","attempt":3,"delayMs":2000,"errorMessage":"it was gone"}"#,
            retry(3, 2000, "it was gone"),
        ),
        (
            Dialect::Codex,
            r#"{"type":"item.completed","item":{"type":"file_change","changes":[{"path":"a"},{"path":"b"}]}}"#,
            tool("edit", "a b"),
        ),
        (
            Dialect::Codex,
            r#"{"type":"item.started","item":{"type":"mcp_tool_call","server":"files","tool":"read"}}"#,
            tool("files.read", ""),
        ),
        (
            Dialect::Claude,
            r#"{"type":"assistant","message":{"content":[{"type":"server_tool_use","name":"web_search","input":{"query":"rust"}}]}}"#,
            tool("web_search", "rust"),
        ),
    ] {
        assert_eq!(said(dialect, &[line]).0, [told], "{line}");
    }
}

#[test]
fn lines_that_say_nothing_are_understood_and_others_are_kept_short() {
    for (dialect, line) in [
        (Dialect::Codex, r#"{"type":"item.updated","item":{}}"#),
        (Dialect::Codex, r#"{"type":"turn.started"}"#),
        (Dialect::Claude, r#"{"type":"keep_alive"}"#),
        (
            Dialect::Claude,
            r#"{"type":"assistant","message":{"content":[{"type":"thinking","thinking":""}]}}"#,
        ),
        (Dialect::Pi, r#"{"type":"queue_update"}"#),
        (Dialect::Opencode, r#"{"type":"step_start"}"#),
        (Dialect::Gemini, "  "),
    ] {
        assert_eq!(said(dialect, &[line, ""]).0, [], "{line}");
    }
    let noise = format!("what \t is {}", "this ".repeat(100));
    let (events, told) = said(Dialect::Codex, &[&noise]);
    assert_eq!(told.raw_lines, 1);
    let [Event::Raw { line }] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert!(line.starts_with("what is this this"), "{line}");
    assert!(line.ends_with('…') && line.chars().count() == 201, "{line}");
}

#[test]
fn a_model_that_stands_in_every_message_is_told_once() {
    let line = r#"{"type":"message_end","message":{"role":"assistant","model":"m1","stopReason":"toolUse"}}"#;
    let (events, _) = said(Dialect::Pi, &[line, line]);
    let models = events.iter().filter(|it| matches!(it, Event::Model { .. }));
    assert_eq!(models.count(), 1, "{events:?}");
}

#[test]
fn thoughts_and_other_peoples_words_are_no_last_message() {
    let mine = r#"{"type":"item.completed","item":{"type":"agent_message","text":"mine"}}"#;
    let thought = r#"{"type":"item.completed","item":{"type":"reasoning","text":"hm"}}"#;
    let told = report(Dialect::Codex, &[mine, thought]);
    assert_eq!(told.final_message, "mine");

    let message = |role: &str, text: &str| {
        format!(r#"{{"type":"message","role":"{role}","content":"{text}"}}"#)
    };
    // Whole messages are not joined.
    let (one, two) = (message("assistant", "one"), message("assistant", "two"));
    let asked = message("user", "do it");
    let told = report(Dialect::Gemini, &[&one, &two, &asked]);
    assert_eq!(told.final_message, "two");

    let end = |role: &str, text: &str| {
        format!(
            r#"{{"type":"message_end","message":{{"role":"{role}","content":[{{"type":"text","text":"{text}"}}],"stopReason":"stop"}}}}"#
        )
    };
    let (mine, theirs) = (end("assistant", "mine"), end("toolResult", "theirs"));
    let told = report(Dialect::Pi, &[&mine, &theirs]);
    assert_eq!(told.final_message, "mine");
    let thought = r#"{"type":"message_end","message":{"role":"assistant","content":[{"type":"thinking","thinking":"hm"}],"stopReason":"stop"}}"#;
    let told = report(Dialect::Pi, &[&mine, thought]);
    assert_eq!(told.final_message, "mine");

    let part =
        |kind: &str, text: &str| format!(r#"{{"type":"{kind}","part":{{"text":"{text}"}}}}"#);
    let (mine, thought) = (part("text", "mine"), part("reasoning", "hm"));
    let told = report(Dialect::Opencode, &[&mine, &thought]);
    assert_eq!(told.final_message, "mine");
}

#[test]
fn a_session_that_stands_in_every_line_is_told_once() {
    for (dialect, line) in [
        (
            Dialect::Opencode,
            r#"{"type":"step_start","sessionID":"s1"}"#,
        ),
        (
            Dialect::Claude,
            r#"{"type":"system","subtype":"init","session_id":"s1"}"#,
        ),
    ] {
        let (events, _) = said(dialect, &[line, line]);
        let session = Event::Session {
            id: "s1".to_owned(),
        };
        assert_eq!(events, [session], "{dialect:?}");
    }
}
