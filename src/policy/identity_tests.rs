//! Who is asking: every way to a role, alone and together with the others.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::policy::acl::{Acl, BUILT_IN};
use crate::policy::auth::Password;
use crate::policy::ranges::Rule;
use crate::policy::{PolicyParts, SourceRole, Unable};

use super::*;

const PASSWORD: &str = "s3cr3t-Pa55:word";

/// Knows one word at once, and another when asked.
struct Words;

impl Verify for Words {
    fn claims(&self, field: &[u8]) -> bool {
        field == basic("alice", PASSWORD).as_bytes()
    }

    fn at_once(&self, field: &[u8]) -> AtOnce {
        match field {
            b"known" => AtOnce::Of("alice".into()),
            b"nonsense" => AtOnce::OfNobody,
            _ => AtOnce::Unknown(7),
        }
    }

    fn verify(&self, field: &[u8]) -> Result<Option<Arc<str>>, Unable> {
        Ok((field == b"right").then(|| "alice".into()))
    }
}

/// Which ways there are to a role.
#[derive(Clone, Copy, Debug)]
struct Ways {
    password: bool,
    users: bool,
    sources: bool,
    allow_missing_role: bool,
}

impl Ways {
    const NONE: Ways = Ways {
        password: false,
        users: false,
        sources: false,
        allow_missing_role: false,
    };

    fn policy(self, acl: Option<&str>) -> Policy {
        let policy = Policy::new(PolicyParts {
            acl: acl.map(|text| Acl::parse(text, &[]).unwrap()),
            password: Password::new(if self.password { PASSWORD } else { "" }),
            allow_missing_role: self.allow_missing_role,
            ..PolicyParts::without_rules()
        });
        let ci = SourceRole {
            range: Rule::range("10.1.0.0/16").unwrap(),
            role: "ci".into(),
        };
        let sources = Sources::new(if self.sources {
            std::slice::from_ref(&ci)
        } else {
            &[]
        });
        let policy = policy.with_sources(sources);
        match self.users {
            true => policy.verified_by(Arc::new(Words)),
            false => policy,
        }
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn named(name: &str) -> Result<Role, Refused> {
    Ok(Role::Named(name.into()))
}

const NOWHERE: Asker<'static> = Asker {
    address: Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1))),
    certificate: None,
};

const CI: Asker<'static> = Asker {
    address: Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3))),
    certificate: None,
};

/// Who is asking; where the policy asks, it is answered.
#[track_caller]
fn who(policy: &Policy, given: Credentials<'_>, asker: Asker<'_>) -> Result<Role, Refused> {
    let mut verified = None;
    for _ in 0..2 {
        match policy.authenticate(given, verified.as_ref(), &asker) {
            Ok(role) => return Ok(role),
            Err(Unidentified::Refused(refused)) => return Err(refused),
            Err(Unidentified::Asks(question)) => verified = question.answer(),
        }
    }
    panic!("it asks again what was answered");
}

#[test]
fn a_password_alone() {
    let (right, wrong) = (basic("u", PASSWORD), basic("u", "wrong"));
    let given = [
        Credentials::Given(right.as_bytes()),
        Credentials::Given(wrong.as_bytes()),
        Credentials::Several,
        Credentials::Absent,
    ];
    let (authed, nobody) = (named(AUTHED), Ok(Role::Missing));
    let (wrong_ones, none, unasked) = (Err(Refused::Wrong), Err(Refused::Missing), Err(Refused::Unasked));
    for (password, allow_missing_role, expected) in [
        (true, false, [&authed, &wrong_ones, &wrong_ones, &none]),
        (true, true, [&authed, &wrong_ones, &wrong_ones, &nobody]),
        (false, true, [&nobody, &nobody, &nobody, &nobody]),
        (false, false, [&unasked, &unasked, &unasked, &unasked]),
    ] {
        let ways = Ways {
            password,
            allow_missing_role,
            ..Ways::NONE
        };
        // With an ACL and without: it must make no difference.
        for acl in [None, Some(BUILT_IN)] {
            let policy = ways.policy(acl);
            for (given, expected) in given.into_iter().zip(expected) {
                assert_eq!(who(&policy, given, NOWHERE), *expected, "{ways:?} {given:?}");
            }
        }
    }
}

#[test]
fn the_first_that_names_a_role_of_certificate_user_address_and_password() {
    let certificate: Arc<str> = "cert".into();
    let password = basic("u", PASSWORD);
    let all = Ways {
        password: true,
        users: true,
        sources: true,
        allow_missing_role: false,
    };
    let policy = all.policy(None);
    for (field, with_certificate, address, role) in [
        ("right", true, CI.address, "cert"),
        (&*password, true, CI.address, "cert"),
        ("right", false, CI.address, "alice"),
        ("known", false, CI.address, "alice"),
        ("right", false, NOWHERE.address, "alice"),
        (&*password, false, CI.address, "ci"),
        (&*password, false, NOWHERE.address, AUTHED),
    ] {
        let asker = Asker {
            address,
            certificate: with_certificate.then_some(&certificate),
        };
        let given = Credentials::Given(field.as_bytes());
        assert_eq!(who(&policy, given, asker), named(role), "{field} {asker:?}");
    }
}

/// Neither certificate nor address replaces them.
#[test]
fn where_credentials_are_asked_for_they_must_be_there_and_right() {
    let certificate: Arc<str> = "cert".into();
    let known = Asker {
        certificate: Some(&certificate),
        ..CI
    };
    for (password, users) in [(true, false), (false, true), (true, true)] {
        let ways = Ways {
            password,
            users,
            sources: true,
            allow_missing_role: false,
        };
        let lenient = Ways {
            allow_missing_role: true,
            ..ways
        };
        for (ways, absent, absent_from_nowhere) in [
            (ways, Err(Refused::Missing), Err(Refused::Missing)),
            (lenient, named("cert"), Ok(Role::Missing)),
        ] {
            let policy = ways.policy(None);
            assert_eq!(who(&policy, Credentials::Absent, known), absent, "{ways:?}");
            assert_eq!(
                who(&policy, Credentials::Absent, NOWHERE),
                absent_from_nowhere,
                "{ways:?}"
            );
            for given in [
                Credentials::Several,
                Credentials::Given(b"wrong"),
                Credentials::Given(b"nonsense"),
                Credentials::Given(b"Bearer eDp5"),
                Credentials::Given(b"Basic !!!"),
            ] {
                assert_eq!(
                    who(&policy, given, known),
                    Err(Refused::Wrong),
                    "{ways:?} {given:?}"
                );
            }
        }
    }
}

#[test]
fn with_neither_password_nor_users_certificate_or_address_identify_by_themselves() {
    let (certificate, empty): (Arc<str>, Arc<str>) = ("cert".into(), "".into());
    let with = |certificate| Asker {
        certificate: Some(certificate),
        ..NOWHERE
    };
    for (allow_missing_role, nobody) in [(false, Err(Refused::Unasked)), (true, Ok(Role::Missing))] {
        let policy = Ways {
            sources: true,
            allow_missing_role,
            ..Ways::NONE
        };
        let policy = policy.policy(None);
        for given in [
            Credentials::Absent,
            Credentials::Several,
            Credentials::Given(b"Basic eDp5"),
        ] {
            assert_eq!(who(&policy, given, CI), named("ci"));
            assert_eq!(who(&policy, given, with(&certificate)), named("cert"));
            assert_eq!(who(&policy, given, NOWHERE), nobody);
            // One without the wanted name.
            assert_eq!(who(&policy, given, with(&empty)), nobody);
        }
        let known = |asker| policy.recognises(&asker);
        assert!(known(CI) && known(with(&certificate)) && !known(NOWHERE) && !known(with(&empty)));
    }
}

/// A name of the users file has no other password; another one may give the proxy's.
#[test]
fn the_password_counts_for_names_that_are_no_users() {
    let ways = Ways {
        password: true,
        users: true,
        ..Ways::NONE
    };
    let policy = ways.policy(None);
    let (other, user) = (basic("bob", PASSWORD), basic("alice", PASSWORD));
    let authenticate =
        |field: &str, verified| policy.authenticate(Credentials::Given(field.as_bytes()), verified, &NOWHERE);
    assert!(authenticate(&other, None).is_ok_and(|role| role == Role::Named(AUTHED.into())));
    assert!(matches!(authenticate(&user, None), Err(Unidentified::Asks(_))));
    assert_eq!(
        who(&policy, Credentials::Given(user.as_bytes()), NOWHERE),
        Err(Refused::Wrong)
    );
}

#[test]
fn what_takes_long_to_compare_is_asked_about_once_and_only_that() {
    for password in [false, true] {
        let ways = Ways {
            password,
            users: true,
            ..Ways::NONE
        };
        let policy = ways.policy(None);
        for policy in [&policy, &policy.renewed(None, None)] {
            for (field, expected) in [("right", named("alice")), ("wrong", Err(Refused::Wrong))] {
                let given = Credentials::Given(field.as_bytes());
                let Err(Unidentified::Asks(question)) = policy.authenticate(given, None, &NOWHERE) else {
                    panic!("{field} is not asked about");
                };
                assert!(!format!("{question:?}").contains(field) && question.subject() == 7);
                let verified = question.answer().unwrap();
                let answered = policy.authenticate(given, Some(&verified), &NOWHERE);
                assert_eq!(answered.ok(), expected.ok(), "{field}");
                // What another said is no answer.
                let other = policy.clone().verified_by(Arc::new(Words));
                let asked = other.authenticate(given, Some(&verified), &NOWHERE);
                assert!(matches!(asked, Err(Unidentified::Asks(_))));
            }
            for (given, refused) in [
                (Credentials::Several, Refused::Wrong),
                (Credentials::Absent, Refused::Missing),
                (Credentials::Given(b"nonsense"), Refused::Wrong),
            ] {
                let asked = policy.authenticate(given, None, &NOWHERE);
                assert!(
                    matches!(asked, Err(Unidentified::Refused(why)) if why == refused),
                    "{given:?}"
                );
            }
        }
    }
}

#[test]
fn which_roles_there_may_be() {
    let all = Ways {
        password: true,
        sources: true,
        ..Ways::NONE
    };
    let policy = all.policy(None);
    assert!(policy.may_name(AUTHED) && policy.may_name("ci") && !policy.may_name("other"));
    let policy = Ways::NONE.policy(None);
    assert!(!policy.may_name(AUTHED) && !policy.may_name("ci"));
}
