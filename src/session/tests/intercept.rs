//! The way into an intercepted tunnel: what leaves when, and who hears of what goes wrong.

use crate::policy::acl::Acl;

use super::*;

const ACL: &str = "version: v1\nservices: []\ndefault:\n  action: enforce\n  allowed_domains: ['44.1.2.3']\n  \
                   mitm_domains: [{domain: '44.1.2.3'}]\n";

/// One whose CONNECT was let out and whose dial succeeded.
fn connected() -> Bench {
    connected_by(None, "")
}

/// The same, where clients need a password, with what the CONNECT says beside its target.
fn connected_by(password: Option<Password>, lines: &str) -> Bench {
    connected_under(ACL, password, lines)
}

fn connected_under(acl: &str, password: Option<Password>, lines: &str) -> Bench {
    let mut bench = Bench::new();
    let acl = Acl::parse(acl, &[]).unwrap();
    bench.policy = Policy::new(PolicyParts {
        acl: Some(acl.with_secrets(&|_| Err("nothing is read".into())).unwrap()),
        ranges: Ranges::new(Vec::new(), Vec::new(), false, vec![4750]),
        allow_missing_role: password.is_none(),
        password,
        ..PolicyParts::without_rules()
    });
    let connect = format!("CONNECT 44.1.2.3:443 HTTP/1.1\r\n{lines}\r\n");
    bench.arrive(Side::Client, &connect);
    bench.dialled(false);
    bench
}

/// One that is in its tunnel.
fn entered(mut bench: Bench) -> Bench {
    bench.feed(Input::Secured(Side::Origin, None));
    let (seq, _) = minting(&mut bench);
    bench.feed(Input::Minted(seq, Ok(())));
    bench.leave(Side::Client);
    bench.arrive(Side::Client, "\x16");
    bench.flows.up.rx.clear();
    bench.feed(Input::Secured(Side::Client, None));
    bench.actions.clear();
    bench
}

/// A request inside.
const GET: &str = "GET /a HTTP/1.1\r\nHost: 44.1.2.3\r\n\r\n";

/// The number of the certificate that is asked for, with the host.
fn minting(bench: &mut Bench) -> (u32, String) {
    let mint = bench.actions.drain(..).find_map(|action| match action {
        Action::Mint(seq, host) => Some((seq, host.to_string())),
        _ => None,
    });
    mint.unwrap()
}

/// One whose origin is known, and the number of the certificate that it waits for.
fn verified() -> (Bench, u32) {
    let mut bench = connected();
    bench.feed(Input::Secured(Side::Origin, None));
    let parks = |action: &Action| matches!(action, Action::Park(..));
    assert!(bench.actions.iter().any(parks), "for the first request inside");
    let (seq, host) = minting(&mut bench);
    assert_eq!(host, "44.1.2.3");
    (bench, seq)
}

fn has(bench: &Bench, is_it: impl Fn(&Action) -> bool) -> bool {
    bench.actions.iter().any(is_it)
}

fn secures_inside(bench: &Bench) -> bool {
    has(bench, |action| matches!(action, Action::SecureInside))
}

#[test]
fn nothing_is_said_before_the_origin_is_known_and_the_certificate_there() {
    let mut bench = connected();
    assert!(has(&bench, |action| matches!(action, Action::SecureOrigin(_))));
    assert_eq!(bench.leave(Side::Client), "");
    bench.feed(Input::Secured(Side::Origin, None));
    assert_eq!(bench.leave(Side::Client), "");
    let (seq, _) = minting(&mut bench);
    for stale in [
        Input::Minted(seq.wrapping_sub(1), Ok(())),
        Input::Minted(seq + 1, Ok(())),
    ] {
        bench.feed(stale);
        assert_eq!(bench.leave(Side::Client), "");
    }
    bench.feed(Input::Minted(seq, Ok(())));
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 200 "));
    let record = bench.logged();
    assert!(record.allow && record.end().is_none());
}

#[test]
fn the_engine_comes_when_the_200_has_left_and_tls_begins() {
    let (mut bench, seq) = verified();
    bench.feed(Input::Minted(seq, Ok(())));
    // What the client may have said ahead is not looked at before, nor is more read.
    bench.arrive(Side::Client, "\x16\x03\x01");
    assert!(!secures_inside(&bench) && !bench.flows.up.wants_bytes());
    // It may wait in an engine below, too.
    bench.leave(Side::Client);
    let (mut below, seq) = verified();
    below.feed(Input::Minted(seq, Ok(())));
    below.flows.down.tx.clear();
    below.flows.down.note_under(40);
    below.arrive(Side::Client, "\x16");
    assert!(!secures_inside(&below));
    below.flows.down.note_under(0);
    below.feed(Input::Moved);
    for mut bench in [bench, below] {
        assert!(secures_inside(&bench));
        assert_eq!(bench.session.securing(), Some(Side::Client));
        bench.flows.up.rx.clear();
        bench.feed(Input::Secured(Side::Client, None));
        // The head's time begins now, whatever the connection's age.
        let deadline = bench.session.deadline(&bench.flows, &bench.settings);
        assert_eq!(deadline, Some(bench.now + Duration::from_secs(30)));
        bench.arrive(Side::Client, "GET /a HTTP/1.1\r\nHost: 44.1.2.3\r\n\r\n");
        let wants = |action: &Action| matches!(action, Action::Dial(_, _, Some(_)));
        assert!(has(&bench, wants), "the parked connection");
        bench.dialled(true);
        let sent = bench.leave(Side::Origin);
        assert!(
            sent.starts_with("GET /a HTTP/1.1\r\nHost: 44.1.2.3\r\n"),
            "{sent}"
        );
        bench.arrive(Side::Origin, "HTTP/1.1 204 No Content\r\n\r\n");
        assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 204 "));
        bench.actions.clear();
        bench.feed(Input::Terminate);
        let end = bench.logged();
        assert!(end.end().is_some() && end.error().is_none(), "{end:?}");
    }
}

#[test]
fn a_certificate_that_is_not_made_is_a_503_that_can_be_read() {
    let (mut refused, seq) = verified();
    refused.feed(Input::Minted(seq, Err(MintFail::Busy)));
    let (mut late, _) = verified();
    late.now += Duration::from_secs(10);
    late.feed(Input::Expired);
    for mut bench in [refused, late] {
        let answer = bench.leave(Side::Client);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("X-Smokescreen-Code: overloaded\r\n"), "{answer}");
        assert!(!secures_inside(&bench));
    }
}

#[test]
fn an_origin_that_speaks_first_is_kept_for_nobody() {
    let mut bench = connected();
    bench.flows.down.rx.push(b"220 hello\r\n");
    bench.feed(Input::Secured(Side::Origin, None));
    assert!(!has(&bench, |action| matches!(action, Action::Park(..))));
    assert!(has(&bench, |action| matches!(action, Action::DropOrigin)));
    assert!(bench.flows.down.rx.is_empty());
}

#[test]
fn who_goes_away_meanwhile_ends_it_with_one_line() {
    let broken = reset();
    for end in [
        Input::Broken(Side::Client, &broken),
        Input::Unwritable(Side::Client, &broken),
        Input::Terminate,
    ] {
        let (mut waiting, _) = verified();
        waiting.feed(end);
        assert!(waiting.session.is_done());
        let lines = |bench: &Bench| {
            let logs = bench
                .actions
                .iter()
                .filter(|action| matches!(action, Action::Log(_)));
            logs.count()
        };
        assert_eq!(lines(&waiting), 1, "{end:?}");
        let (mut invited, seq) = verified();
        invited.feed(Input::Minted(seq, Ok(())));
        invited.feed(end);
        assert!(invited.session.is_done());
        assert_eq!(lines(&invited), 2, "the decision, and the end: {end:?}");
    }
}

#[test]
fn a_client_that_never_begins_has_10_s() {
    let (mut bench, seq) = verified();
    bench.now += Duration::from_secs(5);
    bench.feed(Input::Minted(seq, Ok(())));
    bench.leave(Side::Client);
    let deadline = bench.session.deadline(&bench.flows, &bench.settings);
    assert_eq!(deadline, Some(bench.now + Duration::from_secs(10)));
    bench.now += Duration::from_secs(10);
    bench.feed(Input::Expired);
    assert!(bench.session.is_done());
    assert!(has(&bench, |action| matches!(
        action,
        Action::Warn(HandshakeFail::Timeout, _)
    )));
    assert!(bench.logged().error().unwrap().contains("longer than 10 s"));
}

/// `Basic` with any name and this password.
fn authorization(password: &str) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("any:{password}"));
    format!("Proxy-Authorization: Basic {encoded}\r\n")
}

#[test]
fn who_is_not_known_any_more_gets_no_further_inside() {
    let password = Password::new;
    let enter = || entered(connected_by(password("one"), &authorization("one")));
    let mut kept = enter();
    kept.policy = kept.policy.renewed(None, None);
    kept.arrive(Side::Client, GET);
    assert!(kept.dials(), "the password is the same");
    let mut revoked = enter();
    revoked.policy = revoked.policy.renewed(None, password("another"));
    // Nor does it help to say who one is inside.
    let request = GET.replace("\r\n\r\n", &format!("\r\n{}\r\n", authorization("another")));
    revoked.arrive(Side::Client, &request);
    assert!(!revoked.dials());
    let record = revoked.logged();
    assert_eq!(record.refused_by(), Some(crate::policy::Code::CredentialsWrong));
    let answer = revoked.leave(Side::Client);
    assert!(answer.starts_with("HTTP/1.1 407 "), "{answer}");
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
    // Its client would say to its origin what is meant for its proxy.
    assert!(!answer.contains("Proxy-Authenticate"), "{answer}");
}

#[test]
fn credentials_that_are_too_long_to_be_kept_hold_for_as_long_as_their_policy() {
    use base64::Engine as _;
    let long = format!("{}:one", "a".repeat(4000));
    let encoded = base64::engine::general_purpose::STANDARD.encode(long);
    let lines = format!("Proxy-Authorization: Basic {encoded}\r\n");
    let mut bench = entered(connected_by(Password::new("one"), &lines));
    bench.policy = bench.policy.renewed(None, None);
    bench.arrive(Side::Client, GET);
    assert!(!bench.dials());
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 407 "));
    // Where nobody is asked for any it does not matter.
    let mut open = entered(connected_by(None, &lines));
    open.policy = open.policy.renewed(None, None);
    open.arrive(Side::Client, GET);
    assert!(open.dials());
}

#[test]
fn what_a_connect_says_of_its_client_is_not_shown() {
    let bench = connected_by(Password::new("one"), &authorization("one"));
    let shown = format!("{:?}", bench.session);
    assert!(shown.contains("Introduction"), "{shown}");
    assert!(
        !shown.contains("YW55Om9uZQ") && !shown.contains("89, 87, 53"),
        "{shown}"
    );
}

/// One in which a request became a tunnel, and five bytes went each way.
fn switched() -> Bench {
    let mut bench = entered(connected());
    let body = "POST /b HTTP/1.1\r\nHost: 44.1.2.3\r\nContent-Length: 3\r\n\r\nabc";
    bench.arrive(Side::Client, body);
    bench.dialled(true);
    bench.leave(Side::Origin);
    bench.arrive(Side::Origin, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nde");
    bench.leave(Side::Client);
    let upgrade = "GET /a HTTP/1.1\r\nHost: 44.1.2.3\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    bench.arrive(Side::Client, upgrade);
    bench.dialled(true);
    bench.leave(Side::Origin);
    let agrees = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";
    bench.arrive(Side::Origin, agrees);
    bench.leave(Side::Client);
    bench.arrive(Side::Client, "frame");
    bench.leave(Side::Origin);
    assert_eq!(bench.session.standing(), Standing::Tunnel);
    bench
}

#[test]
fn an_upgrade_inside_has_one_close_line_with_all_bytes() {
    let broken = reset();
    let ends: [(Input<'_>, Option<&str>, bool); 2] = [
        (
            Input::Broken(Side::Client, &broken),
            Some("connection reset by peer"),
            false,
        ),
        (Input::Terminate, None, true),
    ];
    for (end, error, is_active) in ends {
        let mut bench = switched();
        let (decision, id) = (bench.logged(), bench.session.tunnel().unwrap().id);
        assert!(decision.end().is_none() && decision.id == id);
        bench.feed(end);
        assert!(bench.session.is_done());
        let is_line = |action: &&Action| matches!(action, Action::Log(_));
        assert_eq!(bench.actions.iter().filter(is_line).count(), 1);
        let record = bench.logged();
        let told = record.end().unwrap();
        assert_eq!((told.bytes_in, told.bytes_out), (7, 8));
        assert_eq!(told.active_at_termination, is_active);
        assert_eq!(record.error(), error);
        assert!(record.id != id, "the tunnel's");
    }
}

#[test]
fn an_intercepted_tunnel_that_the_server_ends_was_active() {
    let mut idle = entered(connected());
    assert_eq!(idle.session.standing(), Standing::Inside { asks: false });
    let mut asking = entered(connected());
    asking.arrive(Side::Client, GET);
    assert_eq!(asking.session.standing(), Standing::Inside { asks: true });
    for bench in [&mut idle, &mut asking] {
        bench.feed(Input::Terminate);
        assert!(bench.logged().end().unwrap().active_at_termination);
        assert_eq!(bench.session.standing(), Standing::Idle);
    }
    // Who is only waited for to read the last answer is no tunnel any more.
    let mut closing = entered(connected());
    closing.arrive(Side::Client, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    closing.leave(Side::Client);
    assert!(closing.session.is_closing());
    closing.feed(Input::Terminate);
    assert!(!closing.logged().end().unwrap().active_at_termination);
}

#[test]
fn added_authentication_of_a_connection_binds_it_as_a_clients_own_does() {
    for (added, is_private) in [
        ("Authorization: Negotiate YWJj", true),
        ("authorization: 'NTLM YWJj'", true),
        ("Authorization: Bearer abc", false),
        ("X-Authorization: Negotiate YWJj", false),
    ] {
        let entry = format!("mitm_domains: [{{domain: '44.1.2.3', add_headers: {{{added}}}}}]");
        let acl = ACL.replace("mitm_domains: [{domain: '44.1.2.3'}]", &entry);
        let mut bench = entered(connected_under(&acl, None, ""));
        bench.arrive(Side::Client, GET);
        bench.dialled(true);
        assert!(
            bench
                .leave(Side::Origin)
                .to_lowercase()
                .contains("authorization: ")
        );
        bench.arrive(Side::Origin, "HTTP/1.1 204 No Content\r\n\r\n");
        let parked = bench.actions.iter().find_map(|action| match action {
            Action::Park(_, dialled, _) => Some(dialled.private),
            _ => None,
        });
        assert_eq!(parked, Some(is_private), "{added}");
    }
}

#[test]
fn a_ca_that_signs_nothing_is_not_called_an_overload() {
    let (mut bench, seq) = verified();
    bench.feed(Input::Minted(seq, Err(MintFail::Impossible)));
    let record = bench.logged();
    assert!(record.allow && record.error().is_some(), "{record:?}");
    let answer = bench.leave(Side::Client);
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("X-Smokescreen-Code: mitm-failed\r\n"), "{answer}");
    assert!(answer.contains("error=proxy_configuration_error"), "{answer}");
    assert!(!answer.contains("Retry-After"), "{answer}");
}
