use super::*;

/// The value of a field that is written so, where variables hold `v` and their name, and files what is in `file`.
fn value_with(written: &str, file: &[u8]) -> Result<Vec<u8>, String> {
    let read = |secret: Secret<'_>| match secret {
        Secret::Variable("UNSET") => Err("it is not set".to_owned()),
        Secret::Variable(name) => Ok(Zeroizing::new(format!("v{name}").into_bytes())),
        Secret::File(_) => Ok(Zeroizing::new(file.to_vec())),
    };
    let written = [Written::parse("X-Key", written, Position::START)?];
    let interception = Interception::new(&written, None, &read).map_err(|error| error.message)?;
    let (name, value) = interception.added().next().unwrap();
    assert_eq!(name, "X-Key");
    Ok(value.to_vec())
}

fn value(written: &str) -> String {
    String::from_utf8(value_with(written, b"in the file\r\n").unwrap()).unwrap()
}

#[test]
fn values_are_put_together_from_text_variables_and_files() {
    for (written, sent) in [
        ("plain", "plain"),
        ("", ""),
        ("Bearer ${env:TOKEN}", "Bearer vTOKEN"),
        ("${file:/run/key}", "in the file"),
        ("a${env:B}c${file:d}${env:E}f", "avBcin the filevEf"),
        ("$5 and {x} and $", "$5 and {x} and $"),
        ("${file:/a:b}", "in the file"),
    ] {
        assert_eq!(value(written), sent, "{written}");
    }
}

#[test]
fn what_only_looks_like_a_secret_is_refused_and_no_value_is_told() {
    for written in [
        "s3cret ${ENV:A}",
        "s3cret ${env:}",
        "s3cret ${file:}",
        "s3cret ${A}",
        "s3cret ${env:A",
        "s3cret ${env:A=B}",
        "s3cret ${}",
        "s3cret ${env:A} ${",
    ] {
        let error = value_with(written, b"x").unwrap_err();
        assert!(
            error.contains("'X-Key'") && error.contains("${env:NAME}"),
            "{error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn what_is_read_must_be_one_line_and_something() {
    for (file, words) in [
        (&b""[..], "nothing"),
        (b"\n", "nothing"),
        (b"s3cret\nB: c", "control character"),
        (b"s3cret\r", "control character"),
        (b"s3cret\n\n", "control character"),
        (b"s3cret\0", "control character"),
        (&[b'x'; VALUE_BYTES_MAX + 1], "longer than"),
    ] {
        let outcome = value_with("Bearer ${file:/k}", file);
        if file == b"s3cret\r" {
            assert_eq!(outcome.unwrap(), b"Bearer s3cret");
            continue;
        }
        let error = outcome.unwrap_err();
        assert!(error.contains(words) && error.contains("'X-Key'"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    let error = value_with("${env:UNSET}", b"").unwrap_err();
    assert_eq!(error, "the header 'X-Key': ${env:UNSET}: it is not set");
    // Latin-1 and UTF-8 are the origin's affair.
    assert_eq!(value_with("${file:k}", b"\xe9\n").unwrap(), b"\xe9");
}

#[test]
fn names_that_frame_route_or_concern_one_hop_are_never_added() {
    for name in [
        "Connection",
        "Content-Length",
        "content_length",
        "Transfer-Encoding",
        "TE",
        "Trailer",
        "Upgrade",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Proxy",
        "Host",
        "Expect",
        "X-Smokescreen-Role",
        "HTTP2-Settings",
    ] {
        let error = Written::parse(name, "v", Position::START).unwrap_err();
        assert!(error.contains(&format!("'{name}' can't be added")), "{error}");
    }
    for name in ["Authorization", "X-Proxy-Key", "Cookie", "X-Host"] {
        assert!(Written::parse(name, "v", Position::START).is_ok(), "{name}");
    }
    for name in ["", "a b", "a:", "é", "a\n"] {
        assert!(
            Written::parse(name, "v", Position::START)
                .unwrap_err()
                .contains("no header name")
        );
    }
}

#[test]
fn a_clients_field_is_in_the_way_however_it_is_spelled() {
    let written = [Written::parse("X-Api-Key", "k", Position::START).unwrap()];
    let interception = Interception::new(&written, None, &|_| Err(String::new())).unwrap();
    for name in ["X-Api-Key", "x-api-key", "X_API_KEY", "x-Api_key"] {
        assert!(interception.replaces(name), "{name}");
    }
    for name in ["X-Api-Keys", "X-ApiKey", "Api-Key"] {
        assert!(!interception.replaces(name), "{name}");
    }
}

#[test]
fn nothing_shows_a_value() {
    let written = [Written::parse("X-Api-Key", "s3cret", Position::START).unwrap()];
    let detail = Detail::showing(vec!["User-Agent".into()]);
    let interception = Interception::new(&written, Some(detail), &|_| Err(String::new())).unwrap();
    let shown = format!("{interception:?} {written:?}");
    assert!(
        shown.contains("X-Api-Key") && !shown.contains("s3cret"),
        "{shown}"
    );
    let detail = interception.detail().unwrap();
    assert!(detail.shows("user-agent") && !detail.shows("Authorization"));
}
