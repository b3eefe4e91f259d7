//! Limits that an operator sets: for all together, for each client's connections, for roles, for a day's bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::support::case::cases;
use crate::support::eventually;
use crate::support::message::{Response, answer, connect, get, request};
use crate::support::origin::{Deaf, Next, Origin, Signal as Flag};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::wire::Wire;

cases![
    a_rate_answers_429_and_comes_back,
    requests_at_a_time_are_bounded_and_tunnels_are_none,
    tunnels_at_a_time_are_bounded,
    a_client_that_leaves_a_dial_gives_its_place_back,
    a_client_has_so_many_connections,
    a_role_s_limits_name_their_line,
    sixty_four_spliced_tunnels_share_a_day_to_the_byte,
    bodies_count_and_a_response_without_bytes_is_cut,
    a_reload_keeps_what_was_taken,
    tunnels_that_were_there_before_the_limit_are_counted_from_then_on,
    what_was_under_way_before_the_limit_is_counted_from_then_on,
    a_tunnel_is_counted_by_the_rule_that_its_role_has,
    bad_limits_are_named_with_their_place,
    denied_requests_take_nothing,
];

fn acl(limits: &str) -> String {
    format!("version: v1\nservices: []\ndefault:\n  action: open\n  limits: {{{limits}}}\n")
}

fn code(response: &Response) -> (u16, String, Option<String>) {
    (
        response.status,
        response.code(),
        response.fields.get("retry-after"),
    )
}

fn limited(status: u16, name: &str) -> (u16, String, Option<String>) {
    (status, name.to_owned(), Some("1".to_owned()))
}

fn a_rate_answers_429_and_comes_back() {
    let origin = Origin::fixed("ok");
    let proxy = Setup::open()
        .option("--max-request-rate", "0.2")
        .option("--max-request-burst", "3")
        .start();
    let mut client = proxy.client();
    let mut ask = || {
        client.send(get(&origin.url("/")));
        client.response()
    };
    for _ in 0..3 {
        assert_eq!(ask().status, 200);
    }
    let refused = ask();
    assert_eq!(code(&refused), limited(429, "rate-limited"));
    assert!(
        refused.text().starts_with("Proxy rate limit exceeded. "),
        "{}",
        refused.text()
    );
    // CONNECT counts too, and the connection was kept.
    assert_eq!(
        code(&proxy.ask(connect(&origin.authority()))),
        limited(429, "rate-limited")
    );
    eventually("a token", || (ask().status == 200).then_some(()));
}

fn requests_at_a_time_are_bounded_and_tunnels_are_none() {
    let go = Flag::new();
    let wait = go.clone();
    let origin = Origin::http(move |_, wire| {
        wait.wait();
        let _ = wire.try_send(answer("200 OK", "", b"late"));
        Next::Keep
    });
    let (echo, other) = (Origin::echo(), Origin::fixed("ok"));
    let proxy = Setup::open().option("--max-concurrent-requests", "2").start();
    let mut tunnels: Vec<Wire> = (0..5).map(|_| proxy.tunnel(&echo.authority())).collect();
    let mut waiting: Vec<Wire> = (0..2).map(|_| proxy.client()).collect();
    waiting
        .iter_mut()
        .for_each(|client| client.send(get(&origin.url("/"))));
    origin.await_accepted(2);
    for refused in [
        proxy.ask(get(&other.url("/"))),
        proxy.ask(connect(&echo.authority())),
    ] {
        assert_eq!(code(&refused), limited(503, "overloaded"));
        assert!(
            refused.text().starts_with("Proxy overloaded. "),
            "{}",
            refused.text()
        );
    }
    go.raise();
    for client in &mut waiting {
        assert_eq!(client.response().text(), "late");
    }
    assert_eq!(proxy.ask(get(&other.url("/"))).status, 200);
    for tunnel in &mut tunnels {
        tunnel.send("still there");
        tunnel.expect(b"still there");
    }
}

fn tunnels_at_a_time_are_bounded() {
    let (echo, origin) = (Origin::echo(), Origin::fixed("ok"));
    let proxy = Setup::open()
        .option("--max-concurrent-connect-tunnels", "2")
        .start();
    let tunnels = [proxy.tunnel(&echo.authority()), proxy.tunnel(&echo.authority())];
    let refused = proxy.ask(connect(&echo.authority()));
    assert_eq!(code(&refused), limited(429, "tunnels-limited"));
    assert_eq!(
        refused.text().trim_end(),
        "maximum concurrent connect tunnels exceeded"
    );
    assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
    drop(tunnels);
    eventually("a place", || {
        (proxy.ask(connect(&echo.authority())).status == 200).then_some(())
    });
}

fn a_client_that_leaves_a_dial_gives_its_place_back() {
    let (deaf, origin) = (Deaf::new(), Origin::fixed("ok"));
    let proxy = Setup::open()
        .option("--timeout", "300s")
        .option("--max-concurrent-requests", "1")
        .option("--max-concurrent-connect-tunnels", "1")
        .start();
    for _ in 0..3 {
        let mut client = proxy.client();
        client.send(connect(&deaf.authority()));
        eventually("the place to be taken", || {
            (proxy.ask(get(&origin.url("/"))).status == 503).then_some(())
        });
        client.reset();
        eventually("the place to be free", || {
            (proxy.ask(get(&origin.url("/"))).status == 200).then_some(())
        });
    }
}

fn a_client_has_so_many_connections() {
    let origin = Origin::fixed("ok");
    let proxy = Setup::open().option("--max-connections-per-client", "3").start();
    let mut kept: Vec<Wire> = (0..3).map(|_| proxy.client()).collect();
    // Silent ones count.
    kept[0].send(get(&origin.url("/")));
    assert_eq!(kept[0].response().status, 200);
    let mut extra = proxy.client();
    let refused = extra.response();
    assert_eq!(code(&refused), limited(503, "overloaded"));
    extra.expect_gone();
    kept.pop();
    eventually("a place", || {
        let mut client = proxy.client();
        client.try_send(get(&origin.url("/"))).ok()?;
        let response = client.try_response("GET").ok()?;
        (response.status == 200).then_some(())
    });
}

fn a_role_s_limits_name_their_line() {
    let echo = Origin::echo();
    let proxy = Setup::open().acl(&acl("tunnels: 1, requests: 5")).start();
    let _tunnel = proxy.tunnel(&echo.authority());
    let refused = proxy.ask(connect(&echo.authority()));
    assert_eq!(code(&refused), limited(429, "tunnels-limited"));
    let line = eventually("the line", || {
        proxy
            .log()
            .into_iter()
            .find(|line| line.contains("code=tunnels-limited"))
    });
    assert!(line.contains("acl.yaml:5"), "{line}");
    assert!(
        line.contains("hint=\"a higher `tunnels` in limits of the default rule\""),
        "{line}"
    );
    assert!(
        line.contains("level=warning") && line.contains("allow=false"),
        "{line}"
    );
}

/// How many ends of pipes a proxy has open.
fn pipe_ends(proxy: &Proxy) -> usize {
    let folder =
        std::fs::read_dir(format!("/proc/{}/fd", proxy.pid().as_raw_nonzero())).expect("its descriptors");
    let links = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("pipe:"))
        .count()
}

/// Half of them pour down, half of them up; each takes what the others leave.
fn sixty_four_spliced_tunnels_share_a_day_to_the_byte() {
    const TUNNELS: usize = 64;
    const TOTAL: u64 = (48 << 20) + 12_345;
    let arrived = Arc::new(AtomicU64::new(0));
    let (one, all) = (Arc::clone(&arrived), Arc::clone(&arrived));
    // None begins before all tunnels are open.
    let pours = Origin::raw(move |mut wire| {
        let asked = wire.take(1).expect("a word");
        one.fetch_add(asked.len() as u64, Ordering::SeqCst);
        while wire.try_send([b'd'; 1 << 16]).is_ok() {}
    });
    let takes = Origin::raw(move |mut wire| {
        all.fetch_add(wire.drain().0.len() as u64, Ordering::SeqCst);
    });
    let proxy = Setup::open()
        .acl(&acl(&format!("bytes_per_day: {TOTAL}")))
        .start();
    let before = pipe_ends(&proxy);
    let origins = [&pours, &takes].into_iter().cycle();
    let tunnels = origins
        .take(TUNNELS)
        .map(|origin| proxy.tunnel(&origin.authority()));
    let tunnels: Vec<Wire> = tunnels.collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("a pipe that bytes are spliced through", || {
                (pipe_ends(&proxy) > before).then_some(())
            })
        });
        for (nth, mut tunnel) in tunnels.into_iter().enumerate() {
            let arrived = &arrived;
            scope.spawn(move || match nth % 2 {
                0 => {
                    tunnel.send("d");
                    arrived.fetch_add(tunnel.drain().0.len() as u64, Ordering::SeqCst);
                }
                _ => while tunnel.try_send([b'u'; 1 << 16]).is_ok() {},
            });
        }
    });
    let closes = eventually("all close lines", || {
        let lines = proxy.log();
        let closes: Vec<String> = lines
            .into_iter()
            .filter(|line| line.contains("CANONICAL-PROXY-CN-CLOSE"))
            .collect();
        (closes.len() == TUNNELS).then_some(closes)
    });
    let bytes = |line: &String, key: &str| -> u64 {
        let (_, rest) = line.split_once(key).expect(key);
        rest.split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .expect("a number")
    };
    let passed: u64 = closes
        .iter()
        .map(|line| bytes(line, " bytes_in=") + bytes(line, " bytes_out="))
        .sum();
    assert_eq!(passed, TOTAL);
    // What passed us is what they got.
    eventually("the last of them", || {
        (arrived.load(Ordering::SeqCst) == TOTAL).then_some(())
    });
    assert!(
        closes.iter().all(|line| line.contains("code=quota-exhausted")),
        "{closes:?}"
    );
    let refused = proxy.ask(connect(&takes.authority()));
    let (status, name, retry) = code(&refused);
    assert_eq!((status, name.as_str()), (429, "quota-exhausted"));
    let left = 86_400
        - SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a time")
            .as_secs()
            % 86_400;
    let retry: u64 = retry.expect("a time").parse().expect("seconds");
    assert!(
        retry.abs_diff(left) < 120 || left < 120,
        "{retry} instead of {left}"
    );
}

fn bodies_count_and_a_response_without_bytes_is_cut() {
    let origin = Origin::http(|request, wire| {
        let bytes = vec![b'x'; 600];
        let sent = match request.target.as_str() {
            "/chunked" => wire
                .try_send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n")
                .and_then(|()| wire.try_send(&bytes))
                .and_then(|()| wire.try_send("\r\n0\r\n\r\n")),
            _ => wire.try_send(answer("200 OK", "", &bytes)),
        };
        let _ = sent;
        Next::Keep
    });
    for path in ["/", "/chunked"] {
        let proxy = Setup::open().acl(&acl("bytes_per_day: 1500")).start();
        let mut client = proxy.client();
        client.send(request("POST", &origin.url(path), "Content-Length: 300\r\n"));
        client.send([b'y'; 300]);
        assert_eq!(client.response().body.len(), 600);
        // 600 are left, and 600 more come: the day is used up by the last of them.
        client.send(get(&origin.url(path)));
        assert_eq!(client.response().body.len(), 600);
        let refused = proxy.ask(get(&origin.url(path)));
        assert_eq!(code(&refused).1, "quota-exhausted");
        let proxy = Setup::open().acl(&acl("bytes_per_day: 599")).start();
        let mut client = proxy.client();
        client.send(get(&origin.url(path)));
        let cut = client.try_response("GET");
        assert!(cut.as_ref().is_err() || !cut.is_ok_and(|response| response.whole));
        let line = proxy.await_lines("The response was cut off", 1).remove(0);
        assert_eq!(line.get("error"), "the role's bytes of this day are used up");
        assert_eq!(line.get("id"), proxy.decision().get("id"));
    }
}

fn set((proxy, path): (&Proxy, &str), limits: &str, reloads: usize) {
    std::fs::write(path, acl(limits)).expect("a file");
    proxy.signal(Signal::HUP);
    eventually("the reload", || {
        let lines = proxy.log();
        let done = lines
            .iter()
            .filter(|line| line.contains("The egress ACL was reloaded"));
        (done.count() >= reloads).then_some(())
    });
}

fn a_reload_keeps_what_was_taken() {
    let (echo, origin) = (Origin::echo(), Origin::fixed("0123456789"));
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("tunnels: 2, bytes_per_day: 1000"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let it = (&proxy, path.as_str());
    let mut first = proxy.tunnel(&echo.authority());
    first.send([b'a'; 100]);
    first.expect(&[b'a'; 100]);
    // One is open: with one there is no room, with two there is for one more.
    set(it, "tunnels: 1, bytes_per_day: 1000", 1);
    assert_eq!(code(&proxy.ask(connect(&echo.authority()))).1, "tunnels-limited");
    set(it, "tunnels: 2, bytes_per_day: 1000", 2);
    let second = proxy.tunnel(&echo.authority());
    assert_eq!(code(&proxy.ask(connect(&echo.authority()))).1, "tunnels-limited");
    // 200 are used: below that the silent ones end too.
    set(it, "tunnels: 2, bytes_per_day: 200", 3);
    first.expect_gone();
    let mut second = second;
    second.expect_gone();
    assert_eq!(code(&proxy.ask(get(&origin.url("/")))).1, "quota-exhausted");
    set(it, "tunnels: 2, bytes_per_day: 210", 4);
    assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
    assert_eq!(code(&proxy.ask(get(&origin.url("/")))).1, "quota-exhausted");
    set(it, "", 5);
    assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
}

fn tunnels_that_were_there_before_the_limit_are_counted_from_then_on() {
    let echo = Origin::echo();
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl(""));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let mut tunnels = [0, 1].map(|_| proxy.tunnel(&echo.authority()));
    // It is spliced by now.
    let much = vec![b'a'; 1 << 20];
    for tunnel in &mut tunnels {
        for _ in 0..16 {
            tunnel.send(&much[..1 << 16]);
            tunnel.expect(&much[..1 << 16]);
        }
    }
    set((&proxy, &path), "bytes_per_day: 300", 1);
    let [mut one, mut other] = tunnels;
    one.send([b'b'; 100]);
    one.expect(&[b'b'; 100]);
    other.send([b'c'; 60]);
    // 40 of them are all that is left for the way back.
    assert_eq!(other.drain().0, [b'c'; 40]);
    one.expect_gone();
    for line in proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 2) {
        assert_eq!(line.get("code"), "quota-exhausted");
        assert_eq!(line.get("error"), "the role's bytes of this day are used up");
        assert_eq!(line.get("rule"), format!("{path}:5"));
        let hint = "a higher `bytes_per_day` in limits of the default rule";
        assert_eq!(line.get("hint"), hint);
    }
}

fn what_was_under_way_before_the_limit_is_counted_from_then_on() {
    for framing in [
        "Content-Length: 1000000",
        "Transfer-Encoding: chunked",
        "Connection: close",
    ] {
        let (tell, told) = std::sync::mpsc::channel();
        let told = std::sync::Mutex::new(told);
        let origin = Origin::http(move |_, wire| {
            wire.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n"));
            let waits = told.lock().expect("the channel").recv();
            let part = match framing.starts_with("Transfer") {
                true => [format!("{:x}\r\n", 10_000).as_bytes(), &[b'x'; 10_000], b"\r\n"].concat(),
                false => vec![b'x'; 10_000],
            };
            while waits.is_ok() && wire.try_send(&part).is_ok() {}
            Next::Close
        });
        let setup = Setup::open();
        let path = setup.file("acl.yaml", &acl(""));
        let proxy = setup.option("--egress-acl-file", path.as_str()).start();
        let mut client = proxy.client();
        client.send(get(&origin.url("/")));
        proxy.await_lines("CANONICAL-PROXY-DECISION", 1);
        set((&proxy, &path), "bytes_per_day: 3000", 1);
        tell.send(()).expect("an origin");
        let (got, _) = client.drain();
        let bytes = got.iter().filter(|byte| **byte == b'x').count();
        assert_eq!(bytes, 3000, "{framing}");
        assert_eq!(code(&proxy.ask(get(&origin.url("/")))).1, "quota-exhausted");
    }
}

fn a_tunnel_is_counted_by_the_rule_that_its_role_has() {
    let echo = Origin::echo();
    let setup = Setup::locked();
    let rules = |service: &str| {
        format!(
            "version: v1\nservices: [{service}]\ndefault: {{action: open, limits: {{bytes_per_day: 10000}}}}\n"
        )
    };
    let service = |limits: &str| rules(&format!("{{name: authed, action: open{limits}}}"));
    let path = setup.file("acl.yaml", &rules(""));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let mut reloads = 0;
    let mut reload = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        proxy.signal(Signal::HUP);
        reloads += 1;
        eventually("the reload", || {
            let lines = proxy.log();
            let done = lines
                .iter()
                .filter(|line| line.contains("The egress ACL was reloaded"));
            (done.count() >= reloads).then_some(())
        });
    };
    let mut tunnel = proxy.client();
    let credentials = format!("{}\r\n", crate::auth::basic("any", PASSWORD));
    tunnel.send(request("CONNECT", &echo.authority(), &credentials));
    assert_eq!(tunnel.response_to("CONNECT").status, 200);
    let mut pass = |bytes: usize| {
        tunnel.send(vec![b'a'; bytes]);
        tunnel.expect(&vec![b'a'; bytes]);
    };
    pass(100);
    // A rule of its own, without a limit: nobody's account.
    reload(&service(""));
    pass(20_000);
    // With one that it has used nothing of.
    reload(&service(", limits: {bytes_per_day: 1000}"));
    pass(450);
    // The service goes and comes back, and with it what was used.
    reload(&rules(""));
    pass(100);
    reload(&service(", limits: {bytes_per_day: 1000}"));
    pass(50);
    tunnel.expect_gone();
    let line = proxy.close_line();
    assert_eq!(line.get("code"), "quota-exhausted");
    assert_eq!(
        line.get("hint"),
        "a higher `bytes_per_day` in limits of service 'authed'"
    );
}

fn bad_limits_are_named_with_their_place() {
    for (limits, words) in [
        (
            "tunnels: 0",
            &["line 5", "limits.tunnels", "a whole number from 1 to 4294967295"][..],
        ),
        (
            "bytes_per_day: -1",
            &["line 5", "limits.bytes_per_day", "a whole number from 1"],
        ),
        (
            "rate: 0.5",
            &["line 5", "limits.rate", "a number from 1 to 1000000000"],
        ),
        (
            "rate: 5, burst: 5",
            &["line 5", "the burst 5 must exceed the rate 5"],
        ),
        ("burst: 5", &["line 5", "`burst` needs `rate`"]),
        ("request: 5", &["line 5", "did you mean `requests`"]),
    ] {
        let ended = Setup::open().acl(&acl(limits)).run();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
    }
    for (flag, value) in [
        ("--max-request-burst", "5"),
        ("--max-connections-per-client", "-1"),
    ] {
        let ended = Setup::open()
            .option("--max-request-rate", "5")
            .option(flag, value)
            .run();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(flag), "{}", ended.stderr);
    }
}

fn denied_requests_take_nothing() {
    let origin = Origin::fixed("ok");
    let proxy = Setup::locked()
        .option("--max-request-rate", "0.001")
        .option("--max-request-burst", "1")
        .start();
    for _ in 0..5 {
        assert_eq!(proxy.ask(get(&origin.url("/"))).status, 407);
    }
    let credentials = format!("{}\r\n", crate::auth::basic("any", PASSWORD));
    let asked = |url: &str| request("GET", url, &credentials);
    for _ in 0..5 {
        assert_eq!(proxy.ask(asked("http://a.internal/")).status, 407);
    }
    assert_eq!(proxy.ask(asked(&origin.url("/"))).status, 200);
    assert_eq!(proxy.ask(asked(&origin.url("/"))).status, 429);
}
