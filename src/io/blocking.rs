//! A small pool of threads for calls that may block: `getaddrinfo`, password hashes. Bounded in threads and in
//! waiting jobs. It returns nothing: a job sends its own answer, usually over a channel and the loop's waker.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::told::Told;

/// Something that may block.
pub type Job = Box<dyn FnOnce() + Send + 'static>;

/// Enough for `getaddrinfo` with the name service modules that libc loads; a default stack is 2 MiB.
const STACK_BYTES: usize = 512 * 1024;

/// So long a thread without work stays.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// That the system gives no thread is said anew when there were some for so long.
const QUIET_MIN: Duration = Duration::from_secs(10);

/// Threads that are started when there is work for them, and end when there was none for a while.
///
/// Dropping the pool drops the waiting jobs and lets the threads end after the job they are at. It does not
/// wait for them: a call that is stuck must not keep the program from ending.
pub struct Pool {
    shared: Arc<Shared>,
    name: &'static str,
    workers_max: usize,
    waiting_max: usize,
    idle_timeout: Duration,
}

/// Why a job was not taken. The job is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// As many jobs wait as may.
    Full,
    /// There is no thread, and the system gave none.
    NoThread,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    waiting: VecDeque<Job>,
    workers: usize,
    idle: usize,
    closed: bool,
    told: Told,
}

impl Shared {
    /// No job runs under the lock, so a poisoned lock still guards a whole state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// A pool without any thread yet. `name` is what its threads are called, `workers_max` (at least 1 is taken)
    /// how many there may be, `waiting_max` how many jobs may wait for one.
    pub fn new(name: &'static str, workers_max: usize, waiting_max: usize) -> Pool {
        let shared = Shared {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                workers: 0,
                idle: 0,
                closed: false,
                told: Told::new(QUIET_MIN),
            }),
            work: Condvar::new(),
        };
        Pool {
            shared: Arc::new(shared),
            name,
            workers_max: workers_max.max(1),
            waiting_max,
            idle_timeout: IDLE_TIMEOUT,
        }
    }

    /// Gives a job to a thread, now or as soon as one is free. Never blocks.
    ///
    /// # Errors
    /// [`Refused`], and the job will not run.
    pub fn submit(&self, job: Job) -> Result<(), Refused> {
        let mut state = self.shared.lock();
        let mut free = state.idle > state.waiting.len();
        if !free && state.workers < self.workers_max {
            match self.start_worker(state.workers) {
                Ok(()) => {
                    state.workers += 1;
                    free = true;
                }
                Err(error) => {
                    let is_news = state.told.is_news(&error.to_string(), Instant::now());
                    if state.workers == 0 {
                        if is_news {
                            log::error!("can't start a {} thread: {error}", self.name);
                        }
                        return Err(Refused::NoThread);
                    }
                    // The threads that are there will get to it.
                    if is_news {
                        log::warn!("can't start another {} thread: {error}", self.name);
                    }
                }
            }
        }
        if !free && state.waiting.len() >= self.waiting_max {
            return Err(Refused::Full);
        }
        state.waiting.push_back(job);
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// How many threads there are.
    #[cfg(test)]
    fn workers(&self) -> usize {
        self.shared.lock().workers
    }

    fn start_worker(&self, number: usize) -> std::io::Result<()> {
        let (shared, idle_timeout) = (Arc::clone(&self.shared), self.idle_timeout);
        let name = format!("{}-{number}", self.name);
        thread::Builder::new()
            .name(name)
            .stack_size(STACK_BYTES)
            .spawn(move || work(&shared, idle_timeout))
            .map(drop)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let dropped = {
            let mut state = self.shared.lock();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        // Outside the lock: dropping a job may run its owner's code.
        drop(dropped);
        self.shared.work.notify_all();
    }
}

/// A thread's life. A job that panics is reported and costs only itself.
fn work(shared: &Shared, idle_timeout: Duration) {
    while let Some(job) = next_job(shared, idle_timeout) {
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            let name = thread::current().name().unwrap_or("worker").to_owned();
            log::error!("a job panicked on thread {name}");
        }
    }
}

/// The next job; `None` when the thread is to end, and then it is no longer counted.
fn next_job(shared: &Shared, idle_timeout: Duration) -> Option<Job> {
    let mut state = shared.lock();
    let mut is_over = false;
    loop {
        if let Some(job) = state.waiting.pop_front() {
            return Some(job);
        }
        if state.closed || is_over {
            state.workers -= 1;
            return None;
        }
        state.idle += 1;
        let waited = shared.work.wait_timeout(state, idle_timeout);
        let (locked, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        // A job may have come at the last moment: nobody else was woken for it.
        (state, is_over) = (locked, timeout.timed_out());
        state.idle -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn threads_are_started_lazily_and_reused() {
        let pool = Pool::new("test", 4, 8);
        assert_eq!(pool.workers(), 0);
        let (done, answers) = mpsc::channel();
        for n in 0..6 {
            let done = done.clone();
            pool.submit(Box::new(move || {
                done.send((n, thread::current().name().map(str::to_owned)))
                    .unwrap()
            }))
            .unwrap();
            let (got, name) = answers.recv_timeout(LONG).unwrap();
            assert_eq!(got, n);
            assert!(name.unwrap().starts_with("test-"));
        }
        assert!((1..=4).contains(&pool.workers()));
    }

    #[test]
    fn threads_and_waiting_jobs_are_bounded() {
        let pool = Pool::new("test", 2, 3);
        let (hold, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let (started, starts) = mpsc::channel();
        for _ in 0..2 {
            let (held, started) = (Arc::clone(&held), started.clone());
            pool.submit(Box::new(move || {
                started.send(()).unwrap();
                let _ = held.lock().unwrap().recv();
            }))
            .unwrap();
            starts.recv_timeout(LONG).unwrap();
        }
        let (done, answers) = mpsc::channel();
        for n in 0..3 {
            let done = done.clone();
            assert_eq!(pool.submit(Box::new(move || done.send(n).unwrap())), Ok(()));
        }
        assert_eq!(pool.submit(Box::new(|| {})), Err(Refused::Full));
        assert_eq!(pool.workers(), 2);
        drop(hold);
        let mut got: Vec<i32> = (0..3).map(|_| answers.recv_timeout(LONG).unwrap()).collect();
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2]);
    }

    #[test]
    fn a_panic_costs_only_its_job() {
        let pool = Pool::new("test", 1, 8);
        let (done, answers) = mpsc::channel();
        pool.submit(Box::new(|| panic!("on purpose"))).unwrap();
        pool.submit(Box::new(move || done.send(7).unwrap())).unwrap();
        assert_eq!(answers.recv_timeout(LONG), Ok(7));
        assert_eq!(pool.workers(), 1);
    }

    #[test]
    fn a_thread_without_work_ends_and_another_is_started_for_the_next_job() {
        let mut pool = Pool::new("test", 2, 8);
        pool.idle_timeout = Duration::from_millis(1);
        for round in 0..3 {
            let (done, answers) = mpsc::channel();
            for n in 0..4 {
                let done = done.clone();
                pool.submit(Box::new(move || done.send(n).unwrap())).unwrap();
            }
            let mut got: Vec<i32> = (0..4).map(|_| answers.recv_timeout(LONG).unwrap()).collect();
            got.sort_unstable();
            assert_eq!(got, [0, 1, 2, 3], "in round {round}");
            let start = std::time::Instant::now();
            while pool.workers() > 0 {
                assert!(start.elapsed() < LONG, "threads stay");
                thread::yield_now();
            }
        }
    }

    #[test]
    fn dropping_the_pool_waits_for_nobody_and_drops_what_waits() {
        let pool = Pool::new("test", 1, 8);
        let (hold, held) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let (witness, seen) = mpsc::channel::<()>();
        pool.submit(Box::new(move || {
            started.send(()).unwrap();
            let _ = held.recv();
        }))
        .unwrap();
        starts.recv_timeout(LONG).unwrap();
        pool.submit(Box::new(move || witness.send(()).unwrap())).unwrap();
        drop(pool);
        assert_eq!(seen.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
        drop(hold);
    }
}
