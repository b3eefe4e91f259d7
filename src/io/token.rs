//! What an event of the poll names: a wire, or one of the loop's few fixed sources. Packs both into mio's `Token`.

use mio::Token;

/// One connection of a loop's arena, and of no other loop's; the generation makes a stale id harmless.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnId {
    /// Slot in the arena.
    pub index: u32,
    /// Which of the arena's entries it is: the slot may have had others. In the bits above [`GENERATION_MASK`] the number
    /// of the loop.
    pub generation: u32,
}

impl ConnId {
    /// The number of the loop whose connection it is.
    pub fn loop_number(self) -> u8 {
        let [number, ..] = self.generation.to_be_bytes();
        number
    }
}

/// One socket of the loop's wires; the generation makes a stale event harmless.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WireId {
    /// Slot in the table of wires.
    pub index: u32,
    /// Which of the table's entries it is: the slot may have had others.
    pub generation: u32,
}

/// One idle upstream connection of the loop's pool.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct IdleId {
    /// Slot in the pool.
    pub index: u32,
    /// Which of the pool's entries it is: the slot may have had others.
    pub generation: u32,
}

/// A question that a connection asked, to be named in the answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ticket {
    /// Who asked.
    pub conn: ConnId,
    /// Which of its questions: a late answer for an older one is dropped.
    pub seq: u32,
}

/// Who an event is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// Another thread has something for the loop.
    Waker,
    /// A signal arrived.
    Signals,
    /// A listening socket, by its number.
    Listener(u32),
    /// A socket of the resolver's own, by its slot.
    Resolver(u32),
    /// A socket that carries traffic.
    Wire(WireId),
}

const KIND_BITS: u32 = 8;
/// So many bits has a generation.
pub const GENERATION_BITS: u32 = 24;
/// The bits of a generation that a token keeps; the arena counts no further.
pub const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

impl Source {
    /// The token to register a source under: kind, generation and slot in one 64-bit number.
    pub fn token(self) -> Token {
        let (kind, index, generation) = match self {
            Source::Waker => (0, 0, 0),
            Source::Signals => (1, 0, 0),
            Source::Listener(n) => (2, n, 0),
            Source::Resolver(n) => (3, n, 0),
            Source::Wire(id) => (4, id.index, id.generation & GENERATION_MASK),
        };
        let bits = u64::from(index) << 32 | u64::from(generation) << KIND_BITS | kind;
        // Lossless: the crate is built for 64-bit targets only, see below.
        Token(usize::try_from(bits).unwrap_or(usize::MAX))
    }

    /// Reads a token back; `None` for one that [`Source::token`] never made.
    pub fn of(token: Token) -> Option<Source> {
        let bits = token.0 as u64;
        let index = u32::try_from(bits >> 32).ok()?;
        let generation = u32::try_from(bits >> KIND_BITS & u64::from(GENERATION_MASK)).ok()?;
        match bits & 0xff {
            0 => Some(Source::Waker),
            1 => Some(Source::Signals),
            2 => Some(Source::Listener(index)),
            3 => Some(Source::Resolver(index)),
            4 => Some(Source::Wire(WireId { index, generation })),
            _ => None,
        }
    }
}

#[cfg(not(target_pointer_width = "64"))]
compile_error!("smokescreen packs a wire's slot and generation into a 64-bit token");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_survives_its_token() {
        let extremes = [0, 1, GENERATION_MASK];
        let wires = extremes
            .iter()
            .flat_map(|&generation| [0, 7, u32::MAX].map(|index| Source::Wire(WireId { index, generation })));
        let fixed = [
            Source::Waker,
            Source::Signals,
            Source::Listener(3),
            Source::Resolver(u32::MAX),
        ];
        for source in wires.chain(fixed) {
            assert_eq!(Source::of(source.token()), Some(source));
        }
        assert_eq!(Source::of(Token(0xff)), None);
    }
}
