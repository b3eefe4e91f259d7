//! The ACL as a client meets it: actions, globs, lists, default rule, normalised names, external proxies.

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::message::{connect, get, request};
use crate::support::origin::Origin;
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::{PUBLIC, PUBLIC_6};

cases![
    actions_decide_and_give_their_reasons,
    wildcards_match_any_depth_and_never_the_apex,
    the_default_rule_applies_to_unnamed_roles,
    no_rule_and_no_default_denies_everything,
    global_lists_have_their_places_in_the_order,
    cve_2022_24825_spellings_do_not_evade_the_deny_list,
    cve_2022_29188_bracketed_names_are_malformed,
    issue_264_unicode_spellings_are_the_same_name,
    cve_2025_66479_an_empty_list_allows_nothing,
    an_acl_never_overrides_address_rules,
    address_literals_are_hosts_like_any_other,
    a_denial_needs_no_lookup,
    the_additional_message_follows_every_text,
    another_deny_status_may_be_chosen,
    external_proxies_must_be_listed,
    the_builtin_acl_denies_private_names_and_reports_the_rest,
    an_action_may_be_disabled,
];

const NAMES: &[&str] = &[
    "example.com",
    "www.example.com",
    "a.b.example.com",
    "notexample.com",
    "example.com.evil.test",
    "other.test",
    "denied.test",
    "sub.denied.test",
    "allowed.test",
    "both.test",
    "xn--mnchen-3ya.test",
    "foo_bar.test",
    "1e100.test",
    "a-b.test",
    "db.internal",
    "app.flycast",
];

/// A name server on which every name has the public address, so that only the ACL can refuse it.
fn dns() -> Dns {
    NAMES
        .iter()
        .fold(Dns::start(), |dns, name| dns.name(name, &[PUBLIC]))
}

struct House {
    dns: Dns,
    proxy: Proxy,
    origin: Origin,
}

impl House {
    fn new(acl: &str) -> House {
        let dns = dns();
        let proxy = Setup::locked().resolver(&dns).acl(acl).start();
        House {
            dns,
            proxy,
            origin: Origin::fixed("in"),
        }
    }

    /// Status and text of a request to a host, in both ways; they must agree.
    #[track_caller]
    fn ask(&self, host: &str) -> (u16, String) {
        let line = basic("u", PASSWORD) + "\r\n";
        let plain = self
            .proxy
            .ask(request("GET", &self.origin.url_at(host, "/"), &line));
        let authority = format!("{host}:{}", self.origin.address().port());
        let before = self.origin.accepted();
        let tunnel = self.proxy.ask(request("CONNECT", &authority, &line));
        let (one, other) = (plain.text(), tunnel.text());
        assert_eq!(
            plain.status, tunnel.status,
            "{host}: plain and CONNECT differ: {one} {other}"
        );
        if tunnel.status == 200 {
            // A tunnel carries no request here: what is counted later must not be this one.
            self.origin.await_accepted(before + 1);
        }
        (plain.status, plain.text())
    }

    #[track_caller]
    fn allows(&self, host: &str) {
        let (status, text) = self.ask(host);
        assert_eq!(status, 200, "{host}: {text}");
    }

    #[track_caller]
    fn denies(&self, host: &str, reason: &str) {
        let before = self.origin.accepted();
        let (status, text) = self.ask(host);
        assert_eq!(status, 407, "{host}: {text}");
        assert!(
            text.contains(&format!("Egress proxying is denied to host '{host}")),
            "{text}"
        );
        assert!(text.contains(reason), "{reason} is not in {text}");
        assert_eq!(self.origin.accepted(), before);
    }
}

/// An ACL with one rule for `authed`.
fn rule(action: &str, domains: &str) -> String {
    format!(
        "version: v1\nservices:\n- {{name: authed, project: users, action: {action}, allowed_domains: [{domains}]}}\n"
    )
}

fn actions_decide_and_give_their_reasons() {
    for (action, host, status, would_deny, reason) in [
        (
            "open",
            "other.test",
            200,
            "false",
            "rule has open enforcement policy",
        ),
        (
            "report",
            "other.test",
            200,
            "true",
            "rule has allow and report policy",
        ),
        (
            "report",
            "example.com",
            200,
            "false",
            "host matched allowed domain in rule",
        ),
        (
            "enforce",
            "example.com",
            200,
            "false",
            "host matched allowed domain in rule",
        ),
        ("enforce", "other.test", 407, "true", "rule has enforce policy"),
    ] {
        let house = House::new(&rule(action, "example.com"));
        assert_eq!(house.ask(host).0, status, "{action} {host}");
        let lines = house.proxy.await_lines("CANONICAL-PROXY-DECISION", 2);
        for line in lines {
            assert_eq!(line.get("decision_reason"), reason);
            assert_eq!(line.get("enforce_would_deny"), would_deny);
            assert_eq!(line.get("allow"), if status == 200 { "true" } else { "false" });
            assert_eq!((line.get("role"), line.get("project")), ("authed", "users"));
        }
    }
}

fn wildcards_match_any_depth_and_never_the_apex() {
    let house = House::new(&rule(
        "enforce",
        "'*.example.com', allowed.test, foo_bar.test, 1e100.test, a-b.test",
    ));
    for host in [
        "www.example.com",
        "a.b.example.com",
        "WWW.Example.COM",
        "www.example.com.",
        "allowed.test",
        "foo_bar.test",
        "1e100.test",
        "a-b.test",
    ] {
        house.allows(host);
    }
    for host in [
        "example.com",
        "notexample.com",
        "example.com.evil.test",
        "other.test",
        "sub.allowed.test",
    ] {
        house.denies(host, "rule has enforce policy");
    }
}

fn the_default_rule_applies_to_unnamed_roles() {
    let acl = "version: v1\nservices: [{name: other, project: p, action: open}]\n\
        default: {project: d, action: enforce, allowed_domains: [example.com]}\n";
    let house = House::new(acl);
    house.allows("example.com");
    house.denies("other.test", "default rule policy used");
    let acl = "version: v1\nservices: [{name: authed, project: p, action: enforce}]\ndefault: {project: d, action: open}\n";
    House::new(acl).denies("other.test", "rule has enforce policy");
}

fn no_rule_and_no_default_denies_everything() {
    let acl = "version: v1\nservices: [{name: AUTHED, project: p, action: open}]\nglobal_allow_list: [other.test]\n";
    let house = House::new(acl);
    house.denies("other.test", "no rule matched");
    house.denies("example.com", "no rule matched");
}

fn global_lists_have_their_places_in_the_order() {
    let lists = "global_deny_list: [denied.test, both.test]\nglobal_allow_list: [allowed.test, both.test]\n";
    for action in ["open", "report", "enforce"] {
        let house = House::new(&(rule(action, "") + lists));
        house.denies("denied.test", "host matched rule in global deny list");
        house.denies("both.test", "host matched rule in global deny list");
        house.allows("allowed.test");
        let house = House::new(&(rule(action, "denied.test") + lists));
        house.allows("denied.test");
    }
    let lists = "global_deny_list: [sub.denied.test]\nglobal_allow_list: ['*.denied.test']\n";
    House::new(&(rule("enforce", "") + lists)).denies("sub.denied.test", "global deny list");
}

/// Also GHSA-gcj7-j438-hjj2, GO-2022-0429.
fn cve_2022_24825_spellings_do_not_evade_the_deny_list() {
    let house = House::new(&(rule("open", "") + "global_deny_list: [example.com]\n"));
    house.allows("other.test");
    for host in ["example.com.", "EXAMPLE.com", "Example.Com."] {
        house.denies(host, "global deny list");
    }
    for host in [
        "example.com..",
        ".example.com",
        "example..com",
        "example%2ecom",
        "example.com%00",
        "example.com%20",
    ] {
        let (status, text) = house.ask(host);
        assert!(matches!(status, 400 | 407), "{host}: {text}");
    }
}

/// Also GHSA-qwrf-gfpj-qvj6, GO-2022-0459.
fn cve_2022_29188_bracketed_names_are_malformed() {
    let house = House::new(&(rule("open", "") + "global_deny_list: [example.com]\n"));
    for host in ["[example.com]", "[[example.com]]", "[example.com", "example.com]"] {
        let (status, text) = house.ask(host);
        assert_eq!(status, 400, "{host}: {text}");
    }
    assert!(house.dns.questions().is_empty() && house.origin.accepted() == 0);
}

fn issue_264_unicode_spellings_are_the_same_name() {
    let denied = House::new(&(rule("open", "") + "global_deny_list: [xn--mnchen-3ya.test, denied.test]\n"));
    for host in [
        "münchen.test",
        "MÜNCHEN.test",
        "mu\u{308}nchen.test",
        "XN--MNCHEN-3YA.test",
        "ｄenied.test",
        "denied。test",
        "denied．test",
        "den\u{ad}ied.test",
    ] {
        let (status, text) = denied.ask(host);
        assert!(matches!(status, 400 | 407), "{host}: {status} {text}");
    }
    assert_eq!(denied.origin.accepted(), 0);
    let allowed = House::new(&rule("enforce", "xn--mnchen-3ya.test"));
    allowed.allows("xn--mnchen-3ya.test");
    for host in ["münchen.test", "MÜNCHEN.test"] {
        let (status, text) = allowed.ask(host);
        assert!(matches!(status, 200 | 400), "{host}: {status} {text}");
    }
}

fn cve_2025_66479_an_empty_list_allows_nothing() {
    House::new(&rule("enforce", "")).denies("other.test", "rule has enforce policy");
    let acl = "version: v1\nservices: [{name: authed, project: p, action: enforce}]\n";
    House::new(acl).denies("other.test", "rule has enforce policy");
}

fn an_acl_never_overrides_address_rules() {
    let house = House::new(&rule("open", "127.0.0.1, localhost"));
    for host in ["127.0.0.1", "localhost"] {
        let (status, text) = house.ask(host);
        assert_eq!(status, 407);
        assert!(text.contains("Deny: Not Global Unicast"), "{text}");
    }
}

fn address_literals_are_hosts_like_any_other() {
    let open = House::new(&rule("open", ""));
    open.allows(PUBLIC);
    let enforced = House::new(&rule("enforce", ""));
    enforced.denies(PUBLIC, "rule has enforce policy");
    enforced.denies(&format!("[{PUBLIC_6}]"), "rule has enforce policy");
    let listed = House::new(&rule("enforce", &format!("'{PUBLIC}'")));
    listed.allows(PUBLIC);
    // The origin listens on IPv4 only: 502 says that the ACL and the address rules let the IPv6 literal pass.
    assert_eq!(open.ask(&format!("[{PUBLIC_6}]")).0, 502);
}

fn a_denial_needs_no_lookup() {
    let house = House::new(&rule("enforce", ""));
    house.denies("other.test", "rule has enforce policy");
    assert!(house.dns.questions().is_empty());
}

fn the_additional_message_follows_every_text() {
    let extra = "See the wiki: egress.\nSecond line.";
    let proxy = Setup::open()
        .option("--additional-error-message-on-deny", extra)
        .start();
    for ask in [
        get("http://10.0.0.1/"),
        connect("10.0.0.1:443"),
        get("http://0177.0.0.1/"),
        "GET /origin-form HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        let response = proxy.ask(ask);
        let text = response.text();
        assert!(text.trim_end().ends_with(&format!("\n\n{extra}")), "{text:?}");
        let field = response.fields.get("x-smokescreen-error").expect("the field");
        assert!(
            text.starts_with(field.split(". ").next().expect("a sentence")),
            "{field:?} {text:?}"
        );
    }
}

fn another_deny_status_may_be_chosen() {
    let proxy = Setup::locked().option("--deny-status", "403").start();
    let denied = proxy.ask(request(
        "GET",
        "http://10.0.0.1/",
        &(basic("u", PASSWORD) + "\r\n"),
    ));
    assert_eq!(denied.status, 403);
    assert!(denied.text().contains("Deny: Private Range"));
    let unknown = proxy.ask(get("http://10.0.0.1/"));
    assert_eq!(
        (unknown.status, unknown.fields.has("proxy-authenticate")),
        (407, true)
    );
}

fn external_proxies_must_be_listed() {
    let acl = "version: v1\nservices:\n- {name: authed, project: p, action: open, allowed_external_proxies: [listed.test, '*.proxies.test']}\n";
    let house = House::new(acl);
    house.allows("other.test");
    let port = house.origin.address().port();
    for url in [
        "https://evil.test:443",
        "http://user:pw@evil.test:8080",
        "https://xlisted.test:1",
        "not a url",
        "listed.test",
        "://",
        "https://",
        "http://[::1",
        "/path",
    ] {
        let lines = format!("{}\r\nX-Upstream-Https-Proxy: {url}\r\n", basic("u", PASSWORD));
        let response = house
            .proxy
            .ask(request("CONNECT", &format!("other.test:{port}"), &lines));
        assert_eq!(response.status, 407, "{url}: {}", response.text());
        assert!(
            response.text().contains("connect proxy host not allowed in rule"),
            "{url}: {}",
            response.text()
        );
    }
}

fn the_builtin_acl_denies_private_names_and_reports_the_rest() {
    let dns = dns();
    let house = House {
        proxy: Setup::locked().resolver(&dns).start(),
        dns,
        origin: Origin::fixed("in"),
    };
    house.allows("other.test");
    let line = house.proxy.decision();
    assert_eq!(
        (line.get("decision_reason"), line.get("enforce_would_deny")),
        ("rule has allow and report policy", "true")
    );
    for host in [
        "db.internal",
        "a.b.internal",
        "DB.Internal.",
        "app.flycast",
        "APP.flycast",
    ] {
        house.denies(host, "host matched rule in global deny list");
    }
}

fn an_action_may_be_disabled() {
    let setup = Setup::open()
        .option("--disable-acl-policy-action", "open")
        .acl(&rule("open", ""));
    let finished = setup.run();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("open"), "{}", finished.stderr);
}
