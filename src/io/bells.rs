//! What the loops of a process wait for together: that something of the process's comes free. Each has a bell that wakes
//! it, and whoever gives something back rings those of the others that wait. What it is, and who gets it, is not known
//! here.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::Waker;

/// The bell of one loop.
struct Bell {
    /// It is to be rung.
    waits: AtomicBool,
    waker: Arc<Waker>,
}

impl Bell {
    /// Wakes its loop, if that waits.
    fn ring(&self) {
        if self.waits.load(Ordering::SeqCst)
            && self.waits.swap(false, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            log::error!("can't wake a loop: {error}");
        }
    }
}

/// The bells of all loops, for one kind of thing, as one of them has them.
#[derive(Clone)]
pub struct Bells {
    bells: Arc<[Bell]>,
    own: usize,
}

impl Bells {
    /// Those of loops that these wakers wake, in the order of their numbers; as the first loop has them.
    pub fn new(wakers: impl IntoIterator<Item = Arc<Waker>>) -> Bells {
        let bells = wakers.into_iter().map(|waker| Bell {
            waits: AtomicBool::new(false),
            waker,
        });
        Bells {
            bells: bells.collect(),
            own: 0,
        }
    }

    /// Those of a loop that has no others beside it.
    pub fn of_one() -> Bells {
        Bells::new([])
    }

    /// As the loop of this number has them.
    #[must_use]
    pub fn for_loop(&self, number: u8) -> Bells {
        Bells {
            bells: Arc::clone(&self.bells),
            own: usize::from(number),
        }
    }

    /// From now on its bell is rung, once, when another loop gives something back. To be called before a last look at
    /// whether there is something: what comes free behind that look rings.
    pub fn wait(&self) {
        if let Some(bell) = self.bells.get(self.own) {
            bell.waits.store(true, Ordering::SeqCst);
        }
    }

    /// Something was given back: wakes the other loops that wait.
    pub fn ring(&self) {
        let others = self.bells.iter().enumerate();
        others
            .filter(|(number, _)| *number != self.own)
            .for_each(|(_, bell)| bell.ring());
    }

    /// Something was given back that is the turn of the loop of this number: wakes that one, if it waits.
    pub fn ring_for(&self, number: u8) {
        self.bells
            .get(usize::from(number))
            .into_iter()
            .for_each(Bell::ring);
    }
}

impl fmt::Debug for Bells {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Bells({} of {})", self.own, self.bells.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;

    fn is_woken(poll: &mut Poll) -> bool {
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }

    #[test]
    fn who_waits_is_woken_once_by_any_other_and_not_by_itself() {
        let mut polls = [Poll::new().unwrap(), Poll::new().unwrap(), Poll::new().unwrap()];
        let waker = |poll: &Poll| Arc::new(Waker::new(poll.registry(), Token(1)).unwrap());
        let bells = Bells::new(polls.iter().map(waker));
        let [first, second] = [0, 1].map(|number| bells.for_loop(number));
        first.ring();
        second.wait();
        second.ring();
        assert_eq!(polls.each_mut().map(is_woken), [false; 3]);
        first.ring();
        first.ring();
        assert_eq!(polls.each_mut().map(is_woken), [false, true, false]);
        first.ring();
        assert_eq!(
            polls.each_mut().map(is_woken),
            [false; 3],
            "it did not wait again"
        );
        let third = bells.for_loop(2);
        second.wait();
        third.wait();
        first.ring_for(2);
        assert_eq!(polls.each_mut().map(is_woken), [false, false, true]);
        first.ring_for(2);
        assert_eq!(polls.each_mut().map(is_woken), [false; 3]);
    }

    #[test]
    fn one_loop_alone_needs_none() {
        let bells = Bells::of_one();
        bells.wait();
        bells.ring();
    }
}
