//! What tests' own wires have in common. None of it does anything.

/// The rest of a [`Wire`](super::Wire) of which a test needs little: whether it has news, and whether a short read means that
/// it is drained.
macro_rules! stubs {
    ($has_news:literal, $short_read_means_drained:literal) => {
        fn hangup(&mut self) -> std::io::Result<()> {
            Ok(())
        }
        fn abort(&mut self) {}
        fn has_news(&mut self) -> bool {
            $has_news
        }
        fn take_error(&mut self) -> Option<std::io::Error> {
            None
        }
        fn short_read_means_drained(&self) -> bool {
            $short_read_means_drained
        }
    };
}

pub(crate) use stubs;
