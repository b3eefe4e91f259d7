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

cases![
    a_tunnel_shows_up_and_goes_and_a_refusal_says_why,
    it_fits_a_phone,
    it_can_be_read_by_day_and_by_night,
    columns_sort_both_ways_and_the_fastest_comes_first,
];

const ACL: &str = "version: v1\n\
    services:\n\
    - {name: authed, project: p, action: enforce, allowed_domains: [44.1.2.3]}\n\
    default: {project: rest, action: enforce}\n";

/// A user, and so a role, whose name would be markup; and the bcrypt hash of the password below.
const HOSTILE: &str = "<img src=x onerror=document.title=1>";
const HASH: &str = "$2y$04$abcdefghijklmnopqrstuudbPfYXO5c/JYfey5rtIeAPylnBxElNu";
const SECRET: &str = "s3cret: p%ss";

/// A browser that shows the page, in a window of this size, if there is one.
fn open(admin: SocketAddr, width: u32, height: u32) -> Result<Option<Browser>, String> {
    Browser::open(&format!("http://{admin}/"), width, height)
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

    // A role's name that is markup, and hosts that are, as far as they got.
    let hostile = by(&basic(HOSTILE, SECRET), &request("GET", "http://other.test/", ""));
    assert_eq!(proxy.ask(hostile).status, 407);
    eventually("the hostile one, as a text", || {
        browser.text("refusals").contains(HOSTILE).then_some(())
    });
    for host in [
        "<img>.test:443",
        "<img>\"'&lt;`.test:1",
        "<svg>\u{202e}\u{430}.test:2",
    ] {
        let hostile = authorized(&format!("CONNECT {host} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(proxy.ask(hostile).status, 400, "{host}");
        let shown = host.replace('\u{202e}', "");
        eventually(host, || {
            let text = browser.text("refusals").replace('\u{202e}', "");
            text.contains(&shown).then_some(())
        });
    }
    assert_eq!(browser.evaluate("document.querySelectorAll('svg').length"), 0);
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
    // As long as a host may be.
    let label = "a".repeat(60);
    let long = format!("http://{label}.{label}.{label}.{label}:65536/");
    assert_eq!(proxy.ask(request("GET", &long, "")).status, 400);
    for width in [320, 360] {
        let Some(mut browser) = open(admin, width, 740)? else {
            return Ok(());
        };
        // The new size takes effect a moment later.
        eventually("the width", || {
            (browser.evaluate("innerWidth") == width).then_some(())
        });
        eventually("the tunnel", || {
            browser.text("tunnels").contains(PUBLIC).then_some(())
        });
        // Its tables may be scrolled by themselves.
        let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(fits), true, "{width}");
        // What can be read there without that: who, where to, and how fast.
        let shown = "[...document.querySelectorAll('#tunnels-head th')]\
            .filter(th => getComputedStyle(th).display !== 'none').map(th => th.innerText).join()";
        assert_eq!(browser.evaluate(shown), "host,role,rate,idle");
        let reaches = "document.getElementById('tunnels').rows[0].cells[3].getBoundingClientRect().right";
        assert!(
            browser.evaluate(reaches).as_f64().unwrap() <= f64::from(width),
            "{width}"
        );
    }
    Ok(())
}

/// The background, and the least contrast that a text has to it with what text that is (WCAG 2.2, 1.4.3).
const CONTRAST: &str = r"(() => {
    const numbers = color => color.match(/[\d.]+/g).slice(0, 3).map(Number);
    const light = color => {
        const [r, g, b] = numbers(color).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const probe = document.createElement('p');
    probe.style.backgroundColor = 'Canvas';
    document.body.append(probe);
    const canvas = getComputedStyle(probe).backgroundColor;
    probe.remove();
    let least = [99, ''];
    for (const element of document.querySelectorAll('body *:not(script)')) {
        const own = [...element.childNodes].filter(node => node.nodeType === 3 && node.data.trim());
        if (!own.length) continue;
        const two = [light(getComputedStyle(element).color), light(canvas)].sort((a, b) => b - a);
        const contrast = (two[0] + 0.05) / (two[1] + 0.05);
        if (contrast < least[0]) least = [contrast, own[0].data];
    }
    return { light: light(canvas), least: least[0], of: least[1] };
})()";

fn it_can_be_read_by_day_and_by_night() -> Result<(), String> {
    let (setup, admin) = with_admin(Setup::open());
    let proxy = setup.start();
    let origin = Origin::echo();
    let _tunnel = proxy.tunnel(&origin.authority());
    assert_eq!(proxy.ask(request("GET", "http://10.1.2.3/", "")).status, 407);
    let Some(mut browser) = open(admin, 1200, 900)? else {
        return Ok(());
    };
    eventually("the refusal", || {
        browser.text("refusals").contains("private-range").then_some(())
    });
    for (scheme, is_light) in [("light", true), ("dark", false)] {
        browser.prefer(scheme);
        for state in ["serving", "draining", "lost"] {
            let as_state = format!("document.getElementById('state').className = '{state}', {CONTRAST}");
            let found = browser.evaluate(&as_state);
            let background = found["light"].as_f64().expect("a number");
            assert_eq!(background > 0.8, is_light, "{scheme}: {found}");
            assert_eq!(background < 0.05, !is_light, "{scheme}: {found}");
            let least = found["least"].as_f64().expect("a number");
            assert!((4.5..=21.0).contains(&least), "{scheme}, {state}: {found}");
        }
    }
    Ok(())
}

/// Presses the heading of a column of this table, and gives the column's values as they then stand below each other.
fn sorted(browser: &mut Browser, table: &str, key: &str) -> Vec<serde_json::Value> {
    let pressed = format!(
        "(() => {{
            const at = TABLES.{table}.columns.findIndex(column => column[0] === '{key}');
            document.querySelectorAll('#{table}-head button')[at].click();
            const id = TABLES.{table}.columns[0][0];
            const named = new Map(rows.{table}.map(row => [String(TABLES.{table}.columns[0][2](row[id])), row]));
            return [...document.getElementById('{table}').rows]
                .map(line => named.get(line.cells[0].textContent)['{key}']);
        }})()"
    );
    browser.evaluate(&pressed).as_array().expect("values").clone()
}

/// Do these rise (numbers by size, texts by their letters), or stand still?
fn rise(values: &[serde_json::Value]) -> bool {
    values.is_sorted_by(|one, other| match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one <= other,
        _ => one.as_str() <= other.as_str(),
    })
}

fn columns_sort_both_ways_and_the_fastest_comes_first() -> Result<(), String> {
    let setup = Setup::locked().acl(ACL);
    let users = setup.file("users", &format!("someone:{HASH}\n"));
    let (setup, admin) = with_admin(setup.option("--users-file", users));
    let proxy = setup.start();
    let origins: Vec<Origin> = (0..3).map(|_| Origin::echo()).collect();
    let mut tunnels: Vec<_> = origins
        .iter()
        .zip([2_000, 50_000, 30])
        .map(|(origin, bytes)| {
            let mut tunnel = proxy.client();
            tunnel.send(authorized(&connect(&origin.authority())));
            assert_eq!(tunnel.response_to("CONNECT").status, 200);
            tunnel.send(vec![7; bytes]);
            tunnel.take(bytes).expect("all of it");
            tunnel
        })
        .collect();
    let Some(mut browser) = open(admin, 1200, 900)? else {
        return Ok(());
    };
    let lines = |browser: &mut Browser| browser.text("tunnels").lines().count();
    eventually("the tunnels", || (lines(&mut browser) == 3).then_some(()));
    for key in ["host", "client", "bytes_in", "bytes_out", "seconds_idle", "age"] {
        // First down, then up, but for those that nobody knows to be different.
        let down = sorted(&mut browser, "tunnels", key);
        let up = sorted(&mut browser, "tunnels", key);
        assert_eq!((down.len(), up.len()), (3, 3), "{key}");
        assert!(
            rise(&up) && rise(&down.iter().rev().cloned().collect::<Vec<_>>()),
            "{key}: {down:?}, {up:?}"
        );
        if key != "seconds_idle" {
            assert_ne!(down, up, "{key}");
        }
    }
    let bytes = [50_000, 2_000, 30];
    assert_eq!(sorted(&mut browser, "tunnels", "bytes_in"), bytes);

    // By rate it is sorted to begin with; the last one is the fastest from now on.
    browser.evaluate("location.reload()");
    let fastest = &origins[2].authority();
    let host =
        |row: &str| format!("document.getElementById('tunnels').rows.item({row})?.cells[0].innerText ?? ''");
    eventually("the fastest first", || {
        tunnels[2].send([7; 4096]);
        tunnels[2].take(4096).expect("all of it");
        (browser.evaluate(&host("0")) == **fastest).then_some(())
    });
    let down = sorted(&mut browser, "tunnels", "role");
    assert_eq!(down.len(), 3);
    eventually("the fastest last", || {
        tunnels[2].send([7; 4096]);
        tunnels[2].take(4096).expect("all of it");
        // Down, then up.
        let down = sorted(&mut browser, "tunnels", "rate");
        let up = sorted(&mut browser, "tunnels", "rate");
        let moved = up[2].as_f64() > Some(0.0);
        assert!(
            rise(&up) && rise(&down.into_iter().rev().collect::<Vec<_>>()),
            "{up:?}"
        );
        let is_last = browser.evaluate(&host("2")) == **fastest;
        browser.evaluate("TABLES.tunnels.by = null");
        (moved && is_last).then_some(())
    });

    // The other tables too.
    for (url, status) in [
        ("http://other.test/", 407),
        ("http://another.test/", 407),
        ("http://[/", 400),
    ] {
        assert_eq!(proxy.ask(authorized(&request("GET", url, ""))).status, status);
    }
    eventually("the refusals", || {
        browser.text("refusals").contains("another.test").then_some(())
    });
    let hosts = "[...document.getElementById('refusals').rows].map(line => line.cells[2].innerText)";
    for is_up in [false, true] {
        browser.evaluate("document.querySelectorAll('#refusals-head button')[2].click()");
        let mut hosts = browser.evaluate(hosts).as_array().expect("hosts").clone();
        if !is_up {
            hosts.reverse();
        }
        assert!(
            hosts.len() == 3 && rise(&hosts) && hosts[2] == "other.test",
            "{hosts:?}"
        );
    }
    Ok(())
}
