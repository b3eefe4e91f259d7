//! Who is asking: the proxy password, its challenge, and that it never travels on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::message::{Response, connect, get, request};
use crate::support::origin::Origin;
use crate::support::proxy::{PASSWORD, Proxy, Setup};

cases![
    the_right_password_opens_both_ways,
    any_user_name_will_do,
    everything_else_is_refused_with_a_challenge,
    the_scheme_is_case_insensitive,
    junk_behind_valid_base64_is_refused,
    several_credentials_are_refused_even_when_one_is_right,
    other_headers_do_not_authenticate,
    the_password_is_asked_for_without_an_acl_file,
    missing_roles_may_be_allowed_but_wrong_credentials_are_not,
    a_refusal_needs_no_lookup_and_no_connection,
    credentials_never_reach_the_origin,
    the_origins_own_authorization_passes,
    secrets_are_in_no_log_line_and_no_answer,
    a_wrong_password_between_right_ones_on_one_connection,
    fly_pr_3_no_retry_loop,
    vu_435052_credentials_stay_here,
];

/// A `Proxy-Authorization` field with Basic credentials, without its line end.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!(
        "Proxy-Authorization: Basic {}",
        STANDARD.encode(format!("{user}:{password}"))
    )
}

fn with(lines: &str, origin: &Origin) -> [String; 2] {
    [
        request("GET", &origin.url("/"), lines),
        request("CONNECT", &origin.authority(), lines),
    ]
}

#[track_caller]
fn assert_challenged(response: &Response) {
    assert_eq!(response.status, 407, "{response:?}");
    assert!(
        response.text().contains("Client role cannot be determined"),
        "{}",
        response.text()
    );
    let challenges = response.fields.all("proxy-authenticate");
    assert_eq!(challenges, ["Basic realm=\"smokescreen\", charset=\"UTF-8\""]);
    assert!(response.fields.has("x-smokescreen-error"));
}

fn the_right_password_opens_both_ways() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    let line = basic("user", PASSWORD) + "\r\n";
    assert_eq!(proxy.ask(request("GET", &origin.url("/"), &line)).text(), "in");
    let mut client = proxy.client();
    client.send(request("CONNECT", &origin.authority(), &line));
    assert_eq!(client.response_to("CONNECT").status, 200);
    client.send(get(&origin.url("/")));
    assert_eq!(client.response().text(), "in");
}

fn any_user_name_will_do() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    for user in ["", "root", "üser", &"x".repeat(500)] {
        let line = basic(user, PASSWORD) + "\r\n";
        assert_eq!(
            proxy.ask(request("GET", &origin.url("/"), &line)).status,
            200,
            "{user:?}"
        );
    }
}

fn everything_else_is_refused_with_a_challenge() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    let encoded = |text: &str| STANDARD.encode(text);
    let mut lines = vec![String::new()];
    let passwords = [
        "",
        "wrong",
        " ",
        &PASSWORD[..PASSWORD.len() - 1],
        &PASSWORD.to_uppercase(),
        &format!("{PASSWORD}x"),
        &format!(" {PASSWORD}"),
        &format!("{PASSWORD}\n"),
        &format!("{PASSWORD}\0"),
        &format!("\0{PASSWORD}"),
        &PASSWORD[..6],
        "pa55%word",
    ];
    lines.extend(passwords.iter().map(|password| basic("user", password)));
    let whole = encoded(&format!("user:{PASSWORD}"));
    for value in [
        "",
        "Basic",
        "Basic !!!!",
        &format!("Basic user:{PASSWORD}"),
        &format!("Bearer {whole}"),
        &whole,
        "Digest username=\"user\"",
        &format!("Basic {}", encoded(PASSWORD)),
        &format!("Basic {}", encoded("plain")),
        &format!("Basic {}", encoded(&whole)),
        &format!("Basic {}", encoded(":")),
        &format!("Basic {whole}=,"),
        &format!("Basic {whole} {whole}"),
        &format!("Basic {}", &whole[..whole.len() - 1]),
        &format!("Basicx {whole}"),
        &format!("Basic{whole}"),
        "Basic /w==",
    ] {
        lines.push(format!("Proxy-Authorization: {value}"));
    }
    for line in lines {
        let line = if line.is_empty() { line } else { line + "\r\n" };
        // A line end inside a password is inside base64: it can't break the head.
        for ask in with(&line, &origin) {
            assert_challenged(&proxy.ask(ask));
        }
    }
    assert_eq!(origin.accepted(), 0);
}

fn the_scheme_is_case_insensitive() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    for scheme in ["basic", "BASIC", "bAsIc"] {
        let line = basic("u", PASSWORD).replace("Basic", scheme) + "\r\n";
        assert_eq!(
            proxy.ask(request("GET", &origin.url("/"), &line)).status,
            200,
            "{scheme}"
        );
    }
}

fn junk_behind_valid_base64_is_refused() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    let padding = "u".repeat(3 - PASSWORD.len() % 3) + "uu";
    let line = basic(&padding, PASSWORD);
    assert!(!line.ends_with('='), "the junk must follow whole groups: {line}");
    assert_eq!(
        proxy
            .ask(request("GET", &origin.url("/"), &format!("{line}\r\n")))
            .status,
        200
    );
    assert_challenged(&proxy.ask(request("GET", &origin.url("/"), &format!("{line}$$$$\r\n"))));
}

fn several_credentials_are_refused_even_when_one_is_right() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    let (right, wrong) = (basic("u", PASSWORD), basic("u", "wrong"));
    for (first, second) in [(&right, &wrong), (&wrong, &right), (&right, &right)] {
        for ask in with(&format!("{first}\r\n{second}\r\n"), &origin) {
            let response = proxy.ask(ask);
            assert!(matches!(response.status, 400 | 407), "{response:?}");
        }
    }
    assert_eq!(origin.accepted(), 0);
}

fn other_headers_do_not_authenticate() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    let authorization = basic("u", PASSWORD).replace("Proxy-", "");
    for line in [
        authorization.as_str(),
        "X-Smokescreen-Role: authed",
        "Proxy: authed",
        "X-Forwarded-For: 127.0.0.1",
    ] {
        for ask in with(&format!("{line}\r\n"), &origin) {
            assert_challenged(&proxy.ask(ask));
        }
    }
    assert_eq!(origin.accepted(), 0);
}

/// In the original the password check hangs on the ACL: without one there is none.
fn the_password_is_asked_for_without_an_acl_file() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    for ask in with("", &origin) {
        assert_challenged(&proxy.ask(ask));
    }
}

fn missing_roles_may_be_allowed_but_wrong_credentials_are_not() {
    let proxy = Setup::locked().arg("--allow-missing-role").start();
    let origin = Origin::fixed("in");
    let acl = "version: v1\nservices: []\ndefault: {project: other, action: open}\n";
    let relaxed = Setup::locked().arg("--allow-missing-role").acl(acl).start();
    assert_eq!(relaxed.ask(get(&origin.url("/"))).status, 200);
    let line = relaxed.decision();
    assert_eq!((line.get("role"), line.get("project")), ("", "other"));
    for proxy in [proxy, relaxed] {
        assert_challenged(&proxy.ask(request("GET", &origin.url("/"), &(basic("u", "wrong") + "\r\n"))));
        assert_eq!(
            proxy
                .ask(request("GET", &origin.url("/"), &(basic("u", PASSWORD) + "\r\n")))
                .status,
            200
        );
    }
}

fn a_refusal_needs_no_lookup_and_no_connection() {
    let dns = Dns::start().name("name.test", &["44.1.2.3"]);
    let proxy = Setup::locked().resolver(&dns).start();
    assert_challenged(&proxy.ask(get("http://name.test/")));
    assert_challenged(&proxy.ask(connect("name.test:443")));
    assert!(dns.questions().is_empty());
}

fn credentials_never_reach_the_origin() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    let lines = format!(
        "{}\r\nProxy-Connection: keep-alive\r\nConnection: Proxy-Authorization\r\n",
        basic("u", PASSWORD)
    );
    assert_eq!(proxy.ask(request("GET", &origin.url("/"), &lines)).status, 200);
    let raw = String::from_utf8_lossy(&origin.last().raw).to_lowercase();
    assert!(!raw.contains("proxy-") && !raw.contains("basic"), "{raw}");
}

fn vu_435052_credentials_stay_here() {
    credentials_never_reach_the_origin();
}

fn the_origins_own_authorization_passes() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    let lines = format!(
        "{}\r\nAuthorization: Basic b3JpZ2luOnB3\r\n",
        basic("u", PASSWORD)
    );
    assert_eq!(proxy.ask(request("GET", &origin.url("/"), &lines)).status, 200);
    assert_eq!(origin.last().fields.all("authorization"), ["Basic b3JpZ2luOnB3"]);
}

fn secrets_are_in_no_log_line_and_no_answer() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    let guess = "wr0ng-guess";
    let mut seen = String::new();
    for password in [PASSWORD, guess] {
        for url in [origin.url("/"), "http://10.0.0.1/".to_owned()] {
            let response = proxy.ask(request("GET", &url, &(basic("u", password) + "\r\n")));
            seen += &format!("{response:?}{}", response.text());
        }
    }
    proxy.await_lines("CANONICAL-PROXY-DECISION", 4);
    seen += &proxy.log().join("\n");
    for secret in [
        PASSWORD,
        guess,
        &STANDARD.encode(format!("u:{PASSWORD}")),
        &STANDARD.encode(format!("u:{guess}")),
    ] {
        assert!(!seen.contains(secret), "{secret}");
    }
}

fn a_wrong_password_between_right_ones_on_one_connection() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("in"));
    let mut client = proxy.client();
    for (password, status) in [(PASSWORD, 200), ("wrong", 407), (PASSWORD, 200)] {
        client.send(request("GET", &origin.url("/"), &(basic("u", password) + "\r\n")));
        assert_eq!(client.response().status, status);
    }
    assert_eq!(origin.requests().len(), 2);
}

/// Without the challenge .NET and Java never send their credentials; with it on every denial they ask again.
fn fly_pr_3_no_retry_loop() {
    let proxy: Proxy = Setup::locked().start();
    assert_challenged(&proxy.ask(get("http://10.0.0.1/")));
    for host in ["db.internal", "10.0.0.1", "127.0.0.1", "[::1]", "localhost"] {
        for (method, target) in [
            ("GET", format!("http://{host}:81/")),
            ("CONNECT", format!("{host}:81")),
        ] {
            let denied = proxy.ask(request(method, &target, &(basic("u", PASSWORD) + "\r\n")));
            assert_eq!(denied.status, 407, "{target}");
            assert!(!denied.fields.has("proxy-authenticate"), "{target}: {denied:?}");
            assert!(
                denied.text().contains("Egress proxying is denied to host"),
                "{}",
                denied.text()
            );
        }
    }
}
