//! Addresses as others read them: `inet_aton`, which getaddrinfo asks first, written anew; and which addresses are
//! public, by a list of its own. Shares nothing with the code under test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What inet_aton(3) makes of a text: one to four parts in decimal, octal or hexadecimal, the last of which fills
/// what is left. White space and whatever follows it is not looked at, as in the C libraries.
pub(crate) fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let text = text.split(|c: char| c.is_ascii_whitespace()).next()?;
    let parts: Vec<u64> = text.split('.').map(part).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|&part| part > 255) {
        return None;
    }
    let left_bits = 32 - 8 * leading.len();
    if *last >= 1 << left_bits {
        return None;
    }
    let high = leading.iter().fold(0, |high, part| high << 8 | part);
    u32::try_from(high << left_bits | last).ok().map(Ipv4Addr::from)
}

fn part(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.strip_prefix("0x") {
        // The C libraries disagree whether a bare `0x` is zero: here it is.
        Some("") => return Some(0),
        Some(digits) => (digits, 16),
        None if lower.len() > 1 && lower.starts_with('0') => (&lower[1..], 8),
        None => (&lower[..], 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(digits.trim_start_matches('0'), radix)
        .ok()
        .or_else(|| digits.chars().all(|c| c == '0').then_some(0))
}

/// Ranges that are closed, and the parts of them that are open nevertheless.
const CLOSED_V4: [(&str, u32); 16] = [
    ("0.0.0.0", 8),
    ("10.0.0.0", 8),
    ("100.64.0.0", 10),
    ("127.0.0.0", 8),
    ("168.63.129.16", 32),
    ("169.254.0.0", 16),
    ("172.16.0.0", 12),
    ("192.0.0.0", 24),
    ("192.0.2.0", 24),
    ("192.88.99.0", 24),
    ("192.168.0.0", 16),
    ("198.18.0.0", 15),
    ("198.51.100.0", 24),
    ("203.0.113.0", 24),
    ("224.0.0.0", 4),
    ("240.0.0.0", 4),
];
const OPEN_V4: [(&str, u32); 2] = [("192.0.0.9", 32), ("192.0.0.10", 32)];

const CLOSED_V6: [(&str, u32); 14] = [
    ("::", 96),
    ("::ffff:0:0:0", 96),
    ("64:ff9b::", 96),
    ("64:ff9b:1::", 48),
    ("100::", 64),
    ("100:0:0:1::", 64),
    ("2001::", 23),
    ("2001:db8::", 32),
    ("2002::", 16),
    ("3fff::", 20),
    ("5f00::", 16),
    ("fc00::", 7),
    // Link-local and site-local.
    ("fe80::", 9),
    ("ff00::", 8),
];
const OPEN_V6: [(&str, u32); 7] = [
    ("2001:1::1", 128),
    ("2001:1::2", 128),
    ("2001:1::3", 128),
    ("2001:3::", 32),
    ("2001:4:112::", 48),
    ("2001:20::", 28),
    ("2001:30::", 28),
];

/// May this address be dialled with no rule of the operator's? Mapped addresses are what they stand for.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let within = |nets: &[(&str, u32)]| {
                nets.iter()
                    .any(|(net, length)| same(v4.to_bits().into(), text_v4(net), 32 - length))
            };
            !within(&CLOSED_V4) || within(&OPEN_V4)
        }
        IpAddr::V6(v6) => match v6.to_bits() {
            bits if bits >> 32 == 0xffff => {
                u32::try_from(bits & 0xffff_ffff).is_ok_and(|low| is_public(IpAddr::V4(low.into())))
            }
            bits if matches!(bits >> 32 & 0xffff_ffff, 0x5efe | 0x0200_5efe) => false,
            // Outside 2000::/3 nothing is given to anybody.
            bits if bits >> 125 != 1 => false,
            bits => {
                let within = |nets: &[(&str, u32)]| {
                    nets.iter()
                        .any(|(net, length)| same(bits, text_v6(net), 128 - length))
                };
                !within(&CLOSED_V6) || within(&OPEN_V6)
            }
        },
    }
}

fn same(a: u128, b: u128, low_bits: u32) -> bool {
    a >> low_bits == b >> low_bits
}

fn text_v4(text: &str) -> u128 {
    text.parse::<Ipv4Addr>().map_or(0, |a| a.to_bits().into())
}

fn text_v6(text: &str) -> u128 {
    text.parse::<Ipv6Addr>().map_or(0, |a| a.to_bits())
}
