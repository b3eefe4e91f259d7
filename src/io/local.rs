//! This machine's own addresses, read afresh each time: they change while a proxy runs.

use std::net::IpAddr;

/// All addresses of all interfaces; empty if the kernel does not tell, which the policy takes for the worst.
pub fn addresses() -> Vec<IpAddr> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.iter().map(|interface| interface.ip()).collect(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn loopback_is_among_them() {
        assert!(super::addresses().iter().any(|address| address.is_loopback()));
    }
}
