//! Names of one client whose name server never answers, against the lookups of the others.

use std::net::Ipv4Addr;
use std::sync::Once;
use std::time::Duration;

use crate::crowd::{Again, Crowd, Plan};
use crate::double;
use crate::form::Form;
use crate::honest::{SHARED, credentials};
use crate::report::Expected;
use crate::scene::{Scene, Stop, origin, setup};
use crate::support::PUBLIC;
use crate::support::case::cases;
use crate::support::proxy::{PASSWORD, Setup};

cases![
    silent_names_by_the_system_resolver,
    silent_names_by_our_own_resolver
];

/// Names that are waited for, then names that are given up after 100 ms: a cancelled lookup may keep its thread.
fn silent_names_by_the_system_resolver() {
    // The port is there once, for all runs of the case.
    static START: Once = Once::new();
    START.call_once(|| {
        double::start(53, answers);
    });
    // As patient as a machine is that says nothing of it.
    let patient = "nameserver 127.0.0.1\noptions timeout:5 attempts:2\n";
    let system = || setup().etc("resolv.conf", patient);
    silent("2 lookups: system, 40 silent names", None, system());
    silent(
        "2 lookups: system, silent names given up",
        Some(Duration::from_millis(100)),
        system(),
    );
}

fn silent_names_by_our_own_resolver() {
    let server = double::start(0, answers).to_string();
    let ours = || setup().option("--resolver-address", server.as_str());
    silent("2 lookups: own resolver, 40 silent names", None, ours());
    silent(
        "2 lookups: own resolver, silent names given up",
        Some(Duration::from_millis(100)),
        ours(),
    );
}

fn answers(question: &double::Question<'_>) -> Option<Vec<u8>> {
    let public: Ipv4Addr = PUBLIC.parse().expect("an address");
    (!question.name.starts_with("silent")).then(|| question.addresses(&[public]))
}

fn silent(attack: &'static str, life: Option<Duration>, setup: Setup) {
    let origin = origin(0);
    let authority = format!("honest-{{}}.test:{}", origin.address().port());
    let mut scene = Scene::with(setup.option("--dns-cache-ttl", "0"), origin, &authority);
    // Behind the attacker's address one waits for it: measured, but nothing is promised.
    scene.errand.shared = Form::get().is_full();
    let figures = scene.play(attack, || ask(&scene, life));
    let expected = Expected {
        shared: false,
        ..Expected::default()
    };
    figures.judge(expected, Vec::new());
}

fn ask(scene: &Scene, life: Option<Duration>) -> Stop {
    let credentials = credentials(PASSWORD);
    let mut number = 0u64;
    let crowd = Crowd::start(Plan {
        from: vec![SHARED],
        piece: Box::new(move || {
            number += 1;
            let host = format!("silent-{number}.test");
            format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{credentials}\r\n").into_bytes()
        }),
        again: Again::Never,
        life,
        ..Plan::new(scene.proxy.address(), Form::get().pick(40, 40), "")
    });
    Box::new(move || format!("{:?}", crowd.stop()))
}
