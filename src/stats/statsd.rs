//! What was counted, as packets for StatsD: counters as what came to them since the last time, gauges as they stand, and
//! each observed value by itself. Sends nothing itself. Tags are DogStatsD's, as the reference's are.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::clock::Instant;
use crate::policy::Code;

use super::counts::{Counts, Row};
use super::families::{FAMILIES, Family, Source};
use super::observed::{Observed, Samples, Timing};
use super::roles::Labels;
use super::{Common, PolicyFacts, STATSD_INTERVAL, Standing};

/// A packet that no network cuts in two: 1,500 bytes of an Ethernet frame, without the headers of IPv6 and UDP.
const PACKET_BYTES_MAX: usize = 1432;

/// A line is shorter than this: names and two labels.
const LINE_BYTES_MAX: usize = 512;

/// What is sent, and what was.
#[derive(Debug)]
pub struct Statsd {
    due: Instant,
    /// Copies of what is counted: as it is, and as it was the last time.
    counts: Counts,
    sent: Counts,
    samples: Samples,
    policy: PolicyFacts,
    sent_dropped: u64,
}

impl Statsd {
    /// Nothing was sent yet.
    pub fn new(now: Instant) -> Statsd {
        Statsd {
            due: now + STATSD_INTERVAL,
            counts: Counts::default(),
            sent: Counts::default(),
            samples: Samples::new(),
            policy: PolicyFacts::default(),
            sent_dropped: 0,
        }
    }

    /// When [`Statsd::send`] is to be called.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Copies what is counted by now: nobody counts meanwhile.
    fn copy(&mut self, stats: &Common) {
        std::mem::swap(&mut self.counts, &mut self.sent);
        // Roles that nobody else has any more are freed before.
        self.counts.roles = Arc::clone(&self.sent.roles);
        let mut stats = stats.lock();
        self.counts.copy(&stats.counts);
        self.policy.clone_from(&stats.policy);
        if let Some(samples) = &mut stats.samples {
            std::mem::swap(samples, &mut self.samples);
        }
    }

    /// Sends what was counted since the last time, in packets.
    pub fn send(&mut self, now: Instant, stats: &Common, standing: &Standing, send: &mut dyn FnMut(&[u8])) {
        self.due = now + STATSD_INTERVAL;
        self.copy(stats);
        let Statsd {
            counts,
            sent,
            samples,
            policy,
            sent_dropped,
            ..
        } = self;
        sent.rows.resize_with(counts.rows.len(), Row::default);
        let mut packets = Packets::new(send);
        for family in FAMILIES {
            match family.source {
                Source::Singles(singles) => {
                    for (value, single) in singles {
                        let more = counts.single(*single).saturating_sub(sent.single(*single));
                        let label = family.labels.first().map(|name| (*name, *value));
                        packets.counter(family, more, label.as_slice());
                    }
                }
                Source::Row(_) | Source::Refusals => rows(family, (counts, sent), &mut packets),
                Source::Standing(read) => packets.gauge(family, read(standing), &[]),
                Source::DroppedLines => {
                    let more = standing.log_lines_dropped.saturating_sub(*sent_dropped);
                    packets.counter(family, more, &[]);
                    *sent_dropped = standing.log_lines_dropped;
                }
                Source::Generation => packets.gauge(family, policy.generation, &[]),
                Source::Policy => packets.gauge(family, 1, &[("sha256", &policy.sha256)]),
                // Each value by itself, below.
                Source::RowHistogram(_) | Source::Timing(_) => {}
            }
        }
        for (of, value) in samples.take() {
            packets.observed(of, value, counts);
        }
        packets.end();
    }
}

/// What came to the rows of roles.
fn rows(family: &Family, (counts, sent): (&Counts, &Counts), packets: &mut Packets<'_>) {
    let rows = counts.rows.iter().zip(&sent.rows);
    for ((row, sent), labels) in rows.zip(counts.roles.rows()) {
        match family.source {
            Source::Row(read) => {
                let more = read(row).saturating_sub(read(sent));
                packets.counter(family, more, &tags(labels, family));
            }
            Source::Refusals => {
                let counts = row.refusals.iter().zip(&sent.refusals);
                for (code, (count, sent)) in Code::ALL.iter().zip(counts) {
                    let tags = [("code", code.as_str()), ("role", &labels.role)];
                    packets.counter(family, count.saturating_sub(*sent), &tags);
                }
            }
            _ => {}
        }
    }
}

fn tags<'l>(labels: &'l Labels, family: &Family) -> Vec<(&'static str, &'l str)> {
    let by_default = match labels.by_default {
        true => "true",
        false => "false",
    };
    let mut tags = vec![
        ("role", &*labels.role),
        ("project", &*labels.project),
        ("def_rule", by_default),
    ];
    tags.truncate(family.labels.len());
    tags
}

/// Lines, gathered into packets.
struct Packets<'a> {
    packet: String,
    send: &'a mut dyn FnMut(&[u8]),
}

impl<'a> Packets<'a> {
    fn new(send: &'a mut dyn FnMut(&[u8])) -> Packets<'a> {
        Packets {
            packet: String::with_capacity(PACKET_BYTES_MAX + LINE_BYTES_MAX),
            send,
        }
    }

    fn counter(&mut self, family: &Family, more: u64, tags: &[(&str, &str)]) {
        if more > 0 {
            self.line(family.name, more as f64, "c", tags);
        }
    }

    fn gauge(&mut self, family: &Family, value: u64, tags: &[(&str, &str)]) {
        self.line(family.name, value as f64, "g", tags);
    }

    fn observed(&mut self, of: Observed, value: f64, counts: &Counts) {
        let (name, row) = match of {
            Observed::Timing(Timing::Connect) => ("cn.atpt.connect.time", None),
            Observed::Timing(Timing::Lookup) => ("resolver.lookup_time", None),
            Observed::Timing(Timing::Proxy) => ("proxy_duration_ms", None),
            Observed::Duration(row) => ("cn.duration", Some(row)),
            Observed::BytesIn(row) => ("cn.bytes_in", Some(row)),
            Observed::BytesOut(row) => ("cn.bytes_out", Some(row)),
        };
        match row.and_then(|row| counts.roles.rows().get(row)) {
            Some(labels) => {
                let tags = [("role", &*labels.role), ("project", &*labels.project)];
                self.line(name, value, "h", &tags);
            }
            None => self.line(name, value, "ms", &[]),
        }
    }

    /// Adds a line; a packet that it does not fit into leaves before.
    fn line(&mut self, name: &str, value: f64, kind: &str, tags: &[(&str, &str)]) {
        let before = self.packet.len();
        let separator = if before == 0 { "" } else { "\n" };
        let _ = write!(self.packet, "{separator}smokescreen.{name}:{value}|{kind}");
        for (nth, (tag, value)) in tags.iter().enumerate() {
            let separator = if nth == 0 { "|#" } else { "," };
            let _ = write!(self.packet, "{separator}{tag}:");
            // What separates tags can't be in one.
            self.packet.extend(value.chars().map(|character| match character {
                ',' => '_',
                other => other,
            }));
        }
        if self.packet.len() > PACKET_BYTES_MAX && before > 0 {
            let (full, _) = self.packet.split_at(before);
            (self.send)(full.as_bytes());
            self.packet.drain(..=before);
        }
    }

    fn end(self) {
        if !self.packet.is_empty() {
            (self.send)(self.packet.as_bytes());
        }
    }
}
