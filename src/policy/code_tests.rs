//! The codes themselves; docs/denied.md is held to them by `tests/denied.rs`.

use super::*;

#[test]
fn a_code_is_short_lower_case_and_alone() {
    for code in Code::ALL {
        let text = code.as_str();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(text.bytes().all(plain) && text.len() <= 32, "{text}");
        assert!(
            !text.starts_with('-') && !text.ends_with('-') && !text.contains("--"),
            "{text}"
        );
        assert_eq!(
            Code::ALL.iter().filter(|other| other.as_str() == text).count(),
            1,
            "{text}"
        );
    }
}
