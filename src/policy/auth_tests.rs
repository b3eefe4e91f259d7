//! Which `Proxy-Authorization` fields hold the password, and which only look like it.

use super::*;

const PASSWORD: &str = "s3cr3t-Pa55:word";

fn basic(user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> String {
    format!(
        "Basic {}",
        STANDARD.encode([user.as_ref(), b":", password.as_ref()].concat())
    )
}

fn accepts(field: impl AsRef<[u8]>) -> bool {
    Password::new(PASSWORD).unwrap().accepts(field.as_ref())
}

#[test]
fn any_user_name_will_do() {
    for user in ["anyname", "", "root", &"x".repeat(200), "üser"] {
        assert!(accepts(basic(user, PASSWORD)), "{user:?}");
    }
    assert!(accepts(basic(b"\xff\0", PASSWORD)));
}

#[test]
fn wrong_passwords_are_refused() {
    for wrong in [
        "wrong",
        &PASSWORD[..PASSWORD.len() - 1],
        &format!("{PASSWORD}x"),
        &PASSWORD.to_uppercase(),
        &format!(" {PASSWORD}"),
        &format!("{PASSWORD}\n"),
        &format!("{PASSWORD}\0"),
        &format!("\0{PASSWORD}"),
        &PASSWORD.replace(':', "%3A"),
        "",
        &"A".repeat(45_000),
    ] {
        assert!(!accepts(basic("user", wrong)), "{wrong:?}");
    }
    assert!(!accepts(basic("user", b"\xff\xfe")));
    assert!(!accepts(basic(PASSWORD, "")), "the password as the user name");
    assert!(
        !accepts(format!("Basic {}", STANDARD.encode("justtext"))),
        "no colon"
    );
    assert!(
        !accepts(format!("Basic {}", STANDARD.encode("s3cr3t-Pa55"))),
        "no colon"
    );
    assert!(!accepts(format!(
        "Basic {}",
        STANDARD.encode(STANDARD.encode(format!("u:{PASSWORD}")))
    )));
}

#[test]
fn a_password_without_a_colon_needs_the_colon_of_the_user() {
    let password = Password::new("plain").unwrap();
    assert!(password.accepts(format!("Basic {}", STANDARD.encode(":plain")).as_bytes()));
    assert!(!password.accepts(format!("Basic {}", STANDARD.encode("plain")).as_bytes()));
}

#[test]
fn other_schemes_and_no_scheme_are_refused() {
    let encoded = STANDARD.encode(format!("user:{PASSWORD}"));
    for field in [
        "",
        " ",
        "B",
        "Basic",
        "Basic ",
        "Basic  ",
        "Basic :",
        &encoded,
        &format!("Basic{encoded}"),
        &format!("Basic\t{encoded}"),
        &format!("Bearer {encoded}"),
        &format!("Basic={encoded}"),
        &format!("Basicx {encoded}"),
        &format!("Digest username=\"user\", response=\"{encoded}\""),
        &format!("Basic user:{PASSWORD}"),
    ] {
        assert!(!accepts(field), "{field:?}");
    }
}

#[test]
fn the_scheme_is_case_insensitive_and_blanks_around_are_no_content() {
    let encoded = STANDARD.encode(format!("user:{PASSWORD}"));
    for scheme in ["basic", "BASIC", "bAsIc"] {
        assert!(accepts(format!("{scheme} {encoded}")), "{scheme}");
    }
    assert!(accepts(format!(" \tBasic  {encoded} \t")));
}

#[test]
fn base64_is_read_strictly() {
    let password = Password::new("pw").unwrap();
    let accepts = |encoded: &str| password.accepts(format!("Basic {encoded}").as_bytes());
    assert_eq!(STANDARD.encode("u:pw"), "dTpwdw==");
    assert!(accepts("dTpwdw=="));
    for odd in [
        "dTpwdw",
        "dTpwdw=",
        "dTpwdw===",
        "dTpwdx==",
        "dTpwdw==$$$$",
        "dTpwdw==dTpwdw==",
        "dTp wdw==",
        "dTpwdw==,",
        "dTpw\ndw==",
        "dTpwdw==\0",
        "\"dTpwdw==\"",
        "!!!!not-base64!!!!",
        "=",
        "====",
    ] {
        assert!(!accepts(odd), "{odd:?}");
    }
    // Bytes that the URL-safe alphabet would spell `-_`.
    let password = Password::new(b"\xfb\xff\xfe".as_slice()).unwrap();
    assert!(password.accepts(b"Basic dXU6+//+"));
    assert!(!password.accepts(b"Basic dXU6-__-"));
}

#[test]
fn good_base64_followed_by_junk_is_refused() {
    let whole_groups = STANDARD.encode(format!("us:{PASSWORD}ab"));
    let password = Password::new(format!("{PASSWORD}ab")).unwrap();
    assert!(password.accepts(format!("Basic {whole_groups}").as_bytes()));
    assert!(!password.accepts(format!("Basic {whole_groups}$$$$").as_bytes()));
}

#[test]
fn odd_passwords_work() {
    for odd in [
        "a",
        "with space",
        ":",
        "::lead",
        "%41",
        "q\"uote",
        &"x".repeat(2000),
        "pässwörd-☃",
        " ",
    ] {
        let password = Password::new(odd).unwrap();
        assert!(password.accepts(basic("u", odd).as_bytes()), "{odd:?}");
        assert!(
            !password.accepts(basic("u", format!("{odd}y")).as_bytes()),
            "{odd:?}"
        );
        assert!(!password.accepts(basic("u", "").as_bytes()), "{odd:?}");
    }
    // The same letters in another encoding are another password.
    let password = Password::new("pässwörd").unwrap();
    assert!(!password.accepts(basic("u", b"p\xe4ssw\xf6rd").as_bytes()));
}

#[test]
fn an_empty_password_is_none() {
    assert!(Password::new("").is_none());
}

#[test]
fn debug_does_not_print_it() {
    let shown = format!("{:?}", Password::new(PASSWORD).unwrap());
    assert_eq!(shown, "Password(hidden)");
}
