//! The page for people, as a browser shows it.

use std::net::SocketAddr;

use crate::admin::with_admin;
use crate::auth::basic;
use crate::browser::Browser;
use crate::support::case::cases;
use crate::support::message::{connect, request};
use crate::support::origin::Origin;
use crate::support::proxy::{PASSWORD, Setup};
use crate::support::{PUBLIC, eventually};

cases![a_tunnel_shows_up_and_goes_and_a_refusal_says_why, it_fits_a_phone,];

const ACL: &str = "version: v1\n\
    services:\n\
    - {name: authed, project: p, action: enforce, allowed_domains: [44.1.2.3]}\n\
    default: {project: rest, action: enforce}\n";

/// A user, and so a role, whose name would be markup; and the bcrypt hash of the password below.
const HOSTILE: &str = "<img src=x onerror=document.title=1>";
const HASH: &str = "$2y$04$abcdefghijklmnopqrstuudbPfYXO5c/JYfey5rtIeAPylnBxElNu";
const SECRET: &str = "s3cret: p%ss";

/// A browser that shows the page, in a window of this size; none where `.ci/run` says that there can be none.
fn open(admin: SocketAddr, width: u32, height: u32) -> Result<Option<Browser>, String> {
    match Browser::open(&format!("http://{admin}/"), width, height) {
        Err(why) if std::env::var("WITHOUT_CHROMIUM").is_ok_and(|value| value == "true") => {
            println!("passed over: {why}");
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

fn authorized(request: &str) -> String {
    by(&basic("u", PASSWORD), request)
}

fn by(credentials: &str, request: &str) -> String {
    request.replace("\r\n\r\n", &format!("\r\n{credentials}\r\n\r\n"))
}

fn a_tunnel_shows_up_and_goes_and_a_refusal_says_why() -> Result<(), String> {
    let setup = Setup::locked().acl(ACL);
    let users = setup.file("users", &format!("{HOSTILE}:{HASH}\n"));
    let (setup, admin) = with_admin(setup.option("--users-file", users));
    let proxy = setup.start();
    let Some(mut browser) = open(admin, 1200, 900)? else {
        return Ok(());
    };
    eventually("its state", || (browser.text("state") == "serving").then_some(()));
    assert_eq!(browser.text("tunnels"), "");

    let origin = Origin::echo();
    let mut tunnel = proxy.client();
    tunnel.send(authorized(&connect(&origin.authority())));
    assert_eq!(tunnel.response_to("CONNECT").status, 200);
    eventually("the tunnel", || {
        let shown = browser.text("tunnels");
        (shown.contains(&origin.authority()) && shown.contains("authed")).then_some(())
    });

    let refused = authorized(&request("GET", "http://other.test/", ""));
    assert_eq!(proxy.ask(refused).status, 407);
    let shown = eventually("the refusal", || {
        let shown = browser.text("refusals");
        shown.contains("other.test").then_some(shown)
    });
    for words in [
        "not-in-allowed-domains",
        "acl.yaml:3",
        "other.test in allowed_domains of service 'authed'",
    ] {
        assert!(shown.contains(words), "no {words} in {shown}");
    }

    // A host can't be, for it is a host's name or an address.
    let hostile = by(&basic(HOSTILE, SECRET), &request("GET", "http://other.test/", ""));
    assert_eq!(proxy.ask(hostile).status, 407);
    eventually("the hostile one, as a text", || {
        browser.text("refusals").contains(HOSTILE).then_some(())
    });
    let markup = format!("http://{}/", HOSTILE.replace(' ', "/"));
    assert_eq!(proxy.ask(authorized(&request("GET", &markup, ""))).status, 400);
    eventually("the malformed one", || {
        browser
            .text("refusals")
            .contains("malformed-request")
            .then_some(())
    });
    assert_eq!(browser.evaluate("document.images.length"), 0);
    assert_eq!(browser.evaluate("document.title"), "smokescreen");

    drop(tunnel);
    eventually("its end", || (browser.text("tunnels").is_empty()).then_some(()));
    drop(proxy);
    eventually("no answer", || {
        (browser.text("state") == "no answer").then_some(())
    });
    Ok(())
}

fn it_fits_a_phone() -> Result<(), String> {
    let (setup, admin) = with_admin(Setup::open());
    let proxy = setup.start();
    let origin = Origin::echo();
    let _tunnel = proxy.tunnel(&origin.authority());
    assert_eq!(proxy.ask(request("GET", "http://10.1.2.3/", "")).status, 407);
    let Some(mut browser) = open(admin, 360, 740)? else {
        return Ok(());
    };
    eventually("the tunnel", || {
        browser.text("tunnels").contains(PUBLIC).then_some(())
    });
    // Its tables may be scrolled by themselves.
    let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(browser.evaluate(fits), true);
    Ok(())
}
