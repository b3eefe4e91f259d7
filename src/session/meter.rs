//! The gates of what a role may pass in a day: bytes leave only once the day has them. They are asked for when they were read,
//! so that nobody keeps any in store; those of a pipe too, before they leave it. Who ends when there are none is the
//! states' business.

use crate::flow::{Below, Flow};
use crate::policy::quota::Permits;

use super::at::At;
use super::words::Action;

/// Why something broke off.
pub(super) const SPENT: &str = "the role's bytes of this day are used up";

/// Grants what was read, as far as the day has it. Does anything wait that it has nothing for, and that nothing granted
/// goes before?
#[inline]
pub(super) fn grant(permits: &mut Permits, at: &mut At<'_, '_>) -> bool {
    // Most limits count no bytes, and this is asked at each turn.
    permits.are_metered() && grant_metered(permits, at)
}

fn grant_metered(permits: &mut Permits, at: &mut At<'_, '_>) -> bool {
    let wall = at.cx.wall;
    let mut waits = false;
    for first in [true, false] {
        let (up, down) = (&mut at.flows.up, &mut at.flows.down);
        let (flow, other) = if first { (up, down) } else { (down, up) };
        flow.meter();
        let on_the_way = flow.granted_bytes() + other.granted_bytes();
        let granted = permits.take_bytes(flow.ungranted_bytes(), on_the_way, wall);
        flow.grant(granted);
        waits |= flow.ungranted_bytes() > 0 && flow.granted_bytes() == 0;
    }
    if permits.note_spent(wall) {
        at.act(Action::Spent);
    }
    waits
}

/// Is something of it on its way still that may leave?
pub(super) fn is_under_way(flow: &Flow) -> bool {
    !flow.dead
        && (flow.granted_bytes() > 0 || !flow.tx.is_empty() || matches!(flow.below(), Below::Engine(_)))
}
