//! The limits of roles: how they are written, and whose they are. How they are counted is `quota`'s business.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::policy::quota::{BYTES_PER_DAY_MAX, Limit, Limits, Quota, Rate};
use crate::policy::{Grounds, Role};
use crate::yaml::{Line, given};

use super::{Acl, Rule};

/// Highest number of requests in a second: beyond it the limit means nothing.
const RATE_MAX: f64 = 1e9;

/// Of so many rules that are gone it is known what was taken.
const GONE_MAX: usize = 1024;

/// As a rule's `limits` are written.
#[derive(serde::Deserialize, Default)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with tunnels, requests, rate, burst and bytes_per_day"
)]
pub(super) struct Written {
    #[serde(default, deserialize_with = "given")]
    tunnels: Option<Count<{ u32::MAX as u64 }>>,
    #[serde(default, deserialize_with = "given")]
    requests: Option<Count<{ u32::MAX as u64 }>>,
    #[serde(default, deserialize_with = "given")]
    rate: Option<PerSecond>,
    #[serde(default, deserialize_with = "given")]
    burst: Option<Count<{ u32::MAX as u64 }>>,
    #[serde(default, deserialize_with = "given")]
    bytes_per_day: Option<Count<BYTES_PER_DAY_MAX>>,
}

/// A whole number from 1 to `MAX`.
#[derive(Clone, Copy)]
struct Count<const MAX: u64>(u64);

/// A number from 1 that may have a fraction.
#[derive(Clone, Copy)]
struct PerSecond(f64);

impl<'de, const MAX: u64> Deserialize<'de> for Count<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Count<MAX>, D::Error> {
        struct Whole<const MAX: u64>;
        impl<const MAX: u64> Visitor<'_> for Whole<MAX> {
            type Value = Count<MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 1 to {MAX}")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Count<MAX>, E> {
                match (1..=MAX).contains(&number) {
                    true => Ok(Count(number)),
                    false => Err(E::invalid_value(serde::de::Unexpected::Unsigned(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(Whole)
    }
}

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PerSecond, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = PerSecond;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from 1 to {RATE_MAX}")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<PerSecond, E> {
                #[expect(clippy::cast_precision_loss, reason = "those that are accepted are exact")]
                self.visit_f64(number as f64)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<PerSecond, E> {
                match (1.0..=RATE_MAX).contains(&number) {
                    true => Ok(PerSecond(number)),
                    false => Err(E::invalid_value(serde::de::Unexpected::Float(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// A rule's limits, and on which lines they stand. All roles that the rule is for share them.
#[derive(Clone, Debug)]
pub(super) struct RoleLimits {
    lines: Lines,
    quota: Quota,
}

/// On which line each number stands.
#[derive(Clone, Copy, Default, Debug)]
struct Lines {
    requests: Line,
    rate: Line,
    tunnels: Line,
    bytes_per_day: Line,
}

impl Written {
    /// The limits; none where there is no number. `line` finds the line of a key.
    ///
    /// # Errors
    /// A burst that is none: why.
    pub(super) fn limits(&self, line: impl Fn(&'static str) -> Line) -> Result<Option<RoleLimits>, String> {
        let rate = match (self.rate, self.burst) {
            (None, None) => None,
            (None, Some(_)) => return Err("`burst` needs `rate` beside it".to_owned()),
            (Some(PerSecond(rate)), Some(Count(burst))) if f64::from(narrow(burst)) <= rate => {
                return Err(format!("the burst {burst} must exceed the rate {rate}"));
            }
            (Some(PerSecond(rate)), burst) => Rate::new(rate, burst.map(|Count(burst)| narrow(burst))),
        };
        let limits = Limits {
            requests: self.requests.and_then(|Count(n)| NonZeroU32::new(narrow(n))),
            rate,
            tunnels: self.tunnels.and_then(|Count(n)| NonZeroU32::new(narrow(n))),
            bytes_per_day: self.bytes_per_day.and_then(|Count(n)| NonZeroU64::new(n)),
        };
        let lines = Lines {
            requests: line("requests"),
            rate: line("rate"),
            tunnels: line("tunnels"),
            bytes_per_day: line("bytes_per_day"),
        };
        Ok((!limits.are_none()).then(|| RoleLimits {
            lines,
            quota: Quota::new(limits),
        }))
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl RoleLimits {
    /// No number at all: what is taken is counted all the same.
    fn none() -> RoleLimits {
        RoleLimits {
            lines: Lines::default(),
            quota: Quota::new(Limits::default()),
        }
    }

    pub(super) fn numbers(&self) -> &Limits {
        self.quota.limits()
    }
}

impl Rule {
    fn quota(&self) -> Option<&Quota> {
        self.limits.as_ref().map(|limits| &limits.quota)
    }
}

impl Acl {
    /// The limits that hold for a role.
    pub(in crate::policy) fn quota_of(&self, role: &Role) -> Option<&Quota> {
        match self.has_limits {
            true => self.find(role)?.rule.quota(),
            false => None,
        }
    }

    /// All of them.
    pub(in crate::policy) fn quotas(&self) -> impl Iterator<Item = &Quota> {
        self.rules.values().chain(&self.default).filter_map(Rule::quota)
    }

    /// Where the number stands that a role exceeds.
    pub(in crate::policy) fn limit_grounds(&self, role: &Role, limit: Limit) -> Grounds {
        let Some(found) = self.find(role) else {
            return Grounds::default();
        };
        let lines = found.rule.limits.as_ref().map(|limits| limits.lines);
        let (key, line) = match limit {
            Limit::Rate => ("rate", lines.map(|lines| lines.rate)),
            Limit::Tunnels => ("tunnels", lines.map(|lines| lines.tunnels)),
            Limit::Bytes => ("bytes_per_day", lines.map(|lines| lines.bytes_per_day)),
            Limit::Requests | Limit::Connections => ("requests", lines.map(|lines| lines.requests)),
        };
        let whose = found.whose(role);
        Grounds {
            rule: self.place(line.unwrap_or_default()),
            hint: format!("a higher `{key}` in limits of {whose}").into(),
            ..Grounds::default()
        }
    }

    /// The same ACL over what is taken of the limits of the one `before`. Limits that are gone are lifted for those too who
    /// have permits of them; what is taken is kept, that of services that are gone too, in case they come back.
    #[must_use]
    pub(in crate::policy) fn after(mut self, before: &Acl) -> Acl {
        let rules = before.rules.iter().map(|(name, rule)| (Some(name), rule));
        let rules = rules.chain(before.default.iter().map(|rule| (None, rule)));
        for (name, quota) in rules.filter_map(|(name, rule)| Some((name, rule.quota()?))) {
            self.take_over(name.cloned(), quota);
        }
        for (name, quota) in &before.gone {
            self.take_over(name.clone(), quota);
        }
        let mut rules = self.rules.values().chain(&self.default);
        self.has_limits = rules.any(|rule| rule.limits.is_some());
        self
    }

    /// What is taken of the limits of the rule of this name.
    fn take_over(&mut self, name: Option<Box<str>>, before: &Quota) {
        let rule = match &name {
            Some(name) => self.rules.get_mut(name),
            None => self.default.as_mut(),
        };
        if let Some(rule) = rule {
            let limits = rule.limits.get_or_insert_with(RoleLimits::none);
            limits.quota = limits.quota.clone().after(before);
        } else if self.gone.len() < GONE_MAX {
            self.gone.insert(name, before.clone());
        }
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
