//! Turns of the loop that are short in bytes and long in time.

use std::sync::Once;

use crate::crowd::{Again, Crowd, Plan, Tally};
use crate::form::{self, Form};
use crate::honest::credentials;
use crate::report::Expected;
use crate::scene::{Scene, setup};
use crate::support::PUBLIC;
use crate::support::case::cases;
use crate::support::netlink::add_to_loopback;
use crate::support::origin::Origin;
use crate::support::proxy::PASSWORD;

cases![
    strangers_with_tiny_requests,
    readers_of_chunks_of_one_byte,
    its_own_address_again_and_again,
];

fn strangers_with_tiny_requests() {
    let scene = Scene::new(setup());
    let count = Form::get().pick(200, 50);
    let request = "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200);
    let figures = scene.play("5 turns: 200 strangers, tiny requests", || {
        let crowd = Crowd::start(Plan {
            again: Again::AtOnce,
            ..Plan::new(scene.proxy.address(), count, request)
        });
        Box::new(move || said(&crowd.stop()))
    });
    figures.judge(Expected::default(), Vec::new());
}

/// Each chunk is looked at, and costs the same whatever is in it.
fn readers_of_chunks_of_one_byte() {
    let chunks = Origin::raw(|mut wire| {
        form::step_back();
        let bytes = "1\r\nx\r\n".repeat(10_000);
        if wire.take_until(b"\r\n\r\n").is_err() {
            return;
        }
        let _ = wire.try_send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while wire.try_send(&bytes).is_ok() {}
    });
    let scene = Scene::new(setup());
    let count = Form::get().pick(200, 20);
    let credentials = credentials(PASSWORD);
    let host = chunks.authority();
    let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{credentials}\r\n");
    let figures = scene.play("5 turns: 200 readers of 1-byte chunks", || {
        let crowd = Crowd::start(Plan::new(scene.proxy.address(), count, request));
        Box::new(move || said(&crowd.stop()))
    });
    figures.judge(Expected::default(), Vec::new());
}

/// Whether an address is one of this machine's is asked of the kernel, which tells all of them: here 1,000.
fn its_own_address_again_and_again() {
    // Once for all runs of the case.
    static ADD: Once = Once::new();
    ADD.call_once(|| {
        for number in 0..Form::get().pick(1000u32, 300) {
            let address = std::net::Ipv4Addr::from(u32::from(std::net::Ipv4Addr::new(44, 9, 0, 1)) + number);
            add_to_loopback(address.into()).expect("an address");
        }
    });
    let scene = Scene::new(setup());
    // Not where it listens, but on its port.
    let host = format!("{PUBLIC}:{}", scene.proxy.address().port());
    let credentials = credentials(PASSWORD);
    let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{credentials}\r\n");
    let figures = scene.play("5 turns: its own address, of 1,000", || {
        let crowd = Crowd::start(Plan {
            again: Again::AtOnce,
            ..Plan::new(scene.proxy.address(), 8, request.repeat(100))
        });
        Box::new(move || said(&crowd.stop()))
    });
    figures.judge(Expected::default(), Vec::new());
}

fn said(tally: &Tally) -> String {
    format!("{tally:?}")
}
