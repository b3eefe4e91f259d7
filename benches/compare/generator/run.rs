//! A measurement: so many clients, warmed up, counted for a while, and sent home.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Balance, ERRORS_MAX, Generator};
use crate::pattern::Source;
use crate::tally::Tally;
use crate::usage::Usage;
use crate::work::{Plan, Way, Work};

/// How long to wait for what is under way when time is up.
const PATIENCE: Duration = Duration::from_secs(2);
/// ... and for proxies to close connections that they may keep.
const GRACE: Duration = Duration::from_millis(200);

/// What came of a measurement.
pub(crate) struct Outcome {
    pub(crate) elapsed: Duration,
    pub(crate) tally: Tally,
    /// The proxy's, when counting began and when it ended.
    pub(crate) before: Usage,
    pub(crate) after: Usage,
}

impl Generator {
    /// Measures. `probe` says what the proxy has used so far.
    pub(crate) fn run(
        &mut self,
        way: &Way,
        origin: SocketAddr,
        plan: &Plan,
        probe: &mut dyn FnMut() -> Usage,
    ) -> Outcome {
        self.begin(way, origin, &plan.groups);
        let mut arrivals = plan.arrivals.map(Arrivals::new);
        if arrivals.is_none() {
            let now = Instant::now();
            let clients = plan
                .groups
                .iter()
                .flat_map(|(work, count)| [*work].repeat(*count));
            self.reopen.extend(clients.map(|work| (work, now)));
        } else {
            let beside = plan.groups.iter().skip(1);
            let beside = beside.flat_map(|(work, count)| [*work].repeat(*count));
            self.reopen.extend(beside.map(|work| (work, Instant::now())));
        }
        self.shared.has_arrivals = arrivals.is_some();
        self.shared.counted = plan.counted;
        self.go_on(plan, Instant::now() + plan.warm_up, &mut arrivals);
        self.shared.tally = Tally::default();
        let (before, started) = (probe(), Instant::now());
        self.go_on(plan, started + plan.duration, &mut arrivals);
        let (elapsed, after) = (started.elapsed(), probe());
        let mut tally = std::mem::take(&mut self.shared.tally);
        if let Err(error) = self.drain() {
            tally.error(error);
        }
        self.dismiss();
        Outcome {
            elapsed,
            tally,
            before,
            after,
        }
    }

    /// Everything is as it has to be before the first client comes.
    pub(super) fn begin(&mut self, way: &Way, origin: SocketAddr, groups: &[(Work, usize)]) {
        let content = groups.iter().find_map(|(work, _)| match work {
            Work::Get { bytes } => Some(*bytes),
            _ => None,
        });
        let length = content.unwrap_or(0);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
        );
        self.shared.response = Source::response(head, &self.shared.pattern, length);
        self.shared.request = Source::new(way.get_head(origin));
        self.shared.connect = way.connect_head(origin).map(Source::new);
        self.shared.tally = Tally::default();
        self.shared.balance = Balance::default();
        self.shared.stopping = false;
        self.shared.has_arrivals = false;
        self.shared.counted = None;
        self.way = Some(way.clone());
    }

    /// Until this time, or until too much went wrong.
    fn go_on(&mut self, plan: &Plan, until: Instant, arrivals: &mut Option<Arrivals>) {
        loop {
            let now = Instant::now();
            if now >= until || self.shared.tally.errors > ERRORS_MAX {
                return;
            }
            let mut patience = until - now;
            if let (Some(arrivals), [(work, most), ..]) = (arrivals.as_mut(), plan.groups.as_slice()) {
                patience = patience.min(arrivals.until_next(now));
                while (self.clients + self.reopen.len() < *most || !self.resting.is_empty())
                    && let Some(since) = arrivals.waiting.pop_front()
                {
                    match self.resting.pop_front() {
                        Some(index) => self.wake(index, since),
                        None => self.reopen.push((*work, since)),
                    }
                }
            }
            if self.is_awake || !self.reopen.is_empty() {
                patience = Duration::ZERO;
            }
            self.poll(patience);
        }
    }

    /// Nothing new begins; whatever was sent in bulk has to arrive.
    fn drain(&mut self) -> Result<(), String> {
        self.shared.stopping = true;
        self.reopen.clear();
        let until = Instant::now() + PATIENCE;
        loop {
            let Balance {
                sent_up,
                received_up,
                sent_down,
                received_down,
            } = self.shared.balance;
            if (sent_up, sent_down) == (received_up, received_down) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("bytes got lost: {:?}", self.shared.balance));
            }
            self.poll(Duration::from_millis(10));
        }
    }

    /// Closes all clients, waits for the proxy to do the same at the other side, and forgets what is left.
    pub(crate) fn dismiss(&mut self) {
        self.shared.stopping = true;
        self.reopen.clear();
        for index in 0..self.slots.len() {
            let index = u32::try_from(index).expect("fewer connections");
            if matches!(
                self.slots[index as usize].connection.as_deref(),
                Some(super::Connection {
                    side: super::Side::Client(_),
                    ..
                })
            ) {
                self.remove(index);
            }
        }
        let until = Instant::now() + GRACE;
        while self.origins > 0 && Instant::now() < until {
            self.poll(Duration::from_millis(10));
        }
        for index in 0..self.slots.len() {
            self.remove(u32::try_from(index).expect("fewer connections"));
        }
        self.ready.clear();
    }
}

/// When units begin that don't wait for each other: at random, the same each time.
struct Arrivals {
    mean: Duration,
    next: Instant,
    seed: u64,
    /// Begun by the clock, but no client is free.
    waiting: VecDeque<Instant>,
}

impl Arrivals {
    fn new(rate: f64) -> Arrivals {
        let mean = Duration::from_secs_f64(1.0 / rate);
        Arrivals {
            mean,
            next: Instant::now(),
            seed: 1,
            waiting: VecDeque::new(),
        }
    }

    /// Notes all that begin up to `now`; returns the time until the next does.
    fn until_next(&mut self, now: Instant) -> Duration {
        while self.next <= now {
            self.waiting.push_back(self.next);
            self.seed = self
                .seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let uniform = f64::from(u32::try_from(self.seed >> 32).expect("half of it") | 1) / 2f64.powi(32);
            self.next += self.mean.mul_f64(-uniform.ln());
        }
        self.next - now
    }
}
