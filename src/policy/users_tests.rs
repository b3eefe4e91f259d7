//! Whose credentials are, what that costs, and what is remembered of it. Costs are counted in hashes, not in time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const ALICE: &str = "$2b$04$Zc9v9PBeCo5gSOEKGMO2UOdrw1rTWJu894ve380B20MLd4RZZRH02";
const BOB: &str =
    "$argon2id$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$duSCB3tXEON31LDCBisRWS6NJcdjzOJXlS3vcW9A+Do";
const PASSWORD: &str = "s3cret: p%ss";

fn users() -> Users {
    Users::parse(format!("alice:{ALICE}\nbob:{BOB}\n").as_bytes(), [7; 32]).unwrap()
}

fn basic(user: &str, password: &str) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))).into()
}

impl Users {
    /// Whose these are, by the work.
    fn whose(&self, user: &str, password: &str) -> Option<String> {
        let whose = self.verify(&basic(user, password)).unwrap();
        whose.map(|name| name.to_string())
    }

    /// Whose hashes were computed since this was asked last.
    fn hashed(&self) -> Vec<usize> {
        std::mem::take(&mut *self.hashed.lock().unwrap())
    }
}

#[test]
fn a_user_is_verified_by_one_hash_and_then_remembered() {
    let users = users();
    for (place, name) in ["alice", "bob"].into_iter().enumerate() {
        let field = basic(name, PASSWORD);
        assert!(matches!(users.at_once(&field), AtOnce::Unknown(_)));
        assert_eq!(users.whose(name, PASSWORD).as_deref(), Some(name));
        assert_eq!(users.hashed(), [place]);
        assert_eq!(users.at_once(&field), AtOnce::Of(name.into()));
        // Whatever waited for a thread meanwhile is free too.
        assert_eq!(users.whose(name, PASSWORD).as_deref(), Some(name));
        assert!(users.hashed().is_empty());
    }
    assert!(users.may_name("bob") && !users.may_name("carol") && users.count() == 2);
}

#[test]
fn a_wrong_password_is_not_remembered_and_forgets_no_right_one() {
    let users = users();
    assert!(users.whose("alice", PASSWORD).is_some());
    users.hashed();
    for _ in 0..2 {
        assert_eq!(users.whose("alice", "wrong"), None);
        assert_eq!(users.hashed(), [0]);
    }
    assert_eq!(users.whose("bob", "wrong"), None);
    assert!(matches!(
        users.at_once(&basic("bob", "wrong")),
        AtOnce::Unknown(_)
    ));
    assert_eq!(
        users.at_once(&basic("alice", PASSWORD)),
        AtOnce::Of("alice".into())
    );
}

/// The time of an answer must not tell which names there are: not for one name, nor by how it is spread over many.
#[test]
fn a_name_that_nobody_has_costs_the_hash_of_a_user_always_the_same() {
    let users = users();
    let mut of_each = [0; 2];
    for n in 0..40 {
        let name = format!("nobody-{n}");
        for password in [PASSWORD, "wrong"] {
            let whose = users.whose(&name, password);
            assert_eq!(whose, None, "the stand-in's password opens nothing");
        }
        let hashed = users.hashed();
        assert!(hashed.len() == 2 && hashed[0] == hashed[1], "{hashed:?}");
        of_each[hashed[0]] += 1;
    }
    assert!(of_each[0] > 0 && of_each[1] > 0, "{of_each:?}");
    assert!(!users.claims(&basic("nobody-1", PASSWORD)) && users.claims(&basic("bob", "x")));
}

#[test]
fn what_can_be_nobodys_costs_no_hash_whatever_the_name() {
    let users = users();
    let passwords = [
        "a\0b".to_owned(),
        format!("{PASSWORD}\0"),
        "x".repeat(513),
        "x".repeat(50_000),
    ];
    for name in ["alice", "bob", "nobody", ""] {
        for password in &passwords {
            assert_eq!(users.at_once(&basic(name, password)), AtOnce::OfNobody);
            assert_eq!(users.whose(name, password), None);
        }
    }
    for field in [
        &b""[..],
        b"Basic",
        b"Bearer eDp5",
        b"Basic !!!",
        b"Basic YWxpY2U=",
    ] {
        assert_eq!(users.at_once(field), AtOnce::OfNobody);
        assert_eq!(users.verify(field), Ok(None));
        assert!(!users.claims(field));
    }
    assert!(users.hashed().is_empty());
    // Above bcrypt's 72 bytes a hash is computed all the same, for others hash such passwords.
    assert_eq!(users.whose("alice", &"x".repeat(73)), None);
    assert_eq!(users.hashed(), [0]);
}

#[test]
fn questions_about_one_name_have_one_number() {
    let users = users();
    let number = |name: &str, password: &str| match users.at_once(&basic(name, password)) {
        AtOnce::Unknown(number) => number,
        other => panic!("{other:?}"),
    };
    assert_eq!(number("alice", "a"), number("alice", "b"));
    assert_eq!(number("carol", "a"), number("carol", "b"));
    assert_ne!(number("alice", "a"), number("bob", "a"));
}

/// A digest is worth nothing without the key, and there is a new one with each reading.
#[test]
fn another_reading_remembers_nothing() {
    let (first, again) = (users(), users());
    assert!(first.whose("alice", PASSWORD).is_some());
    assert!(matches!(
        again.at_once(&basic("alice", PASSWORD)),
        AtOnce::Unknown(_)
    ));
    let digest = |key| {
        let users = Users::parse(format!("alice:{ALICE}").as_bytes(), key).unwrap();
        users.digest(b"alice", b"x")
    };
    assert_ne!(digest([1; 32]), digest([2; 32]));
    assert_ne!(first.digest(b"a", b"bc"), first.digest(b"ab", b"c"));
}

#[test]
fn no_hash_shows_in_debug_output() {
    assert_eq!(format!("{:?}", users()), "Users(2)");
}
