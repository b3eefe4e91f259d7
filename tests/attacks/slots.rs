//! Connections that hold a slot and ask for nothing that they may have.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::crowd::{Again, Crowd, Plan, mixed, scattered};
use crate::form::Form;
use crate::report::Expected;
use crate::scene::{Scene, setup};
use crate::support::case::cases;

cases![
    refused_now_and_then,
    merely_idle,
    merely_idle_each_at_an_address_of_its_own,
];

/// One refused request each per 20 s: a connection that is kept after a refusal holds its slot for nothing.
fn refused_now_and_then() {
    let request = "GET http://44.1.2.3/ HTTP/1.1\r\nHost: 44.1.2.3\r\n\r\n";
    crowd("1 slots: one refusal each 20 s", request, mixed);
}

fn merely_idle() {
    crowd("1 slots: idle", "", mixed);
}

/// Nobody has more than one.
fn merely_idle_each_at_an_address_of_its_own() {
    crowd("1 slots: idle, an address each", "", scattered);
}

fn crowd(attack: &'static str, request: &'static str, from: fn(usize) -> Vec<Ipv4Addr>) {
    let form = Form::get();
    let scene = Scene::new(setup().descriptors(form.pick(2000, 300)));
    let count = form.pick(1000, 250);
    let figures = scene.play(attack, || {
        let crowd = Crowd::start(Plan {
            from: from(count),
            again: match request.is_empty() {
                true => Again::Never,
                false => Again::Each(Duration::from_secs(20)),
            },
            ..Plan::new(scene.proxy.address(), count, request)
        });
        Box::new(move || format!("{:?}", crowd.stop()))
    });
    figures.judge(Expected::default(), Vec::new());
}
