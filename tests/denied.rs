//! Holds docs/denied.md to the codes that answers and log lines have. What the rows say, a person must judge.
#![allow(clippy::expect_used, reason = "a test says what it expects by failing")]

use smokescreen::config::options::options;
use smokescreen::policy::Code;

/// A hint that names what is not there is worse than none.
#[test]
fn each_hint_names_options_that_exist() {
    for code in Code::ALL {
        let hint = code.hint();
        assert!(!hint.is_empty(), "{code}");
        for word in hint.split([' ', ',', ';', ':', '(', ')']) {
            if let Some(flag) = word.strip_prefix("--") {
                assert!(options().any(|row| row.flag == flag), "{code}: --{flag}");
            }
        }
    }
}

/// Both directions: a code without a row, and a row without a code.
#[test]
fn the_document_has_a_row_for_each_code_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/denied.md");
    let document = std::fs::read_to_string(path).expect("docs/denied.md");
    let rows: Vec<Vec<&str>> = document
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let documented: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(documented, codes);
    for row in rows {
        assert_eq!(row.len(), 4, "code, what happened, status, what to do: {row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        assert!(
            row[2].split(", ").all(|status| status.parse::<u16>().is_ok()),
            "{row:?}"
        );
    }
}
