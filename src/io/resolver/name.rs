//! Names in a message (RFC 1035, 3.1 and 4.1.4), read where they stand: nothing is copied. Every label costs of a
//! budget, so that no message takes longer to read than any other of its size.

use std::collections::HashMap;

use arrayvec::ArrayVec;

/// The longest name in its form on the wire, root included (RFC 1035, 2.3.4).
const OCTETS_MAX: usize = 255;
/// The most labels of a name, and as many pointers.
const LABELS_MAX: usize = 127;
/// The two high bits of a pointer.
const POINTER: u8 = 0xc0;

/// What can't be read, or would cost too much to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unreadable;

/// How much may still be read of names: a unit for each octet, a unit for each pointer.
#[derive(Debug)]
pub(super) struct Work {
    left: u32,
}

impl Work {
    /// So many units.
    pub(super) fn new(units: u32) -> Work {
        Work { left: units }
    }

    /// How many units are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> u32 {
        self.left
    }

    fn spend(&mut self, octets: usize) -> Result<(), Unreadable> {
        let units = u32::try_from(octets).map_err(|_| Unreadable)?;
        self.left = self.left.checked_sub(units).ok_or(Unreadable)?;
        Ok(())
    }
}

/// The labels of a name, one after the other.
#[derive(Clone, Copy)]
struct Labels<'a> {
    message: &'a [u8],
    at: usize,
    /// Where the part that is being read began: a pointer leads to before it.
    part: usize,
    /// Where it must have ended: the beginning of the part that pointed here.
    limit: usize,
    /// How many octets the name may still have.
    octets_left: usize,
    pointers_left: usize,
}

impl<'a> Labels<'a> {
    fn at(message: &'a [u8], at: usize) -> Labels<'a> {
        Labels {
            message,
            at,
            part: at,
            limit: message.len(),
            octets_left: OCTETS_MAX,
            pointers_left: LABELS_MAX,
        }
    }

    /// Goes where a pointer leads that stands here; tells whether one did. Each leads further back, and to no more than
    /// what is before the part that it ends: so it ends.
    fn follow(&mut self, work: &mut Work) -> Result<bool, Unreadable> {
        let mut has_led = false;
        while self.octet()? & POINTER == POINTER {
            let target = pointer(self.message, self.at).filter(|&target| target < self.part);
            work.spend(1)?;
            self.pointers_left = self.pointers_left.checked_sub(1).ok_or(Unreadable)?;
            self.limit = self.part;
            self.at = target.ok_or(Unreadable)?;
            self.part = self.at;
            has_led = true;
        }
        Ok(has_led)
    }

    /// The next label; `None` at the root.
    fn next(&mut self, work: &mut Work) -> Result<Option<&'a [u8]>, Unreadable> {
        self.follow(work)?;
        let length = usize::from(self.octet()?);
        if length & usize::from(POINTER) != 0 {
            return Err(Unreadable);
        }
        work.spend(length + 1)?;
        self.octets_left = self.octets_left.checked_sub(length + 1).ok_or(Unreadable)?;
        if length == 0 {
            return Ok(None);
        }
        let label = self.message.get(self.at + 1..self.at + 1 + length);
        self.at += 1 + length;
        label.map(Some).ok_or(Unreadable)
    }

    fn octet(&self) -> Result<u8, Unreadable> {
        let octet = self.message.get(self.at).filter(|_| self.at < self.limit);
        octet.copied().ok_or(Unreadable)
    }
}

/// Where the pointer at this place leads.
pub(super) fn pointer(message: &[u8], at: usize) -> Option<usize> {
    let &[high, low] = message.get(at..at + 2)?.first_chunk()?;
    (high & POINTER == POINTER).then(|| usize::from(u16::from_be_bytes([high & !POINTER, low])))
}

/// Where a name that begins at `at` ends; what its pointers lead to is not looked at.
pub(super) fn end(message: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        let length = *message.get(at)?;
        match length & POINTER {
            0 if length == 0 => return Some(at + 1),
            0 => at += 1 + usize::from(length),
            POINTER => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

/// Numbers that equal names have in common (RFC 4343: the case of letters doesn't count); others may have them too.
/// What pointers lead to is read once, however many lead there.
#[derive(Default)]
pub(super) struct Digests(HashMap<usize, Digest>);

/// Of a name, or of the rest of one.
#[derive(Clone, Copy)]
struct Digest {
    number: u64,
    octets: usize,
}

impl Digests {
    /// The number of the name that begins at `at`.
    pub(super) fn of(&mut self, message: &[u8], at: usize, work: &mut Work) -> Result<u64, Unreadable> {
        let mut labels = Labels::at(message, at);
        // The labels that are read now, and after which of them a pointer led where.
        let mut read: ArrayVec<&[u8], LABELS_MAX> = ArrayVec::new();
        let mut led: ArrayVec<(usize, usize), LABELS_MAX> = ArrayVec::new();
        let mut digest = Digest {
            // FNV-1a, from the last label to the first: whoever makes it collide only spends the budget.
            number: 0xcbf2_9ce4_8422_2325,
            octets: 1,
        };
        loop {
            if labels.follow(work)? {
                if let Some(known) = self.0.get(&labels.at) {
                    digest = *known;
                    break;
                }
                led.try_push((read.len(), labels.at)).map_err(|_| Unreadable)?;
            }
            let Some(label) = labels.next(work)? else {
                break;
            };
            read.try_push(label).map_err(|_| Unreadable)?;
        }
        let mut led = led.into_iter().rev().peekable();
        for nth in (0..=read.len()).rev() {
            while let Some((_, target)) = led.next_if(|&(after, _)| after == nth) {
                self.0.insert(target, digest);
            }
            if let Some(label) = nth.checked_sub(1).and_then(|before| read.get(before)) {
                digest.add(label)?;
            }
        }
        Ok(digest.number)
    }
}

impl Digest {
    fn add(&mut self, label: &[u8]) -> Result<(), Unreadable> {
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let number = label.iter().fold(self.number, |number, byte| {
            (number ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(PRIME)
        });
        // No letter has this bit: it parts the labels.
        self.number = (number ^ 0x100).wrapping_mul(PRIME);
        self.octets += label.len() + 1;
        (self.octets <= OCTETS_MAX).then_some(()).ok_or(Unreadable)
    }
}

/// Where a name stands if it is nothing but a pointer; else where it is.
pub(super) fn place(message: &[u8], at: usize) -> usize {
    pointer(message, at).filter(|&target| target < at).unwrap_or(at)
}

/// Does the same name begin at both places? Both have been read before.
pub(super) fn same(message: &[u8], one: usize, other: usize, work: &mut Work) -> Result<bool, Unreadable> {
    let (mut one, mut other) = (Labels::at(message, one), Labels::at(message, other));
    loop {
        one.follow(work)?;
        other.follow(work)?;
        if one.at == other.at {
            return Ok(true);
        }
        match (one.next(work)?, other.next(work)?) {
            (None, None) => return Ok(true),
            (Some(one), Some(other)) if one.eq_ignore_ascii_case(other) => {}
            _ => return Ok(false),
        }
    }
}

/// The name as it can be asked for: lower case, with dots, if it has only the letters that host names have.
pub(super) fn plain(message: &[u8], at: usize, work: &mut Work) -> Result<Option<Box<str>>, Unreadable> {
    let mut plain = String::new();
    let mut labels = Labels::at(message, at);
    while let Some(label) = labels.next(work)? {
        let fits = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !label.iter().all(fits) {
            return Ok(None);
        }
        if !plain.is_empty() {
            plain.push('.');
        }
        plain.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    }
    Ok((!plain.is_empty()).then(|| plain.into_boxed_str()))
}
