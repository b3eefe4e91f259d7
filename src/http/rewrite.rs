//! Writes the head that goes to the next hop, from the one that came from the last: end-to-end fields pass in order
//! and byte for byte, what concerns one hop only is dropped and, where needed, said anew (RFC 9110, 7.6).
//! Invents no field. Which requests are forwarded, and where to, is decided elsewhere.

use crate::net::Scheme;
use crate::text::digits;

use super::fields::{Fields, Named, field, stays_here};
use super::framing::{self, Body};
use super::head::{RequestHead, ResponseHead};
use super::max_forwards::Forwards;
use super::{Version, emit};

/// May the request be sent again when it is unknown whether it arrived (RFC 9110, 9.2.2)?
pub fn method_is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// What is said anew in a request's head.
#[derive(Clone, Copy, Debug)]
pub struct RequestPlan<'a> {
    /// The next hop is a proxy: scheme and host of the URI that it is asked for. None: it is the origin.
    pub absolute: Option<(Scheme, &'a str)>,
    /// That of [`super::target::Form::Absolute`].
    pub path_and_query: &'a [u8],
    /// What the Host field says: what the client sent as Host is dropped.
    pub host: &'a str,
    /// The port it says.
    pub port: Option<u16>,
    /// What [`super::upgrade::asked`] found.
    pub protocols: &'a [u8],
    /// What [`super::max_forwards::forwards`] left.
    pub forwards: Forwards,
    /// What [`framing::request_body`] found.
    pub body: Body,
}

/// Appends the head to send to the origin.
///
/// The version is HTTP/1.1 whatever the client's was. Framing is written anew, last and in one form.
pub fn request(head: &RequestHead<'_>, plan: &RequestPlan<'_>, out: &mut Vec<u8>) {
    request_without(None, head, plan, out);
}

/// The same, without the fields whose names are meant. Not generic: most requests drop none, and there is one of it.
pub fn request_without(
    drops: Option<&dyn Fn(&str) -> bool>,
    head: &RequestHead<'_>,
    plan: &RequestPlan<'_>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(head.method.as_bytes());
    out.push(b' ');
    if let Some((scheme, host)) = plan.absolute {
        out.extend_from_slice(scheme.as_str().as_bytes());
        out.extend_from_slice(b"://");
        authority(host, plan.port, out);
    }
    match plan.path_and_query {
        // RFC 9112, 3.2.4: this is how an asterisk-form request reaches the last proxy, which makes it one.
        [] if head.method == "OPTIONS" => {
            if plan.absolute.is_none() {
                out.push(b'*');
            }
        }
        [] => out.push(b'/'),
        [b'/', ..] => out.extend_from_slice(plan.path_and_query),
        _ => {
            out.push(b'/');
            out.extend_from_slice(plan.path_and_query);
        }
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    out.extend_from_slice(b"Host: ");
    authority(plan.host, plan.port, out);
    out.extend_from_slice(b"\r\n");
    // An HTTP/1.0 client never sees the interim response it would wait for (RFC 9110, 10.1.1).
    let expects_nothing = head.version == Version::Http10;
    let counts_down = plan.forwards != Forwards::Unbounded;
    end_to_end(head.fields, out, |name| {
        name.eq_ignore_ascii_case("host")
            || expects_nothing && name.eq_ignore_ascii_case("expect")
            || counts_down && name.eq_ignore_ascii_case("max-forwards")
            || drops.is_some_and(|drops| drops(name))
    });
    if let Forwards::Left(left) = plan.forwards {
        emit::number_field(out, "Max-Forwards", left);
    }
    if !plan.protocols.is_empty() {
        emit::field(out, "Connection", b"Upgrade");
        emit::field(out, "Upgrade", plan.protocols);
    }
    body(plan.body, out);
    out.extend_from_slice(b"\r\n");
}

fn authority(host: &str, port: Option<u16>, out: &mut Vec<u8>) {
    out.extend_from_slice(host.as_bytes());
    if let Some(port) = port {
        out.push(b':');
        digits::decimal(out, port.into());
    }
}

/// Appends the head of a CONNECT of our own (RFC 9110, 9.3.6) for a tunnel to a host, an IPv6 address in its brackets, through
/// a proxy that is given these credentials.
pub fn tunnel_request(host: &str, port: u16, authorization: Option<&str>, out: &mut Vec<u8>) {
    for (before, behind) in [("CONNECT ", " HTTP/1.1\r\n"), ("Host: ", "\r\n")] {
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(host.as_bytes());
        out.push(b':');
        digits::decimal(out, port.into());
        out.extend_from_slice(behind.as_bytes());
    }
    if let Some(value) = authorization {
        authorize(value, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the field with the credentials that the proxy which is asked is given. They are written as the head leaves, so
/// that no head which is kept, or is sent elsewhere, holds any.
pub fn authorize(value: &str, out: &mut Vec<u8>) {
    emit::field(out, "Proxy-Authorization", value.as_bytes());
}

/// Appends a field of the operator's, in the same way and for the same reason.
pub fn add(name: &str, value: &[u8], out: &mut Vec<u8>) {
    emit::field(out, name, value);
}

/// What the session knows about a response beyond its head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponsePlan {
    /// The version of the client's request.
    pub version_client: Version,
    /// The body as it is read from the origin, from [`framing::response_body`].
    pub body: Body,
    /// The request's method was HEAD.
    pub request_is_head: bool,
    /// The client's connection will carry another request.
    pub client_persists: bool,
    /// This is a 101 that agrees on a protocol the client asked for.
    pub upgrade: bool,
}

/// Appends the final response's head (or that of a 101) to send to the client: HTTP/1.1 with the origin's status and
/// reason, framing in one form that the client's version knows, and whether its connection goes on.
pub fn response(head: &ResponseHead<'_>, plan: &ResponsePlan, out: &mut Vec<u8>) {
    status_line(head, out);
    end_to_end(head.fields, out, |_| false);
    body(framing_to_send(head, plan), out);
    if plan.upgrade {
        emit::field(out, "Connection", b"Upgrade");
        for protocols in field(head.fields, "upgrade") {
            emit::field(out, "Upgrade", protocols);
        }
    } else if matches!(head.status, 100..=199) {
        // An interim response says nothing about what follows the final one.
    } else if !plan.client_persists {
        emit::field(out, "Connection", b"close");
    } else if plan.version_client == Version::Http10 {
        emit::field(out, "Connection", b"keep-alive");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of a 1xx response other than 101. For HTTP/1.1 clients only: older ones know no such thing.
pub fn interim(head: &ResponseHead<'_>, out: &mut Vec<u8>) {
    status_line(head, out);
    end_to_end(head.fields, out, |_| false);
    out.extend_from_slice(b"\r\n");
}

/// What the framing fields to the client shall say.
fn framing_to_send(head: &ResponseHead<'_>, plan: &ResponsePlan) -> Body {
    // A response without a body still says how long the one it stands for is (RFC 9110, 8.6).
    let body = match head.status {
        100..=199 | 204 => Body::None,
        _ if plan.request_is_head || head.status == 304 => framing::declared(head.fields, head.version)
            .ok()
            .flatten()
            .unwrap_or(Body::None),
        _ => plan.body,
    };
    match body {
        Body::Chunked if plan.version_client == Version::Http10 || head.status == 304 => Body::None,
        body => body,
    }
}

fn status_line(head: &ResponseHead<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    digits::decimal(out, u64::from(head.status));
    out.push(b' ');
    out.extend_from_slice(head.reason);
    out.extend_from_slice(b"\r\n");
}

/// Appends the fields that are meant for the other end: neither this hop's by definition, nor by the Connection
/// field's word, nor among those that the caller drops. Framing and Host are never left to Connection: the caller
/// writes them himself.
fn end_to_end(fields: Fields<'_>, out: &mut Vec<u8>, drops: impl Fn(&str) -> bool) {
    let named = Named::by(fields);
    for field in fields.iter() {
        if !stays_here(field.name) && !named.contains(field.name) && !drops(field.name) {
            emit::field(out, field.name, field.value);
        }
    }
}

fn body(body: Body, out: &mut Vec<u8>) {
    match body {
        Body::Length(length) => emit::number_field(out, "Content-Length", length),
        Body::Chunked => emit::field(out, "Transfer-Encoding", b"chunked"),
        Body::None | Body::UntilClose => {}
    }
}

#[cfg(test)]
mod tests;
