//! Requests and responses as bytes.

use super::{Answer, Ask, Body, Credentials, How};
use crate::random::payload;

impl Ask {
    /// The request head.
    pub(crate) fn head(&self) -> Vec<u8> {
        if let How::Raw(bytes, _) = self.how {
            return bytes.to_vec();
        }
        let Ask {
            number, method, site, ..
        } = self;
        let port = self.port();
        let authority = match port {
            80 if self.how != How::Connect && !self.https => site.written.to_owned(),
            _ => format!("{}:{port}", site.written),
        };
        let mut head = match self.how {
            How::Connect => format!("CONNECT {authority} HTTP/1.1\r\n"),
            _ => {
                let version = if self.http10 { "1.0" } else { "1.1" };
                let scheme = if self.https { "https" } else { "http" };
                // As to an origin, or as to a proxy: inside of a tunnel both will do.
                match self.inside && number % 3 > 0 {
                    true => format!("{method} /r/{number} HTTP/{version}\r\nHost: {authority}\r\n"),
                    false => format!(
                        "{method} {scheme}://{authority}/r/{number} HTTP/{version}\r\nHost: elsewhere.test\r\n"
                    ),
                }
            }
        };
        match self.credentials {
            Credentials::Good => head += "Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n",
            Credentials::Wrong => head += "Proxy-Authorization: Basic dTp3cm9uZw==\r\n",
            Credentials::Absent => {}
        }
        head += &format!("X-Smokescreen-Trace-ID: {number}\r\nX-Asked: {number}\r\n");
        match self.how {
            How::Upgrade => head += "Connection: upgrade, x-hop\r\nUpgrade: echo\r\nX-Hop: 1\r\n",
            _ if self.http10 && !self.close => head += "Proxy-Connection: keep-alive\r\n",
            _ if self.close && !self.http10 => head += "Connection: close, x-hop\r\nX-Hop: 1\r\n",
            _ => {}
        }
        match &self.body {
            Body::Length(n) => head += &format!("Content-Length: {n}\r\n"),
            Body::Chunked(_) => head += "Transfer-Encoding: chunked\r\n",
            Body::Absent | Body::UntilClose(_) => {}
        }
        if self.expect {
            head += "Expect: 100-continue\r\n";
        }
        if self.ntlm {
            head += "Authorization: NTLM TlRMTVNTUAAB\r\n";
        }
        head += &format!("X-Padding: {}\r\n\r\n", "p".repeat(self.padding));
        head.into_bytes()
    }

    /// The request body as it is sent.
    pub(crate) fn body_bytes(&self) -> Vec<u8> {
        let trailer = if self.trailer {
            "X-Trail: asked\r\nHost: bad\r\n"
        } else {
            ""
        };
        encode(
            &self.body,
            &payload(self.number, b'q', self.body.length()),
            trailer,
        )
    }
}

impl Answer {
    /// The trailer section's lines.
    fn trailer_lines(&self) -> String {
        match self.trailer {
            0..30 => String::new(),
            n => format!("X-Trail: {}\r\nContent-Type: text/bad\r\n", "t".repeat(n)),
        }
    }

    /// The response, interim ones first.
    pub(crate) fn bytes(&self, ask: &Ask, content: &[u8]) -> Vec<u8> {
        let Answer { status, .. } = self;
        let number = ask.number;
        let mut head = String::new();
        for interim in &self.interims {
            head += &format!("HTTP/1.1 {interim} Wait\r\nX-Answers: {number}\r\nProxy-X: no\r\n\r\n");
        }
        let version = if self.http10 { "1.0" } else { "1.1" };
        head += &format!(
            "HTTP/{version} {status} Reason\r\nX-Answers: {number}\r\nX-Smokescreen-Error: forged\r\n\
             Proxy-Authenticate: Basic\r\n"
        );
        head += match number % 8 {
            1 => "Keep-Alive: timeout=5, max=100\r\n",
            3 => "Keep-Alive: timeout=2\r\n",
            5 => "Keep-Alive: timeout=1\r\n",
            7 => "Keep-Alive: timeout=60, max=0\r\n",
            _ => "",
        };
        if *status == 401 && ask.ntlm {
            head += "WWW-Authenticate: NTLM\r\n";
        }
        match &self.body {
            _ if *status == 101 => head += "Connection: upgrade\r\nUpgrade: echo\r\n",
            Body::Length(n) => head += &format!("Content-Length: {n}\r\n"),
            Body::Chunked(_) => head += "Transfer-Encoding: chunked\r\n",
            Body::Absent | Body::UntilClose(_) => {}
        }
        if self.close {
            head += "Connection: close\r\n";
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        if ask.method != "HEAD" && !matches!(status, 101 | 204 | 304) {
            bytes.extend(encode(&self.body, content, &self.trailer_lines()));
        }
        bytes
    }
}

fn encode(body: &Body, content: &[u8], trailer: &str) -> Vec<u8> {
    let Body::Chunked(sizes) = body else {
        return content.to_vec();
    };
    let (mut bytes, mut rest) = (Vec::new(), content);
    for (nth, &size) in sizes.iter().enumerate() {
        let (chunk, behind) = rest.split_at(size.min(rest.len()));
        rest = behind;
        let extension = if nth % 3 == 1 { ";x=\"y\"" } else { "" };
        bytes.extend(format!("{size:04X}{extension}\r\n").into_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend(format!("0\r\n{trailer}\r\n").into_bytes());
    bytes
}
