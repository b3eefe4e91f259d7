//! Is an address one of this machine's? The kernel's routes say so: an address need not be on an interface to be
//! answered here (local routes, as load balancers' agents set them up), and a list of addresses would be long on some
//! machines. Who may go where is not decided here.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

/// rtnetlink(7): the message types,
const GET_ROUTE: u16 = 26;
const NEW_ROUTE: u16 = 24;
const ERROR: u16 = 2;
/// the flag of a request, the attribute that is the destination, and the type of a route that ends here.
const REQUEST: u16 = 1;
const DESTINATION: u16 = 1;
const LOCAL: u8 = 2;

/// Where things are: behind the header of 16 bytes comes a `struct rtmsg` of 12 or an errno.
const HEADER_BYTES: usize = 16;
const ROUTE_BYTES: usize = 12;
const TYPE_AT: usize = HEADER_BYTES + 7;

/// Tells whether the kernel keeps what is sent to an address. If it doesn't say, that is taken for the worst: yes.
///
/// One socket serves for all questions, since a name may have hundreds of addresses; after any failure it is another one,
/// so that no answer is taken for the next question's.
pub fn is_local() -> impl Fn(IpAddr) -> bool {
    let kept = RefCell::new(None);
    move |address| {
        let mut kept = kept.borrow_mut();
        let answer = kept.take().map_or_else(open, Ok).and_then(|socket: OwnedFd| {
            let answer = ask(&socket, &question(address))?;
            *kept = Some(socket);
            Ok(answer)
        });
        answer.map_or(true, |answer| reads_local(&answer))
    }
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Protocol 0 is NETLINK_ROUTE.
    Ok(socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?)
}

/// `ip route get`, in rtnetlink's words.
fn question(address: IpAddr) -> Vec<u8> {
    let (family, octets) = match &address {
        IpAddr::V4(v4) => (AddressFamily::INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (AddressFamily::INET6, v6.octets().to_vec()),
    };
    let size = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX);
    let attribute_bytes = 4 + octets.len();
    let whole = size(HEADER_BYTES + ROUTE_BYTES + attribute_bytes);
    let mut message = u32::from(whole).to_ne_bytes().to_vec();
    message.extend_from_slice(&GET_ROUTE.to_ne_bytes());
    message.extend_from_slice(&REQUEST.to_ne_bytes());
    // Number and sender: there is one question, and one who answers.
    message.extend_from_slice(&[0; 8]);
    let family = u8::try_from(family.as_raw()).unwrap_or_default();
    message.extend_from_slice(&[family, u8::try_from(octets.len() * 8).unwrap_or_default()]);
    message.resize(HEADER_BYTES + ROUTE_BYTES, 0);
    message.extend_from_slice(&size(attribute_bytes).to_ne_bytes());
    message.extend_from_slice(&DESTINATION.to_ne_bytes());
    message.extend_from_slice(&octets);
    message
}

/// The kernel answers before the sending call returns: nothing waits here.
fn ask(socket: &OwnedFd, question: &[u8]) -> io::Result<Vec<u8>> {
    sendto(
        socket,
        question,
        SendFlags::empty(),
        &SocketAddrNetlink::new(0, 0),
    )?;
    let mut answer = vec![0; 4096];
    let (length, _) = recv(socket, &mut answer[..], RecvFlags::empty())?;
    answer.truncate(length);
    Ok(answer)
}

/// An address without a route is nobody's.
fn reads_local(answer: &[u8]) -> bool {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok());
    match kind.map(u16::from_ne_bytes) {
        Some(NEW_ROUTE) => answer.get(TYPE_AT).is_none_or(|route_type| *route_type == LOCAL),
        Some(ERROR) => {
            let errno = answer.get(HEADER_BYTES..HEADER_BYTES + 4);
            let errno = errno
                .and_then(|bytes| bytes.try_into().ok())
                .map(i32::from_ne_bytes);
            let absent = [
                rustix::io::Errno::NETUNREACH,
                rustix::io::Errno::HOSTUNREACH,
                rustix::io::Errno::ACCESS,
            ];
            !errno.is_some_and(|errno| absent.iter().any(|absent| absent.raw_os_error() == -errno))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_and_a_public_address_is_not() {
        let is_local = is_local();
        assert!(is_local([127, 0, 0, 1].into()) && is_local([127, 9, 9, 9].into()));
        assert!(!is_local([44, 1, 2, 3].into()) && !is_local("2a00:1::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_plain_answer_is_taken_for_the_worst() {
        let mut answer = vec![0; 60];
        assert!(reads_local(&answer) && reads_local(&[]) && reads_local(&[0; 5]));
        answer[4..6].copy_from_slice(&NEW_ROUTE.to_ne_bytes());
        assert!(!reads_local(&answer));
        assert!(reads_local(&answer[..TYPE_AT]));
        answer[TYPE_AT] = LOCAL;
        assert!(reads_local(&answer));
        answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        assert!(reads_local(&answer), "no errno");
        let unreachable = -rustix::io::Errno::NETUNREACH.raw_os_error();
        answer[16..20].copy_from_slice(&unreachable.to_ne_bytes());
        assert!(!reads_local(&answer));
    }
}
