//! All numbers in Prometheus' text format 0.0.4, a part at a time. Names and meanings are `families`'.

use std::io::Write as _;

use crate::policy::Code;

use super::counts::Counts;
use super::families::{FAMILIES, Family, Source};
use super::histogram::Histogram;
use super::part::Part;
use super::{PolicyFacts, Standing};

/// Names and values, which need no escaping.
type Labels<'l> = &'l [(&'l str, &'l str)];

/// Writes the part that begins there; gives where the next does.
pub(super) fn write(
    counts: &Counts,
    policy: &PolicyFacts,
    standing: &Standing,
    start: u64,
    part: Part<'_>,
) -> Option<u64> {
    let bytes_max = part.bytes_max();
    let (mut family_at, mut row) = (start >> 32, start & u64::from(u32::MAX));
    let families = usize::try_from(family_at).ok()?;
    for family in FAMILIES.get(families..)? {
        let mut sheet = Sheet {
            name: family.prometheus_name(),
            out: &mut *part.out,
        };
        if row == 0 {
            sheet.head(family);
        }
        while usize::try_from(row).is_ok_and(|row| sheet.row(family, row, counts, policy, standing)) {
            row += 1;
            if sheet.out.len() >= bytes_max {
                return Some(family_at << 32 | row);
            }
        }
        (family_at, row) = (family_at + 1, 0);
    }
    None
}

/// The lines of one family.
struct Sheet<'a> {
    name: String,
    out: &'a mut Vec<u8>,
}

impl Sheet<'_> {
    fn head(&mut self, family: &Family) {
        let (name, kind) = (&self.name, family.prometheus_kind());
        let _ = writeln!(self.out, "# HELP {name} {}", family.help);
        let _ = writeln!(self.out, "# TYPE {name} {kind}");
    }

    /// Writes what there is of this row; false behind the last.
    fn row(
        &mut self,
        family: &Family,
        row: usize,
        counts: &Counts,
        policy: &PolicyFacts,
        standing: &Standing,
    ) -> bool {
        let rows = match family.source {
            Source::Row(_) | Source::RowHistogram(_) | Source::Refusals => counts.rows.len(),
            _ => 1,
        };
        if row >= rows {
            return false;
        }
        match family.source {
            Source::Singles(singles) => {
                for (value, single) in singles {
                    let label = family.labels.first().map(|name| (*name, *value));
                    self.sample("", label.as_slice(), counts.single(*single));
                }
            }
            Source::Timing(timing) => {
                if let Some(histogram) = counts.timing(timing) {
                    self.histogram(&[], histogram);
                }
            }
            Source::Row(_) | Source::RowHistogram(_) | Source::Refusals => self.of_role(family, row, counts),
            Source::Standing(read) => self.sample("", &[], read(standing)),
            Source::DroppedLines => self.sample("", &[], standing.log_lines_dropped),
            Source::Generation => self.sample("", &[], policy.generation),
            Source::Policy => self.sample("", &[("sha256", &policy.sha256)], 1),
        }
        true
    }

    /// What nothing was counted of is not told: most roles have never used most of what there is.
    fn of_role(&mut self, family: &Family, row: usize, counts: &Counts) {
        let (Some(labels), Some(row)) = (counts.roles.rows().get(row), counts.rows.get(row)) else {
            return;
        };
        let by_default = match labels.by_default {
            true => "true",
            false => "false",
        };
        let all = [
            ("role", &*labels.role),
            ("project", &*labels.project),
            ("def_rule", by_default),
        ];
        let named = all.get(..family.labels.len()).unwrap_or_default();
        match family.source {
            Source::Row(read) if read(row) > 0 => self.sample("", named, read(row)),
            Source::RowHistogram(read) if read(row).count() > 0 => self.histogram(named, read(row)),
            Source::Refusals => {
                let counted = Code::ALL
                    .iter()
                    .zip(&row.refusals)
                    .filter(|(_, count)| **count > 0);
                for (code, count) in counted {
                    self.sample("", &[("code", code.as_str()), ("role", &labels.role)], *count);
                }
            }
            _ => {}
        }
    }

    fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        for (bound, count) in histogram.cumulative() {
            self.bucket(labels, &bound.to_string(), count);
        }
        self.bucket(labels, "+Inf", histogram.count());
        self.begin("_sum", labels, None);
        let _ = writeln!(self.out, " {}", histogram.sum());
        self.sample("_count", labels, histogram.count());
    }

    fn bucket(&mut self, labels: Labels<'_>, bound: &str, count: u64) {
        self.begin("_bucket", labels, Some(bound));
        let _ = writeln!(self.out, " {count}");
    }

    fn sample(&mut self, suffix: &str, labels: Labels<'_>, value: u64) {
        self.begin(suffix, labels, None);
        let _ = writeln!(self.out, " {value}");
    }

    /// The name with its labels, whose values hold nothing that would have to be escaped (`roles`).
    fn begin(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>) {
        let _ = write!(self.out, "{}{suffix}", self.name);
        let bound = bound.map(|bound| ("le", bound));
        let mut separator = "{";
        for (name, value) in labels.iter().copied().chain(bound) {
            let _ = write!(self.out, "{separator}{name}=\"{value}\"");
            separator = ",";
        }
        if separator == "," {
            self.out.push(b'}');
        }
    }
}
