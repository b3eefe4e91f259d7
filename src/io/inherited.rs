//! The listening socket that a supervisor opened for us and handed over, by the protocol of sd_listen_fds(3). Where there is
//! none, `listener` binds one.

use mio::net::TcpListener;
use socket2::SockRef;

use super::listener::furnish;

/// Who the sockets are for: a process's number.
const LISTEN_PID: &str = "LISTEN_PID";
/// How many there are.
const LISTEN_FDS: &str = "LISTEN_FDS";

/// The socket, where one was handed over to this process: a TCP socket that listens, non-blocking and closed on exec from
/// now on. The variables that tell of it are removed, so that nobody else takes them for theirs: no thread may run yet.
///
/// # Errors
/// One line for a person, where there are several, or it is no such socket.
pub fn listener() -> Result<Option<TcpListener>, String> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    // Without its process's number the count may be anybody's, and the descriptor one of ours.
    if variable(LISTEN_PID).parse() != Ok(std::process::id()) {
        return Ok(None);
    }
    let count = variable(LISTEN_FDS);
    match count.parse::<u32>() {
        Ok(0) => return Ok(None),
        Ok(1) => {}
        Ok(several) => {
            return Err(format!(
                "{several} sockets were handed over by {LISTEN_FDS}, but the proxy listens on one: name one address in \
                 the socket unit"
            ));
        }
        Err(_) => return Err(format!("{LISTEN_FDS} is {count:?}: not a number of sockets")),
    }
    let mut handed_over = listenfd::ListenFd::from_env();
    let refusal = |why: &str| {
        format!(
            "the socket handed over by {LISTEN_FDS} is not one for TCP that listens ({why}): check the socket unit"
        )
    };
    let taken = handed_over.take_tcp_listener(0);
    let taken = taken.map_err(|error| refusal(&error.to_string()))?;
    let Some(listener) = taken else {
        return Ok(None);
    };
    let socket = SockRef::from(&listener);
    match socket.is_listener() {
        Ok(true) => {}
        Ok(false) => return Err(refusal("it does not listen")),
        Err(error) => return Err(refusal(&error.to_string())),
    }
    furnish(&socket)
        .map_err(|error| format!("the socket handed over by {LISTEN_FDS} is unusable: {error}"))?;
    Ok(Some(TcpListener::from_std(listener)))
}
