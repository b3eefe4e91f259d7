//! What the load generator can be told to do. Does none of it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::tls::Terms;

/// How a client reaches the origin.
#[derive(Clone)]
pub(crate) enum Way {
    /// Through a forward proxy: absolute-form and CONNECT, with this field value as `Proxy-Authorization`, and with
    /// further field lines, each with its CRLF.
    Forward {
        proxy: SocketAddr,
        authorization: Option<String>,
        further: String,
    },
    /// Straight, or through a relay that knows its only target: nothing is asked of it.
    Relay { address: SocketAddr },
    /// One of the others, by TLS.
    Sealed { through: Box<Way>, terms: Terms },
}

impl Way {
    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Way::Forward { proxy, .. } => *proxy,
            Way::Relay { address } => *address,
            Way::Sealed { through, .. } => through.address(),
        }
    }

    /// How clients speak TLS, if they do.
    pub(crate) fn terms(&self) -> Option<&Terms> {
        match self {
            Way::Sealed { terms, .. } => Some(terms),
            Way::Forward { .. } | Way::Relay { .. } => None,
        }
    }

    fn fields(&self, origin: SocketAddr) -> String {
        let mut fields = format!("Host: {origin}\r\nUser-Agent: compare\r\nAccept: */*\r\n");
        if let Way::Forward {
            authorization,
            further,
            ..
        } = self
        {
            if let Some(value) = authorization {
                fields.push_str(&format!("Proxy-Authorization: {value}\r\n"));
            }
            fields.push_str(further);
        }
        fields
    }

    /// The head that asks for a tunnel, if one has to be asked for.
    pub(crate) fn connect_head(&self, origin: SocketAddr) -> Option<Vec<u8>> {
        match self {
            Way::Sealed { through, .. } => through.connect_head(origin),
            Way::Relay { .. } => None,
            Way::Forward { .. } => {
                Some(format!("CONNECT {origin} HTTP/1.1\r\n{}\r\n", self.fields(origin)).into_bytes())
            }
        }
    }

    /// The head of a plain request.
    pub(crate) fn get_head(&self, origin: SocketAddr) -> Vec<u8> {
        let target = match self {
            Way::Sealed { through, .. } => return through.get_head(origin),
            Way::Relay { .. } => "/content".to_owned(),
            Way::Forward { .. } => format!("http://{origin}/content"),
        };
        format!("GET {target} HTTP/1.1\r\n{}\r\n", self.fields(origin)).into_bytes()
    }
}

/// What a client does with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// GET with a response of so many bytes, one after the other, kept alive where the proxy lets it.
    Get { bytes: usize },
    /// A tunnel: open, 1 KiB there and back, close. Then the next.
    Exchange,
    /// A tunnel in which 64 B go there and come back, again and again.
    PingPong,
    /// A tunnel that is proved to be open by 1 KiB there and back, and then is left alone.
    Idle,
    /// A tunnel in which the origin sends as much as it can.
    Download,
    /// A tunnel in which both sides send as much as they can.
    Both,
}

/// What the origin does in a tunnel. The first byte tells it, and so where in the pattern the client begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Echo = 0,
    Download = 1,
    Both = 2,
}

impl Stream {
    /// The one whose first byte this is.
    pub(crate) fn of(first: u8) -> Option<Stream> {
        match first {
            b'E' => Some(Stream::Echo),
            b'D' => Some(Stream::Download),
            b'B' => Some(Stream::Both),
            _ => None,
        }
    }

    /// Where in the pattern both directions begin.
    pub(crate) fn start(self) -> u64 {
        self as u64
    }
}

impl Work {
    /// What the origin has to do for it; `None` for plain requests.
    pub(crate) fn stream(self) -> Option<Stream> {
        match self {
            Work::Get { .. } => None,
            Work::Exchange | Work::PingPong | Work::Idle => Some(Stream::Echo),
            Work::Download => Some(Stream::Download),
            Work::Both => Some(Stream::Both),
        }
    }

    /// What a client sends first, and gets back where it is echoed.
    pub(crate) fn message_bytes(self) -> u64 {
        match self {
            Work::Get { .. } => 0,
            Work::Exchange | Work::Idle => 1024,
            Work::PingPong => 64,
            Work::Download => 1,
            Work::Both => u64::MAX / 2,
        }
    }
}

/// One measurement: who does what, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What, and by how many clients at a time.
    pub(crate) groups: Vec<(Work, usize)>,
    /// Units of the first group begin at this rate per second, at random; without it each client begins the next when one
    /// is done.
    pub(crate) arrivals: Option<f64>,
    /// Only units of this work are counted; without it all are.
    pub(crate) counted: Option<Work>,
    /// Not counted.
    pub(crate) warm_up: Duration,
    /// Counted.
    pub(crate) duration: Duration,
}
