//! The wire: misspelt keys are errors, absent values are null, and both vocabularies are understood.

use agent_loop::api::wire::{
    CreateRun, HeldRun, NameSource, NoBody, OutputCursor, ResumeRequest, Run, Status, stamp,
};
use agent_loop::core::time::Time;
use serde_json::{Value, json};

use super::fake;

#[test]
fn a_request_with_an_unknown_field_names_it() {
    let body = json!({ "spec_path": "s", "workspace_root": "/w", "merge_target": "x" });
    let error = serde_json::from_value::<CreateRun>(body).expect_err("unknown");
    assert!(error.to_string().contains("`merge_target`"), "{error}");
    assert!(serde_json::from_value::<ResumeRequest>(json!({ "acept": true })).is_err());
    assert!(serde_json::from_value::<NoBody>(json!({ "x": 1 })).is_err());
    assert!(serde_json::from_value::<NoBody>(json!({})).is_ok());
}

#[test]
fn a_run_reads_and_writes_as_the_same_document() {
    let document = fake::run("running", "RUNNING");
    let run: Run = serde_json::from_value(document.clone()).expect("a run");
    assert_eq!(run.status, Status::Running);
    assert_eq!(serde_json::to_value(&run).expect("JSON"), document);
}

#[test]
fn the_earlier_spelling_of_a_name_source_is_understood() {
    for text in ["haiku", "HAIKU"] {
        let source: NameSource = serde_json::from_value(json!(text)).expect("known");
        assert_eq!(source, NameSource::Haiku);
    }
}

#[test]
fn a_held_run_is_one_flat_object() {
    let document = json!({
        "run": fake::RUN, "name": "n", "state": "queued", "priority": 1, "workspace_root": "/w", "position": 1,
        "gates": [{ "gate": "g", "message": "m" }]
    });
    let held: HeldRun = serde_json::from_value(document.clone()).expect("held");
    assert_eq!(serde_json::to_value(&held).expect("JSON"), document);
}

#[test]
fn times_are_rfc_3339_in_utc_and_never_fail() {
    let text = |ms| serde_json::to_value(stamp(Time(ms))).expect("JSON");
    assert_eq!(text(0), json!("1970-01-01T00:00:00Z"));
    assert_eq!(text(1_763_632_800_123), json!("2025-11-20T10:00:00.123Z"));
    assert!(matches!(text(i64::MAX), Value::String(_)));
    assert!(matches!(text(i64::MIN), Value::String(_)));
}

#[test]
fn an_output_cursor_reads_as_it_was_written() {
    let text = format!("{}.3:17", fake::RUN);
    let cursor: OutputCursor = text.parse().expect("a cursor");
    assert_eq!(cursor.to_string(), text);
    assert_eq!(cursor.step().map(|(_, generation)| generation), Some(3));
    for bad in [
        "",
        "17",
        ":17",
        "x:1",
        &format!("{}:1", fake::RUN),
        &format!("{}.3:-1", fake::RUN),
    ] {
        assert!(bad.parse::<OutputCursor>().is_err(), "{bad}");
    }
}
