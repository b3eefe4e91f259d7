//! What is judged otherwise inside of an intercepted tunnel: a request is made as to an origin, by a client that said with its
//! CONNECT who it is, for the tunnel's host and no other.

use std::sync::Arc;

use crate::http::head::RequestHead;
use crate::http::target::Form;
use crate::http::{Version, fields};
use crate::net::{Scheme, Target};
use crate::policy::interception::Interception;
use crate::policy::{Allowed, Code, Policy};
use crate::text::slices::until;

use super::super::inside::Inside;
use super::super::refusal::Refusal;
use super::super::told::Told;
use super::{Judge, Uri, malformed, readable};

/// Whom a request names.
#[derive(Clone, Copy)]
pub(super) enum Authority<'f> {
    /// Its URI does.
    Uri(&'f [u8]),
    /// Its Host does.
    Host(&'f [u8]),
    /// An HTTP/1.0 client names nobody: the tunnel's host is meant.
    Unnamed,
}

/// What is asked for: whom, and path and query.
pub(super) type Asked<'f> = (Authority<'f>, &'f [u8]);

/// What a request asks for.
///
/// # Errors
/// It is none that an origin takes.
pub(super) fn asked<'f>(head: &RequestHead<'f>, form: Form<'f>) -> Result<Asked<'f>, Refusal> {
    let path_and_query = match form {
        Form::Connect { .. } => {
            return Err(Refusal::Malformed("a CONNECT inside of an intercepted tunnel"));
        }
        // RFC 9112, 3.2.2: it goes before Host.
        Form::Absolute {
            scheme: Some(Scheme::Https),
            authority,
            path_and_query,
        } => return Ok((Authority::Uri(authority), path_and_query)),
        Form::Absolute { .. } => {
            return Err(Refusal::Malformed(
                "inside of an intercepted tunnel only https URIs can be asked for",
            ));
        }
        Form::Origin => until(head.target, |&byte| byte == b'#'),
        Form::Asterisk => &[],
    };
    match (fields::field(head.fields, "host").next(), head.version) {
        (Some(host), _) => Ok((Authority::Host(host), path_and_query)),
        (None, Version::Http10) => Ok((Authority::Unnamed, path_and_query)),
        (None, Version::Http11) => Err(Refusal::Malformed("no Host (RFC 9112, 3.2)")),
    }
}

/// The proxy that a client names, for its tunnel and all inside of it.
pub(super) fn external_proxy<'h>(head: &'h RequestHead<'_>) -> Result<Option<&'h [u8]>, Refusal> {
    let mut proxies = fields::field(head.fields, "x-upstream-https-proxy");
    let external_proxy = proxies.next();
    match proxies.next() {
        None => Ok(external_proxy),
        Some(_) => Err(Refusal::Malformed("more than one X-Upstream-Https-Proxy field")),
    }
}

/// Does what is added authenticate a connection, rather than a request?
pub(super) fn authenticates_connection(adding: &Interception) -> bool {
    let mut values = adding
        .added()
        .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    values.any(|(_, value)| fields::is_connection_based(value))
}

impl Judge<'_> {
    /// Where to. Another host than the tunnel's is judged too, and refused then.
    pub(super) fn target_inside<'f>(
        &mut self,
        (authority, path_and_query): Asked<'f>,
        inside: &Inside,
    ) -> Result<(Target, Option<Uri<'f>>), Refusal> {
        let own = &inside.target;
        let (parsed, written) = match authority {
            Authority::Unnamed => (Ok(own.clone()), &[][..]),
            Authority::Uri(authority) => (of_https(authority), authority),
            // Some clients leave a port out that is no default one: what is meant is where they are.
            Authority::Host(authority) => match Target::parse(authority, Some(own.port)) {
                Ok(target) if target.host == own.host => (Ok(target), authority),
                _ => (of_https(authority), authority),
            },
        };
        self.record.requested_host = match &parsed {
            Ok(target) => Arc::clone(&target.written),
            Err(_) => readable(written),
        };
        let uri = Uri {
            scheme: Scheme::Https,
            path_and_query,
        };
        Ok((parsed?, Some(uri)))
    }

    /// What the log tells of it, whatever becomes of it: as the ACL has it for the tunnel that it came in.
    pub(super) fn tell_inside(&mut self, target: &Target, inside: &mut Inside, policy: &Policy) {
        let interception = policy.interception(inside.role(), &inside.target.host);
        let Some(detail) = interception.as_deref().and_then(Interception::detail) else {
            return;
        };
        let told = Arc::new(Told::of(self.head, target, detail));
        inside.record_mut().note_told(&told);
        self.record.note_told(&told);
    }

    /// What is to be minded of a request that was let out.
    pub(super) fn mind_inside(
        &mut self,
        allowed: &Allowed,
        inside: &Inside,
        policy: &Policy,
    ) -> Result<(), Refusal> {
        if !inside.leads_to(allowed.target()) {
            let (role, host) = (inside.role(), &inside.target.host);
            let hint = Code::Misdirected.hint();
            return Err(Refusal::Misdirected(
                policy.interception_grounds(role, host, hint),
            ));
        }
        // Where the ACL was changed this client's next tunnel is as any other.
        self.manner.persists &= allowed.interception().is_some();
        Ok(())
    }
}

/// The authority of an `https` URI.
fn of_https(authority: &[u8]) -> Result<Target, Refusal> {
    malformed(Target::parse(authority, Some(Scheme::Https.default_port())))
}
