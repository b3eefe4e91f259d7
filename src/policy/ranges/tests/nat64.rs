//! Addresses behind a NAT64 whose prefixes are known: what is said of the IPv4 address holds, and rules on either.
//! Without such prefixes they are in `verdicts`.

use super::*;

/// Port 4750 is our own, and 44.9.9.9 this machine's.
fn behind_nat64(allow: &[&str], deny: &[&str], unsafe_allow_private: bool) -> Ranges {
    let prefixes = ["64:ff9b::/96", "2001:db8:100::/40"];
    Ranges::new(placed(allow), placed(deny), unsafe_allow_private, vec![4750]).with_nat64(
        prefixes
            .iter()
            .filter_map(|text| Nat64Prefix::parse(text))
            .collect(),
    )
}

fn judged(ranges: &Ranges, address: &str) -> Verdict {
    let address: SocketAddr = address.parse().unwrap();
    let (dialled, verdict) = ranges.judge(address, &|ip| ip == IpAddr::from([44, 9, 9, 9]));
    assert_eq!(dialled, address, "it is dialled as it is");
    verdict
}

#[test]
fn behind_a_nat64_the_ipv4_address_counts() {
    let ranges = behind_nat64(&[], &[], false);
    for (address, verdict) in [
        ("[64:ff9b::8.8.8.8]:443", Verdict::AllowDefault),
        ("[64:ff9b::10.0.0.1]:443", Verdict::DenyPrivate),
        ("[64:ff9b::127.0.0.1]:443", Verdict::DenyNotGlobalUnicast),
        ("[64:ff9b::169.254.169.254]:443", Verdict::DenyNotGlobalUnicast),
        ("[64:ff9b::0.0.0.0]:443", Verdict::DenyNotGlobalUnicast),
        ("[64:ff9b::255.255.255.255]:443", Verdict::DenyNotGlobalUnicast),
        ("[64:ff9b::100.64.0.1]:443", Verdict::DenyCgnat),
        ("[64:ff9b::192.0.2.1]:443", Verdict::DenySpecialPurpose),
        ("[64:ff9b::168.63.129.16]:443", Verdict::DenySpecialPurpose),
        // 8.8.8.8, 10.0.0.1; a u octet; something behind the address, which no translator looks at.
        ("[2001:db8:108:808:8::]:443", Verdict::AllowDefault),
        ("[2001:db8:10a::1:0:0:0]:443", Verdict::DenyPrivate),
        ("[2001:db8:108:808:108::]:443", Verdict::DenyEmbedding),
        ("[2001:db8:10a:0:101::]:443", Verdict::DenyEmbedding),
        ("[2001:db8:108:808:8:5efe::]:443", Verdict::AllowDefault),
        // Ourselves, by the address that it stands for.
        ("[64:ff9b::44.9.9.9]:4750", Verdict::DenySelf),
        ("[64:ff9b::127.0.0.1]:4750", Verdict::DenySelf),
        ("[64:ff9b::44.9.9.9]:443", Verdict::AllowDefault),
        // Other prefixes are what they were.
        ("[64:ff9b:1::8.8.8.8]:443", Verdict::DenySpecialPurpose),
        ("[2002:808:808::1]:443", Verdict::DenyEmbedding),
        ("[2001:db8:200::1]:443", Verdict::DenySpecialPurpose),
        ("8.8.8.8:443", Verdict::AllowDefault),
    ] {
        assert_eq!(judged(&ranges, address), verdict, "{address}");
    }
    let without = Ranges::new(Vec::new(), Vec::new(), false, Vec::new());
    assert_eq!(judged(&without, "[64:ff9b::8.8.8.8]:443"), Verdict::DenyEmbedding);
    let private = behind_nat64(&[], &[], true);
    assert_eq!(judged(&private, "[64:ff9b::10.0.0.1]:443"), Verdict::AllowDefault);
}

#[test]
fn behind_a_nat64_rules_on_either_address_hold() {
    let ranges = behind_nat64(
        &["10.1.0.0/16", "64:ff9b::10.2.0.0/112", "127.0.0.1:80"],
        &[
            "8.8.8.0/24",
            "64:ff9b::9.9.9.9",
            "10.1.0.0/16",
            "64:ff9b::10.3.0.0/112",
            "9.9.9.8:53",
        ],
        false,
    );
    for (address, verdict, rule) in [
        ("[64:ff9b::10.1.2.3]:443", Verdict::AllowUser, "rules:1"),
        ("[64:ff9b::10.2.2.3]:443", Verdict::AllowUser, "rules:2"),
        ("[64:ff9b::127.0.0.1]:80", Verdict::AllowUser, "rules:3"),
        ("[64:ff9b::127.0.0.1]:81", Verdict::DenyNotGlobalUnicast, ""),
        ("10.2.2.3:443", Verdict::DenyPrivate, ""),
        ("[64:ff9b::8.8.8.8]:443", Verdict::DenyUser, "rules:1"),
        ("[64:ff9b::9.9.9.9]:443", Verdict::DenyUser, "rules:2"),
        ("9.9.9.9:443", Verdict::AllowDefault, ""),
        ("[64:ff9b::10.3.2.3]:443", Verdict::DenyUser, "rules:4"),
        ("[64:ff9b::9.9.9.8]:53", Verdict::DenyUser, "rules:5"),
        ("[64:ff9b::9.9.9.8]:443", Verdict::AllowDefault, ""),
    ] {
        assert_eq!(judged(&ranges, address), verdict, "{address}");
        let placed = ranges.rule_of(address.parse().unwrap(), verdict);
        let place = placed.map_or_else(String::new, |placed| placed.place.to_string());
        assert_eq!(place, rule, "{address}");
    }
    let metadata = "[64:ff9b::169.254.169.254]:80".parse().unwrap();
    let hint = ranges.grounds(metadata, Verdict::DenyNotGlobalUnicast).hint;
    assert!(
        hint.contains("metadata") && hint.starts_with("--allow-address [64:ff9b::a9fe:a9fe]:80"),
        "{hint}"
    );
}
