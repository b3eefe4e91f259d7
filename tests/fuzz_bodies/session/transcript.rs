//! What a session sent to whom, read back by the strict reader: an origin sees only requests that the client meant,
//! in order and whole; the client sees responses that it can read, one for each record; a tunnel keeps its bytes.

use smokescreen::session::outcome::{Line, Record};

use crate::fuzz_bodies::reader::{self, Framing, Head};

use super::pipe::Pipe;
use super::world::World;

const AUTHORISED: &[u8] = b"Basic dTpzZWNyZXQ=";

/// A request as the client may have meant it.
#[derive(Debug)]
struct Asked {
    head: Head,
    /// The path that an origin is asked for.
    path: Vec<u8>,
    /// The content, as far as it can be read.
    content: Option<Vec<u8>>,
    /// Where it ends in what the client sent, if it does.
    end: Option<usize>,
}

impl Asked {
    fn method(&self) -> &[u8] {
        self.head.words()[0]
    }
}

pub(super) fn judge(world: &World) {
    let sent = &world.wires.client.wire.sent[world.header_bytes..];
    let asked = asked(sent);
    for (nth, origin) in world.wires.origins.iter().enumerate() {
        let is_tunnel = world.tunnel == Some(nth);
        requests(origin, is_tunnel, &asked, sent);
    }
    let tunnel = world.tunnel.and_then(|nth| world.wires.origins.get(nth));
    responses(&world.wires.client.wire.received, tunnel, &asked, &world.records);
}

/// Everything the client may have asked for, up to where nobody could tell.
fn asked(sent: &[u8]) -> Vec<Asked> {
    let (mut asked, mut at) = (Vec::new(), 0);
    while let Ok(Some(head)) = reader::head(&sent[at..], 2) {
        at += head.length;
        let Ok(framing) = head.framing() else { break };
        let framing = if head.words()[0] == b"CONNECT" {
            Framing::Absent
        } else {
            framing
        };
        let body = reader::body(&sent[at..], framing).ok();
        let end = body.as_ref().and_then(|body| body.end).map(|end| at + end);
        let tunnels = head.words()[0] == b"CONNECT";
        asked.push(Asked {
            path: path(&head),
            head,
            content: body.map(|body| body.content),
            end,
        });
        match end {
            Some(end) if !tunnels => at = end,
            _ => break,
        }
    }
    asked
}

/// The path and query of an absolute URI, without its fragment.
fn path(head: &Head) -> Vec<u8> {
    let words = head.words();
    let target = words.get(1).copied().unwrap_or_default();
    let Some(start) = target.windows(3).position(|three| three == b"://") else {
        return target.to_vec();
    };
    let rest = &target[start + 3..];
    let from = rest.iter().position(|b| b"/?#".contains(b)).unwrap_or(rest.len());
    let to = rest.iter().position(|&b| b == b'#').unwrap_or(rest.len());
    match &rest[from.min(to)..to] {
        [] if words[0] == b"OPTIONS" => b"*".to_vec(),
        path if path.starts_with(b"/") => path.to_vec(),
        path => [b"/", path].concat(),
    }
}

/// What one origin received: requests of the client, or the bytes of its tunnel.
fn requests(origin: &Pipe, is_tunnel: bool, asked: &[Asked], sent: &[u8]) {
    let received = &origin.wire.received;
    let tunnelled = |asked: &Asked, bytes: &[u8]| asked.end.is_some_and(|end| sent[end..].starts_with(bytes));
    if is_tunnel
        && let Some(last) = asked.last().filter(|last| last.method() == b"CONNECT")
        && tunnelled(last, received)
    {
        return;
    }
    let (mut at, mut next) = (0, 0);
    while at < received.len() {
        // Of requests that look the same, any may be the one that this origin got.
        let upgraded =
            |asked: &Asked| asked.head.lists("connection", "upgrade") && tunnelled(asked, &received[at..]);
        if is_tunnel && at > 0 && asked[next.min(asked.len()).max(1) - 1..].iter().any(upgraded) {
            return;
        }
        let read = reader::head(&received[at..], 0).expect("an origin can read what it gets");
        let Some(head) = read else { return };
        at += head.length;
        only_what_may_pass(&head);
        let framing = head.framing().expect("one framing");
        let body = reader::body(&received[at..], framing).expect("an origin can read what it gets");
        let meant = asked[next.min(asked.len())..].iter().position(|asked| {
            let words = head.words();
            asked.method() == words[0]
                && asked.path == words[1]
                && asked.head.values("proxy-authorization").eq([AUTHORISED])
                && asked.content.as_ref().is_none_or(|content| match body.end {
                    Some(_) => asked.end.is_some() && *content == body.content,
                    None => content.starts_with(&body.content),
                })
        });
        let meant =
            meant.unwrap_or_else(|| panic!("nobody asked for {:?}", String::from_utf8_lossy(&head.start)));
        next += meant + 1;
        assert_eq!(body.trailer_fault, None);
        let Some(end) = body.end else { return };
        at += end;
    }
}

fn only_what_may_pass(head: &Head) {
    assert_eq!(head.words().len(), 3);
    assert_eq!(head.words()[2], b"HTTP/1.1");
    assert_eq!(head.values("host").count(), 1);
    for (name, _) in &head.fields {
        assert!(
            !name.starts_with("proxy-") && name != "proxy",
            "{name} reaches an origin"
        );
    }
}

/// What the client received.
fn responses(received: &[u8], tunnel: Option<&Pipe>, asked: &[Asked], records: &[Record]) {
    let decisions: Vec<_> = records
        .iter()
        .filter(|record| record.line() == Line::Decision)
        .collect();
    let from_tunnel = |rest: &[u8]| {
        let sent = tunnel.map(|origin| &origin.wire.sent[..]).unwrap_or_default();
        (0..=sent.len()).any(|at| sent[at..].starts_with(rest))
    };
    let (mut at, mut answered) = (0, 0);
    while at < received.len() {
        let read = reader::head(&received[at..], 0).expect("a client can read what it gets");
        let Some(head) = read else { return };
        at += head.length;
        let request = asked.get(answered);
        let status = head.status().expect("a status");
        if status == 101 {
            let agreed = request.is_some_and(|asked| asked.head.lists("connection", "upgrade"));
            assert!(agreed && tunnel.is_some(), "an upgrade nobody asked for");
            assert!(
                from_tunnel(&received[at..]),
                "bytes of an upgraded connection changed"
            );
            return;
        }
        if status < 200 {
            let old = request.is_some_and(|asked| asked.head.words()[2] == b"HTTP/1.0");
            assert!(!old, "an interim response to an HTTP/1.0 client");
            continue;
        }
        let record = decisions.get(answered).expect("a response without a record");
        answered += 1;
        if head.start == b"HTTP/1.1 200 Connection established" && head.fields.is_empty() {
            let sent = tunnel.map(|origin| &origin.wire.sent[..]).unwrap_or_default();
            assert!(sent.starts_with(&received[at..]), "bytes of a tunnel changed");
            return;
        }
        let ours = head.values("x-smokescreen-error").count();
        for name in ["x-smokescreen-code", "x-smokescreen-request-id", "proxy-status"] {
            assert_eq!(head.values(name).count(), ours, "{name}");
        }
        assert_eq!(ours == 1, record.status_code.is_some(), "{record:?}");
        if ours == 1 {
            assert_eq!(record.status_code, Some(status));
        }
        let closes = head.lists("connection", "close");
        let method = request.map(Asked::method);
        let framing = match (method, status) {
            (Some(b"HEAD"), _) | (_, 204 | 304) => Framing::Absent,
            _ => match head.framing().expect("one framing") {
                Framing::Absent => {
                    assert!(closes, "a response without an end");
                    return;
                }
                other => other,
            },
        };
        let body = reader::body(&received[at..], framing).expect("a client can read what it gets");
        assert_eq!(body.trailer_fault, None);
        let Some(end) = body.end else { return };
        at += end;
        if closes {
            assert!(
                at == received.len() || ours == 1,
                "bytes behind the last response"
            );
            return;
        }
    }
}
