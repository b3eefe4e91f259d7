//! This machine's own addresses. They change while a proxy runs, so they are read again and again, but not for each
//! request: where there are many of them, asking the kernel takes milliseconds.

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// So old may be what is said of them.
const AGE_MAX: Duration = Duration::from_secs(1);

/// All addresses of all interfaces, as they were a second ago at most; empty if the kernel does not tell, which the
/// policy takes for the worst.
pub fn addresses() -> impl Fn() -> Vec<IpAddr> {
    remembered(read, Instant::now)
}

fn read() -> Vec<IpAddr> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.iter().map(|interface| interface.ip()).collect(),
        Err(_) => Vec::new(),
    }
}

/// What `read` gave lately. Nothing is no answer: it is asked for again.
fn remembered(read: impl Fn() -> Vec<IpAddr>, clock: impl Fn() -> Instant) -> impl Fn() -> Vec<IpAddr> {
    let last = RefCell::new((clock(), Vec::new()));
    move || {
        let (read_at, addresses) = &mut *last.borrow_mut();
        let now = clock();
        if addresses.is_empty() || now.duration_since(*read_at) >= AGE_MAX {
            (*read_at, *addresses) = (now, read());
        }
        addresses.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn loopback_is_among_them() {
        assert!(addresses()().iter().any(|address| address.is_loopback()));
    }

    #[test]
    fn they_are_read_once_a_second_and_again_while_there_are_none() {
        let (now, reads) = (Cell::new(Instant::now()), Cell::new(0));
        let read = || {
            reads.set(reads.get() + 1);
            match reads.get() {
                1 | 2 => Vec::new(),
                n => vec![IpAddr::from([10, 0, 0, n])],
            }
        };
        let addresses = remembered(read, || now.get());
        assert!(addresses().is_empty() && addresses().is_empty());
        let first = vec![IpAddr::from([10, 0, 0, 3])];
        assert_eq!((addresses(), addresses()), (first.clone(), first.clone()));
        now.set(now.get() + Duration::from_millis(999));
        assert_eq!(addresses(), first);
        now.set(now.get() + Duration::from_millis(1));
        assert_eq!(addresses(), [IpAddr::from([10, 0, 0, 4])]);
    }
}
