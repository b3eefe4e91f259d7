//! Names to addresses: by asking the system (`system`, on threads) or the configured servers (`stub`, on the
//! loop). Here are the words that the loop knows; `front` is what it talks to. Nothing here judges an address:
//! that is the policy's. A name is asked for as it was judged: no search list completes it.
//!
//! Never blocks, and knows the time only from its caller. An answer is always whole: addresses or a reason.

mod answer;
mod back;
mod cache;
mod common;
mod ending;
mod front;
#[doc(hidden)]
pub mod fuzzing;
mod hosts;
mod leg;
mod local;
mod lookups;
mod message;
mod name;
mod outcome;
mod queue;
mod reply;
mod stub;
mod system;
mod waiters;
mod watched;
mod wire;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::net::LookupFail;
pub use crate::net::Network;

pub use self::common::Common;
pub use self::front::Resolver;
pub use self::lookups::Lookups;
use self::outcome::{Found, Outcome, QuestionId};
use self::reply::Kind;
pub use self::system::{Deliver, LookedUp};

/// How names are resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The servers to ask, in order; none: the system's resolver is asked.
    pub servers: Vec<SocketAddr>,
    /// The families to ask for.
    pub network: Network,
    /// How long an answer may be given again, at most; also when the system doesn't say. 0: not at all.
    pub cache_ttl: Duration,
    /// How long the servers may take for a question, never zero. As long as an asker waits, so that who is silent is
    /// named in time; but it is the asker that ends the wait.
    pub timeout: Duration,
    /// How many lookups may be under way: threads that ask the system, or sockets to the servers. At least 1.
    pub places: usize,
    /// How many may wait for an answer.
    pub queue_max: usize,
}

/// What became of asking.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// The answer was known.
    Answered(Answer),
    /// Some of the addresses are known, as in [`News::Part`]; the whole answer comes out of [`Resolver::answers`].
    Partly(Arc<[IpAddr]>),
    /// It comes out of [`Resolver::answers`], unless the question is cancelled: the system may never answer.
    Pending,
    /// Too many wait, in all or of this asker.
    Full,
}

/// Addresses, never none, in the order to try them; or why there are none.
pub type Answer = Result<Arc<[IpAddr]>, LookupFail>;

/// What [`Resolver::answers`] tells: at most one part, and then the whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// One family's addresses, never none; the other's are still asked for.
    Part(Arc<[IpAddr]>),
    /// The answer. After a part it is addresses, and holds those of the part.
    Whole(Answer),
}

/// The record types that answer for a family.
fn kinds(network: Network) -> &'static [Kind] {
    match network {
        Network::Any => &[Kind::A, Kind::Aaaa],
        Network::V4 => &[Kind::A],
        Network::V6 => &[Kind::Aaaa],
    }
}
