//! A tunnel that is open, as JSON: in our words, and in the reference's. Who has tunnels is not known here.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use crate::clock::Instant;
use crate::log::time;
use crate::session::Page;
use crate::session::outcome::{ProxyType, Record};
use crate::text::json;

use super::part::List;

/// A tunnel.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel<'a> {
    /// What is known of it.
    pub record: &'a Record,
    /// When a byte last moved.
    pub touched: Instant,
    /// Bytes from the origin.
    pub bytes_in: u64,
    /// Bytes to the origin.
    pub bytes_out: u64,
}

impl Tunnel<'_> {
    /// When it was made, by the clock that the log has: the same whenever that is asked, so that it tells tunnels apart.
    fn created(&self) -> SystemTime {
        let waits = [self.record.dns_lookup_time, self.record.establish_time];
        let waited = waits.into_iter().flatten().map(|time| u64::from(time.get()));
        self.record.start + Duration::from_micros(waited.sum())
    }

    /// Appends it to a list, as the page has it.
    pub fn write(&self, page: Page, now: Instant, list: &mut List<'_>) {
        let out = list.item();
        let created = self.created();
        let idle = now.duration_since(self.touched);
        match page {
            Page::Connections => self.in_reference_words(created, idle, out),
            _ => self.in_own_words(created, idle, out),
        }
    }

    fn in_own_words(&self, created: SystemTime, idle: Duration, out: &mut Vec<u8>) {
        let record = self.record;
        text(out, "{\"id\":", &record.id.to_string());
        text(out, ",\"role\":", record.role.as_deref().unwrap_or_default());
        text(out, ",\"host\":", &record.requested_host);
        text(out, ",\"client\":", &record.client.to_string());
        moment(out, ",\"created\":", created);
        let _ = write!(
            out,
            ",\"seconds_idle\":{:.3},\"bytes_in\":{},\"bytes_out\":{}}}",
            idle.as_secs_f64(),
            self.bytes_in,
            self.bytes_out
        );
    }

    fn in_reference_words(&self, created: SystemTime, idle: Duration, out: &mut Vec<u8>) {
        let record = self.record;
        let remote = record.outbound_remote.map(|remote| remote.to_string());
        text(out, "{\"role\":", record.role.as_deref().unwrap_or_default());
        text(out, ",\"rhost\":", &record.requested_host);
        text(out, ",\"raddr\":", &remote.unwrap_or_default());
        moment(out, ",\"created\":", created);
        let _ = write!(
            out,
            ",\"bytesIn\":{},\"bytesOut\":{},\"secondsSinceLastActivity\":{:.3}",
            self.bytes_in,
            self.bytes_out,
            idle.as_secs_f64()
        );
        let proxy_type = match record.proxy_type {
            ProxyType::Connect => "connect",
            ProxyType::Http => "http",
        };
        text(out, ",\"proxyType\":", proxy_type);
        out.push(b'}');
    }
}

fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    json::string(out, value);
}

fn moment(out: &mut Vec<u8>, name: &str, value: SystemTime) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
    time::moment(out, value, time::Spelling::Nanoseconds);
    out.push(b'"');
}
