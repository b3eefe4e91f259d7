//! Who is asking, by other ways than the password alone: users with hashed passwords, and roles by client address.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::eventually;
use crate::support::log_line::LogLine;
use crate::support::message::{Response, connect, get, request};
use crate::support::origin::Origin;
use crate::support::program;
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::wire::{End, Wire};

cases![
    hashes_that_other_programs_made_open_both_ways,
    hashes_that_openssl_makes_now,
    password_users_and_sources_together,
    sources_alone_identify_and_who_is_none_of_them_is_told_so,
    an_ipv4_client_of_a_dual_listener_has_its_role,
    who_comes_from_a_source_is_no_stranger_before_its_first_request,
    missing_roles_may_be_allowed_beside_users_and_sources,
    wrong_guesses_of_one_address_do_not_delay_another,
    only_a_full_queue_is_503,
    a_reload_adds_changes_and_removes_users,
    one_file_that_is_none_keeps_all_the_old_ones,
    a_users_file_that_is_none_is_refused_by_its_line,
    services_that_no_way_can_reach_are_named,
    the_start_line_names_the_ways_and_without_a_password_there_is_no_acl,
    a_users_secrets_are_in_no_log_line_and_no_answer,
];

/// What the hashes are of.
const SECRET: &str = "s3cret: p%ss";

const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuudbPfYXO5c/JYfey5rtIeAPylnBxElNu";
const SHA: &str = "$5$saltsalt$cZWIyy.ZRgVqs4yd0ajZfzMAT2y6ajSCs.ICbM2aR27";
const ARGON2: &str =
    "$argon2id$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$duSCB3tXEON31LDCBisRWS6NJcdjzOJXlS3vcW9A+Do";
/// Of `right`; takes most of a second on a fast machine.
const SLOW: &str = "$2b$14$oguod2Cwuffis.pLlcQTfe.8idU.0gQwAeZz2PzA8YaMN2tdB/XyK";

/// A proxy with these users and no password.
fn with_users(lines: &str) -> Setup {
    let setup = Setup::bare();
    let path = setup.file("users", lines);
    setup.option("--users-file", path)
}

fn ask(proxy: &Proxy, origin: &Origin, user: &str, password: &str) -> Response {
    let line = basic(user, password) + "\r\n";
    proxy.ask(request("GET", &origin.url("/"), &line))
}

/// Asks from another address of the loopback.
fn ask_from(from: &str, proxy: &Proxy, message: impl AsRef<[u8]>) -> Response {
    let mut client = Wire::connect_from(from, proxy.address());
    client.send(message);
    client.response()
}

/// The roles of the requests so far, so many of them.
fn roles(proxy: &Proxy, count: usize) -> Vec<String> {
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", count);
    lines.iter().map(|line| line.get("role").to_owned()).collect()
}

/// Waits for a line whose message holds this.
#[track_caller]
fn await_said(proxy: &Proxy, words: &str) -> LogLine {
    let said = |line: &LogLine| line.get("msg").contains(words);
    eventually(words, || proxy.log_lines().into_iter().find(said))
}

#[track_caller]
fn assert_challenged(response: &Response) {
    assert_eq!(response.status, 407, "{}", response.text());
    assert!(response.fields.has("proxy-authenticate"), "{response:?}");
    assert!(response.text().contains("Client role cannot be determined"));
}

fn hashes_that_other_programs_made_open_both_ways() {
    let lines = format!("# users\r\n\r\nbcrypt:{BCRYPT}\r\nsha:{SHA}\r\nargon2 ü:{ARGON2}\r\n");
    let (proxy, origin) = (with_users(&lines).start(), Origin::fixed("in"));
    let mut count = 0;
    for user in ["bcrypt", "sha", "argon2 ü"] {
        // The second time it is remembered.
        for _ in 0..2 {
            assert_eq!(ask(&proxy, &origin, user, SECRET).text(), "in");
            let mut client = proxy.client();
            let line = basic(user, SECRET) + "\r\n";
            client.send(request("CONNECT", &origin.authority(), &line));
            assert_eq!(client.response_to("CONNECT").status, 200);
        }
        assert_challenged(&ask(&proxy, &origin, user, "wrong"));
        assert_challenged(&ask(&proxy, &origin, user, ""));
        count += 6;
        let roles = roles(&proxy, count);
        assert_eq!(roles[count - 6..], [user, user, user, user, "", ""]);
    }
    assert_challenged(&proxy.ask(get(&origin.url("/"))));
    assert_challenged(&ask(&proxy, &origin, "nobody", SECRET));
    let bearer = "Proxy-Authorization: Bearer eDp5\r\n";
    assert_challenged(&proxy.ask(request("GET", &origin.url("/"), bearer)));
}

fn hashes_that_openssl_makes_now() -> Result<(), String> {
    let openssl = program::find("openssl")?;
    let mut lines = String::new();
    for kind in ["-5", "-6"] {
        let finished = program::run(Command::new(&openssl).args(["passwd", kind, SECRET]));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        lines.push_str(&format!("user{kind}:{}\n", finished.text().trim_end()));
    }
    let (proxy, origin) = (with_users(&lines).start(), Origin::fixed("in"));
    for user in ["user-5", "user-6"] {
        assert_eq!(ask(&proxy, &origin, user, SECRET).status, 200);
        assert_eq!(ask(&proxy, &origin, user, "wrong").status, 407);
    }
    Ok(())
}

/// None of these is the address that clients have by default.
const SOURCES: &str = "roles_by_source:\n- {cidr: 127.0.4.0/24, role: four}\n- {cidr: 127.0.4.128/25, role: half}\n\
                       - {cidr: 127.0.4.200, role: host}\n";

/// The first of user, address and password names the role; credentials are required wherever one comes from.
fn password_users_and_sources_together() {
    let setup = Setup::locked();
    let path = setup.file("users", &format!("alice:{BCRYPT}\n"));
    let acl = "version: v1\nservices: []\ndefault: {project: p, action: open}\n";
    let setup = setup.option("--users-file", path).config(SOURCES).acl(acl);
    let (proxy, origin) = (setup.start(), Origin::fixed("in"));
    let (url, mut asked) = (origin.url("/"), Vec::new());
    for (from, user, password, role) in [
        ("127.0.0.1", "alice", SECRET, Some("alice")),
        ("127.0.4.200", "alice", SECRET, Some("alice")),
        ("127.0.0.1", "anybody", PASSWORD, Some("authed")),
        ("127.0.4.9", "anybody", PASSWORD, Some("four")),
        ("127.0.4.200", "anybody", PASSWORD, Some("host")),
        ("127.0.4.200", "anybody", "wrong", None),
        // A user has no other password than its own.
        ("127.0.0.1", "alice", PASSWORD, None),
        ("127.0.4.200", "alice", "wrong", None),
    ] {
        let line = basic(user, password) + "\r\n";
        let response = ask_from(from, &proxy, request("GET", &url, &line));
        match role {
            Some(_) => assert_eq!(response.status, 200, "{from} {user}"),
            None => assert_challenged(&response),
        }
        asked.push(role.unwrap_or_default());
    }
    assert_eq!(roles(&proxy, asked.len()), asked);
    for from in ["127.0.0.1", "127.0.4.200"] {
        assert_challenged(&ask_from(from, &proxy, get(&url)));
    }
}

fn sources_alone_identify_and_who_is_none_of_them_is_told_so() {
    let (proxy, origin) = (Setup::bare().config(SOURCES).start(), Origin::fixed("in"));
    let url = origin.url("/");
    let sources = [
        ("127.0.4.1", "four"),
        ("127.0.4.199", "half"),
        ("127.0.4.200", "host"),
    ];
    for (count, (from, role)) in (1..).zip(sources) {
        assert_eq!(ask_from(from, &proxy, get(&url)).status, 200, "{from}");
        // Credentials are compared with nothing.
        let line = basic("u", "any") + "\r\n";
        assert_eq!(ask_from(from, &proxy, request("GET", &url, &line)).status, 200);
        assert_eq!(roles(&proxy, 2 * count)[2 * count - 2..], [role, role]);
    }
    let response = proxy.ask(connect(&origin.authority()));
    assert_eq!(
        response.start,
        "HTTP/1.1 407 Request rejected by proxy (role-unknown)"
    );
    assert!(!response.fields.has("proxy-authenticate"), "{response:?}");
    assert!(response.text().contains("Client role cannot be determined"));
    assert_eq!(response.fields.all("x-smokescreen-code"), ["role-unknown"]);
}

fn an_ipv4_client_of_a_dual_listener_has_its_role() {
    let setup = Setup::bare().listen("::");
    let setup = setup.config("roles_by_source: [{cidr: 127.0.0.1, role: four}]\n");
    let (proxy, origin) = (setup.start(), Origin::fixed("in"));
    let mut client = Wire::connect(([127, 0, 0, 1], proxy.address().port()).into());
    client.send(get(&origin.url("/")));
    assert_eq!(client.response().status, 200);
    assert_eq!(proxy.decision().get("role"), "four");
}

fn who_comes_from_a_source_is_no_stranger_before_its_first_request() {
    let setup = Setup::open().config(SOURCES).option("--max-connections", "10");
    let (proxy, origin) = (setup.start(), Origin::fixed("ok"));
    let before = proxy.open_descriptors();
    let connect = |_| Wire::connect_from("127.0.4.1", proxy.address());
    let mut silent: Vec<Wire> = (0..10).map(connect).collect();
    eventually("all to be accepted", || {
        (proxy.open_descriptors() >= before + 10).then_some(())
    });
    let mut next = proxy.client();
    next.send(get(&origin.url("/")));
    next.patience(Duration::from_secs(1));
    assert_eq!(next.fill(), Err(End::Silence), "it waits in the kernel's queue");
    for client in &mut silent {
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().status, 200);
    }
    silent.truncate(9);
    next.patience(Duration::from_secs(60));
    assert_eq!(next.response().status, 200);
}

fn missing_roles_may_be_allowed_beside_users_and_sources() {
    let setup = with_users(&format!("alice:{SHA}\n")).config(SOURCES);
    let (proxy, origin) = (setup.arg("--allow-missing-role").start(), Origin::fixed("in"));
    let url = origin.url("/");
    assert_eq!(ask_from("127.0.4.200", &proxy, get(&url)).status, 200);
    assert_eq!(ask_from("127.0.0.1", &proxy, get(&url)).status, 200);
    assert_eq!(roles(&proxy, 2), ["host", ""]);
    for value in ["Bearer eDp5", "Basic !!!", "Basic eDp5"] {
        let line = format!("Proxy-Authorization: {value}\r\n");
        let message = request("GET", &url, &line);
        assert_challenged(&ask_from("127.0.4.200", &proxy, message));
    }
}

/// Ten at once, each of which takes a thread for as long as a hash takes; the other address has a thread left.
fn wrong_guesses_of_one_address_do_not_delay_another() {
    let users = format!("slow:{SLOW}\nalice:{BCRYPT}\nbob:{SHA}\n");
    let (proxy, origin) = (with_users(&users).start(), Origin::fixed("in"));
    let wrong = request("GET", &origin.url("/"), &(basic("slow", "wrong") + "\r\n"));
    let guess = |_| {
        let mut client = Wire::connect_from("127.0.0.2", proxy.address());
        client.send(&wrong);
        client
    };
    let mut guessers: Vec<Wire> = (0..10).map(guess).collect();
    let right = request("GET", &origin.url("/"), &(basic("alice", SECRET) + "\r\n"));
    for _ in 0..3 {
        assert_eq!(ask_from("127.0.0.3", &proxy, &right).status, 200);
    }
    let mut last = guessers.pop().expect("ten");
    last.patience(Duration::from_millis(1));
    assert_eq!(last.fill(), Err(End::Silence), "it is not compared yet");
    assert_challenged(&guessers[0].response());
    // Who was verified is not asked about any more, from wherever; and who goes away is not waited for.
    assert_eq!(ask_from("127.0.0.2", &proxy, &right).status, 200);
    last.patience(Duration::from_millis(1));
    assert_eq!(last.fill(), Err(End::Silence), "it is not compared yet");
    drop((guessers, last));
    let behind = request("GET", &origin.url("/"), &(basic("bob", SECRET) + "\r\n"));
    assert_eq!(ask_from("127.0.0.2", &proxy, &behind).status, 200);
}

/// Whoever asks more than there is room for is told to come again; others are not.
fn only_a_full_queue_is_503() {
    let users = format!("slow:{SLOW}\nalice:{BCRYPT}\n");
    let (proxy, origin) = (with_users(&users).start(), Origin::fixed("in"));
    let wrong = request("GET", &origin.url("/"), &(basic("slow", "wrong") + "\r\n"));
    let guess = || {
        let mut client = Wire::connect_from("127.0.0.2", proxy.address());
        client.send(&wrong);
        client
    };
    // One at work and 191 that wait are an address's share.
    let mut guessers: Vec<Wire> = (0..192).map(|_| guess()).collect();
    let refused = eventually("a full queue", || {
        let mut client = guess();
        client.patience(Duration::from_millis(200));
        let response = client.try_response("GET").ok();
        guessers.push(client);
        response
    });
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.fields.all("x-smokescreen-code"), ["overloaded"]);
    let right = request("GET", &origin.url("/"), &(basic("alice", SECRET) + "\r\n"));
    assert_eq!(ask_from("127.0.0.3", &proxy, &right).status, 200);
}

/// Sends SIGHUP and waits for a line that is new.
#[track_caller]
fn reload(proxy: &Proxy, words: &str) -> LogLine {
    let count = proxy.log_lines().len();
    proxy.signal(Signal::HUP);
    let said = |line: &LogLine| line.get("msg").contains(words);
    eventually(words, || proxy.log_lines().into_iter().skip(count).find(said))
}

fn a_reload_adds_changes_and_removes_users() {
    let setup = Setup::bare();
    let path = setup.file("users", &format!("alice:{BCRYPT}\nbob:{SHA}\n"));
    let (proxy, origin) = (
        setup.option("--users-file", path.as_str()).start(),
        Origin::fixed("in"),
    );
    let mut kept = proxy.client();
    let mut status = |user: &str, password: &str| {
        let line = basic(user, password) + "\r\n";
        kept.send(request("GET", &origin.url("/"), &line));
        kept.response().status
    };
    assert_eq!((status("alice", SECRET), status("bob", SECRET)), (200, 200));
    assert_eq!(status("carol", SECRET), 407);
    // Bob's new password is `right`.
    std::fs::write(&path, format!("carol:{ARGON2}\nbob:{SLOW}\n")).expect("a file");
    let said = reload(&proxy, "The users file was read again");
    let end = "users: 2; added: 'carol'; changed: 'bob'; removed: 'alice'";
    assert!(said.get("msg").ends_with(end), "{said:?}");
    assert_eq!((status("alice", SECRET), status("bob", SECRET)), (407, 407));
    assert_eq!((status("carol", SECRET), status("bob", "right")), (200, 200));
}

fn one_file_that_is_none_keeps_all_the_old_ones() {
    let setup = Setup::bare();
    let users = setup.file("users", &format!("alice:{BCRYPT}\n"));
    let password = setup.file("password", PASSWORD);
    let acl = setup.file(
        "acl.yaml",
        "version: v1\nservices: [{name: alice, action: open}]\n",
    );
    let proxy = setup
        .option("--users-file", users.as_str())
        .option("--egress-acl-file", acl.as_str())
        .env("PROXY_PASSWORD_FILE", &password)
        .start();
    let origin = Origin::fixed("in");
    assert_eq!(ask(&proxy, &origin, "alice", SECRET).status, 200);
    std::fs::write(&acl, "version: v1\nservices: []\n").expect("a file");
    std::fs::write(&password, "another").expect("a file");
    std::fs::write(&users, format!("carol:{SHA}\nalice:hunter2\n")).expect("a file");
    let said = reload(&proxy, "Nothing was reloaded");
    assert_eq!(said.get("level"), "error");
    assert!(said.get("msg").contains("users: line 2: "), "{said:?}");
    assert!(!said.get("msg").contains("hunter2"), "{said:?}");
    assert_eq!(ask(&proxy, &origin, "alice", SECRET).status, 200);
    assert_challenged(&ask(&proxy, &origin, "u", "another"));
    // All three are right now: alice is nobody, and authed may go nowhere.
    std::fs::write(&users, format!("carol:{SHA}\n")).expect("a file");
    reload(&proxy, "The users file was read again");
    assert_challenged(&ask(&proxy, &origin, "alice", SECRET));
    let denied = ask(&proxy, &origin, "u", "another");
    assert_eq!(denied.fields.all("x-smokescreen-code"), ["no-rule"]);
}

fn a_users_file_that_is_none_is_refused_by_its_line() {
    for (lines, words) in [
        (
            format!("alice:{SHA}\n\nalice:{BCRYPT}\n"),
            "line 3: a user of this name",
        ),
        (
            format!("alice:{SHA}\nbob:hunter2\n"),
            "line 2: the password's hash can't be used: accepted are bcrypt",
        ),
        (format!(":{SHA}\n"), "line 1: the name is empty"),
        (
            "bob:$apr1$saltsalt$Q17bmANhIA7pctgRGqF/S0\n".to_owned(),
            "line 1: the password's hash",
        ),
        (
            format!("bob:{}\n", SLOW.replace("$14$", "$15$")),
            "line 1: the password's hash can't be used: the cost",
        ),
        ("# nobody\n".to_owned(), "there is no user in it"),
    ] {
        let finished = with_users(&lines).run();
        assert_eq!(finished.code, Some(2), "{finished:?}");
        let said = finished.stderr.trim_end();
        assert!(said.contains("users: ") && said.contains(words), "{said}");
        assert_eq!(said.lines().count(), 1);
        for secret in ["hunter2", "saltsalt", SHA, BCRYPT, "oguod2"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

fn services_that_no_way_can_reach_are_named() {
    let service = |name| format!("{{name: {name}, action: open}}");
    let services = ["authed", "alice", "half", "alcie"].map(service).join(", ");
    let setup = Setup::locked();
    let users = setup.file("users", &format!("alice:{BCRYPT}\n"));
    let proxy = setup
        .option("--users-file", users.as_str())
        .acl(&format!("version: v1\nservices: [{services}]\n"))
        .config(SOURCES)
        .start();
    let line = await_said(&proxy, "No client can be the service");
    assert_eq!(line.get("level"), "warning");
    assert!(
        line.get("msg").contains("the service 'alcie' of the egress ACL"),
        "{line:?}"
    );
    // A user that goes takes the way to its service along.
    std::fs::write(&users, format!("bob:{BCRYPT}\n")).expect("a file");
    let line = reload(&proxy, "No client can be the service");
    assert!(line.get("msg").contains("'alcie', 'alice'"), "{line:?}");
}

fn the_start_line_names_the_ways_and_without_a_password_there_is_no_acl() {
    let without = with_users(&format!("alice:{BCRYPT}\n")).config(SOURCES).start();
    let setup = Setup::locked();
    let users = setup.file("users", &format!("alice:{BCRYPT}\n"));
    let setup = setup.option("--users-file", users);
    let with = setup.arg("--allow-missing-role").start();
    for (proxy, acl, ways) in [
        (
            &without,
            "egress ACL: none",
            "identification: users file, source address,",
        ),
        (
            &with,
            "egress ACL: built-in",
            "identification: users file, password or none,",
        ),
    ] {
        let line = await_said(proxy, " listens on ");
        let said = line.get("msg");
        assert!(said.contains(acl) && said.contains(ways), "{said}");
    }
    await_said(&without, "No egress ACL is configured");
}

fn a_users_secrets_are_in_no_log_line_and_no_answer() {
    let (proxy, origin) = (
        with_users(&format!("alice:{BCRYPT}\n")).start(),
        Origin::fixed("in"),
    );
    let mut seen = String::new();
    for password in [SECRET, "wr0ng-guess"] {
        let response = ask(&proxy, &origin, "alice", password);
        seen += &format!("{response:?}{}", response.text());
    }
    seen += &String::from_utf8_lossy(&origin.last().raw);
    reload(&proxy, "The users file was read again");
    roles(&proxy, 2);
    seen += &proxy.log().join("\n");
    let credentials = basic("alice", SECRET);
    for secret in [SECRET, "wr0ng-guess", BCRYPT, &BCRYPT[7..], &credentials] {
        assert!(!seen.contains(secret), "{secret}");
    }
}
