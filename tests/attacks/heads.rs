//! Heads that never end, against the budget that all heads share.

use std::net::Ipv4Addr;

use crate::crowd::{Crowd, Plan, mixed, scattered};
use crate::form::Form;
use crate::report::Expected;
use crate::scene::{Scene, origin, setup};
use crate::support::case::cases;

cases![
    unfinished_heads_use_up_the_budget,
    unfinished_heads_from_an_address_each,
    unfinished_heads_from_one_address,
];

/// 125 kB each, below the limit of a head; honest heads and honest origins' heads have 8 KiB.
fn unfinished_heads_use_up_the_budget() {
    unfinished("3 heads: 125 kB each, unfinished", mixed);
}

fn unfinished_heads_from_an_address_each() {
    unfinished("3 heads: the same, an address each", scattered);
}

fn unfinished_heads_from_one_address() {
    unfinished("3 heads: the same, one address", |_| vec![crate::honest::SHARED]);
}

fn unfinished(attack: &'static str, from: fn(usize) -> Vec<Ipv4Addr>) {
    let form = Form::get();
    let origin = origin(8192);
    let authority = origin.authority();
    let mut scene = Scene::with(setup(), origin, &authority);
    scene.errand.padding = 8192;
    // Lines of 1 kB: a single field may have a limit of its own.
    let lines = format!("X-Filler: {}\r\n", "f".repeat(1000)).repeat(123);
    let head = format!("GET http://44.1.2.3/ HTTP/1.1\r\nHost: 44.1.2.3\r\n{lines}");
    let count = form.pick(290, 290);
    let figures = scene.play(attack, || {
        let crowd = Crowd::start(Plan {
            from: from(count),
            ..Plan::new(scene.proxy.address(), count, head)
        });
        Box::new(move || format!("{:?}", crowd.stop()))
    });
    figures.judge(Expected::default(), Vec::new());
}
