//! The document: committed, fresh, and complete.

use std::path::Path;

use agent_loop::api;
use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(&api::openapi()).expect("JSON")
}

#[test]
fn the_committed_document_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let fresh = api::openapi();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &fresh).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == fresh,
        "docs/openapi.json is stale; refresh it with UPDATE_DOCS=1"
    );
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    let references = text.split("\"$ref\":\"#").skip(1);
    let mut seen = 0;
    for reference in references.filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
        seen += 1;
    }
    assert!(seen > 20, "{seen} references");
}

#[test]
fn every_operation_says_what_an_error_looks_like_and_all_but_health_need_the_token() {
    let document = document();
    assert_eq!(document["security"][0]["token"], serde_json::json!([]));
    let paths = document["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 25, "{:?}", paths.keys());
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            let refusal =
                &operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(refusal, "#/components/schemas/ErrorBody", "{method} {path}");
            for (status, response) in operation["responses"].as_object().expect("responses") {
                let said = response["description"].as_str().unwrap_or_default();
                assert!(!said.is_empty(), "{method} {path} {status}");
            }
            let open = operation.get("security") == Some(&serde_json::json!([{}]));
            assert_eq!(open, path == "/health", "{method} {path}");
        }
    }
}
