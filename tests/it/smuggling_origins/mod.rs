//! Ambiguous requests by the thousand, through the proxy, to three origins that read HTTP in three ways: each origin
//! sees exactly what the client may have meant, or the client gets a 4xx.
//!
//! `SMUGGLING_CASES=100000 cargo test --release --test it smuggling_origins` runs that many against each origin;
//! `SMUGGLING_FIRST=N` begins with case N. A case is the same bytes whenever it runs.

mod client;
mod dice;
mod framings;
mod generator;
mod heads;
mod origins;
mod reader;
mod verdict;

use std::thread;

use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::proxy::{Proxy, Setup};
use client::{Client, Heard};
use origins::{Said, Server};
use reader::{End, May, Reading, Request};
use verdict::{Tally, Tried, judge, verdict};

cases![
    nginx_sees_only_what_was_meant,
    python_sees_only_what_was_meant,
    node_sees_only_what_was_meant,
    the_reader_reads_as_it_says,
    the_verdict_notices,
];

const SEED: u64 = 0x5eed_0f5e_ed5e_ed01;
/// Cases against each origin unless the environment says otherwise.
const CASES: u64 = 1000;
/// Cases between two looks at what the origin saw.
const BATCH: u64 = 2000;
const CLIENTS: u64 = 3;

fn nginx_sees_only_what_was_meant() -> Result<(), String> {
    Server::nginx().map(|server| campaign(&server))
}

fn python_sees_only_what_was_meant() -> Result<(), String> {
    Server::python().map(|server| campaign(&server))
}

fn node_sees_only_what_was_meant() -> Result<(), String> {
    Server::node().map(|server| campaign(&server))
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let value = std::env::var(variable).ok();
    value.map_or(otherwise, |value| value.parse().expect(variable))
}

fn campaign(server: &Server) {
    let dns = Dns::start();
    let first = number("SMUGGLING_FIRST", 0);
    let end = first + number("SMUGGLING_CASES", CASES);
    let (mut tally, mut failures) = (Tally::new(), Vec::new());
    let mut from = first;
    while from < end && failures.len() < 5 {
        let to = end.min(from + BATCH);
        // A proxy for each batch: its log is kept in memory.
        let proxy = Setup::open().resolver(&dns).start();
        failures.extend(batch(server, &proxy, from..to, &mut tally));
        proxy.assert_serves();
        from = to;
    }
    println!("{}: {} cases: {tally:?}", server.authority, end - first);
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    let some = |what: &str| tally.get(what).copied().unwrap_or(0) * 20 > end - first;
    assert!(
        some("passed") && some("refused"),
        "not every kind of case is there: {tally:?}"
    );
}

/// Runs cases with several clients at once, then compares what the origin saw.
fn batch(server: &Server, proxy: &Proxy, ids: std::ops::Range<u64>, tally: &mut Tally) -> Vec<String> {
    let authority = server.authority.as_str();
    let try_case = |client: &mut Client, id| {
        let bytes = generator::case(SEED, id, authority);
        let reading = reader::read(&bytes, authority);
        let heard = client.ask(id, &bytes, &reading);
        Tried {
            id,
            bytes,
            reading,
            heard,
        }
    };
    let run = |number: u64| {
        let mut client = Client::of(proxy.address());
        let mine = ids.clone().filter(|id| id % CLIENTS == number);
        mine.map(|id| try_case(&mut client, id)).collect::<Vec<_>>()
    };
    let tried: Vec<Tried> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || run(number)))
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("a client"))
            .collect()
    });
    judge(&tried, server.take_said(), tally)
}

fn the_reader_reads_as_it_says() {
    let authority = "44.1.2.5:80";
    let read = |text: &str| reader::read(text.replace("AT", authority).as_bytes(), authority);
    let outcome = |text: &str| {
        let reading = read(text);
        let all = reading
            .requests
            .iter()
            .map(|(request, may)| (format!("{request:?}"), *may));
        (all.collect::<Vec<_>>(), reading.end)
    };
    let host = "Host: AT\r\n";
    let plain = |text: &str| (text.to_owned(), May::Pass);
    assert_eq!(
        outcome(&format!(
            "POST http://AT/c1/x HTTP/1.1\r\n{host}Content-Length: 2\r\n\r\nabGET http://AT/c1/ HTTP/1.1\r\n{host}\r\n"
        )),
        (
            vec![plain("POST /c1/x \"ab\""), plain("GET /c1/ \"\"")],
            End::Clean
        )
    );
    let chunked = format!("PUT http://AT/c1/x HTTP/1.1\r\n{host}transfer-encoding:CHUNKED \r\n\r\n");
    assert_eq!(
        outcome(&format!("{chunked}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")).0,
        [plain("PUT /c1/x \"abc\"")]
    );
    for (body, end) in [
        ("2\r\nab\r\n", End::Cut),
        ("2\r\nabc\r\n", End::Malformed),
        ("+2\r\nab\r\n", End::Malformed),
        ("2\nab\r\n", End::Malformed),
        ("0\r\n\n", End::Malformed),
    ] {
        assert_eq!(outcome(&format!("{chunked}{body}")), (vec![], end), "{body:?}");
    }
    for lines in [
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length : 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 1\n",
        "X: y\r\n Content-Length: 1\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
    ] {
        let text = format!("POST http://AT/c1/x HTTP/1.1\r\n{host}{lines}\r\n1\r\nx\r\n0\r\n\r\n");
        assert_eq!(outcome(&text), (vec![], End::Malformed), "{lines:?}");
    }
    for target in ["/c1/x", "http://evil.test/c1/", "http://AT@evil.test/c1/", "*"] {
        let (requests, _) = outcome(&format!("GET {target} HTTP/1.1\r\n{host}\r\n"));
        assert_eq!(
            requests.first().map(|(_, may)| *may),
            Some(May::Refuse),
            "{target}"
        );
    }
}

/// A test of the test: each kind of lie is found.
fn the_verdict_notices() {
    let request = |target: &str| Request {
        method: b"GET".to_vec(),
        target: target.into(),
        body: Vec::new(),
    };
    let reply = |seen: Option<&Request>, status, closes| client::Reply {
        status,
        seen: seen.map(origins::seen),
        closes,
    };
    let heard = |replies| Heard {
        replies,
        unread: 0,
        end: None,
    };
    let (one, two) = (request("/c1/1"), request("/c1/2"));
    let reading = Reading {
        requests: vec![(one.clone(), May::Pass), (two.clone(), May::Either)],
        end: End::Malformed,
        end_refused: false,
        begun: None,
    };
    let whole = || {
        heard(vec![
            reply(Some(&one), 200, false),
            reply(Some(&two), 200, false),
            reply(None, 400, true),
        ])
    };
    assert_eq!(
        verdict(&reading, &whole(), &[one.clone(), two.clone()]),
        Ok("refused")
    );
    assert!(
        verdict(&reading, &whole(), std::slice::from_ref(&one)).is_err(),
        "a reply without a request"
    );
    assert!(
        verdict(&reading, &whole(), &[one.clone(), two.clone(), two.clone()]).is_err(),
        "a request too many"
    );
    let swapped = heard(vec![reply(Some(&two), 200, false), reply(Some(&one), 200, true)]);
    assert!(
        verdict(&reading, &swapped, &[one.clone(), two.clone()]).is_err(),
        "swapped replies"
    );
    let silent = heard(vec![reply(Some(&one), 200, false), reply(Some(&two), 200, false)]);
    assert!(
        verdict(&reading, &silent, &[one.clone(), two.clone()]).is_err(),
        "nothing said to the malformed end"
    );
    let denied = heard(vec![reply(None, 400, true)]);
    assert!(
        verdict(&reading, &denied, &[]).is_err(),
        "a plain request refused"
    );
    let mut said = Said::default();
    said.requests.extend([one.clone(), request("/smuggled/c1/")]);
    let case = Tried {
        id: 1,
        bytes: Vec::new(),
        reading,
        heard: denied,
    };
    let failures = judge(&[case], said, &mut Tally::new());
    assert!(
        failures.iter().any(|failure| failure.starts_with("smuggled: ")),
        "{failures:?}"
    );
}
