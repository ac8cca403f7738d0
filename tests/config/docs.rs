//! `docs/configuration.md` is the key table, as the code has it.

use std::path::Path;

use agent_loop::config::{KEYS, markdown};

#[test]
fn the_page_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/ can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/configuration.md is stale: run the suite with UPDATE_DOCS=1"
    );
}

#[test]
fn the_page_has_a_row_for_every_key() {
    let page = markdown();
    for key in KEYS {
        let row = format!("\n| `{}` |", key.name);
        assert_eq!(page.matches(&row).count(), 1, "{}", key.name);
    }
}
