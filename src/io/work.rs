//! Threads for whatever may block or takes long: asking the system for a name, reading a file. Bounded in threads and in
//! waiting jobs. What a job is, and where its answer goes, is the caller's business.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::clock::Instant;
use crate::lock::unpoisoned;

use super::told::Told;

/// That the system gives no thread is said anew when there were some for so long.
const QUIET_MIN: Duration = Duration::from_secs(10);

/// Threads that are started when there is work for them, and end when there was none for a while.
///
/// **Each job is answered exactly once**, also if it panics or can't be taken. Who cancels a job only stops waiting for
/// it: it holds its thread for as long as it takes, and must be counted until its answer comes.
///
/// Dropping the pool drops the waiting jobs, unanswered, and lets the threads end after the job they are at. It does not
/// wait for them: a call that is stuck must not keep the program from ending.
pub struct Workers {
    shared: Arc<Shared>,
    settings: Settings,
}

/// What threads are called, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Of one word.
    pub name: &'static str,
    /// Threads at most; at least 1 is taken.
    pub threads_max: usize,
    /// How many jobs may wait for one.
    pub waiting_max: usize,
    /// How large a thread's stack is, in bytes.
    pub stack_bytes: usize,
    /// So long a thread without work stays.
    pub idle_timeout: Duration,
}

/// Why a job has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// It was not taken: as many jobs wait as may.
    Full,
    /// It was not taken: there is no thread, and the system gave none.
    NoThread,
    /// It panicked.
    Panicked,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lost::Full => "too much other work waits",
            Lost::NoThread => "the system gives no thread for it",
            Lost::Panicked => "it failed by a fault of this program",
        })
    }
}

/// A job and where its answer goes.
struct Task<J, R> {
    job: J,
    reply: R,
}

/// A task, whatever its result is.
trait Run: Send {
    /// Does the job and sends its answer.
    fn run(self: Box<Self>);
    /// Answers that it was not done.
    fn lose(self: Box<Self>, why: Lost);
}

impl<T, J, R> Run for Task<J, R>
where
    J: FnOnce() -> T + Send,
    R: FnOnce(Result<T, Lost>) + Send,
{
    fn run(self: Box<Self>) {
        let Task { job, reply } = *self;
        let result = catch_unwind(AssertUnwindSafe(job)).map_err(|_| {
            let thread = thread::current();
            log::error!("a job panicked on thread {}", thread.name().unwrap_or_default());
            Lost::Panicked
        });
        reply(result);
    }

    fn lose(self: Box<Self>, why: Lost) {
        (self.reply)(Err(why));
    }
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    waiting: VecDeque<Box<dyn Run>>,
    threads: usize,
    idle: usize,
    closed: bool,
    told: Told,
}

impl Shared {
    /// No job runs under the lock, so a poisoned lock still guards a whole state.
    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

impl Workers {
    /// A pool without any thread yet.
    pub fn new(settings: Settings) -> Workers {
        let state = State {
            waiting: VecDeque::new(),
            threads: 0,
            idle: 0,
            closed: false,
            told: Told::new(QUIET_MIN),
        };
        Workers {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                work: Condvar::new(),
            }),
            settings,
        }
    }

    /// Gives a job to a thread, now or as soon as one is free. Never blocks. `reply` gets its result: on that thread, or
    /// on this one if the job can't be taken.
    pub fn submit<T, J, R>(&self, job: J, reply: R)
    where
        T: 'static,
        J: FnOnce() -> T + Send + 'static,
        R: FnOnce(Result<T, Lost>) + Send + 'static,
    {
        let task = Box::new(Task { job, reply });
        let mut state = self.shared.lock();
        match self.room(&mut state) {
            Ok(()) => {
                state.waiting.push_back(task);
                drop(state);
                self.shared.work.notify_one();
            }
            Err(why) => {
                drop(state);
                task.lose(why);
            }
        }
    }

    /// Makes room for one more job, if need be with another thread.
    fn room(&self, state: &mut State) -> Result<(), Lost> {
        if state.idle > state.waiting.len() {
            return Ok(());
        }
        if state.threads < self.settings.threads_max.max(1) {
            let name = self.settings.name;
            match self.start_thread(state.threads) {
                Ok(()) => {
                    state.threads += 1;
                    return Ok(());
                }
                Err(error) => {
                    // The threads that are there will get to it, if there are any.
                    let (level, which) = match state.threads {
                        0 => (log::Level::Error, "a"),
                        _ => (log::Level::Warn, "another"),
                    };
                    let what = format!("can't start {which} {name} thread: {error}");
                    if state.told.is_news(&what, Instant::now()) {
                        log::log!(level, "{what}");
                    }
                    if state.threads == 0 {
                        return Err(Lost::NoThread);
                    }
                }
            }
        }
        match state.waiting.len() < self.settings.waiting_max {
            true => Ok(()),
            false => Err(Lost::Full),
        }
    }

    fn start_thread(&self, number: usize) -> std::io::Result<()> {
        let (shared, idle_timeout) = (Arc::clone(&self.shared), self.settings.idle_timeout);
        thread::Builder::new()
            .name(format!("{}-{number}", self.settings.name))
            .stack_size(self.settings.stack_bytes)
            .spawn(move || work(&shared, idle_timeout))
            .map(drop)
    }

    /// How many threads there are.
    #[cfg(test)]
    fn threads(&self) -> usize {
        self.shared.lock().threads
    }
}

impl Drop for Workers {
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

/// A thread's life. What panics is reported and costs only itself.
fn work(shared: &Shared, idle_timeout: Duration) {
    while let Some(task) = next_task(shared, idle_timeout) {
        if catch_unwind(AssertUnwindSafe(|| task.run())).is_err() {
            log::error!("the answer to a job panicked");
        }
    }
}

/// The next task; `None` when the thread is to end, and then it is no longer counted.
fn next_task(shared: &Shared, idle_timeout: Duration) -> Option<Box<dyn Run>> {
    let mut state = shared.lock();
    let mut is_over = false;
    loop {
        if let Some(task) = state.waiting.pop_front() {
            return Some(task);
        }
        if state.closed || is_over {
            state.threads -= 1;
            return None;
        }
        state.idle += 1;
        let waited = shared.work.wait_timeout(state, idle_timeout);
        let (locked, timeout) = unpoisoned(waited);
        // A job may have come at the last moment: nobody else was woken for it.
        (state, is_over) = (locked, timeout.timed_out());
        state.idle -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn workers(threads_max: usize, waiting_max: usize) -> Workers {
        Workers::new(Settings {
            name: "test",
            threads_max,
            waiting_max,
            stack_bytes: 256 * 1024,
            idle_timeout: LONG,
        })
    }

    /// Sends a job's answer there.
    fn to<T: Send + 'static>(answers: &Sender<Result<T, Lost>>) -> impl FnOnce(Result<T, Lost>) + use<T> {
        let answers = answers.clone();
        move |answer| answers.send(answer).unwrap()
    }

    fn next<T>(answers: &Receiver<Result<T, Lost>>) -> Result<T, Lost> {
        answers.recv_timeout(LONG).unwrap()
    }

    /// Occupies a thread until the other end is dropped; it has begun.
    fn hold(workers: &Workers) -> Sender<()> {
        let (hold, held) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let job = move || {
            started.send(()).unwrap();
            let _ = held.recv();
        };
        workers.submit(job, |_| {});
        starts.recv_timeout(LONG).unwrap();
        hold
    }

    #[test]
    fn threads_are_started_lazily_and_reused() {
        let workers = workers(4, 8);
        assert_eq!(workers.threads(), 0);
        let (done, answers) = mpsc::channel();
        for n in 0..6 {
            let job = move || (n, thread::current().name().map(str::to_owned));
            workers.submit(job, to(&done));
            let (got, name) = next(&answers).unwrap();
            assert_eq!(got, n);
            assert!(name.unwrap().starts_with("test-"));
        }
        assert!((1..=4).contains(&workers.threads()));
    }

    #[test]
    fn threads_and_waiting_jobs_are_bounded() {
        let workers = workers(2, 3);
        let held = [hold(&workers), hold(&workers)];
        let (done, answers) = mpsc::channel();
        for n in 0..3 {
            workers.submit(move || n, to(&done));
        }
        assert!(answers.try_recv().is_err());
        workers.submit(|| 3, to(&done));
        assert_eq!(answers.try_recv(), Ok(Err(Lost::Full)));
        assert_eq!(workers.threads(), 2);
        drop(held);
        let mut got: Vec<i32> = (0..3).map(|_| next(&answers).unwrap()).collect();
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2]);
    }

    #[test]
    fn a_panic_is_an_answer_and_costs_only_its_job() {
        let workers = workers(1, 8);
        let (done, answers) = mpsc::channel();
        workers.submit(|| panic!("on purpose"), to(&done));
        workers.submit(|| 7, to(&done));
        assert_eq!([next(&answers), next(&answers)], [Err(Lost::Panicked), Ok(7)]);
        assert_eq!(workers.threads(), 1);
    }

    #[test]
    fn a_thread_without_work_ends_and_another_is_started_for_the_next_job() {
        let mut workers = workers(2, 8);
        workers.settings.idle_timeout = Duration::from_millis(1);
        for round in 0..3 {
            let (done, answers) = mpsc::channel();
            for n in 0..4 {
                workers.submit(move || n, to(&done));
            }
            let mut got: Vec<i32> = (0..4).map(|_| next(&answers).unwrap()).collect();
            got.sort_unstable();
            assert_eq!(got, [0, 1, 2, 3], "in round {round}");
            let start = Instant::now();
            while workers.threads() > 0 {
                assert!(start.elapsed() < LONG, "threads stay");
                thread::yield_now();
            }
        }
    }

    #[test]
    fn dropping_the_pool_waits_for_nobody_and_drops_what_waits() {
        let workers = workers(1, 8);
        let held = hold(&workers);
        let (witness, seen) = mpsc::channel::<()>();
        workers.submit(move || witness.send(()).unwrap(), |_| {});
        drop(workers);
        assert_eq!(seen.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
        drop(held);
    }
}
