//! Whose an intercepted tunnel is: as its CONNECT said, for as long as that is true.

use rustix::process::Signal;

use crate::auth::basic;
use crate::mitm::{GOOD, House, acl, at, of_path};
use crate::origin_tls::told;
use crate::support::case::cases;
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::tls::Tls;

cases![
    who_is_no_user_any_more_gets_no_further_inside,
    another_password_ends_what_the_former_opened,
];

/// A hash of `one`.
const ONE: &str = "$5$saltsalt$Xrzp1lrdTubHSU4u0iqRxZwBPbSpWgYCCIE1mGPjVM4";

/// In a tunnel that this user asked for with this password.
#[track_caller]
fn inside_as(house: &House, proxy: &Proxy, origin: &Origin, user: &str, password: &str) -> Tls {
    let host = at("good.test", origin);
    let mut wire = proxy.client();
    wire.send(format!(
        "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{}\r\n\r\n",
        basic(user, password)
    ));
    assert_eq!(wire.response_to("CONNECT").status, 200);
    house
        .client()
        .over(wire.into_stream(), |stream| stream)
        .expect("TLS inside")
}

/// Asks once more, and gives the status and the code.
#[track_caller]
fn ask(client: &mut Tls, origin: &Origin) -> (u16, String) {
    client.send(of_path("GET", "/", &at("good.test", origin), ""));
    let response = client.response();
    assert!(!response.fields.has("proxy-authenticate"), "{response:?}");
    (response.status, response.code())
}

fn reload(proxy: &Proxy, words: &str) {
    proxy.signal(Signal::HUP);
    told(proxy, words, 1);
}

fn who_is_no_user_any_more_gets_no_further_inside() {
    let house = House::new();
    let setup = house.setup(&acl(GOOD));
    let path = setup.file("users", &format!("alice:{ONE}\nbob:{ONE}\n"));
    let (proxy, origin) = (
        setup.option("--users-file", path.as_str()).start(),
        house.fixed("x"),
    );
    let mut alice = inside_as(&house, &proxy, &origin, "alice", "one");
    let mut bob = inside_as(&house, &proxy, &origin, "bob", "one");
    for client in [&mut alice, &mut bob] {
        assert_eq!(ask(client, &origin).0, 200);
    }
    std::fs::write(&path, format!("bob:{ONE}\n")).expect("a file");
    reload(&proxy, "removed: 'alice'");
    assert_eq!(ask(&mut alice, &origin), (407, "credentials-wrong".to_owned()));
    alice.expect_eof();
    // His are found out again beside the loop, once.
    assert_eq!(ask(&mut bob, &origin).0, 200);
    assert_eq!(ask(&mut bob, &origin).0, 200);
    assert_eq!(origin.requests().len(), 4);
    let line = proxy.await_lines("CANONICAL-PROXY-DECISION", 7).remove(4);
    assert_eq!(
        (line.get("allow"), line.get("code")),
        ("false", "credentials-wrong")
    );
}

fn another_password_ends_what_the_former_opened() {
    let house = House::new();
    let setup = house.setup(&acl(GOOD));
    let path = setup.file("password", "one");
    let proxy = setup.env("PROXY_PASSWORD_FILE", &path).start();
    let origin = house.fixed("x");
    let mut former = inside_as(&house, &proxy, &origin, "any", "one");
    assert_eq!(ask(&mut former, &origin).0, 200);
    std::fs::write(&path, "two").expect("a file");
    reload(&proxy, "The proxy password was read again");
    assert_eq!(ask(&mut former, &origin), (407, "credentials-wrong".to_owned()));
    former.expect_eof();
    let mut next = inside_as(&house, &proxy, &origin, "any", "two");
    assert_eq!(ask(&mut next, &origin).0, 200);
    assert_eq!(origin.requests().len(), 2);
}
