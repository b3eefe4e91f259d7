//! The ACL as it stands in a file: its keys, and the checks that go beyond single values. Every error names the
//! place; the rules that come out need no further check.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use zeroize::Zeroizing;

use crate::net::{ProxyUrl, Trust, Writer};
use crate::policy::Upstream;
use crate::policy::VerifySni;
use crate::policy::exceptions::Exceptions;
use crate::policy::glob::{Glob, GlobSet};
use crate::policy::interception::{self, Detail, FIELDS_MAX, Written};
use crate::policy::ports::Ports;
use crate::text::token::is_token;
use crate::yaml::{self, Line, Placed, Step, YamlError, given};

use super::intercepted::{Entry, Intercepted};
use super::limits::{self, RoleLimits};
use super::{Acl, Action, BUILT_IN_SOURCE, LIMITS, Rule};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Option<String>,
    services: Option<Vec<Placed<Service>>>,
    default: Option<Service>,
    global_allow_list: Option<GlobSet>,
    global_deny_list: Option<GlobSet>,
}

/// A service or the default rule, whose name means nothing.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with name, project and action")]
struct Service {
    name: Option<String>,
    project: Option<String>,
    action: Option<Action>,
    allowed_domains: Option<GlobSet>,
    allowed_external_proxies: Option<Vec<Placed<Glob>>>,
    mitm_domains: Option<Vec<MitmDomain>>,
    upstream_proxy: Option<String>,
    upstream_resolves: Option<bool>,
    insecure_skip_verify: Option<bool>,
    allow_private: Option<Vec<Placed<AllowPrivate>>>,
    limits: Option<limits::Written>,
    verify_sni: Option<VerifySni>,
    #[serde(default, deserialize_with = "given")]
    default_ports: Option<Ports>,
}

/// A range that its role may reach although it is private.
#[derive(serde::Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with cidr and, where not all are meant, ports"
)]
struct AllowPrivate {
    cidr: Option<String>,
    #[serde(default, deserialize_with = "given")]
    ports: Option<Ports>,
}

/// A host whose tunnels are intercepted, and what is done inside.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with domain")]
struct MitmDomain {
    domain: Placed<Glob>,
    add_headers: Option<Concealed<BTreeMap<String, String>>>,
    detailed_http_logs: Option<bool>,
    detailed_http_logs_full_headers: Option<Vec<String>>,
}

/// What may hold secrets: an error says where it stands and not what stands there.
struct Concealed<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Concealed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Concealed<T>, D::Error> {
        let read = T::deserialize(deserializer).map(Concealed);
        read.map_err(|_| {
            D::Error::custom("expected a mapping of header names to texts (what stands there is not shown)")
        })
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Action, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Action;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("open, report or enforce")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Action, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Word)
    }
}

/// The document, for errors that name the place in it, and what the operator forbade.
struct Check<'a> {
    document: &'a yaml::Document,
    disabled_actions: &'a [Action],
}

/// Reads and checks; see [`Acl::parse`].
pub(super) fn parse(text: &str, disabled_actions: &[Action]) -> Result<Acl, YamlError> {
    let document = yaml::parse(text, LIMITS)?;
    let file: File = document.read()?;
    let check = Check {
        document: &document,
        disabled_actions,
    };
    match file.version.as_deref() {
        Some("v1") => {}
        Some(other) => {
            let message = format!("unknown version '{other}'; accepted is v1");
            return Err(check.error(&[Step::Key("version")], &message));
        }
        None => return Err(check.error(&[], "`version` is missing; write `version: v1`")),
    }
    let Some(services) = file.services else {
        let message = "`services` is missing; it must be a list, `services: []` if there are none";
        return Err(check.error(&[Step::Key("services")], message));
    };
    let default = file.default.map(|rule| {
        check.rule(
            rule,
            check.default_line(),
            "the default rule",
            &[Step::Key("default")],
        )
    });
    let (rules, default) = (check.services(services)?, default.transpose()?);
    let has_limits = rules.values().chain(&default).any(|rule| rule.limits.is_some());
    Ok(Acl {
        sha256: Default::default(),
        source: BUILT_IN_SOURCE.into(),
        rules,
        default,
        has_limits,
        gone: HashMap::default(),
        global_allow_list: file.global_allow_list.unwrap_or_default(),
        global_deny_list: file.global_deny_list.unwrap_or_default(),
    })
}

impl Check<'_> {
    fn error(&self, path: &[Step<'_>], message: &str) -> YamlError {
        YamlError::new(self.document.locate(path), message)
    }

    /// Its mapping may begin a line later; people look for the key.
    fn default_line(&self) -> Line {
        let mut entries = self.document.entries();
        let default = entries.find(|(key, _)| key.text == "default");
        default.map_or(0, |(key, _)| key.at.line)
    }

    fn services(&self, services: Vec<Placed<Service>>) -> Result<HashMap<Box<str>, Rule>, YamlError> {
        let mut rules = HashMap::with_capacity(services.len());
        for (index, placed) in services.into_iter().enumerate() {
            let Placed {
                at,
                value: mut service,
            } = placed;
            let path = [Step::Key("services"), Step::Index(index)];
            let name = service.name.take().filter(|name| !name.is_empty());
            let Some(name) = name else {
                return Err(self.error(&path, "a service without `name`; the name is the role it is for"));
            };
            if rules.contains_key(name.as_str()) {
                let message = format!("a second service '{name}'; each name is accepted once");
                return Err(self.error(&[path[0], path[1], Step::Key("name")], &message));
            }
            let rule = self.rule(service, at.line, &format!("service '{name}'"), &path)?;
            rules.insert(name.into(), rule);
        }
        Ok(rules)
    }

    fn rule(&self, service: Service, line: Line, what: &str, path: &[Step<'_>]) -> Result<Rule, YamlError> {
        let at = |rest: &[Step<'_>], message: &str| self.error(&[path, rest].concat(), message);
        let Some(action) = service.action else {
            let message = format!("{what} has no action; accepted are open, report and enforce");
            return Err(at(&[Step::Key("action")], &message));
        };
        if self.disabled_actions.contains(&action) {
            let message =
                format!("{what} uses the action {action}, which --disable-acl-policy-action forbids");
            return Err(at(&[Step::Key("action")], &message));
        }
        let trust = self.trust(&service, what, path)?;
        let exceptions = self.exceptions(service.allow_private.unwrap_or_default(), what, path)?;
        let allowed_domains = service.allowed_domains.unwrap_or_default();
        let mut external_proxies = GlobSet::default();
        for Placed { at, value } in service.allowed_external_proxies.into_iter().flatten() {
            external_proxies.insert(value.into(), at.line);
        }
        let intercepted = self.intercepted(service.mitm_domains, &allowed_domains, what, path)?;
        let limits = self.limits(service.limits, path)?;
        let upstream = service.upstream_proxy.map(|url| upstream(&url)).transpose();
        let upstream = upstream.map_err(|reason| {
            at(
                &[Step::Key("upstream_proxy")],
                &format!("{what}: upstream_proxy {reason}"),
            )
        })?;
        Ok(Rule {
            line,
            project: service.project.unwrap_or_default().into(),
            action,
            default_ports: service.default_ports,
            allowed_domains,
            external_proxies,
            exceptions: (!exceptions.is_empty()).then(|| exceptions.into()),
            intercepted,
            trust,
            limits,
            upstream,
            upstream_resolves: service.upstream_resolves.unwrap_or_default(),
            verify_sni: service.verify_sni,
        })
    }

    /// What is asked of origins' certificates: where nothing is, whoever answers would get the headers that are added.
    fn trust(&self, service: &Service, what: &str, path: &[Step<'_>]) -> Result<Trust, YamlError> {
        if service.insecure_skip_verify != Some(true) {
            return Ok(Trust::Verified);
        }
        let mut domains = service.mitm_domains.iter().flatten();
        match domains.find(|entry| {
            entry
                .add_headers
                .as_ref()
                .is_some_and(|added| !added.0.is_empty())
        }) {
            None => Ok(Trust::Unverified),
            Some(entry) => {
                let message = format!(
                    "{what} has insecure_skip_verify, and add_headers for '{}', which whoever answers would get: \
                     remove one of the two",
                    entry.domain.value
                );
                let at = [path, &[Step::Key("insecure_skip_verify")]].concat();
                Err(self.error(&at, &message))
            }
        }
    }

    fn limits(
        &self,
        written: Option<limits::Written>,
        path: &[Step<'_>],
    ) -> Result<Option<RoleLimits>, YamlError> {
        let Some(written) = written else { return Ok(None) };
        let at = |key| [path, &[Step::Key("limits"), Step::Key(key)]].concat();
        let limits = written.limits(|key| self.document.locate(&at(key)).line);
        limits.map_err(|message| self.error(&at("burst"), &message))
    }
}

impl Check<'_> {
    fn intercepted(
        &self,
        domains: Option<Vec<MitmDomain>>,
        allowed_domains: &GlobSet,
        what: &str,
        path: &[Step<'_>],
    ) -> Result<Intercepted, YamlError> {
        let mut intercepted = Intercepted::default();
        for (index, domain) in domains.into_iter().flatten().enumerate() {
            let here = [path, &[Step::Key("mitm_domains"), Step::Index(index)]].concat();
            let glob = &domain.domain.value;
            if !allowed_domains.has_glob(glob.into()) {
                let message = format!(
                    "{what} has '{glob}' in mitm_domains but not in allowed_domains; list it in both"
                );
                return Err(self.error(&here, &message));
            }
            intercepted.add(self.entry(domain, &here)?);
        }
        Ok(intercepted)
    }

    fn entry(&self, domain: MitmDomain, here: &[Step<'_>]) -> Result<Entry, YamlError> {
        let at = |key| [here, &[Step::Key(key)]].concat();
        let headers = at("add_headers");
        let mut added: Vec<Written> = Vec::new();
        for (name, value) in domain
            .add_headers
            .into_iter()
            .flat_map(|Concealed(headers)| headers)
        {
            let place = [&headers[..], &[Step::Key(&name)]].concat();
            let value = Zeroizing::new(value);
            let at = self.document.locate(&place);
            let written = Written::parse(&name, &value, at).map_err(|why| YamlError::new(at, &why))?;
            if let Some(other) = added.iter().find(|other| other.is_same_field(&written)) {
                let message = format!(
                    "the header '{name}' is the same as '{}'; add it once",
                    other.name()
                );
                return Err(self.error(&place, &message));
            }
            added.push(written);
        }
        if added.len() > FIELDS_MAX {
            let message = format!("{} headers; accepted are {FIELDS_MAX} at most", added.len());
            return Err(self.error(&headers, &message));
        }
        let shown = domain.detailed_http_logs_full_headers.unwrap_or_default();
        if shown.iter().any(|name| !is_token(name.as_bytes())) {
            return Err(self.error(&at("detailed_http_logs_full_headers"), interception::NO_NAME));
        }
        Ok(Entry {
            glob: domain.domain.value,
            at: domain.domain.at,
            added,
            detail: domain
                .detailed_http_logs
                .unwrap_or_default()
                .then(|| Detail::showing(shown)),
        })
    }

    fn exceptions(
        &self,
        entries: Vec<Placed<AllowPrivate>>,
        what: &str,
        path: &[Step<'_>],
    ) -> Result<Exceptions, YamlError> {
        let mut exceptions = Exceptions::default();
        for (index, Placed { at, value }) in entries.into_iter().enumerate() {
            let AllowPrivate { cidr, ports } = value;
            let added = match cidr {
                Some(cidr) => exceptions.add(&cidr, ports, at.line),
                None => Err("an entry without `cidr`; write the range that may be reached".to_owned()),
            };
            added.map_err(|reason| {
                let rest = [Step::Key("allow_private"), Step::Index(index), Step::Key("cidr")];
                self.error(
                    &[path, &rest].concat(),
                    &format!("{what}, allow_private: {reason}"),
                )
            })?;
        }
        Ok(exceptions)
    }
}

/// A rule's own upstream; what is wrong with it is said without it, for it may hold a password.
fn upstream(url: &str) -> Result<Arc<Upstream>, &'static str> {
    let url = ProxyUrl::parse(url, Writer::Operator);
    let url =
        url.ok_or("is no URL of a proxy; accepted is http://[USER:PASSWORD@]HOST[:PORT], or https://")?;
    Ok(Arc::new(Upstream::new(url, Writer::Operator)))
}
