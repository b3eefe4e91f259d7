//! Chance by seed: splitmix64, and payloads that tell which request they belong to. No entropy from outside.

/// A stream of chance.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5113_0ca7)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `n` - 1; 0 for `n` = 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.bits() % (n.max(1) as u64)) as usize
    }

    /// `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True once in `n`; never for 0.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        n > 0 && self.below(n) == 0
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A stream of its own.
    pub(crate) fn fork(&mut self) -> Random {
        Random(self.bits())
    }
}

/// A TLS hello that names a.test.
#[rustfmt::skip]
const HELLO: &[u8] = &[
    0x16, 3, 1, 0, 66, 1, 0, 0, 62, 3, 3,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    0, 0, 2, 0x13, 1, 1, 0, 0, 19, 0, 0, 0, 11, 0, 9, 0, 0, 6, b'a', b'.', b't', b'e', b's', b't', 0, 23, 0, 0,
];

/// What a message of request `number` carries. Some payloads look like messages, to tempt whoever mistakes a body
/// for a head; some tunnels begin with a hello, or with a part of one.
pub(crate) fn payload(number: u32, purpose: u8, length: usize) -> Vec<u8> {
    let mut random = Random::new(u64::from(number) << 8 | u64::from(purpose));
    let bait: &[u8] = match number % 4 {
        0 => b"\r\n0\r\n\r\nGET http://a.test/bait HTTP/1.1\r\n\r\n",
        1 => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
        2 if purpose == b'c' => HELLO,
        _ => b"",
    };
    let noise = std::iter::repeat_with(|| random.bits().to_le_bytes()).flatten();
    bait.iter().copied().chain(noise).take(length).collect()
}
