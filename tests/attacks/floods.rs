//! Lines of log and guesses without end, for input without the password.

use std::time::Duration;

use crate::crowd::{Again, Crowd, Plan};
use crate::honest::{SHARED, credentials};
use crate::report::{Expected, Figures};
use crate::scene::{Scene, setup};
use crate::support::case::cases;

cases![
    refusals_without_credentials,
    malformed_requests,
    long_trace_ids,
    guesses_at_the_password,
];

/// Connections of the attacker.
const CONNECTIONS: usize = 4;
/// What strangers may cause at one address: lines at once, and each second.
const LINES_AT_ONCE: u64 = 1000;
const LINES_PER_SECOND: u64 = 100;

fn refusals_without_credentials() {
    let request = "GET http://44.1.2.3/ HTTP/1.1\r\nHost: 44.1.2.3\r\n\r\n";
    flood("4 log: refusals", request.repeat(100).into_bytes());
}

fn malformed_requests() {
    flood("4 log: malformed requests", b"GET / FTP/9\r\n\r\n".to_vec());
}

/// Each byte of them takes four in a line.
fn long_trace_ids() {
    let mut request = b"GET http://44.1.2.3/ HTTP/1.1\r\nHost: 44.1.2.3\r\nX-Smokescreen-Trace-ID: ".to_vec();
    request.extend_from_slice(&[0xff; 4000]);
    request.extend_from_slice(b"\r\n\r\n");
    flood("4 log: trace ids of 4 kB of 0xff", request.repeat(50));
}

fn guesses_at_the_password() {
    let wrong = credentials("a guess");
    let request = format!("GET http://44.1.2.3/ HTTP/1.1\r\nHost: 44.1.2.3\r\n{wrong}\r\n");
    let scene = Scene::new(setup());
    let mut guesses = 0;
    let figures = attack(
        &scene,
        "4 guesses at the password",
        request.repeat(50).into_bytes(),
        &mut guesses,
    );
    let mut faults = too_many_lines(&figures);
    let allowed = bound(figures.lasted);
    if guesses > allowed {
        faults.push(format!("{guesses} guesses were answered, {allowed} are allowed"));
    }
    figures.judge(Expected::default(), faults);
}

fn flood(name: &'static str, bytes: Vec<u8>) {
    let scene = Scene::new(setup());
    let figures = attack(&scene, name, bytes, &mut 0);
    let faults = too_many_lines(&figures);
    figures.judge(Expected::default(), faults);
}

/// As fast as it can, from the address that honest clients share. `answered` gets the number of 407s.
fn attack(scene: &Scene, name: &'static str, bytes: Vec<u8>, answered: &mut u64) -> Figures {
    let told = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = std::sync::Arc::clone(&told);
    let figures = scene.play(name, || {
        let crowd = Crowd::start(Plan {
            from: vec![SHARED],
            again: Again::AtOnce,
            breath: Duration::ZERO,
            ..Plan::new(scene.proxy.address(), CONNECTIONS, bytes)
        });
        Box::new(move || {
            let tally = crowd.stop();
            let refused = tally.statuses.get(&407).copied().unwrap_or_default();
            count.store(refused, std::sync::atomic::Ordering::SeqCst);
            format!("{tally:?}")
        })
    });
    *answered = told.load(std::sync::atomic::Ordering::SeqCst);
    figures
}

/// What one address may cause in that time, and half as much again, since both sides' clocks differ.
fn bound(lasted: Duration) -> u64 {
    LINES_AT_ONCE + LINES_PER_SECOND * (lasted.as_secs() + 1) * 3 / 2
}

/// Lines beyond those of the honest (two each) and what one address may cause.
fn too_many_lines(figures: &Figures) -> Vec<String> {
    let seen = &figures.during;
    let honest = seen.apart.count() + seen.shared.count() + seen.probes.count();
    let allowed = bound(figures.lasted) + 2 * honest as u64 + 50;
    let mut faults = Vec::new();
    if figures.log_lines > allowed {
        faults.push(format!("{} lines instead of {allowed}", figures.log_lines));
    }
    // A line about a stranger is short: nothing of what it sent is in it but the host.
    let bytes = allowed * 1024;
    if figures.log_bytes > bytes {
        faults.push(format!("{} bytes of log instead of {bytes}", figures.log_bytes));
    }
    faults
}
