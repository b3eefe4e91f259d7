//! One attack from beginning to end: the honest alone, the honest under attack, and what is left afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::form::{self, Form};
use crate::honest::{self, Errand};
use crate::report::{Figures, Level};
use crate::support::message::answer;
use crate::support::origin::Origin;
use crate::support::proxy::{Proxy, Setup};

/// How long memory and descriptors may take to come back.
const RECOVERY: Duration = Duration::from_secs(60);

/// A proxy, an honest origin and what the honest ask.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
    #[expect(dead_code, reason = "serves as long as the scene stands")]
    origin: Origin,
    pub(crate) errand: Errand,
}

/// What stops an attack and says how it went.
pub(crate) type Stop = Box<dyn FnOnce() -> String>;

/// A proxy as the attacks want it: with a password, and a log that is counted rather than kept.
pub(crate) fn setup() -> Setup {
    Setup::locked().keep_lines(2000)
}

/// An origin that answers with heads of a size.
pub(crate) fn origin(head_bytes: usize) -> Origin {
    let field = match head_bytes {
        0 => String::new(),
        length => format!("X-Padding: {}\r\n", "p".repeat(length)),
    };
    let response = answer("200 OK", &field, b"in");
    Origin::raw(
        move |mut wire| {
            while wire.take_until(b"\r\n\r\n").is_ok() && wire.try_send(&response).is_ok() {}
        },
    )
}

impl Scene {
    /// The honest ask an origin by its address.
    pub(crate) fn new(setup: Setup) -> Scene {
        let origin = origin(0);
        let authority = origin.authority();
        Scene::with(setup, origin, &authority)
    }

    /// The honest ask for this `host:port`; `{}` in it becomes the client's number.
    pub(crate) fn with(setup: Setup, origin: Origin, authority: &str) -> Scene {
        let proxy = setup.start();
        form::pin(&proxy);
        let errand = Errand {
            proxy: proxy.address(),
            authority: authority.to_owned(),
            path: "/",
            padding: 0,
            shared: true,
        };
        Scene {
            proxy,
            origin,
            errand,
        }
    }

    /// Measures all of it.
    pub(crate) fn play(&self, attack: &'static str, begin: impl FnOnce() -> Stop) -> Figures {
        let form = Form::get();
        // Once for the memory that the first requests take.
        honest::work(&self.errand, form.before() / 4);
        let before = honest::work(&self.errand, form.before());
        let (mut resident_kib, mut descriptors) = (Level::default(), Level::default());
        (resident_kib.before, descriptors.before) = self.levels();
        let (lines, bytes) = self.proxy.log_volume();
        let start = Instant::now();
        let stop = begin();
        let over = AtomicBool::new(false);
        let (during, worst) = std::thread::scope(|scope| {
            let watch = scope.spawn(|| self.worst(&over));
            std::thread::sleep(form.unfolding());
            let during = honest::work(&self.errand, form.during());
            over.store(true, Ordering::SeqCst);
            (during, watch.join().expect("the watch"))
        });
        let tally = stop();
        let lasted = start.elapsed();
        let (lines_then, bytes_then) = self.proxy.log_volume();
        (resident_kib.worst, descriptors.worst) = worst;
        (resident_kib.after, descriptors.after) = self.recovered(resident_kib.before, descriptors.before);
        Figures {
            attack,
            before,
            during,
            lasted,
            log_lines: lines_then - lines,
            log_bytes: bytes_then - bytes,
            resident_kib,
            descriptors,
            tally,
        }
    }

    fn levels(&self) -> (u64, u64) {
        (self.proxy.resident_kib(), self.proxy.open_descriptors() as u64)
    }

    fn worst(&self, over: &AtomicBool) -> (u64, u64) {
        let mut worst = (0, 0);
        while !over.load(Ordering::SeqCst) {
            let (resident, descriptors) = self.levels();
            worst = (worst.0.max(resident), worst.1.max(descriptors));
            std::thread::sleep(Duration::from_millis(50));
        }
        worst
    }

    /// The lowest levels within the time for recovery, which ends when they are what they were: a mebibyte of tables and
    /// of what the allocator keeps may stay.
    fn recovered(&self, resident: u64, descriptors: u64) -> (u64, u64) {
        let end = Instant::now() + RECOVERY;
        let mut lowest = self.levels();
        while Instant::now() < end && (lowest.0 > resident + 1024 || lowest.1 > descriptors + 8) {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.levels();
            lowest = (lowest.0.min(now.0), lowest.1.min(now.1));
        }
        lowest
    }
}
