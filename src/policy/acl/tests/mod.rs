//! What an ACL allows and denies, in which words, and which files are no ACL. Here is what all parts ask with. Globs
//! alone are in `glob_tests`; ports, limits and differences have tests beside their sources.

mod documents;
mod grounds;
mod intercepted;
mod rules;

use crate::net::{Scheme, Target};

use super::*;

fn target(host: &str) -> Target {
    Target::parse(host.as_bytes(), Some(443)).unwrap()
}

fn acl(text: &str) -> Acl {
    Acl::parse(text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// One service `authed` with these further keys, then whatever `rest` says.
fn one(keys: &str, rest: &str) -> Acl {
    acl(&format!(
        "version: v1\nservices:\n- {{name: authed, project: users, {keys}}}\n{rest}\n"
    ))
}

fn named(name: &str) -> Role {
    Role::Named(name.into())
}

/// Of a plain request, and of a CONNECT.
const PLAIN: Option<Scheme> = Some(Scheme::Http);
const TUNNEL: Option<Scheme> = None;

fn ask(scheme: Option<Scheme>) -> Ask<'static> {
    Ask {
        scheme,
        external_proxy: None,
        is_inside: false,
    }
}

#[track_caller]
pub(in crate::policy) fn bad(text: &str, words: &[&str]) {
    bad_with(text, &[], words);
}

#[track_caller]
fn bad_with(text: &str, disabled: &[Action], words: &[&str]) {
    let error = Acl::parse(text, disabled).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
    assert!(
        error.starts_with("line ") && error.lines().count() == 1,
        "{error}"
    );
}

pub(super) const HEAD: &str = "version: v1\nservices:\n";

/// Reasons of decisions, as the log has them.
pub(super) const IN_RULE: &str = "host matched allowed domain in rule";
pub(super) const IN_DENY: &str = "host matched rule in global deny list";
pub(super) const IN_ALLOW: &str = "host matched rule in global allow list";
pub(super) const ENFORCED: &str = "rule has enforce policy";
const REPORTED: &str = "rule has allow and report policy";
pub(super) const OPEN: &str = "rule has open enforcement policy";
pub(super) const DEFAULT: &str = "default rule policy used";
const NO_RULE: &str = "no rule matched";
