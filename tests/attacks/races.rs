//! Names with silent addresses, each of which takes more descriptors than its client.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::crowd::{Again, Crowd, Plan};
use crate::double;
use crate::honest::{SHARED, credentials};
use crate::report::Expected;
use crate::scene::{Scene, origin, setup};
use crate::support::case::cases;
use crate::support::origin::Deaf;
use crate::support::proxy::PASSWORD;
use crate::support::{DEADLINE, PUBLIC, PUBLIC_B, PUBLIC_C, within};

cases![all_connections_race_silent_addresses];

/// Left to the honest.
const SPARE: usize = 12;

fn all_connections_race_silent_addresses() {
    let deaf = Deaf::at("0.0.0.0");
    let server = double::start(0, |question| {
        let all: Vec<Ipv4Addr> = [PUBLIC, PUBLIC_B, PUBLIC_C]
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect();
        Some(match question.name.starts_with("honest") {
            true => question.addresses(&all[..1]),
            false => question.addresses(&all),
        })
    });
    let origin = origin(0);
    let authority = format!("honest-{{}}.test:{}", origin.address().port());
    let setup = setup()
        .descriptors(256)
        .option("--timeout", "2s")
        .option("--dns-cache-ttl", "0")
        .option("--resolver-address", server.to_string());
    let scene = Scene::with(setup, origin, &authority);
    let count = connections_max(&scene).saturating_sub(SPARE);
    let credentials = credentials(PASSWORD);
    let port = deaf.port();
    let refused = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let told = std::sync::Arc::clone(&refused);
    let figures = scene.play("7 descriptors: silent addresses at -n 256", || {
        let mut number = 0u64;
        let crowd = Crowd::start(Plan {
            from: vec![SHARED],
            piece: Box::new(move || {
                number += 1;
                let host = format!("silent-{number}.test:{port}");
                format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{credentials}\r\n").into_bytes()
            }),
            again: Again::Never,
            ..Plan::new(scene.proxy.address(), count, "")
        });
        Box::new(move || {
            let tally = crowd.stop();
            let overloaded = tally.statuses.get(&503).copied().unwrap_or_default();
            told.store(overloaded, std::sync::atomic::Ordering::SeqCst);
            format!("{count} connections: {tally:?}")
        })
    });
    let overloaded = refused.load(std::sync::atomic::Ordering::SeqCst);
    let faults = match overloaded {
        0 => Vec::new(),
        count => vec![format!("{count} dials that were permitted got 503")],
    };
    figures.judge(Expected::default(), faults);
}

/// How many connections it takes at a time: what a crowd of idle ones comes to.
fn connections_max(scene: &Scene) -> usize {
    let before = scene.proxy.open_descriptors();
    let crowd = Crowd::start(Plan::new(scene.proxy.address(), 250, ""));
    let (mut most, mut steady) = (0, 0);
    while most == 0 || steady < 20 {
        std::thread::sleep(Duration::from_millis(20));
        let now = scene.proxy.open_descriptors().saturating_sub(before);
        steady = if now > most { 0 } else { steady + 1 };
        most = most.max(now);
    }
    crowd.stop();
    within(DEADLINE, "the crowd to leave", || {
        (scene.proxy.open_descriptors() <= before).then_some(())
    });
    most
}
