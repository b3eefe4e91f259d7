//! What a denied address comes from and what would lift it, in words for people: each option that is named exists, and
//! whether using it would be wise is said with it. Decides nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::policy::Grounds;

use super::{PlacedRule, Ranges, Verdict};

/// Where clouds tell a machine who it is, with keys.
const METADATA: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // Amazon's containers.
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    // Azure's host.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Alibaba.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Amazon and Google.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

impl Ranges {
    /// The operator's rule that a verdict on this address comes from; none where it comes from a class.
    pub fn rule_of(&self, address: SocketAddr, verdict: Verdict) -> Option<&PlacedRule> {
        match verdict {
            Verdict::AllowUser => self.naming(&self.allow, address),
            Verdict::DenyUser => self.naming(&self.deny, address),
            Verdict::AllowDefault
            | Verdict::DenySelf
            | Verdict::DenyNotGlobalUnicast
            | Verdict::DenyEmbedding
            | Verdict::DenyPrivate
            | Verdict::DenyCgnat
            | Verdict::DenySpecialPurpose => None,
        }
    }

    /// For an address that was denied. The line of an operator's rule is left to [`Policy::explain`]: in the log it stays
    /// blank (docs/denied.md).
    ///
    /// [`Policy::explain`]: crate::policy::Policy::explain
    pub fn grounds(&self, address: SocketAddr, verdict: Verdict) -> Grounds {
        let matched = self.rule_of(address, verdict);
        Grounds {
            rule: Box::default(),
            matched: matched
                .map(|placed| placed.rule.to_string())
                .unwrap_or_default()
                .into(),
            hint: hint(address, self.behind(address), verdict).into(),
        }
    }
}

fn hint(address: SocketAddr, behind: Option<SocketAddr>, verdict: Verdict) -> String {
    let option = format!("--allow-address {address}");
    match verdict {
        Verdict::AllowDefault | Verdict::AllowUser | Verdict::DenySelf => String::new(),
        _ if is_metadata(address) || behind.is_some_and(is_metadata) => format!(
            "{option} would let it out and is unwise: a metadata service hands out the machine's credentials"
        ),
        Verdict::DenyNotGlobalUnicast | Verdict::DenyPrivate | Verdict::DenyCgnat => format!(
            "{option} would let it out and is unwise where users choose URLs: it is an internal address"
        ),
        Verdict::DenyEmbedding => format!("the IPv4 address that it stands for, or {option}"),
        Verdict::DenyUser => format!("{option}, which goes before what denies it"),
        Verdict::DenySpecialPurpose => option,
    }
}

fn is_metadata(address: SocketAddr) -> bool {
    METADATA.contains(&address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ranges::tests::placed;

    #[test]
    fn a_hint_is_an_option_that_would_let_it_out() {
        let deny = placed(&["44.0.0.0/8", "44.1.2.3:81"]);
        let denying = Ranges::new(Vec::new(), deny.clone(), false, vec![4750]);
        let local = |address| address == IpAddr::from([10, 0, 0, 9]);
        for (address, matched, unwise) in [
            ("127.0.0.1:80", "", true),
            ("10.1.2.3:80", "", true),
            ("[fd00::1]:80", "", true),
            ("100.64.0.1:80", "", true),
            ("[64:ff9b::1]:80", "", false),
            ("203.0.113.1:80", "", false),
            ("44.1.2.3:81", "44.0.0.0/8", false),
            ("169.254.169.254:80", "", true),
            ("168.63.129.16:80", "", true),
            ("[fd00:ec2::254]:80", "", true),
        ] {
            let address: SocketAddr = address.parse().unwrap();
            let (at, verdict) = denying.judge(address, &local);
            let grounds = denying.grounds(at, verdict);
            assert_eq!((&*grounds.rule, &*grounds.matched), ("", matched), "{address}");
            let hint = &*grounds.hint;
            assert_eq!(hint.contains("unwise"), unwise, "{address}: {hint}");
            let (_, rest) = hint.split_once("--allow-address ").unwrap();
            let value = rest.split([' ', ',']).next().unwrap();
            let allow = placed(&[value]);
            let allowing = Ranges::new(allow, deny.clone(), false, vec![4750]);
            assert!(allowing.judge(address, &local).1.allows(), "{address}: {hint}");
        }
        let (at, verdict) = denying.judge("10.0.0.9:4750".parse().unwrap(), &local);
        assert_eq!(
            denying.grounds(at, verdict),
            Grounds::default(),
            "nothing lifts that"
        );
        assert!(hint("[fd00:ec2::254]:80".parse().unwrap(), None, Verdict::DenyPrivate).contains("metadata"));
    }
}
