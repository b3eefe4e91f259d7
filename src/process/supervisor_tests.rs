use std::os::unix::net::UnixDatagram;

use super::*;

/// A supervisor on the other end of a socket.
struct House {
    _folder: tempfile::TempDir,
    receiver: UnixDatagram,
    supervisor: Supervisor,
    start: Instant,
}

impl House {
    fn new(watchdog_usec: &str) -> House {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let terms = Terms {
            notify_socket: Some(path.into_os_string()),
            watchdog_usec: Some(watchdog_usec.into()),
            ..Terms::default()
        };
        let start = Instant::now();
        House {
            _folder: folder,
            receiver,
            supervisor: Supervisor::by(&terms, start),
            start,
        }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }

    fn tell(&mut self, seconds: f64, status: &str) {
        let at = self.at(seconds);
        self.supervisor.tell(at, true, || status.to_owned());
    }

    fn heard(&self) -> Vec<String> {
        let mut room = [0; 256];
        let next = || {
            self.receiver
                .recv(&mut room)
                .ok()
                .map(|length| room[..length].to_vec())
        };
        std::iter::from_fn(next)
            .map(|message| String::from_utf8(message).unwrap())
            .collect()
    }
}

#[test]
fn signs_of_life_come_twice_in_the_time_also_on_the_way_out() {
    let mut house = House::new("20000000");
    assert_eq!(house.supervisor.deadline(), Some(house.start), "how it goes");
    house.tell(0.0, "fine");
    assert_eq!(house.heard(), ["STATUS=fine"]);
    assert_eq!(house.supervisor.deadline(), Some(house.at(5.0)));
    house.tell(5.0, "fine");
    assert_eq!(house.heard().len(), 0);
    house.tell(10.0, "fine");
    assert_eq!(house.heard(), ["WATCHDOG=1"]);
    house.supervisor.stopping(house.at(11.0));
    house.tell(11.0, "stopping");
    assert_eq!(house.heard(), ["STOPPING=1", "STATUS=stopping"]);
    house.tell(20.0, "stopping");
    assert_eq!(house.heard(), ["WATCHDOG=1"]);
}

#[test]
fn while_a_loop_shows_none_no_sign_of_life_is_given_and_soon_after_it_is() {
    let mut house = House::new("20000000");
    house.tell(0.0, "fine");
    house.heard();
    for seconds in [10.0, 11.0] {
        let at = house.at(seconds);
        house.supervisor.tell(at, false, || "fine".to_owned());
        assert!(house.heard().is_empty());
        assert_eq!(house.supervisor.deadline(), Some(at + RETRY_INTERVAL));
    }
    house.tell(11.1, "fine");
    assert_eq!(house.heard(), ["WATCHDOG=1"]);
    assert_eq!(house.supervisor.alive_interval(), Some(Duration::from_secs(10)));
}

#[test]
fn a_reload_is_over_when_the_last_one_is_and_concerns_nobody_on_the_way_out() {
    let mut house = House::new("");
    let now = house.start;
    house.supervisor.ready(now);
    house.supervisor.reloaded(now);
    assert_eq!(house.heard(), ["READY=1"]);
    house.supervisor.reloading(now);
    house.supervisor.reloading(now);
    let heard = house.heard();
    assert_eq!(heard.len(), 2);
    for message in heard {
        let (first, second) = message.split_once('\n').unwrap();
        assert_eq!(first, "RELOADING=1");
        let time: u64 = second.strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(time > 0);
    }
    house.supervisor.reloaded(now);
    house.supervisor.reloaded(now);
    assert_eq!(house.heard(), ["READY=1"]);
    house.supervisor.stopping(now);
    house.supervisor.stopping(now);
    house.supervisor.reloading(now);
    house.supervisor.reloaded(now);
    assert_eq!(house.heard(), ["STOPPING=1"]);
}

#[test]
fn the_watchdog_is_for_whom_it_names() {
    let own = std::process::id();
    for (usec, pid, interval) in [
        (Some("3000000"), None, Some(1_500_000)),
        (Some("3000000"), Some(own), Some(1_500_000)),
        (Some("3000000"), Some(own + 1), None),
        (Some("1"), None, Some(1_000)),
        (Some("3s"), None, None),
        (None, Some(own), None),
    ] {
        let terms = Terms {
            watchdog_usec: usec.map(OsString::from),
            watchdog_pid: pid.map(|pid| pid.to_string().into()),
            ..Terms::default()
        };
        assert_eq!(
            terms.alive_interval(),
            interval.map(Duration::from_micros),
            "{usec:?} {pid:?}"
        );
    }
}

#[test]
fn nobody_is_told_where_nobody_is_there() {
    for name in [None, Some("/no/such/socket")] {
        let terms = Terms {
            notify_socket: name.map(OsString::from),
            watchdog_usec: Some("1000000".into()),
            ..Terms::default()
        };
        let now = Instant::now();
        let mut supervisor = Supervisor::by(&terms, now);
        supervisor.ready(now);
        supervisor.tell(now, true, || panic!("nobody wants to know"));
        assert_eq!(supervisor.deadline(), None);
    }
}

#[test]
fn what_found_no_room_is_said_later_and_signs_of_life_are_not_in_its_way() {
    let mut house = House::new("2000000");
    let mut at = 1.0;
    let alive_at = |house: &House| house.supervisor.0.as_ref().unwrap().alive.unwrap().1;
    loop {
        house.tell(at, "fine");
        if alive_at(&house) < house.at(at + 0.9) {
            break;
        }
        at += 1.0;
        assert!(at < 1e6);
    }
    assert_eq!(alive_at(&house), house.at(at) + RETRY_INTERVAL, "soon again");
    house.supervisor.ready(house.at(at));
    for nth in 0..100_u8 {
        at += 5.0;
        house.tell(at, &nth.to_string());
    }
    house.supervisor.stopping(house.at(at));
    let mut before = house.heard();
    before.retain(|message| message != "WATCHDOG=1");
    assert_eq!(before, ["STATUS=fine"]);
    house.tell(at + 0.2, "at the end");
    let mut after = house.heard();
    after.retain(|message| message != "WATCHDOG=1");
    assert_eq!(after, ["READY=1", "STATUS=99", "STOPPING=1", "STATUS=at the end"]);
}
