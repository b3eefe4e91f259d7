//! On which lines of its file an ACL's rules and entries stand: noted in passing, as the text is read. Knows the
//! names of the keys, not what they mean.

use arrayvec::ArrayVec;

use crate::policy::glob::{Glob, GlobSet, Line};
use crate::policy::yaml::{Level, Position, Step};

/// The lines of a document.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) services: Vec<RuleLines>,
    pub(super) default: RuleLines,
    pub(super) global_allow_list: Vec<Line>,
    pub(super) global_deny_list: Vec<Line>,
}

/// The lines of a rule.
#[derive(Default)]
pub(super) struct RuleLines {
    /// Where it begins.
    pub(super) rule: Line,
    pub(super) allowed_domains: Vec<Line>,
}

/// Steps to the deepest value that is noted.
const DEPTH: usize = 4;

impl Lines {
    /// Notes a value, if its line will be asked for.
    pub(super) fn note(&mut self, levels: &[Level], at: Position) {
        if levels.len() > DEPTH {
            return;
        }
        let way: ArrayVec<Step<'_>, DEPTH> = levels.iter().map(Level::step).collect();
        let line = line(at.line);
        match way.as_slice() {
            [Step::Key("services"), Step::Index(_)] => self.services.push(RuleLines {
                rule: line,
                allowed_domains: Vec::new(),
            }),
            [
                Step::Key("services"),
                Step::Index(_),
                Step::Key("allowed_domains"),
                Step::Index(_),
            ] => {
                if let Some(service) = self.services.last_mut() {
                    service.allowed_domains.push(line);
                }
            }
            // Its mapping may begin a line later; people look for the key.
            [Step::Key("default")] => {
                let key = levels.first().and_then(Level::key_line);
                self.default.rule = key.map_or(line, self::line);
            }
            [Step::Key("default"), Step::Key("allowed_domains"), Step::Index(_)] => {
                self.default.allowed_domains.push(line);
            }
            [Step::Key("global_allow_list"), Step::Index(_)] => self.global_allow_list.push(line),
            [Step::Key("global_deny_list"), Step::Index(_)] => self.global_deny_list.push(line),
            _ => {}
        }
    }
}

fn line(number: usize) -> Line {
    Line::try_from(number).unwrap_or(Line::MAX)
}

/// A list's globs with their lines. Every glob is in the set, whatever is known of lines.
pub(super) fn placed(globs: Option<Vec<Glob>>, lines: &[Line]) -> GlobSet {
    let lines = lines.iter().copied().chain(std::iter::repeat(0));
    globs.into_iter().flatten().zip(lines).collect()
}
