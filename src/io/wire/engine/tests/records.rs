//! What is kept, what leaves when, what is charged for, and what is an end, a cut or a failure. No client shows a
//! certificate here.

use rustls::crypto::aws_lc_rs::kx_group::{MLKEM768, X25519};
use rustls::version::{TLS12, TLS13};

use crate::io::wire::Aside;

use super::*;

#[test]
fn a_hello_is_answered_when_what_follows_it_is_cheap() {
    let house = House::new();
    for (version, groups, hellos) in [
        (&TLS12, vec![X25519], 1),
        (&TLS13, vec![X25519], 1),
        // The first hello brings a key of a group that we don't take.
        (&TLS13, vec![MLKEM768, X25519], 2),
    ] {
        let mut provider = (**house.server.config().crypto_provider()).clone();
        provider.kx_groups = groups;
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(house.roots())
            .with_no_client_auth();
        let mut pair = Pair::new(&house, Arc::new(config));
        for nth in 1..=hellos {
            assert!(!pair.engine.has_answered());
            pair.client_sends();
            let rest = pair.memory.inbound.split_off(pair.memory.inbound.len() / 2);
            blocks(pair.read());
            assert!(!pair.engine.has_answered(), "half a hello");
            pair.memory.inbound.extend(rest);
            blocks(pair.read());
            assert_eq!(pair.engine.has_answered(), nth == hellos, "{nth} of {hellos}");
            pair.flush();
            pair.client_takes().unwrap();
        }
        pair.client_sends();
        blocks(pair.read());
        assert!(pair.engine.has_answered());
    }
}

#[test]
fn a_hello_in_pieces_of_one_byte_is_a_hello() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.memory.piece_bytes = 1;
    pair.shake_hands();
    pair.says(&[b'x'; 3000]);
    blocks(pair.read());
    assert_eq!(pair.opened, [b'x'; 3000]);
}

#[test]
fn what_does_not_fit_is_kept_and_nothing_is_lost_or_changed() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    let text: Vec<u8> = (0..150_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    pair.client.set_buffer_limit(None);
    pair.says(&text);
    let mut into = Vec::with_capacity(100);
    while pair.opened.len() < text.len() {
        let n = pair.engine.read(&mut pair.memory, &mut into).unwrap();
        assert_eq!(n, into.len());
        assert!(
            pair.engine.held_bytes() < ENGINE_BYTES + 2 * 1024 * 40,
            "more than two records and their text"
        );
        pair.opened.append(&mut into);
        into.reserve_exact(100);
    }
    assert_eq!(pair.opened, text);
    blocks(pair.engine.read(&mut pair.memory, &mut into));
    assert_eq!(pair.engine.held_bytes(), ENGINE_BYTES);
}

#[test]
fn writing_stops_where_the_socket_is_full_and_goes_on_by_flushing() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    let text: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    pair.memory.room = Some(50_000);
    let mut taken = pair
        .engine
        .write(&mut pair.memory, &text[..10], &text[10..])
        .unwrap();
    assert!(taken < text.len() && pair.engine.under() > 0);
    for _ in 0..100 {
        pair.client_takes().unwrap();
        match pair.engine.under() > 0 {
            true => drop(pair.engine.flush(&mut pair.memory)),
            false if taken == text.len() => break,
            false => taken += pair.engine.write(&mut pair.memory, &text[taken..], &[]).unwrap(),
        }
    }
    pair.client_takes().unwrap();
    assert!(pair.heard == text);
}

#[test]
fn keys_are_renewed_while_text_passes_and_records_keep_their_order() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    for round in 0..20_u8 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.says(&[round]);
        blocks(pair.read());
        pair.engine
            .write(&mut pair.memory, &[round], &[round; 2])
            .unwrap();
        pair.client_takes().unwrap();
    }
    let rounds: Vec<u8> = (0..20).collect();
    assert_eq!(pair.opened, rounds);
    assert_eq!(
        pair.heard,
        rounds.iter().flat_map(|round| [*round; 3]).collect::<Vec<u8>>()
    );
}

#[test]
fn an_end_is_told_from_a_cut() {
    let house = House::new();
    for says_end in [true, false] {
        let mut pair = house.pair(None);
        pair.shake_hands();
        pair.says(b"last");
        if says_end {
            pair.client.send_close_notify();
            pair.client_sends();
        }
        pair.memory.has_ended = true;
        let ended = pair.read();
        assert_eq!(pair.opened, b"last");
        match says_end {
            true => assert_eq!(ended.unwrap(), 0),
            false => assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof),
        }
        // What it is owed still comes.
        pair.engine.write(&mut pair.memory, b"reply", b"").unwrap();
        pair.engine.hangup(&mut pair.memory).unwrap();
        pair.client_takes().unwrap();
        assert!(pair.heard == b"reply" && pair.client_heard_end && pair.memory.hung_up);
    }
}

#[test]
fn the_end_waits_for_room_like_everything_else() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    pair.memory.room = Some(0);
    pair.engine.hangup(&mut pair.memory).unwrap();
    assert!(pair.engine.under() > 0 && !pair.memory.hung_up);
    assert_eq!(
        pair.engine.flush(&mut pair.memory).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    pair.memory.room = None;
    pair.engine.flush(&mut pair.memory).unwrap();
    pair.client_takes().unwrap();
    assert!(pair.client_heard_end && pair.memory.hung_up);
    pair.engine.close(&mut pair.memory);
    assert!(pair.memory.closed);
}

#[test]
fn what_is_no_tls_or_was_changed_is_refused() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.memory.inbound.extend(*b"\x16\x03\x01\x00\x05hello");
    assert_eq!(pair.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
    let mut pair = house.pair(None);
    pair.shake_hands();
    pair.says(b"hello");
    if let Some(last) = pair.memory.inbound.back_mut() {
        *last ^= 1;
    }
    assert_eq!(pair.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(pair.opened.is_empty());
    // Told at once: who hears of a failure may abort, and flush nothing more.
    let told = pair.client_takes().unwrap_err();
    assert!(
        matches!(
            told,
            rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac)
        ),
        "{told:?}"
    );
    assert_eq!(
        pair.engine.write(&mut pair.memory, b"x", b"").unwrap_err().kind(),
        io::ErrorKind::BrokenPipe
    );
}

#[test]
fn a_short_read_says_that_nothing_more_is_there() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    pair.says(b"hello");
    pair.memory.reads = 0;
    let mut into = Vec::with_capacity(64 * 1024);
    assert_eq!(pair.engine.read(&mut pair.memory, &mut into).unwrap(), 5);
    assert!(pair.engine.is_drained() && pair.memory.reads == 1);
}

#[test]
fn an_end_or_a_failure_behind_text_is_told_by_the_next_read() {
    let house = House::new();
    for fails in [false, true] {
        let mut pair = house.pair(None);
        pair.shake_hands();
        pair.says(b"last");
        match fails {
            true => pair
                .memory
                .inbound
                .extend(*b"\x17\x03\x03\x00\x20garbage that nobody sealed at all!"),
            false => {
                pair.client.send_close_notify();
                pair.client_sends();
            }
        }
        let mut into = Vec::with_capacity(64 * 1024);
        assert_eq!(pair.engine.read(&mut pair.memory, &mut into).unwrap(), 4);
        assert!(
            !pair.engine.is_drained(),
            "no edge tells of what is known already"
        );
        let next = pair.engine.read(&mut pair.memory, &mut into);
        match fails {
            true => assert_eq!(next.unwrap_err().kind(), io::ErrorKind::InvalidData),
            false => assert_eq!(next.unwrap(), 0),
        }
    }
}

#[test]
fn a_handshake_message_in_too_many_records_is_refused_before_it_is_much() {
    let house = House::new();
    let mut pair = house.pair(None);
    // A ClientHello of 60,000 bytes, a byte in each record.
    let hello = [&[1, 0, 0xea, 0x60][..], &[0; 60_000]].concat();
    let mut refused = None;
    for piece in hello.chunks(64) {
        for byte in piece {
            pair.memory.inbound.extend([0x16, 3, 1, 0, 1, *byte]);
        }
        match pair.read() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                refused = Some(error.to_string());
                break;
            }
            other => blocks(other),
        }
        assert!(pair.engine.held_bytes() < 100_000);
    }
    assert!(refused.unwrap().contains("40 KiB"));
}

#[test]
fn small_records_are_charged_for_and_opened_a_few_at_a_time() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    (0..100).for_each(|_| pair.says(b"x"));
    let mut into = Vec::with_capacity(64 * 1024);
    assert_eq!(
        pair.engine.read(&mut pair.memory, &mut into).unwrap(),
        RECORDS_PER_READ_MAX
    );
    assert!(pair.engine.aside().toll_bytes > 32 * 500 && pair.engine.aside() == Aside::default());
    blocks(pair.read());
    assert_eq!(into.len() + pair.opened.len(), 100);
}

#[test]
fn what_a_peer_makes_of_an_error_is_cut() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.engine
        .core
        .fail(tls::Failure::protocol(&"long ".repeat(10_000)));
    let error = pair.read().unwrap_err();
    assert!(error.to_string().len() <= 300);
    pair.memory.has_ended = true;
    assert_eq!(pair.read().unwrap(), 0);
}

#[test]
fn behind_our_end_nothing_is_said_of_what_comes() {
    let house = House::new();
    let mut pair = house.pair(None);
    pair.shake_hands();
    pair.engine.hangup(&mut pair.memory).unwrap();
    pair.engine.core.fail(tls::Failure::protocol("no TLS"));
    assert_eq!(pair.engine.under(), 0);
    pair.memory.has_ended = true;
    assert_eq!(pair.read().unwrap(), 0);
}
