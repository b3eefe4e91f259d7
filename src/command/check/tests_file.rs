//! The file of `check --tests`: URLs and what is expected of them. Read strictly: a test that is not understood would pass
//! for ever.

use std::fs::File;
use std::path::Path;

use serde::Deserialize;

use crate::io::regular_file;
use crate::policy::{Code, Role};
use crate::yaml::{self, Limits, Placed};

use super::question::Question;
use super::verdict::{Outcome, Verdict};

/// How much of a file is taken on.
const LIMITS: Limits = Limits {
    bytes_max: 4 << 20,
    depth_max: 4,
    nodes_max: 1 << 20,
};

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allow,
    Deny,
}

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with url and expect, and where wanted role and code"
)]
struct Entry {
    url: String,
    role: Option<String>,
    expect: Expected,
    code: Option<String>,
}

/// An entry, and where it stands.
pub(super) struct Written {
    place: String,
    entry: Entry,
}

/// A test.
pub(super) struct Case {
    pub(super) question: Question,
    place: String,
    expected: Expected,
    code: Option<Code>,
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Vec<Written>, String> {
    let file = path.display();
    let refused = |why: &dyn std::fmt::Display| format!("{file}: {why}");
    let bytes = File::open(path)
        .and_then(|opened| regular_file::read(opened, LIMITS.bytes_max + 1))
        .map_err(|error| refused(&error))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| refused(&"it is no UTF-8 text"))?;
    let document = yaml::parse_list(text, LIMITS).map_err(|error| refused(&error))?;
    let entries: Vec<Placed<Entry>> = document.read().map_err(|error| refused(&error))?;
    let written = entries.into_iter().map(|Placed { at, value }| Written {
        place: format!("{file}:{}", at.line),
        entry: value,
    });
    Ok(written.collect())
}

impl Written {
    /// The test that it is; `role` says who asks where the entry does not.
    pub(super) fn by(self, role: impl FnOnce() -> Result<Role, String>) -> Result<Case, String> {
        let Written { place, entry } = self;
        let refused = |why: String| format!("{place}: {why}");
        let code = entry.code.as_deref().map(|text| {
            let code = Code::ALL.iter().find(|code| code.as_str() == text).copied();
            code.ok_or_else(|| {
                refused(format!(
                    "'{}' is no code; docs/denied.md lists them",
                    text.escape_debug()
                ))
            })
        });
        let code = code.transpose()?;
        if code.is_some() && entry.expect == Expected::Allow {
            return Err(refused("what is allowed has no code; leave it out".to_owned()));
        }
        let role = match entry.role {
            Some(name) if name.is_empty() => return Err(refused("the role is empty".to_owned())),
            Some(name) => Role::Named(name.into()),
            None => role().map_err(refused)?,
        };
        Ok(Case {
            question: Question::parse(&entry.url, role).map_err(refused)?,
            expected: entry.expect,
            code,
            place,
        })
    }
}

impl Case {
    /// A line that says how the verdict differs from what is expected, if it does. A name that can't be resolved is neither
    /// allowed nor denied, unless its code is what is expected.
    pub(super) fn failure(&self, verdict: &Verdict) -> Option<String> {
        let code = verdict.code();
        let passes = match (self.expected, self.code) {
            (Expected::Allow, _) => verdict.outcome == Outcome::Allow,
            (Expected::Deny, None) => verdict.outcome == Outcome::Deny,
            (Expected::Deny, wanted) => code == wanted,
        };
        if passes {
            return None;
        }
        let expected = match (self.expected, self.code) {
            (Expected::Allow, _) => "allow".to_owned(),
            (Expected::Deny, None) => "deny".to_owned(),
            (Expected::Deny, Some(code)) => format!("deny ({code})"),
        };
        let found = match (verdict.outcome, code) {
            (Outcome::Allow, _) | (_, None) => "allow".to_owned(),
            (Outcome::Deny, Some(code)) => format!("deny ({code})"),
            (Outcome::Unresolved, Some(code)) => format!("unresolved ({code})"),
        };
        let role = match &self.question.role {
            Role::Named(name) => format!("role {}", name.escape_debug()),
            Role::Missing => "no role".to_owned(),
        };
        let rule = match &*verdict.explanation.grounds.rule {
            "" => String::new(),
            rule => format!(", {rule}"),
        };
        let (place, url, reason) = (&self.place, &self.question.url, verdict.reason());
        Some(format!(
            "{place}: {url} ({role}): expected {expected}, found {found}: {reason}{rule}\n"
        ))
    }
}
