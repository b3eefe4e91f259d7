//! What a record keeps of few requests, behind one pointer. How it gets there is `noted`'s, how it is written the log's
//! business.

use std::sync::Arc;

use ipnet::IpNet;

use crate::net::IoFailKind;
use crate::policy::quota::Limit;
use crate::policy::{Grounds, Upstream};

use super::sni::Sni;
use super::told::Told;

/// What is to be said of few requests. A tunnel keeps its record for as long as it lasts: so this is kept behind one
/// pointer.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Extras {
    /// What the client calls its request (`X-Smokescreen-Trace-ID`), raw; the log cuts it.
    pub trace_id: Box<[u8]>,
    /// What failed, if anything did.
    pub error: Option<Box<str>>,
    /// In which way no address could be reached, where it came to that.
    pub dial_failure: Option<IoFailKind>,
    /// Which limit left no room for it.
    pub limit: Option<Limit>,
    /// What a denial comes from, and what would lift it.
    pub grounds: Option<Box<Grounds>>,
    /// The range of the private exception that let it to where it went, or to where it was dialled in vain.
    pub private_exception: Option<IpNet>,
    /// What was seen of the server that its tunnel's TLS names.
    pub sni: Option<Sni>,
    /// What of a request in an intercepted tunnel is told, where the ACL asks for that.
    pub told: Option<Arc<Told>>,
    /// The proxy that its tunnel leads through, where tunnels are judged anew.
    pub upstream: Option<Arc<Upstream>>,
    /// The number of the policy that ended its tunnel, which another one had let out.
    pub withdrawn_by: Option<u32>,
}
