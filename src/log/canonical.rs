//! A [`Record`] as its canonical line, and the two lines that go with a failed request. Which fields, in which
//! order, at which level, cut how; not their syntax (that is `line`) and not where they go (that is `writer`).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::SystemTime;

use ::log::Level;

use crate::session::id::Id;
use crate::session::outcome::{Extent, Micros, ProxyType, ROLE_UNKNOWN, Record, TunnelEnd};

use super::Format;
use super::escape::cut;
use super::line::{Line, Value, key, line};

/// Requested host and trace id together are cut to this many bytes, before escaping.
const HOST_AND_TRACE_LENGTH_MAX: usize = 4096;
/// The requested host is cut first, so that it can't crowd out the trace id.
const HOST_LENGTH_MAX: usize = 1024;
/// Errors, reasons and roles may quote the host or a certificate: cut too.
const TEXT_LENGTH_MAX: usize = 1024;

/// What the lines say they are, in the words of the reference.
const DECISION: Value<'static> = Value::Word("CANONICAL-PROXY-DECISION");
const CLOSE: Value<'static> = Value::Word("CANONICAL-PROXY-CN-CLOSE");

/// The level of a record's line: denied is a warning, failed an error. A tunnel's end is always information, as
/// in the reference: a peer's reset says nothing of our health.
pub fn level(record: &Record) -> Level {
    match (record.end(), record.allow, record.error()) {
        (Some(_), _, _) | (None, true, None) => Level::Info,
        (None, false, _) => Level::Warn,
        (None, true, Some(_)) => Level::Error,
    }
}

/// Appends the record's canonical line, without its line feed. Allocates nothing but the room in `out`.
pub fn canonical(record: &Record, format: Format, now: SystemTime, out: &mut Vec<u8>) {
    match format {
        Format::Text => canonical_in::<false>(record, now, out),
        Format::Json => canonical_in::<true>(record, now, out),
    }
}

fn canonical_in<const JSON: bool>(record: &Record, now: SystemTime, out: &mut Vec<u8>) {
    let level = level(record);
    match record.end() {
        None => decision(record, Line::<JSON>::begin(out, now, level, DECISION)),
        Some(end) => close(record, end, Line::<JSON>::begin(out, now, level, CLOSE)),
    }
}

/// Appends the extra line of a failed dial or lookup. `message` is the whole text, such as `Failed to connect to
/// remote host: …`.
pub fn failure_line(
    id: Id,
    message: &str,
    status_code: u16,
    format: Format,
    now: SystemTime,
    out: &mut Vec<u8>,
) {
    let mut fields = [
        ("id", Value::Id(id)),
        ("status_code", Value::Number(status_code.into())),
    ];
    line(out, format, now, Level::Error, message, &mut fields);
}

/// Appends the extra line of a client that didn't say who it is, or not truthfully.
pub fn role_failure_line(record: &Record, format: Format, now: SystemTime, out: &mut Vec<u8>) {
    let mut fields = [
        ("error", Value::Text(ROLE_UNKNOWN)),
        ("id", Value::Id(record.id)),
        ("inbound_remote_addr", Value::Address(record.client.into())),
    ];
    line(
        out,
        format,
        now,
        Level::Error,
        "Unable to get role for request",
        &mut fields,
    );
}

/// The fields of a decision: those that every one has, and those known by then.
fn decision<const JSON: bool>(record: &Record, mut line: Line<'_, JSON>) {
    line.field(key!("allow"), Value::Truth(record.allow));
    if let Some(code) = record.code {
        line.field(key!("code"), Value::Word(code.as_str()));
    }
    if let Some(time) = record.establish_time {
        line.field(key!("conn_establish_time_ms"), milliseconds(Some(time)));
    }
    if let Some(length) = content_length(record) {
        line.field(key!("content_length"), Value::Number(length));
    }
    line.field(key!("decision_reason"), reason(record));
    line.field(key!("dns_lookup_time_ms"), milliseconds(record.dns_lookup_time));
    destination(record, &mut line);
    line.field(
        key!("enforce_would_deny"),
        Value::Truth(record.enforce_would_deny),
    );
    if let Some(error) = record.error() {
        line.field(key!("error"), text(error));
    }
    let grounds = grounds(record);
    if let Some((_, _, hint)) = grounds {
        line.field(key!("hint"), hint);
    }
    line.field(key!("id"), Value::Id(record.id));
    let client = line.field_at(key!("inbound_remote_addr"), Value::Address(record.client.into()));
    certificate(record, &mut line);
    if let Some((_, matched, _)) = grounds {
        line.field(key!("matched"), matched);
    }
    told(record, &mut line);
    if let Some(local) = record.outbound_local {
        line.field(key!("outbound_local_addr"), Value::Address(local.into()));
    }
    if let Some(remote) = record.outbound_remote {
        line.field(key!("outbound_remote_addr"), Value::Address(remote.into()));
    }
    if let Some(range) = record.private_exception() {
        line.field(key!("private_exception"), Value::Range(range));
    }
    asked(record, &mut line);
    if let Some((rule, _, _)) = grounds {
        line.field(key!("rule"), rule);
    }
    source(record, client, &mut line);
    let [common_name, organizational_unit] = subject(record).map(|name| match name {
        Some(name) => text(name),
        // As the reference says it where no certificate was given.
        None => Value::Word("unknown"),
    });
    line.field(key!("src_host_common_name"), common_name);
    line.field(key!("src_host_organization_unit"), organizational_unit);
    begun(record, &mut line);
    if let Some(status) = record.status_code {
        line.field(key!("status_code"), Value::Number(status.into()));
    }
    line.field(key!("trace_id"), trace_id(record));
    line.end();
}

/// The fields of a tunnel's end; all but the destination and the server's name are always there, empty where unknown. The name
/// is where it was looked for.
fn close<const JSON: bool>(record: &Record, end: &TunnelEnd, mut line: Line<'_, JSON>) {
    line.field(
        key!("active_at_termination"),
        Value::Truth(end.active_at_termination),
    );
    line.field(key!("bytes_in"), Value::Number(end.bytes_in));
    line.field(key!("bytes_out"), Value::Number(end.bytes_out));
    if let Some(code) = record.code {
        line.field(key!("code"), Value::Word(code.as_str()));
    }
    line.field(
        key!("conn_establish_time_ms"),
        milliseconds(record.establish_time),
    );
    destination(record, &mut line);
    line.field(key!("duration"), Value::Seconds(end.duration));
    line.field(key!("end_time"), Value::Time(end.end_time));
    line.field(key!("error"), text(record.error().unwrap_or_default()));
    // What lets it out is the decision's affair; these tell what ended it.
    let grounds = grounds(record);
    if let Some((_, _, hint)) = grounds {
        line.field(key!("hint"), hint);
    }
    line.field(key!("id"), Value::Id(record.id));
    let client = line.field_at(key!("inbound_remote_addr"), Value::Address(record.client.into()));
    certificate(record, &mut line);
    line.field(key!("last_activity"), Value::Time(end.last_activity));
    if let Some((_, matched, _)) = grounds {
        line.field(key!("matched"), matched);
    }
    told(record, &mut line);
    line.field(
        key!("outbound_local_addr"),
        address(record.outbound_local.map(Into::into)),
    );
    line.field(
        key!("outbound_remote_addr"),
        address(record.outbound_remote.map(Into::into)),
    );
    if let Some(generation) = record.withdrawn_by() {
        line.field(key!("policy_generation"), Value::Number(generation.into()));
    }
    asked(record, &mut line);
    if let Some((rule, _, _)) = grounds {
        line.field(key!("rule"), rule);
    }
    if let Some(sni) = record.sni() {
        line.field(key!("sni"), text(&sni.name));
        line.field(key!("sni_verdict"), Value::Word(sni.verdict.as_str()));
    }
    source(record, client, &mut line);
    begun(record, &mut line);
    line.field(key!("trace_id"), trace_id(record));
    line.end();
}

/// Why. What lets a request out is said in words of our own.
fn reason(record: &Record) -> Value<'_> {
    match &record.decision_reason {
        Cow::Borrowed(reason) if record.allow => Value::Phrase(reason),
        reason => text(reason),
    }
}

/// The length of the origin's content; none is known before a tunnel's end, and the reference says 0.
fn content_length(record: &Record) -> Option<u64> {
    match (&record.extent, record.proxy_type) {
        (Extent::Content(length), _) => Some(*length),
        (_, ProxyType::Connect) if record.allow => Some(0),
        _ => None,
    }
}

/// Rule, entry and hint, of denials alone; empty where there is none.
fn grounds(record: &Record) -> Option<(Value<'_>, Value<'_>, Value<'_>)> {
    match record.grounds() {
        Some(grounds) => Some((text(&grounds.rule), text(&grounds.matched), text(&grounds.hint))),
        None if record.allow => None,
        None => Some((text(""), text(""), text(""))),
    }
}

/// Whom the client's certificate names: common name and organizational unit.
fn subject(record: &Record) -> [Option<&str>; 2] {
    let certificate = record.certificate.as_deref();
    [
        certificate.and_then(|certificate| certificate.common_name.as_deref()),
        certificate.and_then(|certificate| certificate.organizational_unit.as_deref()),
    ]
}

/// The same by the names that the reference's newer generation has for it, where there is a certificate.
fn certificate<const JSON: bool>(record: &Record, line: &mut Line<'_, JSON>) {
    let [common_name, organizational_unit] = subject(record);
    if let Some(name) = common_name {
        line.field(key!("inbound_remote_x509_cn"), text(name));
    }
    if let Some(name) = organizational_unit {
        line.field(key!("inbound_remote_x509_ou"), text(name));
    }
}

/// Where it went, in the words of the reference's older generation.
fn destination<const JSON: bool>(record: &Record, line: &mut Line<'_, JSON>) {
    if let Some(remote) = record.outbound_remote {
        line.field(key!("dst_ip"), Value::Ip(remote.ip()));
        line.field(key!("dst_port"), Value::Number(remote.port().into()));
    }
}

/// What was asked for, and who for: `project` to `role`, which are neighbours in both lines.
fn asked<const JSON: bool>(record: &Record, line: &mut Line<'_, JSON>) {
    let proxy_type = match record.proxy_type {
        ProxyType::Http => "http",
        ProxyType::Connect => "connect",
    };
    line.field(
        key!("project"),
        text(record.project.as_deref().unwrap_or_default()),
    );
    line.field(key!("proxy_type"), Value::Word(proxy_type));
    line.field(key!("requested_host"), Value::Bytes(host(record)));
    line.field(key!("role"), text(record.role.as_deref().unwrap_or_default()));
}

/// Where from: `source_addr`, which is `client` as it stands in the line, and `src_host`.
fn source<const JSON: bool>(record: &Record, client: Range<usize>, line: &mut Line<'_, JSON>) {
    line.repeat(key!("source_addr"), client);
    line.field(key!("src_host"), Value::Ip(record.client.ip()));
}

/// What is told of a request inside of an intercepted tunnel; in a close line, of the last.
fn told<const JSON: bool>(record: &Record, line: &mut Line<'_, JSON>) {
    if let Some(told) = record.told() {
        line.field(key!("mitm_req_headers"), Value::Fields(&told.fields));
        line.field(key!("mitm_req_method"), Value::Bytes(told.method.as_bytes()));
        line.field(key!("mitm_req_url"), Value::Bytes(&told.url));
    }
}

/// The rest of where from, and when: `src_port` and `start_time`.
fn begun<const JSON: bool>(record: &Record, line: &mut Line<'_, JSON>) {
    line.field(key!("src_port"), Value::Number(record.client.port().into()));
    line.field(key!("start_time"), Value::Time(record.start));
}

fn host(record: &Record) -> &[u8] {
    cut(record.requested_host.as_bytes(), HOST_LENGTH_MAX)
}

fn trace_id(record: &Record) -> Value<'_> {
    Value::Bytes(cut(
        record.trace_id(),
        HOST_AND_TRACE_LENGTH_MAX - host(record).len(),
    ))
}

fn text(text: &str) -> Value<'_> {
    Value::Bytes(cut(text.as_bytes(), TEXT_LENGTH_MAX))
}

fn address(address: Option<SocketAddr>) -> Value<'static> {
    address.map_or(Value::Text(""), Value::Address)
}

/// Whole milliseconds; zero where nothing was measured.
fn milliseconds(time: Option<Micros>) -> Value<'static> {
    let micros = time.unwrap_or_default().get();
    Value::Number(u64::from(micros / 1000))
}

#[cfg(test)]
mod tests;
