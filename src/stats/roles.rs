//! Which roles are counted apart: those that the ACL names, up to a bound, under names that fit into labels. All others are
//! one. Counts nothing.

use foldhash::HashMap;

use crate::policy::acl::Acl;
use crate::text::digits::HEXADECIMAL;

/// Rows at most, those of ACLs before among them.
pub(super) const ROWS_MAX: usize = 512;

/// Bytes of a name in a label.
const LABEL_BYTES_MAX: usize = 128;

/// What stands for every role that has no row of its own.
pub(super) const OTHER: &str = "other";

/// What a row's numbers are told under.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Labels {
    pub(super) role: Box<str>,
    pub(super) project: Box<str>,
    /// It is the ACL's default rule that speaks.
    pub(super) by_default: bool,
    /// The row that has what is told by role alone: the first with this role.
    pub(super) first: usize,
}

/// Which row is whose.
#[derive(Debug, Default)]
pub(super) struct Roles {
    rows: Vec<Labels>,
    /// Of the ACL in force, by the names that its services have.
    by_name: HashMap<Box<str>, usize>,
    missing: usize,
    other: usize,
}

impl Roles {
    /// With a row for each role of the ACL, and one each for whoever has none and for all others, behind the rows of these.
    pub(super) fn behind(&self, acl: Option<&Acl>) -> Roles {
        let by_default = acl.and_then(Acl::default_project).unwrap_or_default();
        let mut next = Roles {
            rows: self.rows.clone(),
            ..Roles::default()
        };
        next.missing = next.row("", by_default, true).unwrap_or(self.missing);
        next.other = next.row(OTHER, by_default, true).unwrap_or(self.other);
        for (role, project) in acl.into_iter().flat_map(Acl::projects) {
            let row = next.row(role, project, false).unwrap_or(next.other);
            next.by_name.insert(role.into(), row);
        }
        next
    }

    /// The row that is told under these; none where there are too many.
    fn row(&mut self, role: &str, project: &str, by_default: bool) -> Option<usize> {
        let (role, project) = (label(role), label(project));
        let is_it = |row: &Labels| row.role == role && row.project == project && row.by_default == by_default;
        let found = self.rows.iter().position(is_it);
        if found.is_some() || self.rows.len() >= ROWS_MAX {
            return found;
        }
        let new = self.rows.len();
        let first = self.rows.iter().position(|row| row.role == role);
        self.rows.push(Labels {
            role,
            project,
            by_default,
            first: first.unwrap_or(new),
        });
        Some(new)
    }

    /// The row of this role.
    pub(super) fn of(&self, role: Option<&str>) -> usize {
        match role {
            None => self.missing,
            Some(name) => self.by_name.get(name).copied().unwrap_or(self.other),
        }
    }

    /// What the rows are told under.
    pub(super) fn rows(&self) -> &[Labels] {
        &self.rows
    }
}

/// A name as the reference has it in labels: without what could be taken for more than that.
fn label(name: &str) -> Box<str> {
    let mut label = String::new();
    for character in name.chars() {
        if label.len() + character.len_utf8() > LABEL_BYTES_MAX {
            break;
        }
        let is_risky =
            character.is_control() || matches!(character, '|' | '@' | '#' | ':' | '"' | '{' | '}' | '\\');
        label.push(if is_risky { '_' } else { character });
    }
    label.into()
}

/// A digest as it is written.
pub(super) fn hexadecimal(digest: &[u8]) -> String {
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| HEXADECIMAL.get(usize::from(digit)))
        .map(|digit| char::from(*digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(services: &[(&str, &str)]) -> Acl {
        let mut text = String::from("version: v1\nservices:\n");
        for (name, project) in services {
            text.push_str(&format!(
                "- {{name: {name:?}, project: {project:?}, action: open}}\n"
            ));
        }
        text.push_str("default: {project: d, action: enforce}\n");
        Acl::parse(&text, &[]).unwrap()
    }

    #[test]
    fn a_role_of_the_acl_has_a_row_and_all_others_share_one() {
        let roles = Roles::default().behind(Some(&acl(&[("a", "p"), ("b|\n#", "q")])));
        let labels = |roles: &Roles, role: Option<&str>| {
            let row = &roles.rows()[roles.of(role)];
            (row.role.to_string(), row.project.to_string(), row.by_default)
        };
        assert_eq!(labels(&roles, Some("a")), ("a".into(), "p".into(), false));
        assert_eq!(labels(&roles, Some("b|\n#")), ("b___".into(), "q".into(), false));
        assert_eq!(
            labels(&roles, Some("stranger")),
            ("other".into(), "d".into(), true)
        );
        assert_eq!(labels(&roles, None), ("".into(), "d".into(), true));
        let row = roles.of(Some("a"));
        let roles = roles.behind(Some(&acl(&[("a", "p2")])));
        assert_eq!(labels(&roles, Some("a")), ("a".into(), "p2".into(), false));
        assert_eq!(roles.rows()[roles.of(Some("a"))].first, row);
        assert_eq!(labels(&roles, Some("b|\n#")), ("other".into(), "d".into(), true));
        let roles = roles.behind(None);
        assert_eq!(labels(&roles, Some("a")), ("other".into(), "".into(), true));
    }

    #[test]
    fn names_that_are_alike_in_a_label_share_a_row_and_rows_are_bounded() {
        let roles = Roles::default().behind(Some(&acl(&[("x:", "p"), ("x|", "p"), ("other", "p")])));
        assert_eq!(roles.of(Some("x:")), roles.of(Some("x|")));
        let own = &roles.rows()[roles.of(Some("other"))];
        assert_eq!(own.first, roles.of(Some("nobody")));
        let names: Vec<String> = (0..2 * ROWS_MAX).map(|n| format!("role-{n}")).collect();
        let services: Vec<_> = names.iter().map(|name| (name.as_str(), "p")).collect();
        let roles = roles.behind(Some(&acl(&services)));
        assert_eq!(roles.rows().len(), ROWS_MAX);
        assert_eq!(label(&"é".repeat(200)).len(), LABEL_BYTES_MAX);
    }
}
