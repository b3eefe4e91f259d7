//! What a seed is made of: who takes part, how wires behave, what sessions may take, and what is spoiled on purpose.

use std::time::Duration;

use smokescreen::http::HeadLimits;
use smokescreen::session::refusal::DenyStyle;
use smokescreen::session::{Settings, SniSettings};

use crate::plan::{Exchange, Taste};
use crate::wires::Manner;

/// Something that is spoiled on purpose, to see that it is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spoil {
    Nothing,
    /// A byte on its way to a client.
    ClientByte,
    /// A byte on its way to an origin.
    OriginByte,
    /// A record is lost.
    LostRecord,
    /// A record is written twice.
    DoubleRecord,
    /// A wire is not closed.
    OpenWire,
    /// A deadline is not kept.
    Deaf,
    /// The scratch buffer is exchanged for a smaller one.
    Scratch,
    /// A sealed wire lets a byte out in the clear.
    ClearByte,
    /// A sealed wire does not say its end.
    LostNotice,
    /// A sealed wire forgets what it kept when it is to flush it.
    LostFlush,
}

/// What a seed is made of.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) taste: Taste,
    pub(crate) clients: Vec<Vec<Exchange>>,
    pub(crate) settings: Settings,
    pub(crate) budget_bytes: usize,
    pub(crate) scratch_bytes: usize,
    pub(crate) allowance_bytes: usize,
    /// Pipes for bulk; 0: everything is copied.
    pub(crate) pipes_max: usize,
    /// How the client's and the origins' wires behave; drawn for each wire where `None`.
    pub(crate) client_manner: Option<Manner>,
    pub(crate) origin_manner: Option<Manner>,
    /// How often the client's and the origins' wires are sealed.
    pub(crate) client_seals: usize,
    pub(crate) origin_seals: usize,
    /// Whatever is forwarded goes over TLS.
    pub(crate) https: bool,
    /// All that is asked is asked inside of intercepted tunnels, one a client.
    pub(crate) intercepts: bool,
    /// Tunnels go through an upstream.
    pub(crate) chains: bool,
    pub(crate) spoil: Spoil,
    pub(crate) trace: bool,
}

/// The settings that sessions get unless a seed draws others.
pub(crate) fn ordinary_settings(head_bytes_max: usize) -> Settings {
    Settings {
        head: HeadLimits {
            head_bytes_max,
            head_fields_max: 256,
        },
        takes_tls: false,
        proxy_protocol: false,
        read_header_timeout: Duration::from_secs(30),
        dns_timeout: Duration::from_secs(5),
        connect_timeout: Some(Duration::from_secs(10)),
        idle_timeout: Some(Duration::from_secs(3600)),
        read_timeout: None,
        write_timeout: None,
        deny_style: DenyStyle {
            status: 407,
            explicit: true,
        },
        sni: SniSettings {
            ports: [8080].into(),
            ..SniSettings::default()
        },
        rechecks_tunnels: true,
        deny_message_extra: String::new(),
    }
}
