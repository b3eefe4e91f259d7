//! `X-Upstream-Https-Proxy`: the header with which a client names a proxy of its own choice. Reads the host out
//! of it; whether that one is allowed, the ACL's rule says.

use crate::net::{Host, Target};

/// The host of an `http` or `https` URL, or `None` for everything that is not clearly one: a URL that two parsers
/// may read differently must not pass as its harmless reading.
pub(super) fn host(url: &[u8]) -> Option<Host> {
    let (rest, default_port) = strip_scheme(url)?;
    let end = rest
        .iter()
        .position(|byte| b"/?#".contains(byte))
        .unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end)?;
    if !tail.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let (userinfo, host) = match authority.iter().rposition(|&byte| byte == b'@') {
        Some(at) => (authority.get(..at)?, authority.get(at + 1..)?),
        None => (&b""[..], authority),
    };
    if !userinfo.iter().copied().all(is_userinfo) {
        return None;
    }
    Some(Target::parse(host, Some(default_port)).ok()?.host)
}

/// RFC 3986, 3.2.1; no `@`, `\` or bracket, behind which some parsers see the host end or begin.
fn is_userinfo(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(&byte)
}

fn strip_scheme(url: &[u8]) -> Option<(&[u8], u16)> {
    [(&b"http://"[..], 80), (b"https://", 443)]
        .into_iter()
        .find_map(|(scheme, port)| {
            let (start, rest) = url.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some((rest, port))
        })
}
